//! The calls on physical memory, caches and the floating-point unit.

use super::{KERNEL_FRAME, no_frame};
use crate::place::Place;
use alloc::vec::Vec;
use exos::abi::calls::Number;
use exos::abi::limits::{COPY_FRAMES, PAGE_BYTES, USER_END, USER_START};
use exos::abi::{Error, Pid};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::{layout, machine};
use exos_checks::raw::bare::{Entries, Entry, Pages, free};
use exos_checks::raw::calls::{call, insert};
use exos_checks::raw::code::run;
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// `jr $ra`, and in its delay slot `addiu $v0, $zero, n`.
fn function(n: u16) -> [u32; 2] {
    [0x03e0_0008, 0x2402_0000 | u32::from(n)]
}

/// Frames in a row, and their pages.
struct Row {
    region: Region,
    frames: Vec<Frame>,
}

/// Many more than a call changes.
const ROW: u32 = 20;

impl Row {
    fn new() -> Result<Row, alloc::string::String> {
        let region = get!(Region::reserve(ROW));
        let mut frames: Vec<Frame> = Vec::new();
        // From the end of memory, where nobody has been.
        let mut next = no_frame();
        while (frames.len() as u32) < ROW && next > 0 {
            next -= 1;
            match Frame::number(next) {
                Ok(frame) => frames.push(frame),
                Err(_) => frames.clear(),
            }
        }
        frames.reverse();
        for (page, frame) in (0..).zip(&frames) {
            get!(region.map(page, frame, Rights::ReadWrite));
        }
        Ok(Row { region, frames })
    }

    fn frame(&self, n: u32) -> u32 {
        self.frames[n as usize].get()
    }

    /// Fills each page with words of its own.
    fn fill(&self) {
        for offset in (0..ROW * PAGE_BYTES).step_by(4) {
            self.region.store(offset, word(offset));
        }
    }

    /// Checks all words.
    fn check(&self, expected: impl Fn(u32) -> u32) -> Outcome {
        for offset in (0..ROW * PAGE_BYTES).step_by(4) {
            check_eq!(self.region.load(offset), expected(offset), "the word at {offset:#x}");
        }
        Ok(())
    }
}

fn word(offset: u32) -> u32 {
    offset.wrapping_mul(0x9e37_79b9) | 1
}

pub fn cacheflush() -> Outcome {
    let place = Place::new()?;
    let start = place.region.start();
    check!(insert(start) && insert(start + PAGE_BYTES), "the pages cannot be inserted");
    for pointer in [0, 4, USER_START - 4, USER_END, 0x8000_0180, u32::MAX] {
        place.refused(Number::cacheflush, [pointer, 4, 0, 0], Error::BadPointer)?;
    }
    for bytes in [u32::MAX, USER_END - start + 1] {
        place.refused(Number::cacheflush, [start, bytes, 0, 0], Error::BadLength)?;
    }
    place.refused(Number::cacheflush, [start + 4, 2 * PAGE_BYTES, 0, 0], Error::TooLong)?;
    place.refused(Number::cacheflush, [place.region.address(6), 4, 0, 0], Error::Unmapped)?;
    place.refused(Number::cacheflush, [place.region.address(2) - 4, 8, 0, 0], Error::PageEnd)?;
    for n in 0..50 {
        let [jump, slot] = function(n);
        place.region.store(0x20, jump);
        place.region.store(0x24, slot);
        check!(insert(start), "the page cannot be inserted");
        check_eq!(call(Number::cacheflush, [start + 0x20, 8, 0, 0]), Ok(0), "flushing");
        check_eq!(run(start + 0x20), n.into(), "what was written in turn {n}");
    }
    Ok(())
}

/// A frame that another environment owns alone, and that environment.
fn foreign() -> Result<(u32, Pid), alloc::string::String> {
    let pages = get!(Pages::new());
    let pid = get!(pages.start(Entries { init: Some(Entry::Leave), ..Entries::default() }));
    Ok((pages.data_frame(), pid))
}

/// Copies frames piece by piece.
fn copy(mut to: u32, mut from: u32, mut frames: u32) -> Outcome {
    while frames > 0 {
        let copied = get!(call(Number::memcpy, [to, from, frames, 0]));
        check_eq!(copied, frames.min(COPY_FRAMES), "frames in one call");
        frames -= copied;
        if to <= from {
            (to, from) = (to + copied, from + copied);
        }
    }
    Ok(())
}

/// Fills bytes piece by piece.
fn fill(frame: u32, mut offset: u32, byte: u32, mut bytes: u32) -> Outcome {
    while bytes > 0 {
        let filled = get!(call(Number::memset, [frame, offset, byte, bytes]));
        let most = COPY_FRAMES * PAGE_BYTES - offset % PAGE_BYTES;
        check_eq!(filled, bytes.min(most), "bytes in one call");
        (offset, bytes) = (offset + filled, bytes - filled);
    }
    Ok(())
}

