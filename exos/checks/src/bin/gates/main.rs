//! Calls, while others do what they can at the caller's gates: messages, forged answers and
//! refusals, at every moment, from programs with the library and from bare environments. The program
//! is its own children too: the first argument says so.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod children;
mod hidden;

use alloc::format;
use alloc::vec::Vec;
use exos::abi::Pid;
use exos::abi::calls::ANY;
use exos::abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use exos::exposed::Tables;
use exos::process::{self, End, Process};
use exos::rpc::{self, Failure, Kind, LongMessage};
use exos::{Cell, machine, schedule};
use exos_checks::raw::bare::{Alive, COUNT, Entries, Entry, FAILED, FROM, GIVEN, PARTNER, Pages, STARTS, give_slice};
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// This program's name in the archive.
const SELF: &str = "gates";

fn main() -> i32 {
    if let Some(role) = exos::args().nth(1) {
        return children::main(role);
    }
    tap::run(&[
        ("calls have their answers while messages and forged answers arrive", calls),
        ("a handler of messages makes calls", handler_that_calls),
        ("messages are handled one at a time, however many come", many_messages),
        ("a stranger's slice in the middle of a call goes back", slices_stay),
        ("an untrusted callee sees the message, and nothing else", hidden::calls),
        ("the receiver of a message sees it, and nothing else", hidden::messages),
    ])
}

/// Instructions of a slice, nearly, in turns of [`spin`].
const SLICE: u32 = 16_400 / TURN;
/// Instructions of a turn.
const TURN: u32 = 2;

/// Does nothing for some turns.
fn spin(turns: u32) {
    (0..turns).for_each(|turn| {
        core::hint::black_box(turn);
    });
}

fn spawn(arguments: &[&str]) -> Result<Process, process::SpawnError> {
    process::spawn(SELF, arguments)
}

/// A server without a slice: it has that of its clients.
fn server() -> Result<Process, alloc::string::String> {
    let server = get!(process::spawn_without_slice(SELF, &["server"]));
    for _ in 0..1000 {
        if rpc::short(server.pid(), [1, 2, 0, 0]) == Ok([3, children::MARK]) {
            return Ok(server);
        }
        get!(schedule::yield_to(server.pid()));
    }
    Err("the server does not answer".into())
}

/// Messages that were handled, how long each takes, and what went wrong in that.
static HANDLED: Cell<u32> = Cell::new(0);
static LENGTH: Cell<u32> = Cell::new(0);
static DEPTH: Cell<u32> = Cell::new(0);
static WRONG: Cell<u32> = Cell::new(0);
/// Whom the handler calls, if anybody.
static CALLEE: Cell<u32> = Cell::new(0);

extern "C" fn handle(a: u32, b: u32, c: u32, d: u32, _: Pid) {
    HANDLED.set(HANDLED.get() + 1);
    DEPTH.set(DEPTH.get() + 1);
    let mut wrong = DEPTH.get() != 1 || [a, b, c, d] != children::WORDS;
    if CALLEE.get() != 0 {
        let n = HANDLED.get();
        wrong |= rpc::short(Pid(CALLEE.get()), [n, 1, LENGTH.get(), 0]) != Ok([n + 1, children::MARK]);
    }
    spin(LENGTH.get());
    DEPTH.set(DEPTH.get() - 1);
    WRONG.set(WRONG.get() + u32::from(wrong));
}

fn handle_messages(length: u32, callee: u32) -> Outcome {
    for cell in [&HANDLED, &DEPTH, &WRONG] {
        cell.set(0);
    }
    LENGTH.set(length);
    CALLEE.set(callee);
    get!(rpc::serve_messages(handle));
    Ok(())
}

/// A bare environment with a slice, which makes a transfer to this one whenever it begins. Where it
/// has no gate, nothing can be sent back to it.
fn intruder(number: u32, kind: u32, gate: Option<Entry>) -> Result<(Pages, Alive), alloc::string::String> {
    let pages = get!(Pages::new());
    for n in 0..34 {
        pages.store(GIVEN + 4 * n, 0x0bad_0000 | n);
    }
    pages.store(GIVEN + 4 * 2, number);
    pages.store(GIVEN + 4 * 24, kind);
    pages.store(PARTNER, machine::pid().0);
    let begin = Some(Entry::Intrude);
    let entries = Entries { init: begin, pro: begin, epi: Some(Entry::Leave), gate, agate: gate };
    let pid = get!(pages.start(entries));
    get!(give_slice(pid, ANY));
    Ok((pages, Alive(pid)))
}

/// One that yields later and later in the tick, so that ticks fall everywhere in what others do.
fn delay() -> Result<(Pages, Alive), alloc::string::String> {
    let pages = get!(Pages::new());
    pages.store(FROM, 16_500);
    let begin = Some(Entry::Delay);
    let entries = Entries { init: begin, pro: begin, epi: Some(Entry::Leave), gate: None, agate: None };
    let pid = get!(pages.start_under(&pages.with_library(entries)));
    get!(give_slice(pid, ANY));
    Ok((pages, Alive(pid)))
}

/// All that is transferred to no purpose.
fn intruders() -> Result<Vec<(Pages, Alive)>, alloc::string::String> {
    let kinds = [Kind::Answer, Kind::Refusal, Kind::Unserved, Kind::Returned, Kind::Message];
    let mut intruders = Vec::new();
    for kind in kinds.map(|kind| kind as u32).into_iter().chain([7, u32::MAX]) {
        intruders.push(intruder(SYNCHRONOUS, kind, Some(Entry::Note))?);
    }
    Ok(intruders)
}

