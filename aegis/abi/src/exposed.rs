//! The kernel's tables as every program may read them (thesis .10, figure 9-4): the very memory
//! that the kernel works on.
//!
//! A program asks where they are by the call `read_exposed_info`, maps their frames read-only, and
//! then looks without a call. What it reads may change at any tick; it is for information, and no
//! promise.

use crate::Pid;
use crate::limits::{PAGE_BYTES, PAGE_SHIFT};
use core::ops::Range;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A frame's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frame {
    /// The environments that may read it, a bit each: those with a share or a grant. A public frame
    /// of the kernel has all.
    pub readers: u64,
    /// The environments that may write it, all of them readers.
    pub writers: u64,
    /// The environments that hold a share of it. One that is giving up its share is no reader any
    /// more, and lines of it may name the frame as long as it stands here. The other readers hold
    /// grants.
    pub sharers: u64,
    /// STLB halves, guaranteed mappings, save areas and queues that name it.
    pub bindings: u16,
    /// Neighbours on a list of free frames; 0: none.
    pub next: u16,
    /// See `next`.
    pub previous: u16,
    /// See [`Frame::owner`].
    pub owner: u8,
    /// 1 if it may hold something, so that it must be zeroed before it is allocated.
    pub dirty: u8,
}

/// The owner of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// None: the frame is free, or will be when nothing names it any more.
    Nobody,
    /// The kernel, for good.
    Kernel,
    /// Of the environments that hold a share, the one whose grants stand.
    Environment(usize),
}

impl Frame {
    /// A frame without an owner that is on no list: all zeros.
    pub const UNUSED: Frame =
        Frame { readers: 0, writers: 0, sharers: 0, bindings: 0, next: 0, previous: 0, owner: 0, dirty: 0 };

    /// Its owner: 0 nobody, 1 the kernel, from 2 on an environment's number plus 2.
    pub fn owner(&self) -> Owner {
        match self.owner {
            0 => Owner::Nobody,
            1 => Owner::Kernel,
            n => Owner::Environment(n as usize - 2),
        }
    }

    /// Sets the owner.
    pub fn set_owner(&mut self, owner: Owner) {
        self.owner = match owner {
            Owner::Nobody => 0,
            Owner::Kernel => 1,
            Owner::Environment(n) => n as u8 + 2,
        };
    }
}

/// An environment's record. Its context (figure 9-2) lies behind it, as the kernel has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Environment {
    /// The environments that may change it, besides itself, a bit each.
    pub writers: u64,
    /// The environments that hold a reference to it, a bit each. None, and it dies.
    pub references: u64,
    /// Its name; 0: there is no environment of this number.
    pub pid: u32,
    /// How often the number has been given away.
    pub generation: u32,
    /// 1 while it is suspended: it was switched by hand, and goes on there when it is entered
    /// again.
    pub suspended: u32,
    /// 1 if it has ever run.
    pub started: u32,
    /// Of the environments that hold a reference, those whose accounts pay for that, a bit each.
    pub paying: u64,
    /// Number of the account on which it draws; [`Account::NONE`]: none.
    pub account: u8,
    /// Number of the account to which its number is charged; [`Account::NONE`]: none.
    pub payer: u8,
    /// Zeros.
    pub unused: [u8; 6],
}

/// An account's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Account {
    /// Number of the account that it was cut out of; [`Account::NONE`] for the first one.
    pub from: u8,
    /// Environments that may yet be made.
    pub environments: u8,
    /// Slices that may yet be allocated.
    pub slices: u8,
    /// Environments that draw on it; 0, but for the first account: there is no account of this
    /// number.
    pub members: u8,
}

impl Account {
    /// In place of an account's number: none.
    pub const NONE: u8 = u8::MAX;

    /// One that is not there.
    pub const UNUSED: Account = Account { from: Account::NONE, environments: 0, slices: 0, members: 0 };
}

impl Environment {
    /// One that does not live.
    pub const NONE: Environment = Environment {
        writers: 0,
        references: 0,
        pid: 0,
        generation: 0,
        suspended: 0,
        started: 0,
        paying: 0,
        account: Account::NONE,
        payer: Account::NONE,
        unused: [0; 6],
    };

