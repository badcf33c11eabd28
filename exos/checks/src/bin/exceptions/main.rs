//! Exceptions: every kind is caught in user space, may change the context, and is resumed from.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::Cell;
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{layout, machine};
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::calls::{flush, load, store};
use exos_checks::raw::code::{self, IN_DELAY_SLOT};
use exos_checks::raw::registers::{Registers, TESTED, across_break, across_load};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

mod catch;
mod instructions;

use catch::{EPC, SEEN, answer, catch, note, note_and_return, note_and_skip};

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("integer overflow by add, addi, sub", instructions::overflow),
        ("integer overflow by addi, upwards", instructions::addi_overflow),
        ("unaligned and kernel addresses, load and store", address_errors),
        ("breakpoint and reserved instruction", instructions::reserved),
        ("a trap instruction", instructions::trap),
        ("instructions of the kernel and of coprocessors", instructions::coprocessors),
        ("moves from coprocessor 0", instructions::moves),
        ("sdbbp gives no rights", instructions::sdbbp),
        ("a system call of another system", instructions::foreign_syscall),
        ("stores to read-only pages", modified),
        ("loads, stores and fetches without a mapping", segmentation_faults),
        ("a jump into the kernel's memory", kernel_fetch),
        ("a jump to half a word", misaligned_fetch),
        ("a breakpoint in MIPS16e code", instructions::mips16),
        ("a handler sees and changes every register", registers),
        ("a TLB miss changes no register", miss_keeps_registers),
        ("exceptions in delay slots are skipped where the branch goes", delay_slots),
        ("a miss in a delay slot", miss_in_delay_slot),
        ("handlers nest", nested),
        ("a handler can map the page and repeat the access", repeat),
        ("a miss under a guaranteed mapping changes no register", guaranteed_miss_keeps_registers),
        ("a wild stack pointer does not matter", stack_pointers),
        ("10,000 exceptions leave nothing behind", many),
    ])
}

fn address_errors() -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    region.store(0, 0);
    let start = region.start();
    for address in [start + 1, start + 2, start + 3, 0x8000_0000, 0x8000_0180, 0xa000_0000, 0xc000_0000, 0xffff_fffc] {
        let (_, cause, at) = catch(note_and_skip, || load(address));
        check_eq!((cause, at), (Some(Cause::AddressLoad), address), "a load from {address:#x}");
        let (_, cause, at) = catch(note_and_skip, || store(address, u32::MAX));
        check_eq!((cause, at), (Some(Cause::AddressStore), address), "a store to {address:#x}");
    }
    let (_, cause, at) = catch(note_and_skip, || code::lh(start + 1, 0));
    check_eq!((cause, at), (Some(Cause::AddressLoad), start + 1), "a halfword load");
    let (_, cause, at) = catch(note_and_skip, || code::sh(start + 1, 0xffff));
    check_eq!((cause, at), (Some(Cause::AddressStore), start + 1), "a halfword store");
    check_eq!(region.load(0), 0, "nothing was stored");
    Ok(())
}

fn modified() -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    region.store(8, 1);
    get!(region.protect(0..1, Rights::ReadOnly));
    let ((), cause, at) = catch(note_and_skip, || region.store(8, 2));
    check_eq!((cause, at), (Some(Cause::Modified), region.start() + 8), "a store to a read-only page");
    flush();
    let ((), cause, at) = catch(note_and_skip, || region.store(8, 2));
    check_eq!((cause, at), (Some(Cause::Modified), region.start() + 8), "the same after a miss");
    check_eq!(region.load(8), 1, "the word");
    for address in [layout::PINNED_TEXT.start, layout::IMAGE.start, layout::INFO.start, layout::STLB.start] {
        let before = load(address);
        let ((), cause, at) = catch(note_and_skip, || store(address, !before));
        check_eq!((cause, at), (Some(Cause::Modified), address), "a store to {address:#x}");
        check_eq!(load(address), before, "the word at {address:#x}");
    }
    Ok(())
}

fn segmentation_faults() -> Outcome {
    let region = get!(Region::reserve(2));
    let beyond = layout::STACK.end();
    for address in
        [0, 4, 0x0fff & !3, layout::EXCEPTION_STACK_GUARD.start, 0x0070_0000, 0x0082_8000, region.start(), beyond]
    {
        let (_, cause, at) = catch(note_and_skip, || load(address));
        check_eq!((cause, at), (Some(Cause::TlbLoad), address), "a load from {address:#x}");
        check_eq!(EPC.get() & 3, 0, "program counter");
        let ((), cause, at) = catch(note_and_skip, || store(address, 1));
        check_eq!((cause, at), (Some(Cause::TlbStore), address), "a store to {address:#x}");
        let ((), cause, at) = catch(note_and_return, || code::call(address));
        check_eq!((cause, at, EPC.get()), (Some(Cause::TlbLoad), address, address), "a fetch from {address:#x}");
    }
    Ok(())
}

