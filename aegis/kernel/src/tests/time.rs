//! Nobody takes another's time, and nobody dies of another's: lengths of slices, debts, the switch
//! by hand, transfers after the end of a slice.

use super::model::*;
use super::slices::{Tested, call, die, next, over, slice, transfer, turns, yield_to};
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{ANY, NEXT, Number};
use aegis_abi::interrupts::{ALL, Interrupt, TIMER};
use aegis_abi::limits::SLICES;
use aegis_abi::{Env, Error};
use proptest::prelude::*;

/// What slice `n` owes.
fn owed(kernel: &Tested, n: usize) -> u32 {
    kernel.slices.table[n].owed
}

/// The clock says how much of the tick has passed, in hundredths.
fn later(kernel: &Tested, hundredths: u32) {
    kernel.machine.since_tick.set(Some(TICK_PARTS * hundredths / 100));
}

/// A tick, after which none of the next has passed.
fn tick_now(kernel: &mut Tested) {
    later(kernel, 0);
    tick(kernel);
    kernel.check().unwrap();
}

#[test]
fn a_slice_that_begins_between_two_ticks_ends_with_the_second() {
    let mut kernel = family(2);
    later(&kernel, 90);
    assert_eq!(next(&mut kernel), 1);
    tick_now(&mut kernel);
    assert_eq!(over(&kernel), None, "it has a whole tick yet");
    tick_now(&mut kernel);
    assert_eq!(over(&kernel), Some(1));
    assert_eq!(next(&mut kernel), 2);
    tick_now(&mut kernel);
    assert_eq!(over(&kernel), Some(2), "this one began at the tick");
}

#[test]
fn without_a_fine_clock_a_slice_that_is_given_up_leaves_the_next_a_whole_tick() {
    let mut kernel = family(2);
    kernel.machine.since_tick.set(None);
    tick(&mut kernel);
    assert_eq!(next(&mut kernel), 1);
    tick(&mut kernel);
    assert_eq!(over(&kernel), None);
    tick(&mut kernel);
    assert_eq!((over(&kernel), owed(&kernel, 0)), (Some(1), 0));
    // Switched by hand at the tick itself.
    tick(&mut kernel);
    assert_eq!(kernel.current(), 2);
    tick(&mut kernel);
    assert_eq!(over(&kernel), Some(2));
}

#[test]
fn who_does_not_give_up_is_switched_by_hand_and_its_slice_pays() {
    let mut kernel = family(2);
    kernel.machine.running.set(Some((0x1234, [0; 2])));
    tick_now(&mut kernel);
    assert_eq!(kernel.current(), FIRST, "told");
    tick_now(&mut kernel);
    assert_eq!((runs(&kernel), owed(&kernel, 0)), (Some((1, handler(1, PROLOGUE))), 1));
    assert_eq!((kernel.is_suspended(FIRST), queue(&kernel, FIRST).cuts), (true, 1));
    assert_eq!(kernel.environments[FIRST].record.suspended, 1);
    // Its turn is skipped once; then it goes on where it was.
    assert_eq!(turns(&mut kernel, 3), [2, 1, 2]);
    assert_eq!(turns(&mut kernel, 1), [FIRST]);
    assert_eq!((runs(&kernel), owed(&kernel, 0)), (Some((FIRST, 0x1234)), 0));
    assert!(!kernel.is_suspended(FIRST));
    assert_eq!(queue(&kernel, FIRST).ended, 0);
}

#[test]
fn nobody_is_destroyed_for_being_late() {
    let mut kernel = family(2);
    for _ in 0..1000 {
        tick_now(&mut kernel);
    }
    assert!([FIRST, 1, 2].iter().all(|&n| kernel.is_alive(n)));
    assert!((0..3).all(|n| owed(&kernel, n) <= 2));
}

#[test]
fn one_who_gives_up_long_after_the_end_pays_a_turn_and_one_who_does_at_once_pays_none() {
    for (hundredths, debt) in [(0, 0), (2, 0), (4, 1), (99, 1)] {
        let mut kernel = family(1);
        tick_now(&mut kernel);
        later(&kernel, hundredths);
        assert_eq!(next(&mut kernel), 1);
        assert_eq!(owed(&kernel, 0), debt, "after {hundredths} hundredths");
    }
}