    /// Its name, if it lives.
    pub fn pid(&self) -> Option<Pid> {
        Some(Pid(self.pid)).filter(|pid| pid.0 != 0)
    }
}

/// A time slice's record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Slice {
    /// The environments that may free or donate it, the owner among them, a bit each. None: the
    /// slice is free.
    pub access: u64,
    /// Number of the environment whose it is.
    pub owner: u16,
    /// Number of the environment that runs when it begins. Written when it ends: meanwhile it is
    /// with whom transfers have brought it to.
    pub holder: u16,
    /// Turns of it that are still to be skipped, one for each tick that found it overdue. A free
    /// slice may owe some, too.
    pub owed: u32,
}

impl Slice {
    /// A free one that owes nothing: all zeros.
    pub const FREE: Slice = Slice { access: 0, owner: 0, holder: 0, owed: 0 };
}

/// Where something stands of which there is one for each entry of a table: number `i` in the
/// `bytes` bytes from byte `offset` + `i` * `stride` of the memory that begins with frame `frame`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Column {
    /// Number of the first frame.
    pub frame: u32,
    /// Byte in it at which the first entry begins.
    pub offset: u32,
    /// Bytes from an entry to the next.
    pub stride: u32,
    /// Bytes of an entry.
    pub bytes: u32,
    /// Entries.
    pub entries: u32,
}

impl Column {
    /// The frames in which it stands.
    pub const fn frames(&self) -> Range<u32> {
        let end = self.offset + self.stride * (self.entries.saturating_sub(1)) + self.bytes;
        self.frame..self.frame + end.div_ceil(PAGE_BYTES)
    }

    /// Where the field of `bytes` bytes at `offset` in each entry stands.
    pub const fn field(self, offset: usize, bytes: usize) -> Column {
        Column { offset: self.offset + offset as u32, bytes: bytes as u32, ..self }
    }

    /// The `entries` entries of `stride` bytes each at a physical address.
    pub const fn at(address: u32, stride: usize, entries: usize) -> Column {
        Column {
            frame: address >> PAGE_SHIFT,
            offset: address % PAGE_BYTES,
            stride: stride as u32,
            bytes: stride as u32,
            entries: entries as u32,
        }
    }
}

/// Where each of the kernel's tables stands, by the names of figure 9-4. What has no table of its
/// own here is a column of another's: a set of environments is a word of a bit each, so a count of
/// references is the number of its bits, and what is free has none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct ExposedInfo {
    /// Ticks of the clock so far: a word.
    pub clock_tick: Column,
    /// Ticks a second, 0 where the clock counts instructions or there is none: a word.
    pub clock_rate: Column,
    /// Software bindings of each frame, a half-word: [`Frame::bindings`].
    pub p_refcnt: Column,
    /// Access lists of each frame: [`Frame::readers`], [`Frame::writers`] and [`Frame::sharers`].
    pub p_acl: Column,
    /// Which frames are whose, a byte: [`Frame::owner`].
    pub p_map: Column,
    /// The frames, whole: [`Frame`]. (Not in the thesis.)
    pub page: Column,
    /// References to each environment: [`Environment::references`].
    pub e_refcnt: Column,
    /// Access list of each environment: [`Environment::writers`].
    pub e_acl: Column,
    /// Which environments live: [`Environment::pid`].
    pub e_map: Column,
    /// The environments: [`Environment`].
    pub env: Column,
    /// References to each slice: [`Slice::access`], as for the next.
    pub s_refcnt: Column,
    /// Access list of each slice.
    pub s_acl: Column,
    /// The slices: [`Slice`].
    pub slice: Column,
    /// Which slices are allocated: [`Slice::access`].
    pub s_map: Column,
    /// The accounts: [`Account`]. (Not in the thesis.)
    pub account: Column,
    /// Whose each address space identifier is, which is the number of its environment:
    /// [`Environment::pid`].
    pub cmap: Column,
    /// Which identifiers are in use: the same.
    pub c_map: Column,
    /// The software TLB, overflow buffer included: one entry, a `stlb::Stlb`.
    pub stlb: Column,
}