fn kernel_fetch() -> Outcome {
    for address in [0x8000_0000, 0x8000_0180] {
        let ((), cause, at) = catch(note_and_return, || code::call(address));
        check_eq!((cause, at), (Some(Cause::AddressLoad), address), "a jump to {address:#x}");
    }
    Ok(())
}

fn misaligned_fetch() -> Outcome {
    needs(Feature::MisalignedFetch)?;
    let address = layout::IMAGE.start + 2;
    let ((), cause, at) = catch(note_and_return, || code::call(address));
    check_eq!((cause, at, EPC.get()), (Some(Cause::AddressLoad), address, address), "a jump to {address:#x}");
    Ok(())
}

static EXPECTED: Cell<Option<&'static Registers>> = Cell::new(None);
static MISMATCHES: Cell<u32> = Cell::new(0);

fn pattern(seed: u32) -> Registers {
    core::array::from_fn(|i| (i as u32 + 1).wrapping_mul(0x0101_0101) ^ seed)
}

fn registers() -> Outcome {
    static BEFORE: [Registers; 1] = [{
        let (mut registers, mut i) = ([0; 34], 0);
        while i < 34 {
            registers[i] = (i as u32 + 1) * 0x0123_4567 % 0x7fff_fff1;
            i += 1;
        }
        registers
    }];
    /// Compares every register with what is expected, and inverts it.
    fn invert(context: &mut Context) {
        note(context);
        let expected = EXPECTED.get().expect("set before");
        for i in (0..32).filter(|i| TESTED >> i & 1 != 0) {
            MISMATCHES.set(MISMATCHES.get() + u32::from(context.registers[i] != expected[i]));
            context.registers[i] = !context.registers[i];
        }
        MISMATCHES
            .set(MISMATCHES.get() + u32::from(context.hi != expected[32]) + u32::from(context.lo != expected[33]));
        (context.hi, context.lo) = (!context.hi, !context.lo);
        context.skip().expect("no delay slot here");
    }
    EXPECTED.set(Some(&BEFORE[0]));
    MISMATCHES.set(0);
    let (after, cause, _) = catch(invert, || across_break(&BEFORE[0]));
    check_eq!(cause, Some(Cause::Breakpoint), "cause");
    check_eq!(MISMATCHES.get(), 0, "registers that the handler saw changed");
    for i in (0..32).filter(|i| TESTED >> i & 1 != 0).chain([32, 33]) {
        check_eq!(after[i], !BEFORE[0][i], "register {i} afterwards");
    }
    Ok(())
}

fn miss_keeps_registers() -> Outcome {
    let region = get!(Region::reserve(64));
    get!(region.demand_zero(0..64, Rights::ReadWrite));
    for page in 0..64 {
        // First touches, then refills with nothing cached: of page and page table, then of the page alone.
        for round in 0..3 {
            let mut before = pattern(page * 3 + round);
            before[Register::T9 as usize] = region.address(page);
            if round == 1 {
                flush();
            }
            let after = across_load(&before);
            before[Register::T9 as usize] = 0;
            for i in (0..32).filter(|i| TESTED >> i & 1 != 0).chain([32, 33]) {
                check_eq!(after[i], before[i], "register {i}, page {page}, round {round}");
            }
        }
    }
    Ok(())
}

fn delay_slots() -> Outcome {
    fn skip(context: &mut Context) {
        note(context);
        assert!(context.in_delay_slot() && context.instruction() == context.epc + 4, "not in a delay slot");
        context.skip().expect("the branch is known");
    }
    for (name, function, expected) in IN_DELAY_SLOT {
        let (went, cause, _) = catch(skip, || function(0, u32::MAX));
        check_eq!((went, cause), (*expected, Some(Cause::Breakpoint)), "{name}");
    }
    Ok(())
}

fn miss_in_delay_slot() -> Outcome {
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    check_eq!(code::load_in_delay_slot(region.start()), 0, "a first touch");
    region.store(0, 0x600d);
    flush();
    check_eq!(code::load_in_delay_slot(region.start()), 0x600d, "a refill");
    Ok(())
}

