//! Suspected loops: likely, but not proved.

use tallybook_sql::call_site::CallSite;
use tallybook_sql::fingerprint::Role;
use tallybook_sql::value::Value;

use crate::detect::finding::Confidence;
use crate::detect::rules::Rules;
use crate::detect::support::{TestScope, ids, select, statement, words};

const SYMBOLS: [&str; 6] = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"];

fn look_up(scene: &mut TestScope, column: &str, symbols: &[&str]) {
    let (call, by) = (CallSite::here(), select("prices", column));
    for symbol in symbols {
        scene.run(call, &by, vec![Value::Text((*symbol).to_owned())], None);
    }
}

#[test]
fn texts_of_a_column_of_the_same_name_are_suspected() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..5]);
    assert_eq!(scene.confidences(), [Confidence::Suspected]);
}

#[test]
fn few_texts_or_another_name_are_no_suspicion() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..4]);
    look_up(&mut scene, "ticker", &SYMBOLS);
    assert!(scene.findings().is_empty());
}

#[test]
fn a_higher_threshold_counts_for_suspicions_too() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..5]);
    for (threshold, found) in [(0, 1), (3, 1), (5, 1), (6, 0)] {
        assert_eq!(scene.history.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn a_higher_threshold_counts_the_values_that_come_from_the_source() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "positions", &words("symbol", &SYMBOLS[..5]));
    look_up(&mut scene, "symbol", &SYMBOLS);
    for (threshold, found) in [(5, 1), (6, 0)] {
        assert_eq!(scene.history.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn texts_from_a_row_each_are_no_suspicion() {
    let mut scene = TestScope::new();
    let call = CallSite::here();
    for symbol in SYMBOLS {
        scene.run(call, &select("positions", "note"), Vec::new(), Some(&words("symbol", &[symbol])));
    }
    look_up(&mut scene, "symbol", &SYMBOLS);
    assert!(scene.findings().is_empty());
}

fn of_unknown_use(scene: &mut TestScope, values: &[i64]) {
    let call = statement("SELECT", Some("trades"), "select * from trades where f(?)", &[Role::Other]);
    scene.each(CallSite::here(), &call, values);
}

#[test]
fn keys_of_unknown_use_are_suspected_in_the_order_of_their_rows_alone() {
    let keys = [31, 12, 53, 24, 45];
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "portfolios", &ids(&keys));
    of_unknown_use(&mut scene, &keys);
    assert_eq!(scene.confidences(), [Confidence::Suspected]);
    scene.history.clear();
    scene.list(CallSite::here(), "portfolios", &ids(&keys));
    of_unknown_use(&mut scene, &[12, 31, 53, 24, 45]);
    assert!(scene.findings().is_empty());
}

#[test]
fn few_keys_of_unknown_use_are_no_suspicion() {
    let mut scene = TestScope::new();
    scene.list(CallSite::here(), "portfolios", &ids(&[1, 2, 3, 4]));
    of_unknown_use(&mut scene, &[1, 2, 3, 4]);
    assert!(scene.findings().is_empty());
}
