//! Tables that fit a width: some columns are dropped, call sites lose their beginning and statements their end.

use tallybook::Escaped;

use super::format::{cut, cut_left};

/// The kind of a column, which decides how it may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number or a time: whole or not at all, aligned right.
    Number,
    /// A word: whole or not at all.
    Word,
    /// A short text, cut at its end.
    Name,
    /// A line of code, cut at its beginning.
    Site,
    /// A text, cut at its end.
    Text,
}

/// A column of a table of `R`s.
pub(super) struct Column<R> {
    head: Head,
    cell: fn(&R) -> String,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    title: &'static str,
    kind: Kind,
    /// Columns with the highest rank are dropped first; those of rank 0 stay.
    rank: u8,
}

impl<R> Column<R> {
    pub(super) fn new(title: &'static str, kind: Kind, rank: u8, cell: fn(&R) -> String) -> Self {
        Self { head: Head { title, kind, rank }, cell }
    }

    pub(super) fn number(title: &'static str, rank: u8, cell: fn(&R) -> String) -> Self {
        Self::new(title, Kind::Number, rank, cell)
    }
}

/// A table of any width.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    heads: Vec<Head>,
    rows: Vec<Vec<String>>,
}

/// A table fitted to a width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fitted {
    pub(crate) titles: Vec<&'static str>,
    pub(crate) widths: Vec<usize>,
    pub(crate) is_number: Vec<bool>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// Minimum width at which a column of each kind is worth showing.
const MIN_NAME: usize = 14;
const MIN_SITE: usize = 16;
const MIN_TEXT: usize = 26;

impl Grid {
    pub(super) fn new<R>(columns: &[Column<R>], rows: impl IntoIterator<Item = R>) -> Self {
        let cells = |row: R| columns.iter().map(|column| Escaped(&(column.cell)(&row)).to_string()).collect();
        Self {
            heads: columns.iter().map(|column| column.head).collect(),
            rows: rows.into_iter().map(cells).collect(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keeps only the first `most` rows.
    pub(super) fn first(mut self, most: usize) -> Self {
        self.rows.truncate(most);
        self
    }

    /// Fits the table into `width` characters, with `gap` of them for each column in addition to its own.
    pub(crate) fn fit(&self, width: usize, gap: usize) -> Fitted {
        let natural: Vec<usize> = (0..self.heads.len()).map(|column| self.natural(column)).collect();
        let kept = self.kept(&natural, width, gap);
        let widths = self.widths(&natural, &kept, width, gap);
        let cells = |row: &Vec<String>| -> Vec<String> {
            kept.iter().zip(&widths).map(|(&column, &width)| self.cell(row, column, width)).collect()
        };
        Fitted {
            titles: kept.iter().map(|&column| self.heads[column].title).collect(),
            is_number: kept.iter().map(|&column| self.heads[column].kind == Kind::Number).collect(),
            rows: self.rows.iter().map(cells).collect(),
            widths,
        }
    }

    fn natural(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.chain([self.heads[column].title.chars().count()]).max().unwrap_or_default()
    }

    fn cell(&self, row: &[String], column: usize, width: usize) -> String {
        match self.heads[column].kind {
            Kind::Site => cut_left(&row[column], width),
            Kind::Name | Kind::Text => cut(&row[column], width),
            Kind::Number | Kind::Word => row[column].clone(),
        }
    }

    /// Returns the columns for which there is room.
    fn kept(&self, natural: &[usize], width: usize, gap: usize) -> Vec<usize> {
        let least = |column: usize| match self.heads[column].kind {
            Kind::Name => natural[column].min(MIN_NAME),
            Kind::Site => natural[column].min(MIN_SITE),
            Kind::Text => natural[column].min(MIN_TEXT),
            Kind::Number | Kind::Word => natural[column],
        };
        let mut kept: Vec<usize> = (0..self.heads.len()).collect();
        while kept.iter().map(|&column| least(column) + gap).sum::<usize>() > width {
            let last = kept.iter().copied().max_by_key(|&column| self.heads[column].rank);
            match last.filter(|&column| self.heads[column].rank > 0) {
                Some(last) => kept.retain(|&column| column != last),
                None => break,
            }
        }
        kept
    }

    /// Distributes the remaining width to call sites and texts, more of it to texts. A table has at most one of
    /// each.
    fn widths(&self, natural: &[usize], kept: &[usize], width: usize, gap: usize) -> Vec<usize> {
        let natural_of = |kind: Kind| -> usize {
            kept.iter()
                .filter(|&&column| self.heads[column].kind == kind)
                .map(|&column| natural[column])
                .sum()
        };
        let taken = natural_of(Kind::Number) + natural_of(Kind::Word) + gap * kept.len();
        let left = width.saturating_sub(taken);
        let (sites, texts) = (natural_of(Kind::Site), natural_of(Kind::Name) + natural_of(Kind::Text));
        let site = sites.min((left * 2 / 5).max(left.saturating_sub(texts)));
        let text = texts.min(left.saturating_sub(site));
        let width_of = |&column: &usize| match self.heads[column].kind {
            Kind::Site => site,
            Kind::Name | Kind::Text => text,
            Kind::Number | Kind::Word => natural[column],
        };
        kept.iter().map(width_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grid(rows: Vec<[String; 4]>) -> Grid {
        let columns: [Column<[String; 4]>; 4] = [
            Column::number("calls", 0, |row| row[0].clone()),
            Column::number("rows", 2, |row| row[1].clone()),
            Column::new("at", Kind::Site, 1, |row| row[2].clone()),
            Column::new("statement", Kind::Text, 0, |row| row[3].clone()),
        ];
        Grid::new(&columns, rows)
    }

    fn row() -> [String; 4] {
        ["12", "34", "src/repositories/trades.rs:42", "select id from trades where portfolio_id = ?"]
            .map(str::to_owned)
    }

    #[test]
    fn with_room_enough_nothing_is_cut() {
        let fitted = grid(vec![row()]).fit(200, 1);
        assert_eq!(fitted.rows, [row()]);
    }

    #[test]
    fn columns_go_by_rank_and_places_and_texts_are_cut() {
        let grid = grid(vec![row()]);
        let row = &grid.fit(60, 1).rows[0];
        assert!(row[2].starts_with('…') && row[2].ends_with("trades.rs:42"), "{row:?}");
        assert!(row[3].starts_with("select id from") && row[3].ends_with('…'), "{row:?}");
        assert_eq!(grid.fit(53, 1).titles, ["calls", "at", "statement"]);
        assert_eq!(grid.fit(38, 1).titles, ["calls", "statement"]);
    }

    proptest! {
        #[test]
        fn a_table_keeps_its_width(
            rows in prop::collection::vec(["[0-9]{1,7}", "[0-9]{1,7}", "[a-z/]{0,60}", "[a-z ]{0,90}"], 0..5),
            width in 40..200_usize,
            gap in 0..3_usize,
        ) {
            let fitted = grid(rows).fit(width, gap);
            let total: usize = fitted.widths.iter().map(|width| width + gap).sum();
            prop_assert!(total <= width, "{fitted:?}");
            for row in &fitted.rows {
                for (cell, width) in row.iter().zip(&fitted.widths) {
                    prop_assert!(cell.chars().count() <= *width, "{fitted:?}");
                }
            }
        }
    }
}
