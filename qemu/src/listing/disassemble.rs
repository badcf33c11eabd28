//! Instructions as a reader of the processor's manual writes them.

use crate::machine::Machine;
use rabbitizer::{Instruction, InstructionDisplayFlags, InstructionFlags, IsaVersion, Vram};

/// Names of the general registers, by number.
pub const GENERAL: [&str; 32] = [
    "zero", "at", "v0", "v1", "a0", "a1", "a2", "a3", "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "s0", "s1", "s2",
    "s3", "s4", "s5", "s6", "s7", "t8", "t9", "k0", "k1", "gp", "sp", "fp", "ra",
];

/// The name that a processor's manual has for a register of coprocessor 0; `None` where it has no such register.
pub fn cp0_register(machine: Machine, number: u32, select: u32) -> Option<&'static str> {
    Some(match (number, select) {
        (0, 0) => "Index",
        (1, 0) => "Random",
        (2, 0) if machine.is_mips1() => "EntryLo",
        (4, 0) => "Context",
        (8, 0) => "BadVAddr",
        (10, 0) => "EntryHi",
        (12, 0) => "Status",
        (13, 0) => "Cause",
        (14, 0) => "EPC",
        (15, 0) => "PRId",
        _ if machine.is_mips1() => return None,
        (2, 0) => "EntryLo0",
        (3, 0) => "EntryLo1",
        (5, 0) => "PageMask",
        (6, 0) => "Wired",
        (7, 0) => "HWREna",
        (9, 0) => "Count",
        (11, 0) => "Compare",
        (15, 1) => "EBase",
        (16, 0) => "Config",
        (16, 1) => "Config1",
        (16, 2) => "Config2",
        (16, 3) => "Config3",
        (17, 0) => "LLAddr",
        (23, 0) => "Debug",
        (24, 0) => "DEPC",
        (30, 0) => "ErrorEPC",
        (31, 0) => "DESAVE",
        _ => return None,
    })
}

/// The instruction `word` at `address`, such as `mfc0 $k0, Context`; branches and jumps lead to an address. What is no instruction of the
/// machine's processor is a `.word`.
pub fn disassemble(machine: Machine, word: u32, address: u32) -> String {
    own(machine, word).unwrap_or_else(|| with_library(machine, word, address))
}

/// Where the branch or jump `word` at `address` leads, unless a register says that.
pub fn target(word: u32, address: u32) -> Option<u32> {
    let behind = address.wrapping_add(4);
    let is_branch = match word >> 26 {
        2 | 3 => return Some(behind & 0xf000_0000 | (word & 0x03ff_ffff) << 2),
        1 => matches!(word >> 16 & 31, 0..=3 | 0x10..=0x13),
        4..=7 | 0x14..=0x17 => true,
        0x11 => word >> 21 & 31 == 8,
        _ => false,
    };
    is_branch.then(|| behind.wrapping_add(((word as u16 as i16 as i32) << 2) as u32))
}

/// Does the instruction have a delay slot?
pub fn has_delay_slot(word: u32) -> bool {
    target(word, 0).is_some() || word >> 26 == 0 && matches!(word & 0x3f, 8 | 9)
}

fn with_library(machine: Machine, word: u32, address: u32) -> String {
    let version = if machine.is_mips1() { IsaVersion::MIPS_I } else { IsaVersion::MIPS_IV };
    let instruction = Instruction::new(word, Vram::new(address), InstructionFlags::new(version));
    if !instruction.is_valid() {
        return format!(".word {word:#010x}");
    }
    let flags = InstructionDisplayFlags::default().with_opcode_ljust(0).with_named_fpr(false);
    let target = target(word, address).map(|target| format!("{target:#010x}"));
    let text = instruction.display(&flags, target, 0).to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().replace("$s8", "$fp")
}

/// What the library does not know, or not by these names: coprocessor 0, what MIPS32 has beyond its forerunners, and two short names of the
/// assembler's.
fn own(machine: Machine, word: u32) -> Option<String> {
    let field = |low: u32| word >> low & 31;
    let [rs, rt, rd, sa] = [21, 16, 11, 6].map(field);
    let [s, t, d] = [rs, rt, rd].map(|register| GENERAL[register as usize]);
    let mips32 = !machine.is_mips1();
    Some(match (word >> 26, word & 0x3f) {
        (0x10, _) => return coprocessor_0(machine, word),
        (0, 0x21 | 0x25) if rt == 0 && sa == 0 => format!("move ${d}, ${s}"),
        (9, _) if rs == 0 => format!("li ${t}, {}", word as u16 as i16),
        (0xd, _) if rs == 0 => format!("li ${t}, {:#x}", word as u16),
        (0, 0) if word == 0x40 && mips32 => "ssnop".to_owned(),
        (0, 0) if word == 0xc0 && mips32 => "ehb".to_owned(),
        (0, 2) if rs == 1 && mips32 => format!("rotr ${d}, ${t}, {sa}"),
        (0, 6) if sa == 1 && mips32 => format!("rotrv ${d}, ${t}, ${s}"),
        (0, 8) if sa == 0x10 && mips32 => format!("jr.hb ${s}"),
        (1, _) if rt == 0x1f && mips32 => format!("synci {}(${s})", word as u16 as i16),
        (0x1c, function @ (0 | 1 | 4 | 5)) if mips32 && rd == 0 && sa == 0 => {
            let name = ["madd", "maddu", "", "", "msub", "msubu"][function as usize];
            format!("{name} ${s}, ${t}")
        }
        (0x1c, 2) if mips32 && sa == 0 => format!("mul ${d}, ${s}, ${t}"),
        (0x1c, 0x20) if mips32 && sa == 0 => format!("clz ${d}, ${s}"),
        (0x1c, 0x21) if mips32 && sa == 0 => format!("clo ${d}, ${s}"),
        (0x1c, 0x3f) if mips32 => format!("sdbbp {}", word >> 6 & 0xf_ffff),
        (0x1f, 0) if mips32 => format!("ext ${t}, ${s}, {sa}, {}", rd + 1),
        (0x1f, 4) if mips32 && rd >= sa => format!("ins ${t}, ${s}, {sa}, {}", rd - sa + 1),
        (0x1f, 0x20) if mips32 && rs == 0 => match sa {
            0x02 => format!("wsbh ${d}, ${t}"),
            0x10 => format!("seb ${d}, ${t}"),
            0x18 => format!("seh ${d}, ${t}"),
            _ => return None,
        },
        (0x1f, 0x3b) if mips32 && rs == 0 && sa == 0 => format!("rdhwr ${t}, ${rd}"),
        _ => return None,
    })
}

