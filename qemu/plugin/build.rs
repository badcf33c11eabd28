//! The functions `qemu_plugin_*` are found in the QEMU process that loads the plugin, so leave them undefined.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,undefs");
    println!("cargo:rerun-if-changed=build.rs");
}
