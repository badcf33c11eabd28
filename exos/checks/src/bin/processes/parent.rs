//! The tests.

use crate::{SELF, children, files};
use alloc::format;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, NEXT, Number};
use exos::abi::{Error, Pid};
use exos::process::{self, End, Process, SpawnError};
use exos::rpc::{self, Failure, LongMessage};
use exos::{arguments, machine, schedule};
use exos_checks::raw::bare::{Entries, Pages, free, give_slice};
use exos_checks::raw::calls::call;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

pub fn main() -> i32 {
    tap::run(&[
        ("a process has arguments and an exit status", exit_status),
        ("arguments arrive whole", any_arguments),
        ("arguments that fit arrive, and those that do not are refused", longest_arguments),
        ("what cannot be made is said", refusals),
        ("a file whose context names its maker's pages is refused", files::contexts),
        ("a file whose segments lie anywhere is refused", files::segments),
        ("a process that ends badly takes nobody with it", bad_ends),
        ("a process that never yields is destroyed from outside", destroyed),
        ("short calls, of an untrusted and a trusted server", short_calls),
        ("long calls carry 20 words there and back", long_calls),
        ("messages arrive, and want no answer", messages),
        ("a server that is busy, or gone, or has no gate", failures),
        ("a server of long requests alone", unserved),
        ("a server that dies while it serves", death),
        ("a server whose slice ends while it serves answers when that begins again", late_server),
        ("two clients of one server", two_clients),
        ("nobody starts another's child", meddled_with),
        ("no gift destroys who cannot be entered", given_to),
    ])
}

pub fn spawn(arguments: &[&str]) -> Result<Process, SpawnError> {
    process::spawn(SELF, arguments)
}

/// A server that has opened its gates.
fn server() -> Result<Process, alloc::string::String> {
    let server = get!(spawn(&["server"]));
    for _ in 0..1000 {
        if rpc::short(server.pid(), [children::SUM, 1, 2, 3]) == Ok([6, 0]) {
            return Ok(server);
        }
        get!(schedule::yield_to(server.pid()));
    }
    Err("the server does not answer".into())
}

fn exit_status() -> Outcome {
    check_eq!(get!(spawn(&["exit", "7"])).wait(), End::Exited(7), "exit status");
    check_eq!(get!(spawn(&["exit", "-5"])).wait(), End::Exited(0), "exit status");
    Ok(())
}

fn arrive(words: &[&str]) -> Outcome {
    let all: Vec<&str> = ["arguments"].iter().chain(words).copied().collect();
    let sent = children::hash([SELF].into_iter().chain(all.iter().copied()));
    check_eq!(get!(spawn(&all)).wait(), End::Exited(sent), "what arrives of {} words", words.len());
    Ok(())
}

fn any_arguments() -> Outcome {
    for words in [
        &["one", "two", "three"][..],
        &[],
        &["", "two words", "", " ", "tab\tline\n", "\0"],
        &["é", "日本語", "\u{10ffff}", ""],
        &[&"x".repeat(400), &"é".repeat(200)],
    ] {
        arrive(words)?;
    }
    Ok(())
}

/// Lengths around the longest that fits, with characters of one to four bytes at the end.
fn longest_arguments() -> Outcome {
    let room = arguments::BYTES - 3 * arguments::WORD_BYTES - SELF.len() - "arguments".len();
    for last in ["x", "é", "語", "\u{10ffff}"] {
        for over in 0..=last.len() {
            let mut word = "y".repeat(room - last.len() + over);
            word.push_str(last);
            if over == 0 {
                arrive(&[&word])?;
            } else {
                check_eq!(spawn(&["arguments", &word]).err(), Some(SpawnError::TooLong), "{over} bytes too many");
                word.replace_range(..over, "");
                arrive(&[&word])?;
            }
        }
    }
    // Empty words take room too.
    let none: Vec<&str> = core::iter::repeat_n("", arguments::BYTES / arguments::WORD_BYTES).collect();
    check_eq!(spawn(&none).err(), Some(SpawnError::TooLong), "many empty words");
    Ok(())
}

