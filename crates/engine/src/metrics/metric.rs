//! Metrics as plain data, in OpenTelemetry's terms.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What sets a point apart from the others of its metric: values by the names of attributes.
pub type Attributes = BTreeMap<Cow<'static, str>, Cow<'static, str>>;

/// One metric at one moment.
///
/// ```
/// use tallybook_engine::{Data, Metric, Point};
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
    /// With dots: `db.client.operation.duration`.
    pub name: Cow<'static, str>,
    /// In UCUM's notation: `s` for seconds, `By` for bytes; what is merely counted is in braces: `{row}`.
    pub unit: Cow<'static, str>,
    /// What is measured, in a sentence.
    pub description: Cow<'static, str>,
    /// The numbers, and what kind of numbers they are.
    pub data: Data,
}

impl Metric {
    /// A metric of its parts.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        unit: impl Into<Cow<'static, str>>,
        description: impl Into<Cow<'static, str>>,
        data: Data,
    ) -> Self {
        Self { name: name.into(), unit: unit.into(), description: description.into(), data }
    }
}

/// The numbers of a metric by its instrument. No two points of a metric have the same attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Data {
    /// Totals that only grow, from when the database was opened.
    Counter(Vec<Point<u64>>),
    /// Amounts that grow and shrink, and that make sense added up over their attributes.
    UpDownCounter(Vec<Point<i64>>),
    /// Readings that make no sense added up.
    Gauge(Vec<Point<f64>>),
    /// How the numbers are distributed that were recorded since the database was opened.
    Histogram(Vec<Point<Distribution>>),
}

/// A number, and what it was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Point<T> {
    /// What it was measured on.
    pub attributes: Attributes,
    /// The number.
    pub value: T,
}

impl<T> Point<T> {
    /// A point without attributes.
    pub fn new(value: T) -> Self {
        Self { attributes: Attributes::new(), value }
    }

    /// The same with one more attribute, in the place of one of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }
}

/// How many numbers fell into each bucket.
///
/// ```
/// use tallybook_engine::Distribution;
///
/// // 0.004, 0.01 and 7 seconds:
/// let times = Distribution::new(vec![0.005, 0.01], vec![1, 1, 1], 7.014);
/// assert_eq!(times.count(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Distribution {
    /// The upper ends of all buckets but the last, each inclusive, finite and above the one before.
    pub bounds: Cow<'static, [f64]>,
    /// How many numbers are in each bucket alone; the last one is of those above all bounds.
    pub counts: Vec<u64>,
    /// All numbers together, in the metric's unit.
    pub sum: f64,
}

impl Distribution {
    /// A distribution of its parts.
    ///
    /// # Panics
    ///
    /// Unless there is one count more than there are bounds.
    pub fn new(bounds: impl Into<Cow<'static, [f64]>>, counts: Vec<u64>, sum: f64) -> Self {
        let bounds = bounds.into();
        assert_eq!(counts.len(), bounds.len() + 1, "a bucket for each bound, and one above them");
        Self { bounds, counts, sum }
    }

    /// How many numbers were recorded.
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
