//! Where it was measured, and with what.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::read_to_string;

use anyhow::Result;
use serde::Serialize;
use tallybook::{Database, Settings, one, params};
use tokio::runtime::Builder;

const LOCK: &str = include_str!("../Cargo.lock");

/// The processor, the server and the versions of the crates.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    processors: usize,
    memory: String,
    load: String,
    server: String,
    crates: BTreeMap<&'static str, &'static str>,
}

impl Machine {
    /// With the PostgreSQL server at `url` and the versions of `crates`.
    pub(crate) fn look(url: &str, crates: &[&'static str]) -> Result<Self> {
        let processors = read_to_string("/proc/cpuinfo")?;
        Ok(Self {
            processor: field(&processors, "model name"),
            processors: processors.lines().filter(|line| line.starts_with("processor")).count(),
            memory: field(&read_to_string("/proc/meminfo")?, "MemTotal"),
            load: read_to_string("/proc/loadavg")?.trim().to_owned(),
            server: server(url)?,
            crates: crates.iter().filter_map(|&name| Some((name, locked(name)?))).collect(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, processors, memory, load, server, crates } = self;
        writeln!(f, "{processors} × {processor}, {memory}; PostgreSQL {server}; load average {load}")?;
        let crates: Vec<_> = crates.iter().map(|(name, version)| format!("{name} {version}")).collect();
        f.write_str(&crates.join(", "))
    }
}

/// The first value of a file of `/proc` whose lines are `key : value`.
fn field(text: &str, key: &str) -> String {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    values
        .into_iter()
        .find(|(name, _)| name.trim() == key)
        .map_or_else(String::new, |(_, v)| v.trim().to_owned())
}

/// The version of a crate that this program was built with.
fn locked(name: &str) -> Option<&'static str> {
    let (_, behind) = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    behind.split('"').next()
}

fn server(url: &str) -> Result<String> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let database = Database::open(Settings::new(url)?).await?;
        let (version,) =
            database.read().await?.run(one::<(String,)>("SHOW server_version", params![])).await?;
        Ok(version)
    })
}
