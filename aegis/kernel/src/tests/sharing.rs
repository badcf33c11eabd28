//! Shares, grants and gifts of frames: who may pass on what, with whose leave, and what ends with
//! what.

use super::model::*;
use crate::Kernel;
use crate::frame::{Owner, Right};
use crate::kernel::FIRST;
use aegis_abi::calls::{Number, READ, READ_WRITE};
use aegis_abi::limits::{LIST_FRAMES, PAGE_SHIFT, RESERVED_FRAMES};
use aegis_abi::{Env, Error, Lo, Mapping};
use stlb::Mips32;

type Tested = Kernel<Model<Mips32>>;

const VA: u32 = 0x0100_0000;
const FRAME: u32 = 10;

/// A family in which the first environment holds the shares of two frames.
fn with_frames() -> Box<Tested> {
    let mut kernel = family(3);
    for frame in [FRAME, FRAME + 1] {
        call(&mut kernel, Number::p_alloc, [frame]);
    }
    kernel
}

fn pids(kernel: &Tested) -> [u32; 4] {
    [0, 1, 2, 3].map(|n| pid(kernel, n))
}

/// Sees that a call with a list fails, and changes nothing.
#[track_caller]
fn list_fails(kernel: &mut Tested, pid: u32, right: Option<u32>, frames: &[u32], error: Error) {
    // What is put into the page is no change.
    let _ = with_list(kernel, pid, right, frames);
    let before = snapshot(kernel);
    assert_eq!(with_list(kernel, pid, right, frames), Err(error), "{frames:?}");
    assert!(before == snapshot(kernel), "{frames:?} changed something");
}

#[test]
fn a_grant_costs_nothing_and_ends_with_the_share_of_the_granter() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    let owned = kernel.frames.owned(1);
    call(&mut kernel, Number::p_add, [READ_WRITE, pids[1], FRAME]);
    call(&mut kernel, Number::p_add, [READ, pids[2], FRAME]);
    assert_eq!((kernel.frames.owned(1), kernel.frames.sharers(FRAME)), (owned, 1));
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::p_unref, [FRAME]);
    assert_eq!(kernel.frames.owner(FRAME), Owner::Nobody);
    assert_eq!((rights_to(&kernel, FRAME), kernel.frames.bindings(FRAME)), ([0; 3], 0));
    run_as(&mut kernel, 1);
    assert_eq!(reference(&mut kernel, VA), None, "the binding went with the grant");
}

/// Such a family, in which number 1 holds the share of the first of them, and has granted it to
/// number 2.
fn with_a_granter() -> (Box<Tested>, [u32; 4]) {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    with_list(&mut kernel, pids[1], None, &[FRAME]).unwrap();
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::p_add, [READ_WRITE, pids[2], FRAME]);
    run_as(&mut kernel, FIRST);
    (kernel, pids)
}

#[test]
fn a_grant_ends_with_the_death_of_the_granter() {
    let (mut kernel, pids) = with_a_granter();
    call(&mut kernel, Number::e_free, [pids[1]]);
    assert_eq!((kernel.frames.owner(FRAME), rights_to(&kernel, FRAME)), (Owner::Nobody, [0; 3]));
}

#[test]
fn nobody_gets_a_share_without_leave() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    // Number 2 is nobody's writer; the first environment is one of number 1.
    run_as(&mut kernel, 2);
    call(&mut kernel, Number::p_alloc, [FRAME + 5]);
    call(&mut kernel, Number::p_alloc, [FRAME + 6]);
    for right in [None, Some(READ), Some(READ_WRITE)] {
        list_fails(&mut kernel, pids[1], right, &[FRAME + 5], Error::NotAccepted);
    }
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::p_accept, [pids[2], 1]);
    run_as(&mut kernel, 3);
    call(&mut kernel, Number::p_alloc, [FRAME + 7]);
    list_fails(&mut kernel, pids[1], None, &[FRAME + 7], Error::NotAccepted);
    run_as(&mut kernel, 2);
    list_fails(&mut kernel, pids[1], None, &[FRAME + 5, FRAME + 6], Error::NotAccepted);
    with_list(&mut kernel, pids[1], None, &[FRAME + 5]).unwrap();
    list_fails(&mut kernel, pids[1], None, &[FRAME + 6], Error::NotAccepted);
    assert_eq!((kernel.frames.sharers(FRAME + 5), kernel.frames.sharers(FRAME + 6)), (1 << 1, 1 << 2));
}

