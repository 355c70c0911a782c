//! Confirmed N+1 loops.

use std::time::Duration;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Role;
use tallybook_sql::value::{SqlType, Value};

use crate::detect::QueryFinding;
use crate::detect::finding::Confidence;
use crate::detect::rules::Rules;
use crate::detect::support::{
    MILLISECOND, TestScope, column, confirmed_loop, ids, list, rows, select, statement, typed_rows, update,
    words,
};

#[test]
fn a_query_for_each_row_is_confirmed_with_its_source() {
    let (read, candidates) = (CallSite::here(), CallSite::here());
    let mut scene = TestScope::new();
    scene.list(read, "trades", &ids(&[11, 12, 13, 14]));
    scene.each(candidates, &select("executions", "trade_id"), &[11, 12, 13, 14]);
    let found = scene.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    let finding = QueryFinding::from(found[0].clone());
    assert_eq!((finding.confidence, finding.runs, finding.distinct), (Confidence::Confirmed, 4, 4));
    assert_eq!((finding.at, finding.lost), (candidates.at().into(), 3 * MILLISECOND));
    let source = finding.source.expect("it has a source");
    assert_eq!((source.at, source.column.as_str(), source.rows), (read.at().into(), "id", 4));
}

#[test]
fn a_typed_column_of_any_name_proves_a_loop_over_the_table_it_refers_to() {
    let mut scene = TestScope::new();
    let owners = typed_rows(&[("owner", "users", &[21, 22, 23, 24])]);
    scene.list(CallSite::here(), "accounts", &owners);
    scene.each(CallSite::here(), &select("users", "id"), &[21, 22, 23, 24]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn a_typed_column_proves_nothing_about_a_table_it_does_not_refer_to() {
    let mut scene = TestScope::new();
    let sessions = typed_rows(&[("session_id", "trading_sessions", &[21, 22, 23, 24])]);
    scene.list(CallSite::here(), "trades", &sessions);
    scene.each(CallSite::here(), &select("sessions", "id"), &[21, 22, 23, 24]);
    assert!(!scene.confidences().contains(&Confidence::Confirmed));
}

#[test]
fn the_types_of_the_rows_that_a_loop_reads_tell_what_its_parameter_is() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "users", &typed_rows(&[("id", "users", &[21, 22, 23, 24])]));
    let (call, accounts) = (CallSite::here(), select("accounts", "owner"));
    let columns = typed_rows(&[("id", "accounts", &[1]), ("owner", "users", &[21])]).columns.unwrap();
    accounts.key_columns.set(columns).unwrap();
    scene.each(call, &accounts, &[21, 22, 23, 24]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn fewer_rows_than_the_threshold_are_no_loop() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[11, 12, 13]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[11, 12]);
    assert!(scene.findings().is_empty());
    assert_eq!(scene.history.findings(&Rules { threshold: 2 }).len(), 1);
    assert_eq!(scene.history.findings(&Rules { threshold: 0 }).len(), 1);
}

#[test]
fn the_threshold_says_how_many_rows_make_a_loop() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[11, 12, 13, 14, 15]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[11, 12, 13, 14]);
    for (threshold, found) in [(0, 1), (2, 1), (4, 1), (5, 0)] {
        assert_eq!(scene.history.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn one_row_is_no_loop_whatever_the_threshold() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[11, 12, 13]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[11]);
    assert!(scene.history.findings(&Rules { threshold: 0 }).is_empty());
}

#[test]
fn values_from_elsewhere_are_no_loop() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[11, 12, 13]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[21, 22, 23]);
    assert!(scene.findings().is_empty());
}

#[test]
fn small_numbers_that_coincide_prove_nothing() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "portfolios", &ids(&[1, 2, 3, 4, 5, 6]));
    scene.each(CallSite::here(), &select("trades", "level"), &[1, 2, 3, 4, 5, 6]);
    scene.each(CallSite::here(), &select("trades", "session_id"), &[1, 2, 3, 4, 5, 6]);
    scene.each(CallSite::here(), &select("trades", "id"), &[1, 2, 3, 4, 5, 6]);
    assert!(scene.findings().is_empty());
}

#[test]
fn what_is_written_or_a_bound_proves_nothing() {
    for role in [Role::Written, Role::Bound, Role::Window] {
        let mut scene = TestScope::new();
        scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3, 4, 5]));
        let insert = statement("INSERT", Some("executions"), "insert into executions values (?)", &[role]);
        scene.each(CallSite::here(), &insert, &[1, 2, 3, 4, 5]);
        assert!(scene.findings().is_empty());
    }
}

#[test]
fn an_update_for_each_row_is_a_loop_to_be_sent_as_one_batch() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    let call = CallSite::here();
    for id in 1..=3 {
        scene.run(call, &update("trades"), vec![Value::Null(SqlType::Text), Value::Int(id)], None);
    }
    let finding = QueryFinding::from(scene.findings().remove(0));
    assert_eq!(finding.confidence, Confidence::Confirmed);
    assert!(finding.suggestion.starts_with("send the queries as one batch"), "{finding}");
}

