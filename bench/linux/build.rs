//! Links ordinary static executables of Linux.

fn main() {
    println!("cargo::rustc-link-arg-bins=--entry=start");
}
