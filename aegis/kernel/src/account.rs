//! Accounts: how many environments and slices may be made.
//!
//! An environment draws on an account, or on none. Whoever makes another gives it an account that
//! is cut out of its own, or lets it draw on the same one. The number of an environment is charged
//! to the account of its maker until it can be given again; a slice, to that of whoever allocated
//! it, until it is free. When no environment draws on an account any more, what is left of it, and
//! what will come back to it, goes to the account that it was cut out of. The first account
//! outlives the first environment.
//!
//! A reference that keeps the name of the dead counts as an environment, too. So whoever is granted
//! environments finds numbers for them.

use crate::Kernel;
use crate::exposed::Paged;
use crate::machine::Machine;
use aegis_abi::Error;
use aegis_abi::calls;
use aegis_abi::exposed::Account;
use aegis_abi::limits::{ACCOUNTS, ENVS, SLICES};

/// The account of the first environment.
pub(crate) const ROOT: u8 = 0;

/// What is charged to an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Environment,
    Slice,
}

/// All accounts.
pub struct Accounts {
    /// The records, which every program may read.
    pub(crate) table: Paged<[Account; ACCOUNTS]>,
}

/// An account for a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// The maker's own.
    Shared,
    /// None.
    Nothing,
    /// One with so many environments and slices.
    Own(u8, u8),
}

impl Cut {
    /// What an argument of `e_alloc` names.
    pub fn of(argument: u32) -> Result<Cut, Error> {
        match argument {
            calls::SHARED => Ok(Cut::Shared),
            0 => Ok(Cut::Nothing),
            _ if argument >> 16 != 0 => Err(Error::NoAllowance),
            _ => Ok(Cut::Own(argument as u8, (argument >> 8) as u8)),
        }
    }
}

impl Accounts {
    /// The first account, with everything but the first environment and the first slice, which it
    /// has already.
    pub const fn new() -> Accounts {
        let mut table = [Account::UNUSED; ACCOUNTS];
        table[ROOT as usize] =
            Account { from: Account::NONE, environments: ENVS as u8 - 1, slices: SLICES as u8 - 1, members: 0 };
        Accounts { table: Paged(table) }
    }

    /// Checks that an account pays for an environment, and can have another cut out of it.
    pub fn check(&self, account: u8, cut: Cut) -> Result<(), Error> {
        let (environments, slices) =
            if let Cut::Own(environments, slices) = cut { (environments, slices) } else { (0, 0) };
        let enough =
            self.get(account).is_some_and(|account| account.environments > environments && account.slices >= slices);
        if enough { Ok(()) } else { Err(Error::NoAllowance) }
    }

    /// Checks that an account pays for a unit more.
    pub fn check_unit(&self, account: u8, unit: Unit) -> Result<(), Error> {
        let left = self.get(account).map_or(0, |mut account| *balance(&mut account, unit));
        if left > 0 { Ok(()) } else { Err(Error::NoAllowance) }
    }

    /// Charges a unit to an account, which pays for it.
    pub fn charge(&mut self, account: u8, unit: Unit) {
        *balance(&mut self.table[usize::from(account)], unit) -= 1;
    }

    /// Gives a unit back to the account that it was charged to.
    pub fn refund(&mut self, account: u8, unit: Unit) {
        if account != Account::NONE {
            *balance(&mut self.table[usize::from(account)], unit) += 1;
        }
    }

    /// The account for the child of an environment that draws on `account`, which pays for that. It
    /// has one member.
    pub fn open(&mut self, account: u8, cut: Cut) -> u8 {
        let opened = match cut {
            Cut::Shared => account,
            Cut::Nothing => return Account::NONE,
            Cut::Own(environments, slices) => {
                // There is one for each environment and the first one.
                let unused = |(n, account): &(usize, &Account)| *n != usize::from(ROOT) && account.members == 0;
                let Some((new, _)) = self.table.iter().enumerate().find(unused) else { return Account::NONE };
                let from = &mut self.table[usize::from(account)];
                from.environments -= environments;
                from.slices -= slices;
                self.table[new] = Account { from: account, environments, slices, members: 0 };
                new as u8
            }
        };
        self.join(opened);
        opened
    }

    /// An environment more draws on an account.
    pub fn join(&mut self, account: u8) {
        self.table[usize::from(account)].members += 1;
    }

    /// An environment less draws on an account. If it was the last, and the account ends, says what
    /// takes its place.
    fn leave(&mut self, account: u8) -> Option<u8> {
        let ended = self.table.get_mut(usize::from(account))?;
        ended.members -= 1;
        if ended.members > 0 || account == ROOT {
            return None;
        }
        let Account { from, environments, slices, .. } = core::mem::replace(ended, Account::UNUSED);
        let heir = &mut self.table[usize::from(from)];
        heir.environments += environments;
        heir.slices += slices;
        for other in self.table.iter_mut().filter(|other| other.members > 0 && other.from == account) {
            other.from = from;
        }
        Some(from)
    }

    /// Account `n`, if somebody draws on it, or it is the first.
    pub fn get(&self, n: u8) -> Option<Account> {
        self.table.get(usize::from(n)).copied().filter(|account| account.members > 0 || n == ROOT)
    }
}

/// How many units an account has left.
fn balance(account: &mut Account, unit: Unit) -> &mut u8 {
    match unit {
        Unit::Environment => &mut account.environments,
        Unit::Slice => &mut account.slices,
    }
}

impl<M: Machine> Kernel<M> {
    /// The account of the running environment.
    pub(crate) fn own_account(&self) -> u8 {
        self.environment().record.account
    }

    /// Environment `number` draws on its account no more.
    pub(crate) fn leave_account(&mut self, number: usize) {
        let account = core::mem::replace(&mut self.environments[number].record.account, Account::NONE);
        let Some(heir) = self.accounts.leave(account) else { return };
        for environment in self.environments.iter_mut().filter(|e| e.record.payer == account) {
            environment.record.payer = heir;
        }
        self.slices.move_charges(account, heir);
    }

    /// Gives back what the number of a dead environment was charged with, as far as those who hold
    /// references to it pay for it themselves.
    pub(crate) fn refund_number(&mut self, number: usize) {
        let record = &mut self.environments[number].record;
        if record.references & !record.paying == 0 {
            let payer = core::mem::replace(&mut record.payer, Account::NONE);
            self.accounts.refund(payer, Unit::Environment);
        }
    }

    /// Takes a reference of environment `holder` to `number` away, with what was charged for it.
    pub(crate) fn take_reference(&mut self, holder: usize, number: usize) {
        let record = &mut self.environments[number].record;
        record.references &= !(1 << holder);
        let paid = record.paying >> holder & 1 != 0;
        record.paying &= !(1 << holder);
        if paid {
            let account = self.environments[holder].record.account;
            self.accounts.refund(account, Unit::Environment);
        }
    }
}
