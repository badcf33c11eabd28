//! Marks: where in a table an environment may have something.
//!
//! A table is divided into stretches, and each environment has a bit for each. Whoever looks for
//! all that an environment has in the table looks at the marked stretches only, so that the cost
//! grows with what that environment has. A mark may be there without need, but is never missing.

use aegis_abi::limits::ENVS;

/// The marks of all environments in a table of `32 * WORDS` stretches.
pub struct Marks<const WORDS: usize>([[u32; WORDS]; ENVS]);

impl<const WORDS: usize> Marks<WORDS> {
    /// No marks.
    pub const NONE: Self = Marks([[0; WORDS]; ENVS]);

    /// Marks a stretch for environment `env`.
    #[inline]
    pub fn mark(&mut self, env: usize, stretch: usize) {
        // What is too large is a mistake; here, where misses pass, it costs no branch.
        debug_assert!(env < ENVS && stretch < 32 * WORDS);
        self.0[env % ENVS][stretch / 32 % WORDS] |= 1 << (stretch % 32);
    }

    /// Removes a mark: nothing of `env` is in the stretch.
    pub fn unmark(&mut self, env: usize, stretch: usize) {
        self.0[env][stretch / 32] &= !(1 << (stretch % 32));
    }

    /// Is a stretch marked for `env`?
    pub fn is_marked(&self, env: usize, stretch: usize) -> bool {
        self.0[env][stretch / 32] >> (stretch % 32) & 1 != 0
    }

    /// The first marked stretch of `env` that is not below `from`.
    pub fn next(&self, env: usize, from: usize) -> Option<usize> {
        let words = &self.0[env];
        let mut word = from / 32;
        let mut marks = words.get(word)? & !0 << (from % 32);
        while marks == 0 {
            word += 1;
            marks = *words.get(word)?;
        }
        Some(word * 32 + marks.trailing_zeros() as usize)
    }

    /// The last marked stretch of `env` below `end`.
    pub fn previous(&self, env: usize, end: usize) -> Option<usize> {
        let words = &self.0[env];
        let (mut word, bits) = (end / 32, end % 32);
        let mut marks = words.get(word).map_or(0, |marks| marks & ((1 << bits) - 1));
        while marks == 0 {
            word = word.checked_sub(1)?;
            marks = words[word];
        }
        Some(word * 32 + 31 - marks.leading_zeros() as usize)
    }
}
