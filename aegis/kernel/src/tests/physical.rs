//! Frames copied and filled by number, caches, and the floating-point unit.

use super::model::*;
use crate::Kernel;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::{NEXT, Number, READ, READ_WRITE};
use aegis_abi::limits::{COPY_FRAMES, PAGE_BYTES, PAGE_SHIFT, USER_END};
use aegis_abi::{Error, Lo};
use proptest::prelude::*;
use stlb::Mips32;

/// Frames of the running environment's own, in a row, a byte of which is its number.
const OWN: u32 = 20;
const OWN_FRAMES: u32 = 17;
/// A frame that another environment owns and shares with it to be read, one that is shared to be written, and one that is not shared.
const READABLE: u32 = OWN + OWN_FRAMES;
const WRITABLE: u32 = READABLE + 1;
const FOREIGN: u32 = READABLE + 2;

type TestKernel = Kernel<Model<Mips32>>;

fn content(kernel: &TestKernel, frame: u32) -> Vec<u8> {
    let mut bytes = vec![0; PAGE_BYTES as usize];
    kernel.machine.read(frame << PAGE_SHIFT, &mut bytes);
    bytes
}

/// The frames' contents: the byte with which each is filled; `None`: with more than one.
fn fills(kernel: &TestKernel, frames: core::ops::Range<u32>) -> Vec<Option<u8>> {
    frames.map(|n| Some(content(kernel, n)).filter(|c| c.iter().all(|&b| b == c[0])).map(|c| c[0])).collect()
}

