//! The paths whose costs are bounded (DESIGN 6), each performed some times in its span: for the program that is held to the budgets, and for the one
//! that measures everything. Each sees that it did what it should.

use crate::markers::{CALIBRATION_TURNS, STLB_HIT_PAGES};
use crate::raw::bare::{Entries, Entry, Pages, free};
use crate::raw::calls::flush;
use crate::raw::spans;
use crate::raw::transfers::{open_gate, transfer};
use crate::tap::Outcome;
use crate::{check, check_eq, get};
use exos::abi::Error;
use exos::abi::info::Counters;
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos::machine::{self, Place};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{process, rpc, schedule};

/// How often each span is run: the first time, code and data may still miss in the TLB. An odd number has a middle.
pub const TIMES: u32 = 11;

/// Loops of [`Calibration`](crate::markers::Span::Calibration).
pub fn calibration() -> Outcome {
    for turns in CALIBRATION_TURNS {
        check_eq!(spans::calibration(turns), turns, "turns");
    }
    Ok(())
}

/// Performs something whose exceptions of one cause go to the minimal handler. Nobody else can have caught them: the library has no handler
/// for them, and would have ended the program.
pub fn minimally(cause: Cause, body: impl Fn()) -> Outcome {
    get!(spans::minimal_handler(cause, true));
    for _ in 0..TIMES {
        body();
    }
    get!(spans::minimal_handler(cause, false));
    Ok(())
}

/// [`ExceptionRoundTrip`](crate::markers::Span::ExceptionRoundTrip).
pub fn exception_round_trip() -> Outcome {
    minimally(Cause::Breakpoint, spans::exception_round_trip)
}

/// [`RustHandler`](crate::markers::Span::RustHandler).
pub fn rust_handler() -> Outcome {
    fn handler(context: &mut Context) {
        context[Register::V0] = 42;
        context.skip().expect("no delay slot here");
    }
    handle(Cause::Breakpoint, handler);
    for _ in 0..TIMES {
        check_eq!(spans::rust_handler(), 42, "the handler's value");
    }
    unhandle(Cause::Breakpoint);
    Ok(())
}

/// [`NullCall`](crate::markers::Span::NullCall).
pub fn null_call() -> Outcome {
    for _ in 0..TIMES {
        check_eq!(spans::null_call(), machine::pid().0, "pid");
    }
    Ok(())
}

/// [`SmallCall`](crate::markers::Span::SmallCall).
pub fn small_call() -> Outcome {
    for _ in 0..TIMES {
        check_eq!(spans::small_call(u32::MAX), Error::NoSuchFrame as u32, "error code");
    }
    Ok(())
}

/// [`Miss`](crate::markers::Span::Miss).
pub fn misses() -> Outcome {
    let region = get!(Region::reserve(TIMES));
    get!(region.demand_zero(0..TIMES, Rights::ReadWrite));
    for page in 0..TIMES {
        region.store(page * PAGE_BYTES, page + 1);
    }
    flush();
    for page in 0..TIMES {
        let before = machine::counts().misses;
        check_eq!(spans::miss(region.address(page)), page + 1, "page {page}");
        check!(machine::counts().misses > before, "page {page} did not miss");
    }
    Ok(())
}

/// [`StlbHits`](crate::markers::Span::StlbHits).
pub fn stlb_hits() -> Outcome {
    let region = get!(Region::reserve(STLB_HIT_PAGES));
    let filler = get!(Region::reserve_at(region.start() + (1 << 24), STLB_HIT_PAGES));
    get!(region.demand_zero(0..STLB_HIT_PAGES, Rights::ReadWrite));
    get!(filler.demand_zero(0..STLB_HIT_PAGES, Rights::ReadWrite));
    for page in 0..STLB_HIT_PAGES {
        region.store(page * PAGE_BYTES, page);
    }
    let in_table = |page: &u32| matches!(machine::probe(region.address(*page)), Some((_, Place::Table)));
    check_eq!((0..STLB_HIT_PAGES).filter(in_table).count() as u32, STLB_HIT_PAGES, "pages in the STLB's table");
    // Others take their place in the hardware TLB; QEMU keeps replaced entries until a live one loses rights.
    for page in 0..STLB_HIT_PAGES {
        filler.store(page * PAGE_BYTES, page);
    }
    get!(filler.protect(STLB_HIT_PAGES - 1..STLB_HIT_PAGES, Rights::ReadOnly));
    check_eq!(
        (0..STLB_HIT_PAGES).filter(in_table).count() as u32,
        STLB_HIT_PAGES,
        "pages in the table after the filler"
    );

    // A clock may tick meanwhile.
    let misses = || (Counters { ticks: 0, ..machine::counters() }, machine::counts());
    let before = misses();
    let sum = spans::stlb_hits(region.start(), STLB_HIT_PAGES);
    let after = misses();
    check_eq!(sum, STLB_HIT_PAGES * (STLB_HIT_PAGES - 1) / 2, "sum of the pages' words");
    check_eq!(after, before, "counters of misses that the table did not answer");
    Ok(())
}

/// [`Transfer`](crate::markers::Span::Transfer) and [`AsynchronousTransfer`](crate::markers::Span::AsynchronousTransfer).
pub fn transfers() -> Outcome {
    get!(open_gate());
    let pages = get!(Pages::new());
    let entries = Entries { gate: Some(Entry::Bounce), agate: Some(Entry::BounceAsynchronous), ..Entries::default() };
    let pid = get!(pages.start(entries));
    for turn in 0..TIMES {
        for synchronous in [true, false] {
            let before = core::array::from_fn(|n| turn + n as u32);
            let back = get!(transfer(synchronous, pid, &before));
            check_eq!(back[31], before[31], "a register");
        }
    }
    get!(free(pid));
    Ok(())
}

/// [`TrustedCall`](crate::markers::Span::TrustedCall), [`UntrustedCall`](crate::markers::Span::UntrustedCall) and [`LongCall`](crate::markers::Span::LongCall).
pub fn calls_between_environments() -> Outcome {
    let server = get!(process::spawn("processes", &["null-server"]));
    // Until it is ready.
    while rpc::short(server.pid(), [0; 4]).is_err() {
        get!(schedule::yield_to(server.pid()));
    }
    for n in 0..TIMES {
        check_eq!(spans::trusted_call(server.pid(), n, 7), n + 7, "the sum");
        check_eq!(spans::untrusted_call(server.pid(), n, 7), n + 7, "the sum");
        check_eq!(spans::long_call(server.pid(), n), n, "the first word");
    }
    Ok(())
}
