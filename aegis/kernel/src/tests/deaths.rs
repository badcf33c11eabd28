//! Deaths: what goes at once, what goes piece by piece, and what happens in between.

use super::model::*;
use crate::Kernel;
use crate::budget::tests::with_budget;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{ANY, Number, READ_WRITE};
use aegis_abi::limits::{ENVS, PAGE_SHIFT};
use aegis_abi::{Env, Error, Lo};
use stlb::{Geometry, Mips32, R3000};

/// Address of a page of the standard segment.
const VA: u32 = 0x0100_0000;

/// A family whose number 1 has nearly all memory, and a line of the software TLB for each frame.
fn with_a_rich_one<G: Geometry>() -> Box<Kernel<Model<G>>> {
    let mut kernel = family::<G>(2);
    kernel.machine.set_current(1);
    let mut va = VA;
    while let Ok(frame) = kernel.call(Number::p_alloc as u32, [ANY, 0, 0, 0]) {
        call(&mut kernel, Number::tlbwr, [va, Lo::writable(frame).0]);
        va += 0x5000;
    }
    kernel.machine.set_current(FIRST);
    kernel
}

fn dies_piece_by_piece<G: Geometry>() {
    let mut kernel = with_a_rich_one::<G>();
    let (rich, other) = (pid(&kernel, 1), pid(&kernel, 2));
    let owned = kernel.frames.owned(1);
    let pieces = with_budget(1, || {
        let mut pieces = 0;
        while kernel.call(Number::e_free as u32, [rich, 0, 0, 0]) == Err(Error::Again) {
            pieces += 1;
            kernel.check().unwrap();
            assert!(kernel.is_dying(1) && !kernel.is_alive(1));
            // It is nobody any more, and nobody gets its number.
            assert_eq!(kernel.machine.blocks.borrow()[1], None);
            assert!(kernel.call(Number::p_add as u32, [READ_WRITE, rich, 10, 0]).is_err());
            assert_eq!(kernel.call(Number::r#yield as u32, [rich, 0, 0, 0]), Err(Error::NoSuchEnvironment));
            if pieces % 16 == 0 {
                assert_eq!(kernel.call(Number::e_ref as u32, [rich, 0, 0, 0]), Err(Error::NoSuchEnvironment));
                assert!(kernel.call(Number::e_write as u32, [other, 0, GUARANTEED_VA, 4]).is_ok());
            }
        }
        pieces
    });
    assert!(pieces > owned, "{pieces} pieces for {owned} frames");
    assert_eq!((kernel.frames.free(), kernel.frames.owned(1), kernel.dying), (owned, 0, 0));
    assert_eq!(kernel.call(Number::e_free as u32, [rich, 0, 0, 0]), Err(Error::NoSuchEnvironment), "done once");
    child(&mut kernel, 1);
    kernel.machine.set_current(1);
    assert_eq!(reference(&mut kernel, VA), None);
    kernel.check().unwrap();
}

#[test]
fn a_rich_environment_dies_piece_by_piece() {
    dies_piece_by_piece::<Mips32>();
    dies_piece_by_piece::<R3000>();
}

#[test]
fn frames_of_the_dead_are_had_before_anybody_is_asked() {
    let mut kernel = with_a_rich_one::<Mips32>();
    let rich = pid(&kernel, 1);
    // Nobody works on it: a writer of it kills it and goes on.
    with_budget(1, || assert_eq!(kernel.call(Number::e_free as u32, [rich, 0, 0, 0]), Err(Error::Again)));
    kernel.machine.set_current(2);
    let wanted = (0..FRAMES).rev().find(|&n| kernel.frames.shares(1, n)).unwrap();
    with_budget(1, || {
        assert_eq!(call_again(&mut kernel, Number::p_alloc, [wanted, 0, 0, 0]), Ok(wanted), "by number");
        assert!(call_again(&mut kernel, Number::p_alloc, [ANY, 0, 0, 0]).is_ok(), "any");
    });
    assert_eq!((kernel.revocation.asked(), kernel.revocation.waiting), (None, 0));
    kernel.check().unwrap();
}

#[test]
fn who_kills_and_goes_away_leaves_it_to_others() {
    let mut kernel = with_a_rich_one::<Mips32>();
    let rich = pid(&kernel, 1);
    with_budget(1, || assert_eq!(kernel.call(Number::e_free as u32, [rich, 0, 0, 0]), Err(Error::Again)));
    // An idle machine.
    for _ in 0..200 {
        kernel.work_while_idle();
    }
    kernel.check().unwrap();
    assert_eq!((kernel.dying, kernel.frames.first_dirty()), (0, None), "and all free frames are zeroed");
    // Whoever began it is told that it is done.
    assert_eq!(kernel.call(Number::e_free as u32, [rich, 0, 0, 0]), Ok(0));
    assert_eq!(kernel.call(Number::e_free as u32, [rich, 0, 0, 0]), Err(Error::NoSuchEnvironment));
}

#[test]
fn a_number_is_had_from_the_dead_when_none_is_free() {
    let mut kernel = family::<Mips32>(1);
    let dead = child(&mut kernel, 2).0;
    for _ in 3..ENVS {
        e_alloc(&mut kernel, ANY, &Env::EMPTY).unwrap();
    }
    assert_eq!(e_alloc(&mut kernel, ANY, &Env::EMPTY), Err(Error::NoAllowance));
    with_budget(1, || assert_eq!(kernel.call(Number::e_free as u32, [dead, 0, 0, 0]), Err(Error::Again)));
    assert!(kernel.numbers.first().is_none());
    let number = crate::name::number_of_tag(dead);
    let heir = with_budget(1, || e_alloc(&mut kernel, ANY, &Env::EMPTY).unwrap());
    assert_eq!(kernel.lookup(heir), Ok(number));
    assert_ne!(heir.0, dead);
    kernel.check().unwrap();
}

#[test]
fn a_reference_keeps_a_name_beyond_the_death_of_its_bearer() {
    let mut kernel = family::<Mips32>(2);
    let [first, one, two] = [0, 1, 2].map(|n| pid(&kernel, n));
    call(&mut kernel, Number::e_add, [two, one]);
    kernel.machine.set_current(2);
    assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
    call(&mut kernel, Number::e_ref, [one]);
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::e_free, [one]);
    let taken = [1, GUARANTEED_VA | ENV_OFFSET, 0, 0];
    put(&kernel, page(FIRST) | ENV_OFFSET, &Env::EMPTY);
    fails(&mut kernel, Number::e_alloc, taken, Error::EnvironmentTaken);
    fails(&mut kernel, Number::e_unref, [one, 0, 0, 0], Error::NotPermitted);
    kernel.machine.set_current(2);
    fails(&mut kernel, Number::e_ref, [one, 0, 0, 0], Error::NoSuchEnvironment);
    fails(&mut kernel, Number::e_unref, [first, 0, 0, 0], Error::NotPermitted);
    call(&mut kernel, Number::e_unref, [one]);
    fails(&mut kernel, Number::e_unref, [one, 0, 0, 0], Error::NoSuchEnvironment);
    kernel.machine.set_current(FIRST);
    assert!(e_alloc(&mut kernel, 1, &Env::EMPTY).is_ok());
    kernel.check().unwrap();
}

#[test]
fn a_holder_of_a_name_that_dies_frees_it() {
    let mut kernel = family::<Mips32>(2);
    let [one, two] = [1, 2].map(|n| pid(&kernel, n));
    call(&mut kernel, Number::e_add, [two, one]);
    kernel.machine.set_current(2);
    call(&mut kernel, Number::e_ref, [one]);
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::e_free, [one]);
    assert!(!kernel.numbers.contains(1));
    call(&mut kernel, Number::e_free, [two]);
    settle(&mut kernel);
    assert!(kernel.numbers.contains(1) && kernel.numbers.contains(2));
}

