//! The hash of the software TLB for a web page: the crate `stlb`, compiled to WebAssembly, with its functions by number.
//!
//! All arguments and results are words, so that a page needs no more than `WebAssembly.instantiate` to call them. It is the kernel's own
//! code that computes here: a page that calls it cannot be wrong about where the kernel looks.
//!
//! A *machine* is [`MALTA`] or anything else for the DECstation. A *hash* is [`MALTA`]'s, [`DECSTATION`]'s, or anything else for the
//! page's low bits alone, which is none: it shows what the others are for. A table's *slots* are a power of two, from 2 to 8192.

#![cfg_attr(target_family = "wasm", no_std)]

use stlb::{Geometry, Hash, Mips32, R3000, operands};

/// The machine with the MIPS32 processor, and its hash.
pub const MALTA: u32 = 0;
/// The machine with the R3000, and its hash.
pub const DECSTATION: u32 = 1;

#[cfg(target_family = "wasm")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Calls a function of the machine's geometry.
macro_rules! geometry {
    ($machine:expr, $function:ident($($argument:expr),*)) => {
        match $machine {
            MALTA => Mips32::$function($($argument),*),
            _ => R3000::$function($($argument),*),
        }
    };
}

/// The bits of the process tag in Context.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn tag_mask(machine: u32) -> u32 {
    if machine == MALTA { Mips32::TAG_MASK } else { R3000::TAG_MASK }
}

/// Lowest bit of the page (pair) number in Context.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn vpn_shift(machine: u32) -> u32 {
    if machine == MALTA { Mips32::VPN_SHIFT } else { R3000::VPN_SHIFT }
}

/// Bytes of an entry.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn entry_bytes(machine: u32) -> u32 {
    let bytes = if machine == MALTA { operands::mips32::ENTRY } else { operands::r3000::ENTRY };
    bytes as u32
}

/// The Context register of a reference to `address` under the process tag in the high bits of `tag`.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn context(machine: u32, tag: u32, address: u32) -> u32 {
    geometry!(machine, context(tag, address))
}

/// The first address that a Context register names.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn va(machine: u32, context: u32) -> u32 {
    geometry!(machine, va(context))
}

/// Which half of its entry maps `address`?
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn half(machine: u32, address: u32) -> u32 {
    geometry!(machine, half(address)) as u32
}

/// The slot in which a Context register is looked for.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn slot(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    match hash {
        MALTA => Mips32::slot_of(context, slots as usize) as u32,
        DECSTATION => R3000::slot_of(context, slots as usize) as u32,
        _ => hashed(machine, hash, context, slots).offset / entry_bytes(machine),
    }
}

/// A word on the way to the slot: [`Hash::page`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hash_page(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    hashed(machine, hash, context, slots).page
}

/// A word on the way to the slot: [`Hash::tag`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hash_tag(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    hashed(machine, hash, context, slots).tag
}

/// A word on the way to the slot: [`Hash::mixed`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hash_mixed(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    hashed(machine, hash, context, slots).mixed
}

/// A word on the way to the slot: [`Hash::moved`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hash_moved(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    hashed(machine, hash, context, slots).moved
}

/// A word on the way to the slot: [`Hash::offset`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn hash_offset(machine: u32, hash: u32, context: u32, slots: u32) -> u32 {
    hashed(machine, hash, context, slots).offset
}

/// By how many bits a hash shifts Context to the right on the way to [`Hash::page`]; negative: to the left.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn page_shift(machine: u32, hash: u32) -> i32 {
    match hash {
        MALTA => operands::mips32::VPN_SHIFT as i32,
        DECSTATION => -(operands::r3000::HASH_UP as i32),
        _ => vpn_shift(machine) as i32,
    }
}

/// By how many bits a hash shifts Context to the right on the way to [`Hash::tag`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn tag_shift(hash: u32, slots: u32) -> u32 {
    if hash == MALTA { Mips32::hash_shift(slots as usize) } else { 0 }
}

/// By how many bits a hash shifts [`Hash::mixed`] to the right on the way to [`Hash::moved`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn down_shift(hash: u32) -> u32 {
    if hash == DECSTATION { operands::r3000::HASH_DOWN } else { 0 }
}

fn hashed(machine: u32, hash: u32, context: u32, slots: u32) -> Hash {
    match hash {
        MALTA => Mips32::hash(context, slots as usize),
        DECSTATION => R3000::hash(context, slots as usize),
        _ => page_alone(machine, context, slots),
    }
}

/// No hash at all: the low bits of the page number, whosever it is.
fn page_alone(machine: u32, context: u32, slots: u32) -> Hash {
    let page = context >> vpn_shift(machine);
    Hash { page, tag: 0, mixed: page, moved: page, offset: (page & (slots - 1)) * entry_bytes(machine) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_machines_own_hash_is_the_crates(context: u32, bits in 1..=13u32) {
            let slots = 1 << bits;
            prop_assert_eq!(slot(MALTA, MALTA, context, slots) as usize, Mips32::slot_of(context, slots as usize));
            prop_assert_eq!(slot(DECSTATION, DECSTATION, context, slots) as usize, R3000::slot_of(context, slots as usize));
        }

        #[test]
        fn the_shifts_are_those_that_the_words_are_made_with(machine in 0..2u32, hash in 0..3u32, context: u32, bits in 1..=13u32) {
            let slots = 1 << bits;
            let words = hashed(machine, hash, context, slots);
            let shift = page_shift(machine, hash);
            let page = if shift < 0 { context << -shift } else { context >> shift };
            prop_assert_eq!(words.page, page);
            if hash <= DECSTATION {
                prop_assert_eq!(words.tag, context >> tag_shift(hash, slots));
            }
            prop_assert_eq!(words.mixed, words.page ^ words.tag);
            prop_assert_eq!(words.moved, words.mixed >> down_shift(hash));
        }

        #[test]
        fn without_a_hash_only_the_page_counts(machine in 0..2u32, tags: [u32; 2], address in 0..0x8000_0000u32, bits in 1..=13u32) {
            let [a, b] = tags.map(|tag| slot(machine, 2, context(machine, tag, address), 1 << bits));
            prop_assert_eq!(a, b);
            let pages = if machine == MALTA { 2 } else { 1 };
            prop_assert_eq!(a, address / (pages * 4096) % (1 << bits));
        }
    }
}
