//! What others see of a program that calls them, or sends them something: a bare environment notes
//! all registers that arrive.

use exos::abi::calls::transfer::SYNCHRONOUS;
use exos::machine;
use exos::rpc::{self, Failure, Kind, LongMessage};
use exos_checks::raw::bare::{Alive, COUNT, Entries, Entry, FOUND, GIVEN, Pages};
use exos_checks::tap::Outcome;
use exos_checks::{check_eq, get};

/// An environment that notes what arrives, and transfers back with this kind.
fn eye(answer: Kind) -> Result<(Pages, Alive), alloc::string::String> {
    let pages = get!(Pages::new());
    pages.store(GIVEN + 4 * 2, SYNCHRONOUS);
    pages.store(GIVEN + 4 * 4, 17);
    pages.store(GIVEN + 4 * 24, answer as u32);
    let exchange = Some(Entry::Exchange);
    let entries = Entries { gate: exchange, agate: exchange, ..Entries::default() };
    let pid = get!(pages.open(entries));
    Ok((pages, Alive(pid)))
}

/// Checks the registers that arrived: the words from `$a0` on, the kind, the caller's name, and
/// nothing else but what the kernel leaves in `$v0`.
fn arrived(pages: &Pages, words: &[u32], kind: u32) -> Outcome {
    for n in (1..34u32).filter(|n| ![2, 26, 27].contains(n)) {
        let expected = match n {
            3 => machine::pid().0,
            24 => kind,
            _ => n.checked_sub(4).and_then(|word| words.get(word as usize)).copied().unwrap_or(0),
        };
        check_eq!(pages.load(FOUND + 4 * n), expected, "register {n}, of a transfer of kind {kind}");
    }
    Ok(())
}

const WORDS: [u32; 4] = [0x0101_0101, 0x0202_0202, 0x0303_0303, 0x0404_0404];

pub fn calls() -> Outcome {
    let (pages, eye) = eye(Kind::Answer)?;
    check_eq!(rpc::short(eye.0, WORDS), Ok([17, 0]), "a short call");
    arrived(&pages, &WORDS, Kind::ShortRequest as u32)?;
    let mut message = LongMessage(core::array::from_fn(|n| 0x0101_0101 * n as u32));
    let words = message.0;
    check_eq!(rpc::call(eye.0, &mut message), Ok(()), "a long call");
    check_eq!(message.0[0], 17, "its answer");
    arrived(&pages, &words, Kind::LongRequest as u32)?;
    check_eq!(pages.load(COUNT), 2, "transfers");
    Ok(())
}

pub fn messages() -> Outcome {
    for (kind, result) in [
        (Kind::Refusal, Err(Failure::Busy)),
        (Kind::Unserved, Err(Failure::Unserved)),
        (Kind::Returned, Err(Failure::Busy)),
        (Kind::Answer, Ok(())),
    ] {
        let (pages, eye) = eye(kind)?;
        check_eq!(rpc::send(eye.0, WORDS), result, "a message that is answered with {kind:?}");
        arrived(&pages, &WORDS, 0)?;
        check_eq!(pages.load(COUNT), 1, "transfers");
    }
    Ok(())
}
