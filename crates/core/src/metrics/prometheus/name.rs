//! OpenTelemetry's names and units as Prometheus names, by its specification "Prometheus and OpenMetrics
//! Compatibility".

use crate::metrics::metric::{Data, Metric};

/// Returns the name with its unit, and `_total` on a counter.
pub(super) fn of_metric(metric: &Metric) -> String {
    let name = valid(&metric.name, |c| c == ':');
    let (name, total) = match metric.data {
        Data::Counter(_) => (name.strip_suffix("_total").unwrap_or(&name), "_total"),
        _ => (&*name, ""),
    };
    match unit(metric) {
        Some(unit) if !has(name, &unit) => format!("{name}_{unit}{total}"),
        _ if is_reserved(name, &metric.data) => format!("{name}_{}", things(&metric.unit)),
        _ => format!("{name}{total}"),
    }
}

/// Returns whether the name ends like a histogram series, which no other metric may do.
fn is_reserved(name: &str, data: &Data) -> bool {
    let ends_so = ["_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix));
    ends_so && !matches!(data, Data::Histogram(_))
}

/// Returns the plural of what a unit like `{connection}` counts: `connections`.
fn things(unit: &str) -> String {
    let thing = valid(unit.trim_matches(['{', '}']), |_| false);
    if thing.is_empty() { "number".to_owned() } else { format!("{thing}s") }
}

/// Returns the label name of an attribute.
pub(super) fn of_label(attribute: &str) -> String {
    valid(attribute, |_| false)
}

/// Replaces each run of forbidden characters by one underscore.
fn valid(text: &str, also: impl Fn(char) -> bool) -> String {
    let mut name = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || also(c) {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Returns whether the name already contains the unit.
fn has(name: &str, unit: &str) -> bool {
    format!("_{name}_").contains(&format!("_{unit}_"))
}

fn unit(metric: &Metric) -> Option<String> {
    let unit = without_annotations(&metric.unit);
    let words = match unit.split_once('/') {
        None if unit == "1" => ratio(&metric.data).to_owned(),
        None => word(&unit).to_owned(),
        Some((of, per)) => format!("{}_per_{}", word(of), word(per).trim_end_matches('s')),
    };
    let words = valid(&words, |_| false);
    let words = words.trim_matches('_');
    (!words.is_empty()).then(|| words.to_owned())
}

/// Removes annotations in braces: counted things have no unit in Prometheus.
fn without_annotations(unit: &str) -> String {
    let outside = unit.split('{').enumerate().map(|(index, part)| match index {
        0 => part,
        _ => part.split_once('}').map_or("", |(_, after)| after),
    });
    outside.collect()
}

/// Only a gauge in `1` is a ratio; a counter in `1` is just a count.
fn ratio(data: &Data) -> &'static str {
    if matches!(data, Data::Gauge(_)) { "ratio" } else { "" }
}

fn word(unit: &str) -> &str {
    match unit {
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "min" => "minutes",
        "h" => "hours",
        "d" => "days",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "%" => "percent",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &'static str, unit: &'static str) -> String {
        of_metric(&Metric::new(name, unit, "", Data::Counter(Vec::new())))
    }

    fn gauge(name: &'static str, unit: &'static str) -> String {
        of_metric(&Metric::new(name, unit, "", Data::Gauge(Vec::new())))
    }

    #[test]
    fn dots_become_underscores() {
        assert_eq!(gauge("db.client.connection.idle.max", ""), "db_client_connection_idle_max");
        assert_eq!(of_label("db.response.status_code"), "db_response_status_code");
    }

    #[test]
    fn what_is_not_allowed_becomes_one_underscore() {
        assert_eq!(gauge("a.-ü_b:c", ""), "a_b:c");
        assert_eq!(of_label("a.-ü__b:c"), "a_b_c");
    }

    #[test]
    fn no_name_begins_with_a_digit() {
        assert_eq!(gauge("9.lives", ""), "_9_lives");
        assert_eq!(of_label("9.lives"), "_9_lives");
    }

    #[test]
    fn the_unit_stands_behind_the_name_in_full() {
        assert_eq!(gauge("db.client.operation.duration", "s"), "db_client_operation_duration_seconds");
        assert_eq!(gauge("memory", "By"), "memory_bytes");
        assert_eq!(gauge("lag", "ms"), "lag_milliseconds");
        assert_eq!(gauge("full", "%"), "full_percent");
        assert_eq!(gauge("heat", "Cel"), "heat_Cel");
    }

    #[test]
    fn a_unit_that_is_in_the_name_is_not_repeated() {
        assert_eq!(gauge("wait.seconds", "s"), "wait_seconds");
        assert_eq!(gauge("wait.seconds.max", "s"), "wait_seconds_max");
        assert_eq!(gauge("wait.milliseconds", "s"), "wait_milliseconds_seconds");
    }

    #[test]
    fn a_name_that_ends_like_a_part_of_a_histogram_says_what_is_counted() {
        assert_eq!(
            gauge("db.client.connection.count", "{connection}"),
            "db_client_connection_count_connections"
        );
        assert_eq!(gauge("a.sum", "1"), "a_sum_ratio");
        assert_eq!(gauge("a.bucket", ""), "a_bucket_number");
        let histogram = Metric::new("a.count", "{row}", "", Data::Histogram(Vec::new()));
        assert_eq!(of_metric(&histogram), "a_count");
    }

    #[test]
    fn what_is_merely_counted_has_no_unit() {
        assert_eq!(gauge("returned_rows", "{row}"), "returned_rows");
        assert_eq!(gauge("traffic", "By{sent}"), "traffic_bytes");
        assert_eq!(gauge("traffic", "{row"), "traffic");
    }

    #[test]
    fn a_reading_in_ones_is_a_ratio_and_a_count_in_ones_is_none() {
        assert_eq!(gauge("hits", "1"), "hits_ratio");
        assert_eq!(counter("hits", "1"), "hits_total");
    }

    #[test]
    fn a_rate_is_one_unit_per_the_other() {
        assert_eq!(gauge("traffic", "By/s"), "traffic_bytes_per_second");
        assert_eq!(gauge("traffic", "{row}/s"), "traffic_per_second");
    }

    #[test]
    fn a_counter_is_a_total_once_and_behind_its_unit() {
        assert_eq!(
            counter("db.client.connection.timeouts", "{timeout}"),
            "db_client_connection_timeouts_total"
        );
        assert_eq!(counter("busy", "s"), "busy_seconds_total");
        assert_eq!(counter("busy.total", "s"), "busy_seconds_total");
        assert_eq!(gauge("busy.total", "s"), "busy_total_seconds");
    }
}
