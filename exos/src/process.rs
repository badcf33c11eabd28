//! Processes: environments that run programs of the archive.

use crate::arguments;
use crate::page_table::{self, Pages, Rights};
use crate::region::Region;
use crate::rt::cell::Cell;
use crate::rt::{loader, memory};
use crate::{programs, schedule};
use aegis_abi::calls;
use aegis_abi::limits::{LIST_FRAMES, PAGE_BYTES};
use aegis_abi::{Error, Image, ImageError, Pid};
use core::fmt;

/// A process that this one has made. When the value goes, so does the process, unless it has taken
/// a reference to itself.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    /// Its state, which holds its exit status.
    state: Region,
    state_frame: u32,
    slice: Option<u32>,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with this exit status.
    Exited(i32),
    /// It was destroyed.
    Destroyed,
}

/// What a process may make itself: environments, which other processes are, and slices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Account {
    /// Nothing.
    #[default]
    Nothing,
    /// So many environments and slices, which this process can make no more until the account ends.
    Own {
        /// Environments.
        environments: u8,
        /// Slices.
        slices: u8,
    },
    /// What this process may, of the same account.
    Shared,
}

impl Account {
    /// As the kernel's call `e_alloc` has it.
    fn argument(self) -> u32 {
        match self {
            Account::Nothing => 0,
            Account::Own { environments, slices } => calls::allowance(environments, slices),
            Account::Shared => calls::SHARED,
        }
    }
}

/// Why a process could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnError {
    /// The archive holds no such program.
    NoProgram,
    /// Its file is none of a program.
    Image(ImageError),
    /// Name and arguments together take more than [`arguments::BYTES`].
    TooLong,
    /// Its image needs so many frames in a row, and there are none.
    NoFrames(u32),
    /// The kernel refused something.
    Kernel(Error),
    /// The page table did.
    PageTable(page_table::Error),
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::NoProgram => f.write_str("the archive holds no such program"),
            SpawnError::Image(error) => error.fmt(f),
            SpawnError::TooLong => write!(f, "name and arguments take more than {} bytes", arguments::BYTES),
            SpawnError::NoFrames(count) => write!(f, "no {count} page frames in a row are free"),
            SpawnError::Kernel(error) => error.fmt(f),
            SpawnError::PageTable(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SpawnError {}

impl From<Error> for SpawnError {
    fn from(error: Error) -> Self {
        SpawnError::Kernel(error)
    }
}

impl From<ImageError> for SpawnError {
    fn from(error: ImageError) -> Self {
        SpawnError::Image(error)
    }
}

impl From<page_table::Error> for SpawnError {
    fn from(error: page_table::Error) -> Self {
        SpawnError::PageTable(error)
    }
}

/// A page of addresses through which memory of others is filled; reserved when it is first needed.
static WINDOW: Cell<u32> = Cell::new(0);

fn window() -> Result<Pages, page_table::Error> {
    if WINDOW.get() == 0 {
        let region = Region::reserve(1)?;
        // The page of the page table is to be there when it is filled.
        region.demand_zero(0..1, Rights::ReadOnly)?;
        region.unmap(0..1)?;
        // That of a handler that was faster is left unused.
        WINDOW.set(region.start());
        // It is kept.
        core::mem::forget(region);
    }
    Pages::new(WINDOW.get(), 1)
}

/// Makes a process that runs the program `name` of the archive, with arguments, and gives it a
/// slice.
///
/// The process finds its name and the arguments in [`args`](crate::args), as they are: any of them
/// may hold any characters, blanks too, or be empty. Together they may take [`arguments::BYTES`],
/// of which each takes [`arguments::WORD_BYTES`] more than it is long.
///
/// # Errors
/// Says why it could not be made; nothing is left of it then.
pub fn spawn(name: &str, arguments: &[&str]) -> Result<Process, SpawnError> {
    spawn_with(name, arguments, Account::Nothing)
}

/// As [`spawn`], but the process may make others itself, and slices.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_with(name: &str, arguments: &[&str], account: Account) -> Result<Process, SpawnError> {
    let mut process = spawn_file(find(name)?, name, arguments, account)?;
    process.slice = Some(loader::give_slice(process.pid)?);
    Ok(process)
}

