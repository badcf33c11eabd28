//! The kernel's tables, as it shows them to every program (thesis .10, figure 9-4): read from the
//! very memory that it works on, without a call.
//!
//! What is read may change at any tick. Who needs several records of one moment reads them in a
//! critical section ([`crate::interrupts::critical`]): nobody else runs meanwhile.

use crate::machine;
use crate::page_table::Error;
use crate::region::Region;
use crate::rt::exposed;
use aegis_abi::exposed::{Column, ExposedInfo};
use aegis_abi::limits::ENVS;
use core::marker::PhantomData;
use stlb::{Edit, Geometry, Native};
use zerocopy::{FromBytes, IntoBytes};

pub use aegis_abi::exposed::{Environment, Frame, Owner, Slice};

/// Where the tables are.
///
/// # Errors
/// Those of the kernel's call `read_exposed_info`.
pub fn info() -> Result<ExposedInfo, aegis_abi::Error> {
    exposed::tables()
}

/// A column of records or of fields, mapped.
#[derive(Debug)]
pub struct View<T> {
    region: Region,
    column: Column,
    entries: PhantomData<T>,
}

impl<T: FromBytes + IntoBytes> View<T> {
    /// Maps a column.
    ///
    /// # Errors
    /// [`Error::BadRange`] when there are not so many addresses left, or an entry of the column is
    /// not a `T` of whole words.
    pub fn map(column: Column) -> Result<View<T>, Error> {
        let words =
            column.bytes.is_multiple_of(4) && column.offset.is_multiple_of(4) && column.stride.is_multiple_of(4);
        if size_of::<T>() != column.bytes as usize || !words {
            return Err(Error::BadRange);
        }
        let frames = column.frames();
        let region = Region::reserve(frames.len() as u32)?;
        for (page, frame) in frames.enumerate() {
            region.map_public(page as u32, frame)?;
        }
        Ok(View { region, column, entries: PhantomData })
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.column.entries as usize
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Entry `n` as it is now.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn get(&self, n: usize) -> T {
        assert!(n < self.len(), "the table has {} entries", self.len());
        let start = self.column.offset + n as u32 * self.column.stride;
        let mut entry = T::new_zeroed();
        for (i, bytes) in entry.as_mut_bytes().chunks_exact_mut(4).enumerate() {
            bytes.copy_from_slice(&self.region.load(start + 4 * i as u32).to_ne_bytes());
        }
        entry
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        (0..self.len()).map(|n| self.get(n))
    }
}

/// All tables.
#[derive(Debug)]
pub struct Tables {
    /// A record for each frame.
    pub frames: View<Frame>,
    /// A record for each environment.
    pub environments: View<Environment>,
    /// A record for each time slice.
    pub slices: View<Slice>,
    /// Ticks of the clock so far.
    pub tick: View<u32>,
    /// Ticks a second.
    pub rate: View<u32>,
}

impl Tables {
    /// Maps them.
    ///
    /// # Errors
    /// Those of [`View::map`] and [`info`].
    pub fn map() -> Result<Tables, Error> {
        let info = info()?;
        Ok(Tables {
            frames: View::map(info.page)?,
            environments: View::map(info.env)?,
            slices: View::map(info.slice)?,
            tick: View::map(info.clock_tick)?,
            rate: View::map(info.clock_rate)?,
        })
    }

    /// Counts what everybody has, one pass over each table.
    pub fn census(&self) -> Census {
        let mut census = Census { shares: [Share::default(); ENVS], ..Census::default() };
        for frame in self.frames.iter() {
            match frame.owner() {
                Owner::Nobody => census.free += 1,
                Owner::Kernel => census.kernel += 1,
                Owner::Environment(_) => {
                    for (number, share) in census.shares.iter_mut().enumerate() {
                        let is_held = frame.readers >> number & 1;
                        let is_shared = frame.sharers >> number & 1;
                        share.owned += is_shared as u32;
                        share.granted += (is_held & !is_shared) as u32;
                    }
                }
            }
        }
        for slice in self.slices.iter().filter(|slice| slice.access != 0) {
            census.slices += 1;
            if let Some(share) = census.shares.get_mut(usize::from(slice.owner)) {
                share.slices += 1;
            }
        }
        let tag = |record: Environment| record.pid().map(|pid| pid.0 & Native::TAG_MASK);
        let tags: [Option<u32>; ENVS] = core::array::from_fn(|n| tag(self.environments.get(n)));
        machine::stlb().scan(0, 0, |line| {
            let pages = line.lo.iter().filter(|lo| lo.v()).count() as u32;
            let tag = line.context & Native::TAG_MASK;
            if let Some(number) = tags.iter().position(|&other| other == Some(tag)) {
                census.shares[number].stlb_pages += pages;
            }
            census.stlb_entries += u32::from(pages != 0);
            Edit::Keep
        });
        census
    }
}

/// What one environment has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Frames of which it holds shares.
    pub owned: u32,
    /// Frames to which it was granted rights.
    pub granted: u32,
    /// Slices that it owns.
    pub slices: u32,
    /// Pages of its that the software TLB holds.
    pub stlb_pages: u32,
}

/// What there is, and who has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Census {
    /// Frames that are free.
    pub free: u32,
    /// Frames of the kernel's.
    pub kernel: u32,
    /// Slices that are allocated.
    pub slices: u32,
    /// Entries of the software TLB in use, its overflow buffer included.
    pub stlb_entries: u32,
    /// By number of the environment.
    pub shares: [Share; ENVS],
}

impl Default for Census {
    fn default() -> Self {
        Census { free: 0, kernel: 0, slices: 0, stlb_entries: 0, shares: [Share::default(); ENVS] }
    }
}
