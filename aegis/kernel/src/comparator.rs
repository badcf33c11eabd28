//! A clock made of a counter and a register that it is compared with, such as Count and Compare of a
//! MIPS32 processor.
//!
//! The comparator matches once, when the counter reaches the register. A deadline that is written
//! when the counter has already passed it stays unseen until the counter has gone all the way round,
//! 2^32 counts later. And the counter may pass it at any moment: where the processor is emulated,
//! the host may take it away between any two instructions, for milliseconds or for seconds. So a
//! deadline is never only written: [`arm`] is the one function that sets one, and it looks again.

/// The counter, the register, and the request that the comparator makes.
pub trait Comparator {
    /// The counter. It wraps around.
    fn count(&self) -> u32;

    /// The register.
    fn compare(&self) -> u32;

    /// Sets the register and withdraws the request. Both have taken effect when this returns.
    fn set_compare(&self, value: u32);

    /// Is there a request: has the counter met the register since that was set?
    fn is_requested(&self) -> bool;
}

/// Where ticks fall that are moved, each by itself: so that they come at other instructions, and as many
/// in the long run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jitter {
    /// The state of xorshift32 (G. Marsaglia, "Xorshift RNGs", 2003); 0: no tick is moved.
    pub random: u32,
    /// Counts by which the last tick came too late.
    pub late: u32,
}

impl Jitter {
    /// Of the ticks that follow from a seed; 0: none is moved.
    pub const fn new(seed: u32) -> Jitter {
        Jitter { random: seed, late: 0 }
    }

    /// Counts from the last tick to the next one, which is late by less than `range`, and what is next.
    #[must_use]
    pub fn next(self, period: u32, range: u32) -> (u32, Jitter) {
        let mut random = self.random;
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        // The upper bits, by a multiplication: a shift register's lower ones are poor.
        let late = ((u64::from(random) * u64::from(range)) >> u32::BITS) as u32;
        (period + late - self.late, Jitter { random, late })
    }
}

/// Withdraws the request and arms the comparator for the next tick: `period` counts after `last`,
/// or, where the counter has passed that, a whole number of periods after it. For the ticks in
/// between there are no requests; how many periods there are from `last` to the next tick is
/// returned, so that whoever adds this up counts them all.
///
/// When it returns, there is a request, or there will be one within a period. Each time that the
/// counter was faster than an attempt adds at most as much as the attempts before.
pub fn arm(comparator: &impl Comparator, last: u32, period: u32) -> u32 {
    // The longest wait for the deadline that is tried.
    let mut longest = period;
    let mut next = last.wrapping_add(period);
    loop {
        comparator.set_compare(next);
        let now = comparator.count();
        // Unsigned: however far the counter has gone on, a deadline behind it does not look near.
        let ahead = (1..=longest).contains(&next.wrapping_sub(now));
        if ahead || comparator.is_requested() {
            return next.wrapping_sub(last) / period;
        }
        // The counter was faster. It is given more time with each attempt, so that one succeeds
        // even if each takes longer than a period.
        next = now.wrapping_add(longest - now.wrapping_sub(last) % period);
        longest = longest.saturating_mul(2).min(1 << 31);
    }
}
