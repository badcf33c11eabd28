//! Entering environments, and the switch by hand (figure 9-1).
//!
//! An environment that has given up the processor is entered at its prologue, or at first at its
//! beginning. One that has not given it up by the tick after the end of its slice is *suspended*:
//! the kernel keeps all of its registers, where no program sees them, and it goes on exactly there
//! whenever it is entered again, or at the start of the resume window in which it was. What came
//! for it meanwhile is delivered then, if its mask allows.
//!
//! While it is suspended its gates are closed. So nothing of its own runs in between, and what it
//! was doing to its own data needs no lock.

use crate::Kernel;
use crate::environment::Environment;
use crate::interrupt::Due;
use crate::machine::Machine;
use aegis_abi::{Handler, InterruptQueue};
use core::mem::offset_of;

impl<M: Machine> Kernel<M> {
    /// Was the environment switched by hand, and has not been entered since?
    pub(crate) fn is_suspended(&self, number: usize) -> bool {
        self.environments[number].record.suspended != 0
    }

    /// Takes the processor from whoever runs, and begins the next slice. To be called within an
    /// interrupt. Does not return on hardware.
    pub(crate) fn switch_by_hand(&mut self) {
        let number = self.current();
        let Some(next) = self.schedule.next else { return };
        self.environments[number].record.suspended = 1;
        let cuts = &mut self.environments[number].producer.cuts;
        *cuts = cuts.wrapping_add(1);
        let cuts = *cuts;
        self.write_queue(number, offset_of!(InterruptQueue, cuts), cuts);
        self.machine.suspend(number);
        self.set_block(number);
        // It does not hand over: the tick has charged the slice already.
        self.start(next);
    }

    /// Where an environment is entered that is not suspended, and with which arguments.
    fn entry(&self, number: usize) -> (Handler, [u32; 2]) {
        let Environment { record, context, .. } = &self.environments[number];
        if record.started != 0 {
            (context.pro, [0, 0])
        } else {
            (context.init, [context.argument, self.machine.info_frame()])
        }
    }

    /// Is there a place to enter the environment at?
    pub(crate) fn can_enter(&self, number: usize) -> bool {
        self.is_suspended(number) || self.entry(number).0 != 0
    }

    /// Makes an environment the current one, which runs when the kernel is left, wherever it is
    /// entered.
    pub(crate) fn hand_processor(&mut self, number: usize) {
        (self.schedule.idle, self.schedule.ticking) = (false, false);
        self.set_ended(number, 0);
        self.machine.set_current(number);
        self.note_holder(self.machine.holder());
    }

    /// Lets an environment run that can be entered. Does not return on hardware.
    pub(crate) fn enter(&mut self, number: usize) {
        if self.is_suspended(number) {
            return self.resume(number);
        }
        let (pc, arguments) = self.entry(number);
        let started = core::mem::replace(&mut self.environments[number].record.started, 1);
        if started == 0 {
            // Its gates are open now.
            self.set_block(number);
        }
        self.hand_processor(number);
        self.machine.run(pc, arguments);
    }

    /// Lets a suspended environment go on. Does not return on hardware.
    fn resume(&mut self, number: usize) {
        self.environments[number].record.suspended = 0;
        self.set_block(number);
        self.hand_processor(number);
        if self.machine.resume_fpu(number) {
            self.fpu_user = Some(number);
        }
        let pc = self.restart(self.machine.suspended_pc(number));
        let upcall = self.upcall(number, Due::Interrupt).filter(|_| self.has_unmasked(number));
        if upcall.is_some() {
            self.write_queue(number, offset_of!(InterruptQueue, mask), 0);
        }
        self.machine.resume(number, pc, upcall);
    }
}
