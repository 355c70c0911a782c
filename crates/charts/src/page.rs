//! A page: headings, charts, tables and notes in one file.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

/// A page that needs nothing but itself.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    subtitle: String,
    parts: Vec<Markup>,
}

impl Page {
    /// Returns a page without content. The subtitle says of what, on which machine and when.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self { title: title.into(), subtitle: subtitle.into(), parts: Vec::new() }
    }

    /// Adds a chart, as [`LineChart::svg`](crate::LineChart::svg) and [`RatioChart::svg`](crate::RatioChart::svg) return it.
    /// The caption says how to read it; it may be empty.
    #[must_use]
    pub fn chart(self, title: &str, caption: &str, svg: &str) -> Self {
        self.with(html! {
            section {
                h2 { (title) }
                figure role="img" aria-label=(title) { (PreEscaped(svg)) }
                @if !caption.is_empty() { p.caption { (caption) } }
            }
        })
    }

    /// Adds a table. All columns but the first are figures.
    #[must_use]
    pub fn table(self, title: &str, header: &[&str], rows: &[Vec<String>]) -> Self {
        self.with(html! {
            section {
                h2 { (title) }
                div.scroll {
                    table {
                        thead { tr { @for cell in header { th scope="col" { (cell) } } } }
                        tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        })
    }

    /// Adds a paragraph.
    #[must_use]
    pub fn note(self, text: &str) -> Self {
        self.with(html! { p.note { (text) } })
    }

    fn with(mut self, part: Markup) -> Self {
        self.parts.push(part);
        self
    }

    /// Returns the page as HTML.
    pub fn html(&self) -> String {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    // Nothing may be loaded or run, whatever a text in the page says.
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header { h1 { (self.title) } p { (self.subtitle) } }
                    main { @for part in &self.parts { (part) } }
                }
            }
        }
        .into_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_not_markup() {
        let row = vec!["<script>alert(1)</script>".to_owned()];
        let html = Page::new("<b>", "\"&").table("</table>", &["<i>"], &[row]).note("<hr>").html();
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
        for markup in ["<script", "<b>", "<i>", "<hr>", "</table></h2>"] {
            assert!(!html.contains(markup), "{markup}: {html}");
        }
    }
}
