//! The kernel's calls without the library's care.

use exos::abi::calls::Number;
use exos::abi::{Env, Error, Pid};
use exos::interrupts::critical;
use exos::rt::state::STATE;
use exos::rt::{call, env, memory};

/// Makes any call. It may not take away what the program still uses.
pub fn raw(number: u32, arguments: [u32; 4]) -> (u32, u32) {
    // SAFETY: left to the tests, as the module says.
    unsafe { call::raw(number, arguments) }
}

/// Makes a call of Aegis', again as long as the kernel has done only a part of it. It may not take away what the program
/// still uses.
pub fn call(number: Number, arguments: [u32; 4]) -> Result<u32, Error> {
    call::whole(|| once(number, arguments))
}

/// Makes a call of Aegis' once.
fn once(number: Number, arguments: [u32; 4]) -> Result<u32, Error> {
    match raw(number as u32, arguments) {
        (value, 0) => Ok(value),
        (_, code) => Err(Error::from_code(code).expect("the kernel returns codes of the interface only")),
    }
}

/// Gives frames of which the program has no page mapped, or wants none, to an environment.
///
/// # Errors
/// Those of the kernel's call `p_give`.
pub fn give(frames: &[u32], to: Pid) -> Result<(), Error> {
    memory::give(frames, to)
}

/// Forgets all cached bindings; those in use come back by misses.
pub fn flush() {
    call(Number::tlbflush, [0; 4]).expect("the call has no errors");
}

/// A copy of the environment's context.
pub fn context() -> Env {
    env::current()
}

/// Puts a handler for an exception into the environment's context.
///
/// # Errors
/// Those of the kernel's call `e_set`.
pub fn set_handler(code: u32, address: u32) -> Result<(), Error> {
    // SAFETY: left to the tests, as the module says.
    unsafe { env::change(|context| context.xh[code as usize] = address) }
}

/// Does `body` without upcalls. Unlike a critical section it may give up the processor.
pub fn without_upcalls<R>(body: impl FnOnce() -> R) -> R {
    let mask = &STATE.queue.mask;
    let before = mask.get();
    mask.set(0);
    let result = body();
    mask.set(before);
    // What was withheld is acted on at the end of any critical section.
    critical(|| ());
    result
}

/// Inserts the binding of the page of `va`, as a pointer argument needs it.
pub fn insert(va: u32) -> bool {
    memory::insert(va)
}

/// Writes a text of at most two pages to the console, past the library's buffer. How many bytes
/// each call takes is told to `visit`.
///
/// # Errors
/// Those of the kernel's call `console_write`.
pub fn write(text: &[u8], mut visit: impl FnMut(u32)) -> Result<(), Error> {
    let (mut start, mut left) = (text.as_ptr() as usize as u32, text.len() as u32);
    while left > 0 {
        insert(start);
        insert(start + left - 1);
        let taken = call(Number::console_write, [start, left, 0, 0])?;
        visit(taken);
        (start, left) = (start + taken, left - taken);
    }
    Ok(())
}

/// Loads a word from anywhere; 0 where the exception's handler skips it.
pub fn load(address: u32) -> u32 {
    // SAFETY: a load changes nothing, and the test handles the exception.
    unsafe { memory::load_word(address) }
}

/// Stores a word. Where it succeeds, the address must be the test's own.
pub fn store(address: u32, value: u32) {
    // SAFETY: left to the tests.
    unsafe { memory::store_word(address, value) }
}

/// Address of an object.
pub fn address_of<T>(object: &T) -> u32 {
    core::ptr::from_ref(object) as usize as u32
}
