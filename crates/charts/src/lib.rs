//! Charts of figures over time and beside each other, as SVG, and pages that hold them in one HTML file.
//!
//! A page loads nothing, runs no script and can be mailed or printed. Texts are escaped.
//!
//! ```
//! use tallybook_charts::{Axis, LineChart, Page, Series};
//!
//! let latency = LineChart {
//!     x: Axis::count("operations a second"),
//!     y: Axis::seconds(),
//!     series: vec![Series::line("p99", vec![(100.0, 0.004), (200.0, 0.009)])],
//!     bands: Vec::new(),
//! };
//! let html = Page::new("Load", "2 cores").chart("Latency over load", "", &latency.svg()).html();
//! assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<svg"));
//! ```

mod axis;
mod drawing;
mod line_chart;
mod page;
mod palette;
mod ratio_chart;

pub use axis::Axis;
pub use line_chart::{Band, LineChart, Series};
pub use page::Page;
pub use ratio_chart::{Ratio, RatioChart, RatioGroup};
