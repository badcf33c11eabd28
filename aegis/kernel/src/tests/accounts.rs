//! Accounts: who pays for environments, slices and names, and where what is left goes.

use super::model::*;
use crate::Kernel;
use crate::account::ROOT;
use crate::kernel::FIRST;
use aegis_abi::calls::{ANY, Number, SHARED, allowance};
use aegis_abi::exposed::Account;
use aegis_abi::limits::{ENVS, SLICES};
use aegis_abi::{Env, Error, Pid};
use stlb::Mips32;

type Tested = Kernel<Model<Mips32>>;

/// Has environment `by` make number `n` with a page of its own, and an account.
#[track_caller]
fn make(kernel: &mut Tested, by: usize, n: usize, account: u32) -> Pid {
    run_as(kernel, by);
    let frame = page(n) >> aegis_abi::limits::PAGE_SHIFT;
    call(kernel, Number::p_alloc, [frame]);
    let pid = e_alloc_with(kernel, n as u32, &child_env(n), account).unwrap();
    kernel.check().unwrap();
    call(kernel, Number::p_unref, [frame]);
    pid
}

/// What environment `n` may still make: environments, slices.
fn left(kernel: &Tested, n: usize) -> (u8, u8) {
    let account = kernel.environments[n].record.account;
    kernel.accounts.get(account).map_or((0, 0), |account| (account.environments, account.slices))
}

/// Environments and slices that are anybody's.
const ALL: (u8, u8) = (ENVS as u8 - 1, SLICES as u8 - 1);

#[test]
fn the_first_environment_may_make_all() {
    let mut kernel = kernel::<Mips32>();
    assert_eq!(left(&kernel, FIRST), ALL);
    make(&mut kernel, FIRST, 1, 0);
    assert_eq!(left(&kernel, FIRST), (ALL.0 - 1, ALL.1));
    let own = pid(&kernel, FIRST);
    call(&mut kernel, Number::s_alloc, [own, ANY]);
    assert_eq!(left(&kernel, FIRST), (ALL.0 - 1, ALL.1 - 1));
}

#[test]
fn who_has_no_account_makes_nothing() {
    let mut kernel = kernel::<Mips32>();
    let poor = make(&mut kernel, FIRST, 1, 0);
    let other = make(&mut kernel, FIRST, 2, 0);
    call(&mut kernel, Number::e_add, [poor.0, other.0]);
    run_as(&mut kernel, 1);
    put(&kernel, page(1) | ENV_OFFSET, &Env::EMPTY);
    let pointer = GUARANTEED_VA | ENV_OFFSET;
    for account in [0, SHARED, allowance(1, 0), allowance(0, 1)] {
        fails(&mut kernel, Number::e_alloc, [ANY, pointer, account, 0], Error::NoAllowance);
    }
    fails(&mut kernel, Number::s_alloc, [poor.0, ANY, 0, 0], Error::NoAllowance);
    fails(&mut kernel, Number::e_ref, [other.0, 0, 0, 0], Error::NoAllowance);
    // Its own name costs nothing.
    call(&mut kernel, Number::e_ref, [poor.0]);
}

#[test]
fn an_account_is_cut_out_of_the_makers() {
    let mut kernel = kernel::<Mips32>();
    make(&mut kernel, FIRST, 1, allowance(5, 3));
    assert_eq!((left(&kernel, FIRST), left(&kernel, 1)), ((ALL.0 - 6, ALL.1 - 3), (5, 3)));
    run_as(&mut kernel, 1);
    put(&kernel, page(1) | ENV_OFFSET, &Env::EMPTY);
    let pointer = GUARANTEED_VA | ENV_OFFSET;
    // Itself, and what it is to have.
    for account in [allowance(5, 0), allowance(4, 4), allowance(255, 255), 1 << 16, SHARED - 1] {
        fails(&mut kernel, Number::e_alloc, [ANY, pointer, account, 0], Error::NoAllowance);
    }
    make(&mut kernel, 1, 2, allowance(4, 3));
    assert_eq!((left(&kernel, 1), left(&kernel, 2)), ((0, 0), (4, 3)));
    run_as(&mut kernel, 1);
    fails(&mut kernel, Number::e_alloc, [ANY, pointer, 0, 0], Error::NoAllowance);
    let own = pid(&kernel, 1);
    fails(&mut kernel, Number::s_alloc, [own, ANY, 0, 0], Error::NoAllowance);
}