#[test]
fn numbers_come_again_in_the_order_in_which_they_became_free() {
    let mut kernel = family::<Mips32>(1);
    let names: Vec<u32> = (2..ENVS).map(|_| e_alloc(&mut kernel, ANY, &Env::EMPTY).unwrap().0).collect();
    for n in [40, 7, 22] {
        call(&mut kernel, Number::e_free, [names[n]]);
    }
    let numbers = [(); 3].map(|()| {
        let name = e_alloc(&mut kernel, ANY, &Env::EMPTY).unwrap();
        kernel.lookup(name).unwrap()
    });
    assert_eq!(numbers, [42, 9, 24]);
}

#[test]
fn a_chain_of_the_dead_falls_as_a_whole_in_any_order() {
    // Each holds the only reference to the next, in an order that no direction of search follows.
    let order = [5usize, 60, 7, 58, 9, 56, 11, 54, 13, 52, 15];
    let mut kernel = family::<Mips32>(1);
    kernel.machine.set_current(1);
    let mut first = None;
    for number in order {
        assert!(reference(&mut kernel, GUARANTEED_VA).is_some() || number == order[0]);
        let name = child_of_current(&mut kernel, number);
        first = first.or(Some(name));
        kernel.machine.set_current(number);
    }
    kernel.machine.set_current(1);
    call(&mut kernel, Number::e_free, [first.unwrap()]);
    settle(&mut kernel);
    assert!(order.iter().all(|&number| !kernel.is_alive(number)));
    assert!(order.iter().all(|&number| kernel.numbers.contains(number)));
}

