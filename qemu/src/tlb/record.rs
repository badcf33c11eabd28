//! What was seen of a run: its TLB misses and, where somebody asked for it, one path through the kernel instruction by instruction.
//!
//! This is what `./x tlb --json` prints and what the page of `--html` is made of. Addresses and words are plain numbers; instructions are
//! counted as everywhere (`aegis_counter`): those begun.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format: it changes when a field's meaning does.
pub const FORMAT: u32 = 1;

/// A run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the machine: `malta` or `decstation`.
    pub machine: String,
    /// Program and arguments.
    pub program: String,
    /// Shape of the tables.
    pub shape: Shape,
    /// The environments that missed, by number.
    pub environments: BTreeMap<u32, Environment>,
    /// Instructions of the whole run.
    pub instructions: u64,
    /// The misses in the order in which they began.
    pub misses: Vec<Miss>,
    /// One path instruction by instruction.
    pub walk: Option<Walk>,
}

impl Record {
    /// A record of one path alone.
    pub fn of_walk(machine: &str, program: &str, shape: Shape, walk: Walk) -> Record {
        Record {
            format: FORMAT,
            machine: machine.to_owned(),
            program: program.to_owned(),
            shape,
            environments: BTreeMap::new(),
            instructions: walk.steps.len() as u64,
            misses: Vec::new(),
            walk: Some(walk),
        }
    }
}

/// Shape of a machine's tables, and how its registers are laid out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// Slots of the STLB's table.
    pub slots: u32,
    /// Entries of the overflow buffer.
    pub overflow: u32,
    /// Bytes of an entry of both.
    pub entry_bytes: u32,
    /// Pages that an entry maps, of the STLB and of the hardware TLB: 1 or 2.
    pub pages_per_entry: u32,
    /// Entries of the hardware TLB.
    pub tlb_entries: u32,
    /// The first so many of which a refill never replaces.
    pub tlb_wired: u32,
    /// Context: the bits of the process tag.
    pub tag_mask: u32,
    /// Context: lowest bit of the page (pair) number.
    pub vpn_shift: u32,
    /// EntryHi: lowest bit of the address space identifier.
    pub asid_shift: u32,
}

/// An environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// Its process tag, as the register Context holds it: the bits of [`Shape::tag_mask`].
    pub tag: u32,
}

/// Who answered a miss.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Path {
    /// The STLB's table.
    Hit,
    /// The overflow buffer.
    Overflow,
    /// A guaranteed mapping.
    Guaranteed,
    /// The application, by an upcall; it repeated the access.
    Upcall,
    /// Nobody: the application has no handler, or its handler did not repeat the access.
    Refused,
}

impl Path {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Path; 5] = [Path::Hit, Path::Overflow, Path::Guaranteed, Path::Upcall, Path::Refused];

    /// For a reader.
    pub fn title(self) -> &'static str {
        match self {
            Path::Hit => "STLB hit",
            Path::Overflow => "overflow buffer",
            Path::Guaranteed => "guaranteed mapping",
            Path::Upcall => "upcall to the application",
            Path::Refused => "refused",
        }
    }
}

/// What the program wanted to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Execute the instruction there.
    Fetch,
    /// Load.
    Load,
    /// Store.
    Store,
}

