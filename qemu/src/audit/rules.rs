//! What may not stand in code for the R3000.
//!
//! Source: G. Kane, MIPS RISC Architecture, chapters 2 (delayed instructions) and A (the instruction set).

use super::COMPILER_HAZARDS;
use super::code::Code;
use super::instruction::{Decoded, Next};
use std::collections::BTreeMap;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A word that is no instruction of MIPS I, or one of a coprocessor that is not there.
    Unknown,
    /// An instruction of the kernel's in a program.
    Privileged,
    /// The instruction after a load uses its result.
    LoadDelay,
    /// A load in the delay slot of a jump through a register: nobody knows what its target uses.
    LoadInJumpSlot,
    /// HI or LO is written within two instructions after it was read.
    HiLo,
    /// A branch in the delay slot of another.
    BranchInSlot,
    /// A branch that is the last instruction.
    NoSlot,
    /// A jump out of the 64 MB around it, which GXemul gets wrong.
    FarJump,
}

impl Kind {
    /// A name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Unknown => "unknown",
            Kind::Privileged => "privileged",
            Kind::LoadDelay => "load-delay",
            Kind::LoadInJumpSlot => "load-in-jump-slot",
            Kind::HiLo => "hi-lo",
            Kind::BranchInSlot => "branch-in-slot",
            Kind::NoSlot => "no-slot",
            Kind::FarJump => "far-jump",
        }
    }

    /// A line for people.
    pub fn text(self) -> &'static str {
        match self {
            Kind::Unknown => "this is no instruction of the R3000",
            Kind::Privileged => "this instruction is the kernel's, and stands in a program",
            Kind::LoadDelay => "the second uses what the first loads, which arrives one instruction later",
            Kind::LoadInJumpSlot => {
                "the jump's target may use what is loaded in its delay slot, which arrives one later"
            }
            Kind::HiLo => "the last writes HI or LO within two instructions after the first has read them",
            Kind::BranchInSlot => "the second is a branch in the delay slot of the first",
            Kind::NoSlot => "this branch has no delay slot",
            Kind::FarJump => "this jump leaves the 64 MB around it, which GXemul gets wrong",
        }
    }
}

/// A place where something is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The first instruction's address.
    pub address: u32,
    /// The instructions, disassembled.
    pub lines: Vec<String>,
}

/// What an audit has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Audit {
    /// How many instructions there are.
    pub instructions: usize,
    /// How many of them load a register, from memory or a coprocessor.
    pub loads: usize,
    /// How many do nothing.
    pub nops: usize,
    /// How many were looked at with indulgence, as asked for where they stand.
    pub exempt: usize,
    /// What is against the rules.
    pub violations: Vec<Finding>,
    /// HI/LO hazards in functions that the compiler has made.
    pub hazards: Vec<Finding>,
}

impl Audit {
    /// Is no rule broken, and does the compiler not do worse than is known?
    pub fn is_passed(&self) -> bool {
        self.violations.is_empty() && self.hazards.len() <= COMPILER_HAZARDS
    }
}

/// The instructions, and which may follow which.
struct Flow<'a> {
    code: &'a Code,
    decoded: BTreeMap<u32, Decoded>,
}

impl<'a> Flow<'a> {
    fn new(code: &'a Code) -> Flow<'a> {
        let decoded = code.words.iter().map(|(&address, &word)| (address, Decoded::new(address, word))).collect();
        Flow { code, decoded }
    }

    /// The branch in whose delay slot an address is.
    fn branch_before(&self, address: u32) -> Option<Decoded> {
        let before = address.checked_sub(4)?;
        self.decoded.get(&before).copied().filter(|decoded| decoded.is_branch() && self.counts(before))
    }

    /// Is this word meant to be executed as it stands?
    fn counts(&self, address: u32) -> bool {
        !self.code.exempt.contains(&address)
    }

    /// What may be executed next after the instruction at `address`; `Unknown` after the delay slot of a jump through a register.
    fn next(&self, address: u32) -> Next {
        match self.branch_before(address).and_then(Decoded::branches_to) {
            Some(next) => next,
            None => Next::To(vec![address.wrapping_add(4)]),
        }
    }

    /// The instructions that may be executed next, as far as that is known.
    fn successors(&self, address: u32) -> impl Iterator<Item = (u32, Decoded)> {
        let next = match self.next(address) {
            Next::To(next) => next,
            Next::Unknown => Vec::new(),
        };
        next.into_iter().filter_map(|next| Some((next, *self.decoded.get(&next)?)))
    }

    fn finding(&self, kind: Kind, addresses: &[u32]) -> Finding {
        let lines = addresses.iter().map(|address| self.decoded[address].line()).collect();
        Finding { kind, address: addresses[0], lines }
    }

    /// Is the function at `address` the compiler's work? Its name is mangled, or one that `compiler_builtins` has to use. What we
    /// write in assembly has plain names.
    fn is_compiled(&self, address: u32) -> bool {
        self.code.symbol(address).is_some_and(|name| ["_R", "_ZN", "__"].iter().any(|start| name.starts_with(start)))
    }
}

/// Audits code.
pub fn check(code: &Code) -> Audit {
    let flow = Flow::new(code);
    let is_program = code.is_program();
    let mut audit = Audit { instructions: flow.decoded.len(), ..Audit::default() };
    for (&address, &decoded) in &flow.decoded {
        audit.nops += usize::from(decoded.is_nop());
        if !flow.counts(address) {
            audit.exempt += 1;
            continue;
        }
        let mut violation = |kind, addresses: &[u32]| audit.violations.push(flow.finding(kind, addresses));
        if !decoded.is_known() {
            violation(Kind::Unknown, &[address]);
            continue;
        }
        if is_program && decoded.is_kernels() {
            violation(Kind::Privileged, &[address]);
        }
        if decoded.is_branch() {
            match flow.decoded.get(&address.wrapping_add(4)) {
                None => violation(Kind::NoSlot, &[address]),
                Some(slot) if slot.is_branch() => violation(Kind::BranchInSlot, &[address, address + 4]),
                Some(_) => {}
            }
            if decoded.jump_target().is_some_and(|target| (target ^ address.wrapping_add(4)) >> 26 != 0) {
                violation(Kind::FarJump, &[address]);
            }
        }
        let loaded = decoded.loads();
        if loaded != 0 {
            audit.loads += 1;
            if flow.next(address) == Next::Unknown {
                violation(Kind::LoadInJumpSlot, &[address - 4, address]);
            }
            for (next, user) in flow.successors(address) {
                // `lwl` and `lwr` know of each other.
                let merges = user.merges(loaded) && !decoded.is_partial_load();
                if user.reads() & loaded != 0 || merges {
                    violation(Kind::LoadDelay, &[address, next]);
                }
            }
        }
        if decoded.reads_hi_lo() {
            for (second, instruction) in flow.successors(address) {
                if instruction.writes_hi_lo() {
                    note_hazard(&flow, &mut audit, &[address, second]);
                }
                for (third, _) in flow.successors(second).filter(|(_, instruction)| instruction.writes_hi_lo()) {
                    note_hazard(&flow, &mut audit, &[address, second, third]);
                }
            }
        }
    }
    audit
}

fn note_hazard(flow: &Flow<'_>, audit: &mut Audit, addresses: &[u32]) {
    let finding = flow.finding(Kind::HiLo, addresses);
    if flow.is_compiled(addresses[0]) { &mut audit.hazards } else { &mut audit.violations }.push(finding);
}