pub fn memcpy() -> Outcome {
    let place = Place::new()?;
    let row = Row::new()?;
    row.fill();
    let (own, other) = (row.frame(0), row.frame(1));
    let (theirs, pid) = foreign()?;
    let info = machine::mapping(layout::INFO.start).ok_or("the information page is not mapped")?.pfn();
    let unused = get!(Frame::any()).get();
    for (to, from, count, error) in [
        (own, other, u32::MAX, Error::NoSuchFrame),
        (own, other, no_frame(), Error::NoSuchFrame),
        (other, own, no_frame(), Error::NoSuchFrame),
        (no_frame(), own, 1, Error::NoSuchFrame),
        (own, no_frame(), 1, Error::NoSuchFrame),
        (own, u32::MAX, 1, Error::NoSuchFrame),
        (u32::MAX, own, 16, Error::NoSuchFrame),
        (row.frame(ROW - 1), own, 2, Error::NoSuchFrame),
        (unused, own, 1, Error::FrameFree),
        (own, unused, 1, Error::FrameFree),
        (theirs, own, 1, Error::NotPermitted),
        (own, theirs, 1, Error::NotPermitted),
        (KERNEL_FRAME, own, 1, Error::NotPermitted),
        (own, KERNEL_FRAME, 1, Error::NotPermitted),
        (info, own, 1, Error::NotPermitted),
        (machine::info().stlb_frame, own, 1, Error::NotPermitted),
    ] {
        // Where the row does not reach the end of memory, what lies behind it is somebody's, or nobody's.
        if to == row.frame(ROW - 1) && to + 1 != no_frame() {
            continue;
        }
        place.refused(Number::memcpy, [to, from, count, 0], error)?;
    }
    get!(free(pid));
    row.check(word)?;
    // Upwards and downwards, overlapping.
    for (to, from, count) in [(0, 3, 16), (4, 0, 16), (0, 1, 19), (1, 0, 19), (2, 2, 3), (0, 1, 1), (5, 4, 0)] {
        row.fill();
        copy(row.frame(to), row.frame(from), count)?;
        row.check(|offset| {
            let page = offset / PAGE_BYTES;
            let copied = (to..to + count).contains(&page);
            word(if copied { offset + from * PAGE_BYTES - to * PAGE_BYTES } else { offset })
        })?;
    }
    // Code, over code that has run.
    for n in 0..50u16 {
        let page = u32::from(n % 2) + 1;
        let [jump, slot] = function(n);
        row.region.store(page * PAGE_BYTES, jump);
        row.region.store(page * PAGE_BYTES + 4, slot);
        check_eq!(call(Number::memcpy, [row.frame(0), row.frame(page), 1, 0]), Ok(1), "copying code");
        check_eq!(run(row.region.start()), n.into(), "what was copied in turn {n}");
    }
    // A frame that all may read.
    check_eq!(call(Number::memcpy, [own, info, 1, 0]), Ok(1), "copying the information page");
    check_eq!(row.region.load(0), exos_checks::raw::calls::load(layout::INFO.start), "its first word");
    Ok(())
}

pub fn memset() -> Outcome {
    let place = Place::new()?;
    let row = Row::new()?;
    row.fill();
    let own = row.frame(0);
    let (theirs, pid) = foreign()?;
    let unused = get!(Frame::any()).get();
    for (frame, offset, bytes, error) in [
        (own, 0, u32::MAX, Error::NoSuchFrame),
        (own, 2, u32::MAX, Error::BadLength),
        (own, u32::MAX, 2, Error::BadLength),
        (no_frame(), 0, 1, Error::NoSuchFrame),
        (u32::MAX, 0, 1, Error::NoSuchFrame),
        (u32::MAX, PAGE_BYTES, 1, Error::NoSuchFrame),
        (unused, 0, 4, Error::FrameFree),
        (theirs, 0, 4, Error::NotPermitted),
        (KERNEL_FRAME, 0x180, 4, Error::NotPermitted),
        (KERNEL_FRAME, 0x180, 0x10_0000, Error::NotPermitted),
        (machine::info().stlb_frame, 0, 4, Error::NotPermitted),
        (machine::info().archive_frame, 8, 4, Error::NotPermitted),
    ] {
        place.refused(Number::memset, [frame, offset, 0, bytes], error)?;
    }
    get!(free(pid));
    row.check(word)?;
    let all = 16 * PAGE_BYTES;
    for (offset, bytes) in [(0, 4), (8, 0), (PAGE_BYTES - 4, 8), (0, all), (PAGE_BYTES, all), (4, 3 * PAGE_BYTES)] {
        row.fill();
        fill(own, offset, 0x1ab, bytes)?;
        row.check(|at| if (offset..offset + bytes).contains(&at) { 0xabab_abab } else { word(at) })?;
    }
    // Bytes that are no words.
    row.fill();
    check_eq!(call(Number::memset, [own, 5, 0, 2]), Ok(2), "filling");
    row.check(|at| if at == 4 { word(4) & 0xff00_00ff } else { word(at) })
}

pub fn fpu() -> Outcome {
    let place = Place::new()?;
    for flag in [2, 3, 0x8000_0000, u32::MAX] {
        place.refused(Number::fpu, [flag, 0, 0, 0], Error::BadStatus)?;
    }
    for flag in [1, 1, 0, 0, 1, 0] {
        check_eq!(call(Number::fpu, [flag, 0, 0, 0]), Ok(0), "flag {flag}");
    }
    Ok(())
}
