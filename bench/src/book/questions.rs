//! On what the work is done: found by queries, so the same for every peer.

use anyhow::{Result, ensure};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tallybook::{Database, Settings, Statement, all, params};

use super::work::{Fill, PAGE, Question, TOGETHER, Work};

/// Portfolios (or sessions) that take turns: enough that no answer is the same twice in a row, and so few that all
/// are of nearly the same size.
const VARIETY: i64 = 8;
/// The page that is read; of a smaller book the last.
const PAGE_NUMBER: i64 = 1_000;

/// With about 20 positions and 200 trades, the nearest first.
const PORTFOLIOS: Statement = Statement::new(
    "SELECT portfolio_id, positions FROM \
     (SELECT portfolio_id, count(*) AS trades FROM trades GROUP BY portfolio_id) AS traded \
     JOIN (SELECT portfolio_id AS holder, count(*) AS positions FROM positions GROUP BY portfolio_id) AS held \
     ON holder = portfolio_id ORDER BY 10 * abs(positions - 20) + abs(trades - 200), portfolio_id LIMIT $1",
);
const SYMBOL: Statement = Statement::new(
    "SELECT portfolio_id, symbol FROM positions WHERE portfolio_id = $1 ORDER BY symbol LIMIT 1",
);
/// With about 50 trades.
const SESSIONS: Statement = Statement::new(
    "SELECT session_id, count(*) AS trades FROM trades WHERE session_id IS NOT NULL GROUP BY session_id \
     ORDER BY abs(count(*) - 50), session_id LIMIT $1",
);
const ALL_PORTFOLIOS: Statement = Statement::new("SELECT id, id FROM portfolios ORDER BY id");
const TRADES: Statement = Statement::new("SELECT count(*), count(*) FROM trades");
const LAST_BEFORE_PAGE: Statement =
    Statement::new("SELECT created_at, id FROM trades ORDER BY created_at DESC, id DESC LIMIT 1 OFFSET $1");

/// The questions of each work but the bulk load, in the order of [`Work::ALL`].
#[derive(Debug, Serialize)]
pub(super) struct Questions(Vec<Vec<Question>>);

impl Questions {
    /// Looks for them in the book at `url`; `fills` are to be recorded.
    pub(super) async fn find(url: &str, fills: Vec<Fill>) -> Result<Self> {
        let database = Database::open(Settings::new(url)?).await?;
        let mut session = database.read().await?;
        let portfolios = session.run(all::<(i64, i64)>(PORTFOLIOS, params![VARIETY])).await?;
        let sessions = session.run(all::<(i64, i64)>(SESSIONS, params![VARIETY])).await?;
        let everyone = session.run(all::<(i64, i64)>(ALL_PORTFOLIOS, params![])).await?;
        let trades =
            session.run(all::<(i64, i64)>(TRADES, params![])).await?.first().map_or(0, |(all, _)| *all);
        let page = PAGE_NUMBER.min(trades / i64::from(PAGE));
        let skipped = (page - 1) * i64::from(PAGE) - 1;
        let place = session.run(all::<(DateTime<Utc>, i64)>(LAST_BEFORE_PAGE, params![skipped])).await?;
        let mut symbols = Vec::new();
        for (portfolio, _) in &portfolios {
            let held = session.run(all::<(i64, String)>(SYMBOL, params![*portfolio])).await?;
            symbols.extend(held.into_iter().map(|(id, symbol)| Question::Position(id as i32, symbol)));
        }
        let ids = portfolios.iter().map(|(id, _)| *id as i32);
        let everyone: Vec<i32> = everyone.iter().map(|(id, _)| *id as i32).collect();
        let mut questions = Self(vec![
            ids.clone().map(Question::Relations).collect(),
            ids.clone().map(Question::Executions).collect(),
            symbols,
            sessions.iter().map(|(id, _)| Question::Session(*id as i32)).collect(),
            everyone
                .chunks_exact(TOGETHER)
                .take(VARIETY as usize)
                .map(|ids| Question::Portfolios(ids.into()))
                .collect(),
            place.iter().map(|(time, id)| Question::Page(time.naive_utc(), *id as i32)).collect(),
            ids.clone().map(Question::Relations).collect(),
            ids.map(Question::Write).collect(),
        ]);
        ensure!(questions.0.iter().all(|of_work| !of_work.is_empty()), "the book is too small");
        questions.0.push(fills.into_iter().map(Question::Record).collect());
        drop(session);
        database.close().await;
        Ok(questions)
    }

    pub(super) fn of(&self, work: Work) -> &[Question] {
        &self.0[work.place()]
    }
}
