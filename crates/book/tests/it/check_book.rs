//! The check of a book: what it finds in one that was damaged, and how it repairs that.

use tallybook::Database;
use tallybook::book::{
    BookCheck, BookRepair, CheckEvent, Discrepancy, DiscrepancyKind as Kind, RepairError, RepairSql,
    check_book, repair_book,
};
use tallybook_testkit::{alembic, both_dialects, run_script};

use crate::adopt::{all_rows_as_text, columns};
use crate::kept_book::kept_book;
use crate::support::{open, rows, sql};

/// Returns the differences of a book.
async fn differences(db: &Database) -> (BookCheck, Vec<Discrepancy>) {
    let mut found = Vec::new();
    let check = check_book(db, |event| {
        if let CheckEvent::Found(discrepancy) = event {
            found.push(discrepancy);
        }
    });
    let check = check.await.unwrap();
    assert_eq!(check.discrepancies, found.len() as u64);
    (check, found)
}

/// Returns `kind table.column id: found -> expected` of each difference.
async fn found(db: &Database) -> Vec<String> {
    differences(db).await.1.iter().map(line).collect()
}

fn line(found: &Discrepancy) -> String {
    let Discrepancy { kind, table, column, found, expected, id, .. } = found;
    let id = id.map_or("-".to_owned(), |id| id.to_string());
    format!("{kind} {table}.{column} {id}: {found} -> {expected}")
}

/// Returns the only value of a query.
async fn value(db: &Database, query: &str) -> String {
    let mut session = db.read().await.unwrap();
    rows::<(String,)>(&mut session, format!("SELECT CAST(({query}) AS text)")).await.remove(0).0
}

/// Returns all rows of the book as text, without the times of their last change.
async fn content(db: &Database) -> Vec<String> {
    let mut columns = columns(db).await;
    columns.retain(|(_, column)| column != "updated_at");
    all_rows_as_text(db, &columns).await
}

async fn damage(url: &str, script: &str) {
    run_script(url, script).await;
}

/// Returns how many rows a repair updated, inserted, deleted, and left.
fn counts(repair: BookRepair) -> (u64, u64, u64, u64) {
    (repair.updated, repair.inserted, repair.deleted, repair.left)
}

/// Damages one figure of the first row of a table that fulfils a condition: `column` becomes `new`.
async fn assert_finds_in(url: &str, kind: Kind, (table, condition): (&str, &str), column: &str, new: &str) {
    let db = kept_book(url, 7).await;
    let row = format!("FROM {table} WHERE id = (SELECT min(id) FROM {table} WHERE {condition})");
    let id = value(&db, &format!("SELECT id {row}")).await;
    let (_, none) = differences(&db).await;
    assert_eq!(none, []);
    let before = content(&db).await;
    let old = value(&db, &format!("SELECT {column} {row}")).await;

    damage(url, &format!("UPDATE {table} SET {column} = {new} WHERE id = {id}")).await;

    let new = value(&db, &format!("SELECT {column} FROM {table} WHERE id = {id}")).await;
    let (_, discrepancies) = differences(&db).await;
    let [difference] = &discrepancies[..] else { panic!("{discrepancies:#?}") };
    assert_eq!((difference.kind, difference.table, difference.column), (kind, table, column));
    assert_eq!(difference.id, id.parse().ok());
    // The text of a double has 15 digits in SQLite, and that of a time no zeros in PostgreSQL.
    let same = |figure: &str, text: &str| match (figure.parse::<f64>(), text.parse::<f64>()) {
        (Ok(figure), Ok(text)) => assert!((figure - text).abs() <= 1e-14 * text.abs(), "{figure} {text}"),
        _ => {
            assert!(
                figure.trim_end_matches(".000000") == text.trim_end_matches(".000000"),
                "{figure} {text}"
            );
        }
    };
    same(&difference.found.to_string(), &new);
    if kind.is_repairable() {
        same(&difference.expected.to_string(), &old);
        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();
        assert_eq!(counts(repaired), (1, 0, 0, 0));
        assert_eq!(content(&db).await, before);
    } else {
        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();
        assert_eq!(counts(repaired), (0, 0, 0, 1));
    }
    assert_eq!(found(&db).await.is_empty(), kind.is_repairable());
}

