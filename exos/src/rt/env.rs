//! The environment's context (thesis figure 9-2): what the program asks the kernel for at its start, and later.

use super::call;
use super::exception::exos_exception;
use super::miss::exos_miss;
use super::start::_start;
use super::state::{GENX, STATE, TLBX};
use crate::layout;
use aegis_abi::limits::{EXCEPTIONS, GUARANTEED_MAPPINGS, PAGE_BYTES};
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
    xh: [unsafe extern "C" fn(); EXCEPTIONS],
    init: unsafe extern "C" fn(),
    xl: [Mapping; GUARANTEED_MAPPINGS],
}

const _: () = {
    assert!(size_of::<ImageEnv>() == size_of::<Env>() && align_of::<ImageEnv>() == align_of::<Env>());
    assert!(offset_of!(ImageEnv, tlbx_save_area) == offset_of!(Env, tlbx_save_area));
    assert!(offset_of!(ImageEnv, genx_save_area) == offset_of!(Env, genx_save_area));
    assert!(offset_of!(ImageEnv, xh) == offset_of!(Env, xh));
    assert!(offset_of!(ImageEnv, init) == offset_of!(Env, init));
    assert!(offset_of!(ImageEnv, xl) == offset_of!(Env, xl));
};

const HANDLERS: [unsafe extern "C" fn(); EXCEPTIONS] = {
    let mut xh = [exos_exception as unsafe extern "C" fn(); EXCEPTIONS];
    xh[TLB_LOAD] = exos_miss;
    xh[TLB_STORE] = exos_miss;
    xh
};

/// The guaranteed mappings: the pinned pages, whose frames are the first of the image.
const fn guaranteed(first_frame: u32) -> [Mapping; GUARANTEED_MAPPINGS] {
    let mut xl = [Mapping { va: 0, lo: 0 }; GUARANTEED_MAPPINGS];
    let (mut area, mut next) = (0, 0);
    while area < layout::PINNED.len() {
        let (range, writable) = layout::PINNED[area];
        let mut page = 0;
        while page < range.pages {
            let frame = first_frame + next as u32;
            let lo = if writable { Lo::writable(frame) } else { Lo::read_only(frame) };
            xl[next] = Mapping { va: range.start + page * PAGE_BYTES, lo: lo.0 };
            next += 1;
            page += 1;
        }
        area += 1;
    }
    xl
}

/// Byte `address` of the state, in a physical address: the state is the image's first page.
const fn in_state(address: usize, first_frame: u32) -> u32 {
    first_frame * PAGE_BYTES + (address as u32 - layout::STATE.start)
}

/// What the kernel reads from the program's file. Frames count the pages of the image from 0.
#[used]
#[unsafe(link_section = ".aegis.env")]
static IMAGE_ENV: ImageEnv = ImageEnv {
    tlbx_save_area: in_state(TLBX, 0),
    genx_save_area: in_state(GENX, 0),
    xh: HANDLERS,
    init: _start,
    xl: guaranteed(0),
};

/// The context that the kernel now has.
struct Current(UnsafeCell<Env>);

// SAFETY: there is one thread, and the functions below are not called from exception handlers while they run: none of what
// they do raises an exception that reaches a handler.
unsafe impl Sync for Current {}

static CURRENT: Current = Current(UnsafeCell::new(Env::EMPTY));

/// Notes the context that the kernel made of the image's.
pub fn start() {
    let first_frame = STATE.first_frame.get();
    let env = Env {
        tlbx_save_area: in_state(TLBX, first_frame),
        genx_save_area: in_state(GENX, first_frame),
        xh: HANDLERS.map(|handler| handler as usize as u32),
        init: _start as *const () as usize as u32,
        xl: guaranteed(first_frame),
    };
    // SAFETY: see `Current`.
    unsafe { CURRENT.0.get().write(env) }
}

/// A copy of the context that the kernel has.
pub fn current() -> Env {
    // SAFETY: see `Current`.
    unsafe { *CURRENT.0.get() }
}

/// The library's own handler for an exception code.
pub fn library_handler(code: u32) -> u32 {
    HANDLERS[code as usize] as usize as u32
}

/// Replaces the context.
///
/// # Errors
/// Those of the kernel's call `e_set`.
///
/// # Safety
/// The program must be able to go on under it: see [`Env`].
pub unsafe fn set(env: &Env) -> Result<(), Error> {
    // SAFETY: the caller vouches for the context.
    call::with_pointer(env, |pointer| unsafe { call::e_set(pointer) })?;
    // SAFETY: see `Current`.
    unsafe { CURRENT.0.get().write(*env) }
    Ok(())
}
