//! The floating-point unit: its registers are kept by the library, nobody sees another's, and its exceptions are the program's. The program
//! is its own children: the first argument says what it is.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::abi::calls::{NEXT, Number, transfer};
use exos::abi::{Env, Error, Pid};
use exos::exceptions::{Cause, Context, handle, unhandle};
use exos::interrupts::critical;
use exos::process::{self, Process};
use exos::rpc::{self, LongMessage};
use exos::rt::call::with_pointer;
use exos::{Cell, interrupts, machine, schedule};
use exos_checks::feature::{Feature, needs};
use exos_checks::raw::bare::{Alive, MASK, PARTNER, Pages, SEEN, STARTS, free, give_slice, make};
use exos_checks::raw::bare::{FAILED, GIVEN, until_started};
use exos_checks::raw::calls::{address_of, call, context, insert, without_upcalls};
use exos_checks::raw::fp::{self, ACTION, CAUSE, FAULTS, FpRegisters, RECEIVER};
use exos_checks::raw::ticks::turns_to_tick;
use exos_checks::raw::transfers;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

/// This program's name in the archive.
const SELF: &str = "fpu";

fn main() -> i32 {
    match exos::args().nth(1) {
        Some("server") => server(),
        Some("compute") => compute(),
        _ => tap::run(&[
            ("it computes", computes),
            ("it is empty at first", empty),
            ("registers survive ticks, while others compute", ticks),
            ("registers survive that the kernel switches by hand", cuts),
            ("registers survive that the processor is given up, or not", yields),
            ("registers survive calls of a server that uses the unit", calls),
            ("a secret does not survive a tick", || spied(Switch::Tick)),
            ("a secret does not survive a yield to the spy", || spied(Switch::Yield)),
            ("a secret does not survive a yield to whoever is next", || spied(Switch::Next)),
            ("a secret does not survive a donation", || spied(Switch::Donate)),
            ("a secret does not survive its owner", || spied(Switch::Die)),
            ("a secret does not go along with a synchronous transfer", || spied(Switch::Synchronous)),
            ("a secret does not go along with an asynchronous transfer", || spied(Switch::Asynchronous)),
            ("an heir of the number finds nothing", heir),
            ("exceptions come to the program", exceptions),
            ("exceptions come to a program without the library", bare_exceptions),
            ("a transfer after e_set takes nothing along", transfers_after_e_set),
        ]),
    }
}

/// What is in the registers, different by `seed`. The control register has flags, and what rounds.
fn pattern(seed: u32) -> FpRegisters {
    core::array::from_fn(|n| match n {
        32 => seed & 3 | (seed & 0x1f) << 2 | (seed & 1) << 23,
        n => (seed * 64 + n as u32 + 1).wrapping_mul(0x9e37_79b9) | 1,
    })
}

fn computes() -> Outcome {
    check_eq!(fp::add(1.5, 2.25).to_bits(), 3.75f32.to_bits(), "a sum");
    check_eq!(fp::multiply(1.5, -2.0).to_bits(), (-3.0f32).to_bits(), "a product");
    check_eq!(fp::divide(1.0, 8.0).to_bits(), 0.125f32.to_bits(), "a quotient");
    check_eq!(fp::multiply_double(1e100, 0.5).to_bits(), 5e99f64.to_bits(), "a product of double precision");
    Ok(())
}

/// A child of its own, which has not used the unit, finds nothing in it: it is what [`compute`] checks first.
fn empty() -> Outcome {
    fp::load(&pattern(5));
    let child = get!(process::spawn(SELF, &["compute", "0"]));
    check_eq!(child.wait(), process::End::Exited(0), "a process that finds nothing in the registers");
    check_eq!(fp::store(), pattern(5), "the registers meanwhile");
    // The first use in a delay slot.
    schedule::yield_now();
    check_eq!(fp::in_delay_slot(77), 2, "where the branch goes");
    check_eq!(fp::store()[0], 77, "the register loaded in its delay slot");
    Ok(())
}

/// How often slices end meanwhile, and how many turns of a loop that may take.
const ROUNDS: u32 = 60;
const MOST_TURNS: u32 = 100_000;

/// Keeps patterns in the registers until its slices have ended `rounds` times. The turn that found others, and these.
fn keep(seed: u32, rounds: u32) -> Option<(u32, FpRegisters)> {
    let end = interrupts::slices_ended().wrapping_add(rounds);
    let mut turn = seed;
    while interrupts::slices_ended() != end {
        turn += 1;
        if turn - seed > MOST_TURNS {
            return Some((turn, [NOTHING; 33]));
        }
        fp::load(&pattern(turn));
        // Sometimes all that is between is what the compiler makes.
        for n in 0..turn % 64 {
            core::hint::black_box(n);
        }
        let found = fp::store();
        if found != pattern(turn) {
            return Some((turn, found));
        }
        if fp::add(turn as f32, 0.5) != turn as f32 + 0.5 {
            return Some((turn, [0; 33]));
        }
    }
    None
}

