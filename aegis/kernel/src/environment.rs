//! Environments: what the kernel keeps of each, and the checks on the context that a program gives.

use crate::frame::{Frames, Right};
use crate::interrupt::Producer;
use crate::machine::Block;
use aegis_abi::exposed::Environment as Record;
use aegis_abi::limits::{
    EXCEPTIONS, GUARANTEED_END, GUARANTEED_MAPPINGS, PAGE_BYTES, PAGE_SHIFT, RESERVED_FRAMES, RESUME_WINDOW_BYTES,
    SAVE_AREA_BYTES,
};
use aegis_abi::{Env, Error, Handler, InterruptQueue, Lo, Pid, RepossessionVector, UserVa};
use stlb::Geometry;

/// A checked guaranteed mapping.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guaranteed {
    /// Number of the virtual page.
    pub page: u32,
    /// Frame and rights.
    pub lo: Lo,
}

/// The windows in which an environment resumes without the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Windows {
    start: u32,
    bytes: u32,
}

impl Windows {
    /// There are none.
    pub const NONE: Windows = Windows { start: 0, bytes: 0 };

    fn check(start: u32, count: u32) -> Result<Windows, Error> {
        if count == 0 {
            return Ok(Windows::NONE);
        }
        let room = (PAGE_BYTES - start % PAGE_BYTES) / RESUME_WINDOW_BYTES;
        if UserVa::new(start).is_none() || !start.is_multiple_of(RESUME_WINDOW_BYTES) || count > room {
            return Err(Error::BadResume);
        }
        Ok(Windows { start, bytes: count * RESUME_WINDOW_BYTES })
    }

    /// Where a program that was interrupted at `pc` goes on: in a window, at its first instruction.
    #[inline]
    pub fn restart(self, pc: u32) -> u32 {
        let is_in_one = pc.wrapping_sub(self.start) < self.bytes;
        if is_in_one { pc & !(RESUME_WINDOW_BYTES - 1) } else { pc }
    }
}

/// A context that has passed all checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Context {
    /// Physical address of the save area for TLB misses; `None`: none given, or lost.
    pub tlbx: Option<u32>,
    /// Physical address of the save area for other exceptions, alike.
    pub genx: Option<u32>,
    /// Physical address of the save area for interrupts and the end of a slice, alike.
    pub intx: Option<u32>,
    /// Physical address of the interrupt queue, alike.
    pub queue: Option<u32>,
    /// Physical address of the repossession vector, alike.
    pub vector: Option<u32>,
    /// Frames that are not taken by force; `Env::NO_FRAME`: none.
    pub reserved: [u32; RESERVED_FRAMES],
    /// Handlers by exception code; 0: none.
    pub xh: [Handler; EXCEPTIONS],
    /// Handler for interrupts; 0: none, here and below.
    pub ih: Handler,
    /// Epilogue.
    pub epi: Handler,
    /// Prologue.
    pub pro: Handler,
    /// First instruction.
    pub init: Handler,
    /// Where synchronous control transfers arrive.
    pub gate: Handler,
    /// Where asynchronous control transfers arrive.
    pub agate: Handler,
    /// What is in `a0` at the start.
    pub argument: u32,
    /// Where it resumes without the kernel.
    pub windows: Windows,
    /// Guaranteed mappings, in no order.
    pub guaranteed: heapless::Vec<Guaranteed, GUARANTEED_MAPPINGS>,
}

impl Context {
    /// Nothing handled, nothing guaranteed.
    pub const EMPTY: Context = Context {
        tlbx: None,
        genx: None,
        intx: None,
        queue: None,
        vector: None,
        reserved: [Env::NO_FRAME; RESERVED_FRAMES],
        xh: [0; EXCEPTIONS],
        ih: 0,
        epi: 0,
        pro: 0,
        init: 0,
        gate: 0,
        agate: 0,
        argument: 0,
        windows: Windows::NONE,
        guaranteed: heapless::Vec::new(),
    };

    /// Checks a context against the rights of environment `env`, and becomes it. What it is after
    /// an error is of no meaning.
    ///
    /// # Errors
    /// Those of the call `e_set`.
    pub fn check(&mut self, frames: &Frames, env: usize, given: &Env) -> Result<(), Error> {
        let Env { ih, epi, pro, init, gate, agate, .. } = *given;
        for &handler in given.xh.iter().chain(&[ih, epi, pro, init, gate, agate]) {
            check_handler(handler)?;
        }
        if given.status != 0 {
            return Err(Error::BadStatus);
        }
        self.windows = Windows::check(given.resume_start, given.resume_windows)?;
        self.xh = given.xh;
        (self.ih, self.epi, self.pro, self.init, self.gate, self.agate) = (ih, epi, pro, init, gate, agate);
        self.argument = given.argument;
        self.tlbx = check_save_area(frames, env, given.tlbx_save_area)?;
        self.genx = check_save_area(frames, env, given.genx_save_area)?;
        self.intx = check_save_area(frames, env, given.intx_save_area)?;
        self.queue = check_structure::<InterruptQueue>(frames, env, given.iq)?;
        self.vector = check_structure::<RepossessionVector>(frames, env, given.vector)?;
        for &frame in given.reserved.iter().filter(|&&frame| frame != Env::NO_FRAME) {
            frames.check_share(env, frame, Right::Read)?;
        }
        self.reserved = given.reserved;
        self.guaranteed.clear();
        for mapping in given.xl.iter().filter(|mapping| mapping.va != 0) {
            let va = UserVa::new(mapping.va).filter(|va| va.get() < GUARANTEED_END).ok_or(Error::BadGuaranteed)?;
            let page = va.get() >> PAGE_SHIFT;
            if self.guaranteed(page).is_some() {
                return Err(Error::BadGuaranteed);
            }
            let lo = check_lo(frames, env, mapping.lo())?;
            // There are as many places as the array given has.
            let _ = self.guaranteed.push(Guaranteed { page, lo });
        }
        Ok(())
    }

