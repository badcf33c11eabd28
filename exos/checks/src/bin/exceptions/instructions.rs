//! Exceptions that an instruction raises by what it is.

use crate::catch::{EPC, catch, note, note_and_return, note_and_skip, raises};
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{CannotSkip, Cause, Context, Register};
use exos::layout;
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::calls::{flush, load};
use exos_checks::raw::code;
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq};

pub fn overflow() -> Outcome {
    let (max, min) = (i32::MAX as u32, i32::MIN as u32);
    raises(Cause::Overflow, || code::add(max, 1))?;
    raises(Cause::Overflow, || code::add(min, u32::MAX))?;
    raises(Cause::Overflow, || code::addi_negative(min, 0))?;
    raises(Cause::Overflow, || code::sub(min, 1))?;
    let (sum, cause, _) = catch(note_and_skip, || code::add(2, 3));
    check_eq!((sum, cause), (5, None), "an addition that does not overflow");
    Ok(())
}

pub fn addi_overflow() -> Outcome {
    needs(Feature::AddiOverflow)?;
    raises(Cause::Overflow, || code::addi(i32::MAX as u32, 0))
}

pub fn reserved() -> Outcome {
    raises(Cause::Breakpoint, || code::breakpoint(0, 0))?;
    raises(Cause::Reserved, || code::reserved(0, 0))
}

pub fn trap() -> Outcome {
    needs(Feature::Traps)?;
    raises(Cause::Trap, || code::teq(7, 7))?;
    let (_, cause, _) = catch(note_and_skip, || code::teq(7, 8));
    check_eq!(cause, None, "a trap whose condition does not hold");
    Ok(())
}

pub fn coprocessors() -> Outcome {
    raises(Cause::Coprocessor, || code::tlbwr(0, 0))?;
    // Hardware registers are no program's unless the kernel says so.
    raises(Cause::Reserved, || code::rdhwr(0, 0))
}

pub fn moves() -> Outcome {
    needs(Feature::PrivilegedMoves)?;
    raises(Cause::Coprocessor, || code::mfc0(0, 0))
}

pub fn sdbbp() -> Outcome {
    // Under QEMU it enters debug mode, in which user code would have the kernel's rights.
    for _ in 0..3 {
        raises(Cause::Reserved, || code::sdbbp(0, 0))?;
        check!(layout::IMAGE.contains(EPC.get()), "the program counter {:#x} is not this program's", EPC.get());
        raises(Cause::Coprocessor, || code::tlbwr(0, 0))?;
        let (_, cause, _) = catch(note_and_skip, || load(0x8000_0000));
        check_eq!(cause, Some(Cause::AddressLoad), "a load from the kernel's memory");
    }
    Ok(())
}

pub fn foreign_syscall() -> Outcome {
    /// Adds number and argument, to see that both arrive.
    fn add(context: &mut Context) {
        note(context);
        context[Register::V0] = context[Register::V0].wrapping_add(context[Register::A0]);
        context.skip().expect("no delay slot here");
    }
    for number in [256, 4001, 0x7fff_ffff, u32::MAX] {
        let (value, cause, _) = catch(add, || code::foreign_syscall(number, 5));
        check_eq!((value, cause), (number.wrapping_add(5), Some(Cause::Syscall)), "call {number}");
    }
    Ok(())
}

pub fn mips16() -> Outcome {
    needs(Feature::Mips16e)?;
    /// A MIPS16e instruction cannot be skipped; the handler returns instead.
    fn handler(context: &mut Context) {
        note(context);
        let epc = context.epc;
        let skipped = context.skip();
        assert!(skipped == Err(CannotSkip::Misaligned) && context.epc == epc, "skipped {epc:#x}");
        context.epc = context[Register::Ra];
    }
    let address = code::mips16_break();
    // Also where its page is in no TLB, so that a refill returns to an odd address.
    for fresh in [false, true] {
        if fresh {
            flush();
        }
        let ((), cause, _) = catch(handler, || code::call(address));
        check_eq!((cause, EPC.get()), (Some(Cause::Breakpoint), address), "`break` at {address:#x}");
    }
    // An odd address where nothing is mapped.
    let ((), cause, _) = catch(note_and_return, || code::call(layout::REGIONS.end() - PAGE_BYTES + 1));
    check_eq!(cause, Some(Cause::TlbLoad), "a jump to an odd address that is not mapped");
    Ok(())
}
