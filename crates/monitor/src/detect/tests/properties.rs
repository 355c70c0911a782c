//! Properties that hold for any sequence of events.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select as choose, subsequence};
use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Role;
use tallybook_sql::value::{SqlType, Value};

use crate::detect::finding::Confidence;
use crate::detect::group::MAX_PARAMETER_SETS;
use crate::detect::groups::MAX_GROUPS;
use crate::detect::key_sources::{MAX_KEYS, MAX_SOURCES};
use crate::detect::pipeline::PipelineHandle;
use crate::detect::rules::Rules;
use crate::detect::support::{TestScope, column, ids, rows, select, statement, update};

/// An event in a scope.
#[derive(Clone, Debug)]
enum Event {
    Read { table: usize, value: i64, rows: usize },
    Send { table: usize, value: i64, statements: usize },
    Answer { handle: usize },
    Fail { handle: usize },
    Write,
    RollBack,
    Clear,
}

fn event() -> impl Strategy<Value = Event> {
    let table = 0..400_usize;
    prop_oneof![
        4 => (table.clone(), 0..50_i64, 0..300_usize)
            .prop_map(|(table, value, rows)| Event::Read { table, value, rows }),
        4 => (table, 0..50_i64, 1..20_usize)
            .prop_map(|(table, value, statements)| Event::Send { table, value, statements }),
        4 => any::<usize>().prop_map(|handle| Event::Answer { handle }),
        2 => any::<usize>().prop_map(|handle| Event::Fail { handle }),
        1 => Just(Event::Write),
        1 => Just(Event::RollBack),
        1 => choose(vec![Event::Write, Event::Write, Event::Write, Event::Clear]),
    ]
}

fn happen(scene: &mut TestScope, event: &Event, handles: &mut Vec<PipelineHandle>) {
    let call = CallSite::here();
    match *event {
        Event::Read { table, value, rows: count } => {
            let found: Vec<i64> = (0..count as i64).collect();
            let result = rows(&[("id", &found), ("trade_id", &found)]);
            scene.run(
                call,
                &select(&format!("table{table}"), "trade_id"),
                vec![Value::Int(value)],
                Some(&result),
            );
        }
        Event::Send { table, value, statements } => {
            let of = [select(&format!("table{table}"), "id"), select("trades", "id")];
            let pipeline: Vec<_> =
                (0..statements).map(|index| (&of[index % 2], vec![Value::Int(value)])).collect();
            handles.push(scene.send(call, &pipeline));
        }
        Event::Answer { handle } => {
            if let Some(handle) = handles.get(handle % handles.len().max(1)).copied() {
                scene.answer(handle, call, &[(&select("trades", "id"), Some(&ids(&[1, 2, 3])))]);
            }
        }
        Event::Fail { handle } => {
            if let Some(handle) = handles.get(handle % handles.len().max(1)).copied() {
                scene.history.failed(handle, std::time::Duration::ZERO);
            }
        }
        Event::Write => {
            scene.run(call, &update("notes"), vec![Value::Null(SqlType::Text), Value::Int(1)], None);
        }
        Event::RollBack => scene.history.rolled_back(1),
        Event::Clear => scene.history.clear(),
    }
}

/// Distinct numbers, and some of them in any order.
fn rows_and_some() -> impl Strategy<Value = (Vec<i64>, Vec<i64>)> {
    btree_set(any::<i64>(), 3..80).prop_flat_map(|all| {
        let all: Vec<i64> = all.into_iter().collect();
        let some = subsequence(all.clone(), 3..=all.len()).prop_shuffle();
        (Just(all).prop_shuffle(), some)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_stays_within_the_bounds(events in vec(event(), 1..400)) {
        let (mut scene, mut handles) = (TestScope::new(), Vec::new());
        for event in &events {
            happen(&mut scene, event, &mut handles);
        }
        let (groups, key_sources) = scene.history.remembered();
        prop_assert!(groups.len() <= MAX_GROUPS && groups.iter().all(|group| group.parameter_sets.len() <= MAX_PARAMETER_SETS));
        prop_assert!(key_sources.sources.len() <= MAX_SOURCES && key_sources.keys.len() <= MAX_KEYS);
        for found in scene.findings() {
            prop_assert!(found.distinct <= found.runs && found.examined <= found.distinct);
        }
    }

    #[test]
    fn a_loop_over_some_rows_in_any_order_is_confirmed((all, some) in rows_and_some()) {
        let mut scene = TestScope::new();
        scene.list(CallSite::here(), "trades", &ids(&all));
        scene.each(CallSite::here(), &select("executions", "trade_id"), &some);
        prop_assert_eq!(scene.confidences(), [Confidence::Confirmed]);
    }

    #[test]
    fn values_of_no_result_are_never_confirmed(
        (all, _) in rows_and_some(),
        other in vec(any::<i64>(), 3..80),
    ) {
        let mut scene = TestScope::new();
        scene.list(CallSite::here(), "trades", &ids(&all));
        let other: Vec<i64> = other.into_iter().filter(|value| !all.contains(value)).collect();
        scene.each(CallSite::here(), &select("executions", "trade_id"), &other);
        prop_assert!(!scene.confidences().contains(&Confidence::Confirmed));
    }

    #[test]
    fn pages_are_never_found(size in 1..40_i64, pages in 1..60_i64, kind in 0..4_usize) {
        let mut scene = TestScope::new();
        let roles = [column("id"), Role::Bound, Role::Other, Role::Window];
        let (call, role) = (CallSite::here(), roles[kind].clone());
        let page = statement("SELECT", Some("trades"), "a page after ?", &[role]);
        for number in 0..pages {
            let last = number * size;
            let result = ids(&(last + 1..=last + size).collect::<Vec<_>>());
            scene.run(call, &page, vec![Value::Int(last)], Some(&result));
        }
        prop_assert!(scene.findings().is_empty());
    }

    #[test]
    fn what_else_runs_and_when_changes_no_finding(
        steps in vec(0..12_usize, 0..60),
        tables in vec(0..5_usize, 60),
    ) {
        let alone = with_others(&[], &[]);
        let among = with_others(&steps, &tables);
        prop_assert_eq!(alone.len(), 2);
        prop_assert_eq!(alone, among);
    }
}

/// Runs a loop and a redundant read among unrelated reads; returns what was found of the two.
fn with_others(steps: &[usize], tables: &[usize]) -> Vec<(Confidence, u64, u64, Option<u64>)> {
    let mut scene = TestScope::new();
    let (read, candidates, again, others) =
        (CallSite::here(), CallSite::here(), CallSite::here(), CallSite::here());
    for step in 0..12 {
        for (position, table) in steps.iter().zip(tables) {
            if *position == step {
                let none = ids(&[1_000, 2_000]);
                scene.run(
                    others,
                    &select(&format!("other{table}"), "code"),
                    vec![Value::Int(*position as i64)],
                    Some(&none),
                );
            }
        }
        match step {
            0 => scene.list(read, "trades", &ids(&[1, 2, 3, 4, 5])),
            1..6 => scene.each(candidates, &select("executions", "trade_id"), &[step as i64]),
            _ => scene.each(again, &select("settings", "name"), &[7]),
        }
    }
    let found = scene.history.findings(&Rules::default());
    let ours = found.iter().filter(|found| found.call != others);
    let mut ours: Vec<_> = ours
        .map(|found| {
            (found.confidence, found.runs, found.distinct, found.source.as_ref().map(|source| source.rows))
        })
        .collect();
    ours.sort_unstable();
    ours
}
