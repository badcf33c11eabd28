//! Time slices: order, the end of a slice, excess time, yields, holders, idleness.

use super::model::*;
use crate::Kernel;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{ANY, NEXT, Number};
use aegis_abi::interrupts::{ALL, SLICE_END};
use aegis_abi::limits::SLICES;
use aegis_abi::{Env, Error, status};
use stlb::Mips32;

pub type Tested = Kernel<Model<Mips32>>;

#[track_caller]
pub fn call(kernel: &mut Tested, number: Number, arguments: [u32; 2]) -> u32 {
    let result = kernel.call(number as u32, [arguments[0], arguments[1], 0, 0]);
    kernel.check().unwrap();
    result.unwrap_or_else(|error| panic!("{number:?}, {arguments:x?}: {error}"))
}

/// Ends the current slice by a call, and says who runs then.
#[track_caller]
pub fn next(kernel: &mut Tested) -> usize {
    call(kernel, Number::r#yield, [NEXT.0, 0]);
    kernel.current()
}

#[track_caller]
pub fn yield_to(kernel: &mut Tested, n: usize) {
    let name = pid(kernel, n);
    call(kernel, Number::r#yield, [name, 0]);
}

/// Lets the slices end one after the other, each by a tick and a call of who runs. Who runs after each?
#[track_caller]
pub fn turns(kernel: &mut Tested, count: usize) -> Vec<usize> {
    let turn = |_| {
        tick(kernel);
        next(kernel)
    };
    (0..count).map(turn).collect()
}

/// Owner and holder of a slice.
pub fn slice(kernel: &Tested, n: usize) -> Option<(usize, usize)> {
    kernel.slices.get(n).map(|slice| (slice.owner, slice.holder))
}

/// Transfers control, as the machine does: with the slice, or with the rest of it.
pub fn transfer(kernel: &Tested, to: usize, with_slice: bool) {
    let machine = &kernel.machine;
    if !with_slice && machine.holder().is_none() {
        machine.set_holder(Some(machine.current()));
    }
    machine.set_current(to);
    machine.set_holder(machine.holder().filter(|&holder| holder != to));
}

/// Who runs after the end of its slice, if anybody does.
pub fn over(kernel: &Tested) -> Option<usize> {
    kernel.schedule.next.map(|_| kernel.current())
}

/// Lets the kernel destroy the running environment.
pub fn die(kernel: &mut Tested) {
    kernel.unhandled(4, 0x1000, 0);
    kernel.check().unwrap();
}

#[test]
fn slices_begin_in_order_of_their_numbers_and_free_ones_are_skipped() {
    let mut kernel = family(3);
    for (n, slice) in [(2, 40), (1, 63)] {
        let name = pid(&kernel, n);
        assert_eq!(call(&mut kernel, Number::s_alloc, [name, slice]), slice);
    }
    call(&mut kernel, Number::s_free, [2, 0]);
    let order: Vec<usize> = (0..10).map(|_| next(&mut kernel)).collect();
    assert_eq!(order, [1, 3, 2, 1, 0, 1, 3, 2, 1, 0]);
    assert_eq!(turns(&mut kernel, 5), [1, 3, 2, 1, 0], "and just so where each lasts to its end");
}

#[test]
fn any_slice_is_the_lowest_that_is_free() {
    let mut kernel = family(2);
    let own = pid(&kernel, FIRST);
    assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), 3);
    call(&mut kernel, Number::s_free, [1, 0]);
    assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), 1);
    for n in 4..SLICES as u32 {
        assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), n);
    }
    fails(&mut kernel, Number::s_alloc, [own, ANY, 0, 0], Error::SliceTaken);
}

#[test]
fn an_environment_starts_at_its_first_instruction_and_goes_on_at_its_prologue() {
    let mut kernel = kernel::<Mips32>();
    assert_eq!(kernel.machine.running.get(), Some((handler(FIRST, 0), [0, PUBLIC_FRAME])));
    let name = child(&mut kernel, 1);
    call(&mut kernel, Number::s_alloc, [name.0, 5]);
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(kernel.machine.running.get(), Some((handler(1, 0), [1001, PUBLIC_FRAME])));
    assert_eq!(next(&mut kernel), FIRST);
    assert_eq!(kernel.machine.running.get(), Some((handler(FIRST, PROLOGUE), [0, 0])));
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(kernel.machine.running.get(), Some((handler(1, PROLOGUE), [0, 0])));
}