#[test]
fn a_constant_next_to_the_key_does_not_hide_the_loop() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    let params = [column("status"), column("trade_id"), Role::Window];
    let pages = statement("SELECT", Some("executions"), "where status = ? and trade_id = ? limit ?", &params);
    let call = CallSite::here();
    for id in 1..=3 {
        scene.run(call, &pages, vec![Value::Text("open".into()), Value::Int(id), Value::Int(10)], None);
    }
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn a_value_that_is_read_only_afterwards_is_no_source() {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    scene.each(call, &select("executions", "trade_id"), &[1, 2, 3]);
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    assert!(scene.findings().is_empty());
    scene.each(call, &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed], "the second time it is");
}

#[test]
fn a_read_that_was_sent_before_the_source_was_answered_is_no_proof() {
    let mut scene = TestScope::new();
    let (read, call, trades) = (CallSite::here(), CallSite::here(), list("trades"));
    let source = scene.send(read, &[(&trades, Vec::new())]);
    scene.each(call, &select("executions", "trade_id"), &[1, 2, 3]);
    scene.answer(source, read, &[(&trades, Some(&ids(&[1, 2, 3])))]);
    assert!(scene.findings().is_empty());
}

#[test]
fn most_values_must_come_from_the_source() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3, 91, 92, 93]);
    scene.each(CallSite::here(), &select("notes", "trade_id"), &[1, 2, 3, 91, 92, 93, 94]);
    let found = scene.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].runs, 6);
}

#[test]
fn a_pipeline_of_different_statements_is_one_run() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    let (one, other, call) = (select("trades", "id"), select("executions", "trade_id"), CallSite::here());
    for id in 1..=3 {
        let handle = scene.send(call, &[(&one, vec![Value::Int(id)]), (&other, vec![Value::Int(id)])]);
        scene.answer(handle, call, &[(&one, None), (&other, None)]);
    }
    let found = scene.findings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].confidence, found[0].runs), (Confidence::Confirmed, 3));
}

#[test]
fn a_batch_is_what_a_loop_should_be() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    let (one, call) = (select("executions", "trade_id"), CallSite::here());
    for count in [2, 16, 17, 40] {
        for first in 1..=3 {
            let pipeline: Vec<_> = (0..count).map(|_| (&one, vec![Value::Int(first)])).collect();
            let handle = scene.send(call, &pipeline);
            scene.answer(handle, call, &[]);
        }
    }
    assert!(scene.findings().is_empty());
    assert_eq!(scene.history.statements(), 1 + 3 * (2 + 16 + 17 + 40));
    assert_eq!(scene.history.round_trips(), 13);
    assert_eq!(scene.history.statement_counts().map(|ran| ran.runs).collect::<Vec<_>>(), [1, 225]);
}

#[test]
fn the_single_rows_of_a_batch_are_a_source_together() {
    let mut scene = TestScope::new();
    let (one, call) = (select("trades", "id"), CallSite::here());
    let pipeline: Vec<_> = (1..=3).map(|id| (&one, vec![Value::Int(id)])).collect();
    let results: Vec<_> = (1..=3).map(|id| ids(&[id])).collect();
    let handle = scene.send(call, &pipeline);
    let answers: Vec<_> = results.iter().map(|result| (&one, Some(result))).collect();
    scene.answer(handle, call, &answers);
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn lists_are_loaders_and_a_list_of_one_is_a_loop() {
    let load = select("executions", "trade_id");
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3, 4, 5, 6]));
    let call = CallSite::here();
    for chunk in [vec![1, 2], vec![3, 4], vec![5, 6]] {
        scene.run(call, &load, vec![Value::Ints(chunk)], None);
    }
    assert!(scene.findings().is_empty());
    for one in 1..=3 {
        scene.run(call, &load, vec![Value::Ints(vec![one])], None);
    }
    assert_eq!(scene.findings()[0].runs, 3);
}

#[test]
fn several_values_for_one_column_are_a_list() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3, 4, 5, 6]));
    let text = "select * from executions where trade_id in (?)";
    let params = [column("trade_id"), column("trade_id")];
    let pairs = statement("SELECT", Some("executions"), text, &params);
    let single = statement("SELECT", Some("executions"), text, &params[..1]);
    let (one, other) = (CallSite::here(), CallSite::here());
    for first in [1, 3, 5] {
        let values = vec![Value::Int(first), Value::Int(first + 1)];
        scene.run(one, &pairs, values.clone(), None);
        scene.run(other, &single, values, None);
    }
    assert!(scene.findings().is_empty());
}

#[test]
fn a_cursor_from_each_page_is_no_loop() {
    let mut scene = TestScope::new();
    let (call, page) = (CallSite::here(), select("trades", "id"));
    for last in [0, 10, 20, 30, 40] {
        let result = ids(&(last + 1..=last + 10).collect::<Vec<_>>());
        scene.run(call, &page, vec![Value::Int(last)], Some(&result));
    }
    assert!(scene.findings().is_empty());
}