fn with_frames() -> Box<TestKernel> {
    let mut kernel = family::<Mips32>(1);
    let (first, child) = (pid(&kernel, FIRST), pid(&kernel, 1));
    for frame in OWN..READABLE {
        kernel.call(Number::p_alloc as u32, [frame, 0, 0, 0]).unwrap();
    }
    kernel.call(Number::r#yield as u32, [child, 0, 0, 0]).unwrap();
    for frame in READABLE..=FOREIGN {
        kernel.call(Number::p_alloc as u32, [frame, 0, 0, 0]).unwrap();
    }
    kernel.call(Number::p_add as u32, [READ, first, READABLE, 0]).unwrap();
    kernel.call(Number::p_add as u32, [READ_WRITE, first, WRITABLE, 0]).unwrap();
    kernel.call(Number::r#yield as u32, [first, 0, 0, 0]).unwrap();
    for frame in OWN..=FOREIGN {
        kernel.machine.fill(frame << PAGE_SHIFT, frame as u8, PAGE_BYTES);
    }
    kernel.machine.synced.borrow_mut().clear();
    kernel
}

/// Copies one piece.
fn copy_piece(kernel: &mut TestKernel, to: u32, from: u32, frames: u32) -> Result<u32, Error> {
    kernel.call(Number::memcpy as u32, [to, from, frames, 0])
}

/// Copies piece by piece, as the call's documentation says.
fn copy(kernel: &mut TestKernel, mut to: u32, mut from: u32, mut frames: u32) -> Result<(), Error> {
    while frames > 0 {
        let copied = copy_piece(kernel, to, from, frames)?;
        assert_eq!(copied, frames.min(COPY_FRAMES));
        frames -= copied;
        if to <= from {
            (to, from) = (to + copied, from + copied);
        }
    }
    Ok(())
}

/// Fills piece by piece.
fn fill(kernel: &mut TestKernel, frame: u32, mut offset: u32, byte: u32, mut bytes: u32) -> Result<(), Error> {
    while bytes > 0 {
        let filled = kernel.call(Number::memset as u32, [frame, offset, byte, bytes])?;
        let frames = (offset % PAGE_BYTES + filled).div_ceil(PAGE_BYTES);
        assert!(frames == COPY_FRAMES || frames < COPY_FRAMES && filled == bytes, "{filled} bytes in {frames} frames");
        (offset, bytes) = (offset + filled, bytes - filled);
    }
    Ok(())
}

#[test]
fn frames_are_copied_whole_and_no_others() {
    let mut kernel = with_frames();
    let before = fills(&kernel, KERNEL_FRAMES..FRAMES);
    for (to, from, count) in [(OWN, OWN + 5, 3), (OWN + 3, READABLE, 2), (WRITABLE, OWN + 8, 1), (OWN, OWN, 16)] {
        let mut expected = fills(&kernel, KERNEL_FRAMES..FRAMES);
        let source: Vec<_> = fills(&kernel, from..from + count);
        expected[(to - KERNEL_FRAMES) as usize..][..count as usize].copy_from_slice(&source);
        copy(&mut kernel, to, from, count).unwrap();
        assert_eq!(fills(&kernel, KERNEL_FRAMES..FRAMES), expected, "{count} frames from {from} to {to}");
    }
    assert_ne!(fills(&kernel, KERNEL_FRAMES..FRAMES), before);
    // A frame that all may read.
    copy(&mut kernel, OWN, PUBLIC_FRAME, 1).unwrap();
    assert_eq!(content(&kernel, OWN), content(&kernel, PUBLIC_FRAME));
    kernel.check().unwrap();
}

#[test]
fn ranges_that_overlap_are_copied_as_if_by_way_of_a_third() {
    for distance in 1..OWN_FRAMES {
        let count = OWN_FRAMES - distance;
        for (to, from) in [(OWN, OWN + distance), (OWN + distance, OWN)] {
            let mut kernel = with_frames();
            let expected = fills(&kernel, from..from + count);
            copy(&mut kernel, to, from, count).unwrap();
            assert_eq!(fills(&kernel, to..to + count), expected, "{count} frames from {from} to {to}");
        }
    }
}

#[test]
fn a_piece_is_taken_from_the_end_that_is_not_read_any_more() {
    let all = COPY_FRAMES + 2;
    for (to, from, first) in [(OWN, OWN + 1, 0), (OWN + 1, OWN, 2), (OWN, OWN + all, 0), (OWN + all, OWN, 2)] {
        let mut kernel = with_frames();
        let mut expected = fills(&kernel, OWN..READABLE);
        for n in first..first + COPY_FRAMES {
            expected[(to + n - OWN) as usize] = Some((from + n) as u8);
        }
        assert_eq!(copy_piece(&mut kernel, to, from, all), Ok(COPY_FRAMES));
        assert_eq!(fills(&kernel, OWN..READABLE), expected, "from {from} to {to}");
    }
}

#[test]
fn a_piece_that_is_refused_changes_nothing_and_those_before_it_stay() {
    // The last of the caller's own frames, and behind it one that it may only read.
    let mut kernel = with_frames();
    let (to, count) = (READABLE - COPY_FRAMES, COPY_FRAMES + 1);
    assert_eq!(copy_piece(&mut kernel, to, OWN + COPY_FRAMES + 4, count), Err(Error::NotPermitted), "from the end");
    let mut kernel = with_frames();
    assert_eq!(copy_piece(&mut kernel, to, to, count), Ok(COPY_FRAMES));
    fails(&mut kernel, Number::memcpy, [READABLE, READABLE, 1, 0], Error::NotPermitted);
    let bytes = count * PAGE_BYTES;
    let filled = kernel.call(Number::memset as u32, [to, 0, 9, bytes]).unwrap();
    assert_eq!(filled, COPY_FRAMES * PAGE_BYTES);
    fails(&mut kernel, Number::memset, [to, filled, 9, bytes - filled], Error::NotPermitted);
    fails(&mut kernel, Number::memset, [to, filled - 1, 9, 2], Error::NotPermitted);
    assert_eq!(fills(&kernel, to..READABLE), [Some(9); COPY_FRAMES as usize]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn copies_one_after_the_other_give_what_they_give_in_a_plain_array(
        copies in prop::collection::vec((0..OWN_FRAMES, 0..OWN_FRAMES, 0..=OWN_FRAMES), 1..8),
    ) {
        let mut kernel = with_frames();
        let mut plain: Vec<u32> = (OWN..READABLE).collect();
        for (to, from, count) in copies {
            let count = count.min(OWN_FRAMES - to.max(from));
            copy(&mut kernel, OWN + to, OWN + from, count).unwrap();
            plain.copy_within(from as usize..(from + count) as usize, to as usize);
            let expected: Vec<_> = plain.iter().map(|&n| Some(n as u8)).collect();
            prop_assert_eq!(fills(&kernel, OWN..READABLE), expected, "{} frames from {} to {}", count, from, to);
        }
        kernel.check().unwrap();
    }
}

#[test]
fn what_was_written_can_be_executed() {
    let mut kernel = with_frames();
    let expect = |kernel: &TestKernel, frames: &[u32]| {
        let mut synced = core::mem::take(&mut *kernel.machine.synced.borrow_mut());
        synced.sort_unstable();
        assert_eq!(synced, frames);
    };
    copy(&mut kernel, OWN, OWN + 1, 3).unwrap();
    expect(&kernel, &[OWN, OWN + 1, OWN + 2]);
    fill(&mut kernel, OWN, PAGE_BYTES - 1, 1, 2).unwrap();
    expect(&kernel, &[OWN, OWN + 1]);
    let va = 0x0100_0000;
    for page in 0..2 {
        kernel.call(Number::tlbwr as u32, [va + page * PAGE_BYTES, Lo::read_only(OWN + 2 * page).0, 0, 0]).unwrap();
    }
    let flush = Number::cacheflush as u32;
    kernel.call(flush, [va + 0xffc, 8, 0, 0]).unwrap();
    expect(&kernel, &[OWN, OWN + 2]);
    kernel.call(flush, [va + 0x1000, 0x1000, 0, 0]).unwrap();
    expect(&kernel, &[OWN + 2]);
    kernel.call(flush, [va + 0x5000, 0, 0, 0]).unwrap();
    expect(&kernel, &[]);
    for (start, bytes, error) in [
        (0, 4, Error::BadPointer),
        (USER_END, 4, Error::BadPointer),
        (va, u32::MAX, Error::BadLength),
        (va, 0x2001, Error::TooLong),
        (va + 0x2000, 1, Error::Unmapped),
        (va + 0x1ffc, 5, Error::PageEnd),
    ] {
        fails(&mut kernel, Number::cacheflush, [start, bytes, 0, 0], error);
    }
}

#[test]
fn bytes_are_filled_and_no_others() {
    for (frame, offset, bytes) in [
        (OWN, 0, 1),
        (OWN, 5, 0),
        (OWN, PAGE_BYTES, 0),
        (OWN, 0, PAGE_BYTES),
        (OWN, PAGE_BYTES - 1, 2),
        (OWN, 7, 3 * PAGE_BYTES + 5),
        (OWN, 0, COPY_FRAMES * PAGE_BYTES),
        (OWN + 1, 1, COPY_FRAMES * PAGE_BYTES),
        (OWN, 0, OWN_FRAMES * PAGE_BYTES),
        (OWN, PAGE_BYTES - 1, 5 * PAGE_BYTES + 2),
        (OWN, 2 * PAGE_BYTES + 3, 9),
        // What lies before the offset need not be the caller's, nor exist.
        (READABLE, PAGE_BYTES, PAGE_BYTES),
        (0, OWN << PAGE_SHIFT, 77),
    ] {
        let mut kernel = with_frames();
        let memory =
            |kernel: &TestKernel| (KERNEL_FRAMES..FRAMES).flat_map(|n| content(kernel, n)).collect::<Vec<u8>>();
        let mut expected = memory(&kernel);
        let start = ((frame << PAGE_SHIFT) + offset - (KERNEL_FRAMES << PAGE_SHIFT)) as usize;
        expected[start..][..bytes as usize].fill(0xee);
        fill(&mut kernel, frame, offset, 0xffff_ffee, bytes).unwrap();
        assert!(memory(&kernel) == expected, "{bytes} bytes from {offset:#x} of frame {frame}");
    }
}

#[test]
fn errors_of_copying_and_filling() {
    let mut kernel = with_frames();
    let free = FRAMES - 1;
    for (to, from, count, error) in [
        (OWN, OWN, u32::MAX, Error::NoSuchFrame),
        (OWN, OWN, FRAMES - OWN + 1, Error::NoSuchFrame),
        (OWN + 1, OWN, FRAMES - OWN, Error::NoSuchFrame),
        (OWN, OWN + 1, FRAMES - OWN, Error::NoSuchFrame),
        (FRAMES, OWN, 1, Error::NoSuchFrame),
        (OWN, FRAMES, 1, Error::NoSuchFrame),
        (u32::MAX, OWN, 1, Error::NoSuchFrame),
        (OWN, u32::MAX, 2, Error::NoSuchFrame),
        (OWN, u32::MAX - 1, 3, Error::NoSuchFrame),
        (free, OWN, 1, Error::FrameFree),
        (OWN, free, 1, Error::FrameFree),
        (OWN, free - 1, 2, Error::FrameFree),
        (READABLE, OWN, 1, Error::NotPermitted),
        (READABLE - 1, OWN, 2, Error::NotPermitted),
        (OWN, FOREIGN, 1, Error::NotPermitted),
        (OWN, WRITABLE, 2, Error::NotPermitted),
        (FOREIGN, OWN, 1, Error::NotPermitted),
        (PUBLIC_FRAME, OWN, 1, Error::NotPermitted),
        (OWN, 0, 1, Error::NotPermitted),
        (0, OWN, 1, Error::NotPermitted),
    ] {
        fails(&mut kernel, Number::memcpy, [to, from, count, 0], error);
    }
    for (frame, offset, bytes, error) in [
        (OWN, 0, u32::MAX, Error::NoSuchFrame),
        (OWN, 1, (FRAMES - OWN) * PAGE_BYTES, Error::NoSuchFrame),
        (OWN, u32::MAX, 2, Error::BadLength),
        (OWN, 2, u32::MAX, Error::BadLength),
        (FRAMES, 0, 1, Error::NoSuchFrame),
        (OWN, FRAMES << PAGE_SHIFT, 1, Error::NoSuchFrame),
        (u32::MAX, 0, 1, Error::NoSuchFrame),
        (u32::MAX, PAGE_BYTES, 1, Error::NoSuchFrame),
        (free, 0, 1, Error::FrameFree),
        (READABLE, 0, 1, Error::NotPermitted),
        (READABLE - 1, PAGE_BYTES - 1, 2, Error::NotPermitted),
        (WRITABLE, PAGE_BYTES, 1, Error::NotPermitted),
        (PUBLIC_FRAME, 0, 1, Error::NotPermitted),
        (0, 0x180, 4, Error::NotPermitted),
    ] {
        fails(&mut kernel, Number::memset, [frame, offset, 0, bytes], error);
    }
    // Nothing of nothing.
    assert_eq!(copy_piece(&mut kernel, OWN, FOREIGN, 0), Ok(0));
    assert_eq!(kernel.call(Number::memset as u32, [FOREIGN, 3, 0, 0]), Ok(0));
}

/// The running environment turns the unit on, and finds what is in the registers.
fn turn_on(kernel: &mut TestKernel) -> [u32; 33] {
    kernel.call(Number::fpu as u32, [1, 0, 0, 0]).unwrap();
    assert!(kernel.machine.fpu_on.get());
    kernel.machine.fpu.get()
}

#[test]
fn nobody_finds_anothers_floating_point_registers() {
    let mut kernel = family::<Mips32>(2);
    let pids = [0, 1, 2].map(|n| pid(&kernel, n));
    let run = |kernel: &mut TestKernel, n: usize| {
        kernel.call(Number::r#yield as u32, [pids[n], 0, 0, 0]).unwrap();
        assert!(!kernel.machine.fpu_on.get(), "it is off where another one begins to run");
    };
    // Not even what was there before anybody.
    assert_eq!(turn_on(&mut kernel), [0; 33]);
    kernel.machine.fpu.set([1; 33]);
    assert_eq!(turn_on(&mut kernel), [1; 33], "on already");
    kernel.call(Number::fpu as u32, [0; 4]).unwrap();
    assert!(!kernel.machine.fpu_on.get());
    assert_eq!(turn_on(&mut kernel), [1; 33], "off for a while");
    run(&mut kernel, 1);
    kernel.call(Number::fpu as u32, [0; 4]).unwrap();
    run(&mut kernel, 0);
    assert_eq!(turn_on(&mut kernel), [1; 33], "another one ran, and did not use it");
    run(&mut kernel, 1);
    assert_eq!(turn_on(&mut kernel), [0; 33], "another's");
    kernel.machine.fpu.set([2; 33]);
    run(&mut kernel, 0);
    assert_eq!(turn_on(&mut kernel), [0; 33], "its own, lost to another");
    kernel.machine.fpu.set([3; 33]);
    // At the end of a slice.
    tick(&mut kernel);
    assert!(kernel.machine.fpu_on.get(), "an upcall leaves it on");
    kernel.call(Number::r#yield as u32, [NEXT.0, 0, 0, 0]).unwrap();
    assert_eq!(kernel.current(), 1);
    assert_eq!(turn_on(&mut kernel), [0; 33]);
}

#[test]
fn the_heir_of_a_number_does_not_find_the_registers_of_the_dead() {
    let mut kernel = family::<Mips32>(1);
    let [first, child] = [0, 1].map(|n| pid(&kernel, n));
    kernel.call(Number::r#yield as u32, [child, 0, 0, 0]).unwrap();
    turn_on(&mut kernel);
    kernel.machine.fpu.set([7; 33]);
    kernel.call(Number::r#yield as u32, [first, 0, 0, 0]).unwrap();
    kernel.call(Number::e_free as u32, [child, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
    let heir = self::child(&mut kernel, 1);
    kernel.call(Number::r#yield as u32, [heir.0, 0, 0, 0]).unwrap();
    assert_eq!(kernel.current(), 1);
    assert_eq!(turn_on(&mut kernel), [0; 33]);
    // By its own hand, with the unit on.
    kernel.machine.fpu.set([8; 33]);
    kernel.call(Number::e_free as u32, [heir.0, 0, 0, 0]).unwrap();
    assert!(!kernel.machine.fpu_on.get());
    kernel.call(Number::e_unref as u32, [heir.0, 0, 0, 0]).unwrap();
    let heir = self::child(&mut kernel, 1);
    kernel.call(Number::r#yield as u32, [heir.0, 0, 0, 0]).unwrap();
    assert_eq!(turn_on(&mut kernel), [0; 33]);
}

#[test]
fn errors_of_the_floating_point_unit() {
    let mut kernel = kernel::<Mips32>();
    for flag in [2, 3, u32::MAX] {
        fails(&mut kernel, Number::fpu, [flag, 0, 0, 0], Error::BadStatus);
    }
    kernel.machine.lacks_fpu.set(true);
    fails(&mut kernel, Number::fpu, [1, 0, 0, 0], Error::BadStatus);
    kernel.call(Number::fpu as u32, [0; 4]).unwrap();
}