fn refusals() -> Outcome {
    check_eq!(process::spawn("nobody", &[]).err(), Some(SpawnError::NoProgram), "a program that is not there");
    Ok(())
}

fn bad_ends() -> Outcome {
    check_eq!(get!(spawn(&["panic"])).wait(), End::Exited(exos::status::PANIC), "after a panic");
    check_eq!(get!(spawn(&["null"])).wait(), End::Exited(exos::status::EXCEPTION + 2), "after a null pointer");
    Ok(())
}

fn destroyed() -> Outcome {
    let process = get!(spawn(&["spin"]));
    for _ in 0..3 {
        get!(schedule::yield_to(process.pid()));
    }
    get!(process.kill());
    check_eq!(process.kill(), Err(Error::NoSuchEnvironment), "killed twice");
    check_eq!(process.wait(), End::Destroyed, "its end");
    Ok(())
}

fn short_calls() -> Outcome {
    let server = server()?;
    for n in 0..100 {
        check_eq!(rpc::short(server.pid(), [children::SUM, n, 5, 7]), Ok([n + 12, 0]), "untrusted call {n}");
        check_eq!(rpc::trusted(server.pid(), [children::SUM, n, u32::MAX, 2]), Ok([n + 1, 1]), "trusted call {n}");
    }
    check_eq!(rpc::short(server.pid(), [children::WHO, 0, 0, 0]), Ok([machine::pid().0, 1]), "who calls");
    check_eq!(rpc::short(server.pid(), [children::CALL_BACK, 0, 0, 0]), Ok([1, 0]), "called back while it awaits");
    Ok(())
}

fn long_calls() -> Outcome {
    let server = server()?;
    for n in 0..10 {
        let mut message = LongMessage(core::array::from_fn(|i| (i as u32 + n).wrapping_mul(0x0101_0101)));
        let mut expected = message.0;
        expected.reverse();
        expected[0] ^= machine::pid().0;
        check_eq!(rpc::call(server.pid(), &mut message), Ok(()), "call {n}");
        check_eq!(message.0, expected, "answer {n}");
    }
    Ok(())
}

/// Sends the server a message, again where it still handles another one.
fn send(server: &Process) -> Outcome {
    while let Err(error) = rpc::send(server.pid(), [1, 2, 3, 4]) {
        check_eq!(error, Failure::Busy, "a message");
        get!(schedule::yield_to(server.pid()));
    }
    Ok(())
}

fn messages() -> Outcome {
    let server = server()?;
    for _ in 0..10 {
        send(&server)?;
    }
    check_eq!(rpc::short(server.pid(), [children::MESSAGES_SO_FAR, 0, 0, 0]), Ok([100, 0]), "sum of the messages");
    Ok(())
}

fn failures() -> Outcome {
    let process = get!(spawn(&["spin"]));
    check_eq!(rpc::short(process.pid(), [0; 4]), Err(Failure::Kernel(Error::NoGate)), "no gate");
    check_eq!(rpc::send(process.pid(), [0; 4]), Err(Failure::Kernel(Error::NoGate)), "no gate for messages");
    let pid = process.pid();
    drop(process);
    check_eq!(rpc::short(pid, [0; 4]), Err(Failure::Kernel(Error::NoSuchEnvironment)), "gone");
    check_eq!(rpc::trusted(pid, [0; 4]), Err(Failure::Kernel(Error::NoSuchEnvironment)), "gone");
    check_eq!(rpc::call(pid, &mut LongMessage::default()), Err(Failure::Kernel(Error::NoSuchEnvironment)), "gone");
    check_eq!(rpc::send(pid, [0; 4]), Err(Failure::Kernel(Error::NoSuchEnvironment)), "gone");
    check_eq!(schedule::yield_to(Pid(u32::MAX)), Err(Error::NoSuchEnvironment), "never there");
    check_eq!(schedule::yield_to(NEXT), Err(Error::NoSuchEnvironment), "the name of nobody");
    Ok(())
}