    /// Becomes [`Context::EMPTY`].
    pub fn clear(&mut self) {
        self.places().into_iter().for_each(|place| *place = None);
        self.reserved.fill(Env::NO_FRAME);
        self.xh.fill(0);
        (self.ih, self.epi, self.pro, self.init, self.gate, self.agate) = (0, 0, 0, 0, 0, 0);
        (self.argument, self.windows) = (0, Windows::NONE);
        self.guaranteed.clear();
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

    /// The places in memory to which the kernel writes for the environment: save areas, queue and
    /// vector.
    pub fn places(&mut self) -> [&mut Option<u32>; 5] {
        [&mut self.tlbx, &mut self.genx, &mut self.intx, &mut self.queue, &mut self.vector]
    }

    /// The frames that the context binds, one entry a binding, with the right on which it rests.
    pub fn bound(&self) -> impl Iterator<Item = (u32, Right)> {
        let places = [self.tlbx, self.genx, self.intx, self.queue, self.vector].into_iter().flatten();
        let mappings = self.guaranteed.iter().map(|mapping| (mapping.lo.pfn(), right(mapping.lo)));
        places.map(|address| (address >> PAGE_SHIFT, Right::Write)).chain(mappings)
    }

    /// The frames that the context names, with the right that it needs: those that it binds, and
    /// the reserved ones.
    pub fn named(&self) -> impl Iterator<Item = (u32, Right)> {
        let reserved = self.reserved.iter().filter(|&&frame| frame != Env::NO_FRAME);
        self.bound().chain(reserved.map(|&frame| (frame, Right::Read)))
    }

    /// The frames that the context binds, one entry a binding.
    pub fn bound_frames(&self) -> impl Iterator<Item = u32> {
        self.bound().map(|(frame, _)| frame)
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

/// Checks the place of a structure in which the kernel tells the environment something.
fn check_structure<T>(frames: &Frames, env: usize, address: u32) -> Result<Option<u32>, Error> {
    if address == 0 {
        return Ok(None);
    }
    if !address.is_multiple_of(align_of::<T>() as u32) {
        return Err(Error::Misaligned);
    }
    if address % PAGE_BYTES + size_of::<T>() as u32 > PAGE_BYTES {
        return Err(Error::BadLength);
    }
    frames.check(env, address >> PAGE_SHIFT, Right::Write)?;
    Ok(Some(address))
}

/// The right on which a mapping rests.
pub fn right(lo: Lo) -> Right {
    if lo.w() { Right::Write } else { Right::Read }
}

/// Checks a mapping against the rights of `env`, and makes of it what the STLB will keep.
#[inline]
pub fn check_lo(frames: &Frames, env: usize, lo: Lo) -> Result<Lo, Error> {
    if !lo.v() || (lo.d() && !lo.w()) {
        return Err(Error::BadMapping);
    }
    frames.check(env, lo.pfn(), right(lo))?;
    Ok(lo.kept())
}

/// An environment. Every program may read all of it.
#[repr(C)]
pub struct Environment {
    /// What programs know the layout of.
    pub record: Record,
    /// Its context.
    pub context: Context,
    /// The tick at which it wants an interrupt.
    pub timer: Option<u32>,
    /// The kernel's part of its interrupt queue.
    pub producer: Producer,
    /// Entries of its repossession vector that were used.
    pub repossessed: u32,
    /// Frames taken when there was none.
    pub unrecorded: u32,
    /// Whose frames it accepts, and how many.
    pub accepted: Accepted,
    /// The environment that it has begun to destroy, and of which something was left.
    pub destroying: Option<Pid>,
}

/// Frames that an environment accepts from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// From whom; 0: nobody.
    pub from: Pid,
    /// How many more.
    pub frames: u32,
}

impl Accepted {
    /// None.
    pub const NONE: Accepted = Accepted { from: Pid(0), frames: 0 };
}

impl Environment {
    /// An environment that does not live.
    pub const NONE: Environment = Environment {
        record: Record::NONE,
        context: Context::EMPTY,
        timer: None,
        producer: Producer::NEW,
        repossessed: 0,
        unrecorded: 0,
        accepted: Accepted::NONE,
        destroying: None,
    };

    /// Becomes [`Environment::NONE`], but for the record and the context.
    pub fn clear(&mut self) {
        (self.timer, self.producer) = (None, Producer::NEW);
        (self.repossessed, self.unrecorded) = (0, 0);
        (self.accepted, self.destroying) = (Accepted::NONE, None);
    }

    /// Its process tag, in the place that it has in Context, as long as it lives.
    #[inline]
    pub fn tag<G: Geometry>(&self) -> u32 {
        self.record.pid & G::TAG_MASK
    }

    /// Its name, if it lives.
    pub fn pid(&self) -> Option<Pid> {
        self.record.pid()
    }

    /// What its exceptions are dispatched from. Its gates are closed until it has started, and
    /// while it is suspended.
    pub fn block(&self) -> Option<Block> {
        let Context { tlbx, genx, xh, .. } = self.context;
        let is_suspended = self.record.suspended != 0;
        let is_open = self.record.started != 0 && !is_suspended;
        let [gate, agate] = [self.context.gate, self.context.agate].map(|gate| if is_open { gate } else { 0 });
        let refusal = if is_suspended { Error::Suspended } else { Error::NoGate };
        self.pid().map(|pid| Block { pid, tlbx, genx, xh, gate, agate, refusal })
    }
}
