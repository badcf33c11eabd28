//! Frames: owners, rights, the free list.

use super::model::*;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{ANY, Number};
use aegis_abi::limits::{PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Error, Lo};
use stlb::Mips32;

const ALLOC: u32 = Number::p_alloc as u32;
const UNREF: u32 = Number::p_unref as u32;
const WRITE: u32 = Number::tlbwr as u32;

#[test]
fn any_frame_is_the_lowest_at_first_and_each_only_once() {
    let mut kernel = kernel::<Mips32>();
    for expected in GUARANTEED_FRAME + 1..FRAMES {
        assert_eq!(kernel.call(ALLOC, [ANY, 0, 0, 0]), Ok(expected));
    }
    assert_eq!(kernel.call(ALLOC, [ANY, 0, 0, 0]), Err(Error::NoMemory));
    kernel.check().unwrap();
}

#[test]
fn a_frame_is_zeroed_before_anybody_gets_it() {
    let mut kernel = kernel::<Mips32>();
    let mut page = [1; PAGE_BYTES as usize];
    let frame = kernel.call(ALLOC, [ANY, 0, 0, 0]).unwrap();
    kernel.machine.read(frame << PAGE_SHIFT, &mut page);
    assert!(page.iter().all(|&byte| byte == 0), "what the memory held at first");
    kernel.machine.write(frame << PAGE_SHIFT, &[7; 100]);
    kernel.call(UNREF, [frame, 0, 0, 0]).unwrap();
    assert_eq!(kernel.call(ALLOC, [frame, 0, 0, 0]), Ok(frame));
    kernel.machine.read(frame << PAGE_SHIFT, &mut page);
    assert!(page.iter().all(|&byte| byte == 0), "what its last owner left");
}

#[test]
fn giving_up_a_frame_breaks_every_binding() {
    let mut kernel = kernel::<Mips32>();
    let frame = kernel.call(ALLOC, [20, 0, 0, 0]).unwrap();
    for va in [0x0100_0000, 0x0100_3000, 0x4000_0000] {
        kernel.call(WRITE, [va, Lo::writable(frame).0, 0, 0]).unwrap();
        assert!(reference(&mut kernel, va).is_some());
    }
    kernel.call(UNREF, [frame, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
    for va in [0x0100_0000, 0x0100_3000, 0x4000_0000] {
        assert_eq!(reference(&mut kernel, va), None);
    }
}

#[test]
fn giving_up_the_frame_of_save_areas_and_guarantees_loses_these() {
    let mut kernel = kernel::<Mips32>();
    assert!(reference(&mut kernel, GUARANTEED_VA).is_some());
    kernel.call(UNREF, [GUARANTEED_FRAME, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
    assert_eq!(reference(&mut kernel, GUARANTEED_VA), None);
    let block = kernel.machine.blocks.borrow()[FIRST].unwrap();
    assert_eq!((block.tlbx, block.genx), (None, None));
}

#[test]
fn errors_of_frames() {
    let mut kernel = kernel::<Mips32>();
    for (number, frame, error) in [
        (ALLOC, FRAMES, Error::NoSuchFrame),
        (ALLOC, u32::MAX - 1, Error::NoSuchFrame),
        (ALLOC, 0, Error::FrameTaken),
        (ALLOC, GUARANTEED_FRAME, Error::FrameTaken),
        (UNREF, FRAMES, Error::NoSuchFrame),
        (UNREF, 30, Error::FrameFree),
        (UNREF, 0, Error::NotPermitted),
        (UNREF, PUBLIC_FRAME, Error::NotPermitted),
    ] {
        let before = snapshot(&kernel);
        assert_eq!(kernel.call(number, [frame, 0, 0, 0]), Err(error), "call {number}, frame {frame}");
        assert!(before == snapshot(&kernel), "call {number}, frame {frame} changed something");
    }
}

#[test]
fn an_environment_without_a_handler_is_destroyed_and_leaves_nothing() {
    let mut kernel = kernel::<Mips32>();
    kernel.call(WRITE, [0x0100_0000, Lo::writable(GUARANTEED_FRAME).0, 0, 0]).unwrap();
    kernel.unhandled(12, 0x1000, 0);
    settle(&mut kernel);
    assert_eq!(kernel.frames.free(), FRAMES - KERNEL_FRAMES);
    assert!(kernel.machine.stopped.get().is_some_and(|status| status != 0));
    assert_eq!(kernel.machine.blocks.borrow()[FIRST], None);
}
