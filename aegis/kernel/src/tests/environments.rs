//! Environments: names, writers, references, what they leave; frames that they share.

use super::model::*;
use crate::frame::{Owner, Right};
use crate::kernel::FIRST;
use crate::machine::Machine;
use crate::{Kernel, Miss};
use aegis_abi::calls::{ANY, NEXT, Number, READ, READ_WRITE};
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS, PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Env, Error, Lo, Mapping, status};
use stlb::{Geometry, Mips32, R3000};

type Tested = Kernel<Model<Mips32>>;

const VA: u32 = 0x0100_0000;
const FRAME: u32 = 10;

/// Runs as environment `n`, which transfers have brought the slice to.
fn run_as(kernel: &Tested, n: usize) {
    kernel.machine.set_current(n);
    kernel.machine.set_holder(None);
}

/// A family with a frame of the first environment's.
fn with_frame() -> Box<Tested> {
    let mut kernel = family(3);
    call(&mut kernel, Number::p_alloc, [FRAME]);
    kernel
}

fn is_zero(kernel: &Tested, frame: u32) -> bool {
    let mut page = [1; PAGE_BYTES as usize];
    kernel.machine.read(frame << PAGE_SHIFT, &mut page);
    page == [0; PAGE_BYTES as usize]
}

fn rights(kernel: &Tested, n: usize, frame: u32) -> [bool; 2] {
    [Right::Read, Right::Write].map(|right| kernel.frames.has(n, frame, right))
}

fn living(kernel: &Tested) -> Vec<usize> {
    (0..ENVS).filter(|&n| kernel.is_alive(n)).collect()
}

#[test]
fn a_new_environment_has_the_rights_that_its_context_uses() {
    let mut kernel = with_frame();
    call(&mut kernel, Number::p_alloc, [FRAME + 1]);
    call(&mut kernel, Number::p_alloc, [FRAME + 2]);
    let mut env = Env { tlbx_save_area: FRAME << PAGE_SHIFT, ..Env::EMPTY };
    env.xl[0] = Mapping { va: 0x5000, lo: Lo::read_only(FRAME + 1).0 };
    env.xl[1] = Mapping { va: 0x6000, lo: Lo::read_only(PUBLIC_FRAME).0 };
    let name = e_alloc(&mut kernel, 7, &env).unwrap();
    kernel.check().unwrap();
    assert_eq!(kernel.lookup(name), Ok(7));
    assert_eq!([FRAME, FRAME + 1, FRAME + 2].map(|n| rights(&kernel, 7, n)), [[true; 2], [true, false], [false; 2]]);
    assert_eq!((held(&kernel, 7), kernel.frames.owner(FRAME)), (vec![FRAME, FRAME + 1], Owner::Environment(FIRST)));
    assert_eq!((kernel.frames.sharers(FRAME), kernel.frames.owned(7)), (1 | 1 << 7, 2), "it has shares");
    let environment = &kernel.environments[7];
    assert_eq!(
        (environment.record.writers, environment.record.references, environment.record.started != 0),
        (1, 1, false)
    );
    assert!(kernel.slices.get(7).is_none() && kernel.slices.allocated() == 4, "it has no slice");
    run_as(&kernel, 7);
    assert_eq!(call(&mut kernel, Number::pid, []), name.0);
    assert_eq!(reference(&mut kernel, 0x5000).map(|lo| lo.pfn()), Some(FRAME + 1));
}

#[test]
fn any_environment_is_the_lowest_that_is_free_until_there_is_none() {
    let mut kernel = family::<Mips32>(2);
    for n in 3..ENVS {
        let name = e_alloc(&mut kernel, ANY, &Env::EMPTY).unwrap();
        assert_eq!(kernel.lookup(name), Ok(n));
    }
    let arguments = [ANY, GUARANTEED_VA | ENV_OFFSET, 0, 0];
    fails(&mut kernel, Number::e_alloc, arguments, Error::NoAllowance);
    let name = pid(&kernel, 20);
    call(&mut kernel, Number::e_free, [name]);
    assert_eq!(
        kernel.call(Number::e_alloc as u32, arguments).map(|name| kernel.lookup(aegis_abi::Pid(name))),
        Ok(Ok(20))
    );
}