#[test]
fn following_a_linked_list_is_no_loop_and_walking_a_tree_is() {
    let (node, call) = (select("nodes", "id"), CallSite::here());
    let mut scene = TestScope::new();
    for id in 1..=6 {
        scene.run(call, &node, vec![Value::Int(id)], Some(&rows(&[("id", &[id]), ("next_id", &[id + 1])])));
    }
    assert!(scene.findings().is_empty());
    let children = select("nodes", "parent_id");
    for (parent, found) in [(1, [2, 3]), (2, [4, 5]), (3, [6, 7]), (4, [8, 9]), (5, [10, 11])] {
        scene.run(call, &children, vec![Value::Int(parent)], Some(&ids(&found)));
    }
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn a_loop_inside_a_loop_is_found_though_each_source_has_one_row() {
    let (read, outer, inner) = (CallSite::here(), CallSite::here(), CallSite::here());
    let mut scene = TestScope::new();
    scene.list(read, "portfolios", &ids(&[1, 2, 3]));
    for portfolio in 1..=3 {
        let trade = 70 + portfolio;
        let of = select("trades", "portfolio_id");
        scene.run(outer, &of, vec![Value::Int(portfolio)], Some(&ids(&[trade])));
        scene.run(inner, &select("executions", "trade_id"), vec![Value::Int(trade)], None);
    }
    let found = scene.findings();
    assert_eq!(found.len(), 2, "{found:?}");
    let deeper = found.iter().find(|found| found.call == inner).expect("the inner loop is found");
    assert!(deeper.source.as_ref().is_some_and(|source| source.call == outer));
}

#[test]
fn single_rows_without_a_loop_around_them_are_no_source() {
    let (outer, inner) = (CallSite::here(), CallSite::here());
    let mut scene = TestScope::new();
    for trade in 71..=75 {
        scene.run(outer, &select("trades", "code"), vec![Value::Int(trade + 1_000)], Some(&ids(&[trade])));
        scene.run(inner, &select("executions", "trade_id"), vec![Value::Int(trade)], None);
    }
    assert!(scene.findings().is_empty());
}

#[test]
fn rows_that_repeat_what_was_asked_for_are_no_source() {
    let mut scene = TestScope::new();
    let (trades, call) = (select("trades", "portfolio_id"), CallSite::here());
    for portfolio in 1..=5 {
        scene.run(
            call,
            &trades,
            vec![Value::Int(portfolio)],
            Some(&rows(&[("portfolio_id", &[portfolio; 3])])),
        );
    }
    scene.each(CallSite::here(), &select("positions", "portfolio_id"), &[1, 2, 3, 4, 5]);
    assert!(scene.findings().is_empty());
}

#[test]
fn a_text_key_is_a_key() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "accounts", &words("account_id", &["a", "b", "c"]));
    let (call, by) = (CallSite::here(), select("orders", "account_id"));
    for scope_summary in ["a", "b", "c"] {
        scene.run(call, &by, vec![Value::Text(scope_summary.to_owned())], None);
    }
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn overlapping_runs_that_are_answered_in_any_order_or_never_are_a_loop() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3, 4]));
    let (call, by) = (CallSite::here(), select("executions", "trade_id"));
    let handles: Vec<_> = (1..=4).map(|id| scene.send(call, &[(&by, vec![Value::Int(id)])])).collect();
    scene.answer(handles[2], call, &[(&by, None)]);
    scene.answer(handles[0], call, &[(&by, None)]);
    scene.history.failed(handles[1], Duration::from_millis(7));
    let found = scene.findings();
    assert_eq!(
        (found[0].confidence, found[0].runs, found[0].lost),
        (Confidence::Confirmed, 4, 2 * MILLISECOND)
    );
}

#[test]
fn what_to_do_names_the_loader_or_the_column() {
    let finding = QueryFinding::from(confirmed_loop(CallSite::here()));
    assert!(finding.suggestion.starts_with("load them together: `trade_id = ANY($1)`"), "{finding}");
    let finding = QueryFinding::from(confirmed_loop(CallSite::here().suggest("items(&ids)")));
    assert_eq!(finding.suggestion, "call items(&ids) once");
}

#[test]
fn two_lines_that_run_the_same_statement_are_separate_loops() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3, 4]));
    let by = select("executions", "trade_id");
    scene.each(CallSite::here(), &by, &[1, 2]);
    scene.each(CallSite::here(), &by, &[3, 4]);
    assert!(scene.findings().is_empty(), "two lines that look up two trades each");
}

#[test]
fn a_cleared_trace_has_forgotten_and_takes_no_late_answers() {
    let mut scene = TestScope::new();
    let (read, call, by) = (CallSite::here(), CallSite::here(), select("executions", "trade_id"));
    scene.list(read, "trades", &ids(&[1, 2, 3]));
    scene.each(call, &by, &[1, 2, 3]);
    let late = scene.send(call, &[(&by, vec![Value::Int(1)])]);
    scene.history.clear();
    assert!(scene.findings().is_empty());
    assert_eq!(
        (scene.history.statements(), scene.history.round_trips(), scene.history.statement_counts().count()),
        (0, 0, 0)
    );
    scene.answer(late, call, &[(&by, None)]);
    scene.each(call, &by, &[1, 2, 3]);
    assert!(scene.findings().is_empty());
}
