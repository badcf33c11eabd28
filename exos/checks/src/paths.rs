//! The paths whose costs are bounded (DESIGN 6), each performed some times in its span: for the program that is held to the budgets, and for the one
//! that measures everything. Each sees that it did what it should.

pub use crate::markers::TIMES;
use crate::markers::{CALIBRATION_TURNS, STLB_HIT_PAGES};
use crate::raw::bare::{Entries, Entry, Pages, free};
use crate::raw::calls::flush;
use crate::raw::spans;
use crate::raw::transfers::{open_gate, round_trips, transfer};
use crate::tap::Outcome;
use crate::{check, check_eq, get};
use exos::abi::Error;
use exos::abi::info::Counters;
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos::machine::{self, Place};
use exos::page_table::Rights;
use exos::region::Region;
use exos::{layout, process, rpc, schedule};

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
    let misses = || (Counters { ticks: 0, slices: 0, ..machine::counters() }, machine::counts());
    let before = misses();
    let sum = spans::stlb_hits(region.start(), STLB_HIT_PAGES);
    let after = misses();
    check_eq!(sum, STLB_HIT_PAGES * (STLB_HIT_PAGES - 1) / 2, "sum of the pages' words");
    check_eq!(after, before, "counters of misses that the table did not answer");
    Ok(())
}

/// Pages that fill the hardware TLB with something else. (QEMU keeps replaced entries until a live one loses rights.)
struct Filler(Region);

impl Filler {
    /// As many as this, on 16 MB from `beside`, whose slots are others.
    fn new(beside: &Region, pages: u32) -> Result<Filler, crate::tap::NotPassed> {
        let filler = get!(Region::reserve_at(beside.start() + (1 << 24), pages));
        get!(filler.demand_zero(0..pages, Rights::ReadWrite));
        Ok(Filler(filler))
    }

    fn fill(&self) -> Outcome {
        let Filler(region) = self;
        let last = region.pages() - 1;
        get!(region.protect(last..last + 1, Rights::ReadWrite));
        for page in 0..=last {
            region.store(page * PAGE_BYTES, page);
        }
        get!(region.protect(last..last + 1, Rights::ReadOnly));
        Ok(())
    }
}

/// [`OverflowHit`](crate::markers::Span::OverflowHit) and [`GuaranteedHit`](crate::markers::Span::GuaranteedHit).
pub fn other_hits() -> Outcome {
    // Two pages with one slot: the one that came first had to make room.
    let first = get!(Region::reserve(1));
    get!(first.demand_zero(0..1, Rights::ReadWrite));
    let filler = Filler::new(&first, 256)?;
    let has_its_slot = |va: &u32| machine::slot(*va) == machine::slot(first.start());
    let Some(start) = (1..16).map(|n| first.start() + (n << 25)).find(has_its_slot) else {
        return Err("there is no second page with the first one's slot".into());
    };
    let second = get!(Region::reserve_at(start, 1));
    get!(second.demand_zero(0..1, Rights::ReadWrite));
    for n in 0..TIMES {
        first.store(0, n);
        filler.fill()?;
        flush();
        first.store(0, n);
        second.store(0, n);
        check_eq!(
            machine::probe(first.start()).map(|(_, place)| place),
            Some(Place::Overflow),
            "the first page's place"
        );
        filler.fill()?;
        if machine::probe(first.start()).is_some_and(|(_, place)| place == Place::Overflow) {
            let before = machine::counts();
            check_eq!(spans::overflow_hit(first.start()), n, "the word in the overflow buffer's page");
            check_eq!(machine::counts(), before, "misses that came to the program");
        }
        filler.fill()?;
        let before = machine::counts();
        spans::guaranteed_hit(layout::EXCEPTION_STACK.start);
        check_eq!(machine::counts(), before, "misses that came to the program");
    }
    Ok(())
}

/// [`Transfer`](crate::markers::Span::Transfer) and [`AsynchronousTransfer`](crate::markers::Span::AsynchronousTransfer).
pub fn transfers() -> Outcome {
    get!(open_gate());
    let pages = get!(Pages::new());
    let entries = Entries { gate: Some(Entry::Bounce), agate: Some(Entry::BounceAsynchronous), ..Entries::default() };
    let pid = get!(pages.open(entries));
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

/// [`RoundTrip`](crate::markers::Span::RoundTrip).
pub fn transfers_there_and_back() -> Outcome {
    let pages = get!(Pages::new());
    let pid = get!(pages.open(Entries { gate: Some(Entry::SendBack), ..Entries::default() }));
    get!(round_trips(pid, TIMES));
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
