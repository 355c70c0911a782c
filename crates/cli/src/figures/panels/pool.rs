//! The pools.

use tallybook::{ConnectionHolderReport, PoolReport};

use crate::figures::format::{count, site, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::rated_report::RatedReport;

/// Returns the table of pools.
pub(crate) fn grid(rated: &RatedReport) -> Grid {
    let (wait, hold) = match rated.has_lifetime_percentiles() {
        false => ("wait p99", "hold p99"),
        true => ("wait p99*", "hold p99*"),
    };
    let columns: [Column<&PoolReport>; 10] = [
        Column::new("pool", Kind::Word, 0, |pool| pool.name.clone()),
        Column::number("in use", 0, |pool| format!("{}/{}", pool.in_use, pool.limit)),
        Column::number("idle", 3, |pool| pool.idle.to_string()),
        Column::number("waiting", 0, |pool| pool.waiting.to_string()),
        Column::number("timeouts", 0, |pool| count(pool.timeouts)),
        Column::number(wait, 0, |pool| time(pool.wait.p99)),
        Column::number(hold, 1, |pool| time(pool.hold.p99)),
        Column::number("opened", 4, |pool| count(pool.created)),
        Column::number("held", 2, |pool| longest(pool).map_or_else(String::new, |holder| time(holder.held))),
        Column::new("longest by", Kind::Site, 2, |pool| site(longest(pool).map(|holder| &holder.at))),
    ];
    Grid::new(&columns, &rated.report.pools)
}

fn longest<'a>(pool: &&'a PoolReport) -> Option<&'a ConnectionHolderReport> {
    pool.longest.as_ref()
}
