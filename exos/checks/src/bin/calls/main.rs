//! Each error of the kernel's interface, provoked: it comes with its own code, and the call has changed nothing.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number, transfer};
use exos::abi::limits::{GUARANTEED_END, PAGE_BYTES, USER_END, USER_START};
use exos::abi::{Env, Error, Lo};
use exos::exceptions::Register;
use exos::region::Frame;
use exos::{layout, machine};
use exos_checks::raw::calls::{address_of, call, context, insert, raw};
use exos_checks::raw::registers::{Registers, TESTED, across_call};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

mod environments;
mod physical;
mod pieces;
mod place;

use place::Place;

exos::entry!(main);

/// Number of frames in the machine: the first number that is none.
fn no_frame() -> u32 {
    machine::info().frames
}

/// A frame of the kernel's own: the one behind the vectors.
const KERNEL_FRAME: u32 = 0;

fn main() -> i32 {
    tap::run(&[
        ("NoSuchCall, every number that is not assigned", no_such_call),
        ("BadAddress, outside user space", bad_address),
        ("Guaranteed, under a guaranteed mapping", guaranteed),
        ("BadLength, a range that wraps or leaves user space", bad_length),
        ("NoSuchFrame, beyond the machine's memory", no_such_frame),
        ("FrameFree, owned by nobody", frame_free),
        ("FrameTaken, in use", frame_taken),
        ("NotPermitted, without the right", not_permitted),
        ("NoMemory, when all frames are taken", no_memory),
        ("BadPointer, outside user space", bad_pointer),
        ("Unmapped, no binding for the pointer's page", unmapped),
        ("PageEnd, no binding for the next page", page_end),
        ("TooLong, more than two pages", too_long),
        ("Misaligned, pointers and save areas", misaligned),
        ("BadMapping, senseless mappings", bad_mapping),
        ("BadHandler, handlers outside user space", bad_handler),
        ("BadGuaranteed, outside the segment, or twice", bad_guaranteed),
        ("NoSuchEnvironment, a name that is stale or nobody's", environments::no_such_environment),
        ("NoGate, nowhere to go on", environments::no_gate),
        ("EnvironmentTaken, a number in use", environments::environment_taken),
        ("NoAllowance, when the account has no more", environments::no_environment),
        ("NoSuchSlice, SliceFree, SliceTaken", environments::slices),
        ("BadProtection, and frames that cannot be shared", environments::bad_protection),
        ("references and data of environments", environments::references_and_data),
        ("BadStatus, queues and gates", environments::contexts),
        ("cacheflush: its errors, and code that is written", physical::cacheflush),
        ("memcpy: its errors, and code that is copied", physical::memcpy),
        ("memset: its errors, and what it fills", physical::memset),
        ("ranges of pages: edited piece by piece", pieces::ranges),
        ("console_write: what the device does not take is left", pieces::text),
        ("fpu: its errors", physical::fpu),
        ("e_set takes the environment's own context", own_context),
        ("a call leaves nothing of the kernel's in registers", results_only),
    ])
}

fn no_such_call() -> Outcome {
    let place = Place::new()?;
    let before = place.snapshot();
    for number in 0..256 {
        let is_transfer = [transfer::SYNCHRONOUS, transfer::ASYNCHRONOUS].contains(&number);
        if is_transfer || exos::abi::calls::TABLE.iter().any(|row| row.number == number) {
            continue;
        }
        for arguments in [[0; 4], [u32::MAX; 4], [place.region.start(); 4]] {
            check_eq!(raw(number, arguments).1, Error::NoSuchCall as u32, "call {number}");
        }
    }
    check!(before == place.snapshot(), "something has changed");
    Ok(())
}

/// The calls that take a range of pages.
const RANGES: [Number; 3] = [Number::tlbrprotn, Number::unprotn, Number::tlbdeleten];

fn bad_address() -> Outcome {
    let place = Place::new()?;
    let lo = Lo::writable(place.frame.get()).0;
    for va in [0, 4, USER_START - 1, USER_END, 0x8000_0180, 0xa000_0000, 0xffff_f000, u32::MAX] {
        place.refused(Number::tlbwr, [va, lo, 0, 0], Error::BadAddress)?;
        for number in RANGES {
            place.refused(number, [va, 1, 0, 0], Error::BadAddress)?;
        }
    }
    Ok(())
}