#[test]
fn what_accepts_a_name_does_not_accept_its_successor() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::p_accept, [pids[2], 9]);
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::e_free, [pids[2]]);
    child(&mut kernel, 2);
    run_as(&mut kernel, 2);
    list_fails(&mut kernel, pids[1], None, &[page(2) >> PAGE_SHIFT], Error::NotAccepted);
}

#[test]
fn who_holds_no_share_passes_nothing_on() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    call(&mut kernel, Number::p_add, [READ_WRITE, pids[1], FRAME]);
    run_as(&mut kernel, 1);
    fails(&mut kernel, Number::p_add, [READ, pids[2], FRAME, 0], Error::NotPermitted);
    list_fails(&mut kernel, pids[2], None, &[FRAME], Error::NotPermitted);
    list_fails(&mut kernel, pids[2], Some(READ), &[FRAME], Error::NotPermitted);
    // Not by a child, either.
    let mut env = Env { genx_save_area: FRAME << PAGE_SHIFT, ..Env::EMPTY };
    for spoil in [true, false] {
        put(&kernel, page(1) | ENV_OFFSET, &env);
        fails(&mut kernel, Number::e_alloc, [9, GUARANTEED_VA | ENV_OFFSET, 0, 0], Error::NotPermitted);
        if spoil {
            env = Env::EMPTY;
            env.xl[0] = Mapping { va: 0x5000, lo: Lo::read_only(FRAME).0 };
        }
    }
    // For itself it may use what it was granted.
    env = child_env(1);
    env.xl[0] = Mapping { va: 0x5000, lo: Lo::writable(FRAME).0 };
    put(&kernel, page(1) | ENV_OFFSET, &env);
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET]);
    env.reserved[0] = FRAME;
    put(&kernel, page(1) | ENV_OFFSET, &env);
    fails(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET, 0, 0, 0], Error::NotPermitted);
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::p_add, [0, pids[1], FRAME]);
    run_as(&mut kernel, 1);
    assert_eq!(reference(&mut kernel, 0x5000), None, "what is withdrawn is gone");
}

#[test]
fn nobody_passes_on_more_than_it_has() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    with_list(&mut kernel, pids[1], Some(READ), &[FRAME]).unwrap();
    run_as(&mut kernel, 1);
    fails(&mut kernel, Number::p_add, [READ_WRITE, pids[2], FRAME, 0], Error::NotPermitted);
    list_fails(&mut kernel, pids[1], Some(READ_WRITE), &[FRAME], Error::NotPermitted);
    call(&mut kernel, Number::p_add, [READ, pids[2], FRAME]);
    // A share that can only read is not more where it is given on.
    let third = child(&mut kernel, 9);
    with_list(&mut kernel, third.0, None, &[FRAME]).unwrap();
    assert_eq!(rights_to(&kernel, FRAME), [1 | 1 << 9, 1, 1 | 1 << 9], "and the grant ended");
}

#[test]
fn whoever_holds_the_only_share_may_write() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    // As after a fork: both only read.
    with_list(&mut kernel, pids[1], Some(READ), &[FRAME]).unwrap();
    with_list(&mut kernel, pids[0], Some(READ), &[FRAME]).unwrap();
    assert_eq!(rights_to(&kernel, FRAME), [3, 0, 3]);
    fails(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0, 0, 0], Error::NotPermitted);
    call(&mut kernel, Number::p_unref, [FRAME]);
    assert_eq!(rights_to(&kernel, FRAME), [2; 3]);
    assert_eq!(kernel.frames.owner(FRAME), Owner::Environment(1));
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    // It takes nothing from itself then.
    with_list(&mut kernel, pids[1], Some(READ), &[FRAME]).unwrap();
    assert!(kernel.frames.has(1, FRAME, Right::Write));
}

#[test]
fn having_fewer_rights_breaks_bindings() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    call(&mut kernel, Number::tlbwr, [VA + 0x3000, Lo::read_only(FRAME).0]);
    with_list(&mut kernel, pids[1], Some(READ_WRITE), &[FRAME]).unwrap();
    with_list(&mut kernel, pids[0], Some(READ), &[FRAME]).unwrap();
    assert_eq!(reference(&mut kernel, VA), None);
    assert!(reference(&mut kernel, VA + 0x3000).is_some());
    kernel.check().unwrap();
}

