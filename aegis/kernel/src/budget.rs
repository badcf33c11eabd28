//! Bounded work: how much of a long job the kernel does before it leaves.

/// Work that may still be done within one stay in the kernel, in units of about an instruction.
///
/// A job that may be long spends it piece by piece, and stops, to be continued later, when nothing
/// is left. The last piece may exceed what is left, so a piece is short.
#[derive(Debug)]
pub struct Budget(i32);

impl Budget {
    /// For one stay: a third of the bound, since a stay does other things, too.
    const UNITS: i32 = 5000;

    /// For one stay.
    pub fn new() -> Budget {
        #[cfg(test)]
        return Budget(tests::UNITS.get());
        #[cfg(not(test))]
        Budget(Self::UNITS)
    }

    /// Spends `units` of it.
    #[inline]
    pub fn spend(&mut self, units: usize) {
        self.0 -= units as i32;
    }

    /// Is nothing left?
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.0 <= 0
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub mod tests {
    //! Stays as short or long as a test wants them.

    use super::Budget;
    use std::cell::Cell;

    thread_local! {
        /// Units of each budget.
        pub static UNITS: Cell<i32> = const { Cell::new(Budget::UNITS) };
    }

    /// Makes a call with budgets of `units` each.
    pub fn with_budget<R>(units: i32, call: impl FnOnce() -> R) -> R {
        let before = UNITS.replace(units);
        let result = call();
        UNITS.set(before);
        result
    }
}
