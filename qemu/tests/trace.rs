//! Calibration of the reader of GXemul's trace: a guest made by hand, of which every instruction is known, must be counted
//! exactly, and all that it prints must come through.

mod guest;

use aegis_host::board::{Board, Counting, Input};
use aegis_host::counts::{Counts, Tally, Unfinished};
use aegis_host::machine::{Machine, Vectors};
use aegis_host::session::{End, Errors, Patience};
use guest::*;
use std::collections::BTreeMap;
use std::time::Duration;

const VECTORS: Vectors = Vectors { refill: 0x8000_0000, general: 0x8000_0080 };
/// Where the guest starts.
const BOOT: u32 = 0x8010_0000;
/// Where its user code lies in its own view, which is the physical one, and how far the kernel's view is from that.
const USER: u32 = 0x0040_0000;
const KSEG0: u32 = 0x8000_0000;
/// A function whose last branch is the last instruction of a page.
const ACROSS: u32 = 0x0040_1ffc;
/// A function whose call of the kernel is the last instruction of a page.
const CALL_ACROSS: u32 = 0x0040_3ffc;
/// A page that only data are read from.
const DATA: u32 = 0x0060_0000;
/// Upper half of the address of the serial line's registers, and two of these.
const SERIAL: u32 = 0xbfe0;
const TRANSMIT_CONTROL: u32 = 0x10;
const TRANSMIT_DATA: u32 = 0x18;

/// Services of the guest's kernel, by number in `v0`: the next instruction, a byte to the console, back to `ra`, the end.
const RETURN: i16 = 0;
const PUT: i16 = 1;
const ESCAPE: i16 = 2;
const EXIT: i16 = 3;

/// Instructions of each way through the kernel; counted by hand in the listings below.
const REFILL_LENGTH: u64 = 8;
const RETURN_LENGTH: u64 = 6;
const PUT_LENGTH: u64 = 9;
const ESCAPE_LENGTH: u64 = 11;
const EXIT_LENGTH: u64 = 10;

/// Status: user mode, entered by the next `rfe`.
const USER_AFTER_RFE: i16 = 0x8;

/// What the guest prints. Much of it looks like GXemul's own words.
const TEXT: &str = "[ x ]\n<x>\n[<(d)\n\n80000080: 00000000    \naegis: stopped, exit status 5\n";

/// Maps every page to the same physical address.
const REFILL_HANDLER: [u32; REFILL_LENGTH as usize] = [
    mfc0(K0, CONTEXT), // the page, at bit 2
    mfc0(K1, EPC),
    sll(K0, K0, 10),    // where EntryLo has the frame
    ori(K0, K0, 0x200), // valid
    mtc0(K0, ENTRYLO),
    TLBWR,
    jr(K1),
    RFE,
];

const GENERAL_HANDLER: [u32; 17] = [
    mfc0(K0, EPC),
    addiu(K0, K0, 4),
    bne(V0, ZERO, 3),
    addiu(K1, ZERO, PUT),
    jr(K0), // RETURN
    RFE,
    bne(V0, K1, 4),
    lui(K1, SERIAL),
    sh(A0, TRANSMIT_DATA, K1), // PUT
    jr(K0),
    RFE,
    addiu(K1, ZERO, ESCAPE),
    bne(V0, K1, 3),
    NOP,
    jr(RA), // ESCAPE
    RFE,
    HALT, // EXIT
];

const BOOT_CODE: [u32; 10] = [
    lui(T0, SERIAL),
    addiu(T1, ZERO, 1 << 3), // line 3 is the console
    sh(T1, TRANSMIT_CONTROL, T0),
    mtc0(ZERO, CONTEXT),
    mtc0(ZERO, ENTRYHI),
    addiu(T0, ZERO, USER_AFTER_RFE),
    mtc0(T0, STATUS),
    lui(T1, USER >> 16),
    jr(T1),
    RFE,
];

/// The guest's user code, and how many instructions it starts in user mode, markers left out.
fn user_code() -> (Vec<u32>, u64) {
    let text = TEXT.bytes().flat_map(|byte| [addiu(A0, ZERO, byte.into()), SYSCALL]);
    let code = [
        // 1: plain instructions
        &[addiu(V0, ZERO, RETURN), open(1), NOP, NOP, NOP, NOP, NOP, close(1)][..],
        // 2: one call
        &[open(2), SYSCALL, close(2)],
        // 3: a load that misses in the TLB, in a delay slot, and one that hits
        &[lui(T0, DATA >> 16), open(3), beq(ZERO, ZERO, 1), lw(T1, 0, T0), lw(T1, 4, T0), close(3)],
        // 4: a branch and its delay slot in two pages, which both miss in the TLB
        &[lui(T0, ACROSS >> 16), ori(T0, T0, ACROSS & 0xffff), open(4), jalr(T0), NOP, close(4)],
        // 5: a call of the kernel that returns to a page which misses in the TLB
        &[lui(T0, CALL_ACROSS >> 16), ori(T0, T0, CALL_ACROSS & 0xffff), open(5), jalr(T0), NOP, close(5)],
        // 6: a jump to where user mode must not go
        &[addiu(V0, ZERO, ESCAPE), lui(T0, KSEG0 >> 16), open(6), jalr(T0), NOP, close(6)],
        &[addiu(V0, ZERO, PUT)],
        &text.collect::<Vec<_>>(),
        &[addiu(V0, ZERO, EXIT), SYSCALL],
    ]
    .concat();
    let started_twice = 2 + 1;
    let elsewhere = 2 + 3;
    let markers = code.iter().filter(|&&word| word >> 16 == 0x3c00).count();
    let started = code.len() - markers + started_twice + elsewhere;
    (code, started as u64)
}

