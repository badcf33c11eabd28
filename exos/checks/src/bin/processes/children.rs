//! What the children do.

use core::mem::offset_of;
use exos::abi::calls::{ANY, Number};
use exos::abi::limits::{PAGE_BYTES, SLICES};
use exos::abi::{Error, InterruptQueue, Pid};
use exos::rpc::{self, LongMessage};
use exos::{Cell, interrupts, layout, schedule};
use exos_checks::raw::calls::{call, context, load, store};

/// Requests after which the server ends; 0: it does not.
static LEFT: Cell<u32> = Cell::new(0);
/// Messages that have come.
static MESSAGES: Cell<u32> = Cell::new(0);
/// Slices that the server had given up at their end when it was told of one that it could not give up.
static TOLD: Cell<u32> = Cell::new(0);
/// How many more it had given up when the last request, or message, arrived.
static GIVEN_UP: Cell<u32> = Cell::new(0);

/// The number that an argument is.
fn number(n: usize) -> u32 {
    exos::args().nth(n).and_then(|word| word.parse().ok()).unwrap_or(0)
}

pub fn main(role: &str) -> i32 {
    match role {
        "exit" => number(2) as i32,
        "arguments" => hash(exos::args()),
        "long-server" => long_server(),
        "spin" => loop {
            core::hint::spin_loop();
        },
        "panic" => panic!("this panic is on purpose"),
        "null" => load(8) as i32,
        "server" => server(),
        "null-server" => null_server(),
        "client" => client(Pid(number(2)), number(3)),
        "meddler" => meddler(Pid(number(2)), number(3)),
        _ => 1,
    }
}

/// A number for words: their number, lengths and bytes.
pub fn hash<'a>(words: impl Iterator<Item = &'a str>) -> i32 {
    let add = |hash: u32, n: u32| (hash ^ n).wrapping_mul(0x0100_0193);
    words.fold(0x811c_9dc5, |hash, word| word.bytes().fold(add(hash, word.len() as u32), |hash, n| add(hash, n.into())))
        as i32
}

/// Has another's child run, and gives it all it can, which must be refused: yields and donations with this error.
fn meddler(pid: Pid, error: u32) -> i32 {
    let refused = |number: Number, n: u32| call(number, [pid.0, n, 0, 0]).err();
    let expected = Error::from_code(error);
    if schedule::yield_to(pid).err() != expected || refused(Number::donate, 0) != expected {
        return 1;
    }
    // One of them is its own.
    if !(0..SLICES as u32).all(|n| matches!(refused(Number::s_add, n), Some(Error::SliceFree | Error::NotPermitted))) {
        return 2;
    }
    i32::from(refused(Number::s_alloc, ANY) != Some(Error::NotPermitted)) * 3
}

/// Serves long requests alone.
fn long_server() -> i32 {
    if rpc::serve_long(long).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
    }
}

/// Answers all kinds of requests.
fn server() -> i32 {
    LEFT.set(number(2));
    // That of short requests last: the parent tries it.
    let opened = rpc::serve_long(long).and_then(|()| rpc::serve_messages(message)).and_then(|()| rpc::serve(short));
    match opened {
        Ok(()) => loop {
            schedule::yield_now();
        },
        Err(_) => 1,
    }
}

/// Does as little as it can for each request.
fn null_server() -> i32 {
    extern "C" fn add(a: u32, b: u32, _: u32, _: u32, _: Pid) -> u64 {
        u64::from(a.wrapping_add(b))
    }
    extern "C" fn nothing(_: &mut LongMessage, _: Pid) {}
    if rpc::serve_long(nothing).and_then(|()| rpc::serve(add)).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
    }
}

/// Operations of the server's short requests.
pub const SUM: u32 = 0;
pub const WHO: u32 = 1;
pub const MESSAGES_SO_FAR: u32 = 2;
pub const END: u32 = 3;
pub const CALL_BACK: u32 = 4;
pub const BE_LATE: u32 = 5;
pub const GIVEN_UP_BEFORE: u32 = 6;

/// Lets the slice end while the mask is clear, as it is between requests.
fn be_late() {
    let queue = layout::STATE.start + context().iq % PAGE_BYTES;
    store(queue + offset_of!(InterruptQueue, mask) as u32, 0);
    TOLD.set(interrupts::slices_ended());
    while load(queue + offset_of!(InterruptQueue, ended) as u32) == 0 {}
}

fn arrived() {
    GIVEN_UP.set(interrupts::slices_ended().wrapping_sub(TOLD.get()));
}

extern "C" fn short(operation: u32, a: u32, b: u32, c: u32, caller: Pid) -> u64 {
    let before = GIVEN_UP.get();
    arrived();
    match operation {
        BE_LATE => {
            be_late();
            0
        }
        GIVEN_UP_BEFORE => u64::from(if a == 0 { GIVEN_UP.get() } else { before }),
        SUM => u64::from(a) + u64::from(b) + u64::from(c),
        WHO => u64::from(caller.0) | 1 << 32,
        MESSAGES_SO_FAR => u64::from(MESSAGES.get()),
        END => exos::exit(a as i32),
        // The caller awaits an answer, so it refuses.
        CALL_BACK => u64::from(rpc::short(caller, [0; 4]) == Err(rpc::Failure::Busy)),
        _ => u64::MAX,
    }
}

extern "C" fn long(message: &mut LongMessage, caller: Pid) {
    arrived();
    let LongMessage(words) = message;
    words.reverse();
    words[0] ^= caller.0;
}

extern "C" fn message(a: u32, b: u32, c: u32, d: u32, _caller: Pid) {
    arrived();
    MESSAGES.set(MESSAGES.get() + a + b + c + d);
}

/// Calls a server so many times; its answers must be the sums.
fn client(server: Pid, calls: u32) -> i32 {
    for n in 0..calls {
        match rpc::short(server, [SUM, n, 1, 2]) {
            Ok([sum, 0]) if sum == n + 3 => {}
            Err(rpc::Failure::Busy) => {
                let _ = schedule::yield_to(server);
            }
            _ => return 1,
        }
    }
    0
}
