//! The place on which the calls fail: whatever they could have changed is looked at before and after.

use alloc::boxed::Box;
use alloc::vec::Vec;
use exos::abi::calls::Number;
use exos::abi::limits::PAGE_BYTES;
use exos::abi::{Env, Error};
use exos::machine;
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos_checks::raw::calls::{address_of, call, context, insert};
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// What a failed call could have changed, as far as a program can see.
#[derive(PartialEq, Debug)]
pub struct Snapshot {
    pub bindings: Vec<(u32, u32)>,
    pub words: [u32; 2],
    pub pid: u32,
    pub context: Env,
}

/// A place for the tests: page 0 is mapped and used, page 1 is mapped for reading only, the others are not mapped.
pub struct Place {
    pub region: Region,
    pub frame: Frame,
}

impl Place {
    pub fn new() -> Result<Place, alloc::string::String> {
        let region = get!(Region::reserve(8));
        let frame = get!(Frame::any());
        get!(region.map(0, &frame, Rights::ReadWrite));
        region.store(0, 0x1111_1111);
        get!(region.demand_zero(1..2, Rights::ReadWrite));
        region.store(PAGE_BYTES, 0x2222_2222);
        get!(region.protect(1..2, Rights::ReadOnly));
        Ok(Place { region, frame })
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut bindings = Vec::new();
        for page in 0..self.region.pages() {
            let address = self.region.address(page);
            bindings.push((address, machine::probe(address).map_or(0, |(lo, _)| lo.0)));
        }
        let words = [self.region.load(0), self.region.load(PAGE_BYTES)];
        Snapshot { bindings, words, pid: machine::pid().0, context: context() }
    }

    /// Fails unless the call fails with `error` and changes nothing.
    pub fn refused(&self, number: Number, arguments: [u32; 4], error: Error) -> Outcome {
        let before = self.snapshot();
        check_eq!(call(number, arguments), Err(error), "{number:?}{arguments:x?}");
        check!(before == self.snapshot(), "{number:?}{arguments:x?} has changed something");
        Ok(())
    }

    /// The same for an environment's context.
    pub fn context_refused(&self, change: impl FnOnce(&mut Env), error: Error) -> Outcome {
        let mut env = Box::new(context());
        change(&mut env);
        let start = address_of(&*env);
        check!(insert(start) && insert(start + size_of::<Env>() as u32 - 1), "the context cannot be inserted");
        self.refused(Number::e_set, [start, 0, 0, 0], error)
    }
}
