//! The end of environments: it leaves nothing behind, and whoever waits for a dead one is told. The program is its own children: the
//! first argument says what it is.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number, READ};
use exos::abi::limits::{ENVS, SLICES};
use exos::abi::{Error, Pid};
use exos::process::{self, End};
use exos::rpc::{self, Failure};
use exos::{Cell, machine, println, schedule};
use exos_checks::raw::bare::{
    Alive, COUNT, ENDED, Entries, Entry, FAILED, LIMIT, MASK, PARTNER, Pages, SLOT, STARTS, free, give_slice, make,
};
use exos_checks::raw::calls::call;
use exos_checks::raw::ticks::turns_to_tick;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// This program's name in the archive.
const SELF: &str = "environments";

fn main() -> i32 {
    match exos::args().nth(1) {
        None => tap::run(&[
            ("10,000 environments made and destroyed leave nothing behind", many),
            ("a child destroyed at every point of a ping-pong leaves its partner with an error", killed),
            ("a server that destroys itself while it serves leaves its client with an error", suicide),
            ("a server that dies by an exception leaves its client with an error", crash),
            ("an orphan dies with its parent, unless it has a reference to itself", orphans),
        ]),
        Some("parent") => parent(),
        Some("child") => child(false),
        Some("survivor") => child(true),
        Some(_) => 1,
    }
}

/// What is free of the kernel's resources: frames, slices, environments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Free {
    frames: usize,
    slices: usize,
    environments: usize,
}

impl Free {
    /// Takes all, and gives it back.
    fn count() -> Result<Free, String> {
        let pages = get!(Pages::new());
        let env = pages.env(Entries::default());
        let mut environments: Vec<Pid> = Vec::with_capacity(ENVS);
        let refusal = loop {
            match make(&env) {
                Ok(pid) => environments.push(pid),
                Err(error) => break error,
            }
        };
        check_eq!(refusal, Error::NoAllowance, "one environment too many");
        for &pid in &environments {
            get!(free(pid));
        }
        let mut slices: Vec<u32> = Vec::with_capacity(SLICES);
        let refusal = loop {
            match give_slice(machine::pid(), ANY) {
                Ok(slice) => slices.push(slice),
                Err(error) => break error,
            }
        };
        check_eq!(refusal, Error::SliceTaken, "one slice too many");
        for &slice in &slices {
            get!(call(Number::s_free, [slice, 0, 0, 0]));
        }
        // An owner may not change its own rights so; of a frame that is free, that is said first.
        let probe = |frame: u32| call(Number::p_add, [READ, machine::pid().0, frame, 0]);
        let frames = (0..machine::info().frames).filter(|&frame| probe(frame) == Err(Error::FrameFree)).count();
        Ok(Free { frames, slices: slices.len(), environments: environments.len() })
    }
}

/// Environments made in all.
const MANY: u32 = 10_000;

fn many() -> Outcome {
    let pages = get!(Pages::new());
    let look = Some(Entry::Look);
    let entries = Entries { init: look, pro: look, ..Entries::default() };
    Free::count()?;
    let before = Free::count()?;
    let mut last = Pid(0);
    for n in 0..MANY {
        let pid = get!(pages.start(entries));
        check!(pid != last, "the name {pid:x?} again, after {n} environments");
        last = pid;
        get!(give_slice(pid, ANY));
        if n % 100 == 0 {
            let starts = pages.load(STARTS);
            get!(schedule::yield_to(pid));
            check!(pages.load(STARTS) > starts, "environment {n} has not run");
        }
        get!(free(pid));
        check_eq!(free(pid), Err(Error::NoSuchEnvironment), "environment {n} destroyed twice");
    }
    check_eq!(Free::count()?, before, "what is free");
    Ok(())
}

/// A server with ping-pong's gate, which survives the ends of slices.
fn server(pages: &Pages) -> Result<Alive, Error> {
    let server = Alive(pages.start(Entries {
        init: Some(Entry::Leave),
        pro: Some(Entry::Prologue),
        epi: Some(Entry::Epilogue),
        gate: Some(Entry::Pong),
        ..Entries::default()
    })?);
    // Whoever has never started does not go on at the prologue.
    schedule::yield_to(server.0)?;
    for word in [COUNT, LIMIT, FAILED, ENDED] {
        pages.store(word, 0);
    }
    // It may have been told that time is up already.
    pages.store(MASK, u32::MAX);
    Ok(server)
}

