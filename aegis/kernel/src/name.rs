//! The layout of names: a pid's bits serve EntryHi and Context without further loads.
//!
//! The environment's number stands twice in its pid: where EntryHi has the address space identifier, and reversed in the
//! highest six bits, the high end of the process tag. Between lies the generation, whose high bits are tag too. Reversed,
//! because tags that differ only in low bits collide under the hash: neighbours in number are far apart in the table.

use aegis_abi::Pid;
use aegis_abi::limits::ENVS;
use stlb::Geometry;

/// Bits of an environment number.
const NUMBER_BITS: u32 = ENVS.trailing_zeros();
/// Where the reversed number stands, in a pid and in a process tag.
const TAG_NUMBER_SHIFT: u32 = u32::BITS - NUMBER_BITS;

/// Lowest bit of the generation: the first that EntryHi leaves free beyond the address space identifier.
const fn generation_shift<G: Geometry>() -> u32 {
    let shift = G::ASID_SHIFT + NUMBER_BITS;
    if shift < 8 { 8 } else { shift }
}

/// The name of the `generation`-th environment with this number, counted from 1. Generations wrap around, but never to 0: no
/// pid is 0, which stands for none.
pub fn pid<G: Geometry>(number: usize, generation: u32) -> Pid {
    let number = number as u32;
    let shift = generation_shift::<G>();
    let generations = (1 << (TAG_NUMBER_SHIFT - shift)) - 1;
    let generation = 1 + generation.wrapping_sub(1) % generations;
    Pid(number.reverse_bits() | generation << shift | number << G::ASID_SHIFT)
}

/// The number of the environment whose tag is in this Context register, or whose pid this is.
pub fn number_of_tag(context: u32) -> usize {
    (context >> TAG_NUMBER_SHIFT << TAG_NUMBER_SHIFT).reverse_bits() as usize
}

/// The address space identifier of an environment, as EntryHi holds it.
pub fn asid<G: Geometry>(number: usize) -> u32 {
    (number as u32) << G::ASID_SHIFT
}