#[test]
fn a_suspended_environment_cannot_be_transferred_to_and_goes_on_by_any_way_in() {
    for way in 0..3 {
        let mut kernel = family(3);
        let name = pid(&kernel, 1);
        assert_eq!(turns(&mut kernel, 1), [1]);
        kernel.machine.running.set(Some((0x4444, [0; 2])));
        let gates = |kernel: &Tested| kernel.machine.blocks.borrow()[1].map(|block| (block.gate, block.refusal));
        assert_eq!(gates(&kernel), Some((child_env(1).gate, Error::NoGate)));
        tick_now(&mut kernel);
        tick_now(&mut kernel);
        assert_eq!(kernel.current(), 2);
        assert_eq!(gates(&kernel), Some((0, Error::Suspended)));
        match way {
            0 => yield_to(&mut kernel, 1),
            1 => {
                let giver = pid(&kernel, 2);
                kernel.machine.set_current(FIRST);
                call(&mut kernel, Number::e_add, [giver, name]);
                kernel.machine.set_current(2);
                call(&mut kernel, Number::donate, [name, 0]);
            }
            _ => assert_eq!(turns(&mut kernel, 5), [3, FIRST, 2, 3, FIRST].to_vec()),
        }
        if way == 2 {
            assert_eq!(turns(&mut kernel, 1), [1]);
        }
        assert_eq!(runs(&kernel), Some((1, 0x4444)), "way {way}");
        assert_eq!(gates(&kernel), Some((child_env(1).gate, Error::NoGate)));
    }
}

#[test]
fn what_came_for_a_suspended_environment_is_delivered_when_it_goes_on() {
    for mask in [ALL, 0, ALL & !(1 << TIMER)] {
        let mut kernel = family(1);
        kernel.machine.running.set(Some((0x4444, [0; 2])));
        tick_now(&mut kernel);
        tick_now(&mut kernel);
        set_queue(&kernel, FIRST, |queue| queue.mask = mask);
        kernel.post(FIRST, Interrupt { kind: TIMER, arguments: [7, 0, 0] });
        assert_eq!(turns(&mut kernel, 1), [FIRST]);
        assert_eq!(runs(&kernel), Some((FIRST, 0x4444)));
        let expected = (mask == ALL).then_some(handler(FIRST, INTERRUPT));
        assert_eq!(kernel.machine.called_up.get().map(|upcall| upcall.handler), expected, "mask {mask:#x}");
        assert_eq!(queue(&kernel, FIRST).mask, if mask == ALL { 0 } else { mask });
    }
}

#[test]
fn floating_point_registers_come_back_and_nobody_else_sees_them() {
    let mut kernel = family(1);
    call(&mut kernel, Number::fpu, [1, 0]);
    kernel.machine.fpu.set([0x55; 33]);
    tick_now(&mut kernel);
    tick_now(&mut kernel);
    assert_eq!((kernel.current(), kernel.machine.fpu_on.get()), (1, false));
    call(&mut kernel, Number::fpu, [1, 0]);
    assert_eq!(kernel.machine.fpu.get(), [0; 33]);
    kernel.machine.fpu.set([0x66; 33]);
    assert_eq!(turns(&mut kernel, 1), [FIRST]);
    assert_eq!((kernel.machine.fpu.get(), kernel.machine.fpu_on.get()), ([0x55; 33], true));
    assert_eq!(kernel.fpu_user, Some(FIRST));
}

#[test]
fn a_resumed_environment_goes_on_at_the_start_of_its_window() {
    let mut kernel = family(1);
    let start = handler(FIRST, 0) & !31;
    put(&kernel, page(FIRST) | ENV_OFFSET, &Env { resume_start: start, resume_windows: 2, ..good_env() });
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0]);
    kernel.machine.running.set(Some((start + 40, [0; 2])));
    tick_now(&mut kernel);
    tick_now(&mut kernel);
    assert_eq!(turns(&mut kernel, 1), [FIRST]);
    assert_eq!(runs(&kernel), Some((FIRST, start + 32)));
}