/// Calls the server until that fails: how many answers came, and why there are no more.
fn ping(server: Pid) -> Result<(u32, Failure), String> {
    for n in 0..100_000u32 {
        match rpc::short(server, [n.wrapping_mul(0x0101_0107), !n, n, 7]) {
            Ok(answer) => check_eq!(answer, [n.wrapping_mul(0x0101_0107) + 1, !n], "answer {n}"),
            Err(failure) => return Ok((n, failure)),
        }
    }
    Err("the server lives for ever".into())
}

const GONE: Failure = Failure::Kernel(Error::NoSuchEnvironment);

/// Deaths, each at another point of the ping-pong.
const PHASES: u32 = 1_200;
/// How often either side is to have had the slice.
const ENOUGH: u32 = 20;

fn killed() -> Outcome {
    let (server_pages, killer_pages) = (get!(Pages::new()), get!(Pages::new()));
    let killer_entries = Entries {
        init: Some(Entry::Killer),
        pro: Some(Entry::Prologue),
        epi: Some(Entry::Epilogue),
        ..Entries::default()
    };
    let (mut with_client, mut with_server, mut unanswered) = (0, 0, 0);
    let mut places = BTreeSet::new();
    for phase in 0..PHASES {
        let server = get!(server(&server_pages));
        killer_pages.store(FAILED, u32::MAX);
        killer_pages.store(COUNT, 0);
        killer_pages.store(PARTNER, server.0.0);
        // Every fourth needs a slice or more of its own before it kills.
        killer_pages.store(LIMIT, if phase % 4 == 0 { 40 * phase } else { phase });
        let killer = Alive(get!(killer_pages.start(killer_entries)));
        get!(call(Number::e_add, [killer.0.0, server.0.0, 0, 0]));
        // The ping-pong begins at another place of the slice each time.
        turns_to_tick(u32::MAX);
        get!(give_slice(killer.0, ANY));
        for n in 0..phase {
            core::hint::black_box(n);
        }
        let (answers, failure) = ping(server.0)?;
        check_eq!(failure, GONE, "phase {phase}, after {answers} answers");
        check_eq!(rpc::short(server.0, [0; 4]), Err(GONE), "another call in phase {phase}");
        // The slice may be over by the time that the kernel is done.
        for _ in 0..100 {
            if killer_pages.load(COUNT) == 0 {
                schedule::yield_now();
            }
        }
        check_eq!([COUNT, FAILED].map(|word| killer_pages.load(word)), [1, 0], "what the killer did in phase {phase}");
        // Who had the slice was told that it was over, and has not started again since.
        let requests = server_pages.load(COUNT);
        if server_pages.load(ENDED) != 0 {
            with_server += 1;
            unanswered += u32::from(requests == answers + 1);
            places.insert(server_pages.load(SLOT));
            check!(requests == answers || requests == answers + 1, "{requests} requests, {answers} answers");
        } else {
            with_client += 1;
            check_eq!(requests, answers, "requests in phase {phase}");
        }
        check_eq!(server_pages.load(FAILED), 0, "transfers refused to the server in phase {phase}");
        check_eq!(free(server.0), Err(Error::NoSuchEnvironment), "the server's end in phase {phase}");
    }
    println!(
        "# destroyed with the slice {with_server} times, at {} places, {unanswered} of them after the request was counted; \
         {with_client} times while its client had it",
        places.len()
    );
    check!(with_server >= ENOUGH && with_client >= ENOUGH, "too few deaths in one place");
    check!(places.len() >= 6, "too few places in the server's gate, which has eight");
    check!(unanswered > 0 && unanswered < with_server, "too few deaths in one half of the server");
    Ok(())
}

fn suicide() -> Outcome {
    let pages = get!(Pages::new());
    for last in 1..=200 {
        let server = get!(server(&pages));
        pages.store(LIMIT, last);
        pages.store(PARTNER, server.0.0);
        check_eq!(ping(server.0)?, (last - 1, GONE), "answers, and the end, of a server that dies at request {last}");
        check_eq!(pages.load(COUNT), last, "requests");
        check_eq!(free(server.0), Err(Error::NoSuchEnvironment), "its end");
    }
    Ok(())
}

