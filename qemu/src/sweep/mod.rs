//! How the software TLB behaves: the program `walk` goes through working sets of pages, on kernels with tables of different sizes, with
//! overflow buffers of 8 entries and of two, and its misses are counted and sorted by who answered them.
//!
//! Everything is counted in instructions begun, and no clock ticks, so a sweep on Malta is the same each time, to the instruction, and
//! one on the DECstation too. On Malta the kernel refills as the feature `faithful` has it: QEMU then shows the 16 entries
//! of the hardware. The DECstation has its 64, of which a refill replaces 56. Misses of the walk's own code, and of its list of addresses,
//! are misses like others, as they are in any program.

mod plot;
mod stays;

pub use plot::plot;

use crate::cargo::Workspace;
use crate::counted::{self, Wanted};
use crate::counts::Counts;
use crate::machine::Machine;
use anyhow::{Context, Result, ensure};
use exos_checks::markers::Span;
use exos_checks::walk::{CHUNK, INSTRUCTIONS, LARGEST, Pattern};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The program.
const PROGRAM: &str = "walk";
/// Longest time that a run may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Entries of the overflow buffers that are measured: the usual 8, and as few as a program gets on with ([`stlb::OVERFLOW`]: without any, it
/// does not).
const OVERFLOWS: [u32; 2] = [8, 2];

/// What was measured.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sweep {
    /// Every walk, in the order in which it was measured.
    pub points: Vec<Point>,
}

/// A walk through a working set: how many misses there were, who answered them, and what it all took.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Point {
    /// The machine's name.
    pub machine: String,
    /// Entries of the software TLB's table.
    pub slots: u32,
    /// Entries of the overflow buffer.
    pub overflow: u32,
    /// The order of accesses, by its name.
    pub pattern: String,
    /// Pages of the working set.
    pub pages: u32,
    /// Accesses to it.
    pub accesses: u64,
    /// Instructions beyond the walk's own: kernel, miss handler, and accesses that were begun again after a miss.
    pub instructions: u64,
    /// Misses of the hardware TLB, those included where the entry was there and its half of the pair invalid.
    pub misses: u64,
    /// Misses that the refill sequence answered from the software TLB's table.
    pub table_hits: u64,
    /// Misses answered from the overflow buffer.
    pub overflow_hits: u64,
    /// Misses that came to the program, which found the page in its page table.
    pub upcalls: u64,
    /// Misses in the guaranteed segment that the table did not answer: pages of the page table, and the library's pinned ones.
    pub guaranteed_segment: u64,
}

impl Point {
    /// What the misses cost, per access.
    pub fn instructions_per_access(&self) -> f64 {
        self.instructions as f64 / self.accesses as f64
    }

    /// Misses of the hardware TLB, per access.
    pub fn misses_per_access(&self) -> f64 {
        self.misses as f64 / self.accesses as f64
    }

    /// The part of the misses that table and overflow buffer answered; `None` where there were too few misses to tell.
    pub fn hit_rate(&self) -> Option<f64> {
        let enough = self.misses * 100 >= self.accesses;
        enough.then(|| (self.table_hits + self.overflow_hits) as f64 / self.misses as f64)
    }
}

/// What is measured on a machine.
struct Plan {
    /// Sizes of the table.
    slots: &'static [u32],
    /// The working sets grow by this factor, from the smallest to the largest.
    factor: u32,
    /// A pattern is walked unmeasured for so many accesses per slot and page of its entry, or once through the working set if that is less.
    /// Of slots that are met at random, e to the minus so manieth part is still as the pattern before has left it.
    warmup: u32,
    /// Spans measured of each walk.
    chunks: u32,
}

impl Plan {
    /// What three minutes suffice for. GXemul's trace has about a million instructions a second, so there the grid is coarser.
    fn new(machine: Machine, quick: bool) -> Plan {
        match (machine, quick) {
            (Machine::Malta, false) => Plan { slots: &[512, 1024, 2048, 4096, 8192], factor: 2, warmup: 8, chunks: 16 },
            (Machine::Malta, true) => Plan { slots: &[512, 8192], factor: 4, warmup: 4, chunks: 4 },
            (Machine::Decstation, false) => Plan { slots: &[512, 2048, 8192], factor: 4, warmup: 2, chunks: 1 },
            (Machine::Decstation, true) => Plan { slots: &[512], factor: 8, warmup: 1, chunks: 1 },
        }
    }
}

