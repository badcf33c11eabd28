//! The kernel images that tests look at.

use aegis_host::cargo::Workspace;
use aegis_host::image::{self, Kernel};
use aegis_host::machine::Machine;
use std::path::PathBuf;

pub fn workspace() -> Workspace {
    Workspace::find(false).unwrap()
}

/// The image of a machine's kernel with these features; the usual one is there already under `./x test`, which says where.
pub fn kernel(machine: Machine, features: &[&str]) -> PathBuf {
    let variable = match machine {
        Machine::Malta => "AEGIS_IMAGE",
        Machine::Decstation => "AEGIS_IMAGE_DECSTATION",
    };
    match std::env::var_os(variable).filter(|_| features.is_empty()) {
        Some(path) => path.into(),
        None => {
            let workspace = workspace();
            let programs = image::build_programs(&workspace, machine).unwrap();
            let entries = image::entries(machine, &programs.built).unwrap();
            Kernel { machine, features, archive: None }.build(&workspace, &entries).unwrap()
        }
    }
}
