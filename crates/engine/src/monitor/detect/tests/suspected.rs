//! Loops that are likely, but not proved.

use crate::call::Call;
use crate::monitor::detect::finding::Grade;
use crate::monitor::detect::rules::Rules;
use crate::monitor::detect::support::{Scene, ids, select, statement, words};
use crate::monitor::fingerprint::Role;
use crate::value::Value;

const SYMBOLS: [&str; 6] = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"];

fn look_up(scene: &mut Scene, column: &str, symbols: &[&str]) {
    let (call, by) = (Call::here(), select("prices", column));
    for symbol in symbols {
        scene.run(call, &by, vec![Value::Text((*symbol).to_owned())], None);
    }
}

#[test]
fn texts_of_a_column_of_the_same_name_are_suspected() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..5]);
    assert_eq!(scene.grades(), [Grade::Suspected]);
}

#[test]
fn few_texts_or_another_name_are_no_suspicion() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..4]);
    look_up(&mut scene, "ticker", &SYMBOLS);
    assert!(scene.findings().is_empty());
}

#[test]
fn a_higher_threshold_counts_for_suspicions_too() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "positions", &words("symbol", &SYMBOLS));
    look_up(&mut scene, "symbol", &SYMBOLS[..5]);
    for (threshold, found) in [(0, 1), (3, 1), (5, 1), (6, 0)] {
        assert_eq!(scene.trace.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn a_higher_threshold_counts_the_values_that_come_from_the_source() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "positions", &words("symbol", &SYMBOLS[..5]));
    look_up(&mut scene, "symbol", &SYMBOLS);
    for (threshold, found) in [(5, 1), (6, 0)] {
        assert_eq!(scene.trace.findings(&Rules { threshold }).len(), found, "{threshold}");
    }
}

#[test]
fn texts_from_a_row_each_are_no_suspicion() {
    let mut scene = Scene::new();
    let call = Call::here();
    for symbol in SYMBOLS {
        scene.run(call, &select("positions", "note"), Vec::new(), Some(&words("symbol", &[symbol])));
    }
    look_up(&mut scene, "symbol", &SYMBOLS);
    assert!(scene.findings().is_empty());
}

fn of_unknown_use(scene: &mut Scene, values: &[i64]) {
    let call = statement("SELECT", Some("trades"), "select * from trades where f(?)", &[Role::Other]);
    scene.each(Call::here(), &call, values);
}

#[test]
fn keys_of_unknown_use_are_suspected_in_the_order_of_their_rows_alone() {
    let keys = [31, 12, 53, 24, 45];
    let mut scene = Scene::new();
    scene.list(Call::here(), "portfolios", &ids(&keys));
    of_unknown_use(&mut scene, &keys);
    assert_eq!(scene.grades(), [Grade::Suspected]);
    scene.trace.clear();
    scene.list(Call::here(), "portfolios", &ids(&keys));
    of_unknown_use(&mut scene, &[12, 31, 53, 24, 45]);
    assert!(scene.findings().is_empty());
}

#[test]
fn few_keys_of_unknown_use_are_no_suspicion() {
    let mut scene = Scene::new();
    scene.list(Call::here(), "portfolios", &ids(&[1, 2, 3, 4]));
    of_unknown_use(&mut scene, &[1, 2, 3, 4]);
    assert!(scene.findings().is_empty());
}
