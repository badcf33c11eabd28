//! Figures, drawn from what a program prints, as SVG.
//!
//! A figure is a head, points, and an end, a line each:
//!
//! ```text
//! figure NAME | TITLE | X AXIS | Y AXIS | SERIES = WEIGHT | SERIES = WEIGHT ...
//! point X | Y | Y ...
//! end of figure
//! ```
//!
//! Beside each series its ideal line is drawn: the part of the sum of all series at the last point that its weight says.

use anyhow::{Context, Result, ensure};
use plotters::prelude::*;
use plotters::style::Palette;
use std::path::{Path, PathBuf};

/// Pixels of a figure.
const SIZE: (u32, u32) = (900, 600);

/// A figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// Its name, and its file's.
    pub name: String,
    title: String,
    axes: [String; 2],
    /// Name and weight of each series.
    series: Vec<(String, f64)>,
    /// Where x is, and each series there.
    points: Vec<(f64, Vec<f64>)>,
}

/// Takes from output, as it comes, the lines that belong to figures: a guest may print without end.
#[derive(Default)]
pub struct Collector {
    line: Vec<u8>,
    inside: bool,
    text: String,
}

/// Bytes of a line that is looked at, and of figures, at most.
const LINE: usize = 4096;
const TEXT: usize = 1 << 24;

impl Collector {
    /// Takes what comes.
    pub fn push(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            if byte != b'\n' {
                if self.line.len() < LINE {
                    self.line.push(byte);
                }
                continue;
            }
            let line = String::from_utf8_lossy(&self.line);
            self.inside |= line.starts_with("figure ");
            if self.inside && self.text.len() < TEXT {
                self.text.push_str(&line);
                self.text.push('\n');
            }
            self.inside &= line.trim_end() != END;
            self.line.clear();
        }
    }

    /// The figures.
    ///
    /// # Errors
    /// Those of [`figures`].
    pub fn figures(&self) -> Result<Vec<Figure>> {
        figures(&self.text)
    }
}

/// The last line of a figure.
const END: &str = "end of figure";

/// The figures in a program's output.
///
/// # Errors
/// What a line that belongs to a figure lacks.
pub fn figures(output: &str) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut lines = output.lines().map(str::trim_end);
    while let Some(line) = lines.next() {
        let Some(head) = line.strip_prefix("figure ") else { continue };
        let mut figure = Figure::parse_head(head).with_context(|| format!("this is no head of a figure: {line}"))?;
        for line in lines.by_ref().take_while(|line| *line != END) {
            let point = line.strip_prefix("point ").and_then(|point| figure.parse_point(point));
            figure.points.push(point.with_context(|| format!("this is no point of figure {}: {line}", figure.name))?);
        }
        ensure!(figure.points.len() > 1, "figure {} has no points", figure.name);
        figures.push(figure);
    }
    Ok(figures)
}

impl Figure {
    fn parse_head(head: &str) -> Option<Figure> {
        let mut fields = head.split('|').map(|field| field.trim().to_owned());
        let (name, title, x, y) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let series = fields.map(|field| {
            let (name, weight) = field.split_once('=')?;
            Some((name.trim().to_owned(), weight.trim().parse().ok()?))
        });
        let series: Vec<(String, f64)> = series.collect::<Option<_>>()?;
        (is_plain && !series.is_empty()).then(|| Figure { name, title, axes: [x, y], series, points: Vec::new() })
    }

    fn parse_point(&self, point: &str) -> Option<(f64, Vec<f64>)> {
        let numbers: Vec<f64> = point.split('|').map(|field| field.trim().parse().ok()).collect::<Option<_>>()?;
        let (&x, values) = numbers.split_first()?;
        (values.len() == self.series.len()).then(|| (x, values.to_vec()))
    }

    /// Draws it as `NAME.svg` in a folder, which is made; returns the file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn draw(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let path = folder.join(format!("{}.svg", self.name));
        self.draw_to(&path).map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", path.display()))?;
        Ok(path)
    }

    fn draw_to(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let (end, last) = self.points.last().ok_or("there are no points")?;
        let top = last.iter().fold(1.0, |a: f64, &b| a.max(b)) * 1.05;
        let (sum, weights): (f64, f64) = (last.iter().sum(), self.series.iter().map(|(_, weight)| weight).sum());

        let area = SVGBackend::new(path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, ("sans-serif", 24))
            .margin(15)
            .x_label_area_size(45)
            .y_label_area_size(85)
            .build_cartesian_2d(0.0..*end, 0.0..top)?;
        let number = |value: &f64| format!("{value}");
        chart
            .configure_mesh()
            .x_desc(&self.axes[0])
            .y_desc(&self.axes[1])
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .light_line_style(WHITE)
            .draw()?;
        for (n, (name, weight)) in self.series.iter().enumerate() {
            let color = Palette99::pick(n).to_rgba();
            let line = self.points.iter().map(|(x, values)| (*x, values[n]));
            chart
                .draw_series(LineSeries::new(line, color.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 25, y)], color.stroke_width(2)));
            let ideal = [(0.0, 0.0), (*end, sum * weight / weights)];
            let drawn = chart.draw_series(DashedLineSeries::new(ideal, 4, 4, BLACK.mix(0.7).stroke_width(1)))?;
            if n == 0 {
                drawn.label("ideal").legend(|(x, y)| PathElement::new([(x, y), (x + 25, y)], BLACK.mix(0.7)));
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE)
            .border_style(BLACK)
            .draw()?;
        area.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "hello\nfigure two-lines | A title | x | y | a = 3 | b = 1\npoint 0 | 0 | 0\npoint 10 | 31 | 9\n\
                          end of figure\nmore\n";

    #[test]
    fn a_figure_is_found_in_the_output_and_drawn_beside_its_ideal() {
        let mut collector = Collector::default();
        OUTPUT.as_bytes().chunks(7).for_each(|chunk| collector.push(chunk));
        assert!(!collector.text.contains("hello") && !collector.text.contains("more"));
        let figures = collector.figures().unwrap();
        assert_eq!(figures, super::figures(OUTPUT).unwrap());
        assert_eq!(figures.len(), 1);
        assert_eq!(figures[0].points, [(0.0, vec![0.0, 0.0]), (10.0, vec![31.0, 9.0])]);
        let folder = tempfile::tempdir().unwrap();
        let path = figures[0].draw(folder.path()).unwrap();
        assert!(path.ends_with("two-lines.svg"));
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("A title") && svg.contains("ideal"), "{svg}");
        // A line for each series, and dashes.
        assert!(svg.matches("<polyline").count() > 10, "{svg}");
    }

    #[test]
    fn what_is_no_figure_is_said() {
        assert_eq!(figures("no figure here\n").unwrap(), []);
        for broken in [
            "figure ../../etc | t | x | y | a = 1\n",
            "figure a | t | x | y\n",
            "figure a | t | x | y | b\n",
            "figure a | t | x | y | b = 1\nend of figure\n",
            "figure a | t | x | y | b = 1\npoint 0 | 0\npoint 1\n",
            "figure a | t | x | y | b = 1\npoint 0 | 0\npoint 1 | 2 | 3\n",
            "figure a | t | x | y | b = 1\npoint 0 | 0\ngarbage\n",
        ] {
            assert!(figures(broken).is_err(), "{broken}");
        }
    }
}
