//! Calibration of the counting plugin: a guest made by hand, of which every instruction is known, must be counted exactly.

mod guest;

use aegis_host::board::{Board, Counting, Input};
use aegis_host::cargo::Workspace;
use aegis_host::counts::{Counts, Tally, Unfinished};
use aegis_host::machine::Machine;
use aegis_host::session::{End, Errors, Patience};
use guest::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// The vectors.
const REFILL: u32 = 0x8000_0000;
const GENERAL: u32 = 0x8000_0180;
const INTERRUPT: u32 = 0x8000_0200;
/// Where the guest starts.
const BOOT: u32 = 0x8010_0000;
/// Where its user code lies in the kernel's view, and in its own.
const USER_LOADED: u32 = 0x8040_0000;
const USER: u32 = 0x0040_0000;

/// Services of the guest's kernel, by number in `v0`.
const RETURN: i16 = 0;
const EXIT: i16 = 1;
const NEST: i16 = 2;
const OPEN_SPAN_8: i16 = 3;

/// Instructions of each way through the kernel; counted by hand in the listings below.
const REFILL_LENGTH: u64 = 9;
const RETURN_LENGTH: u64 = 7;
const EXIT_LENGTH: u64 = 10;
const NEST_LENGTH: u64 = 21 + RETURN_LENGTH;
const OPEN_SPAN_8_LENGTH: u64 = 13;

/// Status: user mode, entered by the next `eret`.
const USER_AFTER_ERET: i16 = 0x12;
/// Exit status of the guest.
const STATUS_CODE: i16 = 5;

/// Maps every page to the same physical address.
const REFILL_HANDLER: [u32; REFILL_LENGTH as usize] = [
    mfc0(K0, CONTEXT), // the page pair, at bit 4
    sll(K0, K0, 3),    // where EntryLo has the even frame
    ori(K1, K0, 0x1f), // cached, dirty, valid, global
    mtc0(K1, ENTRYLO0),
    ori(K1, K0, 0x5f), // the frame after it
    mtc0(K1, ENTRYLO1),
    EHB,
    TLBWR,
    ERET,
];

/// At the general vector. The code of `NEST` lies elsewhere, since it would reach into the next vector.
const GENERAL_HANDLER: [u32; 17] = [
    mfc0(K0, EPC),
    addiu(K0, K0, 4),
    beq(V0, ZERO, 8), // RETURN
    NOP,
    addiu(K1, ZERO, EXIT),
    beq(V0, K1, 8),
    NOP,
    addiu(K1, ZERO, NEST),
    beq(V0, K1, NEST_OFFSET),
    NOP,
    open(8), // OPEN_SPAN_8
    mtc0(K0, EPC),
    EHB,
    ERET,
    addiu(T9, ZERO, 1), // EXIT: semihosting operation 1
    addiu(A0, ZERO, STATUS_CODE),
    SDBBP_1,
];
const NEST_ADDRESS: u32 = 0x8000_0240;
const NEST_OFFSET: i16 = ((NEST_ADDRESS - GENERAL) as i16) / 4 - 9;

/// A kernel that calls itself once, in kernel mode.
const NEST_HANDLER: [u32; 11] = [
    addiu(S0, K0, 0), // keep the way back
    mtc0(ZERO, STATUS),
    EHB,
    addiu(V0, ZERO, RETURN),
    SYSCALL,
    addiu(K1, ZERO, USER_AFTER_ERET),
    mtc0(K1, STATUS),
    EHB,
    mtc0(S0, EPC),
    EHB,
    ERET,
];

const BOOT_CODE: [u32; 9] = [
    addiu(T0, ZERO, USER_AFTER_ERET),
    mtc0(T0, STATUS),
    mtc0(ZERO, PAGEMASK),
    mtc0(ZERO, ENTRYHI),
    mtc0(ZERO, CONTEXT),
    lui(T1, USER >> 16),
    mtc0(T1, EPC),
    EHB,
    ERET,
];