#[test]
fn a_debt_can_be_fled_neither_by_freeing_nor_by_dying() {
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    tick_now(&mut kernel);
    tick_now(&mut kernel);
    assert_eq!((kernel.current(), owed(&kernel, 1)), (2, 1));
    kernel.machine.set_current(1);
    fails(&mut kernel, Number::s_free, [1, 0, 0, 0], Error::Owing);
    die(&mut kernel);
    assert_eq!((slice(&kernel, 1), owed(&kernel, 1)), (None, 1));
    kernel.machine.set_current(FIRST);
    let own = pid(&kernel, FIRST);
    fails(&mut kernel, Number::s_alloc, [own, 1, 0, 0], Error::Owing);
    assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), 3, "another one");
    call(&mut kernel, Number::s_free, [3, 0]);
    // A revolution pays it.
    turns(&mut kernel, 2);
    kernel.machine.set_current(FIRST);
    assert_eq!((owed(&kernel, 1), call(&mut kernel, Number::s_alloc, [own, 1])), (0, 1));
}

#[test]
fn a_chain_of_births_and_deaths_keeps_the_processor_for_two_ticks_at_most() {
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    tick_now(&mut kernel);
    assert_eq!(over(&kernel), Some(1));
    die(&mut kernel);
    assert_eq!(kernel.current(), 2, "a death after the end begins the next slice");

    // Before its end, the slice goes on with the heirs, and ends when it would have.
    let mut kernel = family(3);
    assert_eq!(turns(&mut kernel, 1), [1]);
    transfer(&kernel, 2, true);
    die(&mut kernel);
    assert_eq!(kernel.current(), 1, "its owner");
    tick_now(&mut kernel);
    assert_eq!(over(&kernel), Some(1));
    tick_now(&mut kernel);
    assert_eq!(kernel.current(), 3);
}

#[test]
fn after_the_end_yields_and_donations_begin_the_next_slice() {
    let mut kernel = family(3);
    tick_now(&mut kernel);
    yield_to(&mut kernel, 3);
    assert_eq!((kernel.current(), kernel.machine.holder(), kernel.machine.over.get()), (1, None, false));
}

#[test]
fn a_transfer_after_the_end_waits_until_its_slice_begins_again() {
    for synchronous in [true, false] {
        let mut kernel = family(3);
        let (caller, callee) = (pid(&kernel, FIRST), pid(&kernel, 2));
        tick_now(&mut kernel);
        assert!(kernel.machine.over.get());
        assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), synchronous), Ok(()));
        kernel.check().unwrap();
        assert_eq!(runs(&kernel), Some((1, handler(1, PROLOGUE))));
        assert_eq!(slice(&kernel, 0), Some((FIRST, if synchronous { 2 } else { FIRST })));
        // The callee has noticed nothing, and can be called.
        assert_eq!(turns(&mut kernel, 2), [2, 3]);
        let gate = if synchronous { child_env(2).gate } else { child_env(2).agate };
        assert_eq!(turns(&mut kernel, 1), [2], "in slice 0");
        assert_eq!(kernel.machine.running.get(), Some((gate, [caller, 0])));
        assert_eq!(kernel.machine.holder(), (!synchronous).then_some(FIRST));
        // Only once.
        assert_eq!(turns(&mut kernel, 4), [1, 2, 3, if synchronous { 2 } else { FIRST }]);
        let prologue = handler(kernel.current(), PROLOGUE);
        assert_eq!(kernel.machine.running.get(), Some((prologue, [0; 2])));
    }
}

