//! Calls between environments (thesis 3.4.2), on protected control transfers: nothing is copied, the words stay in the registers.
//!
//! A server says what is done with requests ([`serve`], [`serve_long`], [`serve_messages`]), and goes on with what it likes, or [waits](wait).
//! Requests are served one after the other, each by a plain function, which may be interrupted, and call others in turn. Clients [`call`] it,
//! or have three other ways: [`short`] and [`trusted`] calls, whose four words and two words of answer cost least, and
//! [`send`], for a message without an answer.

use crate::interrupts::giving_up;
use crate::lent::lending;
use crate::rt::cell::Cell;
use crate::rt::state::STATE;
use crate::rt::{env, gate};
use crate::schedule;
use aegis_abi::{Error, Pid};

pub use crate::rt::gate::Failure;

/// What is transferred; by it the library knows what to do with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// Four words that want an answer of two.
    ShortRequest = 0,
    /// A [`LongMessage`] that wants another.
    LongRequest = 1,
    /// Four words that want no answer. (These arrive at a gate of their own.)
    Message = 2,
    /// An answer.
    Answer = 3,
    /// There will be none: the callee is busy.
    Refusal = 4,
    /// There will be none: the callee does not serve such requests.
    Unserved = 5,
    /// An answer that nobody has awaited comes back.
    Returned = 6,
}

/// Words of a long message: as many registers as may carry one.
pub const LONG_WORDS: usize = 20;

/// What a long call carries, there and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct LongMessage(pub [u32; LONG_WORDS]);

/// Answers a short request: the low word and the high word of the result are the answer.
pub type ShortServer = extern "C" fn(u32, u32, u32, u32, Pid) -> u64;
/// Answers a long request: what it makes of the message is the answer.
pub type LongServer = extern "C" fn(&mut LongMessage, Pid);
/// Takes a message.
pub type MessageServer = extern "C" fn(u32, u32, u32, u32, Pid);

fn register(kind: Kind, server: u32) -> Result<(), Error> {
    handler(kind).set(server);
    env::open_gates()
}

fn handler(kind: Kind) -> &'static Cell<u32> {
    &STATE.handlers[kind as usize]
}

/// Serves short requests.
///
/// # Errors
/// Those of the kernel's call `e_set`.
pub fn serve(server: ShortServer) -> Result<(), Error> {
    register(Kind::ShortRequest, server as usize as u32)
}

/// Serves long requests.
///
/// # Errors
/// Those of the kernel's call `e_set`.
pub fn serve_long(server: LongServer) -> Result<(), Error> {
    register(Kind::LongRequest, server as usize as u32)
}

/// Takes messages, one at a time: one that comes while another is handled, or while this program
/// awaits the answer to a call, is refused as busy.
///
/// # Errors
/// Those of the kernel's call `e_set`.
pub fn serve_messages(server: MessageServer) -> Result<(), Error> {
    register(Kind::Message, server as usize as u32)
}

/// Does nothing but serve, until `done`.
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn wait(done: impl Fn() -> bool) {
    while !done() {
        schedule::yield_now();
    }
}

/// A call of any environment: the message is replaced by the answer, unless it fails.
///
/// # Errors
/// [`Busy`](Failure::Busy), and [`Unserved`](Failure::Unserved); `NoSuchEnvironment`, also where
/// the callee died before it answered; `NoGate` where it serves no calls, or does not yet; those of
/// `e_set`.
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn call(callee: Pid, message: &mut LongMessage) -> Result<(), Failure> {
    env::open_gates().map_err(Failure::Kernel)?;
    giving_up("rpc::call", || lending(|| gate::call_long(callee, message)))
}

/// A short call of any environment. The caller saves all registers.
///
/// # Errors
/// As for [`call`].
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn short(callee: Pid, words: [u32; 4]) -> Result<[u32; 2], Failure> {
    env::open_gates().map_err(Failure::Kernel)?;
    giving_up("rpc::short", || lending(|| gate::call_untrusted(callee, words)))
}

/// A short call of an environment that is trusted to keep the registers that a function must keep, as servers of this library do, and to
/// keep its secrets and ours. Should it die meanwhile, this program panics: its registers are lost.
///
/// # Errors
/// As for [`call`].
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn trusted(callee: Pid, words: [u32; 4]) -> Result<[u32; 2], Failure> {
    env::open_gates().map_err(Failure::Kernel)?;
    giving_up("rpc::trusted", || lending(|| gate::call_trusted(callee, words)))
}

/// Sends a message that wants no answer, and the rest of the slice with it. The receiver sees its
/// four words, and nothing else.
///
/// # Errors
/// [`Busy`](Failure::Busy), while the receiver handles another message, or awaits an answer: it was
/// not taken, and may be sent again later. [`Unserved`](Failure::Unserved), where the receiver takes
/// no messages; `NoSuchEnvironment`, `NoGate`; those of `e_set`.
///
/// # Panics
/// In a critical section.
#[track_caller]
pub fn send(receiver: Pid, words: [u32; 4]) -> Result<(), Failure> {
    env::open_gates().map_err(Failure::Kernel)?;
    giving_up("rpc::send", || gate::send(receiver, words))
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Failure::Kernel(Error::NoGate) => f.write_str("the callee serves no calls (yet)"),
            Failure::Kernel(error) => error.fmt(f),
            Failure::Busy => f.write_str("the callee is busy"),
            Failure::Unserved => f.write_str("the callee does not serve this kind of call (yet)"),
        }
    }
}

impl core::error::Error for Failure {}
