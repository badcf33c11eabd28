//! Interrupt handlers that do what the program is doing when they come: allocate, print, map pages.
//! A handler comes at every tick; between two rounds the program waits a little longer each time,
//! so that the ticks fall everywhere.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use exos::abi::calls::Number;
use exos::abi::interrupts::TIMER;
use exos::page_table::Rights;
use exos::process::{self, End};
use exos::region::Region;
use exos::{Cell, interrupts, layout, print, println};
use exos_checks::raw::calls::{call, context, load, set_handler};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

fn main() -> i32 {
    match exos::args().nth(1) {
        Some("child") => 5,
        _ => tap::run(&[
            ("allocates", || among(allocate, allocations)),
            ("prints", || among(print_a_dot, prints)),
            ("maps pages", || among(map, maps)),
            ("changes the context", || among(change_context, contexts)),
            ("allocates, prints and maps while the program makes processes", || among(everything, processes)),
        ]),
    }
}

/// Ticks that must fall into each test.
const TICKS: u32 = 100;

/// How often the handler has come, and how often it has found something wrong.
static CAME: Cell<u32> = Cell::new(0);
static WRONG: Cell<u32> = Cell::new(0);
/// What it does: returns whether all is right.
static WORK: Cell<fn() -> bool> = Cell::new(|| true);

fn tick(_: [u32; 3]) {
    CAME.set(CAME.get() + 1);
    if !(WORK.get())() {
        WRONG.set(WRONG.get() + 1);
    }
    ask();
}

fn ask() {
    call(Number::timer, [1, 0, 0, 0]).expect("the call has no errors");
}

/// Does rounds of `body`, with `work` at each tick.
fn among(work: fn() -> bool, body: fn(u32) -> Outcome) -> Outcome {
    CAME.set(0);
    WRONG.set(0);
    WORK.set(work);
    interrupts::handle(TIMER, Some(tick));
    ask();
    let mut round = 0;
    let outcome = loop {
        (0..round % 97).for_each(|turn| {
            core::hint::black_box(turn);
        });
        let outcome = body(round);
        round += 1;
        if outcome.is_err() || CAME.get() >= TICKS {
            break outcome;
        }
    };
    interrupts::handle(TIMER, None);
    // Behind what the handler has printed.
    println!();
    outcome?;
    check_eq!(WRONG.get(), 0, "ticks of {} at which the handler found something wrong", CAME.get());
    Ok(())
}

/// Blocks of several sizes, whose contents stay.
fn allocate() -> bool {
    let blocks: Vec<Vec<u8>> = (1..6).map(|n| alloc::vec![n; usize::from(n) * 37]).collect();
    blocks.iter().zip(1..).all(|(block, n)| block.len() == usize::from(n) * 37 && block.iter().all(|&byte| byte == n))
}

fn allocations(round: u32) -> Outcome {
    let mut blocks = Vec::new();
    for n in 0..20 {
        blocks.push(alloc::vec![n as u8; (n * 29 + round % 64) as usize]);
    }
    for (n, block) in blocks.iter().enumerate() {
        check!(block.iter().all(|&byte| byte == n as u8), "block {n} of round {round} has changed");
    }
    Ok(())
}

/// Dots in the print buffer since it was sent.
static DOTS: Cell<u32> = Cell::new(0);

fn print_a_dot() -> bool {
    print!(".");
    DOTS.set(DOTS.get() + 1);
    true
}

/// Characters that the program prints before it looks into the print buffer.
const PRINTED: u32 = 2500;

fn prints(round: u32) -> Outcome {
    interrupts::critical(|| {
        println!();
        DOTS.set(0);
        print!("# ");
    });
    for _ in 0..PRINTED / 10 {
        print!("{}-{}-{}-", "m", "mm", "mmmm");
    }
    let (buffer, dots) = interrupts::critical(|| {
        let words = (0..layout::PAGE_BYTES / 4).map(|n| load(layout::CONSOLE.start + 4 * n));
        let buffer: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
        println!();
        (buffer, DOTS.get())
    });
    let line = &buffer[..(2 + PRINTED + dots) as usize];
    let count = |wanted: u8| line.iter().filter(|&&byte| byte == wanted).count() as u32;
    check_eq!((count(b'.'), count(b'm'), count(b'-')), (dots, PRINTED * 7 / 10, PRINTED * 3 / 10), "round {round}");
    Ok(())
}

/// A region of its own.
fn map() -> bool {
    let Ok(region) = Region::reserve(2) else { return false };
    let mapped = region.demand_zero(0..2, Rights::ReadWrite).is_ok();
    mapped && region.load(4) == 0 && {
        region.store(4, 7);
        region.protect(0..2, Rights::ReadOnly).is_ok() && region.load(4) == 7
    }
}

fn maps(round: u32) -> Outcome {
    let region = get!(Region::reserve(3));
    get!(region.demand_zero(0..3, Rights::ReadWrite));
    for page in 0..3 {
        check_eq!(region.load(page * layout::PAGE_BYTES), 0, "a new page, in round {round}");
        region.store(page * layout::PAGE_BYTES, round);
    }
    get!(region.protect(0..2, Rights::ReadOnly));
    get!(region.protect(0..2, Rights::ReadWrite));
    check!((0..3).all(|page| region.load(page * layout::PAGE_BYTES) == round), "a page of round {round} has changed");
    check_eq!(get!(region.discard(0..2)), 2, "pages discarded in round {round}");
    get!(region.unmap(0..3));
    Ok(())
}

/// Exceptions that no processor raises, and something like addresses of handlers for them.
const OF_PROGRAM: u32 = 25;
const OF_HANDLER: u32 = 26;
const HANDLERS: u32 = layout::IMAGE.start;

fn change_context() -> bool {
    set_handler(OF_HANDLER, HANDLERS + 4 * CAME.get()).is_ok()
}

fn contexts(round: u32) -> Outcome {
    get!(set_handler(OF_PROGRAM, HANDLERS + 4 * (round % 1000)));
    let (context, came) = interrupts::critical(|| (context(), CAME.get()));
    check_eq!(context.xh[OF_PROGRAM as usize], HANDLERS + 4 * (round % 1000), "the program's, in round {round}");
    let of_handler = context.xh[OF_HANDLER as usize];
    check!(came == 0 || of_handler == HANDLERS + 4 * came, "the handler's is {of_handler:#x} after {came} ticks");
    Ok(())
}

fn everything() -> bool {
    allocate() && map() && {
        println!("# tick");
        true
    }
}

fn processes(_: u32) -> Outcome {
    let child = get!(process::spawn("reentry", &["child", "two words", ""]));
    check_eq!(child.wait(), End::Exited(5), "the child's end");
    Ok(())
}