#[test]
fn an_environment_starts_at_its_first_instruction_by_a_yield_too() {
    let mut kernel = kernel::<Mips32>();
    child(&mut kernel, 1);
    yield_to(&mut kernel, 1);
    assert_eq!(runs(&kernel), Some((1, handler(1, 0))));
    yield_to(&mut kernel, 1);
    assert_eq!(runs(&kernel), Some((1, handler(1, PROLOGUE))));
}

#[test]
fn before_another_slice_of_its_own_an_environment_is_told_nothing() {
    let mut kernel = family(2);
    call(&mut kernel, Number::s_free, [1, 0]);
    let own = pid(&kernel, FIRST);
    call(&mut kernel, Number::s_alloc, [own, 1]);
    set_queue(&kernel, FIRST, |queue| queue.mask = ALL);
    kernel.machine.running.set(Some((0, [7, 7])));
    let before = queue(&kernel, FIRST);
    assert_eq!(tick(&mut kernel), None);
    assert_eq!((queue(&kernel, FIRST), kernel.current()), (before, FIRST));
    assert_eq!(kernel.machine.running.get(), Some((0, [7, 7])), "nobody was started");
    assert!(tick(&mut kernel).is_some(), "the next is another's");
    assert_eq!(next(&mut kernel), 2);
}

#[test]
fn the_end_of_a_slice_calls_the_epilogue_up_and_clears_the_mask() {
    let mut kernel = family(1);
    set_queue(&kernel, FIRST, |queue| queue.mask = ALL);
    let upcall = tick(&mut kernel).unwrap();
    assert_eq!((upcall.handler, upcall.save_area), (handler(FIRST, EPILOGUE), page(FIRST) | 0x30));
    let told = queue(&kernel, FIRST);
    assert_eq!((told.mask, told.ended, told.withheld, told.head), (0, 1, 0, 0));
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(next(&mut kernel), FIRST);
    assert_eq!(queue(&kernel, FIRST).ended, 0);
}

#[test]
fn the_epilogue_is_withheld_where_it_is_masked_or_there_is_none() {
    let mut kernel = family(1);
    set_queue(&kernel, FIRST, |queue| queue.mask = ALL & !(1 << SLICE_END));
    let told = |kernel: &mut Tested| {
        assert_eq!(tick(kernel), None);
        let queue = queue(kernel, FIRST);
        (queue.mask, queue.ended, queue.withheld)
    };
    assert_eq!(told(&mut kernel), (ALL & !(1 << SLICE_END), 1, 1));
    for spoil in [|env: &mut Env| env.epi = 0, |env: &mut Env| env.intx_save_area = 0] {
        let mut kernel = family(1);
        let mut env = good_env();
        spoil(&mut env);
        put(&kernel, page(FIRST) | ENV_OFFSET, &env);
        call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0]);
        set_queue(&kernel, FIRST, |queue| queue.mask = ALL);
        assert_eq!(told(&mut kernel), (ALL, 1, 1));
    }
}

#[test]
fn without_a_queue_nothing_is_masked() {
    let mut kernel = family(1);
    put(&kernel, page(FIRST) | ENV_OFFSET, &Env { iq: 0, ..good_env() });
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0]);
    assert_eq!(tick(&mut kernel).unwrap().handler, handler(FIRST, EPILOGUE));
}

#[test]
fn a_yield_to_somebody_gives_the_rest_of_the_slice_and_no_more() {
    let mut kernel = family(3);
    yield_to(&mut kernel, 2);
    assert_eq!(runs(&kernel), Some((2, handler(2, PROLOGUE))));
    assert_eq!(kernel.machine.holder(), Some(FIRST));
    yield_to(&mut kernel, 3);
    assert_eq!((kernel.current(), kernel.machine.holder()), (3, Some(FIRST)), "the slice is whose it was");
    tick(&mut kernel);
    assert_eq!((queue(&kernel, 3).ended, queue(&kernel, FIRST).ended), (1, 0), "who runs is told");
    assert_eq!(slice(&kernel, 0), Some((FIRST, FIRST)));
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(kernel.machine.holder(), None);
    assert_eq!(turns(&mut kernel, 3), [2, 3, FIRST]);
}

