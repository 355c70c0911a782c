//! What is dropped: all that a session does with a connection.

use std::future::poll_fn;

use tallybook_postgres::Connection;
use tallybook_sql::error::Result;
use tallybook_sql::transaction::{Begin, End, TransactionFraming};
use tallybook_sql::value::Value;
use tallybook_sql::{all, execute, one, params};

use crate::support::writing;

/// What is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    Single,
    Batch,
    Write,
    FailingWrite,
    Load,
    Cursor,
    Commit,
    RollBack,
    Script,
    Observe,
    Reset,
    Clean,
}

pub(super) const ALL: [Work; 12] = [
    Work::Single,
    Work::Batch,
    Work::Write,
    Work::FailingWrite,
    Work::Load,
    Work::Cursor,
    Work::Commit,
    Work::RollBack,
    Work::Script,
    Work::Observe,
    Work::Reset,
    Work::Clean,
];

impl Work {
    /// Does it to the end, and checks what comes back.
    pub(super) async fn run(self, connection: &mut Connection, number: i64) -> Result<()> {
        let numbers = |count: i64| {
            all::<(i64, i64)>("SELECT n, $1 FROM generate_series(1::bigint, $2) AS n", params![number, count])
        };
        let expected = |count: i64| (1..=count).map(|n| (n, number)).collect::<Vec<_>>();
        let insert =
            |table: &str| execute(format!("INSERT INTO {table} VALUES ($1, 'a text')"), params![number]);
        match self {
            Work::Single => {
                let outcome =
                    connection.execute(numbers(2), TransactionFraming::default(), None).await.finish();
                assert_eq!(outcome?, expected(2));
            }
            Work::Batch => {
                let batch = (numbers(1), one::<(i64,)>("SELECT $1 + 1", params![number]), numbers(2));
                let framing = TransactionFraming::default().snapshot();
                let outcome = connection.execute(batch, framing, None).await.finish();
                assert_eq!(outcome?, (expected(1), (number + 1,), expected(2)));
            }
            Work::Write => {
                let batch = (insert("drops"), insert("copies"));
                let outcome = connection.execute(batch, writing(Some(End::Commit)), None).await.finish();
                assert_eq!(outcome?, (1, 1));
            }
            Work::FailingWrite => {
                let fails = one::<(i64,)>("SELECT $1 / 0", params![number]);
                let batch = (insert("drops"), fails, insert("copies"));
                let error = connection.execute(batch, writing(Some(End::Commit)), None).await.finish();
                let error = error.expect_err("it divides by zero");
                if error.code() != Some("22012") {
                    return Err(error);
                }
                connection.clean().await?;
            }
            Work::Load => {
                connection.execute((), writing(None), None).await.finish()?;
                for table in ["drops", "copies"] {
                    let mut load = connection.load(table, &["id", "title"]).await?;
                    for copy in 0..2 {
                        let id = -(number * 2 + copy);
                        load.write(&[Value::Int(id), Value::Text("a text".into())]).await?;
                    }
                    assert_eq!(load.finish().await?.rows, 2);
                }
                connection.commit().await?;
            }
            Work::Cursor => {
                let opens = TransactionFraming {
                    begin: Some(Begin::Snapshot),
                    opens_cursor: true,
                    ..TransactionFraming::default()
                };
                let mut query = numbers(3);
                // The driver gives the query back, with its cursor open.
                let executed = connection.execute(query, opens, None).await;
                executed.outcome?;
                query = executed.batch.expect("the batch comes back");
                let (mut rows, mut taken) = (connection.rows(), Vec::new());
                let end = loop {
                    let page = poll_fn(|context| rows.poll_page(context, &mut query)).await;
                    taken.extend(page.rows);
                    if let Some(end) = page.end {
                        break end;
                    }
                };
                end?;
                drop(rows);
                assert!(taken == expected(3), "{taken:?}");
                connection.clean().await?;
            }
            Work::Commit => {
                connection
                    .execute((insert("drops"), insert("copies")), writing(None), None)
                    .await
                    .finish()?;
                assert!(connection.commit().await?.is_some(), "a primary has a position");
            }
            Work::RollBack => {
                connection
                    .execute((insert("drops"), insert("copies")), writing(None), None)
                    .await
                    .finish()?;
                connection.roll_back().await?;
            }
            Work::Script => {
                let script = format!(
                    "BEGIN READ WRITE; INSERT INTO drops VALUES ({number}, 'a text'); \
                     INSERT INTO copies VALUES ({number}, 'a text'); COMMIT; SELECT {number}"
                );
                connection.script(&script).await?;
            }
            Work::Observe => assert!(!connection.observe().await?.standby),
            Work::Reset => {
                connection.reset().await?;
            }
            Work::Clean => {
                connection.execute(insert("drops"), writing(None), None).await.finish()?;
                connection.clean().await?;
                connection.clean().await?;
            }
        }
        Ok(())
    }
}