/// A process that computes while others do. Its exit status says what was wrong.
fn compute() -> i32 {
    let Some(rounds) = exos::args().nth(2).and_then(|word| word.parse().ok()) else { return 1 };
    if fp::store() != [0; 33] {
        return 2;
    }
    match keep(0x10_0000, rounds) {
        None => 0,
        Some(_) => 3,
    }
}

/// A bare environment that fills the registers whenever it starts.
fn wrecker(pages: &Pages) -> Result<Pid, Error> {
    give(pages, 99);
    pages.store(MASK, u32::MAX);
    make(&fp::secret(pages))
}

/// Puts a secret where the environment loads it from.
fn give(pages: &Pages, seed: u32) {
    for (n, word) in (0..).zip(pattern(seed)) {
        pages.store(GIVEN + 4 * n, word);
    }
}

fn ticks() -> Outcome {
    let pages = get!(fp::pages());
    let wrecker = Alive(get!(wrecker(&pages)));
    get!(give_slice(wrecker.0, 20));
    let child = get!(process::spawn(SELF, &["compute", "30"]));
    check_eq!(keep(0, ROUNDS), None, "the registers, and the turn in which they were lost");
    check_eq!(child.wait(), process::End::Exited(0), "the other process");
    check!(pages.load(STARTS) > ROUNDS / 2, "the third has started {} times only", pages.load(STARTS));
    check_eq!(pages.load(FAULTS), 0, "its exceptions");
    Ok(())
}

/// In a critical section the program does not give up the processor, so the kernel takes it.
fn cuts() -> Outcome {
    let pages = get!(fp::pages());
    let wrecker = Alive(get!(wrecker(&pages)));
    get!(give_slice(wrecker.0, 20));
    let (before, starts) = (interrupts::cuts(), pages.load(STARTS));
    for round in 0..20 {
        let (cut, found) = critical(|| {
            fp::load(&pattern(round));
            let end = interrupts::cuts().wrapping_add(1);
            let mut turns = 0;
            while interrupts::cuts() != end && turns < MOST_TURNS {
                turns += 1;
            }
            (interrupts::cuts() == end, fp::store())
        });
        check!(cut, "the processor was not taken in round {round}");
        check_eq!(found, pattern(round), "the registers in round {round}");
    }
    check_eq!(interrupts::cuts().wrapping_sub(before), 20, "cuts");
    check!(pages.load(STARTS) - starts >= 15, "the other has started {} times only", pages.load(STARTS) - starts);
    Ok(())
}

fn yields() -> Outcome {
    let pages = get!(fp::pages());
    let wrecker = Alive(get!(wrecker(&pages)));
    pages.store(ACTION, Number::r#yield as u32);
    let stale = {
        let pid = get!(make(&Env::EMPTY));
        get!(free(pid));
        pid
    };
    for turn in 0..20 {
        fp::load(&pattern(turn));
        get!(schedule::yield_to(wrecker.0));
        check_eq!(fp::store(), pattern(turn), "after a yield to another in turn {turn}");
        // Refused: the unit stays on, and what is changed then must be kept as well.
        check_eq!(schedule::yield_to(stale), Err(Error::NoSuchEnvironment), "a yield to nobody");
        check_eq!(fp::store(), pattern(turn), "after a yield that was refused in turn {turn}");
        check_eq!(schedule::yield_to(stale), Err(Error::NoSuchEnvironment), "a yield to nobody");
        fp::load(&pattern(turn + 100));
        get!(schedule::yield_to(wrecker.0));
        check_eq!(fp::store(), pattern(turn + 100), "what was changed after a yield that was refused in turn {turn}");
        // So is a transfer.
        check_eq!(rpc::send(stale, [0; 4]), Err(rpc::Failure::Kernel(Error::NoSuchEnvironment)), "a message to nobody");
        fp::load(&pattern(turn + 200));
        get!(schedule::yield_to(wrecker.0));
        check_eq!(
            fp::store(),
            pattern(turn + 200),
            "what was changed after a transfer that was refused in turn {turn}"
        );
        // In a critical section, in which the unit is turned on.
        critical(|| fp::load(&pattern(turn + 300)));
        check_eq!(fp::store(), pattern(turn + 300), "what was loaded in a critical section in turn {turn}");
    }
    // Not all: at the end of a slice, a yield is one to whoever is next.
    check!(pages.load(STARTS) >= 50, "the other has started {} times only", pages.load(STARTS));
    Ok(())
}

/// What the server has in its registers when it serves nobody.
const SERVERS: u32 = 0x7_0000;
/// Messages that it has got.
static MESSAGES: Cell<u32> = Cell::new(0);

/// Answers with floating-point operations, and changes all the registers.
fn server() -> i32 {
    extern "C" fn answer(a: u32, b: u32, _: u32, _: u32, _: Pid) -> u64 {
        let sum = fp::add(f32::from_bits(a), f32::from_bits(b));
        fp::load(&pattern(SERVERS));
        u64::from(sum.to_bits()) | u64::from(MESSAGES.get()) << 32
    }
    extern "C" fn long(message: &mut LongMessage, _: Pid) {
        message.0[2] = fp::multiply(f32::from_bits(message.0[0]), f32::from_bits(message.0[1])).to_bits();
        fp::load(&pattern(SERVERS));
    }
    extern "C" fn message(a: u32, _: u32, _: u32, _: u32, _: Pid) {
        fp::load(&pattern(SERVERS));
        MESSAGES.set(MESSAGES.get() + a);
    }
    // Short requests last: the parent tries them.
    if rpc::serve_long(long).is_err() || rpc::serve_messages(message).is_err() || rpc::serve(answer).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
        // Whoever came meanwhile left the registers so; and they are not lost by what this program does itself.
        let found = fp::store();
        if found != [0; 33] && found != pattern(SERVERS) {
            return 2;
        }
    }
}

