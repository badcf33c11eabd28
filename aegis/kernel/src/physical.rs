//! Physical memory by the number of its frames, and what of the processor is neither memory nor time: caches, floating-point unit (thesis
//! .10).

use crate::Kernel;
use crate::frame::Right;
use crate::machine::Machine;
use aegis_abi::limits::{COPY_FRAMES, PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Error, UserPtr};
use core::ops::Range;

impl<M: Machine> Kernel<M> {
    /// The call `cacheflush`.
    pub(crate) fn flush_caches(&self, start: UserPtr, bytes: u32) -> Result<(), Error> {
        for (address, _) in self.user_range(start, bytes)? {
            self.machine.sync_instructions(address >> PAGE_SHIFT);
        }
        Ok(())
    }

    /// The call `memcpy`.
    pub(crate) fn copy_frames(&self, to: u32, from: u32, count: u32) -> Result<(), Error> {
        if count > COPY_FRAMES {
            return Err(Error::TooLong);
        }
        self.frames_to(from, count, Right::Read)?;
        self.frames_to(to, count, Right::Write)?;
        // Point of no return. Where they overlap, no frame is written before it has been read.
        let upwards = to <= from;
        for n in 0..count {
            let n = if upwards { n } else { count - 1 - n };
            self.machine.copy(to + n, from + n);
            self.machine.sync_instructions(to + n);
        }
        Ok(())
    }

    /// The call `memset`.
    pub(crate) fn fill_frames(&self, frame: u32, offset: u32, byte: u8, bytes: u32) -> Result<(), Error> {
        let end = offset.checked_add(bytes).ok_or(Error::BadLength)?;
        let (first, beyond) = (offset >> PAGE_SHIFT, end.div_ceil(PAGE_BYTES));
        let count = if bytes == 0 { 0 } else { beyond - first };
        if count > COPY_FRAMES {
            return Err(Error::TooLong);
        }
        let first_frame = frame.checked_add(first).ok_or(Error::NoSuchFrame)?;
        let frames = self.frames_to(first_frame, count, Right::Write)?;
        // Point of no return. What is a frame has an address of 32 bits.
        if count > 0 {
            self.machine.fill((frame << PAGE_SHIFT) + offset, byte, bytes);
        }
        for frame in frames {
            self.machine.sync_instructions(frame);
        }
        Ok(())
    }

    /// The `count` frames from `first` on, to each of which the running environment has this right.
    fn frames_to(&self, first: u32, count: u32, right: Right) -> Result<Range<u32>, Error> {
        let frames = first..first.checked_add(count).ok_or(Error::NoSuchFrame)?;
        for frame in frames.clone() {
            self.frames.check(self.current(), frame, right)?;
        }
        Ok(frames)
    }

    /// The call `fpu`.
    pub(crate) fn switch_fpu(&mut self, flag: u32) -> Result<(), Error> {
        let on = match flag {
            0 => false,
            1 if self.machine.has_fpu() => true,
            _ => return Err(Error::BadStatus),
        };
        // Point of no return.
        let current = self.current();
        if on && self.fpu_user != Some(current) {
            self.machine.clear_fpu();
            self.fpu_user = Some(current);
        }
        self.machine.set_fpu(on);
        Ok(())
    }
}
