//! Sets of environments, or of slices: a word, with a bit for each number.

/// The numbers in a set, lowest first.
#[inline]
pub fn members(mut set: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let first = (set != 0).then(|| set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(first)
    })
}

/// The set of these numbers.
pub fn of(numbers: impl Iterator<Item = usize>) -> u64 {
    numbers.fold(0, |set, number| set | 1 << number)
}
