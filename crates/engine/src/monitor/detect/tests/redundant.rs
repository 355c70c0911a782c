//! Reads that were repeated though nothing had changed.

use std::sync::Arc;
use std::time::Duration;

use crate::call::Call;
use crate::monitor::detect::Finding;
use crate::monitor::detect::finding::Grade;
use crate::monitor::detect::flight::Sent;
use crate::monitor::detect::rules::Rules;
use crate::monitor::detect::support::{
    MILLISECOND, Scene, column, ids, list, rows, select, statement, update,
};
use crate::monitor::fingerprint::Role;
use crate::monitor::statement::Statement;
use crate::value::{Kind, Value};

/// Reads the same trade; something happens before each read.
fn read_again(times: usize, mut before: impl FnMut(&mut Scene, usize)) -> Vec<Grade> {
    let (call, by) = (Call::here(), select("trades", "id"));
    let mut scene = Scene::new();
    for time in 0..times {
        before(&mut scene, time);
        scene.each(call, &by, &[7]);
    }
    scene.grades()
}

#[test]
fn the_same_read_three_times_is_redundant_and_twice_is_not() {
    assert_eq!(read_again(3, |_, _| ()), [Grade::Redundant]);
    assert!(read_again(2, |_, _| ()).is_empty());
}

#[test]
fn the_threshold_says_how_often_a_read_may_be_repeated() {
    let mut scene = Scene::new();
    scene.each(Call::here(), &select("trades", "id"), &[7, 7, 7, 7]);
    for (threshold, found) in [(0, 1), (2, 1), (4, 1), (5, 0)] {
        assert_eq!(scene.trace.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn a_redundant_read_lost_the_time_of_its_repetitions() {
    let mut scene = Scene::new();
    let call = Call::here();
    scene.each(call, &select("trades", "id"), &[7, 7, 7, 7, 8, 9]);
    let finding = Finding::from(scene.findings().remove(0));
    assert_eq!((finding.runs, finding.distinct, finding.lost), (4, 1, 3 * MILLISECOND));
    assert_eq!((finding.source, finding.instead.as_str()), (None, "keep the first answer"));
}

#[test]
fn other_sessions_of_the_scope_count_too() {
    assert_eq!(read_again(3, |scene, time| scene.session = time as u64), [Grade::Redundant]);
}

#[test]
fn a_write_in_between_makes_it_a_new_read() {
    let write = |scene: &mut Scene, time| {
        if time == 2 {
            let values = vec![Value::Null(Kind::Text), Value::Int(1)];
            scene.run(Call::here(), &update("notes"), values, None);
        }
    };
    assert!(read_again(4, write).is_empty());
    assert_eq!(read_again(5, write), [Grade::Redundant], "three after the write");
}

#[test]
fn a_write_that_is_under_way_makes_it_a_new_read_when_it_ends() {
    let mut under_way = None;
    let grades = read_again(4, |scene, time| {
        let (write, values) = (update("notes"), vec![Value::Null(Kind::Text), Value::Int(1)]);
        match time {
            1 => under_way = Some(scene.send(Call::here(), &[(&write, values)])),
            3 => scene.answer(under_way.expect("it was sent"), Call::here(), &[(&write, None)]),
            _ => {}
        }
    });
    assert!(grades.is_empty());
}

#[test]
fn a_batch_of_writes_makes_it_a_new_read() {
    let grades = read_again(4, |scene, time| {
        let write = update("notes");
        let one = || (&write, vec![Value::Null(Kind::Text), Value::Int(1)]);
        if time == 2 {
            scene.send(Call::here(), &[one(), one()]);
        }
    });
    assert!(grades.is_empty());
}

#[test]
fn a_second_attempt_reads_again() {
    let roll_back = |scene: &mut Scene, time| {
        if time == 2 {
            scene.trace.rolled_back(1);
        }
    };
    assert!(read_again(4, roll_back).is_empty());
    let in_a_new_session = |scene: &mut Scene, time| {
        roll_back(scene, time);
        scene.session = if time < 2 { 1 } else { 2 };
    };
    assert!(read_again(4, in_a_new_session).is_empty());
    let fail = |scene: &mut Scene, time| {
        if time == 2 {
            let ticket = scene.send(Call::here(), &[(&list("notes"), Vec::new())]);
            scene.trace.failed(ticket, MILLISECOND);
        }
    };
    assert!(read_again(4, fail).is_empty());
}

#[test]
fn a_failure_of_another_session_changes_nothing() {
    let roll_back = |scene: &mut Scene, time: usize| scene.trace.rolled_back(100 + time as u64 % 2);
    assert_eq!(read_again(3, roll_back), [Grade::Redundant]);
}

#[test]
fn failures_of_more_sessions_than_are_remembered_count_for_all() {
    let mut failed = 100;
    let grades = read_again(6, |scene, _| {
        for _ in 0..17 {
            failed += 1;
            scene.trace.rolled_back(failed);
        }
    });
    assert!(grades.is_empty());
}

#[test]
fn polling_is_not_redundant() {
    assert!(read_again(9, |scene, _| scene.now += Duration::from_micros(25_001)).is_empty());
    assert_eq!(read_again(9, |scene, _| scene.now += Duration::from_millis(25)), [Grade::Redundant]);
}

fn same(statement: &Arc<Statement>, values: &[Value]) -> Vec<Grade> {
    let mut scene = Scene::new();
    let call = Call::here();
    (0..5).for_each(|_| scene.run(call, statement, values.to_vec(), None));
    scene.grades()
}

#[test]
fn what_reads_no_table_or_writes_is_not_redundant() {
    assert!(same(&statement("SELECT", None, "select ?", &[]), &[]).is_empty());
    assert!(same(&update("trades"), &[Value::Null(Kind::Text), Value::Int(1)]).is_empty());
    assert_eq!(same(&list("trades"), &[]), [Grade::Redundant]);
}

#[test]
fn the_pages_of_a_table_are_different_reads() {
    let page = statement("SELECT", Some("trades"), "limit ? offset ?", &[Role::Window, Role::Window]);
    let mut scene = Scene::new();
    let call = Call::here();
    for offset in [0, 10, 20, 30] {
        scene.run(call, &page, vec![Value::Int(10), Value::Int(offset)], None);
    }
    assert!(scene.findings().is_empty());
    assert_eq!(same(&page, &[Value::Int(10), Value::Int(0)]), [Grade::Redundant]);
}

#[test]
fn values_written_into_the_text_make_different_reads() {
    let statement = statement("SELECT", Some("trades"), "select * from trades where id = ?", &[]);
    let mut scene = Scene::new();
    let call = Call::here();
    let mut run = |sql| {
        let sent = Sent { statement: &statement, call, sql, values: &[] };
        let ticket = scene.trace.sent(1, scene.now, [sent].into_iter());
        scene.answer(ticket, call, &[(&statement, None)]);
        scene.grades()
    };
    for sql in ["id = 1", "id = 2", "id = 3"] {
        assert!(run(sql).is_empty());
    }
    run("id = 3");
    assert_eq!(run("id = 3"), [Grade::Redundant]);
}

#[test]
fn the_parent_of_every_row_is_one_finding_and_not_two() {
    let mut scene = Scene::new();
    let portfolios = [1, 2, 3, 1, 2, 3, 1, 2, 3];
    let trades = rows(&[("id", &[1, 2, 3, 4, 5, 6, 7, 8, 9]), ("portfolio_id", &portfolios)]);
    scene.list(Call::here(), "trades", &trades);
    scene.each(Call::here(), &select("portfolios", "id"), &portfolios);
    assert_eq!(scene.grades(), [Grade::Confirmed]);
}

#[test]
fn the_only_parent_of_all_rows_is_redundant() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "trades", &rows(&[("id", &[1, 2, 3]), ("portfolio_id", &[7, 7, 7])]));
    scene.each(Call::here(), &select("portfolios", "id"), &[7, 7, 7]);
    assert_eq!(scene.grades(), [Grade::Redundant]);
}

#[test]
fn a_flight_is_redundant_as_a_whole() {
    let (one, other, call) = (select("trades", "id"), list("notes"), Call::here());
    let mut scene = Scene::new();
    for id in [1, 2, 3, 1, 1] {
        let ticket = scene.send(call, &[(&one, vec![Value::Int(id)]), (&other, Vec::new())]);
        scene.answer(ticket, call, &[(&one, Some(&ids(&[id]))), (&other, None)]);
    }
    let found = scene.findings();
    assert_eq!((found.len(), found[0].runs), (1, 3), "the notes beside other trades are no repetition");
}

#[test]
fn a_repeat_among_other_columns_is_told_by_all_of_them() {
    let by =
        statement("SELECT", Some("trades"), "code = ? and level = ?", &[column("code"), column("level")]);
    let mut scene = Scene::new();
    let call = Call::here();
    for level in 1..=5 {
        scene.run(call, &by, vec![Value::Int(1), Value::Int(level)], None);
    }
    assert!(scene.findings().is_empty());
}
