//! The interpreter against the architecture's manual. Instructions are given as the words that an assembler makes.

use super::*;
use std::collections::BTreeMap;

const PC: u32 = 0x8000_0000;
const T0: usize = 8;
const T1: usize = 9;
const T2: usize = 10;

const NOP: u32 = 0;
const EHB: u32 = 0x0000_00c0;
const ERET: u32 = 0x4200_0018;
const RFE: u32 = 0x4200_0010;
const TLBWR: u32 = 0x4200_0006;
const TLBWI: u32 = 0x4200_0002;
/// `mtc0 $t0, EntryLo0`
const MTC0: u32 = 0x4088_1000;
/// `mfc0 $t0, Context`
const MFC0: u32 = 0x4008_2000;
/// `lw $t0, 4($t1)`
const LW: u32 = 0x8d28_0004;
/// `sw $t0, -4($t1)`
const SW: u32 = 0xad28_fffc;

/// Only the addresses that are there can be read or written.
struct Words(BTreeMap<u32, u32>);

impl Memory for Words {
    fn load(&self, address: u32) -> Option<u32> {
        self.0.get(&address).copied()
    }

    fn store(&mut self, address: u32, value: u32) -> bool {
        self.0.get_mut(&address).map(|word| *word = value).is_some()
    }
}

fn program(words: &[u32]) -> Words {
    Words(words.iter().enumerate().map(|(i, word)| (PC + 4 * i as u32, *word)).collect())
}

/// A processor with something in t0 to t2, and what a run of it to the end of `words` gives.
fn run_on(isa: Isa, words: &[u32]) -> (Cpu, Words, Result<Stop, Fault>) {
    let (mut cpu, mut memory) = (Cpu::new(isa, PC), program(words));
    cpu.gpr[T0..=T2].copy_from_slice(&[0x1234_5678, 0x9000_0000, 0xffff_0001]);
    cpu.cp0[Register::Context] = 0xaabf_ff90;
    memory.0.extend([(0x9000_0004, 0xdead_beef), (0x8fff_fffc, 0)]);
    let end = PC + 4 * words.len() as u32;
    let result = cpu.run(&mut memory, &[end], 100);
    (cpu, memory, result)
}

fn run(words: &[u32]) -> (Cpu, Words, Result<Stop, Fault>) {
    run_on(Isa::Mips32r2, words)
}

fn reason(isa: Isa, words: &[u32]) -> Reason {
    run_on(isa, words).2.unwrap_err().reason
}

#[test]
fn one_instruction_gives_one_result() {
    let table = [
        ("lui   $t0, 0x8014", 0x3c08_8014, 0x8014_0000),
        ("ori   $t0, $t0, 0xff00", 0x3508_ff00, 0x1234_ff78),
        ("andi  $t0, $t0, 0xfff0", 0x3108_fff0, 0x0000_5670),
        ("addiu $t0, $t0, -1", 0x2508_ffff, 0x1234_5677),
        ("add   $t0, $t0, $t2", 0x010a_4020, 0x1233_5679),
        ("addu  $t0, $t0, $t2", 0x010a_4021, 0x1233_5679),
        ("xor   $t0, $t0, $t2", 0x010a_4026, 0xedcb_5679),
        ("sll   $t0, $t0, 4", 0x0008_4100, 0x2345_6780),
        ("srl   $t0, $t2, 19", 0x000a_44c2, 0x0000_1fff),
        ("ins   $t0, $t2, 4, 13", 0x7d48_8104, 0x1234_0018),
        ("ins   $t0, $t2, 0, 32", 0x7d48_f804, 0xffff_0001),
        ("lw    $t0, 4($t1)", LW, 0xdead_beef),
        ("mfc0  $t0, Context", MFC0, 0xaabf_ff90),
        ("nop", NOP, 0x1234_5678),
        ("ehb", EHB, 0x1234_5678),
    ];
    for (text, word, expected) in table {
        let (cpu, _, result) = run(&[word]);
        assert_eq!(result, Ok(Stop::At(PC + 4)), "{text}");
        assert_eq!((cpu.gpr[T0], cpu.executed), (expected, 1), "{text}: got {:#010x}", cpu.gpr[T0]);
        let others: usize = (0..32).filter(|i| *i != T0 && cpu.gpr[*i] != 0).count();
        assert_eq!(others, 2, "{text} changed another register");
    }
}

