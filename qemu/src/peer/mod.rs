//! Another system, measured on the same machine in the same unit, to compare with: Linux, as Debian builds it for the Malta board.
//!
//! [`kernel`] fetches and unpacks Debian's kernel; [`initramfs`] packs the program that is its first process, `bench/linux`; [`boot`]
//! runs both under QEMU; [`figures`] makes instructions of what the program printed, and [`operations`] lists what that must be.

mod boot;
mod figures;
mod initramfs;
mod kernel;
mod operations;

use crate::cargo::Workspace;
use crate::progress;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What another system's operations cost.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Peer {
    /// The system, for instance `Linux 6.1.0-50 (6.1.176-1), Debian 12`.
    pub name: String,
    /// Its operations by their identifiers, which are the same as ours.
    pub figures: BTreeMap<String, Figure>,
}

/// What an operation costs, in instructions executed, in user mode and kernel together: the mean of a batch, over many batches.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// The cheapest batch.
    pub minimum: f64,
    /// As many batches are cheaper as are dearer.
    pub median: f64,
    /// The dearest batch.
    pub maximum: f64,
    /// What is counted, and how.
    pub method: String,
}

/// Measures Linux, and says meanwhile how far that is. It takes one to three minutes; the first time also 60 MB from Debian's servers.
pub fn measure(workspace: &Workspace, report_progress: &mut dyn FnMut(&str)) -> Result<Peer> {
    let directory = directory(workspace);
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let lock = directory.join("lock");
    let lock = std::fs::File::create(&lock).with_context(|| format!("cannot create {}", lock.display()))?;
    progress::lock(&lock, "measures the peer").context("cannot lock the directory of the peer")?;

    let kernel = kernel::find_or_fetch(workspace, &directory, report_progress)?;
    let initramfs = initramfs::build(workspace, &directory)?;
    let console = boot::run(workspace, &directory, &kernel, &initramfs, report_progress)?;
    figures::read(&console)
        .with_context(|| format!("what Linux' console showed is in {}", boot::console(&directory).display()))
}

/// Where all of it is kept.
fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("peer").join("linux")
}
