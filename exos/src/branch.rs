//! Where a branch goes: needed to continue after an instruction in a branch delay slot, where the exception program
//! counter names the branch.
//!
//! Covers every branch and jump of MIPS32 release 2 (MIPS I is a part of it).

/// What a branch does when its delay slot has been executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Address of the next instruction. Its bit 0 selects MIPS16e code, as in the processor.
    pub next: u32,
    /// The register that receives the return address, and its value.
    pub link: Option<(usize, u32)>,
}

/// Why an outcome is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// The word is no branch or jump.
    NotABranch,
    /// It depends on a condition of a coprocessor, which cannot be seen from here.
    Coprocessor,
}

const RA: usize = 31;

/// The outcome of the branch `word` at `pc`, given the general registers as they were when its delay slot faulted.
///
/// A delay slot of a "likely" branch is executed only when the branch is taken, so a fault in it answers the condition.
pub fn outcome(word: u32, pc: u32, registers: &[u32; 32]) -> Result<Outcome, Unknown> {
    let rs_number = (word >> 21 & 31) as usize;
    let rt_number = (word >> 16 & 31) as usize;
    let value = |number: usize| if number == 0 { 0 } else { registers[number] };
    let (rs, rt) = (value(rs_number), value(rt_number));
    let (behind, return_address) = (pc.wrapping_add(4), pc.wrapping_add(8));
    let offset = i32::from(word as u16 as i16) << 2;
    let region = behind & 0xf000_0000 | (word & 0x03ff_ffff) << 2;

    let go = |next: u32, link: Option<usize>| Ok(Outcome { next, link: link.map(|number| (number, return_address)) });
    let branch = |taken: bool, link: Option<usize>| {
        go(if taken { behind.wrapping_add_signed(offset) } else { return_address }, link)
    };

    match word >> 26 {
        // SPECIAL: jr and jalr, with or without the hazard barrier
        0 => match word & 0x3f {
            8 => go(rs, None),
            9 => go(rs, Some((word >> 11 & 31) as usize).filter(|&number| number != 0)),
            _ => Err(Unknown::NotABranch),
        },
        // REGIMM
        1 => match rt_number {
            0 => branch((rs as i32) < 0, None),
            1 => branch((rs as i32) >= 0, None),
            2 | 3 => branch(true, None),
            16 => branch((rs as i32) < 0, Some(RA)),
            17 => branch((rs as i32) >= 0, Some(RA)),
            18 | 19 => branch(true, Some(RA)),
            _ => Err(Unknown::NotABranch),
        },
        2 => go(region, None),
        3 => go(region, Some(RA)),
        4 => branch(rs == rt, None),
        5 => branch(rs != rt, None),
        6 if rt_number == 0 => branch(rs as i32 <= 0, None),
        7 if rt_number == 0 => branch(rs as i32 > 0, None),
        // bc1f, bc1t, bc1fl, bc1tl and their like of coprocessor 2; bit 1 of the field nd/tf says "likely"
        17 | 18 if rs_number == 8 && word & 1 << 17 != 0 => branch(true, None),
        17 | 18 if rs_number == 8 => Err(Unknown::Coprocessor),
        20 | 21 => branch(true, None),
        22 | 23 if rt_number == 0 => branch(true, None),
        // jalx: on in MIPS16e code
        29 => go(region | 1, Some(RA)),
        _ => Err(Unknown::NotABranch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PC: u32 = 0x0100_2000;
    const TAKEN: u32 = PC + 4 - 0x40;
    const NOT_TAKEN: u32 = PC + 8;

    /// A branch back by 16 instructions with `rs` = $5 and the given opcode and field `rt`.
    fn word(opcode: u32, rt: u32) -> u32 {
        opcode << 26 | 5 << 21 | rt << 16 | 0xfff0
    }

    fn next(word: u32, a1: u32, a2: u32) -> Result<Outcome, Unknown> {
        let mut registers = [0xdead_0000; 32];
        registers[5] = a1;
        registers[6] = a2;
        outcome(word, PC, &registers)
    }

    #[track_caller]
    fn goes(result: Result<Outcome, Unknown>, address: u32, link: bool) {
        assert_eq!(result, Ok(Outcome { next: address, link: link.then_some((31, PC + 8)) }));
    }

    #[test]
    fn compare_two_registers() {
        for (opcode, on_equal) in [(4, true), (5, false)] {
            goes(next(word(opcode, 6), 7, 7), if on_equal { TAKEN } else { NOT_TAKEN }, false);
            goes(next(word(opcode, 6), 7, 8), if on_equal { NOT_TAKEN } else { TAKEN }, false);
        }
        // `b` is `beq $0, $0`, whatever stands in the array for $0
        goes(next(4 << 26 | 0xfff0, 0, 0), TAKEN, false);
    }

    #[test]
    fn compare_with_zero() {
        // (opcode, rt, links, taken for -1, 0, 1)
        for (opcode, rt, link, taken) in [
            (6, 0, false, [true, true, false]),
            (7, 0, false, [false, false, true]),
            (1, 0, false, [true, false, false]),
            (1, 1, false, [false, true, true]),
            (1, 16, true, [true, false, false]),
            (1, 17, true, [false, true, true]),
        ] {
            for (value, taken) in [u32::MAX, 0, 1].into_iter().zip(taken) {
                goes(next(word(opcode, rt), value, 0), if taken { TAKEN } else { NOT_TAKEN }, link);
            }
        }
    }

    #[test]
    fn likely_means_taken() {
        // beql, bnel, blezl, bgtzl, bltzl, bgezl, bltzall, bgezall: taken whatever the registers now hold
        for (opcode, rt, link) in [
            (20, 6, false),
            (21, 6, false),
            (22, 0, false),
            (23, 0, false),
            (1, 2, false),
            (1, 3, false),
            (1, 18, true),
            (1, 19, true),
        ] {
            for value in [u32::MAX, 0, 1] {
                goes(next(word(opcode, rt), value, 1), TAKEN, link);
            }
        }
    }

    #[test]
    fn jumps() {
        goes(next(2 << 26 | 0x0012_3456, 0, 0), 0x0048_d158, false);
        goes(next(3 << 26 | 0x0012_3456, 0, 0), 0x0048_d158, true);
        // jalx goes on in MIPS16e code
        goes(next(29 << 26 | 0x0012_3456, 0, 0), 0x0048_d159, true);
        // the region is that of the delay slot
        assert_eq!(outcome(2 << 26 | 1, 0x0fff_fffc, &[0; 32]).map(|o| o.next), Ok(0x1000_0004));
        // jr, jr.hb
        for hint in [0, 0x10 << 6] {
            goes(next(5 << 21 | hint | 8, 0x0123_4567, 0), 0x0123_4567, false);
        }
        // jalr with any link register, jalr.hb
        for hint in [0, 0x10 << 6] {
            goes(next(5 << 21 | 31 << 11 | hint | 9, 0x0123_4564, 0), 0x0123_4564, true);
        }
        let outcome = next(5 << 21 | 16 << 11 | 9, 0x0123_4564, 0);
        assert_eq!(outcome, Ok(Outcome { next: 0x0123_4564, link: Some((16, PC + 8)) }));
        let outcome = next(5 << 21 | 9, 0x0123_4564, 0);
        assert_eq!(outcome, Ok(Outcome { next: 0x0123_4564, link: None }));
    }

    #[test]
    fn coprocessor_conditions() {
        for opcode in [17, 18] {
            let bc = |nd_tf: u32| opcode << 26 | 8 << 21 | nd_tf << 16 | 0xfff0;
            for false_or_true in [0, 1] {
                assert_eq!(next(bc(false_or_true), 0, 0), Err(Unknown::Coprocessor));
                goes(next(bc(2 | false_or_true), 0, 0), TAKEN, false);
                // the same with condition code 5
                goes(next(bc(5 << 2 | 2 | false_or_true), 0, 0), TAKEN, false);
            }
        }
    }

    #[test]
    fn other_words() {
        // nop, syscall, break, addiu, lw, sw, add, mfc1, reserved opcode, tgei, synci
        for word in [
            0,
            0x0c,
            0x0d,
            9 << 26,
            35 << 26,
            43 << 26,
            0x20,
            17 << 26,
            63 << 26,
            1 << 26 | 8 << 16,
            1 << 26 | 31 << 16,
        ] {
            assert_eq!(next(word, 0, 0), Err(Unknown::NotABranch), "{word:#010x}");
        }
    }
}
