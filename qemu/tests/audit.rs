//! The rules of `./x audit`, each with code that breaks it and code that is just within.

use aegis_host::audit::{Code, Kind, check};

/// Where the kernel's code lies, and a program's.
const KERNEL: u32 = 0x8010_0000;
const PROGRAM: u32 = 0x0100_0000;

// Registers.
const ZERO: u32 = 0;
const V0: u32 = 2;
const A0: u32 = 4;
const T0: u32 = 8;
const T1: u32 = 9;
const RA: u32 = 31;

// Instructions.
const NOP: u32 = 0;
const RFE: u32 = 0x4200_0010;
const TLBWR: u32 = 0x4200_0006;
const SYSCALL: u32 = 0xc;

const fn immediate(opcode: u32, rs: u32, rt: u32, value: i16) -> u32 {
    opcode << 26 | rs << 21 | rt << 16 | value as u16 as u32
}
const fn special(function: u32, rs: u32, rt: u32, rd: u32) -> u32 {
    rs << 21 | rt << 16 | rd << 11 | function
}
const fn lw(rt: u32, base: u32) -> u32 {
    immediate(0x23, base, rt, 0)
}
const fn lwl(rt: u32, base: u32) -> u32 {
    immediate(0x22, base, rt, 3)
}
const fn lwr(rt: u32, base: u32) -> u32 {
    immediate(0x26, base, rt, 0)
}
const fn sw(rt: u32, base: u32) -> u32 {
    immediate(0x2b, base, rt, 0)
}
const fn addiu(rt: u32, rs: u32) -> u32 {
    immediate(9, rs, rt, 1)
}
const fn addu(rd: u32, rs: u32, rt: u32) -> u32 {
    special(0x21, rs, rt, rd)
}
/// To the instruction so many behind the delay slot.
const fn beq(rs: u32, rt: u32, distance: i16) -> u32 {
    immediate(4, rs, rt, distance)
}
const fn bne(rs: u32, rt: u32, distance: i16) -> u32 {
    immediate(5, rs, rt, distance)
}
const fn j(target: u32) -> u32 {
    2 << 26 | target >> 2 & 0x03ff_ffff
}
const fn jr(rs: u32) -> u32 {
    special(8, rs, 0, 0)
}
const fn mfhi(rd: u32) -> u32 {
    special(0x10, 0, 0, rd)
}
const fn mflo(rd: u32) -> u32 {
    special(0x12, 0, 0, rd)
}
const fn mtlo(rs: u32) -> u32 {
    special(0x13, rs, 0, 0)
}
const fn multu(rs: u32, rt: u32) -> u32 {
    special(0x19, rs, rt, 0)
}
const fn mfc0(rt: u32, rd: u32) -> u32 {
    0x10 << 26 | rt << 16 | rd << 11
}

/// Code that starts at `start`, in a function of that name.
fn code(start: u32, function: &str, words: &[u32]) -> Code {
    let mut code = Code::default();
    code.words.extend((start..).step_by(4).zip(words.iter().copied()));
    code.symbols.insert(start, function.to_owned());
    code
}

/// What is wrong with code of the kernel's, and at which instructions.
fn wrong(words: &[u32]) -> Vec<(Kind, u32)> {
    let audit = check(&code(KERNEL, "vec_example", words));
    assert_eq!(audit.instructions, words.len());
    assert!(audit.hazards.is_empty(), "assembly has no excuse");
    audit.violations.iter().map(|finding| (finding.kind, (finding.address - KERNEL) / 4)).collect()
}

fn check_twins(kind: Kind, at: u32, bad: &[u32], good: &[u32]) {
    assert_eq!(wrong(bad), [(kind, at)], "{bad:x?}");
    assert_eq!(wrong(good), [], "{good:x?}");
}

#[test]
fn what_is_loaded_is_not_there_for_the_next_instruction() {
    let twins = |bad: &[u32], good: &[u32]| check_twins(Kind::LoadDelay, 0, bad, good);
    twins(&[lw(T0, A0), addiu(V0, T0)], &[lw(T0, A0), NOP, addiu(V0, T0)]);
    twins(&[lw(T0, A0), addu(V0, ZERO, T0)], &[lw(T0, A0), addu(V0, ZERO, T1)]);
    twins(&[lw(T0, A0), sw(T0, A0)], &[lw(T0, A0), sw(T1, A0)]);
    twins(&[lw(T0, A0), lw(T1, T0)], &[lw(T0, A0), lw(T0, A0)]);
    twins(&[mfc0(T0, 14), jr(T0), NOP], &[mfc0(T0, 14), NOP, jr(T0), RFE]);
    twins(&[lw(T0, A0), multu(T0, A0)], &[lw(T0, A0), mflo(V0)]);
    // Nothing is loaded.
    assert_eq!(wrong(&[lw(ZERO, A0), addiu(V0, ZERO)]), []);
}