/// The three kinds of calls, of a server that takes so many turns for each.
fn call_all(server: Pid, n: u32, turns: u32) -> Outcome {
    let answer = Ok([n + 5, children::MARK]);
    check_eq!(rpc::trusted(server, [n, 5, turns, 0]), answer, "trusted call {n}");
    check_eq!(rpc::short(server, [n, 5, turns, 0]), answer, "untrusted call {n}");
    let mut message = LongMessage(core::array::from_fn(|i| n ^ i as u32));
    message.0[0] = turns;
    check_eq!(rpc::call(server, &mut message), Ok(()), "long call {n}");
    check!((1..20).all(|i| message.0[i] == !(n ^ i as u32)), "long answer {n}: {message:x?}");
    Ok(())
}

/// Rounds of calls: how long the server takes, and how long this program waits between them, goes
/// through a slice in uneven steps.
const ROUNDS: u32 = 300;

fn calls() -> Outcome {
    handle_messages(0, 0)?;
    let server = server()?;
    let own = format!("{}", machine::pid().0);
    let sender = get!(spawn(&["sender", &own]));
    let _delay = delay()?;
    let intruders = intruders()?;
    for n in 0..ROUNDS {
        LENGTH.set(n * 211 % (SLICE / 2));
        call_all(server.pid(), n, n * 37 % (SLICE / 3))?;
        // Calls one behind the other, for ticks to fall between any two of their instructions.
        for m in 0..n % 8 {
            call_all(server.pid(), n + m, 0)?;
        }
        spin(n * 53 % SLICE);
        check_eq!(WRONG.get(), 0, "messages that were handled wrongly, after round {n}");
    }
    let returned: u32 = intruders.iter().map(|(pages, _)| pages.load(STARTS)).sum();
    let tried: u32 = intruders.iter().map(|(pages, _)| pages.load(COUNT)).sum();
    exos::println!("# {} messages handled, {tried} intrusions, {returned} came back", HANDLED.get());
    check!(HANDLED.get() > 5, "{} messages were handled", HANDLED.get());
    check!(tried > 100 && returned > 50, "{returned} of {tried} intrusions came back");
    drop(sender);
    Ok(())
}

fn handler_that_calls() -> Outcome {
    let (server, other) = (server()?, server()?);
    let own = format!("{}", machine::pid().0);
    let sender = get!(spawn(&["sender", &own]));
    handle_messages(SLICE / 2, other.pid().0)?;
    for n in 0..100 {
        call_all(server.pid(), n, n * 37 % SLICE)?;
        spin(n * 53 % SLICE);
        check_eq!(WRONG.get(), 0, "messages that were handled wrongly, after round {n}");
    }
    check!(HANDLED.get() > 5, "{} messages were handled", HANDLED.get());
    drop(sender);
    Ok(())
}

/// Messages that are sent, more than would fit on the exception stack.
const MESSAGES: u32 = 150;

fn many_messages() -> Outcome {
    handle_messages(3 * SLICE / 2, 0)?;
    let own = format!("{}", machine::pid().0);
    let senders: Vec<Process> =
        [get!(spawn(&["sender", &own, "150"])), get!(spawn(&["sender", &own, "150"]))].into_iter().collect();
    let mut taken = 0;
    for sender in senders {
        match sender.wait() {
            End::Exited(count) => taken += count as u32,
            end => return Err(format!("a sender's end: {end:?}").into()),
        }
    }
    exos::println!("# {taken} of {} messages were taken", 2 * MESSAGES);
    check_eq!(HANDLED.get(), taken, "messages handled, of those that were taken");
    check_eq!(WRONG.get(), 0, "messages that were handled wrongly");
    check!(taken > 10 && taken < 2 * MESSAGES, "{taken} messages were taken");
    Ok(())
}

fn slices_stay() -> Outcome {
    let server = server()?;
    let tables = get!(Tables::map());
    // With what is this environment's own: its first slice.
    let holder = || tables.slices.get(0).holder;
    check_eq!(holder(), 0, "who has this environment's slice");
    let asynchronous = [(ASYNCHRONOUS, 2)];
    let synchronous = [3, 4, 5, 6, 2, u32::MAX].map(|kind| (SYNCHRONOUS, kind));
    handle_messages(10, 0)?;
    for (number, kind) in asynchronous.into_iter().chain(synchronous) {
        let (pages, intruder) = intruder(number, kind, Some(Entry::Note))?;
        for n in 0..10 {
            let answer = rpc::short(server.pid(), [n, 1, 2 * SLICE, 0]);
            check_eq!(answer, Ok([n + 1, children::MARK]), "call {n} among transfers of kind {kind:#x}");
            check_eq!(holder(), 0, "who has this environment's slice after call {n} among those of kind {kind:#x}");
        }
        check!(pages.load(COUNT) > 5, "the intruder came {} times", pages.load(COUNT));
        check_eq!(pages.load(FAILED), 0, "why the intruder was refused");
        drop(intruder);
        schedule::yield_now();
    }
    // A caller that is refused is told so.
    check_eq!(rpc::send(server.pid(), [0; 4]), Err(Failure::Unserved), "a message to who takes none");
    Ok(())
}