fn unserved() -> Outcome {
    let server = get!(spawn(&["long-server"]));
    while rpc::call(server.pid(), &mut LongMessage::default()).is_err() {
        get!(schedule::yield_to(server.pid()));
    }
    for _ in 0..3 {
        check_eq!(rpc::short(server.pid(), [0; 4]), Err(Failure::Unserved), "a short call");
        check_eq!(rpc::trusted(server.pid(), [0; 4]), Err(Failure::Unserved), "a trusted call");
        check_eq!(rpc::call(server.pid(), &mut LongMessage::default()), Ok(()), "a long call");
    }
    Ok(())
}

fn death() -> Outcome {
    let server = server()?;
    let answer = rpc::short(server.pid(), [children::END, 9, 0, 0]);
    check_eq!(answer, Err(Failure::Kernel(Error::NoSuchEnvironment)), "the answer of a server that ends");
    check_eq!(server.wait(), End::Exited(9), "its end");
    Ok(())
}

fn late_server() -> Outcome {
    // Somebody else, who gets the processor at the end of a slice.
    let _other = get!(spawn(&["spin"]));
    let server = server()?;
    let pid = server.pid();
    let given_up_before = |kind: &str, last: u32| -> Outcome {
        let said = rpc::short(pid, [children::GIVEN_UP_BEFORE, last, 0, 0]);
        // The kernel has handed on the slice, and the server owes nothing.
        check_eq!(said, Ok([0, 0]), "slices given up before the {kind} was served");
        Ok(())
    };
    let be_late = || rpc::short(pid, [children::BE_LATE, 0, 0, 0]);
    for _ in 0..10 {
        check_eq!(be_late(), Ok([0, 0]), "the late server's answer");
        given_up_before("short request", 0)?;
        check_eq!(be_late(), Ok([0, 0]), "the late server's answer");
        let mut message = LongMessage(core::array::from_fn(|n| n as u32));
        check_eq!(rpc::call(pid, &mut message), Ok(()), "a long call");
        check!((1..20).all(|n| message.0[n] == 19 - n as u32), "the answer to a long call: {message:?}");
        given_up_before("long request", 1)?;
        check_eq!(be_late(), Ok([0, 0]), "the late server's answer");
        send(&server)?;
        given_up_before("message", 1)?;
    }
    check_eq!(rpc::short(pid, [children::MESSAGES_SO_FAR, 0, 0, 0]), Ok([100, 0]), "sum of the messages");
    Ok(())
}

/// Has a process try on an environment what only a writer may do; yields to it must fail with this error.
fn meddle(pid: Pid, error: Error) -> Outcome {
    let (pid, error) = (format!("{}", pid.0), format!("{}", error as u32));
    let meddler = get!(spawn(&["meddler", &pid, &error]));
    check_eq!(meddler.wait(), End::Exited(0), "what the meddler was granted");
    Ok(())
}

fn meddled_with() -> Outcome {
    let child = get!(process::spawn_without_slice(SELF, &["exit", "7"]));
    meddle(child.pid(), Error::NotStarted)?;
    check_eq!(child.wait(), End::Exited(7), "the child's end");
    Ok(())
}

fn given_to() -> Outcome {
    let pages = get!(Pages::new());
    let pid = get!(pages.open(Entries::default()));
    meddle(pid, Error::NoGate)?;
    check_eq!(schedule::yield_to(pid), Err(Error::NoGate), "it has no prologue, and lives");
    // Not even a writer's gift.
    let slice = get!(give_slice(pid, ANY));
    schedule::yield_now();
    schedule::yield_now();
    check_eq!(schedule::yield_to(pid), Err(Error::NoGate), "it has a slice, and lives");
    get!(call(Number::s_free, [slice, 0, 0, 0]));
    get!(free(pid));
    Ok(())
}

fn two_clients() -> Outcome {
    let server = server()?;
    let pid = format!("{}", server.pid().0);
    let clients = [get!(spawn(&["client", &pid, "2000"])), get!(spawn(&["client", &pid, "3000"]))];
    for client in &clients {
        check_eq!(client.wait(), End::Exited(0), "a client's end");
    }
    let slice = call(Number::s_alloc, [machine::pid().0, ANY, 0, 0]);
    check!(slice.is_ok(), "a slice");
    get!(call(Number::s_free, [get!(slice), 0, 0, 0]));
    Ok(())
}
