//! What the kernel's image says of the places that are watched.

use crate::tlb::event::Point;
use anyhow::{Context, Result};
use object::{Object, ObjectSymbol};
use std::collections::BTreeMap;
use std::path::Path;

/// Labels of the kernel's assembly by which a miss may come (`miss.rs` and `vectors.rs` of both processors), and what each means.
const POINTS: [(&str, Point); 6] = [
    ("stlb_miss", Point::NotInTable),
    ("vec_tlb_invalid", Point::NotInStlb),
    ("vec_overflow", Point::Overflow),
    ("vec_guaranteed", Point::Guaranteed),
    ("vec_upcall", Point::Upcall),
    ("vec_unhandled", Point::Unhandled),
];

/// Values of a kernel image's symbols.
pub struct Labels(BTreeMap<String, u32>);

impl Labels {
    /// Reads a kernel image.
    pub fn read(kernel: &Path) -> Result<Labels> {
        let bytes = std::fs::read(kernel).with_context(|| format!("cannot read {}", kernel.display()))?;
        let file = object::File::parse(&*bytes).with_context(|| format!("{} is no ELF file", kernel.display()))?;
        let symbols =
            file.symbols().filter_map(|symbol| Some((symbol.name().ok()?.to_owned(), symbol.address() as u32)));
        Ok(Labels(symbols.collect()))
    }

    /// The value of a symbol; one that is missing is an error.
    pub fn get(&self, name: &str) -> Result<u32> {
        self.0.get(name).copied().with_context(|| format!("the kernel image has no symbol {name}"))
    }

    /// The places that are watched, by address.
    pub fn points(&self) -> Result<BTreeMap<u32, Point>> {
        POINTS.iter().map(|&(name, point)| Ok((self.get(name)?, point))).collect()
    }
}
