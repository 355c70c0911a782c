//! The use of each parameter of a statement.

use std::ops::Range;

use super::keyword::Keyword;
use super::operand::{Comparison, begins_operand, casts_end, column_at, columns_before, ends_operand};
use super::token::{Kind, Token};

/// Parameters whose role is kept, which bounds the memory of the monitor. A statement with more is a bulk insert.
const MAX_PARAMETERS: u32 = 1_024;

/// The use of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// Equal to this column, or in a list with it. The name is neither qualified nor quoted, and in lower case unless
    /// the text quotes it.
    Column(Box<str>),
    /// The number of rows to return or to skip.
    Window,
    /// Compared by order.
    Bound,
    /// Stored in a row.
    Written,
    /// Anything else.
    Other,
}

impl Role {
    /// Returns how much the role reveals about the parameter.
    fn weight(&self) -> u8 {
        match self {
            Self::Other => 0,
            Self::Written => 1,
            Self::Window => 2,
            Self::Bound => 3,
            Self::Column(_) => 4,
        }
    }
}

/// Returns the roles of the numbered parameters up to the highest. Of several roles of one parameter, the most specific
/// counts.
pub(super) fn roles(tokens: &[Token<'_>]) -> Box<[Role]> {
    let mut walk = Walk { tokens, levels: vec![Level::default()], roles: Vec::new() };
    for (index, token) in tokens.iter().enumerate() {
        walk.step(index, token);
    }
    walk.roles.into()
}

/// The state inside one pair of brackets.
#[derive(Clone, Debug, Default)]
struct Level {
    clause: Clause,
    is_insert: bool,
    between: Between,
    operands: Operands,
    start: usize,
    /// Range of the parentheses closed last.
    group: Option<Range<usize>>,
}

/// The use of parameters in a clause.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Clause {
    #[default]
    Other,
    Written,
    Window,
}

/// The state of a `BETWEEN`: whether the next `AND` belongs to it, or the `AND` at an index did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Between {
    #[default]
    No,
    Begun,
    And(usize),
}

/// The other side of a comparison whose operands are in brackets.
#[derive(Clone, Debug, Default, PartialEq)]
enum Operands {
    #[default]
    Unknown,
    /// Each is compared by order.
    Ordered,
    /// Each is compared with the column at this index.
    Column(usize),
    /// Each is compared with a row of these columns.
    Rows(Range<usize>),
    /// They are compared with these columns, one after the other.
    Row(Range<usize>),
}

struct Walk<'t, 'a> {
    tokens: &'t [Token<'a>],
    levels: Vec<Level>,
    roles: Vec<Role>,
}

impl Walk<'_, '_> {
    fn step(&mut self, index: usize, token: &Token<'_>) {
        match (token.kind, token.text) {
            (Kind::Placeholder(Some(number @ 1..=MAX_PARAMETERS)), _) => {
                let role = self.role(index);
                self.record(number as usize, role);
            }
            (Kind::Symbol, "(" | "[") => self.open(index),
            (Kind::Symbol, ")" | "]") => self.close(index),
            (Kind::Symbol, ",") => self.comma(),
            (Kind::Symbol, ";") => *self.level() = Level::default(),
            (Kind::Keyword(keyword), _) => self.keyword(index, keyword),
            _ => {}
        }
    }

    fn level(&mut self) -> &mut Level {
        self.levels.last_mut().expect("the outermost level is never closed")
    }

    fn record(&mut self, number: usize, role: Role) {
        if self.roles.len() < number {
            self.roles.resize(number, Role::Other);
        }
        let known = &mut self.roles[number - 1];
        if known.weight() < role.weight() {
            *known = role;
        }
    }