#[test]
fn a_late_transfer_is_made_whatever_becomes_of_slice_and_caller() {
    for event in 0..4 {
        let mut kernel = family(3);
        assert_eq!(turns(&mut kernel, 1), [1]);
        let (caller, callee) = (pid(&kernel, 1), pid(&kernel, 2));
        tick_now(&mut kernel);
        assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), true), Ok(()));
        kernel.machine.set_current(FIRST);
        let own = pid(&kernel, FIRST);
        match event {
            0 => drop(call(&mut kernel, Number::e_free, [caller, 0])),
            1 => {
                call(&mut kernel, Number::s_free, [1, 0]);
                fails(&mut kernel, Number::s_alloc, [own, 1, 0, 0], Error::Owing);
                assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), 4);
            }
            2 => {
                kernel.machine.set_current(1);
                call(&mut kernel, Number::s_back, [1, 0]);
            }
            _ => {
                // Nobody could be entered for the slice otherwise.
                kernel.environments[1].context.pro = 0;
                kernel.environments[2].context.pro = 0;
            }
        }
        kernel.machine.set_current(2);
        let mut arrived = 0;
        for _ in 0..8 {
            tick_now(&mut kernel);
            next(&mut kernel);
            arrived += u32::from(kernel.machine.running.get() == Some((child_env(2).gate, [caller, 0])));
        }
        assert_eq!(arrived, 1, "event {event}");
        if event < 2 {
            kernel.machine.set_current(FIRST);
            assert_eq!(call(&mut kernel, Number::s_alloc, [own, 1]), 1, "it is free now");
        }
    }
}

#[test]
fn a_late_transfer_is_void_when_the_callee_is_gone_or_has_no_gate() {
    for dies in [true, false] {
        let mut kernel = family(3);
        assert_eq!(turns(&mut kernel, 1), [1]);
        let callee = pid(&kernel, 2);
        tick_now(&mut kernel);
        assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), true), Ok(()));
        kernel.machine.set_current(FIRST);
        if dies {
            call(&mut kernel, Number::e_free, [callee, 0]);
        } else {
            kernel.environments[2].context.gate = 0;
        }
        kernel.machine.set_current(3);
        let mut seen = Vec::new();
        for _ in 0..6 {
            tick_now(&mut kernel);
            next(&mut kernel);
            seen.push(runs(&kernel).unwrap());
        }
        assert!(seen.iter().all(|(_, pc)| *pc != child_env(2).gate), "{seen:?}");
        let entered = if dies { 1 } else { 2 };
        assert!(seen.contains(&(entered, handler(entered, PROLOGUE))), "{seen:?}");
    }
}

#[test]
fn a_second_late_transfer_for_a_slice_is_refused_until_the_first_is_made() {
    let mut kernel = family(3);
    let (first, callee) = (pid(&kernel, FIRST), pid(&kernel, 1));
    tick_now(&mut kernel);
    assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), true), Ok(()));
    // The callee is suspended, goes on in that slice, and calls another after its end.
    kernel.machine.running.set(Some((0x4444, [0; 2])));
    tick_now(&mut kernel);
    tick_now(&mut kernel);
    assert_eq!(turns(&mut kernel, 2), [3, 1]);
    assert_eq!((runs(&kernel), kernel.schedule.position), (Some((1, 0x4444)), 0));
    tick_now(&mut kernel);
    let third = pid(&kernel, 3);
    let before = snapshot(&kernel);
    assert_eq!(kernel.transfer_late(aegis_abi::Pid(third), true), Err(Error::Suspended));
    assert!(before == snapshot(&kernel));
    next(&mut kernel);
    let mut seen = Vec::new();
    for _ in 0..8 {
        seen.push(kernel.machine.running.get().unwrap());
        tick_now(&mut kernel);
        seen.push(kernel.machine.running.get().unwrap());
        next(&mut kernel);
    }
    assert!(seen.contains(&(child_env(1).gate, [first, 0])), "{seen:?}");
    assert_eq!(kernel.slices.allocated(), 4, "no free slice has had a turn");
}

#[test]
fn who_frees_the_slice_in_which_it_runs_has_no_time_beyond_its_end() {
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    call(&mut kernel, Number::s_free, [1, 0]);
    let own = pid(&kernel, 1);
    assert_eq!(call(&mut kernel, Number::s_alloc, [own, ANY]), 1, "the current one, which is the lowest");
    call(&mut kernel, Number::s_free, [1, 0]);
    assert_eq!(call(&mut kernel, Number::s_alloc, [own, 9]), 9);
    tick_now(&mut kernel);
    assert_eq!((kernel.current(), kernel.is_suspended(1)), (2, true), "no tick more");

    // After its end it cannot be freed, and a death is no way to keep the processor for nothing.
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    tick_now(&mut kernel);
    fails(&mut kernel, Number::s_free, [1, 0, 0, 0], Error::Owing);
    later(&kernel, 90);
    die(&mut kernel);
    assert_eq!((kernel.current(), owed(&kernel, 1)), (2, 1));
}