#[test]
fn register_0_stays_0() {
    assert_eq!(run(&[0x3c00_ffff, 0x3408_0000]).0.gpr[T0], 0); // lui $0, 0xffff; ori $t0, $0, 0
}

#[test]
fn add_traps_on_overflow() {
    let (negative, positive) = (0x0129_4020, 0x0108_4020); // add $t0, $t1, $t1; add $t0, $t0, $t0
    let quadruple = 0x0008_4080; // sll $t0, $t0, 2: 0x48d1_59e0
    for (word, result) in [(negative, 0x2000_0000), (positive, 0x91a2_b3c0)] {
        for isa in [Isa::Mips1, Isa::Mips32r2] {
            assert_eq!(reason(isa, &[quadruple, word]), Reason::Overflow);
        }
        assert_eq!(run(&[quadruple, word | 1]).0.gpr[T0], result); // addu
    }
}

#[test]
fn stores_reach_memory() {
    assert_eq!(run(&[SW]).1.0[&0x8fff_fffc], 0x1234_5678);
}

#[test]
fn branches_have_a_delay_slot() {
    let addiu = 0x254a_0001; // addiu $t2, $t2, 1
    let table = [
        ("beq  $t0, $t0, +2", 0x1108_0002, true),
        ("beq  $t0, $t1, +2", 0x1109_0002, false),
        ("bne  $t0, $t1, +2", 0x1509_0002, true),
        ("bne  $t0, $t0, +2", 0x1508_0002, false),
        ("bltz $t1, +2", 0x0520_0002, true),
        ("bltz $t0, +2", 0x0500_0002, false),
        ("j    0x8000000c", 0x0800_0003, true),
    ];
    for (text, branch, taken) in table {
        // The second addiu, at PC + 8, is jumped over
        let (cpu, _, result) = run(&[branch, addiu, addiu, addiu]);
        assert_eq!(result, Ok(Stop::At(PC + 16)), "{text}");
        let expected = if taken { 2 } else { 3 };
        assert_eq!(cpu.gpr[T2], 0xffff_0001 + expected, "{text}");
        assert_eq!(cpu.executed, 1 + u64::from(expected), "{text}");
    }
    // Backwards: t2 = -5; do t2 += 1 while t2 < 0, with t2 += 1 in the delay slot of each round, the last one too
    let (cpu, ..) = run(&[0x240a_fffb, addiu, 0x0540_fffe, addiu]);
    assert_eq!((cpu.gpr[T2], cpu.executed), (1, 10));
    assert_eq!(reason(Isa::Mips32r2, &[0x1108_0002, 0x1108_0002]), Reason::BranchInDelaySlot);
    assert_eq!(reason(Isa::Mips32r2, &[0x1108_0002, ERET]), Reason::BranchInDelaySlot);
}

#[test]
fn mtc0_writes_what_can_be_written() {
    let writes = |isa, words: &[u32]| run_on(isa, words).0.cp0;
    assert_eq!(writes(Isa::Mips32r2, &[MTC0])[Register::EntryLo0], 0x0234_5678);
    assert_eq!(writes(Isa::Mips1, &[MTC0])[Register::EntryLo0], 0x1234_5600);
    // mtc0 $t0, Context leaves the page that the processor put there
    assert_eq!(writes(Isa::Mips32r2, &[0x4088_2000])[Register::Context], 0x123f_ff90);
    assert_eq!(writes(Isa::Mips1, &[0x4088_2000])[Register::Context], 0x123f_ff90 & 0x1f_ffff | 0x1220_0000);
    // Random, BadVAddr; a register that is not there
    for (word, number) in [(0x4088_0800, 1), (0x4088_4000, 8), (0x4008_3000, 6)] {
        assert_eq!(reason(Isa::Mips32r2, &[word]), Reason::Cp0(number));
    }
    assert_eq!(reason(Isa::Mips1, &[0x4008_1800]), Reason::Cp0(3)); // mfc0 $t0, EntryLo1
}

#[test]
fn tlb_writes_take_what_the_registers_hold() {
    let index = 0x408a_0000; // mtc0 $t2, Index
    let (cpu, _, result) = run(&[MTC0, index, EHB, TLBWI, TLBWR]);
    assert_eq!(result, Ok(Stop::At(PC + 20)));
    let write = |which| TlbWrite { which, entry_hi: 0, entry_lo: [0x0234_5678, 0] };
    assert_eq!(cpu.tlb_writes, [write(Which::Index(1)), write(Which::Random)]);
}

