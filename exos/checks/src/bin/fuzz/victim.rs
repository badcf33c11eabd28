//! The victim: an environment with nothing to hide and something to lose. It holds a pattern in its registers, sums up its pages, and
//! counts; nothing that others do may show in that.

use alloc::string::String;
use alloc::vec::Vec;
use exos::abi::limits::{EXCEPTIONS, PAGE_BYTES, SLICES};
use exos::abi::{Lo, Mapping, Pid};
use exos::exposed::{Environment, Tables};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::schedule;
use exos_checks::raw::bare::{
    BINDINGS, COUNT, Entries, Entry, FAILED, GIVEN, GUARDED, LEFT, LIMIT, PLACES, Pages, STARTS, SUMS, WRONG,
    give_slice,
};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Where its pages are mapped: the first two under guaranteed mappings, the others it binds itself.
const MAPPED: [u32; GUARDED as usize] = [0x4000, 0x5000, 0x0100_0000, 0x0100_1000];
/// The one of these that the hostile environments may read.
const SHARED: usize = 3;
/// Ticks in which it must have had a slice: a revolution in which everybody else takes all the time that there is until he is destroyed.
const PATIENCE: u32 = SLICES as u32 * 4;

pub struct Victim {
    pub pid: Pid,
    pages: Pages,
    frames: Vec<Frame>,
    region: Region,
    sums: Vec<u32>,
    starts: u32,
    turns: u32,
    /// Starts at the last look at all.
    starts_before: u32,
    /// Ticks when it was last seen to have had one.
    since: u32,
    tables: Tables,
    /// Its number, and the frames of which it holds shares: it asks for none.
    number: usize,
    shares: u32,
}

fn word(page: u32, offset: u32) -> u32 {
    (page * PAGE_BYTES + offset + 1).wrapping_mul(0x9e37_79b9)
}

/// Frames of which an environment holds shares.
fn shares(tables: &Tables, number: usize) -> u32 {
    tables.frames.iter().map(|frame| (frame.sharers >> number & 1) as u32).sum()
}

impl Victim {
    pub fn new() -> Result<Victim, String> {
        let pages = get!(Pages::new());
        let region = get!(Region::reserve(GUARDED));
        let (mut frames, mut sums) = (Vec::new(), Vec::new());
        for page in 0..GUARDED {
            let frame = get!(Frame::any());
            get!(region.map(page, &frame, Rights::ReadWrite));
            let mut sum = 0u32;
            for offset in (0..PAGE_BYTES).step_by(4) {
                region.store(page * PAGE_BYTES + offset, word(page, offset));
                sum = sum.wrapping_add(word(page, offset));
            }
            pages.store(PLACES + 4 * page, MAPPED[page as usize]);
            pages.store(SUMS + 4 * page, sum);
            pages.store(BINDINGS + 4 * page, Lo::writable(frame.get()).0);
            frames.push(frame);
            sums.push(sum);
        }
        for n in (1..34).filter(|n| ![26, 27].contains(n)) {
            pages.store(GIVEN + 4 * n, word(99, n));
        }
        pages.store(LIMIT, 4);
        pages.store(LEFT, 4);
        let entries = Entries {
            init: Some(Entry::Guard),
            pro: Some(Entry::Prologue),
            epi: Some(Entry::Epilogue),
            ..Entries::default()
        };
        let mut env = pages.env(entries);
        env.xh = [Entry::Insert.address(); EXCEPTIONS];
        for page in 0..2 {
            env.xl[2 + page] = Mapping { va: MAPPED[page], lo: Lo::writable(frames[page].get()).0 };
        }
        let pid = get!(pages.start_under(&env));
        for frame in &frames[2..] {
            get!(frame.grant(pid, Some(Rights::ReadWrite)));
        }
        get!(give_slice(pid, 1));
        let tables = get!(Tables::map());
        let is_it = |record: &Environment| record.pid == pid.0;
        let number =
            get!(tables.environments.iter().position(|record| is_it(&record)).ok_or("the victim has no record"));
        let shares = shares(&tables, number);
        let since = schedule::ticks();
        let (starts, starts_before, turns) = (0, 0, 0);
        Ok(Victim { pid, pages, frames, region, sums, starts, starts_before, turns, since, tables, number, shares })
    }

    /// The frames that nobody else may have.
    pub fn private_frames(&self) -> Vec<u32> {
        let own = self.frames.iter().enumerate().filter(|&(n, _)| n != SHARED).map(|(_, frame)| frame.get());
        own.chain([self.pages.data_frame()]).collect()
    }

    /// The frame that the hostile environments may read.
    pub fn shared(&self) -> &Frame {
        &self.frames[SHARED]
    }

    /// How many turns it takes in a slice, unless that is over before.
    pub fn set_turns(&self, turns: u32) {
        self.pages.store(LIMIT, turns);
    }

    /// After a round: it has had its slices, and what it has seen is right.
    pub fn check(&mut self) -> Outcome {
        check_eq!(self.pages.load(FAILED), 0, "registers of the victim that have changed");
        check_eq!(self.pages.load(WRONG), 0, "wrong sums of the victim's pages");
        let (starts, now) = (self.pages.load(STARTS), schedule::ticks());
        if starts != self.starts {
            (self.starts, self.since) = (starts, now);
        }
        check!(now.wrapping_sub(self.since) < PATIENCE, "the victim had no slice in {PATIENCE} ticks");
        Ok(())
    }

    /// Now and then: its memory, and that it gets on.
    pub fn check_all(&mut self) -> Outcome {
        self.check()?;
        let starts = self.starts;
        for page in 0..GUARDED {
            for offset in (0..PAGE_BYTES).step_by(4) {
                let found = self.region.load(page * PAGE_BYTES + offset);
                check_eq!(found, word(page, offset), "word {offset:#x} of the victim's page {page}");
            }
            check_eq!(self.pages.load(SUMS + 4 * page), self.sums[page as usize], "the victim's data");
        }
        check_eq!(self.tables.environments.get(self.number).pid, self.pid.0, "the name of the victim's number");
        check_eq!(shares(&self.tables, self.number), self.shares, "frames that count as the victim's");
        let turns = self.pages.load(COUNT);
        let before = (self.turns, self.starts_before);
        check!(
            turns != self.turns || starts == self.starts_before,
            "slices of the victim, but no turn: {before:?}, {starts}"
        );
        (self.turns, self.starts_before) = (turns, starts);
        Ok(())
    }

    /// Slices and turns it had.
    pub fn told(&self) -> (u32, u32) {
        (self.starts, self.turns)
    }
}
