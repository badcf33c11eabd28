//! Pointers, `e_set`, numbers.

use super::model::*;
use crate::machine::Machine;
use crate::{Kernel, Miss};
use aegis_abi::calls::{Number, TABLE};
use aegis_abi::limits::{CONSOLE_WRITE_BYTES, GUARANTEED_END, PAGE_SHIFT, USER_END};
use aegis_abi::{Env, Error, Lo, Mapping};
use stlb::Mips32;

const CONSOLE: u32 = Number::console_write as u32;
const E_SET: u32 = Number::e_set as u32;
const WRITE: u32 = Number::tlbwr as u32;

/// A page in the standard segment that is bound to frame 10, the next being unbound.
const VA: u32 = 0x0100_0000;
const FRAME: u32 = 10;

fn with_page() -> Box<Kernel<Model<Mips32>>> {
    let mut kernel = kernel::<Mips32>();
    kernel.call(Number::p_alloc as u32, [FRAME, 0, 0, 0]).unwrap();
    kernel.call(WRITE, [VA, Lo::writable(FRAME).0, 0, 0]).unwrap();
    kernel
}

#[track_caller]
fn fails(kernel: &mut Kernel<Model<Mips32>>, number: u32, arguments: [u32; 4], error: Error) {
    let before = snapshot(kernel);
    assert_eq!(kernel.call(number, arguments), Err(error), "call {number}, {arguments:x?}");
    assert!(before == snapshot(kernel), "call {number}, {arguments:x?} changed something");
    assert!(kernel.machine.console.borrow().is_empty(), "something was written");
}

#[test]
fn unassigned_numbers_are_errors() {
    let mut kernel = with_page();
    for number in (0..=300).filter(|number| !TABLE.iter().any(|row| row.number == *number)) {
        fails(&mut kernel, number, [0; 4], Error::NoSuchCall);
    }
}

#[test]
fn errors_of_pointers() {
    let mut kernel = with_page();
    for (text, bytes, error) in [
        (0, 1, Error::BadPointer),
        (0x8000_0000, 1, Error::BadPointer),
        (0xffff_fff0, 4, Error::BadPointer),
        (0x7fff_f000, 0x1001, Error::BadLength),
        (VA, u32::MAX, Error::BadLength),
        (VA, 0x2001, Error::TooLong),
        (VA + 0xfff, 0x1002, Error::TooLong),
        (VA + 0x2000, 1, Error::Unmapped),
        (VA + 0xfff, 2, Error::PageEnd),
        (VA, 0x2000, Error::PageEnd),
    ] {
        fails(&mut kernel, CONSOLE, [text, bytes, 0, 0], error);
    }
}

#[test]
fn text_is_written_across_pages_in_order() {
    let mut kernel = with_page();
    kernel.call(WRITE, [VA + 0x1000, Lo::read_only(GUARANTEED_FRAME).0, 0, 0]).unwrap();
    kernel.machine.write((FRAME << PAGE_SHIFT) + 0xffd, b"abc");
    kernel.machine.write(GUARANTEED_FRAME << PAGE_SHIFT, b"defg");
    kernel.call(CONSOLE, [VA + 0xffd, 7, 0, 0]).unwrap();
    kernel.call(CONSOLE, [GUARANTEED_VA, 2, 0, 0]).unwrap();
    kernel.call(CONSOLE, [VA + 0x5000, 0, 0, 0]).unwrap();
    assert_eq!(*kernel.machine.console.borrow(), b"abcdefgde");
    // The very end of user space.
    kernel.call(WRITE, [USER_END - 0x1000, Lo::read_only(FRAME).0, 0, 0]).unwrap();
    kernel.call(CONSOLE, [USER_END - 3, 3, 0, 0]).unwrap();
    assert_eq!(*kernel.machine.console.borrow(), b"abcdefgdeabc");
}

#[test]
fn text_is_written_as_far_as_the_device_takes_it() {
    let mut kernel = with_page();
    kernel.call(WRITE, [VA + 0x1000, Lo::read_only(GUARANTEED_FRAME).0, 0, 0]).unwrap();
    let text: Vec<u8> = (0..=250).cycle().take(0x2000).collect();
    kernel.machine.write(FRAME << PAGE_SHIFT, &text[..0x1000]);
    kernel.machine.write(GUARANTEED_FRAME << PAGE_SHIFT, &text[0x1000..]);
    let mut written = 0;
    for taken in [usize::MAX, 0, 1, 63, 64, 65, 0].into_iter().cycle() {
        kernel.machine.transmitter.set(taken);
        let left = 0x2000 - written;
        let more = kernel.call(CONSOLE, [VA + written, left, 0, 0]).unwrap();
        assert_eq!(more as usize, taken.min(left.min(CONSOLE_WRITE_BYTES) as usize));
        written += more;
        assert!(*kernel.machine.console.borrow() == text[..written as usize], "{written} bytes");
        if written == 0x2000 {
            break;
        }
    }
}