#[test]
fn errors_of_e_alloc() {
    let mut kernel = with_frame();
    let pointer = GUARANTEED_VA | ENV_OFFSET;
    put(&kernel, page(FIRST) | ENV_OFFSET, &Env::EMPTY);
    for (n, env, error) in [
        (ENVS as u32, pointer, Error::NoSuchEnvironment),
        (ANY - 1, pointer, Error::NoSuchEnvironment),
        (0, pointer, Error::EnvironmentTaken),
        (3, pointer, Error::EnvironmentTaken),
        (9, 0, Error::BadPointer),
        (9, pointer + 2, Error::Misaligned),
        (9, 0x9000, Error::Unmapped),
        (9, GUARANTEED_VA + 0xffc, Error::PageEnd),
    ] {
        fails(&mut kernel, Number::e_alloc, [n, env, 0, 0], error);
    }
    const QUEUE_BYTES: u32 = size_of::<aegis_abi::InterruptQueue>() as u32;
    type Spoil = fn(&mut Env);
    let spoilt: [(Spoil, Error); 20] = [
        (|env| env.ih = 2 * HANDLER + 1, Error::BadHandler),
        (|env| env.epi = 0x8000_0000, Error::BadHandler),
        (|env| env.pro = 4, Error::BadHandler),
        (|env| env.init = 4, Error::BadHandler),
        (|env| env.gate = 4, Error::BadHandler),
        (|env| env.agate = 4, Error::BadHandler),
        (|env| env.status = 1, Error::BadStatus),
        (|env| (env.resume_start, env.resume_windows) = (0x2010, 1), Error::BadResume),
        (|env| (env.resume_start, env.resume_windows) = (0, 1), Error::BadResume),
        (|env| (env.resume_start, env.resume_windows) = (0x8000_0000, 1), Error::BadResume),
        (|env| (env.resume_start, env.resume_windows) = (0x2fe0, 2), Error::BadResume),
        (|env| (env.resume_start, env.resume_windows) = (0x2000, u32::MAX), Error::BadResume),
        (|env| env.intx_save_area = FRAME << PAGE_SHIFT | 8, Error::Misaligned),
        (|env| env.iq = FRAME << PAGE_SHIFT | 2, Error::Misaligned),
        (|env| env.iq = (FRAME << PAGE_SHIFT) + 0x1000 - QUEUE_BYTES + 4, Error::BadLength),
        (|env| env.iq = 30 << PAGE_SHIFT, Error::FrameFree),
        (|env| env.iq = FRAMES << PAGE_SHIFT, Error::NoSuchFrame),
        // Of the child, not of the caller.
        (|env| env.iq = page(1), Error::NotPermitted),
        (|env| env.intx_save_area = page(1), Error::NotPermitted),
        (|env| env.xl[0] = Mapping { va: 0x5000, lo: Lo::read_only(page(1) >> PAGE_SHIFT).0 }, Error::NotPermitted),
    ];
    for (spoil, error) in spoilt {
        let mut env = Env { iq: (FRAME << PAGE_SHIFT) + 0x1000 - QUEUE_BYTES, ..good_env() };
        spoil(&mut env);
        put(&kernel, page(FIRST) | ENV_OFFSET, &env);
        fails(&mut kernel, Number::e_alloc, [9, pointer, 0, 0], error);
        fails(&mut kernel, Number::e_set, [pointer, 0, 0, 0], error);
    }
    let env = Env { iq: (FRAME << PAGE_SHIFT) + 0x1000 - QUEUE_BYTES, ..good_env() };
    e_alloc(&mut kernel, 9, &env).expect("a queue up to the page's end");
}

#[test]
fn strangers_may_nothing() {
    let mut kernel = with_frame();
    let names = [0, 1, 2].map(|n| pid(&kernel, n));
    run_as(&kernel, 1);
    for (number, arguments) in [
        (Number::e_ref, [names[2], 0, 0, 0]),
        (Number::e_unref, [names[2], 0, 0, 0]),
        (Number::e_unref, [names[1], 0, 0, 0]),
        (Number::e_add, [names[1], names[2], 0, 0]),
        (Number::e_add, [names[2], names[0], 0, 0]),
        (Number::e_free, [names[2], 0, 0, 0]),
        (Number::e_free, [names[0], 0, 0, 0]),
        (Number::e_write, [names[2], 0, GUARANTEED_VA, 4]),
        (Number::p_add, [READ, names[2], FRAME, 0]),
        (Number::power_off, [0; 4]),
    ] {
        fails(&mut kernel, number, arguments, Error::NotPermitted);
    }
}