#[test]
fn a_late_transfer_is_refused_where_one_in_time_would_be() {
    let mut kernel = family(3);
    let stale = pid(&kernel, 3);
    call(&mut kernel, Number::e_free, [stale, 0]);
    let closed = e_alloc(&mut kernel, 3, &Env { init: HANDLER, gate: HANDLER, ..Env::EMPTY }).unwrap();
    tick_now(&mut kernel);
    let before = snapshot(&kernel);
    assert_eq!(kernel.transfer_late(aegis_abi::Pid(stale), true), Err(Error::NoSuchEnvironment));
    assert_eq!(kernel.transfer_late(closed, true), Err(Error::NoGate), "not started");
    assert_eq!(kernel.transfer_late(closed, false), Err(Error::NoGate));
    assert!(before == snapshot(&kernel));
}

#[test]
fn a_late_transfer_to_a_suspended_environment_waits_while_that_goes_on() {
    let mut kernel = family(2);
    let callee = pid(&kernel, 1);
    tick_now(&mut kernel);
    assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), true), Ok(()));
    assert_eq!(kernel.current(), 1);
    kernel.machine.running.set(Some((0x4444, [0; 2])));
    tick_now(&mut kernel);
    tick_now(&mut kernel);
    assert_eq!((kernel.current(), kernel.is_suspended(1)), (2, true));
    assert_eq!(turns(&mut kernel, 1), [1], "in the slice that was lent to it");
    assert_eq!(runs(&kernel), Some((1, 0x4444)));
    // Slice 1 owes a turn.
    assert_eq!(turns(&mut kernel, 2), [2, 1]);
    assert_eq!(runs(&kernel), Some((1, child_env(1).gate)));
}

#[test]
fn a_lent_slice_comes_back_when_its_owner_asks() {
    let mut kernel = family(2);
    assert_eq!(turns(&mut kernel, 1), [1]);
    transfer(&kernel, 2, true);
    // The next is its own, too.
    assert_eq!(turns(&mut kernel, 1), [FIRST]);
    assert_eq!(slice(&kernel, 1), Some((1, 2)));
    kernel.machine.set_current(2);
    fails(&mut kernel, Number::s_back, [1, 0, 0, 0], Error::NotPermitted);
    fails(&mut kernel, Number::s_back, [SLICES as u32, 0, 0, 0], Error::NoSuchSlice);
    fails(&mut kernel, Number::s_back, [9, 0, 0, 0], Error::SliceFree);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::s_back, [1, 0]);
    assert_eq!(slice(&kernel, 1), Some((1, 1)));
    // Also while it runs.
    kernel.machine.set_current(FIRST);
    assert_eq!(turns(&mut kernel, 1), [1]);
    transfer(&kernel, 2, true);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::s_back, [1, 0]);
    kernel.machine.set_current(2);
    kernel.machine.set_holder(Some(1));
    assert_eq!(next(&mut kernel), 2);
    assert_eq!(slice(&kernel, 1), Some((1, 1)));
}

/// What environments do with their time.
#[derive(Clone, Debug)]
enum Step {
    /// Hundredths of a tick pass.
    Pass(u32),
    Tick,
    Yield(usize),
    Transfer(usize, bool),
    Die,
    Free(u32),
    Allocate(usize, u32),
    Back(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u32..100).prop_map(Step::Pass),
        6 => Just(Step::Tick),
        4 => (0usize..6).prop_map(Step::Yield),
        4 => (0usize..6, any::<bool>()).prop_map(|(n, synchronous)| Step::Transfer(n, synchronous)),
        1 => Just(Step::Die),
        1 => (1u32..8).prop_map(Step::Free),
        1 => (0usize..6, 1u32..8).prop_map(|(n, slice)| Step::Allocate(n, slice)),
        1 => (1u32..8).prop_map(Step::Back),
    ]
}

