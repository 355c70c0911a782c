//! Memory bounds of long scopes.

use std::mem::size_of;

use tallybook_sql::call_site::CallSite;
use tallybook_sql::value::Value;

use crate::detect::QueryFinding;
use crate::detect::finding::Confidence;
use crate::detect::group::{Group, GroupMember, MAX_PARAMETER_SETS};
use crate::detect::groups::MAX_GROUPS;
use crate::detect::key_sources::{KeySource, MAX_KEYS, MAX_SOURCES, ReadKey};
use crate::detect::parameter_set::ParameterSet;
use crate::detect::support::{TestScope, ids, list, rows, select};

#[test]
fn a_scope_takes_less_than_a_mebibyte() {
    let group = size_of::<Group>()
        + 2 * size_of::<GroupMember>()
        + MAX_PARAMETER_SETS * (size_of::<ParameterSet>() + size_of::<u64>());
    let keys = MAX_KEYS * size_of::<ReadKey>() + MAX_SOURCES * size_of::<KeySource>();
    assert!(MAX_GROUPS * group + keys < 1 << 20, "{} and {keys} bytes", MAX_GROUPS * group);
}

#[test]
fn a_long_loop_is_judged_by_a_part_and_says_so() {
    let all: Vec<i64> = (1..=100).collect();
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&all));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &all);
    let finding = QueryFinding::from(scene.findings().remove(0));
    assert_eq!((finding.runs, finding.distinct, finding.examined), (100, 100, MAX_PARAMETER_SETS as u64));
    assert!(finding.to_string().contains("judged by 32 of its 100 different parameters"), "{finding}");
}

#[test]
fn a_loop_over_more_rows_than_are_kept_is_found() {
    let all: Vec<i64> = (1..=9_000).collect();
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&all[..1_024]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &all);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn the_first_level_outlives_a_flood_of_keys_from_the_second() {
    let all: Vec<i64> = (1..=500).collect();
    let (mut scene, outer, inner) = (TestScope::new(), CallSite::here(), CallSite::here());
    scene.list(CallSite::here(), "portfolios", &ids(&all));
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
    let (_, key_sources) = scene.history.remembered();
    assert!(key_sources.keys.len() <= MAX_KEYS);
    assert_eq!(scene.confidences(), [Confidence::Confirmed, Confidence::Confirmed]);
}

#[test]
fn a_large_result_finds_room_among_small_ones() {
    let mut scene = TestScope::new();
    let (small, large): (Vec<i64>, Vec<i64>) = ((1..=1_250).collect(), (1..=5_000).collect());
    for table in ["a", "b", "c", "d"] {
        scene.list(CallSite::here(), table, &ids(&small));
    }
    scene.list(CallSite::here(), "trades", &ids(&large));
    assert!(scene.history.remembered().1.keys.len() <= MAX_KEYS);
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn what_has_several_rows_outlives_a_flood_of_single_rows() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    let call = CallSite::here();
    for table in 0..2 * MAX_SOURCES {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), Some(&ids(&[1])));
    }
    let (_, key_sources) = scene.history.remembered();
    assert_eq!(key_sources.sources.len(), MAX_SOURCES);
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
}

#[test]
fn what_a_forgotten_source_read_is_not_taken_for_what_another_read() {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    for table in 0..MAX_SOURCES {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), Some(&ids(&[1, 2, 3])));
    }
    scene.list(CallSite::here(), "trades", &ids(&[100, 101]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert!(scene.findings().is_empty());
}

#[test]
fn a_loop_is_found_however_many_other_statements_ran_before() {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    for table in 0..2 * MAX_GROUPS {
        scene.run(call, &list(&format!("table{table}")), Vec::new(), None);
    }
    let (groups, _) = scene.history.remembered();
    assert_eq!(groups.len(), MAX_GROUPS);
    scene.list(CallSite::here(), "trades", &ids(&[1, 2, 3]));
    scene.each(CallSite::here(), &select("executions", "trade_id"), &[1, 2, 3]);
    assert_eq!(scene.confidences(), [Confidence::Confirmed]);
    assert_eq!(scene.history.statements(), 2 * MAX_GROUPS as u64 + 4);
    assert_eq!(
        scene.history.statement_counts().map(|ran| ran.runs).sum::<u64>(),
        MAX_GROUPS as u64 + 2,
        "the rest is forgotten"
    );
}

#[test]
fn a_value_in_all_rows_is_one_value() {
    let mut scene = TestScope::new();
    let many: Vec<i64> = (1..=100).collect();
    scene.list(CallSite::here(), "trades", &rows(&[("id", &many), ("portfolio_id", &[7; 100])]));
    scene.each(CallSite::here(), &select("portfolios", "id"), &[7, 8, 9]);
    assert!(scene.findings().is_empty());
}