#[test]
fn an_environment_may_itself_do_what_a_writer_may() {
    let mut kernel = family(2);
    let names = [0, 1, 2].map(|n| pid(&kernel, n));
    run_as(&kernel, 1);
    call(&mut kernel, Number::e_write, [names[1], 0, GUARANTEED_VA, 4]);
    call(&mut kernel, Number::s_alloc, [names[1], ANY]);
    call(&mut kernel, Number::e_ref, [names[1]]);
    call(&mut kernel, Number::e_add, [names[2], names[1]]);
    run_as(&kernel, 2);
    call(&mut kernel, Number::e_write, [names[1], 0, GUARANTEED_VA, 4]);
    call(&mut kernel, Number::e_free, [names[1]]);
    assert_eq!(living(&kernel), [0, 2]);
}

#[test]
fn an_environment_lives_until_its_last_reference_is_given_up() {
    let mut kernel = family(2);
    let names = [0, 1, 2].map(|n| pid(&kernel, n));
    call(&mut kernel, Number::e_add, [names[2], names[1]]);
    run_as(&kernel, 2);
    fails(&mut kernel, Number::e_unref, [names[1], 0, 0, 0], Error::NotPermitted);
    call(&mut kernel, Number::e_ref, [names[1]]);
    call(&mut kernel, Number::e_ref, [names[1]]);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::e_unref, [names[1]]);
    assert!(kernel.is_alive(1));
    fails(&mut kernel, Number::e_unref, [names[1], 0, 0, 0], Error::NotPermitted);
    run_as(&kernel, 2);
    call(&mut kernel, Number::e_unref, [names[1]]);
    assert_eq!(living(&kernel), [0, 2], "a second reference was none");
}

#[test]
fn who_gives_up_the_only_reference_to_itself_is_destroyed() {
    let mut kernel = kernel::<Mips32>();
    let own = pid(&kernel, FIRST);
    call(&mut kernel, Number::e_unref, [own]);
    assert_eq!(living(&kernel), [0usize; 0]);
    assert_eq!(kernel.machine.stopped.get(), Some(status::NO_ENVIRONMENT));
}

#[test]
fn who_is_destroyed_gives_up_its_references_and_so_on() {
    // 1 makes 4, 4 makes 5; 2 holds a reference to 6 of 4's.
    let mut kernel = family(3);
    let names = [0, 1, 2, 3].map(|n| pid(&kernel, n));
    run_as(&kernel, 1);
    let fourth = child(&mut kernel, 4);
    run_as(&kernel, 4);
    child(&mut kernel, 5);
    let sixth = child(&mut kernel, 6);
    call(&mut kernel, Number::e_add, [names[2], sixth.0]);
    run_as(&kernel, 2);
    call(&mut kernel, Number::e_ref, [sixth.0]);
    run_as(&kernel, FIRST);
    fails(&mut kernel, Number::e_free, [fourth.0, 0, 0, 0], Error::NotPermitted);
    call(&mut kernel, Number::e_free, [names[1]]);
    assert_eq!(living(&kernel), [0, 2, 3, 6]);
    assert_eq!((kernel.environments[6].record.writers, kernel.environments[6].record.references), (1 << 2, 1 << 2));
    call(&mut kernel, Number::e_free, [names[2]]);
    assert_eq!(living(&kernel), [0, 3]);
}

#[test]
fn a_caller_may_destroy_itself_directly_and_by_what_it_destroys() {
    let mut kernel = family(3);
    let names = [0, 1, 2].map(|n| pid(&kernel, n));
    run_as(&kernel, 1);
    call(&mut kernel, Number::e_free, [names[1]]);
    assert_eq!((living(&kernel), kernel.current()), (vec![0, 2, 3], FIRST), "the slice is the first's");
    // The second is the only one to hold the first.
    call(&mut kernel, Number::e_add, [names[2], names[0]]);
    run_as(&kernel, 2);
    call(&mut kernel, Number::e_ref, [names[0]]);
    call(&mut kernel, Number::e_ref, [names[2]]);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::e_unref, [names[2]]);
    call(&mut kernel, Number::e_unref, [names[0]]);
    assert_eq!(living(&kernel), [0, 2, 3]);
    call(&mut kernel, Number::e_free, [names[2]]);
    assert_eq!(living(&kernel), [0usize; 0]);
    assert_eq!(kernel.machine.stopped.get(), Some(status::NO_ENVIRONMENT));
}