fn crash() -> Outcome {
    let pages = get!(Pages::new());
    for _ in 0..10 {
        // Behind this gate there is a breakpoint, which nobody handles.
        let mut env = pages.env(Entries { init: Some(Entry::Leave), gate: Some(Entry::Look), ..Entries::default() });
        env.xh.fill(0);
        let server = Alive(get!(make(&env)));
        get!(schedule::yield_to(server.0));
        check_eq!(rpc::short(server.0, [1, 2, 3, 4]), Err(GONE), "the answer");
        check_eq!(free(server.0), Err(Error::NoSuchEnvironment), "its end");
    }
    Ok(())
}

/// The names of a parent's children.
static CHILDREN: [Cell<u32>; 2] = [const { Cell::new(0) }; 2];
const MORTAL: usize = 0;
const SURVIVOR: usize = 1;

/// Makes two children, and tells their names to whoever asks; for ever.
fn parent() -> i32 {
    extern "C" fn name(child: u32, _: u32, _: u32, _: u32, _: Pid) -> u64 {
        CHILDREN.get(child as usize).map_or(0, |child| u64::from(child.get()))
    }
    let Ok(mortal) = process::spawn(SELF, &["child"]) else { return 1 };
    let Ok(survivor) = process::spawn(SELF, &["survivor"]) else { return 1 };
    CHILDREN[MORTAL].set(mortal.pid().0);
    CHILDREN[SURVIVOR].set(survivor.pid().0);
    serve(name)
}

/// Serves for ever. A survivor takes a reference to itself first.
fn child(survives: bool) -> i32 {
    extern "C" fn end_or_not(end: u32, _: u32, _: u32, _: u32, _: Pid) -> u64 {
        if end != 0 {
            exos::exit(0)
        }
        1
    }
    if survives && call(Number::e_ref, [machine::pid().0, 0, 0, 0]).is_err() {
        return 1;
    }
    serve(end_or_not)
}

fn serve(server: rpc::ShortServer) -> i32 {
    match rpc::serve(server) {
        Ok(()) => loop {
            schedule::yield_now();
        },
        Err(_) => 1,
    }
}

/// The answer of a process, which may have to open its gate first.
fn ask(pid: Pid, word: u32) -> Result<u32, String> {
    for _ in 0..1000 {
        match rpc::short(pid, [word, 0, 0, 0]) {
            Ok([answer, _]) => return Ok(answer),
            Err(Failure::Kernel(Error::NoGate) | Failure::Busy) => get!(schedule::yield_to(pid)),
            Err(failure) => return Err(alloc::format!("no answer: {failure}")),
        }
    }
    Err("no answer".into())
}

/// What a parent may make.
const PARENTS: process::Account = process::Account::Own { environments: 2, slices: 2 };

fn orphans() -> Outcome {
    let mut before = None;
    for _ in 0..3 {
        let parent = get!(process::spawn_with(SELF, &["parent"], PARENTS));
        let mortal = Pid(ask(parent.pid(), MORTAL as u32)?);
        let survivor = Pid(ask(parent.pid(), SURVIVOR as u32)?);
        check_eq!([ask(mortal, 0)?, ask(survivor, 0)?], [1, 1], "answers of the children");
        get!(parent.kill());
        check_eq!(parent.wait(), End::Destroyed, "the parent's end");
        check_eq!(rpc::short(mortal, [0; 4]), Err(GONE), "a call of the orphan");
        check_eq!(ask(survivor, 0)?, 1, "the answer of the survivor");
        check_eq!(rpc::short(survivor, [1, 0, 0, 0]), Err(GONE), "a call at which the survivor ends");
        check_eq!(schedule::yield_to(survivor), Err(Error::NoSuchEnvironment), "the survivor's end");
        drop(parent);
        // What the first round needed for itself, it keeps.
        let now = Free::count()?;
        check_eq!(now, before.unwrap_or(now), "what is free");
        before = Some(now);
    }
    Ok(())
}