/// The environment that does nothing but count: it never gives up the processor by itself.
const VICTIM: usize = 1;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever the others do: between two begins of the victim's slice there are no more ticks than two a
    /// slice and one for each that is overdue; and each of its turns lasts a whole tick at least.
    #[test]
    fn an_honest_environment_has_its_turns(steps in prop::collection::vec(step(), 1..300)) {
        let mut kernel = family(5);
        // Ticks since the victim's slice began last, and how long that has lasted, in hundredths.
        let (mut waited, mut part) = (0u32, 0u32);
        let mut ran: Option<u32> = None;
        for step in steps {
            let position = kernel.schedule.position;
            let hostile = kernel.current() != VICTIM && !kernel.schedule.is_idle();
            match step {
                Step::Pass(hundredths) => {
                    let hundredths = hundredths.min(99 - part);
                    part += hundredths;
                    ran = ran.map(|ran| ran + hundredths);
                }
                Step::Tick => {
                    ran = ran.map(|ran| ran + 100 - part);
                    part = 0;
                    waited += 1;
                }
                _ if !hostile => continue,
                _ => {}
            }
            later(&kernel, part);
            let current = kernel.current();
            match step {
                Step::Pass(_) => {}
                Step::Tick => drop(tick(&mut kernel)),
                Step::Yield(n) => {
                    let name = if n == 0 { NEXT.0 } else { kernel.environments[n].pid().map_or(1, |pid| pid.0) };
                    // The victim is not entered by others: it would count what it is given.
                    if n != VICTIM {
                        let _ = kernel.call(Number::r#yield as u32, [name, 0, 0, 0]);
                    }
                }
                Step::Transfer(n, synchronous) => {
                    let Some(name) = kernel.environments[n].pid().filter(|_| n != VICTIM) else { continue };
                    if kernel.machine.over.get() {
                        let _ = kernel.transfer_late(name, synchronous);
                    } else if kernel.machine.blocks.borrow()[n].is_some_and(|block| block.gate != 0) {
                        transfer(&kernel, n, synchronous);
                    }
                }
                Step::Die if current != FIRST => kernel.unhandled(4, 0, 0),
                Step::Die => {}
                Step::Free(n) => drop(kernel.call(Number::s_free as u32, [n, 0, 0, 0])),
                Step::Allocate(n, slice) => {
                    let Some(name) = kernel.environments[n].pid() else { continue };
                    let _ = kernel.call(Number::s_alloc as u32, [name.0, slice, 0, 0]);
                }
                Step::Back(n) => drop(kernel.call(Number::s_back as u32, [n, 0, 0, 0])),
            }
            kernel.check().unwrap();
            if kernel.machine.stopped.get().is_some() {
                break;
            }
            prop_assert!(kernel.is_alive(VICTIM));
            if kernel.slices.get(VICTIM).is_none_or(|slice| slice.owner != VICTIM || slice.holder != VICTIM) {
                // The first environment, which made it, has freed its slice.
                break;
            }
            let began = kernel.schedule.position == VICTIM && (position != VICTIM || kernel.schedule.is_idle());
            if began {
                waited = 0;
                ran = Some(0);
            } else if position == VICTIM
                && kernel.schedule.position != VICTIM
                && let Some(ran) = ran.take()
            {
                prop_assert!(ran >= 96, "a turn of {ran} hundredths");
            }
            let most = 4 * (kernel.slices.allocated() as u32 + 8) + 1;
            prop_assert!(waited <= most, "{waited} ticks without the victim's slice");
        }
    }
}

#[test]
fn a_late_transfer_to_the_dead_keeps_no_slice() {
    let mut kernel = family(3);
    assert_eq!(turns(&mut kernel, 1), [1]);
    let callee = pid(&kernel, 2);
    tick_now(&mut kernel);
    assert_eq!(kernel.transfer_late(aegis_abi::Pid(callee), false), Ok(()));
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::s_free, [1, 0]);
    fails(&mut kernel, Number::s_alloc, [callee, 1, 0, 0], Error::Owing);
    call(&mut kernel, Number::e_free, [callee, 0]);
    let first = pid(&kernel, FIRST);
    assert_eq!(call(&mut kernel, Number::s_alloc, [first, 1]), 1);
}
