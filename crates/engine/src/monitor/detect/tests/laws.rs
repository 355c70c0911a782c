//! What holds for whatever runs.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select as choose, subsequence};

use crate::call::Call;
use crate::monitor::detect::finding::Grade;
use crate::monitor::detect::flight::Ticket;
use crate::monitor::detect::group::BINDINGS;
use crate::monitor::detect::groups::GROUPS;
use crate::monitor::detect::rules::Rules;
use crate::monitor::detect::sources::{KEYS, SOURCES};
use crate::monitor::detect::support::{Scene, column, ids, rows, select, statement, update};
use crate::monitor::fingerprint::Role;
use crate::value::{Kind, Value};

/// Something that may happen in a scope.
#[derive(Clone, Debug)]
enum Event {
    Read { table: usize, value: i64, rows: usize },
    Send { table: usize, value: i64, statements: usize },
    Answer { ticket: usize },
    Fail { ticket: usize },
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
        4 => any::<usize>().prop_map(|ticket| Event::Answer { ticket }),
        2 => any::<usize>().prop_map(|ticket| Event::Fail { ticket }),
        1 => Just(Event::Write),
        1 => Just(Event::RollBack),
        1 => choose(vec![Event::Write, Event::Write, Event::Write, Event::Clear]),
    ]
}

fn happen(scene: &mut Scene, event: &Event, tickets: &mut Vec<Ticket>) {
    let call = Call::here();
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
            let flight: Vec<_> =
                (0..statements).map(|index| (&of[index % 2], vec![Value::Int(value)])).collect();
            tickets.push(scene.send(call, &flight));
        }
        Event::Answer { ticket } => {
            if let Some(ticket) = tickets.get(ticket % tickets.len().max(1)).copied() {
                scene.answer(ticket, call, &[(&select("trades", "id"), Some(&ids(&[1, 2, 3])))]);
            }
        }
        Event::Fail { ticket } => {
            if let Some(ticket) = tickets.get(ticket % tickets.len().max(1)).copied() {
                scene.trace.failed(ticket, std::time::Duration::ZERO);
            }
        }
        Event::Write => scene.run(call, &update("notes"), vec![Value::Null(Kind::Text), Value::Int(1)], None),
        Event::RollBack => scene.trace.rolled_back(1),
        Event::Clear => scene.trace.clear(),
    }
}

/// A list of different numbers and some of them in any order.
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
        let (mut scene, mut tickets) = (Scene::new(), Vec::new());
        for event in &events {
            happen(&mut scene, event, &mut tickets);
        }
        let (groups, sources) = scene.trace.remembered();
        prop_assert!(groups.len() <= GROUPS && groups.iter().all(|group| group.bindings.len() <= BINDINGS));
        prop_assert!(sources.sources.len() <= SOURCES && sources.keys.len() <= KEYS);
        for found in scene.findings() {
            prop_assert!(found.distinct <= found.runs && found.examined <= found.distinct);
        }
    }

    #[test]
    fn a_loop_over_some_rows_in_any_order_is_confirmed((all, some) in rows_and_some()) {
        let mut scene = Scene::new();
        scene.list(Call::here(), "trades", &ids(&all));
        scene.each(Call::here(), &select("executions", "trade_id"), &some);
        prop_assert_eq!(scene.grades(), [Grade::Confirmed]);
    }

    #[test]
    fn values_of_no_result_are_never_confirmed(
        (all, _) in rows_and_some(),
        other in vec(any::<i64>(), 3..80),
    ) {
        let mut scene = Scene::new();
        scene.list(Call::here(), "trades", &ids(&all));
        let other: Vec<i64> = other.into_iter().filter(|value| !all.contains(value)).collect();
        scene.each(Call::here(), &select("executions", "trade_id"), &other);
        prop_assert!(!scene.grades().contains(&Grade::Confirmed));
    }

    #[test]
    fn pages_are_never_found(size in 1..40_i64, pages in 1..60_i64, kind in 0..4_usize) {
        let mut scene = Scene::new();
        let roles = [column("id"), Role::Bound, Role::Other, Role::Window];
        let (call, role) = (Call::here(), roles[kind].clone());
        let page = statement("SELECT", Some("trades"), "a page behind ?", &[role]);
        for number in 0..pages {
            let last = number * size;
            let result = ids(&(last + 1..=last + size).collect::<Vec<_>>());
            scene.run(call, &page, vec![Value::Int(last)], Some(&result));
        }
        prop_assert!(scene.findings().is_empty());
    }

    #[test]
    fn what_else_runs_and_when_changes_no_finding(
        places in vec(0..12_usize, 0..60),
        tables in vec(0..5_usize, 60),
    ) {
        let alone = with_others(&[], &[]);
        let among = with_others(&places, &tables);
        prop_assert_eq!(alone.len(), 2);
        prop_assert_eq!(alone, among);
    }
}

/// A loop and a redundant read, with unrelated reads in between; what was found of them.
fn with_others(places: &[usize], tables: &[usize]) -> Vec<(Grade, u64, u64, Option<u64>)> {
    let mut scene = Scene::new();
    let (read, loops, again, others) = (Call::here(), Call::here(), Call::here(), Call::here());
    for step in 0..12 {
        for (place, table) in places.iter().zip(tables) {
            if *place == step {
                let none = ids(&[1_000, 2_000]);
                scene.run(
                    others,
                    &select(&format!("other{table}"), "code"),
                    vec![Value::Int(*place as i64)],
                    Some(&none),
                );
            }
        }
        match step {
            0 => scene.list(read, "trades", &ids(&[1, 2, 3, 4, 5])),
            1..6 => scene.each(loops, &select("executions", "trade_id"), &[step as i64]),
            _ => scene.each(again, &select("settings", "name"), &[7]),
        }
    }
    let found = scene.trace.findings(&Rules::default());
    let ours = found.iter().filter(|found| found.call != others);
    let mut ours: Vec<_> = ours
        .map(|found| {
            (found.grade, found.runs, found.distinct, found.source.as_ref().map(|source| source.rows))
        })
        .collect();
    ours.sort_unstable();
    ours
}
