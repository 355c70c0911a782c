//! Prometheus' text format.

mod name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::metric::{Attributes, Data, Distribution, Metric, Point};

/// Writes metrics in Prometheus' text format 0.0.4, to be served as `text/plain; version=0.0.4`.
///
/// Names follow OpenTelemetry's rules for Prometheus: underscores instead of dots, the unit as a suffix, then
/// `_total` on counters. There is one exception: Prometheus reserves the suffixes of histogram series, so
/// `db.client.connection.count` becomes `db_client_connection_count_connections`.
///
/// Metrics of several databases may be passed together; equal names are merged. If metrics of one name have
/// different types, only those of the first type are written.
///
/// ```
/// use tallybook::{Data, Distribution, Metric, Point, prometheus};
///
/// let times = Distribution::new(vec![0.001, 0.005], vec![2, 1, 0], 0.0042);
/// let point = Point::new(times).with("db.system.name", "sqlite");
/// let name = "db.client.operation.duration";
/// let text = prometheus(&[Metric::new(name, "s", "How long it takes.", Data::Histogram(vec![point]))]);
/// assert_eq!(
///     text,
///     r#"# HELP db_client_operation_duration_seconds How long it takes.
/// ## TYPE db_client_operation_duration_seconds histogram
/// db_client_operation_duration_seconds_bucket{db_system_name="sqlite",le="0.001"} 2
/// db_client_operation_duration_seconds_bucket{db_system_name="sqlite",le="0.005"} 3
/// db_client_operation_duration_seconds_bucket{db_system_name="sqlite",le="+Inf"} 3
/// db_client_operation_duration_seconds_sum{db_system_name="sqlite"} 0.0042
/// db_client_operation_duration_seconds_count{db_system_name="sqlite"} 3
/// "#
/// );
/// ```
pub fn prometheus(metrics: &[Metric]) -> String {
    let mut families: BTreeMap<String, Vec<&Metric>> = BTreeMap::new();
    for metric in metrics {
        families.entry(name::of_metric(metric)).or_default().push(metric);
    }
    families.iter().map(|(name, metrics)| Family { name, metrics }.to_string()).collect()
}

/// All metrics of one name.
struct Family<'a> {
    name: &'a str,
    metrics: &'a [&'a Metric],
}

impl Display for Family<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(first) = self.metrics.first() else { return Ok(()) };
        let kind = kind(&first.data);
        if !first.description.is_empty() {
            writeln!(f, "# HELP {} {}", self.name, escaped(&first.description))?;
        }
        writeln!(f, "# TYPE {} {kind}", self.name)?;
        for metric in self.metrics.iter().filter(|metric| self::kind(&metric.data) == kind) {
            match &metric.data {
                Data::Counter(points) => samples(f, self.name, points)?,
                Data::UpDownCounter(points) => samples(f, self.name, points)?,
                Data::Gauge(points) => {
                    for point in points {
                        sample(f, self.name, &labels(&point.attributes), Number(point.value))?;
                    }
                }
                Data::Histogram(points) => {
                    for point in points {
                        histogram(f, self.name, &labels(&point.attributes), &point.value)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn kind(data: &Data) -> &'static str {
    match data {
        Data::Counter(_) => "counter",
        Data::UpDownCounter(_) | Data::Gauge(_) => "gauge",
        Data::Histogram(_) => "histogram",
    }
}

fn samples<T: Display>(f: &mut Formatter<'_>, name: &str, points: &[Point<T>]) -> fmt::Result {
    points.iter().try_for_each(|point| sample(f, name, &labels(&point.attributes), &point.value))
}

/// Prometheus' buckets are cumulative.
fn histogram(f: &mut Formatter<'_>, name: &str, labels: &str, numbers: &Distribution) -> fmt::Result {
    let separator = if labels.is_empty() { "" } else { "," };
    let mut bucket =
        |end: Number, count: u64| writeln!(f, r#"{name}_bucket{{{labels}{separator}le="{end}"}} {count}"#);
    let mut seen = 0;
    for (&bound, count) in numbers.bounds.iter().zip(&numbers.counts) {
        seen += count;
        bucket(Number(bound), seen)?;
    }
    bucket(Number(f64::INFINITY), numbers.count())?;
    sample(f, &format!("{name}_sum"), labels, Number(numbers.sum))?;
    sample(f, &format!("{name}_count"), labels, numbers.count())
}

fn sample(f: &mut Formatter<'_>, name: &str, labels: &str, value: impl Display) -> fmt::Result {
    if labels.is_empty() { writeln!(f, "{name} {value}") } else { writeln!(f, "{name}{{{labels}}} {value}") }
}

/// Joins the values of attributes whose names become the same label, as OpenTelemetry specifies.
fn labels(attributes: &Attributes) -> String {
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (attribute, value) in attributes {
        let value = escaped(value).replace('"', r#"\""#);
        labels
            .entry(name::of_label(attribute))
            .and_modify(|values| {
                values.push(';');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!(r#"{name}="{value}""#)).collect();
    labels.join(",")
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('\n', r"\n")
}

/// A number in Prometheus' notation.
struct Number(f64);

impl Display for Number {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" })
        } else {
            self.0.fmt(f)
        }
    }
}
