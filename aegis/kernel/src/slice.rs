//! Time slices (thesis .7, figure 9-1): a vector of them, each a resource like a frame, with an
//! owner and an access list. Position is order.

use crate::exposed::Paged;
use crate::set;
use aegis_abi::exposed;
use aegis_abi::exposed::Account;
use aegis_abi::limits::{ENVS, SLICES};
use aegis_abi::{Error, Pid};

/// A set of environments is a word.
const _: () = assert!(ENVS == u64::BITS as usize);

/// An allocated slice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    /// Whose it is: where it goes back to when its holder dies.
    pub owner: usize,
    /// Who runs when it begins. Written back when it ends: meanwhile it is with whom transfers have
    /// brought it to.
    pub holder: usize,
    /// The environments that may free or donate it, the owner among them, a bit each.
    pub access: u64,
}

/// A transfer that waits for a slice to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LateTransfer {
    /// Its sender.
    pub caller: Pid,
    /// Its receiver.
    pub callee: Pid,
    /// Does it take the slice along?
    pub synchronous: bool,
}

/// The vector.
#[repr(C)]
pub struct Slices {
    /// The allocated ones, a bit each: they are looked for at each tick.
    allocated: u64,
    /// Those that owe turns, a bit each, also free ones: a debt outlives its maker.
    owing: u64,
    /// Those for which a transfer waits, a bit each, also free ones: a message outlives its slice.
    waiting: u64,
    /// The accounts to which they are charged.
    payers: [u8; SLICES],
    /// These transfers.
    late: [Option<LateTransfer>; SLICES],
    /// The records, which every program may read.
    pub(crate) table: Paged<[exposed::Slice; SLICES]>,
}

/// A set of slices is a word.
const _: () = assert!(SLICES == u64::BITS as usize);

impl Slices {
    /// All free.
    pub const fn new() -> Slices {
        Slices {
            allocated: 0,
            owing: 0,
            waiting: 0,
            payers: [Account::NONE; SLICES],
            late: [const { None }; SLICES],
            table: Paged([exposed::Slice::FREE; SLICES]),
        }
    }

    /// Slice `n`, if it is allocated.
    pub fn get(&self, n: usize) -> Option<Slice> {
        let &exposed::Slice { access, owner, holder, .. } = self.table.get(n)?;
        (access != 0).then_some(Slice { owner: owner.into(), holder: holder.into(), access })
    }

    /// How many are allocated.
    pub fn allocated(&self) -> usize {
        self.allocated.count_ones() as usize
    }

    /// Does `env` own any?
    pub fn owned(&self, env: usize) -> bool {
        self.table.iter().any(|slice| slice.access != 0 && slice.owner as usize == env)
    }

    /// The slice that follows slice `n`, of those that are allocated, owe something, or are waited
    /// for, the first following the last; slice `n` itself where it is the only one. `None`: no
    /// slice would run.
    pub fn after(&self, n: usize) -> Option<usize> {
        if self.allocated | self.waiting == 0 {
            return None;
        }
        let all = self.allocated | self.owing | self.waiting;
        let later = all & (!0 << n << 1);
        let next = if later != 0 { later } else { all };
        Some(next.trailing_zeros() as usize)
    }

    /// Does a transfer wait for slice `n`?
    pub fn is_waited_for(&self, n: usize) -> bool {
        self.waiting >> n & 1 != 0
    }

    /// The transfer that waits for slice `n`, if there is one.
    pub fn late(&self, n: usize) -> Option<LateTransfer> {
        self.late[n]
    }

    /// Keeps a transfer until slice `n` begins.
    pub fn keep_late(&mut self, n: usize, transfer: LateTransfer) {
        self.late[n] = Some(transfer);
        self.waiting |= 1 << n;
    }

    /// Drops the transfer that waits for slice `n`: it is made, or void.
    pub fn drop_late(&mut self, n: usize) {
        self.late[n] = None;
        self.waiting &= !(1 << n);
    }

    /// Drops the transfers whose callee is one of these.
    pub fn drop_late_to(&mut self, is_one: impl Fn(Pid) -> bool) {
        for n in set::members(self.waiting) {
            if self.late[n].is_some_and(|late| is_one(late.callee)) {
                self.drop_late(n);
            }
        }
    }

