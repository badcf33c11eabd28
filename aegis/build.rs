//! Links with the project's script, and finds the archive of programs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let script = root.join("linker.ld");
    println!("cargo:rerun-if-changed={}", script.display());
    println!("cargo:rustc-link-arg-bins=-T{}", script.display());

    // The host tool packs the archive and says where it is. Without one, as when the code is only checked, it is empty.
    println!("cargo:rerun-if-env-changed=AEGIS_ARCHIVE");
    let archive = env::var_os("AEGIS_ARCHIVE").map_or_else(
        || {
            let empty = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("empty.tar");
            fs::write(&empty, [0; 1024]).expect("OUT_DIR can be written");
            empty
        },
        PathBuf::from,
    );
    println!("cargo:rerun-if-changed={}", archive.display());
    println!("cargo:rustc-env=AEGIS_ARCHIVE={}", archive.display());
}
