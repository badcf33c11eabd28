//! Interrupts for environments: their queues, in their own memory, and upcalls (thesis .10, figure 9-3).
//!
//! The kernel trusts nothing that stands in a queue. Its own part, head and overflow counts, it keeps itself and only shows there; of
//! the rest it reads the tail and the room for input, which may be anything, and the mask.
//!
//! Input is taken from the console's device only when there is a place for it. Meanwhile its interrupt is off, so that a request that
//! nobody can answer does not keep the processor.

use crate::Kernel;
use crate::machine::Machine;
use crate::set;
use aegis_abi::Handler;
use aegis_abi::interrupts::{CONSOLE, CONSOLE_BYTES, Interrupt, InterruptQueue, KINDS, TIMER};
use aegis_abi::limits::{CONSOLE_ENTRIES, QUEUE_ENTRIES};
use core::mem::offset_of;
use zerocopy::IntoBytes;

/// Timers that fire in one tick at most: each takes 300 instructions.
const TIMERS_A_TICK: usize = 16;

/// Where the running environment is called up when the kernel is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upcall {
    /// The handler.
    pub handler: Handler,
    /// Physical address of the save area.
    pub save_area: u32,
}

/// Why the running environment is to be called up. Where that leads is found out when the kernel is left: until then its context may change,
/// and what that names be taken from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// For what is in its queue.
    Interrupt,
    /// Its slice is over.
    SliceEnd,
}

/// The kernel's part of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Producer {
    pub(crate) head: u32,
    overflow: [u32; KINDS],
    /// Bytes of the console's input that were put in so far.
    input: u32,
    /// How often the environment was switched by hand.
    pub(crate) cuts: u32,
}

impl Producer {
    /// Of a queue into which nothing was put.
    pub const NEW: Producer = Producer { head: 0, overflow: [0; KINDS], input: 0, cuts: 0 };
}

impl<M: Machine> Kernel<M> {
    /// The console has received something. Puts it into the queue of the environment that has the
    /// input, as far as there is room; the rest waits in the device.
    pub fn input(&mut self) {
        loop {
            let room = self.room_for_input();
            if room == 0 {
                self.input_waits = true;
                self.machine.listen(false);
                return;
            }
            let mut arguments = [0; 3];
            let mut bytes = 0;
            while bytes < room
                && let Some(byte) = self.machine.receive()
            {
                arguments[1 + bytes / 4] |= u32::from(byte) << (8 * (bytes % 4));
                bytes += 1;
            }
            if bytes > 0 {
                arguments[0] = bytes as u32;
                let holder = self.input.holder();
                let given = &mut self.environments[holder].producer.input;
                *given = given.wrapping_add(bytes as u32);
                self.post(holder, Interrupt { kind: CONSOLE, arguments });
            }
            if bytes < room {
                return;
            }
        }
    }

    /// Lets the console interrupt again if input waits and there is room for it now.
    #[inline]
    pub(crate) fn resume_input(&mut self) {
        if self.input_waits {
            self.look_for_room();
        }
    }

    /// The rare part of [`Kernel::resume_input`], by itself so that yields and ticks stay short.
    #[cold]
    #[inline(never)]
    fn look_for_room(&mut self) {
        if self.room_for_input() > 0 {
            self.input_waits = false;
            self.machine.listen(true);
        }
    }

    /// Bytes of input that the queue of the environment that has it can take now, in one entry.
    fn room_for_input(&self) -> usize {
        let number = self.input.holder();
        let Some(tail) = self.read_queue(number, offset_of!(InterruptQueue, tail)) else { return 0 };
        let room = self.read_queue(number, offset_of!(InterruptQueue, room)).unwrap_or(0);
        let Producer { head, input: given, .. } = self.environments[number].producer;
        if head.wrapping_sub(tail) >= CONSOLE_ENTRIES as u32 {
            return 0;
        }
        let bytes = room.wrapping_sub(given) as i32;
        bytes.clamp(0, CONSOLE_BYTES as i32) as usize
    }

    /// To be called last, when all that an interrupt reports has been told. Where the running environment is called up, if it
    /// is. Does not return on hardware where another one runs now.
    pub fn leave_interrupt(&mut self) -> Option<Upcall> {
        let due = self.due.take();
        if self.schedule.is_idle() || !self.is_alive(self.current()) {
            self.reschedule();
            return None;
        }
        if self.is_overdue() {
            if due.is_some() {
                self.withhold(self.current());
            }
            self.switch_by_hand();
            return None;
        }
        self.schedule.ticking = false;
        #[cfg(feature = "checked")]
        self.forget_bindings();
        let current = self.current();
        let upcall = self.upcall(current, due?);
        if upcall.is_none() {
            self.withhold(current);
            return None;
        }
        #[cfg(feature = "checked")]
        self.check_upcall(upcall);
        self.write_queue(current, offset_of!(InterruptQueue, mask), 0);
        upcall
    }

    /// Where an environment is called up, if it can be.
    pub(crate) fn upcall(&self, number: usize, due: Due) -> Option<Upcall> {
        let context = &self.environments[number].context;
        let handler = match due {
            Due::Interrupt => context.ih,
            Due::SliceEnd => context.epi,
        };
        let save_area = context.intx.filter(|_| handler != 0)?;
        Some(Upcall { handler, save_area })
    }

