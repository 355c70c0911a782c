//! Metrics as plain data, in OpenTelemetry's terms.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Attribute values by name. They distinguish the points of a metric.
pub type Attributes = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// A metric at one moment.
///
/// ```
/// use tallybook::{Data, Metric, Point};
///
/// let orders = Metric::new(
///     "shop.orders",
///     "{order}",
///     "Orders taken.",
///     Data::Counter(vec![
///         Point::new(3).with("shop.country", "is"),
///         Point::new(4).with("shop.country", "no"),
///     ]),
/// );
/// let Data::Counter(points) = &orders.data else { panic!("it is a counter") };
/// assert_eq!(points.iter().map(|point| point.value).sum::<u64>(), 7);
/// assert_eq!(points[0].attributes["shop.country"], "is");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Metric {
    /// Name with dots, for example `db.client.operation.duration`.
    pub name: Cow<'static, str>,
    /// UCUM unit: `s` for seconds, `By` for bytes. Counted things are written in braces: `{row}`.
    pub unit: Cow<'static, str>,
    /// One sentence that says what is measured.
    pub description: Cow<'static, str>,
    /// The points, by instrument.
    pub data: Data,
}

impl Metric {
    /// Creates a metric from its parts.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        unit: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        data: Data,
    ) -> Self {
        Self { name: name.into(), unit: unit.into(), description: description.into(), data }
    }
}

/// The points of a metric, by instrument. No two points of one metric have the same attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Data {
    /// Totals since the database was opened. They never decrease.
    Counter(Vec<Point<u64>>),
    /// Current amounts that may be summed over attributes.
    UpDownCounter(Vec<Point<i64>>),
    /// Current readings that must not be summed.
    Gauge(Vec<Point<f64>>),
    /// Distributions of all values since the database was opened.
    Histogram(Vec<Point<Distribution>>),
}

/// A measured value and its attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Point<T> {
    /// Attributes of the value.
    pub attributes: Attributes,
    /// The value.
    pub value: T,
}

impl<T> Point<T> {
    /// Creates a point without attributes.
    pub fn new(value: T) -> Self {
        Self { attributes: Attributes::new(), value }
    }

    /// Adds an attribute, or replaces its value.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

/// A histogram's counts by bucket.
///
/// ```
/// use tallybook::Distribution;
///
/// // Three values: 0.004, 0.01 and 7 seconds.
/// let times = Distribution::new(vec![0.005, 0.01], vec![1, 1, 1], 7.014);
/// assert_eq!(times.count(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// Inclusive upper bounds of all buckets except the last: finite and ascending.
    pub bounds: Cow<'static, [f64]>,
    /// Values in each bucket, not cumulative. The last bucket holds those above all bounds.
    pub counts: Vec<u64>,
    /// Sum of all values, in the unit of the metric.
    pub sum: f64,
}

impl Distribution {
    /// Creates a distribution from its parts.
    ///
    /// # Panics
    /// If `counts` does not have exactly one element more than `bounds`.
    pub fn new(bounds: impl Into<Cow<'static, [f64]>>, counts: Vec<u64>, sum: f64) -> Self {
        let bounds = bounds.into();
        assert_eq!(counts.len(), bounds.len() + 1, "a bucket for each bound, and one above them");
        Self { bounds, counts, sum }
    }

    /// Returns the number of values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_survive_a_trip_through_json() {
        let point = |value| Point::new(value).with("db.system.name", "sqlite");
        let times = Distribution::new(vec![0.00001, 1.0], vec![1, 0, 2], 9.5);
        for data in [
            Data::Counter(vec![Point::new(u64::MAX)]),
            Data::UpDownCounter(vec![Point::new(i64::MIN)]),
            Data::Gauge(vec![point(0.1)]),
            Data::Histogram(vec![Point::new(times)]),
        ] {
            let metric = Metric::new("a.b", "s", "What it says.", data);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric, "{json}");
        }
    }

    #[test]
    fn json_names_the_instrument() {
        let point = Point::new(7).with("db.client.connection.state", "idle");
        let metric = Metric::new("a.b", "{row}", "Rows.", Data::UpDownCounter(vec![point]));
        assert_eq!(
            serde_json::to_value(&metric).unwrap(),
            serde_json::json!({
                "name": "a.b",
                "unit": "{row}",
                "description": "Rows.",
                "data": {
                    "up_down_counter": [
                        { "attributes": { "db.client.connection.state": "idle" }, "value": 7 }
                    ]
                },
            })
        );
    }

    #[test]
    fn the_order_of_attributes_does_not_matter() {
        let point = Point::new(1.0);
        assert_eq!(
            point.clone().with("a", "1").with("b", "2"),
            point.with("b", "0").with("a", "1").with("b", "2")
        );
    }

    #[test]
    #[should_panic(expected = "a bucket for each bound")]
    fn a_distribution_without_a_last_bucket_is_refused() {
        Distribution::new(vec![1.0], vec![1], 1.0);
    }
}
