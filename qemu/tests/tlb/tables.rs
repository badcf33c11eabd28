//! The tables that `./x tlb` follows, against the guest's memory and GXemul's TLB.

use super::{of_span, watched};
use aegis_host::board::Board;
use aegis_host::cargo::Workspace;
use aegis_host::listing::Listing;
use aegis_host::machine::Machine;
use aegis_host::tlb::record::{Path, Record, StlbEntry, TlbEntry};
use aegis_host::tlb::step::gxemul::Dialogue;
use aegis_host::tlb::step::{Debugger, start};
use aegis_host::tlb::watch::Watched;
use exos_checks::markers::Span;
use std::collections::BTreeMap;

/// The tables as they are when a miss is met: what has changed up to it, in order.
fn replayed(record: &Record, n: u32) -> (BTreeMap<u32, StlbEntry>, BTreeMap<u32, TlbEntry>) {
    let upto = &record.misses[..n as usize];
    let stlb = upto.iter().flat_map(|miss| miss.stlb_before.clone()).map(|entry| (entry.place, entry)).collect();
    let tlb = upto.iter().flat_map(|miss| miss.tlb_before.clone()).map(|entry| (entry.index, entry)).collect();
    (stlb, tlb)
}

/// The STLB in the guest's memory, when miss `n` is met, is the one that was followed.
fn tables(machine: Machine, n: u32, debugger: &mut dyn Debugger) -> BTreeMap<u32, TlbEntry> {
    let Watched { record, prepared, .. } = watched(machine);
    let upto = &record.misses[..n as usize];
    let vector = machine.vectors().refill;
    assert_eq!(upto.last().unwrap().vector, vector);
    debugger.break_at(vector).unwrap();
    for _ in upto.iter().filter(|miss| miss.vector == vector) {
        debugger.go_on().unwrap();
    }
    let listing = Listing::read(&Workspace::find(false).unwrap().root, machine, &prepared.kernel).unwrap();
    let words = record.shape.entry_bytes as usize / 4;
    let entries = (record.shape.slots + record.shape.overflow) as usize;
    let memory = debugger.words(listing.symbol("stlb_table").unwrap(), entries * words).unwrap();
    let (stlb, tlb) = replayed(record, n);
    let mut lines = 0;
    for (place, words) in memory.chunks_exact(words).enumerate() {
        let followed = stlb.get(&(place as u32)).and_then(|entry| Some((entry.context?, entry.lo.clone())));
        let there = (words[0] != 1).then(|| (words[0], words[1..=record.shape.pages_per_entry as usize].to_vec()));
        assert_eq!(followed, there, "place {place} of the STLB at miss {n}");
        lines += usize::from(there.is_some());
    }
    assert!(lines > 50, "{lines} lines in the STLB");
    tlb
}

/// A miss when much stands in the table, after it was flushed and lines were displaced: the last of those that the table alone answers.
fn late(record: &Record) -> u32 {
    of_span(record, Span::StlbHits).filter(|miss| miss.path == Path::Hit).last().unwrap().n
}

#[test]
fn the_tables_on_malta_are_those_that_were_followed() {
    let Watched { record, prepared, .. } = watched(Machine::Malta);
    let mut debugger = start(&Workspace::find(false).unwrap(), Machine::Malta, prepared).unwrap();
    tables(Machine::Malta, late(record), &mut *debugger);
}

#[test]
fn the_tables_on_decstation_are_those_that_were_followed() {
    let Watched { record, prepared, .. } = watched(Machine::Decstation);
    let board = Board {
        machine: Machine::Decstation,
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        ..Board::default()
    };
    let mut dialogue = Dialogue::start(&Workspace::find(false).unwrap(), &board).unwrap();
    // Each stop takes some hundredths of a second.
    let n = record.misses.iter().find(|miss| miss.path == Path::Hit && miss.n > 150).unwrap().n;
    let tlb = tables(Machine::Decstation, n, &mut dialogue);
    let shown = dialogue.ask(&["tlbdump"]).unwrap().concat();
    let mut live = 0;
    for line in shown.lines().filter(|line| line.contains(": ") && !line.contains("cpu0")) {
        let (index, entry) = line.trim().split_once(": ").unwrap();
        let index = u32::from_str_radix(index, 16).unwrap();
        let followed = tlb.get(&index).and_then(|entry| entry.maps.clone());
        let field = |name: &str| {
            let at = entry.find(name)? + name.len();
            let digits: String = entry[at..].chars().take_while(char::is_ascii_hexdigit).collect();
            u32::from_str_radix(&digits, 16).ok()
        };
        let there = field("vaddr=0x").filter(|_| !entry.contains("invalid"));
        assert_eq!(followed.as_ref().map(|maps| maps.address), there, "TLB entry {index} at miss {n}: {line}");
        live += usize::from(there.is_some());
        if let Some(maps) = followed {
            assert_eq!(Some(maps.lo[0] & 0xffff_f000), field("paddr=0x"), "TLB entry {index}: {line}");
        }
    }
    assert!(live > 20, "{live} live entries: {shown}");
}