/// Has the running environment make number `number`, with a page that serves as its own.
fn child_of_current(kernel: &mut Kernel<Model<Mips32>>, number: usize) -> u32 {
    let frame = call(kernel, Number::p_alloc, [ANY]);
    let mut env = Env::EMPTY;
    env.xl[0] = aegis_abi::Mapping { va: GUARANTEED_VA, lo: Lo::writable(frame).0 };
    let current = kernel.environment().context.guaranteed(GUARANTEED_VA >> PAGE_SHIFT).unwrap();
    put(kernel, current.pfn() << PAGE_SHIFT | ENV_OFFSET, &env);
    call(kernel, Number::e_alloc, [number as u32, GUARANTEED_VA | ENV_OFFSET, aegis_abi::calls::SHARED])
}

#[test]
fn who_ends_by_what_its_own_call_buries_does_not_go_on() {
    // In a chain that no pass follows, the last ones live until those before them are buried.
    let order = [10usize, 50, 11, 49, 12, 48, 13, 47, 14, 46, 15, 45];
    let mut kernel = family::<Mips32>(1);
    kernel.machine.set_current(1);
    let head = child_of_current(&mut kernel, order[0]);
    for pair in order.windows(2) {
        kernel.machine.set_current(pair[0]);
        assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
        child_of_current(&mut kernel, pair[1]);
    }
    kernel.machine.set_current(1);
    with_budget(1, || assert_eq!(kernel.call(Number::e_free as u32, [head, 0, 0, 0]), Err(Error::Again)));
    let last = *order.iter().rev().find(|&&number| kernel.is_alive(number)).expect("the chain is too short");
    kernel.machine.set_current(last);
    assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
    for number in order {
        let arguments = [number as u32, GUARANTEED_VA | ENV_OFFSET, 0, 0];
        let _ = kernel.call(Number::e_alloc as u32, arguments);
        kernel.check().unwrap();
        assert!(kernel.is_alive(kernel.current()), "the dead run");
        if kernel.current() != last {
            break;
        }
    }
    settle(&mut kernel);
    assert!(order.iter().all(|&number| !kernel.is_alive(number)));
}

#[test]
fn with_sixty_dying_and_no_free_frame_every_call_is_answered_and_all_comes_back() {
    let mut kernel = family::<Mips32>(1);
    let before = kernel.frames.free();
    let mut names = Vec::new();
    while kernel.frames.free() > 0 && names.len() < 60 {
        let frame = call(&mut kernel, Number::p_alloc, [ANY]);
        let mut env = Env::EMPTY;
        env.genx_save_area = frame << PAGE_SHIFT;
        env.xl[0] = aegis_abi::Mapping { va: GUARANTEED_VA, lo: Lo::writable(frame).0 };
        names.push(e_alloc(&mut kernel, ANY, &env).unwrap().0);
        call(&mut kernel, Number::p_unref, [frame]);
    }
    while kernel.call(Number::p_alloc as u32, [ANY, 0, 0, 0]).is_ok() {}
    with_budget(1, || {
        for &name in &names {
            assert_eq!(kernel.call(Number::e_free as u32, [name, 0, 0, 0]), Err(Error::Again));
        }
        assert_eq!((kernel.dying.count_ones() as usize, kernel.frames.free()), (names.len(), 0));
        let own = pid(&kernel, FIRST);
        let page = page(FIRST) >> PAGE_SHIFT;
        for (number, arguments, result) in [
            (Number::pid, [0; 4], Ok(own)),
            (Number::tlbwr, [VA, Lo::writable(page).0, 0, 0], Ok(0)),
            (Number::tlbflush, [0; 4], Ok(0)),
            (Number::e_ref, [names[3], 0, 0, 0], Err(Error::NoSuchEnvironment)),
            (Number::p_unref, [page + 1, 0, 0, 0], Err(Error::NotPermitted)),
            (Number::timer, [3, 0, 0, 0], Ok(0)),
        ] {
            assert_eq!(call_again(&mut kernel, number, arguments), result, "{number:?}");
            assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
        }
        assert!(kernel.dying != 0, "none of these calls works for the dead");
        let mut calls = 0;
        while kernel.dying != 0 {
            let _ = kernel.call(Number::p_alloc as u32, [ANY, 0, 0, 0]);
            assert!(calls < 1000, "the dead are never buried");
            calls += 1;
        }
    });
    settle(&mut kernel);
    let mine: Vec<u32> = held(&kernel, FIRST).into_iter().filter(|&n| n != page(FIRST) >> PAGE_SHIFT).collect();
    for frame in mine {
        call(&mut kernel, Number::p_unref, [frame]);
    }
    assert_eq!(kernel.frames.free(), before);
    assert!(names.iter().all(|&name| kernel.numbers.contains(crate::name::number_of_tag(name))));
}
