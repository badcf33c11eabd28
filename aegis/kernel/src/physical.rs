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

    /// The call `memcpy`: copies one piece, and returns its frames.
    pub(crate) fn copy_frames(&self, to: u32, from: u32, count: u32) -> Result<u32, Error> {
        self.in_memory(from, count)?;
        self.in_memory(to, count)?;
        let piece = count.min(COPY_FRAMES);
        // Where the ranges overlap, no frame is written before it has been read, by whichever piece
        // reads it.
        let upwards = to <= from;
        let skipped = if upwards { 0 } else { count - piece };
        let (to, from) = (to + skipped, from + skipped);
        self.frames_to(from, piece, Right::Read)?;
        self.frames_to(to, piece, Right::Write)?;
        // Point of no return.
        for n in 0..piece {
            let n = if upwards { n } else { piece - 1 - n };
            self.machine.copy(to + n, from + n);
            self.machine.sync_instructions(to + n);
        }
        Ok(piece)
    }

    /// The call `memset`: fills one piece, and returns its bytes.
    pub(crate) fn fill_frames(&self, frame: u32, offset: u32, byte: u8, bytes: u32) -> Result<u32, Error> {
        let end = offset.checked_add(bytes).ok_or(Error::BadLength)?;
        if bytes == 0 {
            return Ok(0);
        }
        let first = offset >> PAGE_SHIFT;
        let first_frame = frame.checked_add(first).ok_or(Error::NoSuchFrame)?;
        self.in_memory(first_frame, end.div_ceil(PAGE_BYTES) - first)?;
        let start = offset % PAGE_BYTES;
        let piece = bytes.min(COPY_FRAMES * PAGE_BYTES - start);
        let frames = self.frames_to(first_frame, (start + piece).div_ceil(PAGE_BYTES), Right::Write)?;
        // Point of no return. What is a frame has an address of 32 bits.
        self.machine.fill((first_frame << PAGE_SHIFT) + start, byte, piece);
        for frame in frames {
            self.machine.sync_instructions(frame);
        }
        Ok(piece)
    }

    /// Checks that the `count` frames from `first` on exist.
    fn in_memory(&self, first: u32, count: u32) -> Result<(), Error> {
        let exist = first.checked_add(count).is_some_and(|end| count == 0 || end <= self.machine.frames());
        if exist { Ok(()) } else { Err(Error::NoSuchFrame) }
    }

    /// The `count` frames from `first` on, which exist, if the running environment has this right
    /// to each.
    fn frames_to(&self, first: u32, count: u32, right: Right) -> Result<Range<u32>, Error> {
        let frames = first..first + count;
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
