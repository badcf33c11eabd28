//! The tables that programs may read (thesis .10, figure 9-4): where they are.

use crate::Kernel;
use crate::environment::Environment;
use crate::machine::Machine;
use aegis_abi::exposed::{Account, Column, Environment as EnvironmentRecord, ExposedInfo, Frame, Slice};
use aegis_abi::info::{Counters, Info};
use aegis_abi::limits::{ACCOUNTS, ENVS, FRAMES, PAGE_BYTES, PAGE_SHIFT, SLICES};
use aegis_abi::{Error, UserPtr};
use core::mem::offset_of;
use core::ops::{Deref, DerefMut, RangeInclusive};
use zerocopy::IntoBytes;

/// A table alone in its pages, since every program may read them.
#[repr(C, align(4096))]
pub struct Paged<T>(pub T);

impl<T> Deref for Paged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Paged<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

const _: () = assert!(align_of::<Paged<u8>>() == PAGE_BYTES as usize);

/// Bytes of a set of environments.
const SET: usize = size_of::<u64>();
/// Bytes of a word.
const WORD: usize = size_of::<u32>();

impl<M: Machine> Kernel<M> {
    /// The frames of the kernel's own tables that programs may read.
    pub(crate) fn exposed_frames(&self) -> impl Iterator<Item = u32> + use<M> {
        fn frames<T>(machine: &impl Machine, table: &Paged<T>) -> RangeInclusive<u32> {
            let first = core::ptr::from_ref(table).addr();
            let [first, last] = [first, first + size_of_val(table) - 1].map(|at| machine.physical(at) >> PAGE_SHIFT);
            first..=last
        }
        let Kernel { machine, frames: all, environments, slices, accounts, .. } = self;
        let tables = [
            frames(machine, &all.table),
            frames(machine, environments),
            frames(machine, &slices.table),
            frames(machine, &accounts.table),
        ];
        tables.into_iter().flatten()
    }

    /// The call `read_exposed_info`.
    pub(crate) fn tell_exposed_info(&self, into: UserPtr) -> Result<(), Error> {
        if !into.get().is_multiple_of(align_of::<ExposedInfo>() as u32) {
            return Err(Error::Misaligned);
        }
        let info = self.exposed_info();
        let bytes = info.as_bytes();
        let destination = self.user_range_to_write(into, bytes.len() as u32)?;
        // Point of no return.
        self.write_user(&destination, bytes);
        Ok(())
    }

    fn exposed_info(&self) -> ExposedInfo {
        let Kernel { machine, frames, environments, slices, accounts, .. } = self;
        let at = |address: usize, stride, entries| Column::at(machine.physical(address), stride, entries);
        let info_word = |offset| Column::at((machine.info_frame() << PAGE_SHIFT) + offset as u32, WORD, 1);

        let page = at(frames.table.as_ptr().addr(), size_of::<Frame>(), FRAMES);
        let page = Column { entries: frames.total(), ..page };
        let kernels = at(environments.as_ptr().addr(), size_of::<Environment>(), ENVS);
        let env = kernels.field(offset_of!(Environment, record), size_of::<EnvironmentRecord>());
        let slice = at(slices.table.as_ptr().addr(), size_of::<Slice>(), SLICES);
        let slice_access = slice.field(offset_of!(Slice, access), SET);
        let pid = env.field(offset_of!(EnvironmentRecord, pid), WORD);
        ExposedInfo {
            clock_tick: info_word(offset_of!(Info, counters) + offset_of!(Counters, ticks)),
            clock_rate: info_word(offset_of!(Info, clock_rate)),
            p_refcnt: page.field(offset_of!(Frame, bindings), size_of::<u16>()),
            // Three sets, one behind the other.
            p_acl: page.field(offset_of!(Frame, readers), 3 * SET),
            p_map: page.field(offset_of!(Frame, owner), size_of::<u8>()),
            page,
            e_refcnt: env.field(offset_of!(EnvironmentRecord, references), SET),
            e_acl: env.field(offset_of!(EnvironmentRecord, writers), SET),
            e_map: pid,
            env,
            s_refcnt: slice_access,
            s_acl: slice_access,
            slice,
            s_map: slice_access,
            account: at(accounts.table.as_ptr().addr(), size_of::<Account>(), ACCOUNTS),
            cmap: pid,
            c_map: pid,
            stlb: at(core::ptr::from_ref(machine.stlb()).addr(), size_of_val(machine.stlb()), 1),
        }
    }
}

const _: () = {
    let readers = offset_of!(Frame, readers);
    assert!(offset_of!(Frame, writers) == readers + SET && offset_of!(Frame, sharers) == readers + 2 * SET);
};
