//! Paths that never were, instruction by instruction: a refill on Malta, and the start of an exception on the DECstation.

use aegis_host::tlb::record::{FORMAT, Mapping, Memory, Miss, Record, Shape, Source, Step, TlbEntry, Walk};
use std::collections::BTreeMap;
use stlb::{Geometry, Mips32, R3000, SLOTS};

type Values<'a> = &'a [(&'a str, u32)];

fn values(values: Values<'_>) -> BTreeMap<String, u32> {
    values.iter().map(|&(name, value)| (name.to_owned(), value)).collect()
}

/// An instruction and what it is for, without any effect yet.
fn step(address: u32, symbol: &str, text: &str, comment: &str) -> Step {
    let source = Source {
        file: "stlb/src/refill.rs".to_owned(),
        line: 30 + (address & 0xff) / 4,
        text: text.trim_start().to_owned(),
        comment: (!comment.is_empty()).then(|| comment.to_owned()),
    };
    Step {
        address,
        symbol: Some(symbol.to_owned()),
        word: 0,
        text: text.trim_start().to_owned(),
        kernel: address >= 0x8000_0000,
        delay_slot: text.starts_with(' '),
        source: Some(source),
        registers: BTreeMap::new(),
        cp0: BTreeMap::new(),
        memory: None,
        tlb: None,
    }
}

fn load(address: u32, what: String) -> Option<Memory> {
    Some(Memory { address, what: Some(what), store: false })
}

/// The refill of a miss that the table answers, from the access that misses to its repetition.
pub fn refill(miss: &Miss, lo: [u32; 2]) -> Walk {
    const TABLE: u32 = 0x8014_0000;
    let hash = Mips32::hash(miss.context, SLOTS);
    let entry = TABLE + hash.offset;
    let name = |word: &str| format!("stlb_table[{}].{word}", miss.slot);
    let k0 = |value| values(&[("k0", value)]);
    let k1 = |value| values(&[("k1", value)]);
    let at = |n: u32, text: &str, comment: &str| {
        step(0x8000_0000 + 4 * n, &format!("stlb_refill+{:#x}", 4 * n), text, comment)
    };
    let mapping = Mapping { environment: miss.environment, address: Mips32::va(miss.context), lo: lo.to_vec() };
    let access = || step(miss.pc, "sample::touch+0x20", "lw $v0, 8($a0)", "the access that misses");
    let cp0 = values(&[
        ("Status", 0x1000_ff13),
        ("Cause", 2 << 2),
        ("EPC", miss.pc),
        ("BadVAddr", miss.address),
        ("Context", miss.context),
        ("EntryHi", Mips32::va(miss.context) | miss.environment),
    ]);
    let steps = vec![
        Step { cp0, ..access() },
        Step {
            registers: k0(miss.context),
            ..at(0, "mfc0 $k0, Context", "k0 = Context: process tag and page pair that missed")
        },
        Step { registers: k1(hash.tag), ..at(1, "srl $k1, $k0, 19", "k1 = process tag, down to the slot bits") },
        Step { registers: k0(hash.page), ..at(2, "srl $k0, $k0, 4", "k0 = number of the page pair") },
        Step { registers: k0(hash.mixed), ..at(3, "xor $k0, $k0, $k1", "combine them: the hash") },
        Step { registers: k1(TABLE), ..at(4, "lui $k1, 0x8014", "k1 = table, aligned to its size") },
        Step { registers: k1(entry), ..at(5, "ins $k1, $k0, 4, 13", "k1 = &table[hash]") },
        Step {
            registers: k0(lo[0]),
            memory: load(entry + 4, name("lo0")),
            ..at(6, "lw $k0, 4($k1)", "k0 = entry.lo0")
        },
        Step {
            cp0: values(&[("EntryLo0", lo[0])]),
            ..at(7, "mtc0 $k0, EntryLo0", "on trust: the tag is compared below")
        },
        Step {
            registers: k0(lo[1]),
            memory: load(entry + 8, name("lo1")),
            ..at(8, "lw $k0, 8($k1)", "k0 = entry.lo1")
        },
        Step { cp0: values(&[("EntryLo1", lo[1])]), ..at(9, "mtc0 $k0, EntryLo1", "") },
        Step {
            registers: k1(miss.context),
            memory: load(entry, name("tag")),
            ..at(10, "lw $k1, 0($k1)", "k1 = entry.tag")
        },
        Step { registers: k0(miss.context), ..at(11, "mfc0 $k0, Context", "k0 = Context, again") },
        at(12, "bne $k0, $k1, stlb_miss", "another process or page: not here"),
        at(13, " ehb", "hazard: EntryLo before tlbwr"),
        Step {
            tlb: Some(TlbEntry { index: 7, maps: Some(mapping) }),
            ..at(14, "tlbwr", "load both pages in place of a random entry")
        },
        Step { cp0: values(&[("Status", 0x1000_ff11)]), ..at(15, "eret", "back to user mode: repeat the access") },
        Step { registers: values(&[("v0", 0x1234)]), ..access() },
    ];
    let registers =
        values(&[("zero", 0), ("v0", 0), ("a0", miss.address - 8), ("k0", 0x55), ("k1", 0x66), ("sp", 0x7fff_e000)]);
    let cp0 = values(&[("Status", 0x1000_ff11), ("Cause", 0), ("EPC", 0x0100_0444), ("EntryLo0", 0), ("EntryLo1", 0)]);
    Walk { title: format!("Miss {}: STLB hit", miss.n), miss: Some(miss.n), registers, cp0, steps }
}

/// A run of which nothing but an exception was recorded.
pub fn exception() -> Record {
    let at = |n: u32, text: &str, comment: &str| {
        step(0x8000_0080 + 4 * n, &format!("general_vector+{:#x}", 4 * n), text, comment)
    };
    let cp0 = values(&[("Status", 0x1000_ff0c), ("Cause", 0x8000_0000 | 12 << 2), ("EPC", 0x0100_0200)]);
    let handler = 0x0100_0400;
    let steps = vec![
        Step { cp0, ..step(0x0100_0204, "main+0x204", " add $v0, $a0, $a1", "overflows, in a delay slot") },
        Step { registers: values(&[("k0", 0x8000_0030)]), ..at(0, "mfc0 $k0, Cause", "what has happened?") },
        Step { registers: values(&[("k1", 0x8010_0000)]), ..at(1, "lui $k1, 0x8010", "") },
        Step {
            registers: values(&[("k0", handler)]),
            memory: load(0x8010_0030, "dispatch[12]".to_owned()),
            ..at(2, "lw $k0, 0x30($k1)", "k0 = handler for that")
        },
        at(3, "jr $k0", "to the handler"),
        Step { cp0: values(&[("Status", 0x1000_ff03)]), ..at(4, " rfe", "back to user mode") },
        step(handler, "handler", "addiu $sp, $sp, -16", "the program's own code"),
    ];
    let walk = Walk {
        title: "An integer overflow, to its handler".to_owned(),
        miss: None,
        registers: values(&[("a0", 0x7fff_ffff), ("a1", 1), ("k0", 0), ("k1", 0), ("sp", 0x7fff_e000)]),
        cp0: values(&[("Status", 0x1000_ff03), ("Cause", 0), ("EPC", 0), ("Context", R3000::context(0x2a95_1000, 0))]),
        steps,
    };
    Record {
        format: FORMAT,
        machine: "decstation".to_owned(),
        program: "sample".to_owned(),
        shape: Shape {
            slots: SLOTS as u32,
            overflow: 8,
            entry_bytes: 8,
            pages_per_entry: 1,
            tlb_entries: 64,
            tlb_wired: 8,
            tag_mask: R3000::TAG_MASK,
            vpn_shift: R3000::VPN_SHIFT,
            asid_shift: R3000::ASID_SHIFT,
        },
        environments: BTreeMap::new(),
        instructions: 5_000,
        misses: Vec::new(),
        walk: Some(walk),
    }
}
