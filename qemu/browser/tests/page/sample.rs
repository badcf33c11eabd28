//! Runs that never were, but could have been: programs touch pages, the crate `stlb` remembers them, and what the recorder would have seen of
//! it is written down. Beside that stand the whole tables at each miss, which the page has to find by itself.

use aegis_host::tlb::record::{
    Access, Environment, FORMAT, Mapping, Miss, Path, Record, Shape, StlbEntry, TlbEntry, Walk,
};
use std::collections::BTreeMap;
use stlb::{Entry, Geometry, Lo, OVERFLOW, SLOTS, Stlb};

/// Where the general vector is does not matter to the page; only that it is not this one.
const REFILL_VECTOR: u32 = 0x8000_0000;
/// Below it lies the guaranteed segment.
const GUARANTEED_END: u32 = 0x0100_0000;
/// An address that nobody has.
const WILD: u32 = 0x6666_6000;

/// A run, and the tables as they were at each of its misses.
pub struct Sample {
    /// What the recorder would have made of it.
    pub record: Record,
    /// The entries that hold something, at each miss.
    pub tables: Vec<(Vec<StlbEntry>, Vec<TlbEntry>)>,
}

/// A machine whose TLBs are filled as the kernel would.
struct Simulation<G: Geometry> {
    stlb: Box<Stlb<G>>,
    tlb: Vec<Option<Mapping>>,
    environments: BTreeMap<u32, Environment>,
    shape: Shape,
    seed: u32,
    instructions: u64,
    misses: Vec<Miss>,
    tables: Vec<(Vec<StlbEntry>, Vec<TlbEntry>)>,
}

/// The run of a program on a machine with this geometry.
pub fn run<G: Geometry>(machine: &str, tlb_entries: u32, tlb_wired: u32, walk: Option<Walk>) -> Sample {
    let mut simulation = Simulation::<G>::new(tlb_entries, tlb_wired);
    simulation.program();
    let record = Record {
        format: FORMAT,
        machine: machine.to_owned(),
        program: "sample </script> & more".to_owned(),
        shape: simulation.shape,
        environments: simulation.environments,
        instructions: simulation.instructions,
        misses: simulation.misses,
        walk,
    };
    Sample { record, tables: simulation.tables }
}

