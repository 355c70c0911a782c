//! `tallybook bench indexes`.

use std::collections::BTreeSet;

use serde_json::Value;
use tallybook::{Database, Settings, all, execute, one, params};
use tallybook_testkit::both_dialects;

use crate::support::Program;

/// What is read, by which index.
const READS: [(&str, &str); 5] = [
    ("trades of a session", "ix_trades_session_id"),
    ("position by symbol", "ix_positions_portfolio_symbol"),
    ("pending trades of a portfolio (rare)", "ix_trades_portfolio_status"),
    ("filled trades of a portfolio (common)", "ix_trades_portfolio_status"),
    ("newest trades of a portfolio", "ix_trades_portfolio_created"),
];
const SMALL: &str = "bench indexes --sizes 2k,1k --rounds 2 --inserts 20";

/// The names that a database shows: its tables and schemas, or the files beside it.
async fn traces(url: &str) -> Vec<String> {
    let db = Database::open(Settings::new(url).unwrap()).await.unwrap();
    if let Some(file) = db.settings().database_url.file() {
        let beside = std::fs::read_dir(file.parent().unwrap()).unwrap();
        let names = beside.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        return names.filter(|name| name.contains("tallybook_scratch")).collect();
    }
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'tallybook%' \
               UNION ALL SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    let names = db.read().await.unwrap().run(all::<(String,)>(sql, params![])).await.unwrap();
    names.into_iter().map(|(name,)| name).collect()
}

