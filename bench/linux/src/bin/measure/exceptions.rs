//! Exceptions that come to a program as signals, and go on behind the instruction.

use crate::count::{Random, measure, timed};
use aegis_bench_linux::system::{self, Context, Handler, PAGE_BYTES};
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use linux_raw_sys::general::{MAP_PRIVATE, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP, siginfo};

/// Operations of a batch.
const OPERATIONS: u32 = 60;

/// Count as the handler found it.
static ARRIVED: AtomicU32 = AtomicU32::new(0);

global_asm!(
    ".set push",
    ".set noreorder",
    // The least that a handler can do. Entry: a2 = the context.
    ".globl skip",
    "skip:",
    "lw    $8, {pc}($6)",
    "addiu $8, $8, 4",
    "jr    $31",
    " sw   $8, {pc}($6)",
    // The same, and it says when it was called.
    ".globl note_and_skip",
    "note_and_skip:",
    "rdhwr $8, $2",
    "lui   $9, %hi({arrived})",
    "sw    $8, %lo({arrived})($9)",
    "lw    $8, {pc}($6)",
    "addiu $8, $8, 4",
    "jr    $31",
    " sw   $8, {pc}($6)",
    ".set pop",
    pc = const offset_of!(Context, pc),
    arrived = sym ARRIVED,
);

unsafe extern "C" {
    fn skip(signal: i32, info: *const siginfo, context: *mut Context);
    fn note_and_skip(signal: i32, info: *const siginfo, context: *mut Context);
}

/// Measures both ways, and the way in alone, of an instruction that raises a signal. `$4` is the address of a page that can only be read,
/// `$5` the greatest number, and `$6` is 1.
macro_rules! exception {
    ($id:literal, $signal:expr, $page:expr, $instruction:literal) => {{
        on($signal, skip);
        measure($id, OPERATIONS, 2, || {
            timed(|| {
                // SAFETY: the instruction has no effect but a signal, whose handler skips it.
                unsafe {
                    asm!(
                        ".set push", ".set noreorder", "1:", $instruction, "bnez $16, 1b", " addiu $16, $16, -1",
                        ".set pop",
                        inout("$16") OPERATIONS - 1 => _,
                        in("$4") $page, in("$5") i32::MAX, in("$6") 1, out("$2") _,
                    );
                }
            })
        });
        on($signal, note_and_skip);
        let mut random = Random(1);
        measure(concat!($id, "-in"), OPERATIONS, 1, || {
            (0..OPERATIONS).fold(0, |sum: u32, _| {
                random.phase();
                let start: u32;
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "rdhwr $16, $2", $instruction,
                        out("$16") start, in("$4") $page, in("$5") i32::MAX, in("$6") 1, out("$2") _,
                    );
                }
                sum.wrapping_add(ARRIVED.load(Relaxed).wrapping_sub(start))
            })
        });
    }};
}

fn on(signal: u32, handler: Handler) {
    // SAFETY: both handlers only go on behind the instruction, which is ours.
    unsafe { system::handle(signal, handler) };
}

/// Has the least handler skip stores to pages that cannot be written.
pub fn skip_stores() {
    on(SIGSEGV, skip);
}

/// Measures all exceptions.
pub fn all() {
    let page = system::map(1, system::WRITE, MAP_PRIVATE);
    // SAFETY: the page is ours; who stores to it later wants the signal.
    unsafe {
        page.write_bytes(1, PAGE_BYTES);
        system::protect(page, 1, system::READ);
    }
    system::refuse_unaligned();
    exception!("exception-overflow", SIGFPE, page, "add $2, $5, $6");
    exception!("exception-unaligned", SIGBUS, page, "lw $2, 1($4)");
    exception!("exception-coprocessor", SIGILL, page, "mfc2 $2, $0");
    // `ld`, which 64-bit processors have.
    exception!("exception-reserved", SIGILL, page, ".word 0xdc000000");
    exception!("exception-protection", SIGSEGV, page, "sw $0, 0($4)");
    exception!("exception-breakpoint", SIGTRAP, page, "break");
}
