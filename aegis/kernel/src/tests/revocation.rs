//! Visible revocation: who is asked for frames, what is taken by force, and what never is.

use super::model::*;
use crate::Kernel;
use crate::budget::Budget;
use crate::budget::tests::with_budget;
use crate::frame::{Owner, Right};
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{ANY, NEXT, Number, READ, READ_WRITE};
use aegis_abi::interrupts::{Interrupt, REPOSSESSION, REVOCATION};
use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT, REPOSSESSION_ENTRIES, RESERVED_FRAMES};
use aegis_abi::{Env, Error, Lo, Repossessed};
use stlb::Mips32;

type K = Box<Kernel<Model<Mips32>>>;

const ALLOC: u32 = Number::p_alloc as u32;
const UNREF: u32 = Number::p_unref as u32;
const YIELD: u32 = Number::r#yield as u32;
/// What the hungry one, number 1, lacks of its reservation: it owns a page.
const LACK: u32 = RESERVED_FRAMES as u32 - 1;
const HUNGRY: usize = 1;
const OTHER: usize = 2;
/// Address of a page of the standard segment.
const VA: u32 = 0x0100_0000;

/// The first environment owns all memory but a page of each of `n` others.
fn hog(n: usize) -> K {
    let mut kernel = family::<Mips32>(n);
    while kernel.call(ALLOC, [ANY, 0, 0, 0]).is_ok() {}
    assert_eq!(kernel.frames.free(), 0);
    kernel
}

/// Lets environment `n` make a call, and then the one go on that ran.
fn as_environment(kernel: &mut K, n: usize, number: Number, arguments: [u32; 4]) -> Result<u32, Error> {
    let before = kernel.machine.current();
    kernel.machine.set_current(n);
    let result = call_again(kernel, number, arguments);
    kernel.machine.set_current(before);
    kernel.check().unwrap();
    result
}

fn alloc(kernel: &mut K, n: usize) -> Result<u32, Error> {
    as_environment(kernel, n, Number::p_alloc, [ANY, 0, 0, 0])
}

/// Everybody gives up its slice, once around.
fn revolution(kernel: &mut K) {
    for _ in 0..kernel.slices.allocated() {
        tick(kernel);
        kernel.call(YIELD, [NEXT.0, 0, 0, 0]).unwrap();
        kernel.check().unwrap();
    }
    settle(kernel);
}

/// What stands in the queue of environment `n`.
fn interrupts(kernel: &K, n: usize) -> Vec<Interrupt> {
    let queue = queue(kernel, n);
    (queue.tail..queue.head).map(|i| queue.entries[i as usize % queue.entries.len()]).collect()
}

fn owned(kernel: &K, n: usize) -> Vec<u32> {
    (0..FRAMES).filter(|&frame| kernel.frames.owner(frame) == Owner::Environment(n)).collect()
}

/// Gives the first environment another context.
fn e_set(kernel: &mut K, change: impl FnOnce(&mut Env)) -> Result<u32, Error> {
    let mut env = good_env();
    change(&mut env);
    put(kernel, page(FIRST) | ENV_OFFSET, &env);
    kernel.call(Number::e_set as u32, [GUARANTEED_VA | ENV_OFFSET, 0, 0, 0])
}

#[test]
fn who_has_most_is_asked_and_what_it_gives_up_is_for_those_who_lack() {
    let mut kernel = hog(OTHER);
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    assert_eq!(interrupts(&kernel, FIRST), [Interrupt { kind: REVOCATION, arguments: [LACK, 0, 0] }]);
    assert!(interrupts(&kernel, OTHER).is_empty() && interrupts(&kernel, HUNGRY).is_empty());
    // It is asked once.
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    assert_eq!(interrupts(&kernel, FIRST).len(), 1);
    for frame in owned(&kernel, FIRST).into_iter().skip(1).take(LACK as usize) {
        kernel.call(UNREF, [frame, 0, 0, 0]).unwrap();
        // Not for one who has enough, not by number either.
        assert_eq!(kernel.call(ALLOC, [ANY, 0, 0, 0]), Err(Error::NoMemory));
        assert_eq!(kernel.call(ALLOC, [frame, 0, 0, 0]), Err(Error::NoMemory));
    }
    revolution(&mut kernel);
    revolution(&mut kernel);
    assert_eq!(vector(&kernel, FIRST).head, 0, "it has answered, and nothing is taken");
    (0..LACK).for_each(|_| assert!(alloc(&mut kernel, HUNGRY).is_ok()));
    assert_eq!(owned(&kernel, HUNGRY).len(), RESERVED_FRAMES);
    // With its reservation it is one of many.
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::NoMemory));
    assert_eq!(kernel.revocation.waiting, 0);
}

