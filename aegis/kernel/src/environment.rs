//! Environments: what the kernel keeps of each, and the checks on the context that a program gives.

use crate::frame::{Frames, Right};
use crate::machine::Block;
use aegis_abi::limits::{EXCEPTIONS, GUARANTEED_END, GUARANTEED_MAPPINGS, PAGE_SHIFT, SAVE_AREA_BYTES};
use aegis_abi::{Env, Error, Handler, Lo, Pid, UserVa};

/// A checked guaranteed mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guaranteed {
    /// Number of the virtual page.
    pub page: u32,
    /// Frame and rights.
    pub lo: Lo,
}

/// A context that has passed all checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// Physical address of the save area for TLB misses; `None`: none given, or lost.
    pub tlbx: Option<u32>,
    /// Physical address of the save area for other exceptions, alike.
    pub genx: Option<u32>,
    /// Handlers by exception code; 0: none.
    pub xh: [Handler; EXCEPTIONS],
    /// Guaranteed mappings, in no order.
    pub guaranteed: heapless::Vec<Guaranteed, GUARANTEED_MAPPINGS>,
}

impl Context {
    /// Nothing handled, nothing guaranteed.
    pub const EMPTY: Context =
        Context { tlbx: None, genx: None, xh: [0; EXCEPTIONS], guaranteed: heapless::Vec::new() };

    /// Checks a context against the rights of environment `env`.
    pub fn check(frames: &Frames, env: usize, given: &Env) -> Result<Context, Error> {
        for &handler in given.xh.iter().chain([&given.init]) {
            check_handler(handler)?;
        }
        let mut context = Context { xh: given.xh, ..Context::EMPTY };
        context.tlbx = check_save_area(frames, env, given.tlbx_save_area)?;
        context.genx = check_save_area(frames, env, given.genx_save_area)?;
        for mapping in given.xl.iter().filter(|mapping| mapping.va != 0) {
            let va = UserVa::new(mapping.va).filter(|va| va.get() < GUARANTEED_END).ok_or(Error::BadGuaranteed)?;
            let page = va.get() >> PAGE_SHIFT;
            if context.guaranteed(page).is_some() {
                return Err(Error::BadGuaranteed);
            }
            let lo = check_lo(frames, env, mapping.lo())?;
            // There are as many places as the array given has.
            let _ = context.guaranteed.push(Guaranteed { page, lo });
        }
        Ok(context)
    }

    /// The guaranteed mapping of a page.
    #[inline]
    pub fn guaranteed(&self, page: u32) -> Option<Lo> {
        if page >= GUARANTEED_END >> PAGE_SHIFT {
            return None;
        }
        self.guaranteed.iter().find(|mapping| mapping.page == page).map(|mapping| mapping.lo)
    }

    /// Is any of the pages from `first` up to, but not including, `end` under a guaranteed mapping?
    pub fn guarantees_any(&self, first: u32, end: u32) -> bool {
        first < GUARANTEED_END >> PAGE_SHIFT && self.guaranteed.iter().any(|m| (first..end).contains(&m.page))
    }

    /// The pages under a guaranteed mapping.
    pub fn guaranteed_pages(&self) -> impl Iterator<Item = u32> {
        self.guaranteed.iter().map(|mapping| mapping.page)
    }

    /// The frames that the context binds, one entry a binding.
    pub fn bound_frames(&self) -> impl Iterator<Item = u32> {
        let save_areas = self.tlbx.iter().chain(&self.genx).map(|address| address >> PAGE_SHIFT);
        save_areas.chain(self.guaranteed.iter().map(|mapping| mapping.lo.pfn()))
    }
}

fn check_handler(handler: Handler) -> Result<(), Error> {
    if handler == 0 || (UserVa::new(handler).is_some() && handler.is_multiple_of(4)) {
        Ok(())
    } else {
        Err(Error::BadHandler)
    }
}

fn check_save_area(frames: &Frames, env: usize, address: u32) -> Result<Option<u32>, Error> {
    if address == 0 {
        return Ok(None);
    }
    if !address.is_multiple_of(SAVE_AREA_BYTES) {
        return Err(Error::Misaligned);
    }
    frames.check(env, address >> PAGE_SHIFT, Right::Write)?;
    Ok(Some(address))
}

/// Checks a mapping against the rights of `env`, and makes of it what the STLB will keep.
#[inline]
pub fn check_lo(frames: &Frames, env: usize, lo: Lo) -> Result<Lo, Error> {
    if !lo.v() || (lo.d() && !lo.w()) {
        return Err(Error::BadMapping);
    }
    frames.check(env, lo.pfn(), if lo.w() { Right::Write } else { Right::Read })?;
    Ok(lo.kept())
}

/// An environment.
pub struct Environment {
    /// Its name, if it lives.
    pub pid: Option<Pid>,
    /// Its context.
    pub context: Context,
    /// How often its number has been given away.
    pub generation: u32,
}

impl Environment {
    /// An environment that does not live.
    pub const NONE: Environment = Environment { pid: None, context: Context::EMPTY, generation: 0 };

    /// What its exceptions are dispatched from.
    pub fn block(&self) -> Option<Block> {
        let Context { tlbx, genx, xh, .. } = self.context;
        self.pid.map(|pid| Block { pid, tlbx, genx, xh })
    }
}
