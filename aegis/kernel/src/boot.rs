//! The first environment: found in the archive, loaded, and brought to life.

use crate::Kernel;
use crate::environment::Context;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT, USER_END, USER_START};
use aegis_abi::{Env, Error};
use core::fmt;
use elf::ElfBytes;
use elf::abi::{EM_MIPS, ET_EXEC, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use tar_no_std::TarArchiveRef;
use zerocopy::FromBytes;

/// The section of a program's ELF file that holds its context.
const CONTEXT_SECTION: &str = ".aegis.env";

/// Why no environment could be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// The command line names no program.
    NoName,
    /// The archive is no tar archive, or empty.
    NoArchive,
    /// The archive holds no such program.
    NoProgram,
    /// The program is no executable ELF file for this kind of processor.
    NotExecutable,
    /// The program has no section `.aegis.env` of the right size.
    NoContext,
    /// A segment lies outside user space, or segments overlap.
    BadSegment,
    /// The program's context is wrong, or memory does not suffice.
    Kernel(Error),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BootError::NoName => "the command line names no program",
            BootError::NoArchive => "the kernel's image holds no archive of programs",
            BootError::NoProgram => "the archive holds no such program",
            BootError::NotExecutable => "not an executable 32-bit little-endian MIPS ELF file",
            BootError::NoContext => "no section .aegis.env that holds an environment's context",
            BootError::BadSegment => "a segment outside user space, or segments that overlap",
            BootError::Kernel(error) => return fmt::Display::fmt(error, f),
        })
    }
}

impl From<Error> for BootError {
    fn from(error: Error) -> Self {
        BootError::Kernel(error)
    }
}

/// A part of a program's image: virtual address, bytes in memory, and the first of them from the file.
#[derive(Clone, Copy)]
struct Segment<'a> {
    va: u32,
    bytes: u32,
    data: &'a [u8],
}

impl Segment<'_> {
    fn pages(&self) -> core::ops::Range<u32> {
        self.va >> PAGE_SHIFT..(self.va + self.bytes).div_ceil(PAGE_BYTES)
    }
}

/// Loadable segments of a program at most.
const SEGMENTS: usize = 16;

impl<M: Machine> Kernel<M> {
    /// Takes over the machine's memory. `reserved` says which frames hold the kernel; those that `public` names, all of
    /// them the kernel's, and the exposed tables can be read by every environment.
    pub fn take_over(&mut self, reserved: impl Fn(u32) -> bool, public: impl Iterator<Item = u32>) {
        self.frames.take_over(self.machine.frames(), reserved);
        public.chain(self.exposed_frames()).for_each(|frame| self.frames.publish(frame));
        log::info!("{} of {} frames free", self.frames.free(), self.frames.total());
    }

    /// Loads the program that the command line names first from the archive and makes it the first environment, the owner of slice 0.
    /// [`Kernel::begin`] then lets it run.
    ///
    /// # Errors
    /// Says why there is none; the machine can then only be stopped.
    pub fn boot(&mut self, archive: &[u8], command_line: &str) -> Result<(), BootError> {
        let name = command_line.split_whitespace().next().ok_or(BootError::NoName)?;
        let archive = TarArchiveRef::new(archive).map_err(|_| BootError::NoArchive)?;
        let program =
            archive.entries().find(|entry| entry.filename().as_str() == Ok(name)).ok_or(BootError::NoProgram)?;
        self.load(program.data())
    }

    /// Loads a program from its ELF file and makes it the first environment.
    fn load(&mut self, file: &[u8]) -> Result<(), BootError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| BootError::NotExecutable)?;
        let header = &elf.ehdr;
        if header.class != Class::ELF32 || header.e_machine != EM_MIPS || header.e_type != ET_EXEC {
            return Err(BootError::NotExecutable);
        }
        let mut given = context(&elf)?;
        let segments = segments(&elf)?;
        let page_count: u32 = segments.iter().map(|segment| segment.pages().len() as u32).sum();
        if page_count == 0 {
            return Err(BootError::BadSegment);
        }

        let first_frame = self.frames.choose_run(page_count)?;
        for frame in first_frame..first_frame + page_count {
            self.frames.give(FIRST, frame);
            self.machine.zero(frame);
        }
        let mut frame = first_frame;
        for segment in &segments {
            let address = (frame << PAGE_SHIFT) + segment.va % PAGE_BYTES;
            self.machine.write(address, segment.data);
            frame += segment.pages().len() as u32;
        }
        (first_frame..first_frame + page_count).for_each(|frame| self.machine.sync_instructions(frame));

        given.relocate(first_frame);
        let context = Context::check(&self.frames, FIRST, &given)?;
        if context.init == 0 {
            return Err(BootError::NoContext);
        }
        let pid = self.create(FIRST, context, FIRST);
        self.slices.give(FIRST, 0);
        log::debug!("environment {FIRST} (pid {:#010x}): {page_count} pages from frame {first_frame:#x}", pid.0);
        Ok(())
    }
}

/// The context that stands in a program's file.
fn context(elf: &ElfBytes<'_, LittleEndian>) -> Result<Env, BootError> {
    let header = elf.section_header_by_name(CONTEXT_SECTION).ok().flatten().ok_or(BootError::NoContext)?;
    let (data, _) = elf.section_data(&header).map_err(|_| BootError::NoContext)?;
    Env::read_from_bytes(data).map_err(|_| BootError::NoContext)
}

/// The segments of a program, in order of address. No two share a page.
fn segments<'a>(elf: &ElfBytes<'a, LittleEndian>) -> Result<heapless::Vec<Segment<'a>, SEGMENTS>, BootError> {
    let mut segments = heapless::Vec::new();
    let headers = elf.segments().ok_or(BootError::NotExecutable)?;
    for header in headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0) {
        let data = elf.segment_data(&header).map_err(|_| BootError::NotExecutable)?;
        let (start, end) = (header.p_vaddr, header.p_vaddr.saturating_add(header.p_memsz));
        let inside = start >= u64::from(USER_START) && end <= u64::from(USER_END);
        if !inside || data.len() as u64 > header.p_memsz {
            return Err(BootError::BadSegment);
        }
        let segment = Segment { va: start as u32, bytes: (end - start) as u32, data };
        segments.push(segment).map_err(|_| BootError::BadSegment)?;
    }
    segments.sort_unstable_by_key(|segment| segment.va);
    if segments.windows(2).any(|pair| pair[0].pages().end > pair[1].pages().start) {
        return Err(BootError::BadSegment);
    }
    Ok(segments)
}
