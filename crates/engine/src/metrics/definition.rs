//! What a metric is, whatever its numbers are.

use super::metric::{Attributes, Data, Metric, Point};

/// A metric that the engine reports, with points of `T`.
#[derive(Debug)]
pub(crate) struct Definition<T> {
    pub(crate) name: &'static str,
    /// The variant of the data, so that the points' type cannot be another's.
    pub(crate) instrument: fn(Vec<Point<T>>) -> Data,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) attributes: AttributeSet,
}

/// The attributes of a metric's points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttributeSet {
    pub(crate) required: &'static [&'static str],
    /// These are there where they are known, or apply.
    pub(crate) optional: &'static [&'static str],
}

impl<T> Definition<T> {
    /// The metric with these points.
    pub(crate) fn metric(&self, points: Vec<Point<T>>) -> Metric {
        for point in &points {
            self.attributes.check(self.name, &point.attributes);
        }
        Metric::new(self.name, self.unit, self.description, (self.instrument)(points))
    }
}

impl AttributeSet {
    /// Mistakes are found by tests, and cost a release nothing.
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
