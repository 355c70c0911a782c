//! Ratios beside peers: a dot for the median, a line from quartile to quartile.

use std::error::Error;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Text};
use plotters::prelude::SVGBackend;
use plotters::style::{Color, WHITE};

use crate::drawing::{self, WIDTH};
use crate::palette;

const ROW: i32 = 20;
const GROUP_GAP: i32 = 30;
const TOP: i32 = 36;
const LABELS: i32 = 260;
const RIGHT: i32 = 70;
/// The lines of the scale that are named, as far as the ratios reach.
const TICKS: [f64; 11] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Ratios in groups, on a scale on which twice and half are equally far from one.
#[derive(Clone, Debug)]
pub struct RatioChart {
    /// The groups, from top to bottom.
    pub groups: Vec<RatioGroup>,
}

/// The ratios of one work.
#[derive(Clone, Debug)]
pub struct RatioGroup {
    /// The work.
    pub name: String,
    /// Its ratios, one for each peer.
    pub ratios: Vec<Ratio>,
}

/// A ratio with its spread.
#[derive(Clone, Debug)]
pub struct Ratio {
    /// The peer.
    pub peer: String,
    /// The median.
    pub median: f64,
    /// The lower and the upper quartile.
    pub quartiles: (f64, f64),
}

impl RatioChart {
    /// Returns the chart as SVG. Ratios that are not above zero are named without a mark.
    pub fn svg(&self) -> String {
        let rows: usize = self.groups.iter().map(|group| group.ratios.len()).sum();
        let height = TOP + rows as i32 * ROW + self.groups.len() as i32 * GROUP_GAP + 12;
        drawing::svg(height as u32, |backend| self.draw(&backend.into_drawing_area(), height))
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>, height: i32) -> Result<(), Box<dyn Error>> {
        area.fill(&WHITE)?;
        let ratios = || self.groups.iter().flat_map(|group| &group.ratios);
        let ends = ratios().flat_map(|ratio| [ratio.median, ratio.quartiles.0, ratio.quartiles.1]);
        let (least, most) = ends
            .filter(|end| *end > 0.0 && end.is_finite())
            .fold((0.5_f64, 2.0_f64), |(least, most), end| (least.min(end), most.max(end)));
        let (least, most) = (least.ln() - 0.1, most.ln() + 0.1);
        let width = f64::from(WIDTH as i32 - LABELS - RIGHT);
        let place = |ratio: f64| LABELS + ((ratio.ln() - least) / (most - least) * width) as i32;
        for tick in TICKS.into_iter().filter(|tick| (least..most).contains(&tick.ln())) {
            let line = if tick == 1.0 { palette::DIM } else { palette::GRID };
            area.draw(&PathElement::new(vec![(place(tick), TOP - 8), (place(tick), height - 8)], line))?;
            area.draw(&Text::new(tick.to_string(), (place(tick) - 8, 8), drawing::text(12, palette::DIM)))?;
        }
        let mut y = TOP;
        for group in &self.groups {
            area.draw(&Text::new(group.name.clone(), (0, y), drawing::text(13, palette::INK)))?;
            y += ROW;
            for ratio in &group.ratios {
                draw_ratio(area, ratio, y, place)?;
                y += ROW;
            }
            y += GROUP_GAP - ROW;
        }
        area.present()?;
        Ok(())
    }
}

fn draw_ratio(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    ratio: &Ratio,
    y: i32,
    place: impl Fn(f64) -> i32,
) -> Result<(), Box<dyn Error>> {
    area.draw(&Text::new(ratio.peer.clone(), (12, y), drawing::text(12, palette::DIM)))?;
    let text = Text::new(
        format!("{:.2}", ratio.median),
        (WIDTH as i32 - RIGHT + 20, y),
        drawing::text(12, palette::INK),
    );
    area.draw(&text)?;
    let (lower, upper) = ratio.quartiles;
    if !(lower > 0.0 && ratio.median > 0.0 && upper.is_finite()) {
        return Ok(());
    }
    let colour = if ratio.median < 1.0 { palette::BAD } else { palette::series(0) };
    let middle = y + 5;
    area.draw(&PathElement::new(
        vec![(place(lower), middle), (place(upper), middle)],
        colour.mix(0.5).stroke_width(3),
    ))?;
    area.draw(&Circle::new((place(ratio.median), middle), 4, colour.filled()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ratio_has_its_peer_its_median_and_a_mark() {
        let ratio = |peer: &str, median| Ratio {
            peer: peer.to_owned(),
            median,
            quartiles: (median * 0.9, median * 1.1),
        };
        let ratios = vec![ratio("sqlx", 1.37), ratio("sea-orm", 2.5), ratio("none", 0.0)];
        let svg = RatioChart { groups: vec![RatioGroup { name: "relations".to_owned(), ratios }] }.svg();
        for text in ["relations", "sqlx", "sea-orm", "none", "1.37", "2.50", "0.00"] {
            assert!(svg.contains(&format!("{text}\n")), "{text}: {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 2);
    }
}