#[test]
fn what_is_spare_anybody_gets() {
    let mut kernel = hog(OTHER);
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    for frame in owned(&kernel, FIRST).into_iter().skip(1).take(LACK as usize + 1) {
        kernel.call(UNREF, [frame, 0, 0, 0]).unwrap();
    }
    assert!(kernel.call(ALLOC, [ANY, 0, 0, 0]).is_ok());
    assert_eq!(kernel.call(ALLOC, [ANY, 0, 0, 0]), Err(Error::NoMemory));
    // Whoever waits no more, since it is gone, keeps nobody from anything.
    let hungry = pid(&kernel, HUNGRY);
    kernel.call(Number::e_free as u32, [hungry, 0, 0, 0]).unwrap();
    assert!(kernel.call(ALLOC, [ANY, 0, 0, 0]).is_ok());
}

#[test]
fn who_does_not_answer_within_two_slices_loses_frames_but_no_reserved_ones() {
    let mut kernel = hog(OTHER);
    let all = owned(&kernel, FIRST);
    // The highest ones would be taken first.
    let reserved: Vec<u32> = all.iter().copied().rev().take(RESERVED_FRAMES).collect();
    e_set(&mut kernel, |env| env.reserved.copy_from_slice(&reserved)).unwrap();
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    // What is left of its own slice is one.
    revolution(&mut kernel);
    assert_eq!((alloc(&mut kernel, HUNGRY), owned(&kernel, FIRST).len()), (Err(Error::TryAgain), all.len()));
    tick(&mut kernel);
    settle(&mut kernel);
    let left = owned(&kernel, FIRST);
    let taken: Vec<u32> = all.iter().copied().rev().skip(RESERVED_FRAMES).take(LACK as usize).collect();
    assert!(taken.iter().all(|frame| !left.contains(frame)) && left.len() + taken.len() == all.len());
    let vector = vector(&kernel, FIRST);
    assert_eq!((vector.head, vector.unrecorded), (LACK, 0));
    let noted: Vec<_> = vector.entries[..LACK as usize].iter().map(|entry| (entry.frame, entry.place)).collect();
    assert_eq!(noted, taken.iter().map(|&frame| (frame, 0)).collect::<Vec<_>>());
    let last = *interrupts(&kernel, FIRST).last().unwrap();
    assert_eq!(last, Interrupt { kind: REPOSSESSION, arguments: [LACK, 0, 0] });
    (0..LACK).for_each(|_| {
        let frame = alloc(&mut kernel, HUNGRY).unwrap();
        let mut page = [1; PAGE_BYTES as usize];
        kernel.machine.read(frame << PAGE_SHIFT, &mut page);
        assert!(taken.contains(&frame) && page.iter().all(|&byte| byte == 0));
    });
}

#[test]
fn force_leaves_every_environment_what_is_reserved() {
    let mut kernel = hog(10);
    // All of them ask, and nobody ever answers; there are 64 frames less 4, and 11 want 8 each.
    for _ in 0..100 {
        for n in HUNGRY..=10 {
            while alloc(&mut kernel, n).is_ok() {}
        }
        revolution(&mut kernel);
    }
    for n in FIRST..=10 {
        assert!(owned(&kernel, n).len() <= RESERVED_FRAMES, "environment {n} has too many");
    }
    assert_eq!(owned(&kernel, FIRST).len(), RESERVED_FRAMES);
    assert_eq!(kernel.frames.free(), 0);
    assert_eq!(alloc(&mut kernel, 10), Err(Error::NoMemory), "nobody has more than its reservation");
}

#[test]
fn bindings_of_what_is_taken_are_broken_and_save_areas_lost() {
    let mut kernel = hog(OTHER);
    let frame = *owned(&kernel, FIRST).last().unwrap();
    kernel.call(Number::tlbwr as u32, [VA, Lo::writable(frame).0, 0, 0]).unwrap();
    assert!(reference(&mut kernel, VA).is_some());
    e_set(&mut kernel, |env| {
        env.genx_save_area = frame << PAGE_SHIFT;
        env.xl[6] = aegis_abi::Mapping { va: 0x3000, lo: Lo::writable(frame).0 };
    })
    .unwrap();
    assert!(reference(&mut kernel, 0x3000).is_some());
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    revolution(&mut kernel);
    revolution(&mut kernel);
    assert_eq!(kernel.current(), FIRST);
    assert_eq!((reference(&mut kernel, VA), reference(&mut kernel, 0x3000)), (None, None));
    assert_eq!(kernel.environments[FIRST].context.genx, None);
    assert_eq!(kernel.frames.owner(frame), Owner::Nobody);
}

