//! Definitions of metrics: everything except the numbers.

use super::metric::{Attributes, Data, Metric, Point};

/// The definition of a metric whose points hold a `T`.
#[derive(Debug)]
pub struct Definition<T> {
    /// Name with dots, for example `db.client.operation.duration`.
    pub name: &'static str,
    /// Constructor of the matching [`Data`] variant, which ties the instrument to `T`.
    pub instrument: fn(Vec<Point<T>>) -> Data,
    /// UCUM unit, for example `s`, `By` or `{row}`.
    pub unit: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Attributes that the points carry.
    pub attributes: AttributeSet,
}

/// The attributes of a metric's points.
#[derive(Clone, Copy, Debug)]
pub struct AttributeSet {
    /// Attributes that every point has.
    pub required: &'static [&'static str],
    /// Attributes that a point has if they are known and apply.
    pub optional: &'static [&'static str],
}

impl<T> Definition<T> {
    /// Returns the metric with these points. In debug builds it panics on a missing or unknown attribute.
    pub fn metric(&self, points: Vec<Point<T>>) -> Metric {
        for point in &points {
            self.attributes.check(self.name, &point.attributes);
        }
        Metric::new(self.name, self.unit, self.description, (self.instrument)(points))
    }
}

impl AttributeSet {
    /// Finds mistakes in tests without a cost in release builds.
    fn check(&self, metric: &str, attributes: &Attributes) {
        debug_assert!(
            self.required.iter().all(|&name| attributes.contains_key(name)),
            "{metric} needs all of {:?}: {attributes:?}",
            self.required
        );
        debug_assert!(
            attributes
                .keys()
                .all(|name| self.required.contains(&&**name) || self.optional.contains(&&**name)),
            "{metric} has no attributes but {:?} and {:?}: {attributes:?}",
            self.required,
            self.optional
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINDINGS: Definition<u64> = Definition {
        name: "tallybook.findings",
        instrument: Data::Counter,
        unit: "{finding}",
        description: "Findings.",
        attributes: AttributeSet { required: &["kind", "level"], optional: &["table"] },
    };

    #[test]
    fn a_definition_and_points_make_a_metric() {
        let point = Point::new(3).with("kind", "scan").with("level", "high");
        let points = vec![point.clone().with("table", "a"), point];
        assert_eq!(
            FINDINGS.metric(points.clone()),
            Metric::new("tallybook.findings", "{finding}", "Findings.", Data::Counter(points))
        );
    }

    #[test]
    #[should_panic(expected = r#"needs all of ["kind", "level"]"#)]
    fn a_point_without_a_required_attribute_is_a_mistake() {
        FINDINGS.metric(vec![Point::new(3).with("kind", "scan")]);
    }

    #[test]
    #[should_panic(expected = "has no attributes but")]
    fn a_point_with_an_unknown_attribute_is_a_mistake() {
        FINDINGS.metric(vec![Point::new(3).with("kind", "scan").with("level", "high").with("tabel", "a")]);
    }
}
