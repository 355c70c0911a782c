//! Lines over time, or over a load.

use std::error::Error;

use plotters::chart::ChartBuilder;
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::prelude::SVGBackend;
use plotters::series::{AreaSeries, LineSeries};
use plotters::style::{Color, RGBColor, WHITE};

use crate::drawing::{self, WIDTH};
use crate::{Axis, palette};

const HEIGHT: u32 = 260;
/// The place of the legend, above the lines.
const LEGEND: i32 = 28;
/// A chart with fewer points shows each of them.
const FEW: usize = 30;

/// A chart of lines that share both axes.
#[derive(Clone, Debug)]
pub struct LineChart {
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis, from zero.
    pub y: Axis,
    /// The lines, the most important first.
    pub series: Vec<Series>,
    /// Spans of the horizontal axis with a meaning, such as the time in which there was no primary.
    pub bands: Vec<Band>,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    /// Each part is drawn without a gap.
    parts: Vec<Vec<(f64, f64)>>,
    is_area: bool,
    is_bad: bool,
}

/// A span of the horizontal axis.
#[derive(Clone, Debug)]
pub struct Band {
    /// Its beginning.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// Its meaning.
    pub label: String,
}

impl Series {
    /// A line through points, by ascending x.
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), parts: vec![points], is_area: false, is_bad: false }
    }

    /// A line with gaps where nothing was measured.
    pub fn measured(name: impl Into<String>, points: impl IntoIterator<Item = (f64, Option<f64>)>) -> Self {
        let mut parts = vec![Vec::new()];
        for (x, y) in points {
            match y {
                Some(y) => parts.last_mut().expect("there is always a part").push((x, y)),
                None => parts.push(Vec::new()),
            }
        }
        parts.retain(|part| !part.is_empty());
        Self { name: name.into(), parts, is_area: false, is_bad: false }
    }

    /// Fills the space below the line.
    #[must_use]
    pub fn area(self) -> Self {
        Self { is_area: true, ..self }
    }

    /// Draws the line in the colour of what should not happen.
    #[must_use]
    pub fn bad(self) -> Self {
        Self { is_bad: true, ..self }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.parts.iter().flatten().copied()
    }
}

impl LineChart {
    /// Returns the chart as SVG.
    pub fn svg(&self) -> String {
        drawing::svg(HEIGHT, |backend| self.draw(&backend.into_drawing_area()))
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>> {
        area.fill(&WHITE)?;
        self.draw_legend(area)?;
        let points = || self.series.iter().flat_map(Series::points);
        let (mut from, mut to) = points()
            .map(|(x, _)| x)
            .chain(self.bands.iter().flat_map(|band| [band.from, band.to]))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), x| (from.min(x), to.max(x)));
        if from > to {
            (from, to) = (0.0, 1.0);
        } else if from == to {
            (from, to) = (from - 1.0, to + 1.0);
        }
        let most = points().map(|(_, y)| y).fold(0.0_f64, f64::max);
        // A little air above the highest point.
        let top = if most > 0.0 { most * 1.08 } else { 1.0 };
        let mut chart = ChartBuilder::on(area)
            .margin_top(LEGEND)
            .margin_right(24)
            .x_label_area_size(if self.x.label.is_empty() { 28 } else { 44 })
            .y_label_area_size(64)
            .build_cartesian_2d(from..to, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .bold_line_style(palette::GRID)
            .axis_style(palette::GRID)
            .x_labels(8)
            .y_labels(5)
            .x_desc(&*self.x.label)
            .axis_desc_style(drawing::text(12, palette::DIM))
            .label_style(drawing::text(12, palette::DIM))
            .x_label_formatter(&|value| self.x.text(*value))
            .y_label_formatter(&|value| self.y.text(*value))
            .draw()?;
        for band in &self.bands {
            let span = Rectangle::new([(band.from, 0.0), (band.to, top)], palette::BAND.mix(0.8).filled());
            chart.draw_series([span])?;
            let label =
                Text::new(band.label.clone(), (band.from, top * 0.985), drawing::text(12, palette::INK));
            chart.draw_series([label])?;
        }
        for (index, series) in self.series.iter().enumerate() {
            let colour = self.colour(index);
            for part in &series.parts {
                let points = part.iter().copied();
                let line = colour.stroke_width(2);
                match series.is_area {
                    true => chart.draw_series(
                        AreaSeries::new(points.clone(), 0.0, colour.mix(0.12)).border_style(line),
                    )?,
                    false => chart.draw_series(LineSeries::new(points.clone(), line))?,
                };
                if part.len() < FEW {
                    chart.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?;
                }
            }
        }
        area.present()?;
        Ok(())
    }

    fn colour(&self, index: usize) -> RGBColor {
        match self.series[index].is_bad {
            true => palette::BAD,
            // Lines that should not happen take no colour from the others.
            false => palette::series(self.series[..index].iter().filter(|series| !series.is_bad).count()),
        }
    }

    /// Draws the names of the lines in a row.
    fn draw_legend(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>> {
        let style = drawing::text(12, palette::INK);
        let mut x = 64;
        for (index, series) in self.series.iter().enumerate() {
            let line = self.colour(index).stroke_width(3);
            area.draw(&PathElement::new(vec![(x, 10), (x + 16, 10)], line))?;
            area.draw(&Text::new(series.name.clone(), (x + 22, 5), style.clone()))?;
            // Without a font at hand the width of a text is a guess, so it is a generous one.
            x += 22 + 8 * series.name.chars().count() as i32 + 16;
            if x > WIDTH as i32 - 100 {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(series: Vec<Series>) -> LineChart {
        LineChart { x: Axis::time(), y: Axis::seconds(), series, bands: Vec::new() }
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_was_measured() {
        let series =
            Series::measured("p99", [(0.0, Some(1.0)), (1.0, None), (2.0, Some(3.0)), (3.0, Some(1.0))]);
        assert_eq!(series.parts, [vec![(0.0, 1.0)], vec![(2.0, 3.0), (3.0, 1.0)]]);
    }

    #[test]
    fn names_of_lines_are_escaped() {
        let svg = chart(vec![Series::line("<script>", vec![(0.0, 1.0), (1.0, 2.0)])]).svg();
        assert!(svg.contains("&lt;script&gt;") && !svg.contains("<script>"), "{svg}");
    }

    #[test]
    fn a_chart_without_points_is_empty_and_no_failure() {
        assert!(chart(vec![Series::line("p99", Vec::new())]).svg().starts_with("<svg"));
        assert!(chart(vec![Series::line("p99", vec![(5.0, 0.0)])]).svg().starts_with("<svg"));
    }
}
