//! Secure bindings of pages: the calls of thesis section .12 on software and hardware TLB.

use crate::Kernel;
use crate::environment::check_lo;
use crate::frame::{Frames, Right};
use crate::machine::Machine;
use crate::name::{asid, number_of_tag};
use crate::withdrawal::stretch;
use aegis_abi::limits::{PAGE_SHIFT, RANGE_PAGES, USER_END};
use aegis_abi::{Error, Lo, UserVa};
use core::ops::Range;
use stlb::{Edit, Geometry, Line, Registers};

impl<M: Machine> Kernel<M> {
    /// The call `tlbwr`.
    pub(crate) fn write_binding(&mut self, va: UserVa, lo: Lo) -> Result<(), Error> {
        let page = va.get() >> PAGE_SHIFT;
        let current = self.current();
        let environment = &self.environments[current];
        if environment.context.guaranteed(page).is_some() {
            return Err(Error::Guaranteed);
        }
        let lo = check_lo(&self.frames, current, lo)?;
        // Point of no return.
        let context = M::Geometry::context(environment.tag::<M::Geometry>(), va.get());
        self.bind(current, context, M::Geometry::half(va.get()), lo);
        Ok(())
    }

    /// The call `tlbrprotn`: edits one piece, and returns its pages.
    pub(crate) fn read_protect(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        let piece = self.piece(va, pages)?;
        self.edit_range(self.current(), piece.clone(), |_, lo| Lo(lo.0 & !Lo::D));
        Ok(piece.len() as u32)
    }

    /// The call `unprotn`: edits one piece, and returns its pages.
    pub(crate) fn unprotect(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        let piece = self.piece(va, pages)?;
        let current = self.current();
        let mut refused = false;
        self.edit_range(current, piece.clone(), |frames, lo| {
            refused |= !lo.w() || !frames.has(current, lo.pfn(), Right::Write);
            lo
        });
        if refused {
            return Err(Error::NotPermitted);
        }
        // Point of no return.
        self.edit_range(current, piece.clone(), |_, lo| Lo(lo.0 | Lo::D));
        Ok(piece.len() as u32)
    }

    /// The call `tlbdeleten`: edits one piece, and returns its pages.
    pub(crate) fn delete(&mut self, va: UserVa, pages: u32) -> Result<u32, Error> {
        let piece = self.piece(va, pages)?;
        self.edit_range(self.current(), piece.clone(), |_, _| Lo::INVALID);
        Ok(piece.len() as u32)
    }

    /// The numbers of those of the pages named that one call edits. No page named may be outside
    /// user space or under a guaranteed mapping.
    fn piece(&self, va: UserVa, pages: u32) -> Result<Range<u32>, Error> {
        let first = va.get() >> PAGE_SHIFT;
        let end = first.checked_add(pages).filter(|&end| end <= USER_END >> PAGE_SHIFT).ok_or(Error::BadLength)?;
        if self.environment().context.guarantees_any(first, end) {
            return Err(Error::Guaranteed);
        }
        Ok(first..end.min(first + RANGE_PAGES))
    }

    /// Binds a page of the running environment that missed, under its guaranteed mapping, and with
    /// it the other page of the pair, if that is guaranteed too. So who resumes without the kernel
    /// has the code at hand as soon as the slot.
    pub(crate) fn bind_guaranteed(&mut self, context: u32, half: usize, lo: Lo) {
        let current = self.current();
        let first = M::Geometry::va(context) >> PAGE_SHIFT;
        for other in (0..M::Geometry::PAGES).filter(|&other| other != half) {
            if let Some(lo) = self.environment().context.guaranteed(first + other as u32) {
                self.insert(current, context, other, lo);
            }
        }
        self.bind(current, context, half, lo);
    }

    /// Binds one page of the running environment, number `current`, and brings the hardware TLB in line.
    fn bind(&mut self, current: usize, context: u32, half: usize, lo: Lo) {
        let registers = self.insert(current, context, half, lo);
        self.machine.tlb_write(asid::<M::Geometry>(current), context, registers);
    }

    /// Puts a page of the running environment into the STLB; what the hardware TLB is to hold for
    /// its pair.
    fn insert(&mut self, current: usize, context: u32, half: usize, lo: Lo) -> Registers {
        let Kernel { machine, frames, lines, .. } = self;
        let inserted = machine.stlb().insert(context, half, lo);
        lines.mark(current, stretch::<M::Geometry>(context));
        frames.bind(lo.pfn());
        if inserted.previous.v() {
            frames.unbind(inserted.previous.pfn());
        }
        if let Some(out) = inserted.evicted {
            // The hardware TLB holds nothing that the STLB does not.
            let owner = number_of_tag(out.context);
            machine.tlb_update(asid::<M::Geometry>(owner), out.context, [0; 2]);
            out.lo.iter().filter(|lo| lo.v()).for_each(|lo| frames.unbind(lo.pfn()));
        }
        inserted.registers
    }

    /// Replaces what environment `number` has cached for the pages `range`, a short one, by what
    /// `edit` makes of it.
    pub(crate) fn edit_range(&mut self, number: usize, range: Range<u32>, mut edit: impl FnMut(&Frames, Lo) -> Lo) {
        let mut edit = |frames: &Frames, page, lo| if range.contains(&page) { edit(frames, lo) } else { lo };
        let tag = self.tag(number);
        let pages = M::Geometry::PAGES as u32;
        for pair in range.start / pages..range.end.div_ceil(pages) {
            let context = M::Geometry::context(tag, (pair * pages) << PAGE_SHIFT);
            if let Some(line) = self.machine.stlb().probe(context)
                && let Edit::Replace(lo) = edit_line(&self.machine, &mut self.frames, number, line, &mut edit)
            {
                self.machine.stlb().replace(context, lo);
            }
        }
    }
}

/// Replaces the valid halves of one line of environment `number` by what `edit` makes of them, in
/// the hardware TLB and in the frames' counts; the caller does it in the STLB.
pub(crate) fn edit_line<M: Machine>(
    machine: &M,
    frames: &mut Frames,
    number: usize,
    line: Line,
    mut edit: impl FnMut(&Frames, u32, Lo) -> Lo,
) -> Edit {
    let first = M::Geometry::va(line.context) >> PAGE_SHIFT;
    let mut edited = line;
    for (half, lo) in edited.lo.iter_mut().enumerate().filter(|(_, lo)| lo.v()) {
        let new = edit(frames, first + half as u32, *lo);
        if !new.v() {
            frames.unbind(lo.pfn());
        }
        *lo = new;
    }
    if edited == line {
        return Edit::Keep;
    }
    machine.tlb_update(asid::<M::Geometry>(number), line.context, edited.lo.map(M::Geometry::entry_lo));
    Edit::Replace(edited.lo)
}
