//! The modes of the monitor.

use anyhow::{Result, ensure};
use clap::ValueEnum;
use serde::Serialize;
use tallybook::{Database, MonitorMode};

use crate::connections::settings;

/// How much is monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(super) enum Mode {
    /// Nothing: what the others are compared with.
    Off,
    /// The same once more, to show how far apart two equals come out.
    #[value(skip)]
    OffAgain,
    /// Times and counts of statements.
    Statements,
    /// Loops and redundant reads as well.
    Full,
    /// The same, with each turn in a scope of its own.
    Scoped,
}

impl Mode {
    pub(super) const ALL: [Self; 5] = [Self::Off, Self::OffAgain, Self::Statements, Self::Full, Self::Scoped];

    /// What the tables call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OffAgain => "off, again",
            Self::Statements => "statements",
            Self::Full => "full",
            Self::Scoped => "full, in a scope",
        }
    }

    fn setting(self) -> MonitorMode {
        match self {
            Self::Off | Self::OffAgain => MonitorMode::Off,
            Self::Statements => MonitorMode::Statements,
            Self::Full | Self::Scoped => MonitorMode::Full,
        }
    }

    /// Opens a database in this mode.
    pub(super) async fn open(self, url: &str) -> Result<Database> {
        let mut settings = settings(url)?;
        settings.monitor.mode = self.setting();
        Ok(Database::open(settings).await?)
    }
}

/// The same database, opened in every mode.
pub(super) struct Contestants(Vec<(Mode, Database)>);

impl Contestants {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let mut contestants = Vec::new();
        for mode in Mode::ALL {
            contestants.push((mode, mode.open(url).await?));
        }
        Ok(Self(contestants))
    }

    /// All of them, in another order in each round: none always comes first, or after the same other one.
    pub(super) fn in_order_of(&self, round: usize) -> impl Iterator<Item = (Mode, &Database)> {
        let count = self.0.len();
        let step = 1 + round / count % (count - 1);
        (0..count)
            .map(move |place| &self.0[(round + place * step) % count])
            .map(|(mode, database)| (*mode, database))
    }

    pub(super) fn database(&self, mode: Mode) -> &Database {
        let found = self.0.iter().find(|(own, _)| *own == mode);
        &found.expect("there is one in every mode").1
    }

    /// That each mode did what it is called.
    pub(super) fn check(&self) -> Result<()> {
        for (mode, database) in &self.0 {
            let counted: u64 = database.report().statements.iter().map(|statement| statement.calls).sum();
            let is_off = mode.setting() == MonitorMode::Off;
            ensure!((counted == 0) == is_off, "the mode {} counted {counted} statements", mode.name());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_mode_takes_one_turn_in_a_round_and_comes_after_each_other_one() {
        let contestants = Contestants::open("sqlite::memory:").await.expect("a database in memory opens");
        let count = Mode::ALL.len();
        let mut neighbours = Vec::new();
        for round in 0..count * (count - 1) {
            let order: Vec<Mode> = contestants.in_order_of(round).map(|(mode, _)| mode).collect();
            assert!(Mode::ALL.iter().all(|mode| order.contains(mode)), "{order:?}");
            neighbours.extend(order.windows(2).map(|pair| (pair[0].name(), pair[1].name())));
        }
        neighbours.sort_unstable();
        neighbours.dedup();
        assert_eq!(neighbours.len(), count * (count - 1));
    }
}