#[test]
fn an_environment_that_holds_itself_outlives_its_creator() {
    let mut kernel = family(2);
    let names = [0, 1, 2].map(|n| pid(&kernel, n));
    run_as(&kernel, 1);
    call(&mut kernel, Number::e_ref, [names[1]]);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::e_free, [names[0]]);
    assert_eq!((living(&kernel), kernel.current()), (vec![1], 1));
    // The first one's number has rights that nobody inherits.
    assert_eq!(e_alloc(&mut kernel, 0, &Env::EMPTY), Err(Error::EnvironmentTaken));
    assert!(e_alloc(&mut kernel, ANY, &Env::EMPTY).is_ok());
    assert_eq!(living(&kernel), [1, 3], "the number that has been free for the longest time");
    call(&mut kernel, Number::e_unref, [names[1]]);
    assert_eq!(kernel.machine.stopped.get(), Some(status::NO_ENVIRONMENT));
}

#[test]
fn an_environment_that_is_destroyed_leaves_nothing() {
    let mut kernel = with_frame();
    let name = pid(&kernel, 1);
    call(&mut kernel, Number::p_add, [READ_WRITE, name, FRAME]);
    call(&mut kernel, Number::e_write, [name, 0, GUARANTEED_VA, 8]);
    run_as(&kernel, 1);
    call(&mut kernel, Number::p_alloc, [FRAME + 1]);
    for (i, frame) in [FRAME, FRAME + 1, page(1) >> PAGE_SHIFT, PUBLIC_FRAME].into_iter().enumerate() {
        call(&mut kernel, Number::tlbwr, [VA + i as u32 * 0x5000, Lo::read_only(frame).0]);
    }
    assert_eq!(kernel.miss(GUARANTEED_VA), Miss::Refilled);
    call(&mut kernel, Number::timer, [5]);
    kernel.machine.write((FRAME + 1) << PAGE_SHIFT, &[7; 100]);
    run_as(&kernel, FIRST);
    let free = kernel.frames.free();
    call(&mut kernel, Number::e_free, [name]);
    assert_eq!(kernel.frames.free(), free + 2);
    assert_eq!([FRAME, FRAME + 1, page(1) >> PAGE_SHIFT].map(|n| kernel.frames.bindings(n)), [0; 3]);
    assert_eq!((kernel.frames.owner(FRAME), held(&kernel, 1)), (Owner::Environment(FIRST), vec![]));
    for frame in [FRAME + 1, page(1) >> PAGE_SHIFT] {
        call(&mut kernel, Number::p_alloc, [frame]);
        assert!(is_zero(&kernel, frame), "whoever gets the frame finds nothing of it");
        call(&mut kernel, Number::p_unref, [frame]);
    }
    assert!(kernel.slices.get(1).is_none());
    assert_eq!(kernel.machine.data.borrow()[1], [0; ENV_DATA_BYTES]);
    assert_eq!(kernel.machine.blocks.borrow()[1], None);
    // Whoever gets the number next finds nothing of it.
    child(&mut kernel, 1);
    let environment = &kernel.environments[1];
    assert_eq!((environment.record.started, environment.record.suspended, environment.timer), (0, 0, None));
    run_as(&kernel, 1);
    assert_eq!(reference(&mut kernel, VA), None);
}