    /// Slice `n` owes one turn more.
    pub fn owe(&mut self, n: usize) {
        self.table[n].owed = self.table[n].owed.saturating_add(1);
        self.owing |= 1 << n;
    }

    /// Has slice `n`, whose turn it is, a debt? It pays one turn of it.
    pub fn pay(&mut self, n: usize) -> bool {
        if self.owing >> n & 1 == 0 {
            return false;
        }
        self.table[n].owed -= 1;
        if self.table[n].owed == 0 {
            self.owing &= !(1 << n);
        }
        true
    }

    /// Does slice `n` owe anything?
    pub fn owes(&self, n: usize) -> bool {
        self.owing >> n & 1 != 0
    }

    /// Checks that slice `n` exists and is allocated.
    pub fn check(&self, n: u32) -> Result<(usize, Slice), Error> {
        if n as usize >= SLICES {
            return Err(Error::NoSuchSlice);
        }
        self.get(n as usize).map(|slice| (n as usize, slice)).ok_or(Error::SliceFree)
    }

    /// A free slice: `wanted`, or the first.
    pub fn choose(&self, wanted: Option<u32>) -> Result<usize, Error> {
        match wanted {
            None => {
                let free = !(self.allocated | self.owing | self.waiting);
                Some(free.trailing_zeros() as usize).filter(|&n| n < SLICES).ok_or(Error::SliceTaken)
            }
            Some(n) if n as usize >= SLICES => Err(Error::NoSuchSlice),
            Some(n) if self.allocated >> n & 1 != 0 => Err(Error::SliceTaken),
            Some(n) if (self.owing | self.waiting) >> n & 1 != 0 => Err(Error::Owing),
            Some(n) => Ok(n as usize),
        }
    }

    /// Gives slice `n` to `env` alone. It is charged to `payer`.
    pub fn give(&mut self, env: usize, n: usize, payer: u8) {
        self.payers[n] = payer;
        self.give_to(env, n);
    }

    /// Gives slice `n`, which is allocated, to `env` alone.
    pub fn give_to(&mut self, env: usize, n: usize) {
        let owed = self.table[n].owed;
        self.table[n] = exposed::Slice { access: 1 << env, owner: env as u16, holder: env as u16, owed };
        self.allocated |= 1 << n;
    }

    /// Frees slice `n`. What it owes it owes still. Says to what account it was charged.
    pub fn free(&mut self, n: usize) -> u8 {
        self.table[n] = exposed::Slice { owed: self.table[n].owed, ..exposed::Slice::FREE };
        self.allocated &= !(1 << n);
        core::mem::replace(&mut self.payers[n], Account::NONE)
    }

    /// The account to which slice `n` is charged.
    pub fn payer(&self, n: usize) -> u8 {
        self.payers[n]
    }

    /// What was charged to one account is charged to another.
    pub fn move_charges(&mut self, from: u8, to: u8) {
        self.payers.iter_mut().filter(|payer| **payer == from).for_each(|payer| *payer = to);
    }

    /// Puts `env` on the access list of slice `n`, which is allocated.
    pub fn add(&mut self, env: usize, n: usize) {
        self.table[n].access |= 1 << env;
    }

    /// Notes who runs when slice `n` begins; where it is free, nobody does.
    pub fn set_holder(&mut self, n: usize, holder: usize) {
        if self.allocated >> n & 1 != 0 {
            self.table[n].holder = holder as u16;
        }
    }

    /// Takes the environments of a set out of everything. What they held goes back to the owner;
    /// where that was one of them, the lowest that remains on the list becomes it, and where nobody
    /// remains, the slice is free, which `freed` is told with the account to which it was charged.
    pub fn leave(&mut self, set: u64, mut freed: impl FnMut(u8)) {
        for n in 0..SLICES {
            let slice = &mut self.table[n];
            slice.access &= !set;
            if slice.access == 0 {
                freed(self.free(n));
                continue;
            }
            if set >> slice.owner & 1 != 0 {
                slice.owner = slice.access.trailing_zeros() as u16;
            }
            if set >> slice.holder & 1 != 0 {
                slice.holder = slice.owner;
            }
        }
    }
}

impl Default for Slices {
    fn default() -> Self {
        Self::new()
    }
}