/// Whoever takes a value from a register is known to do so, and nobody else.
#[test]
fn every_instruction_that_uses_a_register_is_known() {
    let store = |opcode| [immediate(opcode, A0, T0, 0), immediate(opcode, T0, A0, 0)];
    let three = |function| [special(function, T0, A0, V0), special(function, A0, T0, V0)];
    let mut users =
        vec![jr(T0), special(9, T0, 0, RA), mtlo(T0), special(0x11, T0, 0, 0), 0x10 << 26 | 4 << 21 | T0 << 16];
    users.extend([4, 5].into_iter().flat_map(|opcode| [immediate(opcode, T0, A0, 1), immediate(opcode, A0, T0, 1)]));
    users.extend([6, 7].map(|opcode| immediate(opcode, T0, 0, 1)));
    users.extend([0, 1, 0x10, 0x11].map(|kind| immediate(1, T0, kind, 1)));
    users.extend((8..=14).map(|opcode| immediate(opcode, T0, V0, 1)));
    users.extend([0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26].map(|opcode| immediate(opcode, T0, V0, 0)));
    users.extend([0x28, 0x29, 0x2a, 0x2b, 0x2e].into_iter().flat_map(store));
    users.extend([4, 6, 7].into_iter().chain(0x20..=0x27).chain([0x2a, 0x2b]).flat_map(three));
    users.extend([0, 2, 3].map(|function| special(function, 0, T0, V0)));
    users.extend((0x18..=0x1b).flat_map(|function| [special(function, T0, A0, 0), special(function, A0, T0, 0)]));
    for user in users {
        assert_eq!(wrong(&[lw(T0, A0), user, NOP]).first(), Some(&(Kind::LoadDelay, 0)), "{user:08x}");
    }
    let others = [addiu(T0, A0), lw(T0, A0), mflo(T0), mfc0(T0, 12), 15 << 26 | T0 << 16, addu(T0, A0, V0), SYSCALL];
    for other in others {
        assert_eq!(wrong(&[lw(T0, A0), other, NOP, NOP]), [], "{other:08x}");
    }
}

#[test]
fn a_load_in_a_delay_slot_concerns_both_ways() {
    let fall_through = [beq(T1, ZERO, 2), lw(T0, A0), addiu(V0, T0), NOP];
    let taken = [beq(T1, ZERO, 2), lw(T0, A0), NOP, addiu(V0, T0)];
    assert_eq!(wrong(&fall_through), [(Kind::LoadDelay, 1)]);
    assert_eq!(wrong(&taken), [(Kind::LoadDelay, 1)]);
    assert_eq!(wrong(&[beq(T1, ZERO, 2), lw(T0, A0), NOP, NOP, addiu(V0, T0)]), []);
    // One that is always taken does not fall through.
    assert_eq!(wrong(&[beq(ZERO, ZERO, 2), lw(T0, A0), addiu(V0, T0), NOP]), []);
    assert_eq!(wrong(&[bne(T0, ZERO, -1), lw(T0, A0)]), [(Kind::LoadDelay, 1)], "the branch itself uses it, again");
    assert_eq!(wrong(&[j(KERNEL + 12), lw(T0, A0), NOP, addiu(V0, T0)]), [(Kind::LoadDelay, 1)]);
    assert_eq!(wrong(&[j(KERNEL + 12), lw(T0, A0), addiu(V0, T0), NOP]), []);
}

#[test]
fn nobody_knows_what_follows_a_jump_through_a_register() {
    check_twins(Kind::LoadInJumpSlot, 0, &[jr(RA), lw(V0, A0)], &[jr(RA), addiu(V0, A0)]);
}

#[test]
fn parts_of_a_word_are_merged_without_delay() {
    assert_eq!(wrong(&[lwr(T0, A0), lwl(T0, A0), NOP, addiu(V0, T0)]), []);
    assert_eq!(wrong(&[lwr(T0, A0), lwl(T0, A0), addiu(V0, T0)]), [(Kind::LoadDelay, 1)]);
    assert_eq!(wrong(&[lw(T0, A0), lwl(T0, A0), NOP]), [(Kind::LoadDelay, 0)], "a whole word is not");
    assert_eq!(wrong(&[lwr(T0, A0), lwl(T1, T0), NOP]), [(Kind::LoadDelay, 0)], "an address is not");
}

#[test]
fn hi_and_lo_rest_for_two_instructions_after_they_were_read() {
    let twins = |bad: &[u32], good: &[u32]| check_twins(Kind::HiLo, 0, bad, good);
    twins(&[mflo(V0), multu(T0, T1)], &[mflo(V0), NOP, NOP, multu(T0, T1)]);
    twins(&[mflo(V0), NOP, multu(T0, T1)], &[multu(T0, T1), mflo(V0), mfhi(T0)]);
    twins(&[mfhi(V0), NOP, mtlo(T0)], &[mtlo(T0), mfhi(V0)]);
    // Across a branch.
    assert_eq!(wrong(&[beq(T1, ZERO, 2), mflo(V0), NOP, multu(T0, T1)]), [(Kind::HiLo, 1), (Kind::HiLo, 1)]);
}