#[test]
fn without_a_database_the_scratch_copy_is_a_temporary_file_and_database_url_is_not_touched() {
    let program = Program::new();
    let directory = program.directory().to_str().unwrap().to_owned();
    let variables =
        [("DATABASE_URL", "postgresql://ada@127.0.0.1:1/production"), ("TMPDIR", directory.as_str())];
    let out = program.run_with("bench indexes --sizes 1k --rounds 1 --inserts 10", &variables, "").ok();
    assert!(out.contains("sqlite, 1,000 trades of 5 portfolios"), "{out}");
    assert!(out.contains("Does it pay?"), "{out}");
    assert_eq!(std::fs::read_dir(program.directory()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn a_size_that_is_none_is_refused_with_what_it_may_be() {
    for bad in ["ten", "0", "10x", "200m", ""] {
        let error = Program::new().run_with(&format!("bench indexes --sizes {bad}"), &[], "").fails(2);
        assert!(error.contains("--sizes"), "{bad}: {error}");
    }
    let error = Program::new().run("bench indexes --sizes 10k,many").fails(2);
    assert!(error.contains("such as 10k, 100k or 1m"), "{error}");
}

both_dialects! {
    async fn every_read_is_measured_with_and_without_its_index_at_each_size(url: &str) {
        let json = Program::new().run(&format!("{SMALL} --json --database {url}")).json();
        let postgres = url.starts_with("postgresql");
        assert_eq!(json["dialect"], if postgres { "postgresql" } else { "sqlite" });
        let sizes = json["sizes"].as_array().unwrap();
        let trades: Vec<_> = sizes.iter().map(|size| size["trades"].as_u64().unwrap()).collect();
        assert_eq!(trades, [1_000, 2_000], "smallest first");
        for size in sizes {
            let reads = size["reads"].as_array().unwrap();
            assert_eq!(pairs(reads), READS);
            for read in reads {
                check_read(read, postgres);
            }
            let indexes = size["indexes"].as_array().unwrap();
            let names: BTreeSet<_> = indexes.iter().map(|index| text(index, "index")).collect();
            assert_eq!((names, indexes.len()), (READS.map(|(_, index)| index).into(), 4));
            for index in indexes {
                let page = if postgres { 8_192 } else { 4_096 };
                assert_eq!(index["bytes"].as_u64().unwrap(), page * index["pages"].as_u64().unwrap(), "{index}");
                assert!(index["pages"].as_u64().unwrap() >= 1, "{index}");
                assert!(index["insert_us_with"].as_f64().unwrap() > 0.0, "{index}");
                assert!(index["insert_us_without"].as_f64().unwrap() > 0.0, "{index}");
            }
        }
        let growth: Vec<_> = json["growth"].as_array().unwrap().iter().map(|one| text(one, "read")).collect();
        assert_eq!(growth, READS.map(|(read, _)| read));
        let verdicts = json["verdicts"].as_array().unwrap();
        assert_eq!(pairs(verdicts), [READS, READS].concat());
        for (verdict, read) in verdicts.iter().zip(sizes.iter().flat_map(|size| size["reads"].as_array().unwrap())) {
            let time = |side: &str| read[side]["median_us"].as_f64().unwrap();
            let gain = time("without") / time("with");
            assert!((verdict["gain"].as_f64().unwrap() - gain).abs() < 1e-6 * gain, "{gain} is not {verdict}");
            let is_used = read["with"]["indexes_used"].as_array().unwrap().contains(&verdict["index"]);
            let pays = match gain {
                gain if !is_used || gain < 1.15 => "no",
                gain if gain < 2.0 => "little",
                _ => "yes",
            };
            assert_eq!(verdict["pays"], pays, "{gain}: {verdict}");
        }
    }

    async fn the_tables_say_what_was_measured_and_what_does_not_pay(url: &str) {
        let out = Program::new().run(&format!("{SMALL} --database {url}")).ok();
        for part in ["pages", "used without", "insert without", "Growth of the time", "Does it pay?", "pays"] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }

    async fn the_database_is_left_as_it_was(url: &str) {
        let program = Program::new();
        program.run(&format!("migrate upgrade --database {url}")).ok();
        program.run(&format!("seed --portfolios 3 --trades 300 --database {url}")).ok();
        let before = traces(url).await;
        let trades = program.run(&format!("export trades --database {url}")).ok();
        program.run(&format!("bench indexes --sizes 1k --rounds 1 --inserts 10 --database {url}")).ok();
        assert_eq!(traces(url).await, before);
        assert!(program.run(&format!("export trades --database {url}")).ok() == trades, "the trades are as they were");
    }

    async fn ctrl_c_leaves_nothing_behind(url: &str) {
        let program = Program::new();
        let before = traces(url).await;
        let mut child = program
            .command(&format!("bench indexes --sizes 20k --rounds 1000 --database {url}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while traces(url).await == before {
            assert!(child.try_wait().unwrap().is_none(), "it ended early");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        crate::support::interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(1));
        assert_eq!(traces(url).await, before);
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn pairs(values: &[Value]) -> Vec<(&str, &str)> {
    values.iter().map(|value| (text(value, "read"), text(value, "index"))).collect()
}

#[track_caller]
fn check_read(read: &Value, postgres: bool) {
    for side in ["with", "without"] {
        assert!(read[side]["median_us"].as_f64().unwrap() > 0.0, "{read}");
        assert_eq!(read[side]["pages"].is_u64(), postgres, "{read}");
        let used = read[side]["indexes_used"].as_array().unwrap();
        assert!(side == "with" || !used.contains(&read["index"]), "{read}");
    }
    assert!(read["rows"].as_f64().is_some(), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_create_a_schema_is_told_what_to_do() {
    let database = tallybook_testkit::postgres().await.database("no_schema_for_ada").await;
    let db = Database::open(Settings::new(database.url()).unwrap()).await.unwrap();
    let ada = format!("ada_{}", std::process::id());
    let statements = [
        format!("CREATE ROLE {ada} LOGIN PASSWORD 'Secret'"),
        format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", database.name()),
        format!("GRANT CONNECT ON DATABASE {} TO {ada}", database.name()),
    ];
    for sql in statements {
        db.write(async |session| session.run(execute(sql, params![])).await).await.unwrap();
    }
    let url = format!("postgresql://{ada}:Secret@127.0.0.1:{}/{}", database.port(), database.name());
    let error = Program::new().run(&format!("{SMALL} --database {url}")).fails(1);
    let revoke = format!("REVOKE CONNECT ON DATABASE {} FROM {ada}", database.name());
    db.write(async |session| session.run(execute(revoke, params![])).await).await.unwrap();
    db.write(async |session| session.run(execute(format!("DROP ROLE {ada}"), params![])).await)
        .await
        .unwrap();
    assert!(error.contains("may not create a schema") && error.contains("next: GRANT CREATE"), "{error}");
    assert!(!error.contains("Secret"), "{error}");
    let schemas =
        one::<(i64,)>("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tallybook%'", params![]);
    assert_eq!(db.read().await.unwrap().run(schemas).await.unwrap(), (0,));
}