fn guaranteed() -> Outcome {
    let place = Place::new()?;
    let lo = Lo::writable(place.frame.get()).0;
    for (area, _) in layout::PINNED {
        for page in 0..area.pages {
            let va = area.start + page * PAGE_BYTES;
            place.refused(Number::tlbwr, [va, lo, 0, 0], Error::Guaranteed)?;
            for number in RANGES {
                place.refused(number, [va, 1, 0, 0], Error::Guaranteed)?;
            }
        }
    }
    // Ranges that run into one, from below and from within.
    let below = layout::EXCEPTION_STACK_GUARD.start;
    place.refused(Number::tlbdeleten, [below, 2, 0, 0], Error::Guaranteed)?;
    place.refused(Number::tlbdeleten, [layout::STATE.start, 0x1000, 0, 0], Error::Guaranteed)?;
    check_eq!(call(Number::tlbdeleten, [below, 1, 0, 0]), Ok(1), "the page between");
    Ok(())
}

fn bad_length() -> Outcome {
    let place = Place::new()?;
    let start = place.region.start();
    let left = (USER_END - start) / PAGE_BYTES;
    for number in RANGES {
        for pages in [left + 1, 0x000f_ffff, 0x0010_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            place.refused(number, [start, pages, 0, 0], Error::BadLength)?;
        }
        place.refused(number, [USER_END - PAGE_BYTES, 2, 0, 0], Error::BadLength)?;
    }
    for bytes in [u32::MAX, u32::MAX - start, 0x8000_0000, USER_END - start + 1] {
        place.refused(Number::console_write, [start, bytes, 0, 0], Error::BadLength)?;
    }
    Ok(())
}

fn no_such_frame() -> Outcome {
    let place = Place::new()?;
    let va = place.region.address(4);
    for frame in [no_frame(), no_frame() + 1, 0xf_ffff] {
        place.refused(Number::p_alloc, [frame, 0, 0, 0], Error::NoSuchFrame)?;
        place.refused(Number::p_unref, [frame, 0, 0, 0], Error::NoSuchFrame)?;
        place.refused(Number::tlbwr, [va, Lo::read_only(frame).0, 0, 0], Error::NoSuchFrame)?;
        place.context_refused(|env| env.tlbx_save_area = frame << 12, Error::NoSuchFrame)?;
        place.context_refused(|env| env.genx_save_area = frame << 12, Error::NoSuchFrame)?;
        place.context_refused(|env| env.xl[0].lo = Lo::read_only(frame).0, Error::NoSuchFrame)?;
    }
    for frame in [0x10_0000, u32::MAX - 1, 0x8000_0000] {
        place.refused(Number::p_alloc, [frame, 0, 0, 0], Error::NoSuchFrame)?;
        place.refused(Number::p_unref, [frame, 0, 0, 0], Error::NoSuchFrame)?;
    }
    place.refused(Number::p_unref, [ANY, 0, 0, 0], Error::NoSuchFrame)
}

fn frame_free() -> Outcome {
    let place = Place::new()?;
    let free = {
        let frame = get!(Frame::any());
        frame.get()
    };
    place.refused(Number::p_unref, [free, 0, 0, 0], Error::FrameFree)?;
    let va = place.region.address(4);
    place.refused(Number::tlbwr, [va, Lo::read_only(free).0, 0, 0], Error::FrameFree)?;
    place.refused(Number::tlbwr, [place.region.start(), Lo::writable(free).0, 0, 0], Error::FrameFree)?;
    place.context_refused(|env| env.genx_save_area = free << 12, Error::FrameFree)?;
    place.context_refused(|env| env.xl[2].lo = Lo::writable(free).0, Error::FrameFree)?;
    check!(Frame::number(free).is_ok(), "frame {free} is not free any more");
    Ok(())
}

fn frame_taken() -> Outcome {
    let place = Place::new()?;
    let info = machine::info();
    let own = machine::mapping(layout::IMAGE.start).ok_or("the image is not mapped")?.pfn();
    for frame in [place.frame.get(), own, KERNEL_FRAME, info.stlb_frame, info.archive_frame] {
        place.refused(Number::p_alloc, [frame, 0, 0, 0], Error::FrameTaken)?;
    }
    Ok(())
}

