//! Redundant reads.

use std::sync::Arc;
use std::time::Duration;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Role;
use tallybook_sql::value::{SqlType, Value};

use crate::detect::QueryFinding;
use crate::detect::finding::Confidence;
use crate::detect::pipeline::SentStatement;
use crate::detect::rules::Rules;
use crate::detect::support::{MILLISECOND, TestScope, column, ids, list, rows, select, statement, update};
use crate::statement_stats::StatementStats;

/// Reads the same trade; calls `before` ahead of each read.
fn read_again(times: usize, mut before: impl FnMut(&mut TestScope, usize)) -> Vec<Confidence> {
    let (call, by) = (CallSite::here(), select("trades", "id"));
    let mut scene = TestScope::new();
    for time in 0..times {
        before(&mut scene, time);
        scene.each(call, &by, &[7]);
    }
    scene.confidences()
}

#[test]
fn the_same_read_three_times_is_redundant_and_twice_is_not() {
    assert_eq!(read_again(3, |_, _| ()), [Confidence::Redundant]);
    assert!(read_again(2, |_, _| ()).is_empty());
}

#[test]
fn the_threshold_says_how_often_a_read_may_be_repeated() {
    let mut scene = TestScope::new();
    scene.each(CallSite::here(), &select("trades", "id"), &[7, 7, 7, 7]);
    for (threshold, found) in [(0, 1), (2, 1), (4, 1), (5, 0)] {
        assert_eq!(scene.history.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn a_redundant_read_lost_the_time_of_its_repetitions() {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    scene.each(call, &select("trades", "id"), &[7, 7, 7, 7, 8, 9]);
    let finding = QueryFinding::from(scene.findings().remove(0));
    assert_eq!((finding.runs, finding.distinct, finding.lost), (4, 1, 3 * MILLISECOND));
    assert_eq!((finding.source, finding.suggestion.as_str()), (None, "keep the first answer"));
}

#[test]
fn other_sessions_of_the_scope_count_too() {
    assert_eq!(read_again(3, |scene, time| scene.session = time as u64), [Confidence::Redundant]);
}

#[test]
fn a_write_in_between_makes_it_a_new_read() {
    let write = |scene: &mut TestScope, time| {
        if time == 2 {
            let values = vec![Value::Null(SqlType::Text), Value::Int(1)];
            scene.run(CallSite::here(), &update("notes"), values, None);
        }
    };
    assert!(read_again(4, write).is_empty());
    assert_eq!(read_again(5, write), [Confidence::Redundant], "three after the write");
}

#[test]
fn a_write_that_is_under_way_makes_it_a_new_read_when_it_ends() {
    let mut under_way = None;
    let confidences = read_again(4, |scene, time| {
        let (write, values) = (update("notes"), vec![Value::Null(SqlType::Text), Value::Int(1)]);
        match time {
            1 => under_way = Some(scene.send(CallSite::here(), &[(&write, values)])),
            3 => scene.answer(under_way.expect("it was sent"), CallSite::here(), &[(&write, None)]),
            _ => {}
        }
    });
    assert!(confidences.is_empty());
}

#[test]
fn a_batch_of_writes_makes_it_a_new_read() {
    let confidences = read_again(4, |scene, time| {
        let write = update("notes");
        let one = || (&write, vec![Value::Null(SqlType::Text), Value::Int(1)]);
        if time == 2 {
            scene.send(CallSite::here(), &[one(), one()]);
        }
    });
    assert!(confidences.is_empty());
}

#[test]
fn a_second_attempt_reads_again() {
    let roll_back = |scene: &mut TestScope, time| {
        if time == 2 {
            scene.history.rolled_back(1);
        }
    };
    assert!(read_again(4, roll_back).is_empty());
    let in_a_new_session = |scene: &mut TestScope, time| {
        roll_back(scene, time);
        scene.session = if time < 2 { 1 } else { 2 };
    };
    assert!(read_again(4, in_a_new_session).is_empty());
    let fail = |scene: &mut TestScope, time| {
        if time == 2 {
            let handle = scene.send(CallSite::here(), &[(&list("notes"), Vec::new())]);
            scene.history.failed(handle, MILLISECOND);
        }
    };
    assert!(read_again(4, fail).is_empty());
}

#[test]
fn a_failure_of_another_session_changes_nothing() {
    let roll_back = |scene: &mut TestScope, time: usize| scene.history.rolled_back(100 + time as u64 % 2);
    assert_eq!(read_again(3, roll_back), [Confidence::Redundant]);
}

#[test]
fn failures_of_more_sessions_than_are_remembered_count_for_all() {
    let mut failed = 100;
    let confidences = read_again(6, |scene, _| {
        for _ in 0..17 {
            failed += 1;
            scene.history.rolled_back(failed);
        }
    });
    assert!(confidences.is_empty());
}

#[test]
fn polling_is_not_redundant() {
    assert!(read_again(9, |scene, _| scene.now += Duration::from_micros(25_001)).is_empty());
    assert_eq!(read_again(9, |scene, _| scene.now += Duration::from_millis(25)), [Confidence::Redundant]);
}

fn same(statement: &Arc<StatementStats>, values: &[Value]) -> Vec<Confidence> {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    (0..5).for_each(|_| scene.run(call, statement, values.to_vec(), None));
    scene.confidences()
}

#[test]
fn what_reads_no_table_or_writes_is_not_redundant() {
    assert!(same(&statement("SELECT", None, "select ?", &[]), &[]).is_empty());
    assert!(same(&update("trades"), &[Value::Null(SqlType::Text), Value::Int(1)]).is_empty());
    assert_eq!(same(&list("trades"), &[]), [Confidence::Redundant]);
}

#[test]
fn the_pages_of_a_table_are_different_reads() {
    let page = statement("SELECT", Some("trades"), "limit ? offset ?", &[Role::Window, Role::Window]);
    let mut scene = TestScope::new();
    let call = CallSite::here();
    for offset in [0, 10, 20, 30] {
        scene.run(call, &page, vec![Value::Int(10), Value::Int(offset)], None);
    }
    assert!(scene.findings().is_empty());
    assert_eq!(same(&page, &[Value::Int(10), Value::Int(0)]), [Confidence::Redundant]);
}

#[test]
fn values_written_into_the_text_make_different_reads() {
    let statement = statement("SELECT", Some("trades"), "select * from trades where id = ?", &[]);
    let mut scene = TestScope::new();
    let call = CallSite::here();
    let mut run = |sql| {
        let sent = SentStatement { statement: &statement, call, sql, values: &[] };
        let handle = scene.history.sent(1, scene.now, [sent].into_iter());
        scene.answer(handle, call, &[(&statement, None)]);
        scene.confidences()
    };
    for sql in ["id = 1", "id = 2", "id = 3"] {
        assert!(run(sql).is_empty());
    }
    run("id = 3");
    assert_eq!(run("id = 3"), [Confidence::Redundant]);
}

#[test]
fn the_parent_of_every_row_is_one_finding_and_not_two() {
    let mut scene = TestScope::new();
    let portfolios = [1, 2, 3, 1, 2, 3, 1, 2, 3];
    let trades = rows(&[("id", &[1, 2, 3, 4, 5, 6, 7, 8, 9]), ("portfolio_id", &portfolios)]);
    scene.list(CallSite::here(), "trades", &trades);
    scene.each(CallSite::here(), &select("portfolios", "id"), &portfolios);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn the_only_parent_of_all_rows_is_redundant() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &rows(&[("id", &[1, 2, 3]), ("portfolio_id", &[7, 7, 7])]));
    scene.each(CallSite::here(), &select("portfolios", "id"), &[7, 7, 7]);
    assert_eq!(scene.confidences(), [Confidence::Redundant]);
}

#[test]
fn a_pipeline_is_redundant_as_a_whole() {
    let (one, other, call) = (select("trades", "id"), list("notes"), CallSite::here());
    let mut scene = TestScope::new();
    for id in [1, 2, 3, 1, 1] {
        let handle = scene.send(call, &[(&one, vec![Value::Int(id)]), (&other, Vec::new())]);
        scene.answer(handle, call, &[(&one, Some(&ids(&[id]))), (&other, None)]);
    }
    let found = scene.findings();
    assert_eq!((found.len(), found[0].runs), (1, 3), "the notes next to other trades are not a repetition");
}

#[test]
fn a_repetition_is_recognized_by_all_columns_together() {
    let by =
        statement("SELECT", Some("trades"), "code = ? and level = ?", &[column("code"), column("level")]);
    let mut scene = TestScope::new();
    let call = CallSite::here();
    for level in 1..=5 {
        scene.run(call, &by, vec![Value::Int(1), Value::Int(level)], None);
    }
    assert!(scene.findings().is_empty());
}