/// The guest's user code, and how many instructions it starts in user mode, markers left out.
fn user_code() -> (Vec<u32>, u64) {
    let code = [
        // 1: plain instructions
        &[open(1), NOP, NOP, NOP, NOP, NOP, close(1)][..],
        // 2: one call
        &[addiu(V0, ZERO, RETURN), open(2), SYSCALL, close(2)],
        // 3: a load that misses in the TLB, and one that hits
        &[open(3), lui(T0, 0x50), lw(T1, 0, T0), lw(T1, 4, T0), close(3)],
        // 4: the same three times
        &[addiu(T2, ZERO, 3), open(4), SYSCALL, close(4), addiu(T2, T2, -1), bne(T2, ZERO, -5), NOP],
        // 5: a call within which the kernel calls itself
        &[addiu(V0, ZERO, NEST), open(5), SYSCALL, close(5)],
        // 6: a marker without a partner
        &[close(6)],
        // 8: opened in the kernel
        &[addiu(V0, ZERO, OPEN_SPAN_8), SYSCALL, addiu(V0, ZERO, RETURN), SYSCALL, close(8)],
        // 7: the guest ends within it
        &[addiu(V0, ZERO, EXIT), open(7), SYSCALL],
    ]
    .concat();
    let loops = 2 * 4;
    let started_twice = 1;
    let markers = code.iter().filter(|&&word| word >> 16 == 0x3c00).count();
    let started = code.len() - markers + loops + started_twice;
    (code, started as u64)
}

fn guest_image() -> Vec<u8> {
    let mut vectors = vec![NOP; ((NEST_ADDRESS - REFILL) / 4) as usize];
    vectors[..REFILL_HANDLER.len()].copy_from_slice(&REFILL_HANDLER);
    let general = ((GENERAL - REFILL) / 4) as usize;
    vectors[general..][..GENERAL_HANDLER.len()].copy_from_slice(&GENERAL_HANDLER);
    assert!(general + GENERAL_HANDLER.len() <= ((INTERRUPT - REFILL) / 4) as usize);
    vectors.extend(NEST_HANDLER);
    elf_file(
        &Header::mips(BOOT),
        &[
            Segment { address: REFILL, words: vectors },
            Segment { address: BOOT, words: BOOT_CODE.to_vec() },
            Segment { address: USER_LOADED, words: user_code().0 },
        ],
    )
}

/// Runs the guest under the plugin.
fn count(vectors: &[u32]) -> Counts {
    run(vectors, None)
}

/// Runs it, but for no more instructions than so many.
fn count_up_to(limit: u64) -> Counts {
    run(&[], Some(limit))
}

fn run(vectors: &[u32], limit: Option<u64>) -> Counts {
    Machine::Malta.emulator().check(true).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (kernel, out) = (directory.path().join("guest"), directory.path().join("counts.json"));
    std::fs::write(&kernel, guest_image()).unwrap();
    let plugin = Machine::Malta.emulator().plugin(&Workspace::find(false).unwrap()).unwrap();
    let board = Board {
        kernel,
        semihosting: true,
        counting: Some(Counting { plugin, out: out.clone(), vectors: vectors.to_vec() }),
        limit,
        ..Board::default()
    };
    let mut output = Vec::new();
    let patience = Patience { end: Some(Duration::from_secs(60)), ..Patience::default() };
    let end = board.run(Input::None, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk)).unwrap();
    let counts = Counts::read(&out).unwrap();
    let status = if counts.limit.is_some() { 0 } else { STATUS_CODE.into() };
    assert_eq!(end, End::Exited(status), "{}", String::from_utf8_lossy(&output));
    counts
}

fn stays(entries: &[(u32, u64, u64)]) -> BTreeMap<u32, BTreeMap<u64, u64>> {
    let mut stays: BTreeMap<u32, BTreeMap<u64, u64>> = BTreeMap::new();
    for &(vector, length, times) in entries {
        stays.entry(vector).or_default().insert(length, times);
    }
    stays
}

