//! What the engine counted, as plain data and as Prometheus' text.
//!
//! Names, units and attributes are those of OpenTelemetry's conventions for database clients; what they have
//! no word for is called `tallybook.…`.

pub(crate) mod attribute;
mod bounds;
pub(crate) mod convention;
mod definition;
mod metric;
mod prometheus;

pub(crate) use bounds::{duration_bounds, row_bounds};
pub(crate) use definition::{AttributeSet, Definition};
pub use metric::{Attributes, Data, Distribution, Metric, Point};
pub use prometheus::prometheus;
