//! The environment's context (thesis figure 9-2): what the program asks the kernel for at its start, and later.

use super::call;
use super::cell::Cell;
use super::context::WINDOWS;
use super::exception::exos_exception;
use super::gate::{exos_agate, exos_gate};
use super::interrupt::exos_interrupt;
use super::miss::exos_miss;
use super::park::exos_prologue;
use super::start::{_start, image_pages};
use super::state::{GENX, INTX, QUEUE, STATE, TLBX, VECTOR};
use crate::interrupts::masked;
use crate::layout;
use aegis_abi::limits::{EXCEPTIONS, GUARANTEED_MAPPINGS, PAGE_BYTES, RESERVED_FRAMES};
use aegis_abi::{Env, Error, Lo, Mapping};
use core::cell::UnsafeCell;
use core::mem::offset_of;

/// Code of a miss on a load or fetch; that on a store follows it.
const TLB_LOAD: usize = crate::exceptions::Cause::TlbLoad as usize;
const TLB_STORE: usize = crate::exceptions::Cause::TlbStore as usize;

/// [`Env`] as the linker can fill it in: addresses of code are not known to the compiler.
#[repr(C)]
struct ImageEnv {
    tlbx_save_area: u32,
    genx_save_area: u32,
    intx_save_area: u32,
    iq: u32,
    vector: u32,
    reserved: [u32; RESERVED_FRAMES],
    xh: [unsafe extern "C" fn(); EXCEPTIONS],
    ih: unsafe extern "C" fn(),
    epi: unsafe extern "C" fn(),
    pro: unsafe extern "C" fn(),
    init: unsafe extern "C" fn(),
    gate: u32,
    agate: u32,
    status: u32,
    argument: u32,
    resume_start: u32,
    resume_windows: u32,
    xl: [Mapping; GUARANTEED_MAPPINGS],
}

const _: () = {
    assert!(size_of::<ImageEnv>() == size_of::<Env>() && align_of::<ImageEnv>() == align_of::<Env>());
    assert!(offset_of!(ImageEnv, tlbx_save_area) == offset_of!(Env, tlbx_save_area));
    assert!(offset_of!(ImageEnv, genx_save_area) == offset_of!(Env, genx_save_area));
    assert!(offset_of!(ImageEnv, intx_save_area) == offset_of!(Env, intx_save_area));
    assert!(offset_of!(ImageEnv, iq) == offset_of!(Env, iq));
    assert!(offset_of!(ImageEnv, vector) == offset_of!(Env, vector));
    assert!(offset_of!(ImageEnv, reserved) == offset_of!(Env, reserved));
    assert!(offset_of!(ImageEnv, xh) == offset_of!(Env, xh));
    assert!(offset_of!(ImageEnv, ih) == offset_of!(Env, ih));
    assert!(offset_of!(ImageEnv, epi) == offset_of!(Env, epi));
    assert!(offset_of!(ImageEnv, pro) == offset_of!(Env, pro));
    assert!(offset_of!(ImageEnv, init) == offset_of!(Env, init));
    assert!(offset_of!(ImageEnv, gate) == offset_of!(Env, gate));
    assert!(offset_of!(ImageEnv, agate) == offset_of!(Env, agate));
    assert!(offset_of!(ImageEnv, resume_start) == offset_of!(Env, resume_start));
    assert!(offset_of!(ImageEnv, xl) == offset_of!(Env, xl));
};

const HANDLERS: [unsafe extern "C" fn(); EXCEPTIONS] = {
    let mut xh = [exos_exception as unsafe extern "C" fn(); EXCEPTIONS];
    xh[TLB_LOAD] = exos_miss;
    xh[TLB_STORE] = exos_miss;
    xh
};

/// The guaranteed mappings: the pinned pages, whose frames are the first of the image.
const fn guaranteed() -> [Mapping; GUARANTEED_MAPPINGS] {
    let mut xl = [Mapping { va: 0, lo: 0 }; GUARANTEED_MAPPINGS];
    let (mut area, mut next) = (0, 0);
    while area < layout::PINNED.len() {
        let (range, writable) = layout::PINNED[area];
        let mut page = 0;
        while page < range.pages {
            let frame = next as u32;
            let lo = if writable { Lo::writable(frame) } else { Lo::read_only(frame) };
            xl[next] = Mapping { va: range.start + page * PAGE_BYTES, lo: lo.0 };
            next += 1;
            page += 1;
        }
        area += 1;
    }
    xl
}

