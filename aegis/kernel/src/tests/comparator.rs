//! The clock's comparator, on a processor that the host takes away.

use crate::comparator::{Comparator, Jitter, arm};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};

/// A period of Malta's clock in real time, in counts of 6 ns; and what the host takes.
const PERIOD: u32 = 651_041;
const FOUR_MS: u32 = 666_667;
const SECOND: u32 = 166_666_667;
/// A host that was stopped for so long that the difference looks negative, if it has a sign.
const FIFTEEN_SECONDS: u32 = 2_500_000_000;
/// Counts of an instruction.
const INSTRUCTION: u32 = 3;

/// A processor's Count and Compare. Before each access Count goes on, as the host has it.
struct Model {
    count: Cell<u32>,
    compare: Cell<u32>,
    requested: Cell<bool>,
    /// What is taken before the accesses to come, and before all after these.
    taken: RefCell<Vec<u32>>,
    always: u32,
    accesses: Cell<usize>,
}

impl Model {
    fn new(count: u32, taken: &[u32], always: u32) -> Model {
        Model {
            count: Cell::new(count),
            compare: Cell::new(count),
            requested: Cell::new(true),
            taken: RefCell::new(taken.iter().rev().copied().collect()),
            always,
            accesses: Cell::new(0),
        }
    }

    /// Lets Count go on. Where it meets Compare on the way, there is a request.
    fn pass(&self, counts: u32) {
        let left = self.compare.get().wrapping_sub(self.count.get());
        if (1..=counts).contains(&left) {
            self.requested.set(true);
        }
        self.count.set(self.count.get().wrapping_add(counts));
    }

    fn access(&self) {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < 1000, "the kernel spins");
        let taken = self.taken.borrow_mut().pop().unwrap_or(self.always);
        self.pass(INSTRUCTION + taken);
    }

    /// Counts until there is a request, if the host takes no more.
    fn wait(&self) -> u64 {
        match self.compare.get().wrapping_sub(self.count.get()) {
            _ if self.requested.get() => 0,
            0 => 1 << 32,
            left => left.into(),
        }
    }
}

impl Comparator for Model {
    fn count(&self) -> u32 {
        self.access();
        self.count.get()
    }

    fn compare(&self) -> u32 {
        self.access();
        self.compare.get()
    }

    fn set_compare(&self, value: u32) {
        self.access();
        self.compare.set(value);
        self.requested.set(false);
    }

    fn is_requested(&self) -> bool {
        self.access();
        self.requested.get()
    }
}

/// The start of a clock, and a tick, which was noticed `late` counts after it.
const PATHS: [fn(&Model, u32); 2] = [
    |model, _| _ = arm(model, model.count(), PERIOD),
    |model, late| {
        model.pass(late);
        let _ = arm(model, model.compare(), PERIOD);
    },
];

#[test]
fn a_tick_comes_within_a_period_wherever_the_host_takes_the_processor_away() {
    for path in PATHS {
        for taken in [1, PERIOD / 2, PERIOD - 8, PERIOD, FOUR_MS, SECOND, FIFTEEN_SECONDS, u32::MAX - 3] {
            for late in [0, 100, PERIOD - 1, PERIOD, SECOND] {
                for place in 0..12 {
                    let mut all = vec![0; place];
                    all.push(taken);
                    for count in [0, 1 << 31, u32::MAX - PERIOD, u32::MAX] {
                        let model = Model::new(count, &all, 0);
                        path(&model, late);
                        let wait = model.wait();
                        // Where a tick was late, two attempts may fail: one by itself.
                        let periods = if late > 100 { 2 } else { 1 };
                        let limit = u64::from(periods * PERIOD);
                        assert!(wait <= limit, "{taken} at {place}, {late} late: {wait}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_tick_comes_in_the_end_where_every_access_takes_longer_than_a_period() {
    for path in PATHS {
        for always in [PERIOD, FOUR_MS, SECOND] {
            let model = Model::new(77, &[], always);
            path(&model, 0);
            let wait = model.wait();
            assert!(wait <= u64::from(4 * always + PERIOD), "{always} at each access: {wait}");
        }
    }
}

#[test]
fn ticks_keep_their_distance_and_those_that_are_over_are_counted() {
    let model = Model::new(1000, &[], 0);
    assert_eq!(arm(&model, 1000, PERIOD), 1);
    assert_eq!(model.compare.get(), 1000 + PERIOD);
    // A quick answer: two accesses, and the next deadline counts from the last.
    let before = model.accesses.get();
    model.pass(PERIOD + 50);
    assert_eq!(arm(&model, 1000 + PERIOD, PERIOD), 1);
    assert_eq!((model.compare.get(), model.accesses.get() - before), (1000 + 2 * PERIOD, 2));
    model.pass(5 * PERIOD);
    assert_eq!(arm(&model, 1000 + 2 * PERIOD, PERIOD), 5);
    assert_eq!(model.compare.get(), 1000 + 7 * PERIOD);
    assert!(model.wait() <= PERIOD.into());
}

/// Ticks are counted as time passes, however late each is noticed.
#[test]
fn all_ticks_are_counted() {
    for late in [0, 100, PERIOD - 200, PERIOD, 3 * PERIOD + 5, SECOND] {
        let model = Model::new(0, &[], 0);
        let mut counted = 0;
        arm(&model, 0, PERIOD);
        for _ in 0..20 {
            model.pass(model.compare.get().wrapping_sub(model.count.get()) + late);
            counted += arm(&model, model.compare.get(), PERIOD);
            // The next one has yet to come.
            let passed = model.count.get() / PERIOD;
            assert!(counted.abs_diff(passed) <= 1, "{counted} of {passed} ticks, {late} late");
        }
    }
}

proptest! {
    #[test]
    fn ticks_that_are_moved_are_as_many(seed: u32, range in 1..PERIOD) {
        let (mut jitter, mut now, mut places) = (Jitter::new(seed), 0u64, std::collections::BTreeSet::new());
        for tick in 1..200u64 {
            let counts;
            (counts, jitter) = jitter.next(PERIOD, range);
            now += u64::from(counts);
            let late = now - tick * u64::from(PERIOD);
            prop_assert!(late < u64::from(range) && (seed != 0 || late == 0), "tick {tick} is late by {late}");
            places.insert(late);
        }
        prop_assert!(seed == 0 || range < 64 || places.len() > 32, "they fall on {places:?}");
    }

    #[test]
    fn a_tick_comes_soon_whatever_the_host_takes(
        count: u32,
        late in 0..SECOND,
        tick: bool,
        taken in prop::collection::vec(prop_oneof![0..PERIOD, 0..SECOND, Just(FIFTEEN_SECONDS)], 0..6),
    ) {
        let model = Model::new(count, &taken, 0);
        PATHS[usize::from(tick)](&model, late);
        let longest = u64::from(PERIOD) << taken.len();
        prop_assert!(model.wait() <= longest, "{} counts", model.wait());
    }
}