const HELD: (&str, &str) = ("positions", "quantity <> 0");
const PART: (&str, &str) = ("trades", "filled_quantity > 2 AND status = 'PARTIALLY_FILLED'");
const WHOLE: (&str, &str) = ("trades", "status = 'FILLED'");
const ANY: &str = "id > 0";

both_dialects! {
    async fn a_book_that_record_kept_balances(url: &str) {
        let db = kept_book(url, 1).await;

        let (check, differences) = differences(&db).await;

        assert_eq!(differences, []);
        assert!(check.is_balanced());
        assert_eq!((check.portfolios, check.trading_sessions, check.trades), (2, 2, 48));
        let executions = value(&db, "SELECT count(*) FROM executions").await;
        assert!(check.executions > 90 && check.executions.to_string() == executions, "{check:?}");
        assert_eq!(check.positions, 6);
    }

    async fn other_random_books_balance(url: &str) {
        let server = tallybook_testkit::postgres().await;
        for seed in 2..12 {
            let (file, database) = (tallybook_testkit::SqliteFile::new("kept"), server.database("kept").await);
            let url = if url.starts_with("sqlite:") { file.url() } else { database.url().to_owned() };
            let db = kept_book(&url, seed).await;
            assert_eq!(found(&db).await, [""; 0], "seed {seed}");
        }
    }

    async fn an_empty_book_balances(url: &str) {
        let db = crate::support::book(url).await;
        assert_eq!(differences(&db).await, (BookCheck::default(), Vec::new()));
    }

    async fn progress_is_reported_to_the_end(url: &str) {
        let db = kept_book(url, 1).await;
        let mut last = None;
        let check = check_book(&db, |event| {
            if let CheckEvent::Progress { done, total } = event {
                last = Some((done, total));
            }
        })
        .await
        .unwrap();
        assert_eq!(last, Some((check.executions, check.executions)));
    }

    async fn the_noise_of_a_float_is_told_from_a_wrong_sum(url: &str) {
        assert_finds_in(url, Kind::FloatRounding, ("portfolios", ANY), "current_capital", "current_capital + 0.0000001").await;
    }

    async fn the_noise_of_an_average_is_told_from_a_wrong_average(url: &str) {
        assert_finds_in(url, Kind::FloatRounding, HELD, "average_cost", "average_cost + 0.0000000000001").await;
    }

    async fn a_fill_without_an_execution_is_found(url: &str) {
        assert_finds_in(url, Kind::MissingFill, PART, "filled_quantity", "filled_quantity + 1").await;
    }

    async fn a_position_that_counts_a_fill_twice_is_found(url: &str) {
        assert_finds_in(url, Kind::MissingFill, HELD, "quantity", "quantity * 2").await;
    }

    async fn an_execution_that_is_not_counted_is_found(url: &str) {
        assert_finds_in(url, Kind::SurplusFill, PART, "filled_quantity", "filled_quantity - 1").await;
    }

    async fn a_position_on_the_wrong_side_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongSign, HELD, "quantity", "-quantity").await;
    }

    async fn a_wrong_direction_is_found(url: &str) {
        let other = "CASE position_type WHEN 'LONG' THEN 'SHORT' ELSE 'LONG' END";
        assert_finds_in(url, Kind::WrongSign, HELD, "position_type", other).await;
    }

    async fn an_unknown_direction_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongSign, HELD, "position_type", "'it''s'").await;
    }

    async fn an_order_that_is_filled_and_not_called_so_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongStatus, WHOLE, "status", "'CANCELLED'").await;
    }

    async fn an_order_that_is_called_filled_and_is_not_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongStatus, PART, "status", "'FILLED'").await;
    }

    async fn a_pending_order_with_fills_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongStatus, PART, "status", "'PENDING'").await;
    }

    async fn a_wrong_time_of_the_last_fill_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongStatus, WHOLE, "filled_at", "'2001-02-03 04:05:06.000007'").await;
    }

    async fn wrong_cash_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongCash, ("portfolios", ANY), "current_capital", "current_capital - 0.01").await;
    }

    async fn wrong_cash_of_a_session_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongCash, ("trading_sessions", ANY), "current_capital", "current_capital + 5").await;
    }

    async fn a_wrong_profit_of_a_session_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongTotals, ("trading_sessions", ANY), "total_pnl", "total_pnl + 1").await;
    }

    async fn a_wrong_number_of_trades_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongTotals, ("trading_sessions", ANY), "total_trades", "total_trades - 1").await;
    }

    async fn a_wrong_number_of_won_trades_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongTotals, ("trading_sessions", ANY), "winning_trades", "winning_trades + 1").await;
    }

    async fn a_wrong_number_of_lost_trades_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongTotals, ("trading_sessions", ANY), "losing_trades", "losing_trades + 1").await;
    }

    async fn a_wrong_profit_of_a_position_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongProfit, HELD, "realized_pnl", "realized_pnl + 0.5").await;
    }

    async fn a_wrong_profit_of_an_order_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongProfit, WHOLE, "realized_pnl", "realized_pnl - 1").await;
    }

    async fn a_wrong_profit_of_an_execution_is_found_and_its_order_is_right(url: &str) {
        let closing = ("executions", "realized_pnl <> 0");
        assert_finds_in(url, Kind::WrongProfit, closing, "realized_pnl", "realized_pnl + 1").await;
    }

    async fn a_wrong_average_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongAverage, HELD, "average_cost", "average_cost * 1.5").await;
    }

    async fn an_average_that_is_rounded_to_cents_is_told_from_a_wrong_one(url: &str) {
        let cents = "round(average_fill_price * 100)";
        let uneven = format!(
            "CAST({cents} AS integer) % 10 <> 0 AND abs(average_fill_price * 100 - {cents}) > 0.1"
        );
        let rounded = format!("CAST(CAST({cents} AS integer) AS double precision) / 100");
        let sold = ("trades", uneven.as_str());
        assert_finds_in(url, Kind::RoundedAverage, sold, "average_fill_price", &rounded).await;
    }

    async fn a_wrong_average_of_an_order_is_found(url: &str) {
        assert_finds_in(url, Kind::WrongAverage, WHOLE, "average_fill_price", "average_fill_price + 0.01").await;
    }

    async fn a_reversal_of_another_order_is_found(url: &str) {
        let reversal = ("executions", "reverses_id IS NOT NULL");
        let other = "(SELECT min(o.id) FROM executions o WHERE o.reverses_id IS NULL AND o.trade_id <> executions.trade_id \
                     AND NOT EXISTS (SELECT 1 FROM executions r WHERE r.reverses_id = o.id))";
        assert_finds_in(url, Kind::DanglingReversal, reversal, "reverses_id", other).await;
    }

    async fn an_execution_of_another_instrument_is_found(url: &str) {
        assert_finds_in(url, Kind::ForeignSymbol, ("executions", ANY), "symbol", "'TSLA'").await;
    }

    async fn an_order_that_neither_buys_nor_sells_is_found(url: &str) {
        assert_finds_in(url, Kind::UnknownSide, WHOLE, "action", "'HOLD'").await;
    }

    async fn a_fill_of_less_than_nothing_is_found(url: &str) {
        let fill = ("executions", "quantity > 0");
        assert_finds_in(url, Kind::InvalidFill, fill, "quantity", "-quantity").await;
    }

    async fn a_figure_with_more_digits_than_its_column_holds_is_found(url: &str) {
        let fill = ("executions", "quantity > 0");
        assert_finds_in(url, Kind::TooManyDigits, fill, "quantity", "1.2345678901234567").await;
    }

    async fn a_position_that_is_there_twice_is_found_and_merged_into_the_older_one(url: &str) {
        let db = kept_book(url, 7).await;
        let (id, quantity) = (value(&db, "SELECT min(id) FROM positions WHERE quantity <> 0").await, "quantity");
        let before = content(&db).await;
        let columns = "portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, position_type, \
                       entry_date, created_at, updated_at, metadata_json";
        let copy = format!("INSERT INTO positions ({columns}) SELECT {columns} FROM positions WHERE id = {id}");
        damage(url, &format!("DROP INDEX ix_positions_portfolio_symbol; {copy}")).await;
        let copy = value(&db, "SELECT max(id) FROM positions").await;
        let (_, discrepancies) = differences(&db).await;
        let held = value(&db, &format!("SELECT {quantity} FROM positions WHERE id = {id}")).await.parse::<f64>().unwrap();
        let expected = format!("duplicate_position positions.quantity {copy}: {held} -> NULL");
        assert_eq!(discrepancies.iter().map(line).collect::<Vec<_>>(), [expected]);

        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(counts(repaired), (0, 0, 1, 0));
        assert_eq!(content(&db).await, before);
    }

    async fn a_position_that_is_split_in_two_is_merged(url: &str) {
        let db = kept_book(url, 7).await;
        let id = value(&db, "SELECT min(id) FROM positions WHERE quantity <> 0").await;
        let before = content(&db).await;
        damage(url, &format!(
            "DROP INDEX ix_positions_portfolio_symbol; \
             INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
             position_type, created_at, updated_at) SELECT portfolio_id, symbol, quantity / 4, average_cost, current_price, 0, 0, \
             position_type, created_at, updated_at FROM positions WHERE id = {id}; \
             UPDATE positions SET quantity = quantity - quantity / 4 WHERE id = {id}"
        )).await;
        let (_, discrepancies) = differences(&db).await;
        assert!(discrepancies.iter().all(|found| found.kind == Kind::DuplicatePosition), "{discrepancies:?}");
        assert_eq!(discrepancies.len(), 2);

        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(counts(repaired), (1, 0, 1, 0));
        assert_eq!(content(&db).await, before);
    }

    async fn a_duplicate_that_other_rows_refer_to_stays(url: &str) {
        let db = kept_book(url, 7).await;
        damage(url,
            "DROP INDEX ix_positions_portfolio_symbol; \
             INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
             position_type, created_at, updated_at) SELECT portfolio_id, symbol, quantity, average_cost, current_price, 0, 0, \
             position_type, created_at, updated_at FROM positions WHERE id = 1; \
             CREATE TABLE \"my alerts\" (\"the position\" integer REFERENCES positions (id) ON DELETE CASCADE); \
             INSERT INTO \"my alerts\" SELECT max(id) FROM positions"
        ).await;
        let (_, discrepancies) = differences(&db).await;

        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(counts(repaired), (0, 0, 0, 1));
        assert_eq!(value(&db, "SELECT count(*) FROM \"my alerts\"").await, "1");
        assert_eq!(differences(&db).await.1, discrepancies);
    }

    async fn a_position_that_is_missing_is_found_and_made(url: &str) {
        let db = kept_book(url, 7).await;
        let figures = "SELECT portfolio_id, symbol, quantity, average_cost, realized_pnl FROM positions \
                       WHERE quantity <> 0 AND realized_pnl <> 0 ORDER BY id LIMIT 1";
        type Figures = (i64, String, f64, f64, f64);
        let before: Figures = rows(&mut db.read().await.unwrap(), figures).await.remove(0);
        let (portfolio, symbol, quantity, average, realized) = &before;
        damage(url, &format!("DELETE FROM positions WHERE portfolio_id = {portfolio} AND symbol = '{symbol}'")).await;
        let (_, discrepancies) = differences(&db).await;
        let expected = [("quantity", quantity), ("average_cost", average), ("realized_pnl", realized)]
            .map(|(column, figure)| format!("missing_position positions.{column} -: NULL -> {figure}"));
        assert_eq!(discrepancies.iter().map(line).collect::<Vec<_>>(), expected);
        assert_eq!(discrepancies[0].symbol.as_ref(), Some(symbol));

        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(counts(repaired), (0, 1, 0, 0));
        assert_eq!(found(&db).await, [""; 0]);
        let made = figures.replace("ORDER BY id LIMIT 1", &format!("AND symbol = '{symbol}' AND portfolio_id = {portfolio}"));
        assert_eq!(rows::<Figures>(&mut db.read().await.unwrap(), made).await, [before]);
    }

    async fn a_position_that_no_execution_made_is_found(url: &str) {
        let db = kept_book(url, 7).await;
        damage(url,
            "INSERT INTO positions (portfolio_id, symbol, quantity, average_cost, current_price, unrealized_pnl, realized_pnl, \
             position_type, created_at, updated_at) VALUES (1, 'TSLA', 5, 10, 10, 0, 0, 'LONG', '2025-01-01 00:00:00', \
             '2025-01-01 00:00:00')",
        ).await;
        let (_, discrepancies) = differences(&db).await;
        let lines: Vec<_> = discrepancies.iter().map(line).collect();
        let id = value(&db, "SELECT max(id) FROM positions").await;
        assert_eq!(lines, [
            format!("position_without_executions positions.quantity {id}: 5 -> 0"),
            format!("position_without_executions positions.average_cost {id}: 10 -> 0"),
        ]);

        let repaired = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(counts(repaired), (1, 0, 0, 0));
        assert_eq!(found(&db).await, [""; 0]);
    }

    async fn an_execution_without_an_order_is_found(url: &str) {
        let insert = "INSERT INTO executions (trade_id, symbol, quantity, price, execution_type, commission, fees, executed_at) \
                      VALUES (4711, 'AAPL', 1, 1, 'FILL', 0, 0, '2025-01-01 00:00:00')";
        let unchecked = if url.starts_with("sqlite:") { "PRAGMA foreign_keys = off" } else { "SET session_replication_role = replica" };
        let script = format!("{unchecked}; {insert}");
        let db = kept_book(url, 7).await;
        damage(url, &script).await;
        let id = value(&db, "SELECT max(id) FROM executions").await;
        assert_eq!(found(&db).await, [format!("orphan_execution executions.trade_id {id}: 4711 -> NULL")]);
    }

    async fn a_value_that_cannot_be_read_is_found_and_ends_nothing(url: &str) {
        let db = kept_book(url, 7).await;
        let (nan, reason) = if url.starts_with("sqlite:") {
            ("'much'", "expected a decimal, found a text of 4 bytes")
        } else {
            ("'NaN'", "expected a decimal, found NaN")
        };
        damage(url, &format!("UPDATE executions SET price = {nan} WHERE id = 5; UPDATE trades SET filled_quantity = {nan} WHERE id = 1")).await;
        let lines = found(&db).await;
        assert_eq!(lines, [
            format!("unreadable executions.price 5: {reason} -> NULL"),
            format!("unreadable trades.filled_quantity 1: {reason} -> NULL"),
        ]);
    }

    async fn a_deleted_execution_shows_in_everything_that_counted_it(url: &str) {
        let db = kept_book(url, 7).await;
        let last = "SELECT max(id) FROM executions WHERE reverses_id IS NULL AND id NOT IN \
                    (SELECT reverses_id FROM executions WHERE reverses_id IS NOT NULL)";
        let last = value(&db, last).await;
        let before = content(&db).await;
        damage(url, &format!("DELETE FROM executions WHERE id = {last}")).await;
        let (_, discrepancies) = differences(&db).await;
        let tables: std::collections::BTreeSet<_> = discrepancies.iter().map(|found| (found.table, found.column)).collect();
        for counted in [("trades", "filled_quantity"), ("positions", "quantity"), ("portfolios", "current_capital")] {
            assert!(tables.contains(&counted), "{discrepancies:#?}");
        }

        repair_book(&db, &discrepancies, |_, _| ()).await.unwrap();

        assert_eq!(found(&db).await, [""; 0]);
        assert!(content(&db).await.len() < before.len());
    }

    async fn a_missing_column_of_profits_of_other_programs_is_no_difference(url: &str) {
        let db = kept_book(url, 7).await;
        sql(&db, "UPDATE executions SET realized_pnl = NULL").await;
        sql(&db, "UPDATE trades SET realized_pnl = NULL").await;
        assert_eq!(found(&db).await, [""; 0]);
    }

    async fn the_script_of_a_repair_balances_the_book_when_another_program_runs_it(url: &str) {
        let db = kept_book(url, 7).await;
        let before = content(&db).await;
        damage(url,
            "UPDATE trades SET status = 'CANCELLED', filled_quantity = filled_quantity + 0.1 WHERE id = 3; \
             UPDATE trades SET status = 'it''s' WHERE id = (SELECT min(id) FROM trades WHERE status = 'FILLED'); \
             UPDATE trades SET filled_at = NULL WHERE id = (SELECT max(id) FROM trades WHERE status = 'FILLED'); \
             UPDATE positions SET average_cost = average_cost + 0.30000000000000004, quantity = 1 WHERE id = 1; \
             UPDATE portfolios SET current_capital = 0; \
             UPDATE trading_sessions SET total_trades = 0 WHERE id = 1"
        ).await;
        let (_, discrepancies) = differences(&db).await;
        let damaged = content(&db).await;

        let sql = RepairSql::for_book(&db, &discrepancies).await.unwrap();

        assert_eq!(content(&db).await, damaged, "it only writes the script");
        assert_eq!((sql.len(), sql.left, sql.is_empty()), (7, 0, false));
        damage(url, &sql.script()).await;
        assert_eq!(content(&db).await, before);
        damage(url, &sql.script()).await;
        assert_eq!(content(&db).await, before, "it changes only what it was made for");
    }

    async fn a_script_changes_no_row_that_has_changed_since(url: &str) {
        let db = kept_book(url, 7).await;
        damage(url, "UPDATE portfolios SET current_capital = 1 WHERE id = 1").await;
        let (_, discrepancies) = differences(&db).await;
        let script = RepairSql::for_book(&db, &discrepancies).await.unwrap().script();
        damage(url, "UPDATE portfolios SET current_capital = 2 WHERE id = 1").await;

        damage(url, &script).await;

        assert_eq!(value(&db, "SELECT CAST(current_capital AS integer) FROM portfolios WHERE id = 1").await, "2");
    }

    async fn a_repair_is_refused_if_the_book_has_changed_since(url: &str) {
        let db = kept_book(url, 7).await;
        damage(url, "UPDATE portfolios SET current_capital = 1").await;
        let (_, discrepancies) = differences(&db).await;
        damage(url, "UPDATE trading_sessions SET total_trades = 0").await;
        let before = content(&db).await;

        let error = repair_book(&db, &discrepancies, |_, _| ()).await.unwrap_err();

        assert!(matches!(error, RepairError::Changed), "{error}");
        assert_eq!(content(&db).await, before);
    }

    async fn a_database_that_alembic_made_is_compared_honestly(url: &str) {
        for state in ["5951c803aff7", "c1e38cfe113f"] {
            let server = tallybook_testkit::postgres().await;
            let (file, database) = (tallybook_testkit::SqliteFile::new(state), server.database(state).await);
            let url = if url.starts_with("sqlite:") { file.url() } else { database.url().to_owned() };
            alembic(&url, state).await;
            let db = open(&url).await;
            tallybook::book::migrator(&db).adopt(tallybook::book::ALEMBIC).await.unwrap();
            tallybook::book::migrator(&db).upgrade(&tallybook::migrate::Target::Head).await.unwrap();

            let (check, found) = differences(&db).await;

            let lines: Vec<_> = found.iter().map(line).collect();
            let of_sessions = "wrong_totals trading_sessions.total_trades 1: 0 -> 1".to_owned();
            assert_eq!(lines.contains(&of_sessions), state == "5951c803aff7", "trades know their session since 0002");
            assert_eq!(lines[..6], [
                "wrong_average trades.average_fill_price 1: 150.1 -> 150.09998",
                "wrong_status trades.filled_at 1: 2025-03-01 09:30:00.123456 -> 2025-03-01 09:30:00.000000",
                "unknown_side trades.action 2: short -> NULL",
                "duplicate_position positions.quantity 3: 0 -> NULL",
                "duplicate_position positions.average_cost 1: 150.1 -> 150.09998",
                "wrong_cash portfolios.current_capital 1: 0.1 -> 98497.4",
            ]);
            assert_eq!((check.portfolios, check.trades, check.executions), (3, 3, 3));
        }
    }
}
