//! Walks through the pages of a working set: which page each access goes to. The program `walk` takes them, and the host tool counts.
//!
//! Every pattern is the same in every run.

/// Accesses of a span, [`Span::Walk`](crate::markers::Span::Walk): as many addresses as fit into a page.
pub const CHUNK: u32 = 1024;
/// Instructions of a span for each access, where everything is in the hardware TLB.
pub const INSTRUCTIONS: u32 = 5;
/// The smallest working set, in pages.
pub const SMALLEST: u32 = 16;
/// The largest.
pub const LARGEST: u32 = 16_384;

/// An order of accesses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Pattern {
    /// One page after the other, again and again.
    Sequential,
    /// All pages in a fixed scattered order, again and again.
    Permuted,
    /// Any page, all equally likely.
    Uniform,
    /// Three of four accesses go to an eighth of the pages, which lie scattered; the others go to any.
    Local,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Pattern; 4] = [Pattern::Sequential, Pattern::Permuted, Pattern::Uniform, Pattern::Local];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Pattern::Sequential => "sequential",
            Pattern::Permuted => "permuted",
            Pattern::Uniform => "uniform",
            Pattern::Local => "local",
        }
    }
}

/// The pages of a walk, without end: numbers from 0.
#[derive(Clone, Debug)]
pub struct Walk {
    pattern: Pattern,
    /// Pages of the working set, a power of two.
    pages: u32,
    /// Accesses so far, modulo the pages.
    step: u32,
    /// The state of xorshift32 (G. Marsaglia, "Xorshift RNGs", 2003), never 0.
    random: u32,
}

impl Walk {
    /// A walk through `pages` pages, a power of two from [`SMALLEST`] on.
    ///
    /// # Panics
    /// With any other number of pages.
    pub fn new(pattern: Pattern, pages: u32) -> Walk {
        assert!(pages.is_power_of_two() && pages >= SMALLEST, "a working set of {pages} pages");
        Walk { pattern, pages, step: 0, random: 2_463_534_242 }
    }

    fn random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random
    }

    /// Scatters the numbers below that of the pages: both steps can be undone, so no two come to the same. (There is no multiplication
    /// in it: the compiler may put one too close behind another for an R3000.)
    fn scatter(&self, mut n: u32) -> u32 {
        for shift in [1, 1, 1, 3] {
            n = n.wrapping_add(n << shift) & (self.pages - 1);
            n ^= n >> (self.pages.ilog2() / 2);
        }
        n
    }
}

impl Iterator for Walk {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let step = self.step;
        self.step = (step + 1) & (self.pages - 1);
        Some(match self.pattern {
            Pattern::Sequential => step,
            Pattern::Permuted => self.scatter(step),
            Pattern::Uniform => self.random() & (self.pages - 1),
            Pattern::Local => {
                let among = if self.random() & 3 == 0 { self.pages } else { self.pages / 8 };
                let n = self.random() & (among - 1);
                self.scatter(n)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    /// How often each page is met in so many accesses, most often first.
    fn frequencies(pattern: Pattern, pages: u32, accesses: u32) -> Vec<u32> {
        let mut times = vec![0; pages as usize];
        Walk::new(pattern, pages).take(accesses as usize).for_each(|page| times[page as usize] += 1);
        times.sort_unstable_by(|a, b| b.cmp(a));
        times
    }

    #[test]
    fn a_cycle_meets_each_page_once_and_then_begins_again() {
        for pattern in [Pattern::Sequential, Pattern::Permuted] {
            for pages in (SMALLEST.ilog2()..=LARGEST.ilog2()).map(|bits| 1 << bits) {
                assert!(frequencies(pattern, pages, pages).iter().all(|&times| times == 1), "{pattern:?}, {pages}");
                let walk: Vec<u32> = Walk::new(pattern, pages).take(2 * pages as usize).collect();
                assert_eq!(walk[..pages as usize], walk[pages as usize..]);
            }
        }
    }

    #[test]
    fn a_permuted_cycle_has_few_neighbours() {
        let walk: Vec<u32> = Walk::new(Pattern::Permuted, 1024).take(1024).collect();
        let near = walk.windows(2).filter(|two| two[0].abs_diff(two[1]) <= 8).count();
        assert!(near < 50, "{near} of 1023 steps lead to a near page");
    }

    #[test]
    fn random_accesses_are_spread_as_they_say() {
        let (pages, accesses) = (1024, 1 << 20);
        let uniform = frequencies(Pattern::Uniform, pages, accesses);
        assert!(uniform[0] < 1200 && uniform[1023] > 850, "{} to {} of 1024", uniform[1023], uniform[0]);
        let local = frequencies(Pattern::Local, pages, accesses);
        let hot: u32 = local[..128].iter().sum();
        let share = f64::from(hot) / f64::from(accesses);
        // Three quarters, and an eighth of the rest
        assert!((0.776..0.786).contains(&share), "{share} of the accesses go to the hot pages");
        assert!(local[127] > 5 * local[128], "the hot pages are not hot");
    }
}
