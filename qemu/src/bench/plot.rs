//! The plot: what operations cost on each machine and on a peer, on a logarithmic scale.

use super::results::Results;
use crate::peer::Peer;
use aegis_bench::{OPERATIONS, Operation};
use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use plotters::style::Palette;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::{Path, PathBuf};

/// Which are drawn: those that people ask for first.
const DRAWN: [&str; 14] = [
    "null-call",
    "exception-breakpoint",
    "exception-protection",
    "transfer",
    "transfer-round-trip",
    "lrpc-untrusted",
    "rpc",
    "slice-switch",
    "shared-memory-ping-pong",
    "protect-1",
    "protect-trap-unprotect-1",
    "demand-zero",
    "spawn",
    "matrix-multiply",
];
/// Pixels.
const WIDTH: u32 = 1000;
const BAR: u32 = 12;
const LABELS: u32 = 330;

/// Draws `operations.svg` in a folder.
pub fn draw(machines: &[Results], peer: Option<&Peer>, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("operations.svg");
    draw_to(&path, machines, peer).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))?;
    Ok(path)
}

fn draw_to(path: &Path, machines: &[Results], peer: Option<&Peer>) -> Result<(), Box<dyn std::error::Error>> {
    let operations: Vec<&Operation> = DRAWN
        .iter()
        .map(|id| {
            OPERATIONS
                .iter()
                .find(|operation| operation.id == *id)
                .with_context(|| format!("there is no operation {id}"))
        })
        .collect::<Result<_>>()?;
    // A series: its name, and its median of an operation.
    type Series<'a> = (&'a str, Box<dyn Fn(&str) -> Option<f64> + 'a>);
    let mut series: Vec<Series<'_>> = machines
        .iter()
        .map(|results| -> Series<'_> {
            (&results.machine, Box::new(|id| results.operations.get(id).map(|figure| figure.median)))
        })
        .collect();
    if let Some(peer) = peer {
        series.push((&peer.name, Box::new(|id| peer.figures.get(id).map(|figure| figure.median))));
    }

    let group = series.len() as u32 + 1;
    let height = 110 + operations.len() as u32 * group * BAR;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let highest = operations
        .iter()
        .flat_map(|operation| series.iter().filter_map(|(_, median)| median(operation.id)))
        .fold(1.0, f64::max);
    let rows = f64::from(operations.len() as u32 * group);
    let mut chart = ChartBuilder::on(&area)
        .caption("Instructions executed", ("sans-serif", 22))
        .margin(15)
        .x_label_area_size(30)
        .y_label_area_size(LABELS)
        .build_cartesian_2d((1.0..highest * 4.0).log_scale(), rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .x_label_formatter(&|value| format!("{value}"))
        .light_line_style(WHITE)
        .draw()?;
    for (n, (name, median)) in series.iter().enumerate() {
        let color = Palette99::pick(n).to_rgba();
        let bars = operations.iter().enumerate().filter_map(|(row, operation)| {
            let top = f64::from(row as u32 * group + n as u32);
            Some((top, median(operation.id)?))
        });
        let drawn: Vec<(f64, f64)> = bars.collect();
        chart
            .draw_series(
                drawn.iter().map(|&(top, value)| Rectangle::new([(1.0, top), (value, top + 0.9)], color.filled())),
            )?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 20, y + 5)], color.filled()));
        let style = ("sans-serif", 11).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        chart.draw_series(
            drawn.iter().map(|&(top, value)| Text::new(format!(" {value:.0}"), (value, top + 0.5), style.clone())),
        )?;
    }
    let style = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Right, VPos::Center));
    for (row, operation) in operations.iter().enumerate() {
        let middle = f64::from(row as u32 * group) + f64::from(group - 1) / 2.0;
        let (x, y) = chart.backend_coord(&(1.0, middle));
        area.draw_text(operation.name, &style, (x - 8, y))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
