//! Metrics as plain data and in Prometheus' text format.
//!
//! Names, units and attributes follow OpenTelemetry's conventions for database clients. Metrics that the
//! conventions do not cover are named `tallybook.…`.
//!
//! Your own metrics go into the same page:
//!
//! ```
//! use tallybook::{Data, Database, Metric, Point, Settings, prometheus};
//!
//! # #[tokio::main]
//! # async fn main() -> tallybook::Result<()> {
//! let db = Database::open(Settings::new("sqlite::memory:")?).await?;
//! let mut metrics = db.metrics();
//! metrics.push(Metric::new("shop.orders", "{order}", "Orders taken.", Data::Counter(vec![Point::new(3)])));
//! assert!(prometheus(&metrics).contains("shop_orders_total 3"));
//! # Ok(())
//! # }
//! ```

pub mod attribute;
mod bounds;
pub mod convention;
mod definition;
mod metric;
mod prometheus;

pub use bounds::{duration_bounds, row_bounds};
pub use definition::{AttributeSet, Definition};
pub use metric::{Attributes, Data, Distribution, Metric, Point};
pub use prometheus::prometheus;