fn started_server() -> Result<Process, alloc::string::String> {
    let server = get!(process::spawn(SELF, &["server"]));
    for _ in 0..1000 {
        if rpc::short(server.pid(), [0; 4]).is_ok() {
            return Ok(server);
        }
        get!(schedule::yield_to(server.pid()));
    }
    Err("the server does not answer".into())
}

fn calls() -> Outcome {
    let server = started_server()?;
    let (a, b) = (2.5f32.to_bits(), 4f32.to_bits());
    let mut sent = 0;
    for turn in 0..40 {
        fp::load(&pattern(turn));
        let ask = |trusted| loop {
            let answer = if trusted { rpc::trusted } else { rpc::short }(server.pid(), [a, b, 0, 0]);
            match answer {
                Err(rpc::Failure::Busy) => schedule::yield_to(server.pid()).map_err(rpc::Failure::Kernel)?,
                answer => break answer,
            }
        };
        check_eq!(get!(ask(false))[0], 6.5f32.to_bits(), "a short call in turn {turn}");
        check_eq!(fp::store(), pattern(turn), "after a short call in turn {turn}");
        check_eq!(get!(ask(true))[0], 6.5f32.to_bits(), "a trusted call in turn {turn}");
        check_eq!(fp::store(), pattern(turn), "after a trusted call in turn {turn}");
        let mut message = LongMessage::default();
        (message.0[0], message.0[1]) = (a, b);
        while let Err(error) = rpc::call(server.pid(), &mut message) {
            check_eq!(error, rpc::Failure::Busy, "a long call");
            get!(schedule::yield_to(server.pid()));
        }
        check_eq!(message.0[2], 10f32.to_bits(), "a long call in turn {turn}");
        check_eq!(fp::store(), pattern(turn), "after a long call in turn {turn}");
        while let Err(error) = rpc::send(server.pid(), [1, 0, 0, 0]) {
            check_eq!(error, rpc::Failure::Busy, "a message");
            get!(schedule::yield_to(server.pid()));
        }
        sent += 1;
        check_eq!(fp::store(), pattern(turn), "after a message in turn {turn}");
        // The end of a slice may have come in its handler.
        let mut arrived = get!(ask(false))[1];
        for _ in 0..10 {
            if arrived != sent {
                get!(schedule::yield_to(server.pid()));
                arrived = get!(ask(false))[1];
            }
        }
        check_eq!(arrived, sent, "messages that have arrived");
        // None of these is a call: the unit is on throughout.
        check_eq!(fp::store(), pattern(turn), "after all in turn {turn}");
    }
    Ok(())
}

/// How the processor goes from the secret's environment to the spy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Switch {
    Tick,
    Yield,
    Next,
    Donate,
    Die,
    Synchronous,
    Asynchronous,
}

