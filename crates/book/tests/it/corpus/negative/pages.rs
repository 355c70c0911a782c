//! Pages of long lists.

use tallybook::Database;
use tallybook::book::{LimitOffset, PortfolioId, Portfolios, Trades};
use tallybook::{all, params};

use crate::corpus::cases::cases;

async fn trades_by_cursor(db: &Database, size: u32) -> usize {
    let mut session = db.read().await.unwrap();
    let (mut cursor, mut trades) = (None, 0);
    loop {
        let page = Trades::new(&mut session).get_page(cursor.as_ref(), size).await.unwrap();
        trades += page.rows.len();
        cursor = page.next;
        if cursor.is_none() {
            return trades;
        }
    }
}

async fn notes_behind(db: &Database, size: i64) -> usize {
    const BEHIND: &str = "SELECT id FROM notes WHERE id > $1 ORDER BY id LIMIT $2";
    let mut session = db.read().await.unwrap();
    let (mut last, mut notes) = (0, 0);
    loop {
        let page = session.run(all::<(i64,)>(BEHIND, params![last, size])).await.unwrap();
        notes += page.len();
        match page.last() {
            Some((id,)) => last = *id,
            None => return notes,
        }
    }
}

cases! { in_a_scope:
    async fn by_a_cursor(db: &Database) {
        assert_eq!(trades_by_cursor(db, 5).await, 24);
    }

    async fn by_a_cursor_row_by_row(db: &Database) {
        assert_eq!(trades_by_cursor(db, 1).await, 24);
    }

    async fn by_a_cursor_over_identifiers_alone(db: &Database) {
        let mut session = db.read().await.unwrap();
        let mut page = Portfolios::new(&mut session).get_page(None, 1).await.unwrap();
        while let Some(cursor) = page.next {
            page = Portfolios::new(&mut session).get_page(Some(&cursor), 1).await.unwrap();
        }
    }

    async fn by_an_offset(db: &Database) {
        let mut session = db.read().await.unwrap();
        for page in 0..5 {
            Trades::new(&mut session).get_many(LimitOffset::first(5).skip(page * 5)).await.unwrap();
        }
    }

    async fn by_an_offset_row_by_row(db: &Database) {
        let mut session = db.read().await.unwrap();
        for page in 0..24 {
            Trades::new(&mut session).get_many(LimitOffset::first(1).skip(page)).await.unwrap();
        }
    }

    async fn of_the_children_of_one_parent(db: &Database) {
        let mut session = db.read().await.unwrap();
        Portfolios::new(&mut session).get_page(None, 5).await.unwrap();
        for page in 0..4 {
            let window = LimitOffset::first(1).skip(page);
            Trades::new(&mut session).get_by_portfolio(PortfolioId::new(7), window).await.unwrap();
        }
    }

    async fn in_own_words_behind_the_last_row(db: &Database) {
        assert_eq!(notes_behind(db, 4).await, 13);
    }

    async fn in_own_words_row_by_row(db: &Database) {
        assert_eq!(notes_behind(db, 1).await, 13);
    }
}
