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
use exos::abi::Lo;
use exos::abi::calls::ANY;
use exos::abi::limits::PAGE_BYTES;
use exos::exceptions::{Cause, handle, unhandle};
use exos::machine;
use exos::page_table::Rights;
use exos::process::{self, End};
use exos::region::{Frame, Region};
use exos::rt::memory::PAGE_TABLE;
use exos::schedule;
use exos_checks::markers::Span;
use exos_checks::paths::{self, TIMES};
use exos_checks::raw::bare::{self, Entries, Entry, Pages};
use exos_checks::raw::calls::{load, store};
use exos_checks::raw::spans::{self, around};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// How often a process is started, instead of [`TIMES`]: it costs millions of instructions.
const SPAWNS: u32 = 3;

fn main() -> i32 {
    match exos::args().nth(1) {
        Some("end") => 0,
        Some("partner") => partner(),
        _ => tap::run(&[
            ("loops of known length", paths::calibration),
            ("calls", calls),
            ("exceptions", exceptions),
            ("hits in the software TLB", paths::stlb_hits),
            ("hits behind the table", paths::other_hits),
            ("misses", paths::misses),
            ("control transfers", paths::transfers),
            ("control transfers there and back", paths::transfers_there_and_back),
            ("calls between environments", paths::calls_between_environments),
            ("yields", yields),
            ("environments and processes", environments),
            ("protection", protection),
            ("demand zero", demand_zero),
            ("shared memory", shared_memory),
            ("matrices", matrices),
        ]),
    }
}

fn calls() -> Outcome {
    for _ in 0..TIMES {
        spans::procedure_call();
    }
    paths::null_call()?;
    paths::small_call()
}

fn exceptions() -> Outcome {
    paths::exception_round_trip()?;
    paths::minimally(Cause::Overflow, spans::exception_overflow)?;
    paths::minimally(Cause::AddressLoad, spans::exception_unaligned)?;
    paths::minimally(Cause::Coprocessor, spans::exception_coprocessor)?;
    paths::minimally(Cause::Reserved, spans::exception_reserved)?;
    let region = get!(Region::reserve(1));
    get!(region.demand_zero(0..1, Rights::ReadWrite));
    region.store(0, 7);
    get!(region.protect(0..1, Rights::ReadOnly));
    paths::minimally(Cause::Modified, || spans::exception_protection(region.start()))?;
    check_eq!(region.load(0), 7, "the word in the read-only page");
    paths::rust_handler()
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
    get!(frame.grant(child.pid(), Some(Rights::ReadWrite)));
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