fn not_permitted() -> Outcome {
    let place = Place::new()?;
    let info = machine::info();
    let info_frame = machine::mapping(layout::INFO.start).ok_or("the information page is not mapped")?.pfn();
    let va = place.region.address(4);
    // Frames that all may read.
    for frame in [info_frame, info.stlb_frame, info.archive_frame] {
        place.refused(Number::tlbwr, [va, Lo::writable(frame).0, 0, 0], Error::NotPermitted)?;
        place.refused(Number::p_unref, [frame, 0, 0, 0], Error::NotPermitted)?;
        place.context_refused(|env| env.tlbx_save_area = frame << 12, Error::NotPermitted)?;
        place.context_refused(|env| env.genx_save_area = frame << 12, Error::NotPermitted)?;
        place.context_refused(|env| env.xl[0].lo = Lo::writable(frame).0, Error::NotPermitted)?;
        check_eq!(call(Number::tlbwr, [va, Lo::read_only(frame).0, 0, 0]), Ok(0), "reading frame {frame}");
        place.refused(Number::unprotn, [va, 1, 0, 0], Error::NotPermitted)?;
        check_eq!(call(Number::tlbdeleten, [va, 1, 0, 0]), Ok(1), "deleting");
    }
    // A frame that none but the kernel may touch.
    place.refused(Number::tlbwr, [va, Lo::read_only(KERNEL_FRAME).0, 0, 0], Error::NotPermitted)?;
    place.refused(Number::tlbwr, [va, Lo::writable(KERNEL_FRAME).0, 0, 0], Error::NotPermitted)?;
    place.refused(Number::p_unref, [KERNEL_FRAME, 0, 0, 0], Error::NotPermitted)?;
    // The frames around those that all may read, but for others such.
    let public = [
        (info_frame, 1),
        (info.stlb_frame, info.stlb_frames),
        (info.archive_frame, info.archive_bytes.div_ceil(PAGE_BYTES)),
    ];
    let is_public = |frame| public.iter().any(|&(start, frames)| (start..start + frames).contains(&frame));
    for frame in public.iter().flat_map(|&(start, frames)| [start - 1, start + frames]).filter(|&f| !is_public(f)) {
        place.refused(Number::tlbwr, [va, Lo::read_only(frame).0, 0, 0], Error::NotPermitted)?;
    }
    // A page that was bound without `w`.
    let frame = place.frame.get();
    check_eq!(call(Number::tlbwr, [va, Lo::read_only(frame).0, 0, 0]), Ok(0), "binding");
    place.refused(Number::unprotn, [place.region.start(), 5, 0, 0], Error::NotPermitted)
}

fn no_memory() -> Outcome {
    let place = Place::new()?;
    // Room for all numbers, touched before memory gets scarce.
    let mut frames: Vec<u32> = alloc::vec![1; machine::info().frames as usize];
    frames.clear();
    // What the checks below touch must have frames too.
    let before = place.snapshot();
    let error = loop {
        match call(Number::p_alloc, [ANY, 0, 0, 0]) {
            Ok(frame) => frames.push(frame),
            Err(error) => break error,
        }
    };
    let again = call(Number::p_alloc, [ANY, 0, 0, 0]);
    for &frame in &frames {
        call(Number::p_unref, [frame, 0, 0, 0]).map_err(|error| alloc::format!("frame {frame}: {error}"))?;
    }
    check_eq!((error, again), (Error::NoMemory, Err(Error::NoMemory)), "allocating all frames, and one more");
    check!(frames.len() > 1000, "only {} frames were free", frames.len());
    check!(before == place.snapshot(), "something has changed");
    Ok(())
}

fn bad_pointer() -> Outcome {
    let place = Place::new()?;
    for pointer in [0, 4, USER_START - 4, USER_END, 0x8000_0180, 0xa000_0000, 0xffff_fffc] {
        place.refused(Number::console_write, [pointer, 4, 0, 0], Error::BadPointer)?;
        place.refused(Number::e_set, [pointer, 0, 0, 0], Error::BadPointer)?;
    }
    Ok(())
}

fn unmapped() -> Outcome {
    let place = Place::new()?;
    let pointer = place.region.address(6);
    place.refused(Number::console_write, [pointer, 4, 0, 0], Error::Unmapped)?;
    place.refused(Number::e_set, [pointer, 0, 0, 0], Error::Unmapped)?;
    // A page that the page table knows but the kernel does not.
    check_eq!(call(Number::tlbdeleten, [place.region.start(), 1, 0, 0]), Ok(1), "deleting");
    check_eq!(
        call(Number::console_write, [place.region.start(), 4, 0, 0]),
        Err(Error::Unmapped),
        "a page without a binding"
    );
    Ok(())
}

fn page_end() -> Outcome {
    let place = Place::new()?;
    let pointer = place.region.address(2) - 8;
    check!(insert(pointer), "page 1 cannot be inserted");
    place.refused(Number::console_write, [pointer, 9, 0, 0], Error::PageEnd)?;
    place.refused(Number::e_set, [pointer, 0, 0, 0], Error::PageEnd)?;
    check!(insert(pointer), "page 1 cannot be inserted");
    check_eq!(call(Number::console_write, [pointer, 0, 0, 0]), Ok(0), "no bytes at all");
    Ok(())
}

