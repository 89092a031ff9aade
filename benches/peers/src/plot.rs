//! A plot with logarithmic axes, as SVG.

use std::{fmt::Write, fs};

use crate::BoxError;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 430.0;

/// Told apart by those who see few colors as well, and by their markers by those who see none.
const COLORS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#666666"];

pub struct Plot {
    pub title: &'static str,
    pub x_axis: &'static str,
    pub y_axis: &'static str,
    pub x_unit: fn(f64) -> String,
    pub y_unit: fn(f64) -> String,
    pub series: Vec<Series>,
}

pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
    /// Drawn with a thick line.
    pub is_ours: bool,
}

/// The powers of ten around some values.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn around(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).log10();
        let high = values.fold(f64::NEG_INFINITY, f64::max).log10();
        Self { low: (low + 1e-9).floor(), high: (high - 1e-9).ceil().max((low + 1e-9).floor() + 1.0) }
    }

    /// Where a value is, from 0 to 1.
    fn place(&self, value: f64) -> f64 {
        (value.log10() - self.low) / (self.high - self.low)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.low as i32..=self.high as i32).map(|power| 10_f64.powi(power))
    }
}

impl Plot {
    /// Writes it into `benches/`.
    pub fn write(&self, file: &str) -> Result<(), BoxError> {
        let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
        fs::write(&path, self.svg()?).map_err(|error| format!("{path}: {error}").into())
    }

    fn svg(&self) -> Result<String, std::fmt::Error> {
        let points = || self.series.iter().flat_map(|series| series.points.iter().copied());
        let (x_axis, y_axis) = (Axis::around(points().map(|(x, _)| x)), Axis::around(points().map(|(_, y)| y)));
        let x = |value: f64| LEFT + x_axis.place(value) * (RIGHT - LEFT);
        let y = |value: f64| BOTTOM - y_axis.place(value) * (BOTTOM - TOP);

        let mut svg = String::new();
        writeln!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222">"##
        )?;
        writeln!(svg, r##"<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>"##)?;
        writeln!(svg, r##"<text x="{LEFT}" y="30" font-size="17" font-weight="bold">{}</text>"##, self.title)?;
        for power in x_axis.powers() {
            let x = x(power);
            writeln!(svg, r##"<path d="M{x:.1} {TOP}V{BOTTOM}" stroke="#ddd"/>"##)?;
            let label = (self.x_unit)(power);
            writeln!(svg, r##"<text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"##, BOTTOM + 20.0)?;
        }
        for power in y_axis.powers() {
            let at = y(power);
            writeln!(svg, r##"<path d="M{LEFT} {at:.1}H{RIGHT}" stroke="#ddd"/>"##)?;
            let label = (self.y_unit)(power);
            writeln!(svg, r##"<text x="{}" y="{:.1}" text-anchor="end">{label}</text>"##, LEFT - 8.0, at + 4.0)?;
        }
        writeln!(svg, r##"<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="#222"/>"##)?;
        let (middle_x, middle_y) = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        writeln!(svg, r##"<text x="{middle_x}" y="{}" text-anchor="middle">{}</text>"##, BOTTOM + 46.0, self.x_axis)?;
        writeln!(
            svg,
            r##"<text transform="translate(20 {middle_y}) rotate(-90)" text-anchor="middle">{}</text>"##,
            self.y_axis
        )?;
        for (index, series) in self.series.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let width = if series.is_ours { 3.0 } else { 1.5 };
            let dash = if series.is_ours { "" } else { r#" stroke-dasharray="6 3""# };
            let path: Vec<String> =
                series.points.iter().map(|&(px, py)| format!("{:.1} {:.1}", x(px), y(py))).collect();
            writeln!(
                svg,
                r##"<path d="M{}" fill="none" stroke="{color}" stroke-width="{width}"{dash}/>"##,
                path.join("L")
            )?;
            for &(px, py) in &series.points {
                writeln!(svg, "{}", marker(index, x(px), y(py), color))?;
            }
            let (legend_x, legend_y) = (RIGHT + 24.0, TOP + 12.0 + 26.0 * index as f64);
            writeln!(
                svg,
                r##"<path d="M{legend_x} {legend_y}h30" stroke="{color}" stroke-width="{width}"{dash}/>{}"##,
                marker(index, legend_x + 15.0, legend_y, color)
            )?;
            writeln!(svg, r##"<text x="{}" y="{}">{}</text>"##, legend_x + 40.0, legend_y + 4.5, series.name)?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

fn marker(index: usize, x: f64, y: f64, color: &str) -> String {
    match index % 4 {
        0 => format!(r##"<circle cx="{x:.1}" cy="{y:.1}" r="4.5" fill="{color}"/>"##),
        1 => format!(r##"<rect x="{:.1}" y="{:.1}" width="8" height="8" fill="{color}"/>"##, x - 4.0, y - 4.0),
        2 => format!(r##"<path d="M{x:.1} {:.1}l5 9h-10z" fill="{color}"/>"##, y - 5.5),
        _ => format!(r##"<path d="M{x:.1} {:.1}l5 5l-5 5l-5 -5z" fill="{color}"/>"##, y - 5.0),
    }
}
