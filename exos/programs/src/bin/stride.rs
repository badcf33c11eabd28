//! Figure 3-1 of the thesis: three processes increment counters in shared memory, while a stride scheduler, in user space, gives them
//! quanta in the ratio 3:2:1. Prints the figure for the host tool, and fails where the shares are not right.
//!
//! The program is its own children too: `stride count FRAME WORD`.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use core::error::Error;
use exos::page_table::Rights;
use exos::process::{self, Process};
use exos::region::{Frame, Region};
use exos::stride::Stride;
use exos::{println, schedule};

exos::entry!(main);

/// Tickets of the processes.
const TICKETS: [u32; 3] = [3, 2, 1];
/// All tickets: so many quanta are a round.
const ROUND: u32 = 6;
/// Quanta before those of the figure.
const WARM_UP: u32 = 6;
/// Quanta that are scheduled.
const QUANTA: u32 = 600;

/// The counters: one of each process.
type Counters = [u32; TICKETS.len()];

fn main() -> i32 {
    let mut arguments = exos::args().skip(1);
    let result = match arguments.next() {
        None => schedule(),
        Some("count") => count(arguments),
        Some(_) => Err("usage: stride".into()),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            println!("stride: {error}");
            1
        }
    }
}

type Outcome = Result<(), alloc::boxed::Box<dyn Error>>;

/// A child: increments its counter, for ever.
fn count(mut arguments: impl Iterator<Item = &'static str>) -> Outcome {
    let mut number = || -> Result<u32, core::num::ParseIntError> { arguments.next().unwrap_or("").parse() };
    let (frame, word) = (Frame::shared(number()?), number()?);
    let page = Region::reserve(1)?;
    page.map(0, &frame, Rights::ReadWrite)?;
    loop {
        page.store(word * 4, page.load(word * 4).wrapping_add(1));
    }
}

fn schedule() -> Outcome {
    let frame = Frame::any()?;
    let page = Region::reserve(1)?;
    page.map(0, &frame, Rights::ReadWrite)?;
    let counters = || -> Counters { core::array::from_fn(|n| page.load(n as u32 * 4)) };

    let mut processes: Vec<Process> = Vec::new();
    for n in 0..TICKETS.len() {
        let words = ["count", &format!("{}", frame.get()), &format!("{n}")];
        let process = process::spawn_without_slice("stride", &words)?;
        frame.grant(process.pid(), Some(Rights::ReadWrite))?;
        // Until it counts.
        while counters()[n] == 0 {
            schedule::yield_to(process.pid())?;
        }
        processes.push(process);
    }

    let mut points = Points::with_capacity(QUANTA as usize);
    // A round that is not shown: what is done once, as when memory is touched first, takes time that
    // is missing in a quantum.
    run(WARM_UP, &processes, counters, &mut points)?;
    run(QUANTA, &processes, counters, &mut points)?;
    show(&points);
    judge(&points)
}

/// The quanta, and the increments, that each process has had after each quantum.
type Points = Vec<(Counters, Counters)>;

/// Schedules `length` quanta. `points` is what there was before, and is replaced.
fn run(length: u32, processes: &[Process], counters: impl Fn() -> Counters, points: &mut Points) -> Outcome {
    let mut scheduler = Stride::new();
    for (process, tickets) in processes.iter().zip(TICKETS) {
        scheduler.add(process.pid(), tickets);
    }
    points.clear();
    // Begins with a slice that is whole.
    schedule::yield_now();
    let start = counters();
    let mut quanta: Counters = [0; TICKETS.len()];
    for _ in 0..length {
        let pid = scheduler.run().ok_or("all processes are gone")?;
        let n = processes.iter().position(|process| process.pid() == pid).ok_or("somebody else has run")?;
        quanta[n] += 1;
        let now = counters();
        points.push((quanta, core::array::from_fn(|n| now[n].wrapping_sub(start[n]))));
    }
    Ok(())
}

/// Prints the figure, a point a round, and what came of it.
fn show(points: &[(Counters, Counters)]) {
    println!(
        "figure stride | Application-level stride scheduler | quanta | increments | 3 tickets = 3 | 2 tickets = 2 | 1 ticket = 1"
    );
    println!("point 0 | 0 | 0 | 0");
    for (n, (_, [a, b, c])) in points.iter().enumerate() {
        if (n as u32 + 1).is_multiple_of(ROUND) {
            println!("point {} | {a} | {b} | {c}", n + 1);
        }
    }
    let Some((quanta, counters)) = points.last() else { return };
    let all: u32 = counters.iter().sum();
    println!("end of figure");
    println!();
    println!("tickets   quanta   increments   share of the increments");
    for (n, tickets) in TICKETS.iter().enumerate() {
        let permille = (u64::from(counters[n]) * 1000 / u64::from(all.max(1))) as u32;
        println!("{tickets:>7} {:>8} {:>12} {:>9}.{} %", quanta[n], counters[n], permille / 10, permille % 10);
    }
}

/// The shares must be within one quantum of the tickets' at every point: those of the quanta; and those of the increments, but for a tenth
/// of a quantum, where the clock makes all quanta as long.
fn judge(points: &[(Counters, Counters)]) -> Outcome {
    let (_, end) = points.last().ok_or("nothing was scheduled")?;
    let all: u64 = end.iter().map(|&counter| u64::from(counter)).sum();
    let per_quantum = all / u64::from(QUANTA);
    for (n, (quanta, counters)) in points.iter().enumerate() {
        let scheduled = n as u32 + 1;
        for (i, tickets) in TICKETS.into_iter().enumerate() {
            let due = scheduled * tickets;
            if (quanta[i] * ROUND).abs_diff(due) > ROUND {
                return Err(format!("after {scheduled} quanta, process {i} has had {}", quanta[i]).into());
            }
            if schedule::rate().is_some() {
                continue;
            }
            let expected = u64::from(due) * all / u64::from(QUANTA * ROUND);
            if expected.abs_diff(counters[i].into()) * 10 > per_quantum * 11 {
                return Err(format!("after {scheduled} quanta, counter {i} is {}, not {expected}", counters[i]).into());
            }
        }
    }
    if schedule::rate().is_some() {
        println!("(In real time quanta are of different lengths: the emulator's host has other things to do, too.)");
    }
    println!("The shares of the quanta were within one of 3:2:1 at every point.");
    Ok(())
}
