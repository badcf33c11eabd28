//! The refill sequence of its target alone, linked at addresses of the linker's command line: what the test `refill`
//! runs when it is not given the kernel's image.

#![cfg_attr(target_arch = "mips", no_std, no_main, feature(asm_experimental_arch))]

#[cfg(all(target_arch = "mips", not(target_vendor = "dec")))]
stlb::mips32_refill!(".text.stlb_refill");

#[cfg(all(target_arch = "mips", target_vendor = "dec"))]
stlb::r3000_refill!(".text.stlb_refill");

#[cfg(target_arch = "mips")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[cfg(not(target_arch = "mips"))]
fn main() {
    eprintln!("refill-image holds MIPS instructions only; the test `refill` of `stlb` builds it for each machine");
    std::process::exit(1);
}
