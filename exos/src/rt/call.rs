//! The kernel's calls: one stub for each entry of the table in `aegis_abi::calls`, generated from
//! it.

use super::memory;
use aegis_abi::words::Word;
use aegis_abi::{Error, UserPtr};
use core::arch::global_asm;

global_asm!(
    ".section .text.exos_call, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    // u64 exos_call(a0, a1, a2, a3, number): makes a call. The kernel may change all that a
    // function may change, so the calling convention says the rest: result in v0, error code in v1,
    // which together are a 64-bit result.
    ".globl exos_call",
    "exos_call:",
    "lw    $v0, 16($sp)", // v0 = number, the fifth argument
    "nop",                // hazard: load delay (MIPS I)
    "syscall",            // v0, v1 = result, error
    "jr    $ra",
    " nop",
    ".set pop",
);

unsafe extern "C" {
    fn exos_call(a0: u32, a1: u32, a2: u32, a3: u32, number: u32) -> u64;
}

/// Makes call `number`, whatever it may be: result and error code, as the registers hold them.
///
/// # Safety
/// A call can change the program's mappings, memory and handlers; nothing may be taken away that
/// the program still uses.
pub unsafe fn raw(number: u32, arguments: [u32; 4]) -> (u32, u32) {
    let [a0, a1, a2, a3] = arguments;
    // SAFETY: the function keeps to the calling convention; the caller vouches for the call's
    // effect.
    let words = unsafe { exos_call(a0, a1, a2, a3, number) };
    (words as u32, (words >> 32) as u32)
}

/// The error with this code.
///
/// # Panics
/// When the kernel has an error that the interface does not know.
pub fn error(code: u32) -> Error {
    match Error::from_code(code) {
        Some(error) => error,
        None => panic!("the kernel returned the unknown error code {code}: library and kernel were not built together"),
    }
}

macro_rules! stubs {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => { $(
        $(#[doc = $doc])*
        ///
        /// # Safety
        /// The call must take nothing away that the program still uses: see [`raw`].
        #[allow(rustdoc::broken_intra_doc_links, reason = "the text is that of the interface, with paths of its own")]
        pub unsafe fn $name($($argument: $type),*) -> Result<$result, Error> {
            #[allow(unused_mut, unused_assignments, reason = "not every call has arguments")]
            let arguments = {
                let (mut words, mut next) = ([0; 4], 0);
                $(words[next] = $argument.into_word(); next += 1;)*
                let _ = next;
                words
            };
            // SAFETY: the caller vouches for it.
            match unsafe { raw($number, arguments) } {
                (word, 0) => Result::<$result, Error>::from_word_result(word),
                (_, code) => Err(error(code)),
            }
        }
    )* };
}

/// Decodes a result.
trait FromWordResult: Sized {
    fn from_word_result(word: u32) -> Self;
}

impl<W: Word> FromWordResult for Result<W, Error> {
    fn from_word_result(word: u32) -> Self {
        W::from_word(word)
    }
}

aegis_abi::for_each_call!(stubs);

/// Makes a call with a pointer to `argument`: where the kernel says that one of its pages has no
/// binding, inserts the page and calls again.
///
/// # Errors
/// Those of the call.
pub fn with_pointer<T, R>(argument: &T, mut call: impl FnMut(UserPtr) -> Result<R, Error>) -> Result<R, Error> {
    let start = argument as *const T as usize as u32;
    let last = start + (size_of::<T>() as u32).saturating_sub(1);
    let pointer = UserPtr::new(start).ok_or(Error::BadPointer)?;
    loop {
        match call(pointer) {
            Err(Error::Unmapped) if memory::insert(start) => {}
            Err(Error::PageEnd) if memory::insert(last) => {}
            result => return result,
        }
    }
}

/// Makes a call again as long as the kernel has done only a part of it.
///
/// # Errors
/// Those of the call but `Again`.
pub fn whole<R>(mut call: impl FnMut() -> Result<R, Error>) -> Result<R, Error> {
    loop {
        match call() {
            Err(Error::Again) => {}
            result => return result,
        }
    }
}

/// The program's own name.
pub fn own_pid() -> aegis_abi::Pid {
    // SAFETY: the call changes nothing.
    unsafe { pid() }.expect("the call has no errors")
}

/// Takes a slice that is the program's own back from whoever holds it.
///
/// # Errors
/// Those of the kernel's call `s_back`.
pub fn take_back_slice(n: u32) -> Result<(), aegis_abi::Error> {
    // SAFETY: the slice is the program's own before and after.
    unsafe { s_back(n) }
}

/// Powers off, where the kernel grants it.
pub fn stop(status: u32) {
    // SAFETY: it changes nothing if it returns.
    let _ = unsafe { power_off(status) };
}

/// Ticks of the clock so far.
pub fn now() -> u32 {
    // SAFETY: the call changes nothing.
    unsafe { gettick() }.expect("the call has no errors")
}

/// Ticks of the clock a second, or 0.
pub fn clock_rate() -> u32 {
    // SAFETY: the call changes nothing.
    unsafe { getrate() }.expect("the call has no errors")
}

/// Asks for an interrupt after so many ticks; 0: for none.
pub fn set_timer(ticks: u32) {
    // SAFETY: it brings an interrupt, for which the library is prepared.
    unsafe { timer(ticks) }.expect("the call has no errors");
}
