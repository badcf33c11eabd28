//! Performs the operations of `aegis_bench::OPERATIONS`, each some times in its span, and sees that it did what it should. Who counts is
//! the host tool: `./x bench`.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use aegis_bench::{MANY, MATRIX};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use exos::abi::calls::ANY;
use exos::abi::limits::PAGE_BYTES;
use exos::abi::{Error, Lo};
use exos::exceptions::{Cause, Context, Register, handle, unhandle};
use exos::machine::{self, Place};
use exos::page_table::Rights;
use exos::process::{self, End};
use exos::region::{Frame, Region};
use exos::rt::memory::PAGE_TABLE;
use exos::{layout, rpc, schedule};
use exos_checks::markers::{CALIBRATION_TURNS, Span};
use exos_checks::raw::bare::{self, Entries, Entry, Pages};
use exos_checks::raw::calls::{flush, load, store};
use exos_checks::raw::spans::{self, around};
use exos_checks::raw::transfers::{open_gate, round_trips, transfer};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// How often each operation is performed: the first time, code and data may still miss in the TLB.
const TIMES: u32 = 11;
/// The same for processes, which cost millions of instructions.
const SPAWNS: u32 = 3;

fn main() -> i32 {
    match exos::args().nth(1) {
        Some("end") => 0,
        Some("server") => server(),
        Some("partner") => partner(),
        _ => tap::run(&[
            ("loops of known length", calibration),
            ("calls", calls),
            ("exceptions", exceptions),
            ("hits in the software TLB", stlb_hits),
            ("hits behind the table", other_hits),
            ("misses", misses),
            ("control transfers", transfers),
            ("calls between environments", remote_calls),
            ("yields", yields),
            ("environments and processes", environments),
            ("protection", protection),
            ("demand zero", demand_zero),
            ("shared memory", shared_memory),
            ("matrices", matrices),
        ]),
    }
}

fn calibration() -> Outcome {
    for turns in CALIBRATION_TURNS {
        check_eq!(spans::calibration(turns), turns, "turns of the loop");
    }
    Ok(())
}

fn calls() -> Outcome {
    for _ in 0..TIMES {
        spans::procedure_call();
        check_eq!(spans::null_call(), machine::pid().0, "pid");
        check_eq!(spans::small_call(u32::MAX), Error::NoSuchFrame as u32, "error code");
    }
    Ok(())
}

/// Performs something whose exceptions of one cause go to the minimal handler. Nobody else can have caught them: the library would have
/// ended the program.
fn minimally(cause: Cause, body: impl Fn()) -> Outcome {
    get!(spans::minimal_handler(cause, true));
    for _ in 0..TIMES {
        body();
    }
    get!(spans::minimal_handler(cause, false));
    Ok(())
}