fn guest_image() -> Vec<u8> {
    let segment = |address, words: &[u32]| Segment { address, words: words.to_vec() };
    elf_file(
        &Header::mips(BOOT),
        &[
            segment(VECTORS.refill, &REFILL_HANDLER),
            segment(VECTORS.general, &GENERAL_HANDLER),
            segment(BOOT, &BOOT_CODE),
            segment(KSEG0 + USER, &user_code().0),
            segment(KSEG0 + ACROSS, &[jr(RA), NOP]),
            segment(KSEG0 + CALL_ACROSS, &[SYSCALL, jr(RA), NOP]),
        ],
    )
}

/// Runs the guest; gives its counts and what it has printed.
fn run() -> (Counts, String) {
    assert_eq!(Machine::Decstation.vectors(), VECTORS);
    Machine::Decstation.emulator().check(true).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (kernel, out) = (directory.path().join("guest"), directory.path().join("counts.json"));
    std::fs::write(&kernel, guest_image()).unwrap();
    let board = Board {
        machine: Machine::Decstation,
        kernel,
        counting: Some(Counting { out: out.clone(), ..Counting::default() }),
        ..Board::default()
    };
    let mut output = Vec::new();
    let patience = Patience { end: Some(Duration::from_secs(60)), ..Patience::default() };
    let end = board.run(Input::None, Errors::Taken, patience, |chunk| output.extend_from_slice(chunk)).unwrap();
    let output = String::from_utf8(output).unwrap();
    // Its last line says so, but without what only the kernel is told.
    assert_eq!(end, End::Lost, "{output}");
    (Counts::read(&out).unwrap(), output)
}

/// A tally of `user` instructions in user mode, and so many stays at each vector, all of one length.
fn tally(user: u64, stays: &[(u32, u64, u64)]) -> Tally {
    let mut by_vector: BTreeMap<u32, BTreeMap<u64, u64>> = BTreeMap::new();
    for &(vector, length, times) in stays {
        by_vector.entry(vector).or_default().insert(length, times);
    }
    let kernel = stays.iter().map(|&(_, length, times)| length * times).sum();
    Tally { user, kernel, stays: by_vector, nested: BTreeMap::new() }
}

#[test]
fn every_instruction_is_counted_once() {
    let Vectors { refill, general } = VECTORS;
    let (counts, output) = run();
    assert_eq!(output, TEXT);
    counts.check_markers().unwrap();
    assert_eq!(counts.unfinished, Some(Unfinished { vector: general, length: EXIT_LENGTH }));

    let span = |id| counts.span(id).unwrap();
    assert_eq!(span(1), &tally(5, &[]));
    assert_eq!(span(2), &tally(1, &[(general, RETURN_LENGTH, 1)]));
    // The branch and the load in its delay slot start twice.
    assert_eq!(span(3), &tally(2 + 3, &[(refill, REFILL_LENGTH, 1)]));
    // The call and its delay slot; the branch at the end of the page starts twice.
    assert_eq!(span(4), &tally(2 + 3, &[(refill, REFILL_LENGTH, 2)]));
    // The return from the kernel ends its stay, and the refill is another.
    assert_eq!(span(5), &tally(2 + 3, &[(general, RETURN_LENGTH, 1), (refill, REFILL_LENGTH, 2)]));
    assert_eq!(span(6), &tally(2, &[(general, ESCAPE_LENGTH, 1)]));

    let bytes = TEXT.len() as u64;
    let refills = 1 + 1 + 2 + 2; // for the first page, and in spans 3, 4 and 5
    let stays = [
        (refill, REFILL_LENGTH, refills),
        (general, RETURN_LENGTH, 2),
        (general, ESCAPE_LENGTH, 1),
        (general, PUT_LENGTH, bytes),
    ];
    let expected = tally(user_code().1, &stays);
    let kernel = expected.kernel + BOOT_CODE.len() as u64 + EXIT_LENGTH;
    assert_eq!(counts.total, Tally { kernel, ..expected });
}