/// A miss of the hardware TLB.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Miss {
    /// Its number, from 1.
    pub n: u32,
    /// Instructions of the run before it.
    pub at: u64,
    /// EPC: address of the instruction, or of the branch before it if it stands in a delay slot.
    pub pc: u32,
    /// Function, file and line of `pc`, if they are known.
    pub symbol: Option<String>,
    /// BadVAddr: the address.
    pub address: u32,
    /// What was to be done there.
    pub access: Access,
    /// Number of the environment.
    pub environment: u32,
    /// The register Context: process tag and page (pair).
    pub context: u32,
    /// The slot of the STLB's table in which that is looked for.
    pub slot: u32,
    /// The vector at which the kernel was entered: the refill vector, or the general one where the hardware TLB has the pair, but not this half.
    pub vector: u32,
    /// Who answered.
    pub path: Path,
    /// Instructions in the kernel, from the vector to the first instruction of a program's.
    pub kernel: u64,
    /// Instructions until the access was repeated, the program's own handler and the misses and calls meanwhile included; `None` if it never was.
    pub instructions: Option<u64>,
    /// How many misses it happened in the handling of.
    pub depth: u32,
    /// Markers (`aegis_counter`) whose span was open.
    pub spans: Vec<u16>,
    /// What was written to the hardware TLB for it, and where; `None` if nothing was, or it could not be told.
    pub loaded: Option<TlbEntry>,
    /// What left the hardware TLB for it, if anything valid did.
    pub evicted: Option<TlbEntry>,
    /// The line of the STLB's table that had to make room for it, and went to the overflow buffer.
    pub displaced: Option<u32>,
    /// The line (its Context) that the overflow buffer dropped for that.
    pub dropped: Option<u32>,
    /// Entries of table and overflow buffer that changed since the miss before this one was met, before this one was.
    pub stlb_before: Vec<StlbEntry>,
    /// Entries of the hardware TLB that changed since the miss before this one was met, before this one was.
    pub tlb_before: Vec<TlbEntry>,
}

/// An entry of the STLB's table or of the overflow buffer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StlbEntry {
    /// Slot of the table; from [`Shape::slots`] on: of the overflow buffer.
    pub place: u32,
    /// Its tag, a Context register; `None`: it is empty.
    pub context: Option<u32>,
    /// Its EntryLo words: as many as it maps pages; fewer where they could not be seen.
    pub lo: Vec<u32>,
}

/// An entry of the hardware TLB.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TlbEntry {
    /// Its place.
    pub index: u32,
    /// Environment and first address that it maps; `None`: nothing.
    pub maps: Option<Mapping>,
}

/// What an entry of the hardware TLB maps.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mapping {
    /// Number of the environment.
    pub environment: u32,
    /// The first address.
    pub address: u32,
    /// EntryLo0 and EntryLo1, or EntryLo alone.
    pub lo: Vec<u32>,
}

/// A path, instruction by instruction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Walk {
    /// What it is, for a reader: `Miss 7: STLB hit`, or `An integer overflow, to its handler and back`.
    pub title: String,
    /// The number of the miss that it is of, if it is of one.
    pub miss: Option<u32>,
    /// General registers (`zero` to `ra`, `hi`, `lo`) before the first step.
    pub registers: BTreeMap<String, u32>,
    /// Registers of coprocessor 0 before the first step, by the manual's names: `Status`, `Cause`, `EPC`, `BadVAddr`, `Context`, `EntryHi`,
    /// `EntryLo0` and `EntryLo1` (R3000: `EntryLo`), `Index`, `Random` where it is known.
    pub cp0: BTreeMap<String, u32>,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One instruction, executed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Where it stands.
    pub address: u32,
    /// Its label or function, and the offset: `stlb_refill+0x4`.
    pub symbol: Option<String>,
    /// Its word.
    pub word: u32,
    /// Disassembled: `mfc0 $k0, Context`.
    pub text: String,
    /// It is the kernel's.
    pub kernel: bool,
    /// It stands in the delay slot of the instruction before it.
    pub delay_slot: bool,
    /// Where it stands in the source, and what is said of it there.
    pub source: Option<Source>,
    /// General registers that changed, with their new values.
    pub registers: BTreeMap<String, u32>,
    /// Registers of coprocessor 0 that changed, with their new values.
    pub cp0: BTreeMap<String, u32>,
    /// The memory that it loads from or stores to.
    pub memory: Option<Memory>,
    /// It writes the hardware TLB: what stands there afterwards.
    pub tlb: Option<TlbEntry>,
}

/// A place in the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// File, from the project's root.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// The instruction as it is written there, or the line of Rust.
    pub text: String,
    /// The comment beside it: what it is for.
    pub comment: Option<String>,
}

/// A word of memory that an instruction uses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Its address.
    pub address: u32,
    /// What stands there, for a reader: `stlb_table[3041].lo0`, `overflow[2].tag`, `DISPATCHER+0x200`.
    pub what: Option<String>,
    /// It is stored to.
    pub store: bool,
}
