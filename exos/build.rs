//! Writes the linker script of programs: the addresses of `src/layout.rs` as symbols, then `program.ld`.
//!
//! So the layout is defined once, in Rust, and the linker script knows no number of its own.

use std::{env, fmt::Write, fs, path::PathBuf};

#[allow(dead_code, reason = "the script needs a part of the layout only")]
#[path = "src/layout.rs"]
mod layout;

fn main() {
    println!("cargo::rerun-if-changed=src/layout.rs");
    println!("cargo::rerun-if-changed=program.ld");

    let mut script = String::from("/* Written by exos/build.rs from exos/src/layout.rs and exos/program.ld. */\n");
    for (name, value) in [
        ("PAGE_BYTES", layout::PAGE_BYTES),
        ("STATE", layout::STATE.start),
        ("DIRECTORY", layout::DIRECTORY.start),
        ("CONSOLE", layout::CONSOLE.start),
        ("EXCEPTION_STACK", layout::EXCEPTION_STACK.start),
        ("EXCEPTION_STACK_END", layout::EXCEPTION_STACK.end()),
        ("PINNED_TEXT", layout::PINNED_TEXT.start),
        ("PINNED_TEXT_END", layout::PINNED_TEXT.end()),
        ("IMAGE", layout::IMAGE.start),
        ("IMAGE_END", layout::IMAGE.end()),
    ] {
        writeln!(script, "{name} = {value:#010x};").expect("writing to a string cannot fail");
    }
    script.push_str(&fs::read_to_string("program.ld").expect("exos/program.ld stands beside exos/build.rs"));

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("program.ld"), script).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-search={}", out.display());
}
