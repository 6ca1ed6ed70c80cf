//! Figures: medians, tables on the terminal, bars in a file.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Where figures go.
pub struct Report {
    plots: Option<PathBuf>,
}

impl Report {
    /// With a directory for plots, or none.
    pub fn new(plots: Option<PathBuf>) -> Self {
        Self { plots }
    }

    /// A heading.
    pub fn begin(&self, name: &str) {
        println!("\n## {name}\n");
    }

    /// A table as Markdown.
    pub fn table(&self, head: &[&str], rows: &[Vec<String>]) {
        println!("| {} |", head.join(" | "));
        println!("|{}", "---|".repeat(head.len()));
        for row in rows {
            println!("| {} |", row.join(" | "));
        }
        println!();
    }

    /// Bars from the left, one a contestant, as an SVG file.
    pub fn bars(&self, file: &str, title: &str, bars: &[(String, f64)]) {
        let Some(directory) = &self.plots else { return };
        std::fs::create_dir_all(directory).expect("a directory for plots");
        std::fs::write(directory.join(format!("{file}.svg")), draw(title, bars)).expect("a plot");
    }
}

fn draw(title: &str, bars: &[(String, f64)]) -> String {
    let height = 34 + 24 * bars.len();
    let longest = bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"20\" font-weight=\"bold\">{title}</text>\n"
    );
    for (place, (label, value)) in bars.iter().enumerate() {
        let y = 30 + 24 * place;
        let fill = if label.contains("Rowbell") { "#2563a8" } else { "#9aa5b1" };
        let width = value / longest * 360.0;
        // Writing to a String cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"238\" y=\"{}\" text-anchor=\"end\">{label}</text><rect x=\"246\" y=\"{}\" width=\"{width:.0}\" height=\"16\" fill=\"{fill}\"/><text x=\"{:.0}\" y=\"{}\">{}</text>",
            y + 14,
            y + 2,
            width + 252.0,
            y + 14,
            figure(*value)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The middle one; of none, not a number.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which that share lies; `values` are in order.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let place = (share * values.len() as f64) as usize;
    values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Microseconds.
pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// Three digits that say something.
pub fn figure(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    match value.abs() {
        large if large >= 100.0 => {
            let digits = format!("{value:.0}");
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .filter_map(|group| std::str::from_utf8(group).ok())
                .collect();
            groups.join(",")
        }
        small if small >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
