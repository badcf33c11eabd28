//! Errors of the calls on environments, slices and what they share.

use super::{KERNEL_FRAME, no_frame};
use crate::place::Place;
use alloc::boxed::Box;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number, READ, READ_WRITE};
use exos::abi::limits::{ENV_DATA_BYTES, ENVS, PAGE_BYTES, SLICES, USER_END};
use exos::abi::{Env, Error, Pid};
use exos::machine;
use exos::region::Frame;
use exos_checks::raw::bare::{free, give_slice, make};
use exos_checks::raw::calls::{address_of, call, insert};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Calls whose first argument is an environment, with arguments that are right otherwise.
fn with_pid(place: &Place, pid: u32) -> [(Number, [u32; 4]); 10] {
    let own = machine::pid().0;
    [
        (Number::e_ref, [pid, 0, 0, 0]),
        (Number::e_unref, [pid, 0, 0, 0]),
        (Number::e_add, [pid, own, 0, 0]),
        (Number::e_add, [own, pid, 0, 0]),
        (Number::e_free, [pid, 0, 0, 0]),
        (Number::e_write, [pid, 0, place.region.start(), 4]),
        (Number::p_add, [READ, pid, place.frame.get(), 0]),
        (Number::console_focus, [pid, 0, 0, 0]),
        (Number::s_alloc, [pid, ANY, 0, 0]),
        (Number::donate, [pid, 0, 0, 0]),
    ]
}