#[test]
fn a_yield_back_to_the_holder_makes_it_the_one_who_runs_and_has_the_slice() {
    let mut kernel = family(2);
    yield_to(&mut kernel, 2);
    yield_to(&mut kernel, FIRST);
    assert_eq!((runs(&kernel), kernel.machine.holder()), (Some((FIRST, handler(FIRST, PROLOGUE))), None));
    yield_to(&mut kernel, FIRST);
    assert_eq!((kernel.current(), kernel.machine.holder()), (FIRST, None), "to itself");
}

#[test]
fn of_a_slice_that_is_over_there_is_no_rest_to_yield() {
    let mut kernel = family(3);
    tick(&mut kernel);
    yield_to(&mut kernel, 3);
    assert_eq!((kernel.current(), kernel.machine.holder()), (1, None));
}

#[test]
fn a_yield_gives_an_undirected_rest_to_the_next_slice_and_the_slice_stays_with_its_holder() {
    let mut kernel = family(2);
    yield_to(&mut kernel, 2);
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(slice(&kernel, 0), Some((FIRST, FIRST)));
}

#[test]
fn a_donated_slice_is_the_others_for_good() {
    for over in [false, true] {
        let mut kernel = family(3);
        let name = pid(&kernel, 3);
        let helper = pid(&kernel, 2);
        call(&mut kernel, Number::s_add, [helper, 0]);
        if over {
            tick(&mut kernel);
        }
        call(&mut kernel, Number::donate, [name, 0]);
        let expected = if over { 1 } else { 3 };
        assert_eq!((kernel.current(), kernel.machine.holder()), (expected, None));
        assert_eq!(slice(&kernel, 0), Some((3, 3)));
        assert_eq!(kernel.slices.get(0).unwrap().access, 1 << 3, "the list begins anew");
        let order = if over { [2, 3, 3] } else { [1, 2, 3] };
        assert_eq!((0..3).map(|_| next(&mut kernel)).collect::<Vec<_>>(), order);
    }
}

#[test]
fn who_has_the_rest_of_a_slice_may_donate_it_if_it_is_on_the_list() {
    let mut kernel = family(2);
    let (name, giver) = (pid(&kernel, 2), pid(&kernel, 1));
    call(&mut kernel, Number::e_add, [giver, name]);
    yield_to(&mut kernel, 1);
    fails(&mut kernel, Number::donate, [name, 0, 0, 0], Error::NotPermitted);
    kernel.machine.set_current(FIRST);
    kernel.machine.set_holder(None);
    let helper = pid(&kernel, 1);
    call(&mut kernel, Number::s_add, [helper, 0]);
    yield_to(&mut kernel, 1);
    call(&mut kernel, Number::donate, [name, 0]);
    assert_eq!((kernel.current(), kernel.machine.holder(), slice(&kernel, 0)), (2, None, Some((2, 2))));
}

#[test]
fn a_synchronous_transfer_takes_the_slice_and_all_its_future_instances() {
    let mut kernel = family(3);
    transfer(&kernel, 2, true);
    assert_eq!(slice(&kernel, 0), Some((FIRST, FIRST)), "noted at the slice's end");
    tick(&mut kernel);
    assert_eq!(slice(&kernel, 0), Some((FIRST, 2)));
    assert_eq!(queue(&kernel, 2).ended, 1);
    assert_eq!(next(&mut kernel), 1);
    assert_eq!(turns(&mut kernel, 4), [2, 3, 2, 1]);
    // It is given back.
    assert_eq!(turns(&mut kernel, 3), [2, 3, 2]);
    transfer(&kernel, FIRST, true);
    assert_eq!(next(&mut kernel), 1, "by a yield it ends as well");
    assert_eq!(slice(&kernel, 0), Some((FIRST, FIRST)));
}

