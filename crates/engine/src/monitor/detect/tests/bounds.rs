//! What a long scope remembers.

use std::mem::size_of;

use crate::call::Call;
use crate::monitor::detect::Finding;
use crate::monitor::detect::binding::Binding;
use crate::monitor::detect::finding::Grade;
use crate::monitor::detect::group::{BINDINGS, Group, Part};
use crate::monitor::detect::groups::GROUPS;
use crate::monitor::detect::sources::{KEYS, Kept, SOURCES, Source};
use crate::monitor::detect::support::{Scene, ids, list, rows, select};
use crate::value::Value;

#[test]
fn a_scope_takes_less_than_a_mebibyte() {
    let group =
        size_of::<Group>() + 2 * size_of::<Part>() + BINDINGS * (size_of::<Binding>() + size_of::<u64>());
    let keys = KEYS * size_of::<Kept>() + SOURCES * size_of::<Source>();
    assert!(GROUPS * group + keys < 1 << 20, "{} and {keys} bytes", GROUPS * group);
}

#[test]
fn a_long_loop_is_judged_by_a_part_and_says_so() {
    let all: Vec<i64> = (1..=100).collect();
    let mut scene = Scene::new();
    scene.list(Call::here(), "trades", &ids(&all));
    scene.each(Call::here(), &select("executions", "trade_id"), &all);
    let finding = Finding::from(scene.findings().remove(0));
    assert_eq!((finding.runs, finding.distinct, finding.examined), (100, 100, BINDINGS as u64));
    assert!(finding.to_string().contains("judged by 32 of its 100 different parameters"), "{finding}");
}

#[test]
fn a_loop_over_more_rows_than_are_kept_is_found() {
    let all: Vec<i64> = (1..=9_000).collect();
    let mut scene = Scene::new();
    scene.list(Call::here(), "trades", &ids(&all[..1_024]));
    scene.each(Call::here(), &select("executions", "trade_id"), &all);
    assert_eq!(scene.grades(), [Grade::Confirmed]);
}

#[test]
fn the_first_level_outlives_a_flood_of_keys_from_the_second() {
    let all: Vec<i64> = (1..=500).collect();
    let (mut scene, outer, inner) = (Scene::new(), Call::here(), Call::here());
    scene.list(Call::here(), "portfolios", &ids(&all));
    for portfolio in &all {
        let trades: Vec<i64> = (1..=100).map(|trade| portfolio * 1_000 + trade).collect();
        scene.run(
            outer,
            &select("trades", "portfolio_id"),
            vec![Value::Int(*portfolio)],
            Some(&ids(&trades)),
        );
        scene.each(inner, &select("executions", "trade_id"), &trades[..5]);
    }
    let (_, sources) = scene.trace.remembered();
    assert!(sources.keys.len() <= KEYS);
    assert_eq!(scene.grades(), [Grade::Confirmed, Grade::Confirmed]);
}

#[test]
fn a_large_result_finds_room_among_small_ones() {
    let mut scene = Scene::new();
    let (small, large): (Vec<i64>, Vec<i64>) = ((1..=1_250).collect(), (1..=5_000).collect());
    for table in ["a", "b", "c", "d"] {
        scene.list(Call::here(), table, &ids(&small));
    }
    scene.list(Call::here(), "trades", &ids(&large));
    assert!(scene.trace.remembered().1.keys.len() <= KEYS);
    scene.each(Call::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.grades(), [Grade::Confirmed]);
}

#[test]
fn what_has_several_rows_outlives_a_flood_of_single_rows() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "trades", &ids(&[1, 2, 3]));
    let call = Call::here();
    for table in 0..2 * SOURCES {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), Some(&ids(&[1])));
    }
    let (_, sources) = scene.trace.remembered();
    assert_eq!(sources.sources.len(), SOURCES);
    scene.each(Call::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.grades(), [Grade::Confirmed]);
}

#[test]
fn what_a_forgotten_source_read_is_not_taken_for_what_another_read() {
    let mut scene = Scene::new();
    let call = Call::here();
    for table in 0..SOURCES {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), Some(&ids(&[1, 2, 3])));
    }
    scene.list(Call::here(), "trades", &ids(&[100, 101]));
    scene.each(Call::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert!(scene.findings().is_empty());
}

#[test]
fn a_loop_is_found_however_many_other_statements_ran_before() {
    let mut scene = Scene::new();
    let call = Call::here();
    for table in 0..2 * GROUPS {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), None);
    }
    let (groups, _) = scene.trace.remembered();
    assert_eq!(groups.len(), GROUPS);
    scene.list(Call::here(), "trades", &ids(&[1, 2, 3]));
    scene.each(Call::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.grades(), [Grade::Confirmed]);
    assert_eq!(scene.trace.statements(), 2 * GROUPS as u64 + 4);
    assert_eq!(
        scene.trace.ran().map(|ran| ran.runs).sum::<u64>(),
        GROUPS as u64 + 2,
        "the rest is forgotten"
    );
}

#[test]
fn a_value_in_all_rows_is_one_value() {
    let mut scene = Scene::new();
    let many: Vec<i64> = (1..=100).collect();
    scene.list(Call::here(), "trades", &rows(&[("id", &many), ("portfolio_id", &[7; 100])]));
    scene.each(Call::here(), &select("portfolios", "id"), &[7, 8, 9]);
    assert!(scene.findings().is_empty());
}