fn span(counts: &Counts, id: u16) -> &Tally {
    counts.span(id).unwrap()
}

#[test]
fn every_instruction_is_counted_once() {
    let counts = count(&[]);
    assert_eq!(counts.total.user, user_code().1);

    let plain = Tally { user: 5, ..Tally::default() };
    assert_eq!(span(&counts, 1), &plain);

    let call =
        Tally { user: 1, kernel: RETURN_LENGTH, stays: stays(&[(GENERAL, RETURN_LENGTH, 1)]), nested: BTreeMap::new() };
    assert_eq!(span(&counts, 2), &call);
    assert_eq!(counts.spans(4).collect::<Vec<_>>(), [&call; 3]);

    // The load that misses starts twice.
    let miss =
        Tally { user: 4, kernel: REFILL_LENGTH, stays: stays(&[(REFILL, REFILL_LENGTH, 1)]), nested: BTreeMap::new() };
    assert_eq!(span(&counts, 3), &miss);

    let nested = Tally {
        user: 1,
        kernel: NEST_LENGTH,
        stays: stays(&[(GENERAL, NEST_LENGTH, 1)]),
        nested: [(GENERAL, 1)].into(),
    };
    assert_eq!(span(&counts, 5), &nested);

    // Of the call during which it was opened, three instructions come after the marker; the call itself is not inside.
    let opened_in_kernel = Tally {
        user: 2,
        kernel: 3 + RETURN_LENGTH,
        stays: stays(&[(GENERAL, RETURN_LENGTH, 1)]),
        nested: BTreeMap::new(),
    };
    assert_eq!(span(&counts, 8), &opened_in_kernel);
}

#[test]
fn stays_and_leftovers_of_the_whole_run_are_listed() {
    let counts = count(&[]);
    // Refills for the code and for the data.
    let expected = stays(&[
        (REFILL, REFILL_LENGTH, 2),
        (GENERAL, RETURN_LENGTH, 5),
        (GENERAL, NEST_LENGTH, 1),
        (GENERAL, OPEN_SPAN_8_LENGTH, 1),
    ]);
    assert_eq!(counts.total.stays, expected);
    assert_eq!(counts.total.nested, [(GENERAL, 1)].into());
    assert_eq!(counts.unmatched, [(6, 1), (7, 1)].into());
    assert!(counts.check_markers().is_err());
    assert_eq!(counts.unfinished, Some(Unfinished { vector: GENERAL, length: EXIT_LENGTH }));
}

#[test]
fn a_stay_may_begin_at_any_address() {
    let counts = count(&[BOOT]);
    // The boot leads to user mode, whose first instruction cannot be fetched: that is a stay of its own.
    assert_eq!(counts.total.stays[&BOOT], [(BOOT_CODE.len() as u64, 1)].into());
    assert_eq!(counts.total.stays_of(REFILL, REFILL_LENGTH), 2);
    assert_eq!(counts.total.nested, [(GENERAL, 1)].into());
}

#[test]
fn counts_are_the_same_in_every_run() {
    assert_eq!(count(&[]), count(&[]));
}

#[test]
fn a_run_ends_exactly_at_its_limit() {
    let all = count(&[]).total.all();
    // Within the boot, a stay, and user mode, and before the very last one.
    for limit in [1, BOOT_CODE.len() as u64, 40, 60, all - 1] {
        let counts = count_up_to(limit);
        assert_eq!(counts.total.all(), limit);
        assert!(counts.limit.is_some(), "{counts:?}");
    }
    // The second instruction of all, in the code that QEMU itself boots with.
    assert_eq!(count_up_to(1).limit, Some(0xbfc0_0004));
    assert_eq!(count_up_to(all + 1), count(&[]));
}
