//! The size and the text styles of all charts, and drawing into a text.

use plotters::prelude::SVGBackend;
use plotters::style::{IntoFont, RGBColor, TextStyle};

/// Width of all charts, in CSS pixels.
pub(crate) const WIDTH: u32 = 960;
pub(crate) const FONT: &str = "system-ui, -apple-system, 'Segoe UI', sans-serif";

/// Returns a text style.
pub(crate) fn text(size: u32, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

/// Draws into a text.
///
/// # Panics
/// If the drawing fails, which writing to memory does not.
pub(crate) fn svg(
    height: u32,
    draw: impl FnOnce(SVGBackend<'_>) -> Result<(), Box<dyn std::error::Error>>,
) -> String {
    let mut text = String::new();
    draw(SVGBackend::with_string(&mut text, (WIDTH, height))).expect("a drawing in memory does not fail");
    text
}