#[test]
fn whose_the_next_slice_is_its_holder_says_and_not_its_owner() {
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    transfer(&kernel, FIRST, true);
    assert_eq!(turns(&mut kernel, 2), [2, FIRST]);
    assert_eq!(slice(&kernel, 1), Some((1, FIRST)));
    tick(&mut kernel);
    assert_eq!(over(&kernel), None, "the first environment holds the next slice too");
    assert_eq!(turns(&mut kernel, 2), [2, FIRST]);
    transfer(&kernel, 2, true);
    tick(&mut kernel);
    assert_eq!(over(&kernel), Some(2));
    assert_eq!(next(&mut kernel), FIRST);
    yield_to(&mut kernel, 1);
    tick(&mut kernel);
    assert_eq!(over(&kernel), Some(1));
}

#[test]
fn the_slice_of_a_holder_that_dies_goes_back_to_the_owner_at_once() {
    let mut kernel = family(3);
    transfer(&kernel, 2, true);
    die(&mut kernel);
    assert_eq!(runs(&kernel), Some((FIRST, handler(FIRST, PROLOGUE))));
    assert_eq!(slice(&kernel, 0), Some((FIRST, FIRST)));
    assert_eq!(turns(&mut kernel, 3), [1, 3, FIRST]);

    let mut kernel = family(3);
    transfer(&kernel, 2, true);
    assert_eq!(turns(&mut kernel, 2), [1, 2], "its own slice");
    die(&mut kernel);
    assert_eq!(
        (kernel.current(), slice(&kernel, 0)),
        (3, Some((FIRST, FIRST))),
        "one that it held, but does not run in"
    );
}

#[test]
fn the_rest_of_a_slice_goes_back_to_the_holder_when_who_has_it_dies() {
    let mut kernel = family(3);
    transfer(&kernel, 1, true);
    transfer(&kernel, 2, false);
    die(&mut kernel);
    assert_eq!(runs(&kernel), Some((1, handler(1, PROLOGUE))), "to the holder, not to the owner");
    tick(&mut kernel);
    assert_eq!(slice(&kernel, 0), Some((FIRST, 1)));
}

#[test]
fn the_slice_of_a_holder_that_dies_while_another_runs_is_the_owners() {
    let mut kernel = family(3);
    transfer(&kernel, 1, true);
    transfer(&kernel, 2, false);
    assert_eq!(kernel.machine.holder(), Some(1));
    kernel.destroy(1);
    kernel.check().unwrap();
    assert_eq!((kernel.current(), kernel.machine.holder()), (2, Some(FIRST)));
    die(&mut kernel);
    assert_eq!(runs(&kernel), Some((FIRST, handler(FIRST, PROLOGUE))));
}

#[test]
fn who_dies_after_its_slice_was_over_leaves_the_next_slice_to_begin() {
    let mut kernel = family(2);
    tick(&mut kernel);
    transfer(&kernel, 2, false);
    die(&mut kernel);
    assert_eq!(runs(&kernel), Some((1, handler(1, PROLOGUE))));
    assert_eq!(turns(&mut kernel, 1), [FIRST]);
}

#[test]
fn a_slice_passes_to_the_lowest_on_its_list_and_is_free_when_nobody_is_left() {
    let mut kernel = family(3);
    let names = [0, 1, 2, 3].map(|n| pid(&kernel, n));
    for n in [3, 2] {
        call(&mut kernel, Number::s_add, [names[n], 1]);
    }
    assert_eq!(slice(&kernel, 1), Some((1, 1)));
    call(&mut kernel, Number::e_free, [names[1], 0]);
    assert_eq!(slice(&kernel, 1), Some((2, 2)));
    call(&mut kernel, Number::e_free, [names[2], 0]);
    assert_eq!((slice(&kernel, 1), slice(&kernel, 2)), (Some((3, 3)), None));
    assert_eq!(turns(&mut kernel, 3), [3, FIRST, 3]);
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::e_free, [names[3], 0]);
    assert_eq!(slice(&kernel, 1), None);
}