impl Switch {
    /// The number of the call that does it.
    fn action(self) -> u32 {
        match self {
            Switch::Tick => 0,
            Switch::Yield | Switch::Next => Number::r#yield as u32,
            Switch::Donate => Number::donate as u32,
            Switch::Die => Number::e_free as u32,
            Switch::Synchronous => transfer::SYNCHRONOUS,
            Switch::Asynchronous => transfer::ASYNCHRONOUS,
        }
    }
}

const SLICES: [u32; 2] = [1, 2];
/// What stands where the spy will note something.
const NOTHING: u32 = 0xdead_0001;

/// The spy must have had one exception at its first floating-point instruction, and found nothing.
fn check_spy(pages: &Pages, starts: u32) -> Outcome {
    check_eq!(pages.load(STARTS), starts, "starts of the spy");
    check_eq!(pages.load(FAILED), 0, "error of its call");
    check_eq!(pages.load(FAULTS), starts, "its exceptions");
    check_eq!(pages.load(CAUSE) >> 2 & 31, Cause::Coprocessor as u32, "what they were");
    check_eq!(pages.load(CAUSE) >> 28 & 3, 1, "the coprocessor that it could not use");
    for n in 0..33 {
        check_eq!(pages.load(SEEN + 4 * n), 0, "register {n} as the spy sees it");
    }
    Ok(())
}

