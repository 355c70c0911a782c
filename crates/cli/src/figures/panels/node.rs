//! The nodes.

use tallybook::NodeStatus;

use crate::figures::format::{bytes, count, time};
use crate::figures::grid::{Column, Grid, Kind};
use crate::figures::rated_report::RatedReport;

/// Returns the table of nodes; `None` for a single node without problems.
pub(crate) fn grid(rated: &RatedReport) -> Option<Grid> {
    let nodes = rated.report.nodes.as_slice();
    let columns: [Column<&NodeStatus>; 9] = [
        Column::new("node", Kind::Word, 0, |node| node.name.clone()),
        Column::new("role", Kind::Word, 0, |node| node.role.to_string()),
        Column::new("state", Kind::Word, 0, |node| node.state.to_string()),
        Column::number("lag", 0, |node| node.lag.map(time).unwrap_or_default()),
        Column::number("behind", 1, |node| node.lag_bytes.map(bytes).unwrap_or_default()),
        Column::number("sessions", 2, |node| count(node.served)),
        Column::number("fallbacks", 3, |node| count(node.fallbacks)),
        Column::number("in use", 4, |node| node.in_flight.to_string()),
        Column::new("why", Kind::Text, 0, |node| node.reason.clone()),
    ];
    let is_odd = nodes.iter().any(|node| !node.reason.is_empty());
    (nodes.len() > 1 || is_odd).then(|| Grid::new(&columns, nodes))
}
