//! Programs on Linux without a C library: [`system`] has the system calls.
//!
//! Raw system calls are Linux at its best: a library only adds to what they cost. These programs never use the floating-point unit
//! either, whose registers Linux would save in the frame of every signal (891 instructions more, both ways).
//!
//! They are built for the bare 32-bit processor, as Aegis' own programs on Malta are, and linked as static executables.
#![no_std]
#![feature(asm_experimental_arch)]

pub mod system;

/// Writes formatted text to the console, and begins a new line.
#[macro_export]
macro_rules! println {
    ($($words:tt)*) => { $crate::system::print(format_args!("{}\n", format_args!($($words)*))) };
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("failed: {info}");
    system::exit(1)
}
