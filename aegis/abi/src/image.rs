//! Programs as their files have them: ELF files with a context in the section `.aegis.env`. The one
//! check that whoever loads a program relies on, be it the kernel or a library.
//!
//! A file is trusted in nothing. Its context names pages of its own image, and nothing else: whoever
//! loads it would give away other frames with it, since a context is checked against the rights of
//! its maker.

use crate::limits::{FRAMES, PAGE_BYTES, PAGE_SHIFT, USER_END, USER_START};
use crate::{Env, Error};
use core::fmt;
use core::ops::Range;
use elf::ElfBytes;
use elf::abi::{EM_MIPS, ET_EXEC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use zerocopy::FromBytes;

/// Name of the section that holds a program's context, as the string table has it.
const CONTEXT_SECTION: &[u8] = b".aegis.env\0";
/// Loadable segments of a program at most.
pub const SEGMENTS: usize = 16;

/// Why a file is no program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// It is no executable ELF file for this kind of processor.
    NotExecutable,
    /// It has no section `.aegis.env` of the right size.
    NoContext,
    /// A segment lies outside user space, or segments share a page, or there are none, or more than
    /// [`SEGMENTS`], or they have more pages than the largest machine.
    BadSegment,
    /// Its context names a page outside the image, or its first instruction lies in no segment.
    BadContext,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ImageError::NotExecutable => "not an executable 32-bit little-endian MIPS ELF file",
            ImageError::NoContext => "no section .aegis.env that holds an environment's context",
            ImageError::BadSegment => "a segment outside user space, segments that overlap, or too many pages",
            ImageError::BadContext => "a context that names a page outside the image, or begins outside it",
        })
    }
}

impl core::error::Error for ImageError {}

/// A part of an image, within user space: no two share a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment<'a> {
    va: u32,
    bytes: u32,
    data: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Virtual address of the first byte.
    pub fn va(&self) -> u32 {
        self.va
    }

    /// The bytes that the file has of it, from the first on; the others are zeros.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Its virtual pages, by number.
    pub fn pages(&self) -> Range<u32> {
        self.va >> PAGE_SHIFT..(self.va + self.bytes).div_ceil(PAGE_BYTES)
    }

    fn contains(&self, va: u32) -> bool {
        va >= self.va && va - self.va < self.bytes
    }
}

/// A program that has been checked.
#[derive(Clone, Debug)]
pub struct Image<'a> {
    /// The context as the file has it.
    env: Env,
    segments: [Segment<'a>; SEGMENTS],
    count: usize,
    pages: u32,
}

impl<'a> Image<'a> {
    /// Checks a program's file. The time that this takes is bounded by the size of the file.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(file: &'a [u8]) -> Result<Image<'a>, ImageError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| ImageError::NotExecutable)?;
        let header = &elf.ehdr;
        if header.class != Class::ELF32 || header.e_machine != EM_MIPS || header.e_type != ET_EXEC {
            return Err(ImageError::NotExecutable);
        }
        let env = context(&elf).ok_or(ImageError::NoContext)?;
        let mut segments = [Segment::default(); SEGMENTS];
        let mut count = 0;
        let headers = elf.segments().ok_or(ImageError::NotExecutable)?;
        for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0) {
            let data = elf.segment_data(&header).map_err(|_| ImageError::NotExecutable)?;
            let place = segments.get_mut(count).ok_or(ImageError::BadSegment)?;
            *place = segment(header.p_vaddr, header.p_memsz, data).ok_or(ImageError::BadSegment)?;
            count += 1;
        }
        Image::check(env, segments, count)
    }

    /// Checks what a file says: its context, and its segments in any order.
    fn check(env: Env, mut segments: [Segment<'a>; SEGMENTS], count: usize) -> Result<Image<'a>, ImageError> {
        let used = &mut segments[..count];
        used.sort_unstable_by_key(|segment| segment.va);
        if used.windows(2).any(|pair| pair[0].pages().end > pair[1].pages().start) {
            return Err(ImageError::BadSegment);
        }
        // They are disjoint, and within user space: the sum does not wrap around.
        let pages = used.iter().map(|segment| segment.pages().len() as u32).sum();
        if !(1..=FRAMES as u32).contains(&pages) {
            return Err(ImageError::BadSegment);
        }
        let begins_within = used.iter().any(|segment| segment.contains(env.init));
        if !begins_within || !env.image_pages().all(|page| page < pages) {
            return Err(ImageError::BadContext);
        }
        Ok(Image { env, segments, count, pages })
    }

    /// Its segments, in order of address: so their pages lie in the image.
    pub fn segments(&self) -> &[Segment<'a>] {
        &self.segments[..self.count]
    }

    /// Pages of the image: of all segments.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// The context for the image in the consecutive frames from `first_frame` on.
    ///
    /// # Errors
    /// `NoSuchFrame`, where no machine has so many frames.
    pub fn env(&self, first_frame: u32) -> Result<Env, Error> {
        let mut env = self.env;
        env.relocate(first_frame, self.pages)?;
        Ok(env)
    }
}

/// A segment of `bytes` bytes from `va` on, if it lies in user space.
fn segment(va: u64, bytes: u64, data: &[u8]) -> Option<Segment<'_>> {
    let end = va.checked_add(bytes)?;
    let inside = va >= u64::from(USER_START) && end <= u64::from(USER_END) && data.len() as u64 <= bytes;
    inside.then_some(Segment { va: va as u32, bytes: bytes as u32, data })
}

/// The context that stands in a program's file.
///
/// The names of sections are compared where they lie: looked for, each up to its end, they could
/// take the size of the file squared.
fn context(elf: &ElfBytes<'_, LittleEndian>) -> Option<Env> {
    let headers = elf.section_headers()?;
    let names = elf.section_data(&headers.get(usize::from(elf.ehdr.e_shstrndx)).ok()?).ok()?.0;
    let is_context = |name: u32| names.get(name as usize..).is_some_and(|name| name.starts_with(CONTEXT_SECTION));
    let header = headers.iter().find(|header| is_context(header.sh_name))?;
    Env::read_from_bytes(elf.section_data(&header).ok()?.0).ok()
}

#[cfg(test)]
mod tests;