    fn keyword(&mut self, index: usize, keyword: Keyword) {
        let selects_parameter = self.selects_parameter(index);
        let level = self.level();
        match keyword {
            Keyword::Select => {
                let keeps = selects_parameter && level.clause == Clause::Other;
                let operands = if keeps { level.operands.clone() } else { Operands::Unknown };
                *level = Level { start: level.start, operands, ..Level::default() };
            }
            Keyword::Insert => level.is_insert = true,
            Keyword::Values if level.is_insert => level.clause = Clause::Written,
            Keyword::Set => level.clause = Clause::Written,
            Keyword::Limit | Keyword::Offset | Keyword::Fetch => level.clause = Clause::Window,
            Keyword::From | Keyword::Where | Keyword::On | Keyword::Returning | Keyword::For => {
                level.clause = Clause::Other;
            }
            Keyword::Between => level.between = Between::Begun,
            Keyword::And if level.between == Between::Begun => level.between = Between::And(index),
            _ => {}
        }
    }

    fn open(&mut self, index: usize) {
        let operands = self.operands(self.operand_start(index));
        let outer = self.level();
        let level = Level { clause: outer.clause, start: index, operands, ..Level::default() };
        self.levels.push(level);
    }

    /// Returns whether a `SELECT` selects just a parameter: `(SELECT $1)` is compared as `$1` is.
    fn selects_parameter(&self, select: usize) -> bool {
        let is_parameter = |token: &Token<'_>| matches!(token.kind, Kind::Placeholder(Some(_)));
        let end = casts_end(self.tokens, select + 2);
        self.tokens.get(select + 1).is_some_and(is_parameter)
            && self.tokens.get(end).is_some_and(|token| token.is_symbol(")"))
    }

    /// Returns the start of the operand whose values an opening bracket holds: `ANY($1)` is a list as `($1)` is.
    fn operand_start(&self, bracket: usize) -> usize {
        let Some(before) = bracket.checked_sub(1) else { return bracket };
        let word = &self.tokens[before];
        let is_transparent = match word.kind {
            Kind::Keyword(keyword) => matches!(keyword, Keyword::Any | Keyword::Some | Keyword::Array),
            _ => ["cast", "rarray", "row"].iter().any(|name| word.is_word(name)),
        };
        if is_transparent { before } else { bracket }
    }

    fn close(&mut self, index: usize) {
        if self.levels.len() > 1 {
            let closed = self.levels.pop();
            self.level().group = closed.map(|level| level.start..index + 1);
        }
    }

    fn comma(&mut self) {
        let Operands::Row(columns) = self.level().operands.clone() else { return };
        let start = self.comma_in(&columns).map_or(columns.end, |comma| comma + 1);
        self.level().operands = Operands::Row(start..columns.end);
    }

    fn role(&self, index: usize) -> Role {
        let level = self.levels.last().expect("the outermost level is never closed");
        match level.clause {
            Clause::Written => return Role::Written,
            Clause::Window => return Role::Window,
            Clause::Other => {}
        }
        let end = casts_end(self.tokens, index + 1);
        match self.operands(index) {
            Operands::Ordered => Role::Bound,
            Operands::Column(column) if ends_operand(self.tokens, end) => {
                Role::Column(self.tokens[column].name().into())
            }
            _ if begins_operand(self.tokens, index) => self.compared_after(end),
            _ => Role::Other,
        }
    }

    /// Returns the role of a parameter before its comparison: `$1 = id`.
    fn compared_after(&self, end: usize) -> Role {
        let operator = self.tokens.get(end);
        match operator.and_then(Comparison::of) {
            Some(Comparison::Ordered) => Role::Bound,
            Some(Comparison::Equal) => {
                let column = column_at(self.tokens, end + 1);
                column.map_or(Role::Other, |column| Role::Column(column.name().into()))
            }
            None => Role::Other,
        }
    }

