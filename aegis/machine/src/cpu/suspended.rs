//! Registers that the kernel keeps for programs: of environments that were switched by hand, and of
//! transfers that wait for their slices. No program sees them.

use super::dispatch;
use super::family::resume as resume_frame;
use super::float::{self, FloatRegisters};
use super::frames::InterruptFrame;
use crate::memory;
use crate::owned::Owned;
use aegis_abi::limits::{ENVS, SLICES};
use aegis_kernel::Upcall;

struct Suspended {
    frame: InterruptFrame,
    float: Option<FloatRegisters>,
}

static SUSPENDED: Owned<[Suspended; ENVS]> =
    Owned::new([const { Suspended { frame: InterruptFrame::ZERO, float: None } }; ENVS]);
static LATE: Owned<[InterruptFrame; SLICES]> = Owned::new([const { InterruptFrame::ZERO }; SLICES]);

/// The registers that the vectors have saved of the program that was interrupted, or made a
/// transfer.
fn saved() -> InterruptFrame {
    unsafe extern "C" {
        static _stack: u8;
    }
    let frame = (&raw const _stack).wrapping_byte_sub(size_of::<InterruptFrame>()).cast::<InterruptFrame>();
    // SAFETY: both entries that lead here have filled that frame, at the top of the stack; the stack of
    // the Rust code that runs lies below it.
    unsafe { frame.read_volatile() }
}

/// Keeps all registers of environment `number`, which was interrupted; those of the floating-point
/// unit if that is on for it.
pub fn suspend(number: usize) {
    let float = dispatch::has_fpu_on(number).then(float::save);
    SUSPENDED.with(|all| all[number] = Suspended { frame: saved(), float });
}

/// Where suspended environment `number` was interrupted.
pub fn pc(number: usize) -> u32 {
    SUSPENDED.with(|all| all[number].frame.caller_saved.epc)
}

/// Gives suspended environment `number`, which is the current one, its floating-point registers
/// back. Had it any?
pub fn resume_fpu(number: usize) -> bool {
    SUSPENDED.with(|all| match all[number].float.take() {
        Some(registers) => {
            float::load(&registers);
            dispatch::set_fpu(true);
            true
        }
        None => false,
    })
}

/// Lets suspended environment `number`, which is the current one, go on at `pc`, or be called up
/// there as by an interrupt.
pub fn resume(number: usize, pc: u32, upcall: Option<Upcall>) -> ! {
    let frame = SUSPENDED.with(|all| {
        let frame = &mut all[number].frame;
        frame.caller_saved.epc = pc;
        if let Some(Upcall { handler, save_area }) = upcall {
            for (n, register) in frame.arguments().into_iter().enumerate() {
                memory::write(save_area + 4 * n as u32, &register.to_ne_bytes());
            }
            frame.set_arguments([pc, 0, 0]);
            frame.caller_saved.epc = handler;
        }
        core::ptr::from_ref(frame)
    });
    resume_frame(frame)
}

/// Keeps all registers of the program that makes a transfer, as the message that waits for slice
/// `n`.
pub fn put_off(n: usize) {
    LATE.with(|all| all[n] = saved());
}

/// Lets the current environment run at its gate `pc`, with the message that has waited for slice
/// `n`, from the environment `caller`.
pub fn arrive(n: usize, pc: u32, caller: u32) -> ! {
    let frame = LATE.with(|all| {
        all[n].set_message(0, caller, pc);
        core::ptr::from_ref(&all[n])
    });
    resume_frame(frame)
}