#[test]
fn a_stale_name_is_nobodys() {
    let mut kernel = with_frame();
    let (own, stale) = (pid(&kernel, FIRST), pid(&kernel, 1));
    call(&mut kernel, Number::e_free, [stale]);
    for again in [false, true] {
        if again {
            assert_ne!(child(&mut kernel, 1).0, stale);
        }
        for (number, arguments) in [
            (Number::e_ref, [stale, 0, 0, 0]),
            (Number::e_unref, [stale, 0, 0, 0]),
            (Number::e_add, [stale, own, 0, 0]),
            (Number::e_add, [own, stale, 0, 0]),
            (Number::e_free, [stale, 0, 0, 0]),
            (Number::e_write, [stale, 0, GUARANTEED_VA, 4]),
            (Number::p_add, [READ, stale, FRAME, 0]),
            (Number::console_focus, [stale, 0, 0, 0]),
            (Number::s_alloc, [stale, ANY, 0, 0]),
            (Number::s_add, [stale, 0, 0, 0]),
            (Number::r#yield, [stale, 0, 0, 0]),
            (Number::donate, [stale, 0, 0, 0]),
        ] {
            fails(&mut kernel, number, arguments, Error::NoSuchEnvironment);
        }
        for number in [Number::e_ref, Number::e_unref, Number::e_free] {
            fails(&mut kernel, number, [NEXT.0, 0, 0, 0], Error::NoSuchEnvironment);
            fails(&mut kernel, number, [ANY, 0, 0, 0], Error::NoSuchEnvironment);
        }
    }
}

#[test]
fn data_is_written_where_it_is_meant() {
    let mut kernel = family::<Mips32>(2);
    let name = pid(&kernel, 2);
    kernel.machine.write(page(FIRST) | ENV_OFFSET, b"abcdefgh");
    let from = GUARANTEED_VA | ENV_OFFSET;
    let end = ENV_DATA_BYTES as u32;
    call(&mut kernel, Number::e_write, [name, 3, from, 5]);
    call(&mut kernel, Number::e_write, [name, end - 2, from + 6, 2]);
    call(&mut kernel, Number::e_write, [name, end, from, 0]);
    let data = kernel.machine.data.borrow().clone();
    assert_eq!((&data[2][..9], &data[2][ENV_DATA_BYTES - 3..]), (b"\0\0\0abcde\0".as_slice(), b"\0gh".as_slice()));
    assert!(data.iter().enumerate().all(|(n, data)| n == 2 || *data == [0; ENV_DATA_BYTES]));
    for (offset, from, bytes, error) in [
        (end - 1, from, 2, Error::TooLong),
        (end + 1, from, 0, Error::TooLong),
        (0, from, end + 1, Error::TooLong),
        (4, from, u32::MAX, Error::BadLength),
        (u32::MAX, from, 1, Error::BadLength),
        (0, 0x8000_0000, 4, Error::BadPointer),
        (0, 0x7fff_fffc, 8, Error::BadLength),
        (0, 0x9000, 4, Error::Unmapped),
        (0, GUARANTEED_VA + 0xffc, 8, Error::PageEnd),
    ] {
        fails(&mut kernel, Number::e_write, [name, offset, from, bytes], error);
    }
}

#[test]
fn the_owner_of_a_frame_gives_and_takes_rights() {
    let mut kernel = with_frame();
    let name = pid(&kernel, 1);
    let writable = [VA, Lo::writable(FRAME).0, 0, 0];
    call(&mut kernel, Number::p_add, [READ, name, FRAME]);
    run_as(&kernel, 1);
    call(&mut kernel, Number::tlbwr, [VA, Lo::read_only(FRAME).0]);
    fails(&mut kernel, Number::tlbwr, writable, Error::NotPermitted);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::p_add, [READ_WRITE, name, FRAME]);
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    run_as(&kernel, 1);
    assert!(reference(&mut kernel, VA).is_some(), "no binding is broken by a new right");
    call(&mut kernel, Number::tlbwr, [VA, Lo::writable(FRAME).0]);
    assert_eq!(held(&kernel, 1), [FRAME, page(1) >> PAGE_SHIFT]);
    assert_eq!(kernel.frames.owned(1), 1, "what is granted costs nothing");
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::p_add, [READ, name, FRAME]);
    run_as(&kernel, 1);
    assert_eq!(reference(&mut kernel, VA), None, "the right to write is gone");
    fails(&mut kernel, Number::tlbwr, writable, Error::NotPermitted);
    call(&mut kernel, Number::tlbwr, [VA, Lo::read_only(FRAME).0]);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::p_add, [0, name, FRAME]);
    assert_eq!(rights(&kernel, 1, FRAME), [false; 2]);
    assert!(reference(&mut kernel, VA).is_some(), "the owner's binding stays");
    run_as(&kernel, 1);
    assert_eq!((reference(&mut kernel, VA), held(&kernel, 1)), (None, vec![page(1) >> PAGE_SHIFT]));
}