fn coprocessor_0(machine: Machine, word: u32) -> Option<String> {
    let [rs, rt, rd] = [21, 16, 11].map(|low| word >> low & 31);
    let t = GENERAL[rt as usize];
    let select = word & 7;
    if let 0 | 4 = rs
        && word & 0x7f8 == 0
    {
        let name = if rs == 0 { "mfc0" } else { "mtc0" };
        return Some(match cp0_register(machine, rd, select) {
            Some(register) => format!("{name} ${t}, {register}"),
            None if select == 0 => format!("{name} ${t}, ${rd}"),
            None => format!("{name} ${t}, ${rd}, {select}"),
        });
    }
    let name = match word {
        0x4200_0001 => "tlbr",
        0x4200_0002 => "tlbwi",
        0x4200_0006 => "tlbwr",
        0x4200_0008 => "tlbp",
        0x4200_0010 if machine.is_mips1() => "rfe",
        _ if machine.is_mips1() => return None,
        0x4200_0018 => "eret",
        0x4200_001f => "deret",
        _ if word & 0xfe00_003f == 0x4200_0020 => "wait",
        _ if word & 0xffe0_ffff == 0x4160_6000 => return Some(one_register("di", rt)),
        _ if word & 0xffe0_ffff == 0x4160_6020 => return Some(one_register("ei", rt)),
        _ => return None,
    };
    Some(name.to_owned())
}

/// `di`, or `di $v0`.
fn one_register(name: &str, register: u32) -> String {
    if register == 0 { name.to_owned() } else { format!("{name} ${}", GENERAL[register as usize]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Machine::{Decstation, Malta};

    #[test]
    fn registers_and_targets_have_names_and_addresses() {
        for (machine, word, text) in [
            (Malta, 0x401a_2000, "mfc0 $k0, Context"),
            (Malta, 0x409a_1000, "mtc0 $k0, EntryLo0"),
            (Decstation, 0x409a_1000, "mtc0 $k0, EntryLo"),
            (Decstation, 0x409a_1800, "mtc0 $k0, $3"),
            (Malta, 0x7f5b_8104, "ins $k1, $k0, 4, 13"),
            (Decstation, 0x7f5b_8104, ".word 0x7f5b8104"),
            (Malta, 0x0000_00c0, "ehb"),
            (Decstation, 0x0000_0000, "nop"),
            (Malta, 0x4200_0018, "eret"),
            (Decstation, 0x4200_0010, "rfe"),
            (Decstation, 0x4200_0018, ".word 0x42000018"),
            (Malta, 0x175b_0003, "bne $k0, $k1, 0x80000044"),
            (Malta, 0x0800_0042, "j 0x80000108"),
            (Malta, 0x1340_ffff, "beqz $k0, 0x80000034"),
            (Decstation, 0x0360_0008, "jr $k1"),
            (Malta, 0x8f5b_fff8, "lw $k1, -0x8($k0)"),
            (Malta, 0x3c1b_8012, "lui $k1, 0x8012"),
            (Malta, 0x3c1b_804e, "lui $k1, 0x804e"),
            (Malta, 0x4480_1000, "mtc1 $zero, $f2"),
            (Malta, 0x03a0_f025, "move $fp, $sp"),
            (Decstation, 0x03c0_e821, "move $sp, $fp"),
            (Malta, 0x8fbe_0010, "lw $fp, 0x10($sp)"),
            (Malta, 0x2403_fffb, "li $v1, -5"),
            (Malta, 0x7000_0800, ".word 0x70000800"),
        ] {
            assert_eq!(disassemble(machine, word, 0x8000_0034), text, "{word:#010x}");
        }
    }

    #[test]
    fn what_has_a_delay_slot_is_known() {
        for (word, has) in
            [(0x175b_0003, true), (0x0360_0008, true), (0x0800_0042, true), (0x4200_0018, false), (0, false)]
        {
            assert_eq!(has_delay_slot(word), has, "{word:#010x}");
        }
    }
}
