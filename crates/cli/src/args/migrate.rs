//! The command line of `tallybook migrate`.

use clap::Subcommand;

use super::{Limits, ShortLimits};

const UPGRADE_HELP: &str = "\
Examples:
  tallybook migrate upgrade
  tallybook migrate upgrade +1                    one revision
  tallybook migrate upgrade 0001                  up to this one
  tallybook migrate upgrade --within 600          waits for locks until then, and names who holds them";

const DOWNGRADE_HELP: &str = "\
Examples:
  tallybook migrate downgrade -1
  tallybook migrate downgrade 0001                this one stays
  tallybook migrate downgrade base --force        all of them, and the data";

const CURRENT_HELP: &str = "\
Examples:
  tallybook migrate current
  tallybook migrate current --json | jq -r .current";

const HISTORY_HELP: &str = "\
Examples:
  tallybook migrate history";

const PLAN_HELP: &str = "\
Examples:
  tallybook migrate plan
  tallybook migrate plan 0001
  tallybook migrate plan --json > plan.json";

const CHECK_HELP: &str = "\
Examples:
  tallybook migrate check
  tallybook migrate check > /dev/null || echo \"the book does not match its revisions\"";

const ADOPT_HELP: &str = "\
Examples:
  tallybook migrate adopt --dry-run               look first
  tallybook migrate adopt
  tallybook migrate upgrade                       then";

const RELEASE_HELP: &str = "\
Examples:
  tallybook migrate release";

const REPAIR_HELP: &str = "\
Examples:
  tallybook migrate repair 0002";

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Apply revisions up to head, +1 or a revision, while others use the database. An interrupted run is resumed
    /// by running it again
    #[command(after_help = UPGRADE_HELP)]
    Upgrade {
        /// head, +1 or a revision such as 0001
        #[arg(default_value = "head")]
        target: String,
        #[command(flatten)]
        limits: Limits,
    },
    /// Roll revisions back to base, -1 or a revision. Refuses to drop what holds data. If it is killed and run
    /// again, -1 goes no further than it first meant
    #[command(after_help = DOWNGRADE_HELP)]
    Downgrade {
        /// base, -1 or a revision such as 0001
        #[arg(allow_hyphen_values = true)]
        target: String,
        /// Drop columns and tables that hold data, which is lost
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        limits: Limits,
    },
    /// Show the last applied revision
    #[command(after_help = CURRENT_HELP)]
    Current {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Show all revisions and when they were applied
    #[command(after_help = HISTORY_HELP)]
    History {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Show what an upgrade would do: the SQL, the lock of each step, what it reads and writes, and the rollback;
    /// exit code 1 if the user lacks a privilege for it
    #[command(after_help = PLAN_HELP)]
    Plan {
        /// head, +1 or a revision such as 0001
        #[arg(default_value = "head")]
        target: String,
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Compare the database with its applied revisions; exit code 1 if programs would fail, or if no revision is
    /// recorded
    #[command(after_help = CHECK_HELP)]
    Check {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Take over a database that Alembic made, or SQLAlchemy's create_all
    ///
    /// Compares the book's tables with the schema of the version in alembic_version, or, without one, with each
    /// version, and records the revision that fits. Changes no table of the book or of others. Reports differences
    /// as blocking, benign or already applied, and which version `release` can hand back to Alembic later.
    #[command(after_help = ADOPT_HELP)]
    Adopt {
        /// Change nothing; exit code 1 if something blocks the adoption, including a missing privilege
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Hand the database back to Alembic
    ///
    /// Writes the version that fits into alembic_version and forgets the applied revisions: before an upgrade the
    /// adopted version, after it one with the same tables. If none fits it changes nothing and says what to do
    /// first. An SQLite file gets its journal mode back. If create_all made the database no version is written.
    #[command(after_help = RELEASE_HELP)]
    Release {
        #[command(flatten)]
        limits: ShortLimits,
    },
    /// Accept the text of a revision that was edited after it was applied, and record that
    #[command(after_help = REPAIR_HELP)]
    Repair {
        /// The revision
        revision: String,
        #[command(flatten)]
        limits: ShortLimits,
    },
}

impl Migrate {
    /// Returns the time limit in seconds.
    pub(crate) fn within(&self) -> u64 {
        match self {
            Self::Upgrade { limits, .. } | Self::Downgrade { limits, .. } => limits.within,
            Self::Current { limits }
            | Self::History { limits }
            | Self::Plan { limits, .. }
            | Self::Check { limits }
            | Self::Adopt { limits, .. }
            | Self::Release { limits }
            | Self::Repair { limits, .. } => limits.within,
        }
    }
}