#[test]
fn who_is_on_the_list_of_a_slice_may_free_it_and_add_others() {
    let mut kernel = family(3);
    let names = [0, 1, 2, 3].map(|n| pid(&kernel, n));
    kernel.machine.set_current(3);
    fails(&mut kernel, Number::s_add, [names[3], 1, 0, 0], Error::NotPermitted);
    fails(&mut kernel, Number::s_free, [1, 0, 0, 0], Error::NotPermitted);
    // Each may give to the next.
    kernel.machine.set_current(FIRST);
    for (giver, to) in [(1, 3), (3, 2)] {
        call(&mut kernel, Number::e_add, [names[giver], names[to]]);
    }
    kernel.machine.set_current(1);
    call(&mut kernel, Number::s_add, [names[3], 1]);
    kernel.machine.set_current(3);
    call(&mut kernel, Number::s_add, [names[2], 1]);
    kernel.machine.set_current(2);
    call(&mut kernel, Number::s_free, [1, 0]);
    assert_eq!(slice(&kernel, 1), None);
    // A writer of the owner may as well.
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::s_free, [2, 0]);
    assert_eq!(slice(&kernel, 2), None);
}

#[test]
fn errors_of_slices() {
    let mut kernel = family::<Mips32>(2);
    let (own, other) = (pid(&kernel, FIRST), pid(&kernel, 2));
    let nobody = other ^ 1 << 20;
    let beyond = SLICES as u32;
    for (number, first, second, error) in [
        (Number::s_alloc, own, beyond, Error::NoSuchSlice),
        (Number::s_alloc, own, ANY - 1, Error::NoSuchSlice),
        (Number::s_alloc, own, 2, Error::SliceTaken),
        (Number::s_alloc, nobody, 3, Error::NoSuchEnvironment),
        (Number::s_alloc, NEXT.0, 3, Error::NoSuchEnvironment),
        (Number::s_free, beyond, 0, Error::NoSuchSlice),
        (Number::s_free, 3, 0, Error::SliceFree),
        (Number::s_add, own, beyond, Error::NoSuchSlice),
        (Number::s_add, own, 3, Error::SliceFree),
        (Number::s_add, nobody, 0, Error::NoSuchEnvironment),
        (Number::r#yield, nobody, 0, Error::NoSuchEnvironment),
        (Number::donate, nobody, 0, Error::NoSuchEnvironment),
        (Number::donate, NEXT.0, 0, Error::NoSuchEnvironment),
    ] {
        fails(&mut kernel, number, [first, second, 0, 0], error);
    }
    kernel.machine.set_current(1);
    for (number, first, second) in [
        (Number::s_alloc, own, 3),
        (Number::s_alloc, other, ANY),
        (Number::s_free, 0, 0),
        (Number::s_free, 2, 0),
        (Number::s_add, other, 0),
        (Number::donate, other, 0),
    ] {
        fails(&mut kernel, number, [first, second, 0, 0], Error::NotPermitted);
    }
}

#[test]
fn who_has_no_prologue_cannot_be_yielded_to_once_it_has_started() {
    let mut kernel = kernel::<Mips32>();
    let name = e_alloc(&mut kernel, 1, &Env { init: 0, ..Env::EMPTY }).unwrap().0;
    fails(&mut kernel, Number::r#yield, [name, 0, 0, 0], Error::NoGate);
    fails(&mut kernel, Number::donate, [name, 0, 0, 0], Error::NoGate);
    call(&mut kernel, Number::e_free, [name, 0]);
    let name = e_alloc(&mut kernel, 1, &Env { init: HANDLER, ..Env::EMPTY }).unwrap().0;
    call(&mut kernel, Number::r#yield, [name, 0]);
    transfer(&kernel, FIRST, true);
    fails(&mut kernel, Number::r#yield, [name, 0, 0, 0], Error::NoGate);
    fails(&mut kernel, Number::donate, [name, 0, 0, 0], Error::NoGate);
}

#[test]
fn a_slice_for_which_nobody_can_be_entered_is_skipped_and_nobody_is_destroyed() {
    let mut kernel = family(1);
    let name = e_alloc(&mut kernel, 2, &Env { init: HANDLER, ..Env::EMPTY }).unwrap().0;
    let never = e_alloc(&mut kernel, 3, &Env::EMPTY).unwrap().0;
    call(&mut kernel, Number::s_alloc, [name, 2]);
    call(&mut kernel, Number::s_alloc, [never, 3]);
    assert_eq!(turns(&mut kernel, 3), [1, 2, FIRST], "one has no first instruction");
    assert_eq!(turns(&mut kernel, 3), [1, FIRST, 1], "and one no prologue");
    assert!(kernel.is_alive(2) && kernel.is_alive(3));
    assert_eq!([slice(&kernel, 2), slice(&kernel, 3)], [Some((2, 2)), Some((3, 3))]);
}

#[test]
fn a_lent_slice_whose_holder_cannot_be_entered_goes_back() {
    for over in [false, true] {
        let mut kernel = family(2);
        let name = e_alloc(&mut kernel, 3, &Env { init: HANDLER, gate: HANDLER, ..Env::EMPTY }).unwrap().0;
        yield_to(&mut kernel, 3);
        // Told already that the next slice is the first environment's, or not yet.
        if over {
            tick(&mut kernel);
        }
        assert_eq!(next(&mut kernel), 1);
        transfer(&kernel, 3, true);
        if over {
            tick(&mut kernel);
        }
        assert_eq!(next(&mut kernel), 2);
        assert_eq!(slice(&kernel, 1), Some((1, 3)), "lent");
        assert_eq!(turns(&mut kernel, 2), [FIRST, 1], "over: {over}");
        assert_eq!((runs(&kernel), slice(&kernel, 1)), (Some((1, handler(1, PROLOGUE))), Some((1, 1))));
        assert_eq!(kernel.lookup(aegis_abi::Pid(name)), Ok(3), "it lives on");
    }
}

#[test]
fn who_loses_its_prologue_before_its_slice_begins_is_skipped() {
    let mut kernel = family(2);
    assert_eq!(next(&mut kernel), 1);
    put(&kernel, page(1) | ENV_OFFSET, &Env { pro: 0, ..child_env(1) });
    let name = pid(&kernel, 1);
    yield_to(&mut kernel, FIRST);
    tick(&mut kernel);
    assert_eq!(next(&mut kernel), 2);
    tick(&mut kernel);
    assert_eq!(next(&mut kernel), FIRST);
    // It is told, and the next slice is the other's, which then gives its prologue up.
    tick(&mut kernel);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0]);
    kernel.machine.set_current(FIRST);
    assert_eq!(next(&mut kernel), 2);
    fails(&mut kernel, Number::r#yield, [name, 0, 0, 0], Error::NoGate);
    assert_eq!(turns(&mut kernel, 2), [FIRST, 2]);
}

#[test]
fn no_gift_destroys_or_starts_anybody() {
    // What anybody but a writer may do to an environment that has started and has no prologue, and to one that has not started.
    for (started, init, pro) in [(true, HANDLER, 0), (false, HANDLER, 0), (false, 0, 0), (false, HANDLER, HANDLER)] {
        let mut kernel = family(2);
        let name = e_alloc(&mut kernel, 3, &Env { init, pro, ..Env::EMPTY }).unwrap().0;
        if started {
            yield_to(&mut kernel, 3);
        }
        assert_eq!(next(&mut kernel), 1, "no writer of it");
        let error = if started { Error::NoGate } else { Error::NotStarted };
        fails(&mut kernel, Number::r#yield, [name, 0, 0, 0], error);
        fails(&mut kernel, Number::donate, [name, 0, 0, 0], error);
        fails(&mut kernel, Number::s_add, [name, 1, 0, 0], Error::NotPermitted);
        fails(&mut kernel, Number::s_alloc, [name, ANY, 0, 0], Error::NotPermitted);
        die(&mut kernel);
        assert_eq!(turns(&mut kernel, 4), [FIRST, 2, FIRST, 2]);
        assert_eq!(kernel.lookup(aegis_abi::Pid(name)), Ok(3), "it lives on");
        assert_eq!(kernel.environments[3].record.started, u32::from(started));
        assert!(!kernel.slices.owned(3));
    }
}

#[test]
fn gates_open_with_the_start() {
    let mut kernel = family(1);
    let name = child(&mut kernel, 2);
    let gates = |kernel: &Tested| kernel.machine.blocks.borrow()[2].map(|block| (block.gate, block.agate));
    assert_eq!(gates(&kernel), Some((0, 0)));
    yield_to(&mut kernel, 2);
    let own = child_env(2);
    assert_eq!(gates(&kernel), Some((own.gate, own.agate)));
    // Who has the number next has not started.
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::e_free, [name.0, 0]);
    child(&mut kernel, 2);
    assert_eq!(gates(&kernel), Some((0, 0)));
}

#[test]
fn only_a_writer_gives_a_slice() {
    let mut kernel = family(2);
    let name = pid(&kernel, 2);
    assert_eq!(next(&mut kernel), 1);
    fails(&mut kernel, Number::donate, [name, 0, 0, 0], Error::NotPermitted);
    fails(&mut kernel, Number::s_add, [name, 1, 0, 0], Error::NotPermitted);
    kernel.machine.set_current(FIRST);
    let giver = pid(&kernel, 1);
    call(&mut kernel, Number::e_add, [giver, name]);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::s_add, [name, 1]);
    call(&mut kernel, Number::donate, [name, 0]);
    assert_eq!((kernel.current(), slice(&kernel, 1)), (2, Some((2, 2))));
}

#[test]
fn the_machine_stops_when_nobody_can_be_entered() {
    let mut kernel = kernel::<Mips32>();
    put(&kernel, page(FIRST) | ENV_OFFSET, &Env { pro: 0, ..good_env() });
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0]);
    let name = e_alloc(&mut kernel, 1, &Env::EMPTY).unwrap().0;
    call(&mut kernel, Number::s_alloc, [name, ANY]);
    tick(&mut kernel);
    assert_eq!((kernel.current(), kernel.machine.stopped.get()), (FIRST, None), "who runs goes on");
    call(&mut kernel, Number::r#yield, [NEXT.0, 0]);
    assert_eq!(kernel.machine.stopped.get(), Some(status::NO_ENVIRONMENT));
}

#[test]
fn a_slice_that_is_freed_before_it_begins_is_skipped() {
    let mut kernel = family(2);
    tick(&mut kernel);
    call(&mut kernel, Number::s_free, [1, 0]);
    assert_eq!(next(&mut kernel), 2);
    call(&mut kernel, Number::s_free, [2, 0]);
    assert_eq!(next(&mut kernel), FIRST, "the current one too");
}

#[test]
fn a_slice_that_is_freed_and_allocated_again_while_it_runs_is_the_new_owners() {
    for (directed, over) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut kernel = family(3);
        call(&mut kernel, Number::s_free, [0, 0]);
        let name = pid(&kernel, 2);
        if directed {
            yield_to(&mut kernel, 2);
        }
        call(&mut kernel, Number::s_alloc, [name, ANY]);
        assert_eq!(slice(&kernel, 0), Some((2, 2)));
        if over {
            tick(&mut kernel);
        }
        assert_eq!(next(&mut kernel), 1);
        assert_eq!(slice(&kernel, 0), Some((2, 2)), "directed: {directed}, over: {over}");
        assert_eq!(turns(&mut kernel, 3), [2, 3, 2]);
    }
}

