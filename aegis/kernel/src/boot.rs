//! The first environment: found in the archive, loaded, and brought to life.

use crate::Kernel;
use crate::account::ROOT;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::exposed::Account;
use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Error, Image, ImageError, Pid};
use core::fmt;
use tar_no_std::TarArchiveRef;

/// Why no environment could be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BootError {
    /// The command line names no program.
    NoName,
    /// The archive is no tar archive, or empty.
    NoArchive,
    /// The archive holds no such program.
    NoProgram,
    /// The program's file is none of a program.
    Image(ImageError),
    /// The program's context is wrong, or memory does not suffice.
    Kernel(Error),
}

impl fmt::Display for BootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BootError::NoName => "the command line names no program",
            BootError::NoArchive => "the kernel's image holds no archive of programs",
            BootError::NoProgram => "the archive holds no such program",
            BootError::Image(error) => return fmt::Display::fmt(error, f),
            BootError::Kernel(error) => return fmt::Display::fmt(error, f),
        })
    }
}

impl From<ImageError> for BootError {
    fn from(error: ImageError) -> Self {
        BootError::Image(error)
    }
}

impl From<Error> for BootError {
    fn from(error: Error) -> Self {
        BootError::Kernel(error)
    }
}

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

    /// Brings the first environment to life under the context that has been checked last. It draws on the first account,
    /// and owns slice 0.
    pub(crate) fn create_first(&mut self) -> Pid {
        self.accounts.join(ROOT);
        self.slices.give(FIRST, 0, ROOT);
        // Nobody gets its number, and so nobody pays for it.
        self.create(FIRST, FIRST, [ROOT, Account::NONE])
    }

    /// Loads a program from its ELF file and makes it the first environment.
    fn load(&mut self, file: &[u8]) -> Result<(), BootError> {
        let image = Image::parse(file)?;
        let page_count = image.pages();
        let first_frame = self.frames.choose_run(page_count)?;
        for frame in first_frame..first_frame + page_count {
            self.frames.give(FIRST, frame);
            self.machine.zero(frame);
        }
        let mut frame = first_frame;
        for segment in image.segments() {
            let address = (frame << PAGE_SHIFT) + segment.va() % PAGE_BYTES;
            self.machine.write(address, segment.data());
            frame += segment.pages().len() as u32;
        }
        (first_frame..first_frame + page_count).for_each(|frame| self.machine.sync_instructions(frame));

        self.draft.check(&self.frames, FIRST, &image.env(first_frame)?)?;
        let pid = self.create_first();
        log::debug!("environment {FIRST} (pid {:#010x}): {page_count} pages from frame {first_frame:#x}", pid.0);
        Ok(())
    }
}
