//! Links the programs with ExOS' linker script, which `exos` leaves on the linker's search path.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Tprogram.ld");
}