/// The frames that are never to be taken: the pinned pages, but for the far end of the exception stack.
const fn reserved() -> [u32; RESERVED_FRAMES] {
    let mut reserved = [Env::NO_FRAME; RESERVED_FRAMES];
    let (mut area, mut frame, mut next) = (0, 0, 0);
    while area < layout::PINNED.len() {
        let (range, _) = layout::PINNED[area];
        let mut page = range.start;
        while page < range.end() {
            if page != layout::EXCEPTION_STACK.start {
                reserved[next] = frame;
                next += 1;
            }
            frame += 1;
            page += PAGE_BYTES;
        }
        area += 1;
    }
    reserved
}

/// Byte `address` of the state, counted from the start of the image: the state is its first page.
const fn in_state(address: usize) -> u32 {
    address as u32 - layout::STATE.start
}

/// What the kernel reads from the program's file. Frames count the pages of the image from 0.
#[used]
#[unsafe(link_section = ".aegis.env")]
static IMAGE_ENV: ImageEnv = ImageEnv {
    tlbx_save_area: in_state(TLBX),
    genx_save_area: in_state(GENX),
    intx_save_area: in_state(INTX),
    iq: in_state(QUEUE),
    vector: in_state(VECTOR),
    reserved: reserved(),
    xh: HANDLERS,
    ih: exos_interrupt,
    epi: exos_interrupt,
    pro: exos_prologue,
    init: _start,
    // Not before the program wants them, and is there to answer.
    gate: 0,
    agate: 0,
    status: 0,
    argument: 0,
    resume_start: layout::PINNED_TEXT.start,
    resume_windows: WINDOWS as u32,
    xl: guaranteed(),
};

/// The context that the kernel now has.
struct Current(UnsafeCell<Env>);

// SAFETY: there is one thread. Interrupts are masked in the functions below, and none of what they
// do raises an exception that reaches a handler.
unsafe impl Sync for Current {}

static CURRENT: Current = Current(UnsafeCell::new(Env::EMPTY));

fn address(code: unsafe extern "C" fn()) -> u32 {
    code as usize as u32
}

/// Notes the context that the kernel made of the image's.
pub fn start() {
    let mut env = Env {
        tlbx_save_area: IMAGE_ENV.tlbx_save_area,
        genx_save_area: IMAGE_ENV.genx_save_area,
        intx_save_area: IMAGE_ENV.intx_save_area,
        iq: IMAGE_ENV.iq,
        vector: IMAGE_ENV.vector,
        reserved: IMAGE_ENV.reserved,
        xh: IMAGE_ENV.xh.map(address),
        ih: address(IMAGE_ENV.ih),
        epi: address(IMAGE_ENV.epi),
        pro: address(IMAGE_ENV.pro),
        init: address(IMAGE_ENV.init),
        gate: IMAGE_ENV.gate,
        agate: IMAGE_ENV.agate,
        status: IMAGE_ENV.status,
        argument: IMAGE_ENV.argument,
        resume_start: IMAGE_ENV.resume_start,
        resume_windows: IMAGE_ENV.resume_windows,
        xl: IMAGE_ENV.xl,
    };
    let pages = layout::PINNED_PAGES + image_pages();
    env.relocate(STATE.first_frame.get(), pages).expect("the kernel has loaded the image");
    // SAFETY: see `Current`.
    unsafe { CURRENT.0.get().write(env) }
}

/// A copy of the context that the kernel has.
pub fn current() -> Env {
    // SAFETY: see `Current`.
    masked(|| unsafe { *CURRENT.0.get() })
}

/// The library's own handler for an exception code.
pub fn library_handler(code: u32) -> u32 {
    address(HANDLERS[code as usize])
}

/// Replaces the context by what `change` makes of it.
///
/// # Errors
/// Those of the kernel's call `e_set`.
///
/// # Safety
/// The program must be able to go on under the new one: see [`Env`].
pub unsafe fn change(change: impl FnOnce(&mut Env)) -> Result<(), Error> {
    masked(|| {
        let mut env = current();
        change(&mut env);
        // SAFETY: the caller vouches for the context.
        call::whole(|| call::with_pointer(&env, |pointer| unsafe { call::e_set(pointer) }))?;
        // SAFETY: see `Current`.
        unsafe { CURRENT.0.get().write(env) }
        Ok(())
    })
}

/// Are the gates open?
static OPEN: Cell<bool> = Cell::new(false);

/// Opens the gates, if they are not open yet, so that others may transfer to the program, and answer it.
///
/// # Errors
/// Those of the kernel's call `e_set`.
#[inline]
pub fn open_gates() -> Result<(), Error> {
    if OPEN.get() { Ok(()) } else { open_gates_now() }
}

// Out of line, so that calls stay short.
#[cold]
#[inline(never)]
fn open_gates_now() -> Result<(), Error> {
    // SAFETY: the context is the environment's own, with gates that can take what comes.
    unsafe { change(|env| (env.gate, env.agate) = (address(exos_gate), address(exos_agate)))? }
    OPEN.set(true);
    Ok(())
}