/// Measures. `quick` takes fewer sizes and accesses. `progress` is told what comes next.
///
/// # Errors
/// What could not be built, started, or counted.
pub fn run(workspace: &Workspace, machines: &[Machine], quick: bool, progress: &mut dyn FnMut(&str)) -> Result<Sweep> {
    let mut sweep = Sweep::default();
    for &machine in machines {
        let plan = Plan::new(machine, quick);
        for &slots in plan.slots {
            for overflow in OVERFLOWS {
                let table = Table { machine, slots, overflow };
                progress(&format!("{machine}: {table}"));
                let points = table.measure(workspace, &plan).with_context(|| format!("{machine}: {table}"))?;
                sweep.points.extend(points);
            }
        }
    }
    Ok(sweep)
}

/// A software TLB to be measured.
#[derive(Clone, Copy)]
struct Table {
    machine: Machine,
    slots: u32,
    overflow: u32,
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "software TLB of {} entries, overflow buffer of {}", self.slots, self.overflow)
    }
}

impl Table {
    /// The kernel's features, besides that for counting.
    fn features(&self) -> Vec<String> {
        let mut features = Vec::new();
        if self.machine == Machine::Malta {
            features.push("faithful".to_owned());
        }
        if self.slots as usize != stlb::SLOTS {
            features.push(format!("slots-{}", self.slots));
        }
        if self.overflow as usize != stlb::OVERFLOW {
            features.push(format!("overflow-{}", self.overflow));
        }
        features
    }

    /// Pages that the table can hold.
    fn reach(&self) -> u32 {
        match self.machine {
            Machine::Malta => 2 * self.slots,
            Machine::Decstation => self.slots,
        }
    }

    fn measure(&self, workspace: &Workspace, plan: &Plan) -> Result<Vec<Point>> {
        let features = self.features();
        let Plan { factor, warmup, chunks, .. } = *plan;
        let warmup = warmup * self.reach();
        let wanted = Wanted {
            machine: self.machine,
            features: &features.iter().map(String::as_str).collect::<Vec<_>>(),
            command_line: &format!("{PROGRAM} {LARGEST} {factor} {warmup} {chunks}"),
            limit: LIMIT,
        };
        let (text, counts) = counted::run(workspace, &wanted, |_| {})?;
        self.points(&text, &counts)
    }

    /// Makes points of what the program has said and of what was counted meanwhile.
    fn points(&self, text: &str, counts: &Counts) -> Result<Vec<Point>> {
        let vectors = self.machine.vectors();
        let refill = text.lines().find_map(|line| line.strip_prefix("walk of ")?.split(' ').next()?.parse().ok());
        let lengths = stays::Lengths {
            vectors,
            table_hit: refill.context("the walk does not say how long a refill is")?,
            upcall: stays::upcall_length(counts.shortest(Span::Miss.id())?, vectors)?,
        };
        let mut spans = counts.spans(Span::Walk.id());
        let mut points = Vec::new();
        for (pattern, pages, chunks) in text.lines().filter_map(parse_walk) {
            let mut point = Point {
                machine: self.machine.name().to_owned(),
                slots: self.slots,
                overflow: self.overflow,
                pattern: pattern.name().to_owned(),
                pages,
                ..Point::default()
            };
            for _ in 0..chunks {
                let tally = spans.next().context("there are fewer spans than the walk says")?;
                lengths.add(tally, &mut point)?;
                point.accesses += u64::from(CHUNK);
                point.instructions += tally.all() - u64::from(CHUNK * INSTRUCTIONS);
            }
            points.push(point);
        }
        ensure!(spans.next().is_none(), "there are more spans than the walk says");
        ensure!(!points.is_empty(), "there was no walk");
        Ok(points)
    }
}

/// Takes `walk PATTERN PAGES CHUNKS` apart.
fn parse_walk(line: &str) -> Option<(Pattern, u32, u32)> {
    let mut words = line.trim_end().strip_prefix("walk ")?.split(' ');
    let name = words.next()?;
    let pattern = Pattern::ALL.into_iter().find(|pattern| pattern.name() == name)?;
    Some((pattern, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}
