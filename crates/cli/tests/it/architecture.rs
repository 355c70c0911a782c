//! The table of crates in docs/architecture.md equals what Cargo knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Each crate with those it names, by the folders below `crates/`.
type Edges = BTreeMap<String, BTreeSet<String>>;

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of a package: the facade has the name of the project, the others one of their own after it.
fn folder(package: &str) -> &str {
    package.strip_prefix("tallybook-").unwrap_or(package)
}

/// The normal dependencies between the crates of the workspace.
fn edges_of_cargo() -> Edges {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let is_crate = |package: &&Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        manifest.parent().and_then(Path::parent).is_some_and(|parent| parent.ends_with("crates"))
    };
    let named = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let own =
            dependencies.filter(|dependency| dependency["kind"].is_null() && dependency["path"].is_string());
        own.map(|dependency| folder(dependency["name"].as_str().unwrap()).to_owned()).collect()
    };
    let crates = packages.iter().filter(is_crate);
    crates.map(|package| (folder(package["name"].as_str().unwrap()).to_owned(), named(package))).collect()
}

/// The names between backticks.
fn names(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows of the table of crates.
fn edges_of_docs() -> Edges {
    let page = std::fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (_, table) = page.split_once("| crate | what it is | may name |\n").expect("the page has the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [krates, _, may_name] = &*cells else { panic!("a row of three cells: {row}") };
        let may_name = names(may_name);
        names(krates).into_iter().map(move |krate| (krate, may_name.clone()))
    })
    .collect()
}

#[test]
fn the_table_of_crates_and_arrows_is_what_cargo_builds() {
    assert_eq!(edges_of_docs(), edges_of_cargo());
}

#[test]
fn no_crate_below_the_facade_knows_the_monitor() {
    let edges = edges_of_cargo();
    let knows: Vec<_> =
        edges.iter().filter(|(_, named)| named.contains("monitor")).map(|(krate, _)| &**krate).collect();
    assert_eq!(knows, ["tallybook"]);
}

/// Users may have the oldest versions that Cargo.toml allows, so those are the versions to test with.
#[test]
fn the_oldest_versions_allowed_are_the_tested_ones() {
    let read = |file| std::fs::read_to_string(root().join(file)).unwrap();
    let (manifest, lock) = (read("Cargo.toml"), read("Cargo.lock"));
    let (_, dependencies) = manifest.split_once("[workspace.dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[").unwrap();
    let others = dependencies.lines().filter(|line| !line.is_empty() && !line.contains("path = "));
    let untested: Vec<_> = others
        .filter(|line| {
            let (name, requirement) = line.split_once(" = ").unwrap();
            let version = requirement.split('"').nth(1).unwrap();
            !lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n"))
        })
        .collect();
    assert_eq!(untested, [""; 0], "give them the version in Cargo.lock");
}