#[test]
fn the_compilers_hazards_are_listed_apart_and_bounded() {
    let hazard = [mflo(V0), multu(T0, T1), NOP, NOP];
    for (function, is_compilers) in [("_RNvCs1_4core3mul", true), ("__udivdi3", true), ("vec_call", false)] {
        let audit = check(&code(KERNEL, function, &hazard));
        assert_eq!((audit.hazards.len(), audit.violations.len()), if is_compilers { (1, 0) } else { (0, 1) });
        assert_eq!(audit.is_passed(), is_compilers, "{function}");
    }
    let many = hazard.repeat(aegis_host::audit::COMPILER_HAZARDS + 1);
    assert!(!check(&code(KERNEL, "_RNvCs1_4core3mul", &many)).is_passed());
}

#[test]
fn instructions_that_came_later_are_refused() {
    const LATER: [(&str, u32); 16] = [
        ("beql", 0x5000_0001),
        ("bltzl", 0x0402_0001),
        ("ll", 0xc080_0000),
        ("sync", 0x0000_000f),
        ("teq", 0x00a6_0034),
        ("teqi", 0x04ac_0001),
        ("movz", 0x0085_100a),
        ("mul", 0x7085_1002),
        ("ext", 0x7c82_3800),
        ("ins", 0x7c82_3804),
        ("eret", 0x4200_0018),
        ("ld", 0xdc82_0000),
        ("sqrt.s", 0x4600_0004),
        ("ldc1", 0xd480_0000),
        ("mfc2", 0x4802_0000),
        ("trap of the linker's", 0x0417_0001),
    ];
    for (name, word) in LATER {
        assert_eq!(wrong(&[word, NOP, NOP]), [(Kind::Unknown, 0)], "{name}");
    }
    // What every MIPS has, markers of spans among it.
    assert_eq!(wrong(&[RFE, TLBWR, SYSCALL, 0x0000_000d, 0x3c00_0007, immediate(0x2a, A0, T0, 0)]), []);
    // The floating-point unit: `add.s`, `lwc1` to a register whose number is that of a general one which is used next, `swc1`.
    assert_eq!(wrong(&[0x4600_0000, 0xc488_0000, 0x0100_1021, 0xe488_0000, NOP]), []);
    // `mfc1` and `cfc1` load a general register, too.
    for load in [0x4408_0000, 0x4448_f800] {
        assert_eq!(wrong(&[load, 0x0100_1021, NOP]), [(Kind::LoadDelay, 0)], "{load:08x}");
        assert_eq!(wrong(&[load, NOP, 0x0100_1021, NOP]), [], "{load:08x}");
    }
}

#[test]
fn a_program_has_no_instruction_of_the_kernels() {
    for word in [TLBWR, RFE, mfc0(T0, 12)] {
        let audit = check(&code(PROGRAM, "main", &[word, NOP]));
        assert_eq!(audit.violations.iter().map(|finding| finding.kind).collect::<Vec<_>>(), [Kind::Privileged]);
    }
}

#[test]
fn branches_have_a_slot_without_another() {
    check_twins(Kind::BranchInSlot, 0, &[beq(T0, T1, 1), jr(RA), NOP, NOP], &[beq(T0, T1, 2), NOP, jr(RA), NOP]);
    check_twins(Kind::NoSlot, 1, &[NOP, jr(RA)], &[NOP, jr(RA), NOP]);
}

#[test]
fn a_jump_stays_within_its_64_megabytes() {
    assert_eq!(wrong(&[j(0x8400_0000), NOP]), [(Kind::FarJump, 0)]);
    assert_eq!(wrong(&[j(0x83ff_fffc), NOP]), []);
}

#[test]
fn what_is_exempt_is_counted_and_not_judged() {
    let mut code = code(PROGRAM, "main", &[TLBWR, lw(T0, A0), 0xfc00_0000, NOP]);
    code.exempt.extend([PROGRAM, PROGRAM + 8]);
    let audit = check(&code);
    assert_eq!((audit.exempt, audit.violations.len(), audit.loads), (2, 0, 1));
}

/// In code full of loads, whichever `nop` is replaced by a use of what was just loaded, it is noticed, there and nowhere else.
#[test]
fn every_nop_behind_a_load_is_needed() {
    let words: Vec<u32> = (2..26).flat_map(|register| [lw(register, 29), NOP, addiu(register, register)]).collect();
    assert_eq!(wrong(&words), []);
    for at in (1..words.len()).step_by(3) {
        let mut planted = words.clone();
        let register = words[at - 1] >> 16 & 31;
        for user in [addiu(V0, register), sw(register, 29), addu(V0, ZERO, register), bne(register, ZERO, 1)] {
            planted[at] = user;
            assert_eq!(wrong(&planted).first(), Some(&(Kind::LoadDelay, at as u32 - 1)), "{user:x}");
        }
    }
}

#[test]
fn other_files_are_refused() {
    assert!(Code::read(b"#!/bin/sh").unwrap_err().to_string().contains("not an ELF file"));
    let ourselves = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(Code::read(&ourselves).unwrap_err().to_string().contains("not for the R3000"));
}
