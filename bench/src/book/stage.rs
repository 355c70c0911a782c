//! The databases that are read, and how they are filled.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tallybook_testkit::{Cluster, SqliteFile};

use super::options::Size;
use super::target::Target;

/// A database of one's own, until it is dropped.
pub(super) struct Stage {
    url: String,
    owner: Owner,
}

enum Owner {
    Sqlite(SqliteFile),
    Postgres(Cluster),
}

impl Stage {
    /// With a book in it, made by `tallybook seed`: the same on both engines.
    pub(super) fn set(target: Target, size: Size, program: &Path) -> Result<Self> {
        let stage = match target {
            Target::Sqlite => {
                let file = SqliteFile::new("book");
                Self { url: file.url(), owner: Owner::Sqlite(file) }
            }
            Target::Postgres => {
                let server = Cluster::start()?;
                Self { url: server.url("postgres"), owner: Owner::Postgres(server) }
            }
        };
        let (portfolios, trades) = (size.portfolios.to_string(), size.trades.to_string());
        stage.run(program, &["migrate", "upgrade"])?;
        stage.run(program, &["seed", "--portfolios", &portfolios, "--trades", &trades])?;
        Ok(stage)
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The file of the book, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.owner {
            Owner::Sqlite(file) => Some(file.path()),
            Owner::Postgres(_) => None,
        }
    }

    /// The server of the book, if it is on one.
    pub(super) fn server(&self) -> Option<&Cluster> {
        match &self.owner {
            Owner::Sqlite(_) => None,
            Owner::Postgres(server) => Some(server),
        }
    }

    /// The URL has a password in it, so it is not an argument, which everyone may read.
    fn run(&self, program: &Path, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(program);
        command.args(arguments).env("DATABASE_URL", &self.url).stdin(Stdio::null());
        let output = command.output().with_context(|| format!("cannot run {}", program.display()))?;
        ensure!(
            output.status.success(),
            "tallybook {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

/// The program `tallybook`, built unless one is given.
pub(super) fn program(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    println!("Building the program that makes the book ...");
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "tallybook-cli"])
        .current_dir(&workspace)
        .env_remove("CARGO_TARGET_DIR")
        .status()?;
    ensure!(built.success(), "the program tallybook could not be built");
    Ok(workspace.join("target/release/tallybook"))
}