#[test]
fn a_share_is_not_withdrawn_and_one_at_a_time_grants() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    with_list(&mut kernel, pids[1], Some(READ_WRITE), &[FRAME]).unwrap();
    for protection in [0, READ, READ_WRITE] {
        fails(&mut kernel, Number::p_add, [protection, pids[1], FRAME, 0], Error::Shared);
    }
    call(&mut kernel, Number::p_add, [READ, pids[2], FRAME]);
    run_as(&mut kernel, 1);
    for (protection, to) in [(0, pids[2]), (READ, pids[2]), (READ, pids[3])] {
        fails(&mut kernel, Number::p_add, [protection, to, FRAME, 0], Error::Granted);
    }
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::p_add, [0, pids[2], FRAME]);
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::p_add, [READ, pids[3], FRAME]);
    assert_eq!(kernel.frames.owner(FRAME), Owner::Environment(1));
    // Its end is the end of its grants alone.
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::e_free, [pids[1]]);
    assert_eq!(rights_to(&kernel, FRAME), [1; 3]);
}

#[test]
fn gifts_of_a_list_are_given_once_each() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    call(&mut kernel, Number::p_add, [READ, pids[1], FRAME + 1]);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    with_list(&mut kernel, pids[1], None, &[FRAME, FRAME + 1, FRAME]).unwrap();
    assert_eq!([FRAME, FRAME + 1].map(|n| rights_to(&kernel, n)), [[2; 3]; 2]);
    assert_eq!(reference(&mut kernel, VA), None);
    assert_eq!(kernel.frames.owned(1), 3);
    kernel.check().unwrap();
}

#[test]
fn errors_of_lists() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    let list = GUARANTEED_VA | LIST_OFFSET;
    for (who, list, count, error) in [
        (pids[1], list + 2, 1, Error::Misaligned),
        (pids[1], list, LIST_FRAMES as u32 + 1, Error::TooLong),
        (pids[1], list, u32::MAX, Error::TooLong),
        (pids[1], 0x9000, 1, Error::Unmapped),
        (pids[1], GUARANTEED_VA + 0xffc, 2, Error::PageEnd),
        (pids[1], 0x8000_0000, 1, Error::BadPointer),
        (pids[1], 0x7fff_fffc, 2, Error::BadLength),
        (pids[1] ^ 1 << 20, list, 1, Error::NoSuchEnvironment),
    ] {
        fails(&mut kernel, Number::p_give, [who, list, count, 0], error);
        fails(&mut kernel, Number::p_share, [who, READ, list, count], error);
    }
    for protection in [0, 2, 4, u32::MAX] {
        fails(&mut kernel, Number::p_share, [pids[1], protection, list, 1], Error::BadProtection);
    }
    fails(&mut kernel, Number::p_give, [pids[0], list, 0, 0], Error::BadProtection);
    fails(&mut kernel, Number::p_accept, [pids[1] ^ 1 << 20, 1, 0, 0], Error::NoSuchEnvironment);
    for (frames, error) in [
        ([FRAME, FRAMES], Error::NoSuchFrame),
        ([FRAME, 30], Error::FrameFree),
        ([FRAME, PUBLIC_FRAME], Error::NotPermitted),
        ([FRAME, 0], Error::NotPermitted),
        ([FRAME, page(2) >> PAGE_SHIFT], Error::NotPermitted),
    ] {
        list_fails(&mut kernel, pids[1], None, &frames, error);
        list_fails(&mut kernel, pids[1], Some(READ), &frames, error);
    }
}

#[test]
fn a_flood_of_frames_makes_nobody_rich() {
    let mut kernel = family::<Mips32>(2);
    let victim = pid(&kernel, 1);
    run_as(&mut kernel, 2);
    while let Ok(frame) = call_again(&mut kernel, Number::p_alloc, [aegis_abi::calls::ANY, 0, 0, 0]) {
        call(&mut kernel, Number::p_add, [READ_WRITE, victim, frame]);
        let _ = with_list(&mut kernel, victim, None, &[frame]);
    }
    assert_eq!((kernel.frames.owned(1), kernel.surplus(1)), (1, 0));
    assert!(kernel.frames.owned(2) as usize > RESERVED_FRAMES);
    assert_eq!(kernel.furthest_above(0), Some(2));
}

