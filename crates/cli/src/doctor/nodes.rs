//! Prints the nodes as a table, and the checks that were made.

use std::io;

use tallybook::Escaped;
use tallybook_doctor::{ConfiguredAs, Node, NodeFacts, Role};

use crate::output;

const HEADER: [&str; 9] =
    ["node", "named as", "role", "version", "timeline", "lag", "TLS", "size", "looked at for"];

pub(super) fn print(nodes: &[Node]) -> io::Result<()> {
    if nodes.is_empty() {
        return Ok(());
    }
    output::line("\nNodes")?;
    let rows: Vec<_> = nodes.iter().map(row).collect();
    // SQLite has no timelines, and a single server no lag.
    let used: Vec<_> =
        (0..HEADER.len()).filter(|&column| rows.iter().any(|row| !row[column].is_empty())).collect();
    let header: Vec<_> = used.iter().map(|&column| HEADER[column]).collect();
    let rows = rows.into_iter().map(|row| used.iter().map(|&column| row[column].clone()).collect()).collect();
    output::table(&header, rows, &[used.len() - 2, used.len() - 1])
}

/// Prints which checks found nothing, and which could not be made.
pub(super) fn print_checks(nodes: &[Node]) -> io::Result<()> {
    for node in nodes {
        let name = Escaped(&node.node);
        if !node.passed.is_empty() {
            output::line(format!("\nok at {name}: {}", node.passed.join(", ")))?;
        }
        if !node.skipped.is_empty() {
            output::line(format!("not seen at {name}: {}", node.skipped.join(", ")))?;
        }
        if node.facts.is_some() {
            output::line(format!("SQL for {name}: {}", Escaped(&node.shell)))?;
        }
    }
    Ok(())
}

fn row(node: &Node) -> Vec<String> {
    let configured = match node.configured {
        ConfiguredAs::Replica => "replica",
        ConfiguredAs::Both => "both",
        _ => "primary",
    };
    let mut row = vec![node.node.clone(), configured.to_owned()];
    row.extend(match &node.facts {
        Some(facts) => cells(facts),
        None => ["not reached", "", "", "", "", ""].map(str::to_owned),
    });
    row.push(format!("{} ms", output::thousands(node.milliseconds)));
    row
}

fn cells(facts: &NodeFacts) -> [String; 6] {
    let role = match facts.role {
        Role::Standby => "standby",
        _ => "writable",
    };
    let lag = facts.lag_bytes.map(|bytes| match (bytes, facts.lag_seconds.unwrap_or_default()) {
        (0, _) => "none".to_owned(),
        (bytes, seconds) => format!("{}, {seconds} s", size(bytes)),
    });
    [
        role.to_owned(),
        facts.version.split_whitespace().next().unwrap_or_default().to_owned(),
        facts.timeline.map(|number| number.to_string()).unwrap_or_default(),
        lag.unwrap_or_default(),
        facts
            .tls
            .clone()
            .unwrap_or_else(|| if facts.journal.is_some() { String::new() } else { "no".to_owned() }),
        facts.bytes.map(size).unwrap_or_default(),
    ]
}

fn size(bytes: i64) -> String {
    let rounded = |shift: u32| (bytes as f64 / f64::from(1 << shift)).round();
    match bytes {
        ..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", rounded(10)),
        10_000_000..10_000_000_000 => format!("{} MB", rounded(20)),
        _ => format!("{} GB", rounded(30)),
    }
}