impl<G: Geometry> Simulation<G> {
    fn new(tlb_entries: u32, tlb_wired: u32) -> Self {
        let shape = Shape {
            slots: SLOTS as u32,
            overflow: OVERFLOW as u32,
            entry_bytes: size_of::<G::Entry>() as u32,
            pages_per_entry: G::PAGES as u32,
            tlb_entries,
            tlb_wired,
            tag_mask: G::TAG_MASK,
            vpn_shift: G::VPN_SHIFT,
            asid_shift: G::ASID_SHIFT,
        };
        let tags = [(1, 0x2a95_1000u32), (2, 0x91c6_2000), (5, 0xd3ab_5000)];
        let environments = tags.map(|(number, pid)| (number, Environment { tag: pid & G::TAG_MASK }));
        Simulation {
            stlb: Box::new(Stlb::new()),
            tlb: vec![None; tlb_entries as usize],
            environments: environments.into(),
            shape,
            seed: 0x2545_f491,
            instructions: 180_000,
            misses: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// Three environments: one goes through much memory, and through pages that share a slot; one through little; one goes astray.
    fn program(&mut self) {
        let line = (G::PAGES as u32) << 12;
        let rival = line * SLOTS as u32;
        self.touch(1, 0x1000, Access::Load);
        for round in 0..3 {
            for page in 0..40 {
                self.touch(1, 0x0100_0000 + page / 8 * line + 0x7c, Access::Fetch);
                self.touch(1, 0x1000_0000 + page * 0x1000 + 0x10, Access::Store);
                if page % 4 == round {
                    self.touch(2, 0x0100_0000 + page * line, Access::Fetch);
                    self.touch(2, 0x7fff_f000 - page * 0x1000, Access::Load);
                }
            }
            for n in 0..12 {
                self.touch(1, 0x2000_0000 + n * rival + 8, Access::Load);
            }
            for n in [10, 11, 9, 10] {
                self.touch(1, 0x2000_0000 + n * rival + 8, Access::Load);
            }
            self.touch(5, 0x0100_0000, Access::Fetch);
            self.touch(5, WILD, Access::Store);
            self.unbind(1, 0x1000_0000 + round * line);
        }
    }

    fn random(&mut self, end: u32) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        self.seed % end
    }

    fn lookup(&self, environment: u32, va: u32) -> Option<usize> {
        let first = G::va(G::context(0, va));
        let is_it = |maps: &Mapping| maps.environment == environment && maps.address == first;
        self.tlb.iter().position(|entry| entry.as_ref().is_some_and(is_it))
    }

    fn touch(&mut self, environment: u32, va: u32, access: Access) {
        self.instructions += 40 + u64::from(self.random(300));
        let half = G::half(va);
        let found = self.lookup(environment, va);
        let is_valid = |maps: &Mapping| maps.lo.get(half).is_some_and(|&lo| lo != 0);
        if found.is_some_and(|index| self.tlb[index].as_ref().is_some_and(is_valid)) {
            return;
        }
        self.miss(environment, va, access, found);
    }

    /// Takes a line away from both TLBs.
    fn unbind(&mut self, environment: u32, va: u32) {
        self.stlb.replace(G::context(self.environments[&environment].tag, va), [Lo::INVALID; 2]);
        if let Some(index) = self.lookup(environment, va) {
            self.tlb[index] = None;
        }
    }

    fn miss(&mut self, environment: u32, va: u32, access: Access, live: Option<usize>) {
        let (stlb, tlb) = (self.stlb_entries(), self.tlb_entries());
        let (stlb_before, tlb_before) = self.changes(&stlb, &tlb);
        let context = G::context(self.environments[&environment].tag, va);
        let path = self.path(context, va);
        let (displaced, dropped) = self.answer(path, context, va);
        let registers = match path {
            Path::Guaranteed => {
                [0, 1].map(|half| if half == G::half(va) { G::entry_lo(Lo::writable(va >> 12)) } else { 0 })
            }
            _ => self.stlb.registers(context),
        };
        let (loaded, evicted) = match path {
            Path::Refused => (None, None),
            _ => self.load(environment, va, registers, live),
        };
        let kernel = self.kernel(path);
        self.instructions += kernel;
        self.misses.push(Miss {
            n: self.misses.len() as u32 + 1,
            at: self.instructions,
            pc: if access == Access::Fetch { va } else { 0x0100_0120 },
            symbol: (access != Access::Fetch).then(|| "sample::touch at src/main.rs:12".to_owned()),
            address: va,
            access,
            environment,
            context,
            slot: G::slot(context) as u32,
            vector: if live.is_some() { 0x8000_0180 } else { REFILL_VECTOR },
            path,
            kernel,
            instructions: (path != Path::Refused).then(|| kernel + if path == Path::Upcall { 290 } else { 0 }),
            depth: u32::from(path == Path::Guaranteed),
            spans: if path == Path::Upcall { vec![3] } else { Vec::new() },
            loaded,
            evicted,
            displaced,
            dropped,
            stlb_before,
            tlb_before,
        });
        self.tables.push((stlb, tlb));
    }

    fn path(&self, context: u32, va: u32) -> Path {
        let line = self.stlb.probe(context);
        match line.is_some_and(|line| line.lo[G::half(va)].v()) {
            true if self.stlb.is_in_overflow(context) => Path::Overflow,
            true => Path::Hit,
            false if va < GUARANTEED_END => Path::Guaranteed,
            false if va & !0xfff == WILD => Path::Refused,
            false => Path::Upcall,
        }
    }

    fn kernel(&mut self, path: Path) -> u64 {
        let jitter = u64::from(self.random(24));
        match path {
            Path::Hit if G::PAGES == 2 => 16,
            Path::Hit => 18,
            Path::Overflow => 32 + jitter % 8,
            Path::Guaranteed => 460 + jitter,
            Path::Upcall => 100 + jitter,
            Path::Refused => 240 + jitter,
        }
    }

    /// Lets the application bind the page, if it is asked. Gives the lines that had to leave the table, and the overflow buffer.
    fn answer(&mut self, path: Path, context: u32, va: u32) -> (Option<u32>, Option<u32>) {
        if path != Path::Upcall {
            return (None, None);
        }
        let occupant = self.place(G::slot(context)).context.filter(|&occupant| occupant != context);
        let pfn = 0x400 + self.random(0x3000);
        let lo = if va < 0x1000_0000 { Lo::read_only(pfn) } else { Lo::writable(pfn) };
        let dropped = self.stlb.insert(context, G::half(va), lo).evicted.map(|line| line.context);
        if let Some(context) = dropped {
            // What the kernel remembers nowhere may not stand in the hardware TLB.
            let tag = context & G::TAG_MASK;
            let owner = self.environments.iter().find(|(_, environment)| environment.tag == tag).expect("it is one's");
            self.unbind(*owner.0, G::va(context));
        }
        (occupant, dropped)
    }

    /// Writes the hardware TLB; gives what stands there now, and what was there.
    fn load(
        &mut self,
        environment: u32,
        va: u32,
        registers: [u32; 2],
        live: Option<usize>,
    ) -> (Option<TlbEntry>, Option<TlbEntry>) {
        let Shape { tlb_entries, tlb_wired, .. } = self.shape;
        let index = live.unwrap_or_else(|| (tlb_wired + self.random(tlb_entries - tlb_wired)) as usize);
        let maps = Mapping { environment, address: G::va(G::context(0, va)), lo: registers[..G::PAGES].to_vec() };
        let old = self.tlb[index].replace(maps.clone()).filter(|_| live.is_none());
        let entry = |maps| TlbEntry { index: index as u32, maps: Some(maps) };
        (Some(entry(maps)), old.map(entry))
    }

    /// An entry of table or overflow buffer, as its words are.
    fn place(&self, place: usize) -> StlbEntry {
        let word = |n: usize| self.stlb.word(place * size_of::<G::Entry>() + 4 * n).expect("there is an entry");
        let empty = <G::Entry as Entry>::EMPTY.tag().get();
        let context = Some(word(0)).filter(|&tag| tag != empty);
        let lo = if context.is_some() { (1..=G::PAGES).map(word).collect() } else { Vec::new() };
        StlbEntry { place: place as u32, context, lo }
    }

    fn stlb_entries(&self) -> Vec<StlbEntry> {
        (0..SLOTS + OVERFLOW).map(|place| self.place(place)).filter(|entry| entry.context.is_some()).collect()
    }

    fn tlb_entries(&self) -> Vec<TlbEntry> {
        let entries = (0u32..).zip(&self.tlb).map(|(index, maps)| TlbEntry { index, maps: maps.clone() });
        entries.filter(|entry| entry.maps.is_some()).collect()
    }

    /// What is another than at the miss before.
    fn changes(&self, stlb: &[StlbEntry], tlb: &[TlbEntry]) -> (Vec<StlbEntry>, Vec<TlbEntry>) {
        let (old_stlb, old_tlb) = self.tables.last().cloned().unwrap_or_default();
        let gone = |old: &&StlbEntry| !stlb.iter().any(|new| new.place == old.place);
        let emptied =
            old_stlb.iter().filter(gone).map(|old| StlbEntry { context: None, lo: Vec::new(), ..old.clone() });
        let stlb = stlb.iter().filter(|new| !old_stlb.contains(new)).cloned().chain(emptied).collect();
        let gone = |old: &&TlbEntry| !tlb.iter().any(|new| new.index == old.index);
        let emptied = old_tlb.iter().filter(gone).map(|old| TlbEntry { maps: None, ..old.clone() });
        let tlb = tlb.iter().filter(|new| !old_tlb.contains(new)).cloned().chain(emptied).collect();
        (stlb, tlb)
    }
}