/// As [`spawn`], but the process has no slice: it runs when it is yielded to.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_without_slice(name: &str, arguments: &[&str]) -> Result<Process, SpawnError> {
    spawn_file(find(name)?, name, arguments, Account::Nothing)
}

/// The file of a program of the archive.
fn find(name: &str) -> Result<&'static [u8], SpawnError> {
    let program = programs::programs().find(|program| program.filename().as_str() == Ok(name));
    Ok(program.ok_or(SpawnError::NoProgram)?.data())
}

/// As [`spawn_without_slice`], but the program is this file of whatever origin: it is trusted in
/// nothing, gets no memory but its own, and draws on this account.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_file(file: &[u8], name: &str, arguments: &[&str], account: Account) -> Result<Process, SpawnError> {
    let words = core::iter::once(name).chain(arguments.iter().copied());
    let words = arguments::encode(words).ok_or(SpawnError::TooLong)?;
    let image = Image::parse(file)?;

    let frames = Frames::allocate(image.pages())?;
    let window = window()?;
    let mut next = frames.first;
    for segment in image.segments() {
        let mut left = segment.data();
        let mut offset = segment.va() % PAGE_BYTES;
        for frame in (next..).take(segment.pages().len()) {
            let (part, rest) = left.split_at(left.len().min((PAGE_BYTES - offset) as usize));
            if !part.is_empty() {
                loader::fill(window, frame, offset, part)?;
            }
            (left, offset) = (rest, 0);
        }
        next += segment.pages().len() as u32;
    }
    loader::set_arguments(window, frames.first, &words)?;

    let env = image.env(frames.first)?;
    let state = Region::reserve(1)?;
    memory::PAGE_TABLE.map(Pages::new(state.start(), 1)?, frames.first, Rights::ReadOnly)?;
    let pid = loader::make(&env, account.argument())?;
    let process = Process { pid, state, state_frame: frames.first, slice: None };
    frames.hand_over(pid)?;
    Ok(process)
}

impl Process {
    /// Its name in the kernel.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The slice that it was given.
    pub fn slice(&self) -> Option<u32> {
        self.slice
    }

    /// Waits until it ends, and lets it work meanwhile.
    ///
    /// # Panics
    /// In a critical section.
    #[track_caller]
    pub fn wait(&self) -> End {
        while schedule::yield_to(self.pid).is_ok() {}
        let page = Pages::new(self.state.start(), 1).expect("the region is a page");
        loader::exit_status(page).map_or(End::Destroyed, End::Exited)
    }

    /// Destroys it.
    ///
    /// # Errors
    /// `NoSuchEnvironment`, where it has ended already.
    pub fn kill(&self) -> Result<(), Error> {
        loader::destroy(self.pid)
    }

    /// Gives it the console's input.
    ///
    /// # Errors
    /// `NoSuchEnvironment`; `NotPermitted`, where this process does not have the input.
    pub fn focus(&self) -> Result<(), Error> {
        loader::focus(self.pid)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = loader::release(self.pid);
        memory::give_back(self.state_frame);
    }
}

/// Consecutive frames of this process', until they are handed over.
struct Frames {
    first: u32,
    count: u32,
}

impl Frames {
    fn allocate(count: u32) -> Result<Frames, SpawnError> {
        match loader::allocate_run(count) {
            Ok(first) => Ok(Frames { first, count }),
            Err(Error::NoMemory) => Err(SpawnError::NoFrames(count)),
            Err(error) => Err(SpawnError::Kernel(error)),
        }
    }

    /// Gives all but the first to an environment. The first, its state, is shared by the two.
    fn hand_over(mut self, pid: Pid) -> Result<(), Error> {
        while self.count > 1 {
            let mut list = [0; LIST_FRAMES];
            let count = (self.count - 1).min(LIST_FRAMES as u32);
            let last = self.first + self.count;
            list.iter_mut().zip(last - count..last).for_each(|(place, frame)| *place = frame);
            memory::give(&list[..count as usize], pid)?;
            self.count -= count;
        }
        // It is the process' representative's.
        self.count = 0;
        Ok(())
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        for frame in self.first..self.first + self.count {
            memory::give_back(frame);
        }
    }
}