#[test]
fn nobody_is_called_up_into_a_save_area_that_is_taken_in_the_same_tick() {
    // The timer is due in the very tick in which the term of the revocation ends, or in that tick
    // the slice, too.
    for alone in [true, false] {
        let mut kernel = hog(OTHER);
        let frame = *owned(&kernel, FIRST).last().unwrap();
        set_queue(&kernel, FIRST, |queue| queue.mask = u32::MAX);
        e_set(&mut kernel, |env| env.intx_save_area = frame << PAGE_SHIFT).unwrap();
        assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
        if alone {
            for n in [HUNGRY, OTHER] {
                kernel.call(Number::s_free as u32, [n as u32, 0, 0, 0]).unwrap();
            }
        }
        while kernel.environments[FIRST].context.intx.is_some() {
            assert_eq!(kernel.current(), FIRST);
            kernel.call(Number::timer as u32, [1, 0, 0, 0]).unwrap();
            let upcall = tick(&mut kernel);
            let writable =
                |upcall: crate::Upcall| kernel.frames.has(FIRST, upcall.save_area >> PAGE_SHIFT, Right::Write);
            assert!(upcall.is_some_and(writable), "{upcall:?}");
            // What is due may be taken now, and is: before the next upcall.
            settle(&mut kernel);
            let lost = kernel.environments[FIRST].context.intx.is_none();
            assert!(!lost || tick(&mut kernel).is_none());
            assert!(!lost || queue(&kernel, FIRST).withheld == 1, "it finds out when it looks");
            set_queue(&kernel, FIRST, |queue| (queue.mask, queue.tail, queue.withheld) = (u32::MAX, queue.head, 0));
            loop {
                if alone || lost {
                    break;
                }
                kernel.call(YIELD, [NEXT.0, 0, 0, 0]).unwrap();
                if kernel.current() == FIRST {
                    break;
                }
                tick(&mut kernel);
            }
        }
        assert_eq!(kernel.frames.owner(frame), Owner::Nobody);
        kernel.check().unwrap();
    }
}

#[test]
fn a_shared_frame_is_taken_from_all_unless_one_of_them_has_reserved_it() {
    let mut kernel = hog(OTHER);
    let all = owned(&kernel, FIRST);
    let [kept, shared] = [all[all.len() - 1], all[all.len() - 2]];
    let other = pid(&kernel, OTHER);
    // Whoever is asked has nothing else.
    with_list(&mut kernel, other, Some(READ), &all).unwrap();
    kernel.machine.set_current(OTHER);
    let mut env = child_env(OTHER);
    (env.reserved[3], env.reserved[4]) = (kept, page(OTHER) >> PAGE_SHIFT);
    put(&kernel, page(OTHER) | ENV_OFFSET, &env);
    kernel.call(Number::e_set as u32, [GUARANTEED_VA | ENV_OFFSET, 0, 0, 0]).unwrap();
    kernel.call(Number::tlbwr as u32, [VA, Lo::read_only(shared).0, 0, 0]).unwrap();
    kernel.machine.set_current(FIRST);
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    revolution(&mut kernel);
    revolution(&mut kernel);
    assert_eq!(kernel.frames.owner(kept), Owner::Environment(FIRST));
    assert_eq!((kernel.frames.owner(shared), kernel.frames.holders(shared)), (Owner::Nobody, 0));
    assert_eq!(vector(&kernel, OTHER).entries[0], Repossessed { frame: shared, place: 0 });
    assert_eq!(interrupts(&kernel, OTHER).last().unwrap().kind, REPOSSESSION);
    kernel.machine.set_current(OTHER);
    assert_eq!(reference(&mut kernel, VA), None);
}

