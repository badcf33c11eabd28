//! Numbers that look random, the same for the same seed.

/// Marsaglia's xorshift, 32 bits.
pub struct Random(u32);

impl Random {
    /// The sequence of a seed. Seeds that are near each other give sequences that have nothing in common.
    pub fn new(seed: u32) -> Random {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    pub fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        self.next() % bound
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.below(n) == 0
    }

    pub fn choose<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    /// One of those, if there are any.
    pub fn any<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(self.choose(from)) }
    }
}
