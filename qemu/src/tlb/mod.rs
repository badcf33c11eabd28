//! `./x tlb`: the TLB misses of a program as they happen, observed from outside the guest.

pub mod page;
pub mod record;