#[test]
fn the_machine_idles_after_a_whole_revolution_of_yields_and_not_before() {
    let mut kernel = family(2);
    kernel.set_clock(256);
    assert_eq!([next(&mut kernel), next(&mut kernel)], [1, 2]);
    assert!(runs(&kernel).is_some());
    next(&mut kernel);
    assert_eq!(runs(&kernel), None);
    assert!(kernel.schedule.is_idle());
    assert_eq!(tick(&mut kernel), None);
    assert_eq!(runs(&kernel), Some((FIRST, handler(FIRST, PROLOGUE))), "a tick wakes the next");
    // A slice that lasts to its end begins the count anew, and a directed yield is not counted.
    assert_eq!([next(&mut kernel), next(&mut kernel)], [1, 2]);
    tick(&mut kernel);
    assert_eq!([next(&mut kernel), next(&mut kernel), next(&mut kernel)], [FIRST, 1, 2]);
    yield_to(&mut kernel, 1);
    yield_to(&mut kernel, 2);
    assert!(runs(&kernel).is_some());
    next(&mut kernel);
    assert_eq!(runs(&kernel), None);
    assert_eq!(type_in(&mut kernel, b"x"), None);
    assert_eq!(runs(&kernel), Some((FIRST, handler(FIRST, PROLOGUE))), "input wakes too");
    assert_eq!((queue(&kernel, FIRST).head, queue(&kernel, FIRST).withheld), (1, 1));
}