pub fn no_such_environment() -> Outcome {
    let place = Place::new()?;
    let stale = get!(make(&Env::EMPTY));
    get!(free(stale));
    let heir = get!(make(&Env::EMPTY));
    for pid in [0, stale.0, heir.0 ^ 1 << 20, machine::pid().0 ^ 1 << 20, u32::MAX, 1] {
        for (number, arguments) in with_pid(&place, pid) {
            place.refused(number, arguments, Error::NoSuchEnvironment)?;
        }
        if pid != 0 {
            place.refused(Number::r#yield, [pid, 0, 0, 0], Error::NoSuchEnvironment)?;
        }
        place.refused(Number::s_add, [pid, 0, 0, 0], Error::NoSuchEnvironment)?;
    }
    get!(free(heir));
    let env = Box::new(Env::EMPTY);
    let start = address_of(&*env);
    check!(insert(start) && insert(start + size_of::<Env>() as u32 - 1), "the context cannot be inserted");
    for n in [ENVS as u32, 1000, u32::MAX - 1] {
        place.refused(Number::e_alloc, [n, start, 0, 0], Error::NoSuchEnvironment)?;
    }
    Ok(())
}

pub fn no_gate() -> Outcome {
    let place = Place::new()?;
    let pid = get!(make(&Env::EMPTY));
    place.refused(Number::r#yield, [pid.0, 0, 0, 0], Error::NoGate)?;
    place.refused(Number::donate, [pid.0, 0, 0, 0], Error::NoGate)?;
    get!(free(pid));
    Ok(())
}

pub fn environment_taken() -> Outcome {
    let place = Place::new()?;
    let env = Box::new(Env::EMPTY);
    let start = address_of(&*env);
    check!(insert(start) && insert(start + size_of::<Env>() as u32 - 1), "the context cannot be inserted");
    place.refused(Number::e_alloc, [0, start, 0, 0], Error::EnvironmentTaken)?;
    let pid = get!(call(Number::e_alloc, [63, start, 0, 0]));
    place.refused(Number::e_alloc, [63, start, 0, 0], Error::EnvironmentTaken)?;
    get!(free(Pid(pid)));
    Ok(())
}

pub fn no_environment() -> Outcome {
    let place = Place::new()?;
    let mut all = Vec::new();
    let error = loop {
        match make(&Env::EMPTY) {
            Ok(pid) => all.push(pid),
            Err(error) => break error,
        }
    };
    check_eq!((all.len(), error), (ENVS - 1, Error::NoAllowance), "environments, and one more");
    let before = place.snapshot();
    check_eq!(make(&Env::EMPTY), Err(Error::NoAllowance), "one more");
    check!(before == place.snapshot(), "something has changed");
    all.into_iter().try_for_each(free).map_err(|error| alloc::format!("{error}"))?;
    Ok(())
}

pub fn slices() -> Outcome {
    let place = Place::new()?;
    let own = machine::pid().0;
    for n in [SLICES as u32, 1000, u32::MAX - 1] {
        place.refused(Number::s_alloc, [own, n, 0, 0], Error::NoSuchSlice)?;
        place.refused(Number::s_free, [n, 0, 0, 0], Error::NoSuchSlice)?;
        place.refused(Number::s_add, [own, n, 0, 0], Error::NoSuchSlice)?;
    }
    place.refused(Number::s_free, [u32::MAX, 0, 0, 0], Error::NoSuchSlice)?;
    place.refused(Number::s_free, [40, 0, 0, 0], Error::SliceFree)?;
    place.refused(Number::s_add, [own, 40, 0, 0], Error::SliceFree)?;
    place.refused(Number::s_alloc, [own, 0, 0, 0], Error::SliceTaken)?;
    // All of them: they are this program's, so nothing else runs.
    let mut all = Vec::new();
    while let Ok(n) = give_slice(Pid(own), ANY) {
        all.push(n);
    }
    check_eq!(all.len(), SLICES - 1, "slices");
    place.refused(Number::s_alloc, [own, ANY, 0, 0], Error::SliceTaken)?;
    for n in all {
        get!(call(Number::s_free, [n, 0, 0, 0]));
    }
    Ok(())
}

pub fn bad_protection() -> Outcome {
    let place = Place::new()?;
    let pid = get!(make(&Env::EMPTY));
    let frame = place.frame.get();
    for prot in [2, 4, 5, 7, u32::MAX] {
        place.refused(Number::p_add, [prot, pid.0, frame, 0], Error::BadProtection)?;
    }
    for prot in [0, READ, READ_WRITE] {
        place.refused(Number::p_add, [prot, machine::pid().0, frame, 0], Error::BadProtection)?;
        place.refused(Number::p_add, [prot, pid.0, no_frame(), 0], Error::NoSuchFrame)?;
        place.refused(Number::p_add, [prot, pid.0, KERNEL_FRAME, 0], Error::NotPermitted)?;
        place.refused(Number::p_add, [prot, pid.0, machine::info().stlb_frame, 0], Error::NotPermitted)?;
    }
    let unused = get!(Frame::any()).get();
    place.refused(Number::p_add, [READ, pid.0, unused, 0], Error::FrameFree)?;
    get!(free(pid));
    Ok(())
}

pub fn references_and_data() -> Outcome {
    let place = Place::new()?;
    let pid = get!(make(&Env::EMPTY));
    let start = place.region.start();
    check!(insert(start), "the page cannot be inserted");
    for (offset, bytes, error) in [
        (0, ENV_DATA_BYTES as u32 + 1, Error::TooLong),
        (ENV_DATA_BYTES as u32, 1, Error::TooLong),
        (u32::MAX, 1, Error::BadLength),
        (1, u32::MAX, Error::BadLength),
        (u32::MAX - 3, 3, Error::TooLong),
    ] {
        place.refused(Number::e_write, [pid.0, offset, start, bytes], error)?;
    }
    place.refused(Number::e_write, [pid.0, 0, USER_END, 4], Error::BadPointer)?;
    place.refused(Number::e_write, [pid.0, 0, place.region.address(6), 4], Error::Unmapped)?;
    check_eq!(call(Number::e_write, [pid.0, 60, start, 4]), Ok(0), "the last word");
    check_eq!(call(Number::e_write, [pid.0, ENV_DATA_BYTES as u32, start, 0]), Ok(0), "nothing at all");
    // It is its own writer, but holds no reference to itself; its creator's is the only one.
    get!(call(Number::e_unref, [pid.0, 0, 0, 0]));
    place.refused(Number::e_unref, [pid.0, 0, 0, 0], Error::NoSuchEnvironment)
}

/// What is wrong with a context, besides what others test.
pub fn contexts() -> Outcome {
    let place = Place::new()?;
    let frame = place.frame.get() << 12;
    place.context_refused(|env| env.status = 1, Error::BadStatus)?;
    place.context_refused(|env| env.status = u32::MAX, Error::BadStatus)?;
    for offset in 1..4 {
        place.context_refused(|env| env.iq = frame + offset, Error::Misaligned)?;
        place.context_refused(|env| env.intx_save_area += offset, Error::Misaligned)?;
    }
    place.context_refused(|env| env.iq = frame + PAGE_BYTES - 4, Error::BadLength)?;
    let unused = get!(Frame::any()).get() << 12;
    for (address, error) in [
        (unused, Error::FrameFree),
        (no_frame() << 12, Error::NoSuchFrame),
        (KERNEL_FRAME << 12 | 0x100, Error::NotPermitted),
        (machine::info().stlb_frame << 12, Error::NotPermitted),
    ] {
        place.context_refused(|env| env.iq = address, error)?;
        place.context_refused(|env| env.intx_save_area = address, error)?;
    }
    for address in [USER_END, 0x8000_0180, !3, 4, USER_END - 2] {
        place.context_refused(|env| env.ih = address, Error::BadHandler)?;
        place.context_refused(|env| env.epi = address, Error::BadHandler)?;
        place.context_refused(|env| env.pro = address, Error::BadHandler)?;
        place.context_refused(|env| env.gate = address, Error::BadHandler)?;
        place.context_refused(|env| env.agate = address, Error::BadHandler)?;
    }
    // The same checks for another environment's.
    for (change, error) in [
        ((|env: &mut Env| env.status = 1) as fn(&mut Env), Error::BadStatus),
        (|env| env.gate = USER_END, Error::BadHandler),
        (|env| env.iq = KERNEL_FRAME << 12 | 0x100, Error::NotPermitted),
        (|env| env.xl[0].va = USER_END, Error::BadGuaranteed),
    ] {
        let mut env = Box::new(Env::EMPTY);
        change(&mut env);
        let before = place.snapshot();
        check_eq!(make(&env), Err(error), "a new environment's context");
        check!(before == place.snapshot(), "something has changed");
    }
    Ok(())
}
