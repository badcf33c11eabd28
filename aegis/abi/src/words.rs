//! What travels in one register: arguments are decoded to their meaning at the door.

use crate::limits::{USER_END, USER_START};
use crate::{Error, Lo};

/// A value that passes between program and kernel in one register.
pub trait Word: Sized {
    /// The value that the word stands for.
    ///
    /// # Errors
    /// Whatever makes the word senseless; the call then fails with it.
    fn from_word(word: u32) -> Result<Self, Error>;
    /// The word that stands for the value.
    fn into_word(self) -> u32;
}

impl Word for u32 {
    fn from_word(word: u32) -> Result<Self, Error> {
        Ok(word)
    }
    fn into_word(self) -> u32 {
        self
    }
}

impl Word for () {
    fn from_word(_: u32) -> Result<Self, Error> {
        Ok(())
    }
    fn into_word(self) -> u32 {
        0
    }
}

impl Word for Lo {
    fn from_word(word: u32) -> Result<Self, Error> {
        Ok(Lo(word))
    }
    fn into_word(self) -> u32 {
        self.0
    }
}

/// The name of an environment: its number with a generation, so that a name kept too long is an error and not somebody
/// else. Its layout is the processor's affair; to a program it is opaque.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Pid(pub u32);

impl Word for Pid {
    fn from_word(word: u32) -> Result<Self, Error> {
        Ok(Pid(word))
    }
    fn into_word(self) -> u32 {
        self.0
    }
}

/// A virtual address that a program may map: within user space, page 0 excepted. It names the page it lies in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(transparent)]
pub struct UserVa(u32);

impl UserVa {
    /// `None` outside `USER_START..USER_END`.
    pub const fn new(address: u32) -> Option<UserVa> {
        if address >= USER_START && address < USER_END { Some(UserVa(address)) } else { None }
    }

    /// The address.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl Word for UserVa {
    fn from_word(word: u32) -> Result<Self, Error> {
        UserVa::new(word).ok_or(Error::BadAddress)
    }
    fn into_word(self) -> u32 {
        self.0
    }
}

/// A pointer argument, as yet an allegation: it lies in user space, and no more is known of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct UserPtr(UserVa);

impl UserPtr {
    /// `None` outside user space.
    pub const fn new(address: u32) -> Option<UserPtr> {
        match UserVa::new(address) {
            Some(va) => Some(UserPtr(va)),
            None => None,
        }
    }

    /// The address.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl Word for UserPtr {
    fn from_word(word: u32) -> Result<Self, Error> {
        UserPtr::new(word).ok_or(Error::BadPointer)
    }
    fn into_word(self) -> u32 {
        self.get()
    }
}