#[test]
fn what_rests_on_the_right_to_read_survives_the_loss_of_that_to_write() {
    let mut kernel = with_frame();
    let name = pid(&kernel, 1);
    call(&mut kernel, Number::p_add, [READ_WRITE, name, FRAME]);
    run_as(&kernel, 1);
    let mut env = child_env(1);
    env.xl[6] = Mapping { va: 0x5000, lo: Lo::read_only(FRAME).0 };
    env.xl[7] = Mapping { va: 0x6000, lo: Lo::writable(FRAME).0 };
    assert_eq!(kernel.miss(GUARANTEED_VA), Miss::Refilled);
    put(&kernel, page(1) | ENV_OFFSET, &env);
    call(&mut kernel, Number::e_set, [GUARANTEED_VA | ENV_OFFSET]);
    call(&mut kernel, Number::tlbwr, [VA, Lo::read_only(FRAME).0]);
    call(&mut kernel, Number::tlbwr, [VA + 0x4000, Lo::writable(FRAME).0]);
    run_as(&kernel, FIRST);
    call(&mut kernel, Number::p_add, [READ, name, FRAME]);
    run_as(&kernel, 1);
    let found = [VA, VA + 0x4000, 0x5000, 0x6000].map(|va| reference(&mut kernel, va).is_some());
    assert_eq!(found, [true, false, true, false]);
}

#[test]
fn errors_of_p_add() {
    let mut kernel = with_frame();
    let (own, other) = (pid(&kernel, FIRST), pid(&kernel, 1));
    call(&mut kernel, Number::p_add, [READ_WRITE, other, FRAME]);
    for (prot, name, frame, error) in [
        (2, other, FRAME, Error::BadProtection),
        (4, other, FRAME, Error::BadProtection),
        (ANY, other, FRAME, Error::BadProtection),
        (0, own, FRAME, Error::BadProtection),
        (READ, own, FRAME, Error::BadProtection),
        (READ, other ^ 1 << 20, FRAME, Error::NoSuchEnvironment),
        (READ, other, FRAMES, Error::NoSuchFrame),
        (READ, other, ANY, Error::NoSuchFrame),
        (READ, other, 30, Error::FrameFree),
        (READ, other, 0, Error::NotPermitted),
        (READ, other, PUBLIC_FRAME, Error::NotPermitted),
        (READ, other, page(2) >> PAGE_SHIFT, Error::NotPermitted),
    ] {
        fails(&mut kernel, Number::p_add, [prot, name, frame, 0], error);
    }
    // Who may write it holds no share.
    let third = pid(&kernel, 2);
    run_as(&kernel, 1);
    fails(&mut kernel, Number::p_add, [READ, third, FRAME, 0], Error::NotPermitted);
}

fn creations<G: Geometry>() {
    let mut kernel = family::<G>(1);
    let mut before = None;
    for i in 0..=1000 {
        // A child with a grandchild, slices, data, bindings and a timer.
        let name = child(&mut kernel, 2);
        kernel.call(Number::s_alloc as u32, [name.0, ANY, 0, 0]).unwrap();
        kernel.call(Number::e_write as u32, [name.0, 0, GUARANTEED_VA, 64]).unwrap();
        let first = pid(&kernel, FIRST);
        kernel.machine.set_current(2);
        kernel.call(Number::tlbwr as u32, [VA, Lo::writable(page(2) >> PAGE_SHIFT).0, 0, 0]).unwrap();
        kernel.call(Number::timer as u32, [9, 0, 0, 0]).unwrap();
        let grandchild = child(&mut kernel, 3);
        kernel.call(Number::s_alloc as u32, [grandchild.0, ANY, 0, 0]).unwrap();
        kernel.call(Number::e_add as u32, [first, grandchild.0, 0, 0]).unwrap();
        kernel.machine.set_current(FIRST);
        call_again(&mut kernel, Number::e_free, [name.0, 0, 0, 0]).unwrap();
        settle(&mut kernel);
        match &before {
            // The first time memory was as it was at power-on.
            None => before = Some(snapshot(&kernel).without_names()),
            Some(before) => {
                assert!(i % 100 != 0 || *before == snapshot(&kernel).without_names(), "creation {i} left something");
            }
        }
    }
    kernel.check().unwrap();
}

#[test]
fn a_thousand_creations_and_destructions_leave_no_trace() {
    creations::<Mips32>();
    creations::<R3000>();
}

#[test]
fn an_environment_whose_handler_for_misses_is_missing_is_destroyed() {
    let mut kernel = family(2);
    run_as(&kernel, 1);
    // Its other handlers may miss, as it may miss anything: that goes to this one.
    let handler = handler(1, 0);
    assert_eq!(kernel.miss(handler + 4), Miss::Upcall);
    assert_eq!(living(&kernel), [FIRST, 1, 2]);
    kernel.miss(handler);
    kernel.check().unwrap();
    assert_eq!(living(&kernel), [FIRST, 2]);
    assert_ne!(kernel.current(), 1);
}