    /// Returns the other side of the comparison whose operand begins at `start`.
    fn operands(&self, start: usize) -> Operands {
        let level = self.levels.last().expect("the outermost level is never closed");
        let Some(before) = start.checked_sub(1) else { return Operands::Unknown };
        let token = &self.tokens[before];
        match (token.kind, token.text) {
            (Kind::Symbol, "(" | "[" | ",") | (Kind::Keyword(Keyword::Select), _) => {
                self.item(&level.operands)
            }
            (Kind::Keyword(Keyword::And), _) if level.between == Between::And(before) => Operands::Ordered,
            (Kind::Keyword(Keyword::In), _) => self.compared(before, Operands::Rows),
            _ => match Comparison::of(token) {
                Some(Comparison::Ordered) => Operands::Ordered,
                Some(Comparison::Equal) => self.compared(before, Operands::Row),
                None => Operands::Unknown,
            },
        }
    }

    /// Returns the operand before an operator; `several` builds it from a row of columns.
    fn compared(&self, operator: usize, several: impl Fn(Range<usize>) -> Operands) -> Operands {
        let group = self.levels.last().and_then(|level| level.group.as_ref());
        match columns_before(self.tokens, operator, group) {
            Some(columns) if self.comma_in(&columns).is_some() => several(columns),
            Some(columns) => Operands::Column(columns.end - 1),
            None => Operands::Unknown,
        }
    }

    /// Returns the other side of the comparison for an item in brackets.
    fn item(&self, brackets: &Operands) -> Operands {
        match brackets {
            Operands::Rows(columns) => Operands::Row(columns.clone()),
            Operands::Row(columns) if !columns.is_empty() => {
                Operands::Column(self.comma_in(columns).unwrap_or(columns.end) - 1)
            }
            Operands::Row(_) => Operands::Unknown,
            other => other.clone(),
        }
    }