#[test]
fn mips32_needs_a_barrier_before_a_tlb_write() {
    assert_eq!(reason(Isa::Mips32r2, &[MTC0, TLBWR]), Reason::Hazard);
    assert_eq!(reason(Isa::Mips32r2, &[MTC0, EHB, MTC0, NOP, NOP, TLBWI]), Reason::Hazard);
    assert_eq!(run_on(Isa::Mips1, &[MTC0, TLBWR]).2, Ok(Stop::At(PC + 8)));
}

#[test]
fn mips1_needs_an_instruction_behind_a_load() {
    let use_it = 0x0109_5026; // xor $t2, $t0, $t1
    for load in [LW, MFC0] {
        assert_eq!(reason(Isa::Mips1, &[load, use_it]), Reason::LoadDelay(T0 as u8));
        assert_eq!(run_on(Isa::Mips1, &[load, NOP, use_it]).2, Ok(Stop::At(PC + 12)));
        assert_eq!(run_on(Isa::Mips32r2, &[load, use_it]).2, Ok(Stop::At(PC + 8)));
        // Also into the delay slot of a branch
        assert_eq!(reason(Isa::Mips1, &[NOP, load, 0x1508_0001]), Reason::LoadDelay(T0 as u8)); // bne $t0, $t0, +1
    }
}

#[test]
fn eret_returns_at_once() {
    let (mut cpu, mut memory) = (Cpu::new(Isa::Mips32r2, PC), program(&[ERET]));
    cpu.cp0[Register::Epc] = 0x0040_0010;
    assert_eq!(cpu.clone().step(&mut memory), Err(Fault { at: PC, reason: Reason::NoException }));
    cpu.cp0[Register::Status] = 0x16; // UM, ERL, EXL
    assert_eq!(cpu.clone().step(&mut memory), Err(Fault { at: PC, reason: Reason::NoException }));
    cpu.cp0[Register::Status] = 0x12;
    assert_eq!(cpu.run(&mut memory, &[], 10), Ok(Stop::Returned(0x0040_0010)));
    assert_eq!((cpu.cp0[Register::Status], cpu.executed), (0x10, 1));
}

#[test]
fn rfe_returns_with_its_jump() {
    // jr $t1; rfe
    let (mut cpu, mut memory) = (Cpu::new(Isa::Mips1, PC), program(&[0x0120_0008, RFE]));
    cpu.gpr[T1] = 0x0040_0010;
    cpu.cp0[Register::Status] = 0x1000_002c; // old: 10, previous: 11, current: 00
    assert_eq!(cpu.run(&mut memory, &[], 10), Ok(Stop::Returned(0x0040_0010)));
    assert_eq!((cpu.cp0[Register::Status], cpu.executed), (0x1000_002b, 2));
    // Elsewhere it is not the return
    assert_eq!(run_on(Isa::Mips1, &[RFE, NOP]).2, Ok(Stop::At(PC + 8)));
}

#[test]
fn the_processors_differ() {
    let ins = 0x7d48_8104;
    for word in [ins, ERET] {
        assert_eq!(reason(Isa::Mips1, &[word]), Reason::Reserved(word));
    }
    assert_eq!(reason(Isa::Mips32r2, &[RFE]), Reason::Reserved(RFE));
}

#[test]
fn what_it_does_not_know_stops_it() {
    // rotr; ins with its last bit before its first; mfc0 with a select; jr.hb; tlbp; lb; sub; all ones
    let unknown = [0x002a_44c2, 0x7d48_0104, 0x4008_2001, 0x0120_0408, 0x4200_0008, 0x8128_0004, 0x010a_4022, u32::MAX];
    for word in unknown {
        assert_eq!(reason(Isa::Mips32r2, &[word]), Reason::Reserved(word));
    }
    assert_eq!(reason(Isa::Mips32r2, &[0x8d28_0005]), Reason::Unaligned(0x9000_0005));
    assert_eq!(reason(Isa::Mips32r2, &[0x8d28_0008]), Reason::Load(0x9000_0008));
    assert_eq!(reason(Isa::Mips32r2, &[0xad28_0008]), Reason::Store(0x9000_0008));
    assert_eq!(reason(Isa::Mips32r2, &[0x1000_ffff, NOP]), Reason::Limit(100)); // b .
    let (_, _, result) = run(&[0x0120_0008, NOP, NOP]); // jr $t1: nothing is there
    assert_eq!(result, Err(Fault { at: 0x9000_0000, reason: Reason::Fetch }));
}