fn too_long() -> Outcome {
    let place = Place::new()?;
    let start = place.region.start();
    check!(insert(start) && insert(start + PAGE_BYTES), "the pages cannot be inserted");
    for (pointer, bytes) in [(start, 2 * PAGE_BYTES + 1), (start + 1, 2 * PAGE_BYTES), (start + 4095, PAGE_BYTES + 2)] {
        place.refused(Number::console_write, [pointer, bytes, 0, 0], Error::TooLong)?;
    }
    Ok(())
}

fn misaligned() -> Outcome {
    let place = Place::new()?;
    let start = place.region.start();
    for offset in 1..4 {
        place.refused(Number::e_set, [start + offset, 0, 0, 0], Error::Misaligned)?;
    }
    for offset in [1, 4, 8, 12] {
        place.context_refused(|env| env.tlbx_save_area += offset, Error::Misaligned)?;
        place.context_refused(|env| env.genx_save_area += offset, Error::Misaligned)?;
    }
    Ok(())
}

fn bad_mapping() -> Outcome {
    let place = Place::new()?;
    let (va, frame) = (place.region.address(4), place.frame.get());
    for lo in [0, frame << 12, Lo::writable(frame).0 & !Lo::V, Lo::writable(frame).0 & !Lo::W, Lo::V | Lo::D] {
        place.refused(Number::tlbwr, [va, lo, 0, 0], Error::BadMapping)?;
    }
    place.context_refused(|env| env.xl[1].lo &= !Lo::V, Error::BadMapping)?;
    place.context_refused(|env| env.xl[0].lo &= !Lo::W, Error::BadMapping)
}

fn bad_handler() -> Outcome {
    let place = Place::new()?;
    for address in [USER_END, 0x8000_0180, !3, 4, USER_START - 4] {
        place.context_refused(|env| env.xh[9] = address, Error::BadHandler)?;
        place.context_refused(|env| env.xh[31] = address, Error::BadHandler)?;
        place.context_refused(|env| env.init = address, Error::BadHandler)?;
    }
    Ok(())
}

fn bad_guaranteed() -> Outcome {
    let place = Place::new()?;
    for va in [GUARANTEED_END, USER_END - PAGE_BYTES, USER_END, u32::MAX, 4, layout::IMAGE.start] {
        place.context_refused(|env| env.xl[0].va = va, Error::BadGuaranteed)?;
    }
    // One page twice, also by another address in it.
    place.context_refused(|env| env.xl[1].va = env.xl[0].va, Error::BadGuaranteed)?;
    place.context_refused(|env| env.xl[31] = env.xl[0], Error::BadGuaranteed)?;
    place.context_refused(|env| env.xl[1].va = env.xl[0].va + 0x123, Error::BadGuaranteed)
}

fn own_context() -> Outcome {
    let env = Box::new(context());
    let start = address_of(&*env);
    for _ in 0..100 {
        check!(insert(start) && insert(start + size_of::<Env>() as u32 - 1), "the context cannot be inserted");
        check_eq!(call(Number::e_set, [start, 0, 0, 0]), Ok(0), "e_set with the environment's own context");
    }
    check!(exos::args().next().is_some(), "the program goes on");
    Ok(())
}

fn results_only() -> Outcome {
    /// at, a0-a3, t0-t9
    const CALLER_SAVED: u32 = 1 << 1 | 0xf << 4 | 0xff << 8 | 3 << 24;
    let place = Place::new()?;
    let lo = Lo::writable(place.frame.get()).0;
    for (number, arguments, result, error) in [
        (Number::pid, [0; 4], machine::pid().0, 0),
        (Number::p_unref, [u32::MAX; 4], 0, Error::NoSuchFrame as u32),
        (Number::tlbwr, [place.region.start(), lo, 7, 8], 0, 0),
        (Number::tlbwr, [0, lo, 7, 8], 0, Error::BadAddress as u32),
    ] {
        let mut before: Registers = core::array::from_fn(|i| 0x7654_0000 + i as u32);
        before[Register::V0 as usize] = number as u32;
        before[4..8].copy_from_slice(&arguments);
        let after = across_call(&before);
        check_eq!(after[Register::V1 as usize], error, "{number:?}: error code");
        if error == 0 {
            check_eq!(after[Register::V0 as usize], result, "{number:?}: result");
        }
        let kept = TESTED & !CALLER_SAVED & !(1 << Register::V0 as u32 | 1 << Register::V1 as u32);
        for i in (0..32).filter(|i| kept >> i & 1 != 0) {
            check_eq!(after[i], before[i], "{number:?}: callee-saved register {i}");
        }
        for i in (0..32).filter(|i| CALLER_SAVED >> i & 1 != 0).chain([32, 33]) {
            check!(after[i] == before[i] || after[i] == 0, "{number:?}: register {i} holds {:#x}", after[i]);
        }
    }
    Ok(())
}