fn exceptions() -> Outcome {
    minimally(Cause::Breakpoint, spans::exception_round_trip)?;
    minimally(Cause::Overflow, spans::exception_overflow)?;
    minimally(Cause::AddressLoad, spans::exception_unaligned)?;
    minimally(Cause::Coprocessor, spans::exception_coprocessor)?;
    minimally(Cause::Reserved, spans::exception_reserved)?;
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    region.store(0, 7);
    get!(region.protect(0..1, Rights::ReadOnly));
    minimally(Cause::Modified, || spans::exception_protection(region.start()))?;
    check_eq!(region.load(0), 7, "the word in the read-only page");

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

/// Pages that fill the hardware TLB with something else. (QEMU keeps replaced entries until a live one loses rights.)
struct Filler(Region);

impl Filler {
    /// As many as this, on 16 MB from `beside`, whose slots are others.
    fn new(beside: &Region, pages: u32) -> Result<Filler, tap::NotPassed> {
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

fn stlb_hits() -> Outcome {
    const PAGES: u32 = exos_checks::markers::STLB_HIT_PAGES;
    let region = get!(Region::reserve(PAGES));
    get!(region.demand_zero(0..PAGES, Rights::ReadWrite));
    let filler = Filler::new(&region, PAGES)?;
    for page in 0..PAGES {
        region.store(page * PAGE_BYTES, page);
    }
    filler.fill()?;
    let in_table = |page: &u32| matches!(machine::probe(region.address(*page)), Some((_, Place::Table)));
    check_eq!((0..PAGES).filter(in_table).count() as u32, PAGES, "pages in the STLB's table");
    let before = machine::counts();
    check_eq!(spans::stlb_hits(region.start(), PAGES), PAGES * (PAGES - 1) / 2, "sum of the pages' words");
    check_eq!(machine::counts(), before, "misses that the table did not answer");
    Ok(())
}

fn other_hits() -> Outcome {
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

fn misses() -> Outcome {
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

fn transfers() -> Outcome {
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
    get!(bare::free(pid));

    let pages = get!(Pages::new());
    let pid = get!(pages.start(Entries { gate: Some(Entry::SendBack), ..Entries::default() }));
    get!(round_trips(pid, TIMES));
    get!(bare::free(pid));
    Ok(())
}

/// Answers requests.
fn server() -> i32 {
    extern "C" fn add(a: u32, b: u32, _: u32, _: u32, _: exos::abi::Pid) -> u64 {
        u64::from(a.wrapping_add(b))
    }
    extern "C" fn nothing(_: &mut rpc::LongMessage, _: exos::abi::Pid) {}
    if rpc::serve_long(nothing).and_then(|()| rpc::serve(add)).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
    }
}

fn remote_calls() -> Outcome {
    let server = get!(process::spawn("bench", &["server"]));
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

fn yields() -> Outcome {
    for _ in 0..TIMES {
        around::<{ Span::Yield.id() }, _>(schedule::yield_now);
    }
    let pages = get!(Pages::new());
    let leave = Some(Entry::Leave);
    let pid = get!(pages.start(Entries { init: leave, pro: leave, epi: leave, ..Entries::default() }));
    get!(bare::give_slice(pid, ANY));
    for _ in 0..TIMES {
        around::<{ Span::SliceSwitch.id() }, _>(schedule::yield_now);
    }
    get!(bare::free(pid));
    Ok(())
}

fn environments() -> Outcome {
    let pages = get!(Pages::new());
    let env = pages.env(Entries::default());
    for _ in 0..TIMES {
        let made = around::<{ Span::Environment.id() }, _>(|| bare::make(&env).and_then(bare::free));
        check_eq!(made, Ok(()), "an environment");
    }
    for _ in 0..SPAWNS {
        let end = around::<{ Span::Spawn.id() }, _>(|| process::spawn("bench", &["end"]).map(|process| process.wait()));
        check_eq!(end.ok(), Some(End::Exited(0)), "the process' end");
    }
    Ok(())
}

fn protection() -> Outcome {
    let region = get!(Region::reserve_at(0x2000_0000, MANY));
    get!(region.demand_zero(0..MANY, Rights::ReadWrite));
    for page in 0..MANY {
        region.store(page * PAGE_BYTES, page);
    }
    let dirty = || machine::mapping(region.address(50)).is_some_and(|lo: Lo| lo.d());
    for turn in 0..TIMES {
        check!(around::<{ Span::DirtyQuery.id() }, _>(dirty), "a page that was written is not dirty");
        let page = 10 + 7 * turn % MANY;
        let protected = around::<{ Span::Protect1.id() }, _>(|| region.protect(page..page + 1, Rights::ReadOnly));
        check_eq!(protected, Ok(()), "protect 1");
        get!(region.protect(page..page + 1, Rights::ReadWrite));
        let protected = around::<{ Span::Protect100.id() }, _>(|| region.protect(0..MANY, Rights::ReadOnly));
        check_eq!(protected, Ok(()), "protect 100");
        let protected = around::<{ Span::Unprotect100.id() }, _>(|| region.protect(0..MANY, Rights::ReadWrite));
        check_eq!(protected, Ok(()), "unprotect 100");
    }

    handle(Cause::Modified, |context| context.skip().expect("no delay slot here"));
    get!(region.protect(0..MANY, Rights::ReadOnly));
    for page in 0..TIMES {
        region.load(page * PAGE_BYTES);
        around::<{ Span::Trap.id() }, _>(|| store(region.address(page), 1000));
        check_eq!(region.load(page * PAGE_BYTES), page, "the word in a read-only page");
    }
    get!(region.protect(0..MANY, Rights::ReadWrite));

    handle(Cause::Modified, |context| {
        let page =
            exos::page_table::Pages::new(context.badvaddr & !(PAGE_BYTES - 1), 1).expect("a page of the program's");
        PAGE_TABLE.protect(page, Rights::ReadWrite).expect("it is mapped");
    });
    for page in 0..TIMES {
        around::<{ Span::ProtectTrapUnprotect1.id() }, _>(|| {
            let protected = region.protect(page..page + 1, Rights::ReadOnly);
            store(region.address(page), 2000 + page);
            protected
        })
        .map_err(|error| format!("protect 1: {error:?}"))?;
        check_eq!(region.load(page * PAGE_BYTES), 2000 + page, "the word in the page");
    }
    for turn in 0..TIMES {
        around::<{ Span::ProtectTrapUnprotectN.id() }, _>(|| {
            let protected = region.protect(0..MANY, Rights::ReadOnly);
            for page in 0..MANY {
                // Not in order.
                store(region.address(page * 37 % MANY), turn + page);
            }
            protected
        })
        .map_err(|error| format!("protect 100: {error:?}"))?;
        check_eq!(region.load(37 * PAGE_BYTES), turn + 1, "the word in the second page");
    }
    unhandle(Cause::Modified);
    Ok(())
}

fn demand_zero() -> Outcome {
    let region = get!(Region::reserve(TIMES));
    get!(region.demand_zero(0..TIMES, Rights::ReadWrite));
    for page in 0..TIMES {
        around::<{ Span::DemandZero.id() }, _>(|| store(region.address(page), page + 1));
        check_eq!(region.load(page * PAGE_BYTES), page + 1, "the word");
    }
    Ok(())
}

/// Where the shared page is in both processes.
const SHARED: u32 = 0x2800_0000;

/// Makes each odd word even.
fn partner() -> i32 {
    let mut numbers = exos::args().skip(2).filter_map(|word| word.parse().ok());
    let (Some(frame), Some(parent)) = (numbers.next(), numbers.next()) else { return 1 };
    let Ok(region) = Region::reserve_at(SHARED, 1) else { return 2 };
    let frame = Frame::shared(frame);
    if region.map(0, &frame, Rights::ReadWrite).is_err() {
        return 3;
    }
    loop {
        let word = load(SHARED);
        if word % 2 == 1 {
            store(SHARED, word + 1);
        }
        if schedule::yield_to(exos::abi::Pid(parent)).is_err() {
            return 4;
        }
    }
}

fn shared_memory() -> Outcome {
    let frame = get!(Frame::any());
    let region = get!(Region::reserve_at(SHARED, 1));
    get!(region.map(0, &frame, Rights::ReadWrite));
    store(SHARED, 0);
    let child =
        get!(process::spawn("bench", &["partner", &format!("{}", frame.get()), &format!("{}", machine::pid().0)]));
    get!(frame.share(child.pid(), Some(Rights::ReadWrite)));
    let round = |n: u32| {
        store(SHARED, 2 * n + 1);
        let mut result = Ok(());
        while result.is_ok() && load(SHARED) == 2 * n + 1 {
            result = schedule::yield_to(child.pid());
        }
        result
    };
    // Until it is ready.
    check_eq!(round(0).map_err(|_| child.wait()), Ok(()), "the first round");
    for n in 1..=TIMES {
        check_eq!(around::<{ Span::SharedMemory.id() }, _>(|| round(n)), Ok(()), "a round trip");
        check_eq!(load(SHARED), 2 * n + 2, "the word");
    }
    Ok(())
}

type Matrix = [[i32; MATRIX]; MATRIX];

/// A matrix on the heap: the stack is too small.
fn matrix(element: impl Fn(usize, usize) -> i32) -> Box<Matrix> {
    let rows: Vec<[i32; MATRIX]> = (0..MATRIX).map(|i| core::array::from_fn(|j| element(i, j))).collect();
    rows.into_boxed_slice().try_into().unwrap_or_else(|_| unreachable!("there are as many rows"))
}

fn matrices() -> Outcome {
    let numbers = |factor: usize| matrix(|i, j| ((i * MATRIX + j) * factor % 17) as i32 - 8);
    let (a, b, mut product) = (numbers(3), numbers(5), matrix(|_, _| 0));
    around::<{ Span::MatrixMultiply.id() }, _>(|| multiply(&a, &b, &mut product));
    // Multiplied by a vector of ones from both sides: the sum of all elements, computed in another way.
    let column = |k: usize| -> i32 { a.iter().map(|row| row[k]).sum() };
    let expected: i32 = b.iter().enumerate().map(|(k, row)| column(k) * row.iter().sum::<i32>()).sum();
    check_eq!(product.iter().flatten().sum::<i32>(), expected, "sum of the product's elements");
    Ok(())
}

#[inline(never)]
fn multiply(a: &Matrix, b: &Matrix, product: &mut Matrix) {
    for (row, out) in a.iter().zip(product) {
        for (j, element) in out.iter_mut().enumerate() {
            let mut sum = 0;
            for k in 0..MATRIX {
                sum += row[k] * b[k][j];
            }
            *element = sum;
        }
    }
}
