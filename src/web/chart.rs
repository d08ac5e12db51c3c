//! Charts drawn by the server as SVG, each with a sentence and a table that say the same.

use maud::{Markup, html};

use super::format::number;
use super::parts::disclosure;
use crate::i18n::Lang;

/// Columns of stacked bars.
#[derive(Debug)]
pub(super) struct Bars {
    pub lang: Lang,
    /// One sentence that says what the picture shows.
    pub summary: String,
    pub table_title: String,
    pub series: Vec<String>,
    /// Label and one value per series.
    pub columns: Vec<(String, Vec<i64>)>,
}

const WIDTH: f64 = 630.0;
const BASE: f64 = 180.0;
const LEFT: f64 = 38.0;
const COLOURS: [&str; 4] = ["s1", "s2", "s3", "s4"];

impl Bars {
    /// The tallest column, rounded up to what is easily read.
    fn top(&self) -> i64 {
        let most =
            self.columns.iter().map(|(_, values)| values.iter().sum::<i64>()).max().unwrap_or(0).max(4);
        let step = 10_i64.pow(most.ilog10());
        let nice = [1, 2, 4, 5, 10].into_iter().map(|factor| factor * step).find(|top| *top >= most);
        let nice = nice.unwrap_or(most);
        nice.max(4)
    }

    pub fn show(&self) -> Markup {
        let top = self.top();
        let scale = (BASE - 18.0) / top as f64;
        let slot = (WIDTH - LEFT - 10.0) / self.columns.len().max(1) as f64;
        let width = (slot * 0.55).min(48.0);
        html! {
            p.legend {
                @for (index, name) in self.series.iter().enumerate() {
                    span { i class=(format!("k{}", index % 4 + 1)) {} (name) }
                }
            }
            svg.chart.wide viewBox=(format!("0 0 {WIDTH} 208")) role="img" aria-label=(self.summary) {
                @for part in 0..=2 {
                    @let value = top * part / 2;
                    @let y = BASE - value as f64 * scale;
                    line.g x1=(LEFT) x2=(WIDTH - 10.0) y1=(round(y)) y2=(round(y)) {}
                    text x=(LEFT - 8.0) y=(round(y + 4.0)) text-anchor="end" { (number(value, self.lang)) }
                }
                @for (index, (label, values)) in self.columns.iter().enumerate() {
                    @let x = LEFT + slot * index as f64 + (slot - width) / 2.0;
                    g.col {
                        title { (label) ": " (self.said(values)) }
                        @for (series, y, height) in stack(values, scale) {
                            rect class=(COLOURS[series % 4]) x=(round(x)) y=(round(y)) width=(round(width)) height=(round(height)) rx="2" {}
                        }
                        text x=(round(x + width / 2.0)) y="198" text-anchor="middle" { (label) }
                    }
                }
            }
            (disclosure(&self.table_title, &self.table()))
        }
    }

    fn said(&self, values: &[i64]) -> String {
        let parts = self
            .series
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{name} {}", number(*value, self.lang)));
        parts.collect::<Vec<_>>().join(", ")
    }

    fn table(&self) -> Markup {
        html! {
            div.tblw tabindex="0" role="region" aria-label=(self.table_title) {
                table.tbl {
                    thead { tr { th scope="col" { } @for name in &self.series { th.num scope="col" { (name) } } } }
                    tbody {
                        @for (label, values) in &self.columns {
                            tr { th scope="row" { (label) } @for value in values { td.num { (number(*value, self.lang)) } } }
                        }
                    }
                }
            }
        }
    }
}

/// Series, top and height of each part of a column, with a gap of one between parts.
fn stack(values: &[i64], scale: f64) -> Vec<(usize, f64, f64)> {
    let mut y = BASE;
    let mut parts = Vec::new();
    for (series, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
        let height = (*value as f64 * scale).max(2.0);
        y -= height;
        parts.push((series, y, (height - 1.0).max(1.0)));
    }
    parts
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_every_value_and_stays_in_its_frame() {
        for most in [0, 1, 7, 999, 1_000_000_000] {
            let bars = Bars {
                lang: Lang::Tr,
                summary: "<b>".to_owned(),
                table_title: "Tablo".to_owned(),
                series: vec!["E-posta".to_owned(), "SMS".to_owned()],
                columns: vec![("1 Pzt".to_owned(), vec![most, 3]), ("2 Sal".to_owned(), vec![0, 0])],
            };
            assert!(bars.top() >= most);
            assert!(
                stack(&[most, 3], (BASE - 18.0) / bars.top() as f64).iter().all(|(_, y, _)| *y > -8.0),
                "{most}"
            );
            let shown = bars.show().into_string();
            assert!(shown.contains("&lt;b&gt;") && shown.contains("<table"));
        }
    }
}
