#![no_std]
#![no_main]
exos::entry!(main);
fn main() {}