#[test]
fn what_the_vector_prefers_is_taken_first_and_its_contents_saved() {
    let mut kernel = hog(OTHER);
    let all = owned(&kernel, FIRST);
    let [preferred, place] = [all[5], all[9]];
    e_set(&mut kernel, |env| env.reserved[0] = place).unwrap();
    kernel.machine.write(preferred << PAGE_SHIFT, &[0x5a; PAGE_BYTES as usize]);
    set_vector(&kernel, FIRST, |vector| {
        vector.entries[0] = Repossessed { frame: preferred, place };
        // Nonsense of all sorts: another's, the kernel's, beyond memory, one's own vector.
        let another = page(OTHER) >> PAGE_SHIFT;
        let nonsense = [(another, another), (0, 0), (1, 1), (FRAMES, FRAMES), (u32::MAX, u32::MAX), (place, 2)];
        for (entry, (frame, place)) in vector.entries[1..].iter_mut().zip(nonsense) {
            *entry = Repossessed { frame, place };
        }
    });
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    revolution(&mut kernel);
    revolution(&mut kernel);
    let vector = vector(&kernel, FIRST);
    assert_eq!(vector.head, LACK);
    assert_eq!(vector.entries[0], Repossessed { frame: preferred, place });
    assert!(vector.entries[1..LACK as usize].iter().all(|entry| entry.place == 0 && entry.frame != place));
    let mut saved = [0; PAGE_BYTES as usize];
    kernel.machine.read(place << PAGE_SHIFT, &mut saved);
    assert!(saved.iter().all(|&byte| byte == 0x5a));
}

#[test]
fn a_vector_that_is_full_or_full_of_garbage_harms_nobody() {
    for garbage in [0, 1, u32::MAX, 0x8000_0000, 17] {
        let mut kernel = hog(4);
        for round in 0..3u32 {
            set_vector(&kernel, FIRST, |vector| {
                vector.tail = garbage;
                vector.entries = [Repossessed { frame: garbage, place: garbage }; REPOSSESSION_ENTRIES];
            });
            let n = 1 + round as usize;
            assert_eq!(alloc(&mut kernel, n), Err(Error::TryAgain));
            revolution(&mut kernel);
            revolution(&mut kernel);
            (0..LACK).for_each(|_| assert!(alloc(&mut kernel, n).is_ok()));
        }
        let vector = vector(&kernel, FIRST);
        assert_eq!(vector.head + vector.unrecorded, 3 * LACK);
    }
}

#[test]
fn who_has_no_slice_or_gives_it_away_has_no_time_to_answer() {
    let mut kernel = hog(OTHER);
    // The other gets nearly everything, and loses its slice.
    let (other, all) = (pid(&kernel, OTHER), owned(&kernel, FIRST));
    with_list(&mut kernel, other, None, &all[1..all.len() - RESERVED_FRAMES]).unwrap();
    kernel.call(Number::s_free as u32, [OTHER as u32, 0, 0, 0]).unwrap();
    assert!(alloc(&mut kernel, HUNGRY).is_ok(), "taken at once");
    settle(&mut kernel);
    assert_eq!(vector(&kernel, OTHER).head, LACK);

    let mut kernel = hog(OTHER);
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    let other = pid(&kernel, OTHER);
    kernel.call(Number::donate as u32, [other, 0, 0, 0]).unwrap();
    assert!(alloc(&mut kernel, HUNGRY).is_ok());
}

#[test]
fn passing_frames_on_is_no_answer() {
    let mut kernel = hog(OTHER);
    let (other, all) = (pid(&kernel, OTHER), owned(&kernel, FIRST));
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    with_list(&mut kernel, other, None, &all[1..]).unwrap();
    revolution(&mut kernel);
    revolution(&mut kernel);
    (0..LACK).for_each(|_| assert!(alloc(&mut kernel, HUNGRY).is_ok()));
}

#[test]
fn the_end_of_whoever_was_asked_ends_the_request() {
    let mut kernel = hog(OTHER);
    let (other, all) = (pid(&kernel, OTHER), owned(&kernel, FIRST));
    with_list(&mut kernel, other, None, &all[1..all.len() - RESERVED_FRAMES]).unwrap();
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    assert_eq!(kernel.revocation.asked(), Some(OTHER));
    call_again(&mut kernel, Number::e_free, [other, 0, 0, 0]).unwrap();
    assert_eq!(kernel.revocation.asked(), None);
    assert!(alloc(&mut kernel, HUNGRY).is_ok());
    kernel.check().unwrap();
}

