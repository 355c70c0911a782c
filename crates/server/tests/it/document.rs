//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

const CHECKED_IN: &str = include_str!("../../../../docs/openapi.json");

fn document() -> Value {
    serde_json::from_str(tallybook_server::openapi()).unwrap()
}

#[test]
fn the_document_in_the_repository_is_that_of_the_service() {
    let hint = "write it again: cargo run -p tallybook-server --example openapi > docs/openapi.json; a change that breaks \
        clients needs another version, see docs/server.md";
    assert!(CHECKED_IN == tallybook_server::openapi(), "{hint}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    into.insert(reference.clone());
                }
                map.values().for_each(|value| references(value, into));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, into)),
            _ => {}
        }
    }
    let document = document();
    let mut all = BTreeSet::new();
    references(&document, &mut all);
    assert!(all.len() > 20, "{all:?}");
    for reference in all {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let document = document();
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name), "{name} is there twice");
            assert_ne!(operation["summary"], "", "{method} {path}");
        }
    }
    assert_eq!(names.len(), 44);
}

#[test]
fn every_column_of_a_row_says_what_it_holds() {
    for (name, schema) in document()["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().unwrap() {
            let is_described =
                property.get("description").is_some() || ["Problem", "Recorded"].contains(&&**name);
            assert!(is_described, "{name}.{field}");
        }
    }
}