static DEPTH: Cell<u32> = Cell::new(0);
static DEEPEST: Cell<u32> = Cell::new(0);

fn nested() -> Outcome {
    /// Raises the same exception again, 16 deep, and others besides; each level finds its own context again.
    fn deeper(context: &mut Context) {
        let (depth, epc, cause) = (DEPTH.get() + 1, context.epc, context.cause);
        DEPTH.set(depth);
        DEEPEST.set(DEEPEST.get().max(depth));
        if depth < 16 {
            let value = code::breakpoint(0, 0);
            assert!(value == 100 + depth + 1, "level {depth} got {value}");
            flush();
            assert!(code::add(i32::MAX as u32, depth) == 7, "an overflow within a handler");
        }
        assert!((context.epc, context.cause) == (epc, cause), "the context of level {depth} has changed");
        context[Register::V0] = 100 + depth;
        context.skip().expect("no delay slot here");
        DEPTH.set(depth - 1);
    }
    fn seven(context: &mut Context) {
        context[Register::V0] = 7;
        context.skip().expect("no delay slot here");
    }
    DEPTH.set(0);
    DEEPEST.set(0);
    handle(Cause::Breakpoint, deeper);
    handle(Cause::Overflow, seven);
    let value = code::breakpoint(0, 0);
    unhandle(Cause::Breakpoint);
    unhandle(Cause::Overflow);
    check_eq!((value, DEPTH.get(), DEEPEST.get()), (101, 0, 16), "value, depth after, deepest");
    Ok(())
}

static REGION: Cell<Option<&'static Region>> = Cell::new(None);

fn repeat() -> Outcome {
    fn map_it(context: &mut Context) {
        note(context);
        let region = REGION.get().expect("set before");
        let page = (context.badvaddr - region.start()) / PAGE_BYTES;
        region.demand_zero(page..page + 1, Rights::ReadWrite).expect("the page is not mapped");
    }
    let region: &'static Region = alloc::boxed::Box::leak(alloc::boxed::Box::new(get!(Region::reserve(8))));
    REGION.set(Some(region));
    let ((), cause, at) = catch(map_it, || region.store(5 * PAGE_BYTES, 55));
    check_eq!((cause, at), (Some(Cause::TlbStore), region.address(5)), "the first access");
    let (value, cause, _) = catch(map_it, || region.load(5 * PAGE_BYTES));
    check_eq!((value, cause), (55, None), "the next one");
    Ok(())
}

fn guaranteed_miss_keeps_registers() -> Outcome {
    // Pinned pages that nothing else touches now. Where entries map pairs, one is alone in its entry, and the other is half of
    // a live one.
    for address in [layout::EXCEPTION_STACK.start + PAGE_BYTES, layout::CONSOLE.start] {
        for round in 0..8 {
            let mut before = pattern(round);
            before[Register::T9 as usize] = address;
            let word = load(address);
            // Once beforehand, so that its code is there.
            across_load(&before);
            flush();
            let guaranteed = machine::counters().guaranteed;
            let after = across_load(&before);
            check!(machine::counters().guaranteed > guaranteed, "{address:#x} did not miss");
            before[Register::T9 as usize] = word;
            for i in (0..32).filter(|i| TESTED >> i & 1 != 0).chain([32, 33]) {
                check_eq!(after[i], before[i], "register {i}, {address:#x}, round {round}");
            }
        }
    }
    Ok(())
}

fn stack_pointers() -> Outcome {
    for sp in [
        0,
        1,
        3,
        0x6000,
        0x7000,
        0xa801,
        0xa802,
        0xaffd,
        0xb000,
        0xb001,
        0x7ffa_f800,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
    ] {
        // Within the exception stack's guard page a handler cannot run: that is an overflow, tested by `endings`.
        if layout::EXCEPTION_STACK_GUARD.contains(sp) || sp == layout::EXCEPTION_STACK.start {
            continue;
        }
        let ((), cause, _) = catch(note_and_skip, || code::breakpoint_with_stack_pointer(sp));
        check_eq!(cause, Some(Cause::Breakpoint), "with sp = {sp:#x}");
    }
    Ok(())
}

fn many() -> Outcome {
    let mut sum = 0u32;
    let ((), cause, _) = catch(answer, || {
        for _ in 0..10_000 {
            sum += code::breakpoint(0, 0);
        }
    });
    check_eq!((sum, SEEN.get(), cause), (420_000, 10_000, None), "sum of the handler's values, exceptions, cause");
    Ok(())
}
