//! The few colours of the charts. Neighbours differ in lightness too, so that they can be told apart in print.

use plotters::style::RGBColor;

pub(crate) const INK: RGBColor = RGBColor(0x1b, 0x1c, 0x1d);
pub(crate) const DIM: RGBColor = RGBColor(0x6b, 0x6f, 0x76);
pub(crate) const GRID: RGBColor = RGBColor(0xe6, 0xe6, 0xe2);
pub(crate) const BAND: RGBColor = RGBColor(0xfd, 0xec, 0xec);
pub(crate) const BAD: RGBColor = RGBColor(0xc0, 0x26, 0x2d);

const SERIES: [RGBColor; 6] = [
    RGBColor(0x33, 0x55, 0xd1),
    RGBColor(0x0f, 0x8a, 0x73),
    RGBColor(0xb4, 0x6a, 0x00),
    RGBColor(0x8e, 0xa2, 0xea),
    RGBColor(0x7a, 0x3f, 0x9e),
    RGBColor(0x6b, 0x6f, 0x76),
];

/// Returns the colour of the series with this number.
pub(crate) fn series(index: usize) -> RGBColor {
    SERIES[index % SERIES.len()]
}