    fn comma_in(&self, columns: &Range<usize>) -> Option<usize> {
        let comma = self.tokens[columns.clone()].iter().position(|token| token.is_symbol(","));
        comma.map(|comma| columns.start + comma)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::Role::{self, Bound, Other, Window, Written};

    fn roles(sql: &str) -> Vec<Role> {
        super::roles(&tokens(sql)).into_vec()
    }

    fn condition(condition: &str) -> Vec<Role> {
        roles(&format!("SELECT * FROM trades t WHERE {condition}"))
    }

    fn column(name: &str) -> Role {
        Role::Column(name.into())
    }

    #[test]
    fn a_parameter_is_compared_with_a_column() {
        for sql in [
            "id = $1",
            "t.ID = $1",
            "public.t.id == $1 AND true",
            "\"id\" = $1",
            "$1 = id",
            "$1 = t.id AND true",
            "id = ($1)",
            "id = (SELECT $1)",
            "id = (SELECT $1::bigint) AND true",
            "(id) = $1",
            "id = $1::bigint",
            "id = $1::numeric(9, 2)",
            "id = $1::double precision",
            "id = CAST($1 AS bigint)",
            "id = ANY($1)",
            "id = ANY($1::bigint[])",
            "id = ANY(ARRAY[0, $1])",
            "id IN ($1)",
            "id IN (7, $1, 8)",
            "id IN rarray($1)",
            "id IN (SELECT trade_id FROM executions WHERE id = $1)",
            "(a OR (id = $1))",
            "a > 1 AND id = $1 ORDER BY b LIMIT 1",
        ] {
            assert_eq!(condition(sql), [column("id")], "{sql}");
        }
    }

    #[test]
    fn a_quoted_column_keeps_its_case() {
        assert_eq!(condition("t.\"Id\" = $1"), [column("Id")]);
    }

    #[test]
    fn a_row_is_compared_column_by_column() {
        let columns = [column("a"), column("b")];
        assert_eq!(condition("(t.a, b) = ($1, $2)"), columns);
        assert_eq!(condition("(a, t.b) IN (($1, $2), ($1, 7))"), columns);
        assert_eq!(condition("(a, b) = ROW($1, $2)"), columns);
        assert_eq!(condition("(a, b) = (7, $1)"), [column("b")]);
        assert_eq!(condition("(lower(a), b) = ($1, $2)"), [Other, Other]);
    }

    #[test]
    fn a_comparison_by_order_makes_a_bound() {
        assert_eq!(condition("a < $1 AND $2 >= a"), [Bound, Bound]);
        assert_eq!(condition("a BETWEEN $1 AND $2 AND b = $3"), [Bound, Bound, column("b")]);
        assert_eq!(condition("(created_at, id) < ($1, $2)"), [Bound, Bound]);
    }

    #[test]
    fn any_other_use_has_no_role() {
        for sql in [
            "lower(code) = lower($1)",
            "lower(code) = $1",
            "id + 1 = $1",
            "id = $1 + 1",
            "id = - $1",
            "id <> $1",
            "id NOT IN ($1)",
            "id NOT IN (7, $1)",
            "name LIKE $1",
            "data ->> 'a' = $1",
            "id::text = $1",
            "$1 = lower(code)",
            "$1 IS NULL",
            "id = coalesce($1, 7)",
            "id IN (SELECT a FROM b ORDER BY c, $1)",
            "id = (SELECT $1 FROM b)",
            "id = (SELECT $1 + 1)",
        ] {
            assert_eq!(condition(sql), [Other], "{sql}");
        }
        assert_eq!(roles("SELECT $1"), [Other]);
        assert_eq!(roles("UPDATE a SET b = (SELECT $1)"), [Other]);
        assert_eq!(roles("SELECT * FROM (VALUES ($1)) AS v"), [Other]);
    }

    #[test]
    fn limits_are_windows() {
        assert_eq!(roles("SELECT a FROM b ORDER BY a LIMIT $1 OFFSET $2"), [Window, Window]);
        assert_eq!(roles("SELECT a FROM b OFFSET $1 ROWS FETCH FIRST ($2) ROWS ONLY"), [Window, Window]);
        assert_eq!(
            roles("SELECT a FROM b WHERE c IN (SELECT d FROM e LIMIT $1) AND f = $2"),
            [Window, column("f")]
        );
    }

    #[test]
    fn what_is_stored_is_written() {
        assert_eq!(
            roles("INSERT INTO a (b, c) VALUES ($1, lower($2)), ($3, 1)"),
            [Written, Written, Written]
        );
        assert_eq!(roles("UPDATE a SET b = $1, c = c + $2 WHERE id = $3"), [Written, Written, column("id")]);
        assert_eq!(
            roles("INSERT INTO a VALUES ($1) ON CONFLICT (b) DO UPDATE SET c = $2 WHERE a.d = $3"),
            [Written, Written, column("d")]
        );
        assert_eq!(roles("UPDATE a SET b = (SELECT c FROM d WHERE e = $1)"), [column("e")]);
    }

    #[test]
    fn the_most_specific_role_counts() {
        assert_eq!(condition("$1 IS NULL OR id = $1"), [column("id")]);
        assert_eq!(condition("id = $1 OR $1 IS NULL"), [column("id")]);
        assert_eq!(roles("UPDATE a SET b = $1 WHERE b < $1"), [Bound]);
        assert_eq!(roles("SELECT $1 FROM a LIMIT $1"), [Window]);
    }

    #[test]
    fn numbers_that_are_left_out_have_a_role() {
        assert_eq!(condition("id = $3"), [Other, Other, column("id")]);
    }

    #[test]
    fn numbers_beyond_those_of_a_condition_are_ignored() {
        assert_eq!(condition("id = $0 OR id = $1025 OR id = $99999999999"), []);
        assert_eq!(condition("id = $1024").len(), 1_024);
    }

    #[test]
    fn dollars_in_strings_and_names_are_not_parameters() {
        assert_eq!(condition("a = '$1' AND b$2 = 1 AND c = $$ $3 $$ -- $4"), []);
    }

    #[test]
    fn a_page_after_a_cursor_has_a_window_and_bounds() {
        let sql = "SELECT id FROM trades WHERE (created_at, id) < ($2, $3) ORDER BY id DESC LIMIT $1";
        assert_eq!(roles(sql), [Window, Bound, Bound]);
    }
}