/// The pages of a spy that yields to whoever is next.
fn spys_pages() -> Result<Pages, Error> {
    let pages = fp::pages()?;
    for n in 0..33 {
        pages.store(SEEN + 4 * n, NOTHING);
    }
    pages.store(MASK, u32::MAX);
    pages.store(ACTION, Number::r#yield as u32);
    pages.store(PARTNER, NEXT.0);
    Ok(pages)
}

fn spy() -> Result<(Pages, Alive), Error> {
    let pages = spys_pages()?;
    let spy = make(&fp::look(&pages))?;
    Ok((pages, Alive(spy)))
}

/// The number that one environment has after the other.
const NUMBER: u32 = 63;

fn make_as(number: u32, env: &Env) -> Result<Pid, Error> {
    with_pointer(env, |_| call(Number::e_alloc, [number, address_of(env), 0, 0]).map(Pid))
}

/// Lets the spy run once. Then its pages are bound, and it is reached without the kernel's Rust code, which would turn the unit off.
fn warm_up(seen: &Pages, spy: Pid) -> Outcome {
    get!(until_started(spy, || schedule::yield_to(spy)));
    check_spy(seen, 1)?;
    for n in 0..33 {
        seen.store(SEEN + 4 * n, NOTHING);
    }
    seen.store(MASK, u32::MAX);
    Ok(())
}

fn spied(switch: Switch) -> Outcome {
    for round in 0..4 {
        let (seen, spy) = get!(spy());
        warm_up(&seen, spy.0)?;
        let pages = get!(fp::pages());
        give(&pages, 1000 + round);
        pages.store(MASK, u32::MAX);
        let keeper = Alive(get!(make(&fp::secret(&pages))));
        // So that it may give it a slice.
        get!(call(Number::e_add, [keeper.0.0, spy.0.0, 0, 0]));
        pages.store(ACTION, switch.action());
        pages.store(RECEIVER, spy.0.0);
        let partner = match switch {
            Switch::Die => keeper.0,
            Switch::Next => NEXT,
            _ => spy.0,
        };
        pages.store(PARTNER, partner.0);
        turns_to_tick(u32::MAX);
        get!(without_upcalls(|| {
            give_slice(keeper.0, SLICES[0])?;
            if matches!(switch, Switch::Tick | Switch::Next | Switch::Die) {
                give_slice(spy.0, SLICES[1])?;
            }
            schedule::yield_now();
            for slice in SLICES {
                let _ = call(Number::s_free, [slice, 0, 0, 0]);
            }
            Ok::<(), Error>(())
        }));
        check_eq!(pages.load(STARTS), 1, "starts of the secret's environment");
        check_eq!(pages.load(FAULTS), 0, "its exceptions");
        check_spy(&seen, 2)?;
    }
    Ok(())
}

fn heir() -> Outcome {
    let pages = get!(fp::pages());
    give(&pages, 2000);
    pages.store(ACTION, Number::r#yield as u32);
    let keeper = get!(make_as(NUMBER, &fp::secret(&pages)));
    // At the end of a slice the yield is to somebody else.
    get!(until_started(keeper, || schedule::yield_to(keeper)));
    check_eq!(pages.load(STARTS), 1, "starts of the secret's environment");
    get!(free(keeper));
    let seen = get!(spys_pages());
    let spy = Alive(get!(make_as(NUMBER, &fp::look(&seen))));
    get!(until_started(spy.0, || schedule::yield_to(spy.0)));
    check_spy(&seen, 1)
}

/// The last exception's code, and how many there were.
static CAUGHT: [Cell<u32>; 2] = [const { Cell::new(0) }; 2];

fn note(context: &mut Context) {
    CAUGHT[0].set(context.code());
    CAUGHT[1].set(CAUGHT[1].get() + 1);
    context.skip().expect("no delay slot here");
}

fn exceptions() -> Outcome {
    needs(Feature::FloatExceptions)?;
    let raises = |what: &str, body: &dyn Fn()| -> Outcome {
        let before = CAUGHT[1].get();
        body();
        check_eq!(CAUGHT[1].get() - before, 1, "exceptions of {what}");
        check_eq!(CAUGHT[0].get(), Cause::FloatingPoint as u32, "code of {what}");
        Ok(())
    };
    handle(Cause::FloatingPoint, note);
    fp::set_control(0);
    check!(fp::divide(1.0, 0.0).is_infinite(), "a division by zero that is not enabled");
    let enabled = fp::ENABLE_DIVISION | fp::ENABLE_INVALID;
    fp::set_control(enabled);
    raises("a division by zero", &|| _ = fp::divide(1.0, 0.0))?;
    check!(fp::control() & fp::CAUSE_DIVISION != 0, "control register {:#x}", fp::control());
    // The cause and its enable bit are on: the registers are saved and loaded so.
    for _ in 0..3 {
        schedule::yield_now();
        let words = get!(call(Number::fpu, [0; 4]));
        check_eq!((words, fp::control() & enabled), (0, enabled), "what is enabled");
    }
    raises("an invalid operation", &|| _ = fp::divide(0.0, 0.0))?;
    raises("a cause that is set", &|| fp::set_control(enabled | fp::CAUSE_INVALID))?;
    schedule::yield_now();
    raises("an operation that is not implemented", &|| fp::set_control(fp::CAUSE_UNIMPLEMENTED))?;
    // Others find nothing of it.
    let (seen, spy) = get!(spy());
    get!(schedule::yield_to(spy.0));
    check_spy(&seen, 1)?;
    check_eq!(fp::control() & enabled, 0, "what is enabled");
    fp::set_control(0);
    unhandle(Cause::FloatingPoint);
    check_eq!(fp::divide(1.0, 4.0).to_bits(), 0.25f32.to_bits(), "a quotient after all");
    Ok(())
}

fn bare_exceptions() -> Outcome {
    needs(Feature::FloatExceptions)?;
    for control in [fp::CAUSE_UNIMPLEMENTED, fp::CAUSE_INVALID | fp::ENABLE_INVALID] {
        let pages = get!(fp::pages());
        give(&pages, 3000);
        pages.store(GIVEN + 4 * 32, control);
        pages.store(ACTION, Number::r#yield as u32);
        let env = Alive(get!(make(&fp::secret(&pages))));
        get!(schedule::yield_to(env.0));
        check_eq!((pages.load(STARTS), pages.load(FAULTS)), (1, 1), "starts and exceptions");
        check_eq!(pages.load(CAUSE) >> 2 & 31, Cause::FloatingPoint as u32, "what they were");
        let (seen, spy) = get!(spy());
        get!(schedule::yield_to(spy.0));
        check_spy(&seen, 1)?;
    }
    Ok(())
}

/// This program transfers by itself, past the library, with the unit on and its context replaced meanwhile.
fn transfers_after_e_set() -> Outcome {
    get!(transfers::open_gate());
    for round in 0..4 {
        for synchronous in [true, false] {
            let (seen, spy) = get!(spy());
            warm_up(&seen, spy.0)?;
            seen.store(ACTION, transfer::SYNCHRONOUS);
            let env = alloc::boxed::Box::new(context());
            let start = address_of(&*env);
            check!(insert(start) && insert(start + size_of::<Env>() as u32 - 1), "the context cannot be inserted");
            fp::load(&pattern(4000 + round));
            check_eq!(call(Number::e_set, [start, 0, 0, 0]), Ok(0), "e_set with the program's own context");
            check_eq!(fp::store(), pattern(4000 + round), "the registers after e_set");
            get!(transfers::transfer(synchronous, spy.0, &[0; 34]));
            check_spy(&seen, 2)?;
            // The library does not know that the unit is off; it learns it here, and the registers are those that it saved last.
            check_eq!(call(Number::fpu, [2, 0, 0, 0]), Err(Error::BadStatus), "another flag");
            fp::load(&[0; 33]);
        }
    }
    check!(machine::args().next().is_some(), "the program goes on");
    Ok(())
}
