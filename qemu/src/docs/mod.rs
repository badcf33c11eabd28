//! `./x docs`: writes into the documents what they show of sources, machine code and results.
//!
//! Such a part stands between two marks, `<!-- listing malta stlb_refill stlb_refill_end -->` and `<!-- end -->`, which a reader does not see: a
//! document is complete as it is kept. [`marks`] finds the parts, [`part`] says what there is, and [`example`] computes the examples.

mod example;
mod marks;
mod part;

use crate::bench::results::Results;
use crate::cargo::Workspace;
use crate::image::{self, Kernel};
use crate::listing::Listing;
use crate::machine::Machine;
use crate::output::outln;
use anyhow::{Context, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The documents, from the project's root.
pub const DOCUMENTS: [&str; 1] = ["docs/refill.md"];

/// Options of `./x docs`.
#[derive(Args)]
pub struct Options {}

/// What documents show.
pub struct Facts {
    listings: BTreeMap<Machine, Listing>,
    results: BTreeMap<Machine, Results>,
}

impl Facts {
    /// Reads sources and results under `root`, and the kernel of each machine.
    pub fn read(root: &Path, kernel: impl Fn(Machine) -> Result<PathBuf>) -> Result<Facts> {
        let mut facts = Facts { listings: BTreeMap::new(), results: BTreeMap::new() };
        for machine in Machine::ALL {
            facts.listings.insert(machine, Listing::read(root, machine, &kernel(machine)?)?);
            let results = root.join(format!("bench/results/{machine}.json"));
            facts.results.insert(machine, Results::read(&results)?);
        }
        Ok(facts)
    }

    /// A document with all its parts as they are now.
    pub fn render(&self, document: &str) -> Result<String> {
        marks::replace(document, |mark| part::render(self, mark))
    }
}

/// Writes what is out of date, and says so.
pub fn main(workspace: &Workspace, _: &Options) -> Result<u8> {
    let facts = Facts::read(&workspace.root, |machine| {
        let programs = image::build_programs(workspace, machine)?;
        Kernel { machine, ..Kernel::default() }.build(workspace, &image::entries(machine, &programs.built)?)
    })?;
    for document in DOCUMENTS {
        let path = workspace.root.join(document);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {document}"))?;
        let new = facts.render(&text).with_context(|| format!("cannot write {document}"))?;
        if new == text {
            outln!("{document}: up to date");
        } else {
            std::fs::write(&path, new).with_context(|| format!("cannot write {document}"))?;
            outln!("written: {document}");
        }
    }
    Ok(0)
}