#[test]
fn e_set_replaces_the_context() {
    let mut kernel = with_page();
    let mut env = good_env();
    env.xl[0] = Mapping { va: VA - 0x1000, lo: Lo::writable(FRAME).0 };
    env.xl[5] = Mapping::default();
    put(&kernel, FRAME << PAGE_SHIFT, &env);
    assert_eq!(kernel.miss(GUARANTEED_VA), Miss::Refilled);
    kernel.call(E_SET, [VA, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
    assert_eq!(reference(&mut kernel, GUARANTEED_VA), None, "the old guarantee is gone, what was cached for it too");
    assert!(reference(&mut kernel, VA - 0x1000).is_some());
    assert!(reference(&mut kernel, VA).is_some(), "other bindings stay");
}

#[test]
fn a_new_guarantee_replaces_what_was_cached_before() {
    let mut kernel = with_page();
    kernel.call(WRITE, [0x5000, Lo::writable(FRAME).0, 0, 0]).unwrap();
    assert_eq!(reference(&mut kernel, 0x5000).map(|lo| lo.pfn()), Some(FRAME));
    let mut env = good_env();
    env.xl[6] = Mapping { va: 0x5000, lo: Lo::writable(GUARANTEED_FRAME).0 };
    put(&kernel, FRAME << PAGE_SHIFT, &env);
    kernel.call(E_SET, [VA, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
    assert_eq!(reference(&mut kernel, 0x5000).map(|lo| lo.pfn()), Some(GUARANTEED_FRAME));
}

#[test]
fn errors_of_e_set() {
    let lo = Lo::writable(FRAME).0;
    let first = |va, lo| move |env: &mut Env| env.xl[0] = Mapping { va, lo };
    type Spoil = Box<dyn Fn(&mut Env)>;
    let cases: [(Spoil, Error); 15] = [
        (Box::new(|env| env.xh[4] = 0x8000_0000), Error::BadHandler),
        (Box::new(|env| env.xh[31] = HANDLER + 2), Error::BadHandler),
        (Box::new(|env| env.xh[0] = 0xffc), Error::BadHandler),
        (Box::new(|env| env.tlbx_save_area += 4), Error::Misaligned),
        (Box::new(|env| env.genx_save_area = FRAMES << PAGE_SHIFT), Error::NoSuchFrame),
        (Box::new(|env| env.genx_save_area = 30 << PAGE_SHIFT), Error::FrameFree),
        (Box::new(|env| env.tlbx_save_area = PUBLIC_FRAME << PAGE_SHIFT), Error::NotPermitted),
        (Box::new(first(GUARANTEED_END, lo)), Error::BadGuaranteed),
        (Box::new(first(0x0fff, lo)), Error::BadGuaranteed),
        (Box::new(first(GUARANTEED_VA + 4, lo)), Error::BadGuaranteed),
        (Box::new(first(0x5000, lo & !Lo::V)), Error::BadMapping),
        (Box::new(first(0x5000, Lo::writable(30).0)), Error::FrameFree),
        (Box::new(first(0x5000, Lo::writable(FRAMES).0)), Error::NoSuchFrame),
        (Box::new(first(0x5000, Lo::writable(PUBLIC_FRAME).0)), Error::NotPermitted),
        (Box::new(first(0x5000, Lo::read_only(0).0)), Error::NotPermitted),
    ];
    let mut kernel = with_page();
    for (spoil, error) in &cases {
        let mut env = good_env();
        spoil(&mut env);
        put(&kernel, FRAME << PAGE_SHIFT, &env);
        fails(&mut kernel, E_SET, [VA, 0, 0, 0], *error);
    }
    fails(&mut kernel, E_SET, [VA + 2, 0, 0, 0], Error::Misaligned);
    fails(&mut kernel, E_SET, [VA + 0xffc, 0, 0, 0], Error::PageEnd);
}

#[test]
fn power_off_stops_with_the_status() {
    let mut kernel = with_page();
    kernel.call(Number::power_off as u32, [7, 0, 0, 0]).unwrap();
    assert_eq!(kernel.machine.stopped.get(), Some(7));
}
