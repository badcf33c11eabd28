//! From a call number and four words to a method: made from the table of calls.

use aegis_abi::{Error, Word};

macro_rules! kernel_side {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        /// What the kernel does on each call.
        pub trait Calls {
            $($(#[doc = $doc])* fn $name(&mut self, $($arg: $ty),*) -> Result<$ret, Error>;)*
        }

        /// Decodes the arguments and makes the call.
        #[inline]
        pub fn dispatch(calls: &mut impl Calls, number: u32, arguments: [u32; 4]) -> Result<u32, Error> {
            match number {
                $($number => {
                    #[allow(unused_mut, unused_variables, reason = "not every call has arguments")]
                    let mut words = arguments.into_iter();
                    $(let $arg = <$ty>::from_word(words.next().unwrap_or(0))?;)*
                    calls.$name($($arg),*).map(Word::into_word)
                })*
                _ => Err(Error::NoSuchCall),
            }
        }
    };
}

aegis_abi::for_each_call!(kernel_side);