#[test]
fn an_interrupt_begins_the_revolution_anew() {
    let mut kernel = family(1);
    kernel.set_clock(256);
    assert_eq!(next(&mut kernel), 1);
    // For the first environment, which has yielded.
    type_in(&mut kernel, b"x");
    assert_eq!(next(&mut kernel), FIRST);
    assert_eq!(runs(&kernel), Some((FIRST, handler(FIRST, PROLOGUE))), "it can read what has come");
}

#[test]
fn without_a_clock_the_machine_does_not_idle() {
    let mut kernel = family(2);
    for n in 1..20 {
        assert_eq!(next(&mut kernel), n % 3);
        assert!(runs(&kernel).is_some());
    }
}

#[test]
fn the_machine_stops_when_nobody_has_a_slice() {
    let mut kernel = family(1);
    call(&mut kernel, Number::s_free, [0, 0]);
    call(&mut kernel, Number::s_free, [1, 0]);
    assert_eq!(tick(&mut kernel), None);
    assert_eq!((kernel.current(), kernel.machine.stopped.get()), (FIRST, None), "who runs goes on");
    call(&mut kernel, Number::r#yield, [NEXT.0, 0]);
    assert_eq!(kernel.machine.stopped.get(), Some(status::NO_ENVIRONMENT));
}

#[test]
fn every_tick_counts_and_the_slice_is_charged_one() {
    let mut kernel = family(1);
    let now = call(&mut kernel, Number::gettick, [0, 0]);
    call(&mut kernel, Number::timer, [3, 0]);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::timer, [8, 0]);
    kernel.machine.set_current(FIRST);
    // Three ticks have passed when the end of the slice is noticed, and four more when its excess is.
    ticks(&mut kernel, 3);
    assert_eq!((queue(&kernel, FIRST).ended, queue(&kernel, FIRST).head), (1, 1));
    assert_eq!(queue(&kernel, FIRST).entries[0].arguments[0], now + 3);
    assert_eq!(over(&kernel), Some(FIRST));
    ticks(&mut kernel, 4);
    assert_eq!((kernel.slices.table[0].owed, kernel.current()), (1, 1));
    assert_eq!((call(&mut kernel, Number::gettick, [0, 0]), queue(&kernel, 1).head), (now + 7, 0));
    // A timer that was due in between, also where the count wraps around.
    ticks(&mut kernel, 6);
    assert_eq!((queue(&kernel, 1).head, queue(&kernel, FIRST).head), (1, 1));
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::timer, [u32::MAX, 0]);
    ticks(&mut kernel, 5);
    assert_eq!(queue(&kernel, FIRST).head, 1, "that is not due for long");
    ticks(&mut kernel, u32::MAX - 5);
    assert_eq!(queue(&kernel, FIRST).head, 2);
}

#[test]
fn the_clock_is_told() {
    let mut kernel = kernel::<Mips32>();
    assert_eq!(call(&mut kernel, Number::getrate, [0, 0]), 0);
    kernel.set_clock(256);
    assert_eq!(call(&mut kernel, Number::getrate, [0, 0]), 256);
    for n in 0..3 {
        assert_eq!(call(&mut kernel, Number::gettick, [0, 0]), n);
        tick(&mut kernel);
    }
    kernel.schedule.ticks = u32::MAX;
    tick(&mut kernel);
    assert_eq!(call(&mut kernel, Number::gettick, [0, 0]), 0);
}