#[test]
fn what_ends_returns_to_the_account_that_paid() {
    let mut kernel = kernel::<Mips32>();
    let one = make(&mut kernel, FIRST, 1, allowance(5, 3));
    let two = make(&mut kernel, 1, 2, allowance(2, 1));
    run_as(&mut kernel, 1);
    let slice = call(&mut kernel, Number::s_alloc, [two.0, ANY]);
    call(&mut kernel, Number::s_alloc, [one.0, ANY]);
    assert_eq!(left(&kernel, 1), (2, 0));
    call(&mut kernel, Number::s_free, [slice]);
    assert_eq!(left(&kernel, 1), (2, 1));
    call(&mut kernel, Number::e_free, [two.0]);
    assert_eq!(left(&kernel, 1), (5, 2), "with what the child had");
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::e_free, [one.0]);
    assert_eq!(left(&kernel, FIRST), ALL);
}

#[test]
fn what_outlives_an_account_is_charged_to_the_one_before_it() {
    let mut kernel = kernel::<Mips32>();
    let one = make(&mut kernel, FIRST, 1, allowance(5, 3));
    let two = make(&mut kernel, 1, 2, allowance(1, 1));
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::s_alloc, [two.0, 9]);
    run_as(&mut kernel, 2);
    call(&mut kernel, Number::e_ref, [two.0]);
    let three = make(&mut kernel, 2, 3, SHARED);
    call(&mut kernel, Number::e_ref, [three.0]);
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::e_free, [one.0]);
    settle(&mut kernel);
    // The second and its slice are the first account's now; the third is charged to the second's
    // own.
    assert_eq!((left(&kernel, FIRST), left(&kernel, 2)), ((ALL.0 - 2, ALL.1 - 2), (0, 1)));
    assert_eq!((kernel.environments[2].record.payer, kernel.slices.payer(9)), (ROOT, ROOT));
    // An account lives while anybody draws on it.
    run_as(&mut kernel, 3);
    let third = pid(&kernel, 3);
    call(&mut kernel, Number::e_ref, [third]);
    run_as(&mut kernel, 2);
    call(&mut kernel, Number::e_free, [two.0]);
    settle(&mut kernel);
    assert!(kernel.is_alive(3) && !kernel.is_alive(2));
    assert_eq!((left(&kernel, FIRST), left(&kernel, 3)), ((ALL.0 - 1, ALL.1 - 1), (0, 1)));
}

#[test]
fn the_first_account_outlives_the_first_environment() {
    let mut kernel = kernel::<Mips32>();
    let one = make(&mut kernel, FIRST, 1, SHARED);
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::e_ref, [one.0]);
    run_as(&mut kernel, FIRST);
    let first = pid(&kernel, FIRST);
    call(&mut kernel, Number::s_alloc, [one.0, ANY]);
    call(&mut kernel, Number::e_free, [first]);
    settle(&mut kernel);
    // The first slice is free, and the first environment's number nobody's.
    assert_eq!(left(&kernel, 1), (ALL.0 - 1, ALL.1));
}

#[test]
fn a_name_that_is_kept_is_paid_for_by_who_keeps_it() {
    let mut kernel = kernel::<Mips32>();
    make(&mut kernel, FIRST, 1, allowance(3, 0));
    let keeper = make(&mut kernel, FIRST, 2, allowance(1, 0));
    let kept = make(&mut kernel, 1, 3, 0);
    let other = make(&mut kernel, 1, 4, 0);
    run_as(&mut kernel, 1);
    for name in [kept, other] {
        call(&mut kernel, Number::e_add, [keeper.0, name.0]);
    }
    assert_eq!(left(&kernel, 1), (1, 0));
    run_as(&mut kernel, 2);
    call(&mut kernel, Number::e_ref, [kept.0]);
    call(&mut kernel, Number::e_ref, [kept.0]);
    assert_eq!(left(&kernel, 2), (0, 0), "once");
    fails(&mut kernel, Number::e_ref, [other.0, 0, 0, 0], Error::NoAllowance);
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::e_free, [kept.0]);
    assert_eq!(left(&kernel, 1), (2, 0), "who made it pays no more");
    assert_eq!(kernel.environments[3].record.payer, Account::NONE);
    assert!(!kernel.numbers.contains(3));
    run_as(&mut kernel, 2);
    call(&mut kernel, Number::e_unref, [kept.0]);
    assert_eq!(left(&kernel, 2), (1, 0));
    assert!(kernel.numbers.contains(3));
}

#[test]
fn the_dead_are_paid_for_until_nothing_is_left_of_them() {
    let mut kernel = kernel::<Mips32>();
    make(&mut kernel, FIRST, 1, allowance(1, 0));
    let dead = make(&mut kernel, 1, 2, 0);
    run_as(&mut kernel, 1);
    put(&kernel, page(1) | ENV_OFFSET, &Env::EMPTY);
    crate::budget::tests::with_budget(1, || {
        assert_eq!(kernel.call(Number::e_free as u32, [dead.0, 0, 0, 0]), Err(Error::Again));
        assert_eq!(left(&kernel, 1), (0, 0));
        // Whoever wants another one works on it.
        assert!(e_alloc_with(&mut kernel, ANY, &Env::EMPTY, 0).is_ok());
    });
    kernel.check().unwrap();
}
