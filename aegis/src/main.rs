//! The Aegis exokernel: joins the portable kernel and the machine into a bootable image.
//!
//! It holds the one kernel, boots it, and lends it to each entry from the vectors.

#![no_std]
#![no_main]

use aegis_abi::calls::transfer::SYNCHRONOUS;
use aegis_abi::{Pid, status};
use aegis_kernel::{Kernel, Miss, Upcall};
use aegis_machine::board::NONCE_OPTION;
use aegis_machine::board::interrupts::{self, Event, Source};
use aegis_machine::{Hardware, KernelState};
use core::panic::PanicInfo;
use log::LevelFilter;

/// Words at the front of the command line that begin so are for the kernel: the level of its messages; the clock that ticks, in real
/// time if nothing is said; and, of the feature `checked`, that no TLB entry outlives an interrupt.
const LOG_OPTION: &str = "aegis.log=";
const CLOCK_OPTION: &str = "aegis.clock=";
#[cfg(feature = "checked")]
const EMPTY_TLB_OPTION: &str = "aegis.empty-tlb";
/// For no clock at all: then no slice ends but by `yield`.
const NO_CLOCK: &str = "none";

/// All that the kernel knows.
static KERNEL: KernelState<Kernel<Hardware>> = KernelState::new(Kernel::new(Hardware));

/// Alone in its pages, since every program may read them (linker.ld).
#[repr(C, align(4096))]
struct Archive<T: ?Sized>(T);

/// The programs, as a tar archive.
#[unsafe(link_section = ".archive")]
static ARCHIVE: Archive<[u8; include_bytes!(env!("AEGIS_ARCHIVE")).len()]> =
    Archive(*include_bytes!(env!("AEGIS_ARCHIVE")));

/// Called by the machine's start code.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    aegis_machine::init();
    let (options, command_line) = kernel_options(aegis_machine::board::command_line());
    aegis_machine::init_log(options.level);
    log::info!("an exokernel, version {}, on {}", env!("CARGO_PKG_VERSION"), aegis_machine::board::NAME);
    if let Some(why) = aegis_machine::cpu::unfit() {
        log::error!("{} {why}", aegis_machine::cpu::name());
        aegis_machine::board::power_off(status::NO_PROGRAM);
    }
    let rate = options.clock.map(interrupts::rate);
    aegis_machine::publish_info(&ARCHIVE.0, command_line, rate.unwrap_or(0));

    let started = KERNEL.with(|kernel| {
        kernel.take_over(Hardware::is_reserved, aegis_machine::public_frames(&ARCHIVE.0));
        if let Some(rate) = rate {
            kernel.set_clock(rate);
        }
        #[cfg(feature = "checked")]
        kernel.set_empty_tlb(options.empty_tlb);
        kernel.boot(&ARCHIVE.0, command_line)
    });
    if let Err(error) = started {
        log::error!("cannot start '{}': {error}", command_line.split_whitespace().next().unwrap_or_default());
        aegis_machine::board::power_off(status::NO_PROGRAM);
    }
    options.clock.into_iter().chain([Source::Input]).for_each(interrupts::enable);
    KERNEL.with(Kernel::begin);
    unreachable!("a program runs")
}

/// What the command line asks of the kernel itself.
struct Options {
    level: LevelFilter,
    clock: Option<Source>,
    #[cfg(feature = "checked")]
    empty_tlb: bool,
}

/// Takes the kernel's own options from the front of the command line. What they say that is not known is as if not said.
fn kernel_options(command_line: &str) -> (Options, &str) {
    let mut options = Options {
        level: LevelFilter::Info,
        clock: Some(Source::RealTimeClock),
        #[cfg(feature = "checked")]
        empty_tlb: false,
    };
    let mut rest = command_line.trim_start();
    loop {
        let (word, tail) = rest.split_once(' ').unwrap_or((rest, ""));
        #[cfg(feature = "checked")]
        if word == EMPTY_TLB_OPTION {
            options.empty_tlb = true;
            rest = tail.trim_start();
            continue;
        }
        if let Some(level) = word.strip_prefix(LOG_OPTION) {
            options.level = level.parse().unwrap_or(options.level);
        } else if let Some(clock) = word.strip_prefix(CLOCK_OPTION) {
            options.clock = if clock == NO_CLOCK { None } else { clock.parse().ok().or(options.clock) };
        } else if word.starts_with(NONCE_OPTION) {
            // The board reads it when the machine stops.
        } else {
            return (options, rest);
        }
        rest = tail.trim_start();
    }
}

/// Called by the vectors: an interrupt. Where the program is to be called up: the handler (the low word) and the address of the save
/// area; 0 if it just goes on. `pc`: where it was, and becomes where it goes on. Does not return where another environment runs now.
#[unsafe(no_mangle)]
extern "C" fn aegis_interrupt(cause: u32, pc: &mut u32) -> u64 {
    let upcall = KERNEL.with(|kernel| {
        interrupts::handle(cause, |event| match event {
            Event::Ticks(passed) => {
                aegis_machine::count_ticks(passed);
                kernel.tick(passed);
            }
            Event::Input => kernel.input(),
        });
        let upcall = kernel.leave_interrupt();
        *pc = kernel.restart(*pc);
        upcall
    });
    upcall.map_or(0, |Upcall { handler, save_area }| {
        u64::from(handler) | u64::from(aegis_machine::address_of(save_area)) << u32::BITS
    })
}

/// Called by the vectors: a system call. The answer is what goes back in `v0` (the low word) and `v1`.
#[unsafe(no_mangle)]
extern "C" fn aegis_call(a0: u32, a1: u32, a2: u32, a3: u32, number: u32) -> u64 {
    #[cfg(feature = "planted-fault")]
    planted_fault(number);
    let (value, error) = match KERNEL.with(|kernel| kernel.call(number, [a0, a1, a2, a3])) {
        Ok(value) => (value, 0),
        Err(error) => (0, error as u32),
    };
    u64::from(value) | u64::from(error) << u32::BITS
}

/// Called by the vectors: a transfer, `number` telling which, after the end of the caller's slice. Returns why it is refused, if it is; else
/// another environment runs.
#[unsafe(no_mangle)]
extern "C" fn aegis_late_transfer(number: u32, callee: u32) -> u32 {
    let kept = KERNEL.with(|kernel| kernel.transfer_late(Pid(callee), number == SYNCHRONOUS));
    kept.map_or_else(|error| error as u32, |()| 0)
}

/// Called by the vectors: a TLB miss in the guaranteed segment. Must the application handle it? Else `pc`, where the program was, becomes where
/// it goes on.
#[unsafe(no_mangle)]
extern "C" fn aegis_miss(address: u32, pc: &mut u32) -> bool {
    KERNEL.with(|kernel| match kernel.miss(address) {
        Miss::Refilled => {
            *pc = kernel.restart(*pc);
            false
        }
        Miss::Upcall => true,
    })
}

/// Called by the vectors: an exception that the running environment does not handle.
#[unsafe(no_mangle)]
extern "C" fn aegis_unhandled(cause: u32, epc: u32, bad_vaddr: u32) -> ! {
    KERNEL.with(|kernel| kernel.unhandled(cause >> 2 & 31, epc, bad_vaddr));
    unreachable!("another environment runs, or the machine has stopped")
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    aegis_machine::cpu::panic(info)
}

/// Calls of their own, for the test of what the kernel does when it is itself at fault.
#[cfg(feature = "planted-fault")]
fn planted_fault(number: u32) {
    aegis_machine::cpu::planted_fault(number);
}
