//! The figures of a sweep.

use super::{OVERFLOWS, Point, Sweep};
use crate::machine::Machine;
use anyhow::{Context, Result};
use exos_checks::walk::{LARGEST, Pattern, SMALLEST};
use plotters::prelude::*;
use plotters::style::Palette;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pixels of a figure, which has a panel for each pattern.
const SIZE: (u32, u32) = (1200, 900);

/// What is shown of each point.
struct Quantity {
    /// Part of the file's name.
    name: &'static str,
    title: &'static str,
    axis: &'static str,
    /// The most that there can be; `None`: what the points have.
    most: Option<f64>,
    of: fn(&Point) -> Option<f64>,
}

const QUANTITIES: [Quantity; 2] = [
    Quantity {
        name: "hits",
        title: "misses of the hardware TLB that the software TLB answers",
        axis: "hits in %",
        most: Some(100.0),
        of: |point| Some(100.0 * point.hit_rate()?),
    },
    Quantity {
        name: "instructions",
        title: "what misses cost",
        axis: "instructions per access",
        most: None,
        of: |point| Some(point.instructions_per_access()),
    },
];

/// Draws `stlb-QUANTITY-MACHINE.svg` for each machine and quantity in a folder, which is made; returns the files.
///
/// # Errors
/// When one cannot be written.
pub fn plot(sweep: &Sweep, directory: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let mut files = Vec::new();
    for machine in Machine::ALL {
        let points: Vec<&Point> = sweep.points.iter().filter(|point| point.machine == machine.name()).collect();
        if points.is_empty() {
            continue;
        }
        for quantity in &QUANTITIES {
            let path = directory.join(format!("stlb-{}-{machine}.svg", quantity.name));
            let drawn = draw(&points, machine, quantity, &path);
            drawn.map_err(|error| anyhow::anyhow!("cannot draw {}: {error}", path.display()))?;
            files.push(path);
        }
    }
    Ok(files)
}

fn draw(
    points: &[&Point],
    machine: Machine,
    quantity: &Quantity,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let title = format!("{machine}: {}", quantity.title);
    let panels = area.titled(&title, ("sans-serif", 26))?.split_evenly((2, 2));
    let greatest = points.iter().filter_map(|point| (quantity.of)(point)).fold(1.0, f64::max);
    let most = quantity.most.unwrap_or(greatest) * 1.05;
    let tables: BTreeSet<u32> = points.iter().map(|point| point.slots).collect();
    for (panel, pattern) in panels.iter().zip(Pattern::ALL) {
        let mut chart = ChartBuilder::on(panel)
            .caption(pattern.name(), ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((f64::from(SMALLEST)..f64::from(LARGEST)).log_scale().base(2.0), 0.0..most)?;
        let number = |value: &f64| format!("{value}");
        chart
            .configure_mesh()
            .x_desc("pages of the working set")
            .y_desc(quantity.axis)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .light_line_style(WHITE)
            .draw()?;
        for (n, &slots) in tables.iter().enumerate() {
            let color = Palette99::pick(n).to_rgba();
            let line = |overflow: u32| -> Vec<(f64, f64)> {
                let of_line = |point: &&&Point| {
                    (point.slots, point.overflow, point.pattern.as_str()) == (slots, overflow, pattern.name())
                };
                let values = points.iter().filter(of_line);
                values.filter_map(|point| Some((f64::from(point.pages), (quantity.of)(point)?))).collect()
            };
            chart
                .draw_series(LineSeries::new(line(OVERFLOWS[0]), color.stroke_width(2)))?
                .label(format!("{slots} entries"))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 25, y)], color.stroke_width(2)));
            let dashed = chart.draw_series(DashedLineSeries::new(line(OVERFLOWS[1]), 5, 4, color.stroke_width(1)))?;
            if n + 1 == tables.len() {
                dashed
                    .label(format!("overflow buffer of {}: dashed", OVERFLOWS[1]))
                    .legend(|(x, y)| PathElement::new([(x, y), (x + 25, y)], BLACK.stroke_width(1)));
            }
        }
        let position = match quantity.most {
            Some(_) => SeriesLabelPosition::LowerLeft,
            None => SeriesLabelPosition::UpperLeft,
        };
        chart
            .configure_series_labels()
            .position(position)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK)
            .draw()?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_that_was_measured_has_its_figures() {
        let point = |slots, overflow, pages| Point {
            machine: Machine::Malta.name().to_owned(),
            slots,
            overflow,
            pattern: Pattern::Local.name().to_owned(),
            pages,
            accesses: 1000,
            instructions: 20_000,
            misses: 1000,
            table_hits: 900,
            upcalls: 100,
            ..Point::default()
        };
        let points = [512, 8192].into_iter().flat_map(|slots| {
            OVERFLOWS.into_iter().flat_map(move |overflow| [16, 16_384].map(|pages| point(slots, overflow, pages)))
        });
        let sweep = Sweep { points: points.collect() };
        let folder = tempfile::tempdir().unwrap();
        let files = plot(&sweep, folder.path()).unwrap();
        let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["stlb-hits-malta.svg", "stlb-instructions-malta.svg"]);
        for file in &files {
            let svg = std::fs::read_to_string(file).unwrap();
            assert!(Pattern::ALL.iter().all(|pattern| svg.contains(pattern.name())), "{svg}");
            assert!(svg.contains("8192 entries") && svg.contains("dashed"), "{svg}");
        }
    }
}
