//! Pointer arguments. The kernel never dereferences a user address: it translates it through the cached bindings and uses
//! the physical address.

use crate::Kernel;
use crate::machine::Machine;
use aegis_abi::limits::{CONSOLE_WRITE_BYTES, PAGE_BYTES, PAGE_SHIFT, POINTER_PAGES, USER_END};
use aegis_abi::{Error, Lo, UserPtr};
use stlb::Geometry;

/// A piece of physical memory: address and bytes.
type Piece = (u32, u32);

/// The physical memory behind a pointer argument, in the order of its addresses.
pub(crate) type Pieces = heapless::Vec<Piece, { POINTER_PAGES as usize }>;

impl<M: Machine> Kernel<M> {
    /// The physical memory behind `bytes` bytes from `start`, which the running environment may read.
    pub(crate) fn user_range(&self, start: UserPtr, bytes: u32) -> Result<Pieces, Error> {
        self.pieces(start, bytes, Lo::v)
    }

    /// The physical memory behind `bytes` bytes from `start`, which the running environment may write.
    pub(crate) fn user_range_to_write(&self, start: UserPtr, bytes: u32) -> Result<Pieces, Error> {
        self.pieces(start, bytes, Lo::d)
    }

    /// The same where the binding of each page is `good`.
    fn pieces(&self, start: UserPtr, bytes: u32, good: impl Fn(&Lo) -> bool) -> Result<Pieces, Error> {
        let start = start.get();
        let end = start.checked_add(bytes).filter(|&end| end <= USER_END).ok_or(Error::BadLength)?;
        if end.div_ceil(PAGE_BYTES) - (start >> PAGE_SHIFT) > POINTER_PAGES {
            return Err(Error::TooLong);
        }
        let mut pieces = Pieces::new();
        let mut va = start;
        while va < end {
            let missing = if va == start { Error::Unmapped } else { Error::PageEnd };
            let address = self.translate(va, &good).ok_or(missing)?;
            let bytes = (end - va).min(PAGE_BYTES - va % PAGE_BYTES);
            // The number of pages has been checked.
            let _ = pieces.push((address, bytes));
            va += bytes;
        }
        Ok(pieces)
    }

    /// Copies from user memory; `into` is as long as the pieces together.
    pub(crate) fn read_user(&self, pieces: &Pieces, mut into: &mut [u8]) {
        for &(address, bytes) in pieces {
            let (piece, rest) = into.split_at_mut(bytes as usize);
            self.machine.read(address, piece);
            into = rest;
        }
    }

    /// Copies into user memory; `from` is as long as the pieces together.
    pub(crate) fn write_user(&self, pieces: &Pieces, mut from: &[u8]) {
        for &(address, bytes) in pieces {
            let (piece, rest) = from.split_at(bytes as usize);
            self.machine.write(address, piece);
            from = rest;
        }
    }

    /// Writes as much user memory to the console as a call may and the device takes at once: the
    /// bytes.
    pub(crate) fn write_to_console(&self, pieces: &Pieces) -> u32 {
        let mut buffer = [0; 64];
        let mut written = 0;
        for &(mut address, mut bytes) in pieces {
            while bytes > 0 && written < CONSOLE_WRITE_BYTES {
                let chunk = &mut buffer[..bytes.min(CONSOLE_WRITE_BYTES - written).min(64) as usize];
                self.machine.read(address, chunk);
                let taken = self.machine.console(chunk) as u32;
                written += taken;
                if taken < chunk.len() as u32 {
                    return written;
                }
                address += taken;
                bytes -= taken;
            }
        }
        written
    }

    /// The physical address that a reference to `va` by the running environment reaches, if a `good` binding is cached.
    fn translate(&self, va: u32, good: impl Fn(&Lo) -> bool) -> Option<u32> {
        let lo = self.environment().context.guaranteed(va >> PAGE_SHIFT).or_else(|| {
            let line = self.machine.stlb().probe(self.context_register(va))?;
            Some(line.lo[M::Geometry::half(va)])
        });
        let lo = lo.filter(good)?;
        Some((lo.pfn() << PAGE_SHIFT) + va % PAGE_BYTES)
    }
}
