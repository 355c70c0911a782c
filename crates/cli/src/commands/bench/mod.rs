//! `tallybook bench`.

mod indexes;
mod load;

use anyhow::Result;

use crate::args::Bench;
use crate::database::Endpoint;

pub(super) async fn run(target: Endpoint, bench: &Bench, as_json: bool) -> Result<()> {
    match bench {
        Bench::Indexes(indexes) => indexes::run(&target, indexes, as_json).await,
        Bench::Load(load) => load::run(target, load, as_json).await,
    }
}