#[test]
fn nobody_waits_for_the_sweeps_of_others() {
    // One has the software TLB full of its lines, and gives up a frame again and again.
    let mut kernel = family::<Mips32>(2);
    run_as(&mut kernel, 2);
    let many = call(&mut kernel, Number::p_alloc, [aegis_abi::calls::ANY]);
    for page in 0..2000 {
        kernel.call(Number::tlbwr as u32, [VA + page * 0x2000, Lo::writable(many).0, 0, 0]).unwrap();
    }
    let restless = |kernel: &mut Tested| {
        run_as(kernel, 2);
        let frame = kernel.call(Number::p_alloc as u32, [aegis_abi::calls::ANY, 0, 0, 0]).unwrap();
        kernel.call(Number::tlbwr as u32, [VA + 0x1000, Lo::writable(frame).0, 0, 0]).unwrap();
        let _ = kernel.call(Number::p_unref as u32, [frame, 0, 0, 0]);
    };
    // The other shares a frame that both have bound, and gives it up.
    let own = pid(&kernel, 1);
    run_as(&mut kernel, FIRST);
    call(&mut kernel, Number::p_alloc, [FRAME]);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    with_list(&mut kernel, own, Some(READ_WRITE), &[FRAME]).unwrap();
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    crate::budget::tests::with_budget(500, || {
        for turn in 0.. {
            assert!(turn < 50, "it waits for ever");
            restless(&mut kernel);
            run_as(&mut kernel, 1);
            match kernel.call(Number::p_unref as u32, [FRAME, 0, 0, 0]) {
                Err(Error::Again) => {}
                result => {
                    assert_eq!(result, Ok(0));
                    break;
                }
            }
        }
    });
    assert_eq!(kernel.frames.sharers(FRAME), 1);
    kernel.check().unwrap();
}

#[test]
fn the_dead_stand_in_nobodys_way() {
    let mut kernel = with_frames();
    let pids = pids(&kernel);
    with_list(&mut kernel, pids[1], Some(READ_WRITE), &[FRAME]).unwrap();
    run_as(&mut kernel, 1);
    call(&mut kernel, Number::p_add, [READ, pids[2], FRAME]);
    run_as(&mut kernel, FIRST);
    fails(&mut kernel, Number::p_add, [READ, pids[3], FRAME, 0], Error::Granted);
    crate::budget::tests::with_budget(1, || {
        assert_eq!(kernel.call(Number::e_free as u32, [pids[1], 0, 0, 0]), Err(Error::Again));
        assert_eq!(call_again(&mut kernel, Number::p_add, [READ, pids[3], FRAME, 0]), Ok(0));
    });
    assert_eq!(kernel.frames.owner(FRAME), Owner::Environment(FIRST));
    kernel.check().unwrap();
}

#[test]
fn a_sweep_is_done_though_whoever_awaits_it_dies() {
    let (mut kernel, pids) = with_a_granter();
    // Number 2 has many lines, and among the first of them some of that frame.
    call(&mut kernel, Number::p_add, [READ_WRITE, pids[2], FRAME + 1]);
    run_as(&mut kernel, 2);
    let own = page(2) >> PAGE_SHIFT;
    for page in 0..1000 {
        kernel.call(Number::tlbwr as u32, [VA + page * 0x2000, Lo::writable(own).0, 0, 0]).unwrap();
    }
    for place in 0..64 {
        let frame = if place % 2 == 0 { FRAME } else { FRAME + 1 };
        kernel.call(Number::tlbwr as u32, [VA + (4 * place + 1) * 0x1000, Lo::writable(frame).0, 0, 0]).unwrap();
    }
    crate::budget::tests::with_budget(1, || {
        // A sweep of its lines is half done when another is asked for.
        run_as(&mut kernel, FIRST);
        for _ in 0..20 {
            assert_eq!(kernel.call(Number::p_add as u32, [0, pids[2], FRAME + 1, 0]), Err(Error::Again));
        }
        run_as(&mut kernel, 1);
        assert_eq!(kernel.call(Number::p_add as u32, [0, pids[2], FRAME, 0]), Err(Error::Again));
        run_as(&mut kernel, FIRST);
        assert_eq!(call_again(&mut kernel, Number::e_free, [pids[1], 0, 0, 0]), Ok(0));
    });
    settle(&mut kernel);
    assert_eq!((kernel.frames.parting(), kernel.frames.bindings(FRAME)), (0, 0));
}