    /// Within a call nobody is called up: the environment that runs finds what there is in its queue, when it looks.
    pub(crate) fn forgo_upcall(&mut self) {
        if self.due.take().is_some() {
            self.withhold(self.current());
        }
    }

    /// The call `timer`.
    pub(crate) fn set_timer(&mut self, ticks: u32) {
        let due = (ticks != 0).then_some(self.schedule.ticks.wrapping_add(ticks));
        let current = self.current();
        self.environments[current].timer = due;
        self.schedule.timers = self.schedule.timers & !(1 << current) | u64::from(due.is_some()) << current;
        self.schedule.due_timers &= !(1 << current);
    }

    /// Fires the timers that were due at one of the last ticks, so many. Where that are many, the rest fire at the next
    /// ticks, each in its turn.
    pub(crate) fn fire_timers(&mut self, passed: u32) {
        let now = self.schedule.ticks;
        for number in set::members(self.schedule.timers & !self.schedule.due_timers) {
            let is_due = self.environments[number].timer.is_some_and(|due| now.wrapping_sub(due) < passed);
            self.schedule.due_timers |= u64::from(is_due) << number;
        }
        for _ in 0..TIMERS_A_TICK {
            let due = self.schedule.due_timers;
            if due == 0 {
                return;
            }
            let turn = self.schedule.next_timer;
            let number = (due.rotate_right(turn).trailing_zeros() + turn) % u64::BITS;
            self.schedule.next_timer = (number + 1) % u64::BITS;
            let number = number as usize;
            self.environments[number].timer = None;
            self.schedule.timers &= !(1 << number);
            self.schedule.due_timers &= !(1 << number);
            self.post(number, Interrupt { kind: TIMER, arguments: [now, 0, 0] });
        }
    }

    /// Puts an interrupt into an environment's queue, and calls it up if it may be. A full queue only counts.
    pub(crate) fn post(&mut self, number: usize, interrupt: Interrupt) {
        // There may be something to do for those that have given up their slices.
        self.schedule.early = 0;
        let kind = interrupt.kind;
        let Some(tail) = self.read_queue(number, offset_of!(InterruptQueue, tail)) else { return };
        let producer = &mut self.environments[number].producer;
        if producer.head.wrapping_sub(tail) >= QUEUE_ENTRIES as u32 {
            let count = &mut producer.overflow[kind as usize];
            *count = count.wrapping_add(1);
            let count = *count;
            self.withhold(number);
            self.write_queue(number, offset_of!(InterruptQueue, overflow) + kind as usize * size_of::<u32>(), count);
            return;
        }
        let place = producer.head as usize % QUEUE_ENTRIES;
        producer.head = producer.head.wrapping_add(1);
        let head = producer.head;
        let entry = offset_of!(InterruptQueue, entries) + place * size_of::<Interrupt>();
        for (i, word) in [kind].into_iter().chain(interrupt.arguments).enumerate() {
            self.write_queue(number, entry + i * size_of::<u32>(), word);
        }
        self.write_queue(number, offset_of!(InterruptQueue, head), head);

        let runs = !self.schedule.is_idle() && number == self.current();
        let can_be = runs && self.due.is_none() && self.upcall(number, Due::Interrupt).is_some();
        if can_be && self.is_unmasked(number, kind) {
            self.due = Some(Due::Interrupt);
        } else {
            // The epilogue, if it is called up, finds it withheld.
            self.withhold(number);
        }
    }

    /// May an interrupt of this kind call the environment up?
    pub(crate) fn is_unmasked(&self, number: usize, kind: u32) -> bool {
        self.read_queue(number, offset_of!(InterruptQueue, mask)).is_none_or(|mask| mask >> kind & 1 != 0)
    }

    /// Is there anything in an environment's queue that may call it up?
    pub(crate) fn has_unmasked(&self, number: usize) -> bool {
        let Some(tail) = self.read_queue(number, offset_of!(InterruptQueue, tail)) else { return false };
        let head = self.environments[number].producer.head;
        // The program may have written anything there.
        let pending = head.wrapping_sub(tail).min(QUEUE_ENTRIES as u32);
        (0..pending).map(|n| head.wrapping_sub(1 + n) as usize % QUEUE_ENTRIES).any(|place| {
            let entry = offset_of!(InterruptQueue, entries) + place * size_of::<Interrupt>();
            let kind = self.read_queue(number, entry).unwrap_or(u32::MAX);
            (kind as usize) < KINDS && self.is_unmasked(number, kind)
        })
    }

    /// Says in an environment's queue that something has happened without an upcall.
    pub(crate) fn withhold(&mut self, number: usize) {
        self.write_queue(number, offset_of!(InterruptQueue, withheld), 1);
    }

    /// Says in an environment's queue whether its slice is over.
    pub(crate) fn set_ended(&mut self, number: usize, ended: u32) {
        self.write_queue(number, offset_of!(InterruptQueue, ended), ended);
    }

    /// A word of an environment's queue, if it has one.
    fn read_queue(&self, number: usize, offset: usize) -> Option<u32> {
        let queue = self.environments[number].context.queue?;
        let mut word = 0u32;
        self.machine.read(queue + offset as u32, word.as_mut_bytes());
        Some(word)
    }

    pub(crate) fn write_queue(&mut self, number: usize, offset: usize, word: u32) {
        if let Some(queue) = self.environments[number].context.queue {
            self.machine.write(queue + offset as u32, word.as_bytes());
        }
    }
}