#[test]
fn errors_of_the_vector_and_of_what_is_reserved() {
    let mut kernel = family::<Mips32>(1);
    type Spoil = fn(&mut Env);
    let cases: [(Spoil, Error); 8] = [
        (|env| env.vector = VECTOR + 2, Error::Misaligned),
        (|env| env.vector = (VECTOR & !0xfff) + 0xffc, Error::BadLength),
        (|env| env.vector = page(1), Error::NotPermitted),
        (|env| env.vector = FRAMES << PAGE_SHIFT, Error::NoSuchFrame),
        (|env| env.reserved[7] = page(1) >> PAGE_SHIFT, Error::NotPermitted),
        (|env| env.reserved[0] = PUBLIC_FRAME, Error::NotPermitted),
        (|env| env.reserved[0] = FRAMES, Error::NoSuchFrame),
        (|env| env.reserved[0] = FRAMES - 1, Error::FrameFree),
    ];
    for (change, error) in cases {
        assert_eq!(e_set(&mut kernel, change), Err(error));
    }
    e_set(&mut kernel, |env| env.reserved = [GUARANTEED_FRAME; RESERVED_FRAMES]).unwrap();
}

#[test]
fn a_frame_that_is_given_up_while_it_is_taken_is_its_next_owners() {
    let mut kernel = hog(3);
    let (all, other) = (owned(&kernel, FIRST), pid(&kernel, OTHER));
    let top = *all.last().unwrap();
    // Another that has more than its reservation.
    with_list(&mut kernel, other, Some(READ_WRITE), &all[all.len() - 12..]).unwrap();
    // Nothing else may be taken first.
    with_list(&mut kernel, other, Some(READ_WRITE), &all).unwrap();
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    // Both slices in which the first could answer end, and the force goes on by small pieces until
    // one of the two holders has lost the frame.
    with_budget(1, || {
        for _ in 0..2 {
            for _ in 0..kernel.slices.allocated() {
                tick(&mut kernel);
                kernel.call(YIELD, [NEXT.0, 0, 0, 0]).unwrap();
            }
        }
        while kernel.frames.has(FIRST, top, Right::Read) {
            kernel.repossess(&mut Budget::new());
        }
    });
    // Both give up what they have, one of them a share without rights.
    assert_eq!(kernel.frames.sharers(top), 1 | 1 << OTHER);
    for n in [FIRST, OTHER] {
        as_environment(&mut kernel, n, Number::p_unref, [top, 0, 0, 0]).unwrap();
    }
    assert_eq!(as_environment(&mut kernel, 3, Number::p_alloc, [top, 0, 0, 0]), Ok(top), "below its reservation, too");
    settle(&mut kernel);
    assert_eq!(kernel.frames.sharers(top), 1 << 3);
}

#[test]
fn who_cannot_be_entered_has_no_time_to_answer() {
    let mut kernel = hog(OTHER);
    e_set(&mut kernel, |env| env.pro = 0).unwrap();
    let mut got = 0;
    for _ in 0..100 {
        got += u32::from(alloc(&mut kernel, HUNGRY).is_ok());
    }
    assert_eq!(got, LACK);
}

#[test]
fn what_is_shared_with_one_that_has_no_more_than_its_reservation_is_left() {
    let mut kernel = hog(OTHER);
    let (all, other) = (owned(&kernel, FIRST), pid(&kernel, OTHER));
    let shared = &all[all.len() - 3..];
    with_list(&mut kernel, other, Some(READ_WRITE), shared).unwrap();
    set_vector(&kernel, FIRST, |vector| {
        vector.entries[0] = Repossessed { frame: shared[0], place: 0 };
    });
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    revolution(&mut kernel);
    revolution(&mut kernel);
    (0..LACK).for_each(|_| assert!(alloc(&mut kernel, HUNGRY).is_ok()));
    assert!(shared.iter().all(|&frame| kernel.frames.sharers(frame) == 1 | 1 << OTHER));
}

#[test]
fn who_is_robbed_within_its_own_call_finds_that_when_it_looks() {
    let mut kernel = hog(OTHER);
    set_queue(&kernel, FIRST, |queue| queue.mask = u32::MAX);
    assert_eq!(alloc(&mut kernel, HUNGRY), Err(Error::TryAgain));
    while kernel.revocation.force.is_none() {
        tick(&mut kernel);
        kernel.call(YIELD, [NEXT.0, 0, 0, 0]).unwrap();
    }
    kernel.machine.set_current(FIRST);
    set_queue(&kernel, FIRST, |queue| (queue.mask, queue.withheld) = (u32::MAX, 0));
    assert!(kernel.call(ALLOC, [ANY, 0, 0, 0]).is_err());
    assert!(vector(&kernel, FIRST).head > 0, "it has lost something by its own call");
    assert_eq!((kernel.due, queue(&kernel, FIRST).withheld), (None, 1));
}
