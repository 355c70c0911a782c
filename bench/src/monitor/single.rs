//! Work for a profiler to look at.

use anyhow::{Result, bail};

use super::case::{Case, Target};
use super::mode::Mode;
use super::slice::{self, Until};
use super::stage::Stage;

/// One case in one mode, so many times.
pub(super) struct Single<'a> {
    pub(super) mode: Mode,
    pub(super) case: &'a str,
    pub(super) turns: u32,
}

impl Single<'_> {
    pub(super) async fn run(&self) -> Result<()> {
        let cases: Vec<Case> = [Target::Sqlite, Target::Postgres].into_iter().flat_map(Case::all).collect();
        let Some(case) = cases.iter().find(|case| case.to_string().contains(self.case)) else {
            let names: Vec<_> = cases.iter().map(Case::to_string).collect();
            bail!("no case is called {}; there are:\n{}", self.case, names.join("\n"));
        };
        let stage = Stage::set(case.target)?;
        stage.fill().await?;
        let database = self.mode.open(stage.url()).await?;
        let slice = slice::timed(*case, self.mode, &database, Until::Taken(self.turns)).await?;
        println!("{case}, {}: {:.0} ns a statement", self.mode.name(), slice.elapsed);
        Ok(())
    }
}
