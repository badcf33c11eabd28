//! What the children do.

use crate::spin;
use exos::abi::Pid;
use exos::rpc::{self, Failure, LongMessage};
use exos::schedule;

/// The second word of the server's answers.
pub const MARK: u32 = 0x600d_0000;
/// What messages hold.
pub const WORDS: [u32; 4] = [0x11, 0x22, 0x33, 0x44];

/// The number that an argument is.
fn number(n: usize) -> Option<u32> {
    exos::args().nth(n)?.parse().ok()
}

pub fn main(role: &str) -> i32 {
    match role {
        "server" => server(),
        "sender" => sender(Pid(number(2).unwrap_or(0)), number(3)),
        _ => 1,
    }
}

/// Adds two numbers, and takes its time.
extern "C" fn add(a: u32, b: u32, turns: u32, _: u32, _: Pid) -> u64 {
    spin(turns);
    u64::from(a.wrapping_add(b)) | u64::from(MARK) << 32
}

extern "C" fn invert(message: &mut LongMessage, _: Pid) {
    spin(message.0[0]);
    message.0.iter_mut().for_each(|word| *word = !*word);
}

fn server() -> i32 {
    if rpc::serve_long(invert).and_then(|()| rpc::serve(add)).is_err() {
        return 1;
    }
    loop {
        schedule::yield_now();
    }
}

/// Sends messages, so many or for ever: how many were taken.
fn sender(receiver: Pid, count: Option<u32>) -> i32 {
    let (mut sent, mut taken) = (0, 0);
    while count.is_none_or(|count| sent < count) {
        match rpc::send(receiver, WORDS) {
            Ok(()) => taken += 1,
            Err(Failure::Busy) => schedule::yield_now(),
            Err(_) => return -1,
        }
        sent += 1;
    }
    taken
}
