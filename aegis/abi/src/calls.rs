//! The table of system calls. Each is written here once (number, name, types, documentation); the kernel's dispatch, the
//! program's stub, the manual's table and the tracer's names come from the same entry.
//!
//! A call is made by `syscall` with the number in `v0` and the arguments in `a0`-`a3`; the result comes back in `v0` and
//! the error code in `v1` (0: none). It may change caller-saved registers. In a branch delay slot `syscall` is not
//! supported: the kernel continues at the instruction after the branch's EPC.

/// Hands the table to the macro `$with`.
///
/// The numbers 1 and 2 are kept for the two protected control transfers (thesis 3.4.2), which have a path of their own.
#[macro_export]
macro_rules! for_each_call {
    ($with:path) => {
        $with! {
            /// The caller's own name. Answered in assembly: the null call of the benchmarks. (Thesis .10)
            0 pid() -> $crate::Pid;

            /// Replaces the caller's environment: handlers, save areas, guaranteed mappings. `env` points to an
            /// [`Env`]($crate::Env), aligned to 4.
            ///
            /// Errors: `Misaligned` (pointer or save area), `BadHandler`, `BadGuaranteed`, `BadMapping`, and for each frame
            /// named in a save area or a guaranteed mapping `NoSuchFrame`, `FrameFree` or `NotPermitted`.
            3 e_set(env: $crate::UserPtr) -> ();

            /// Binds the page of `va` to `lo`, in the software TLB and the hardware's. (Thesis .12)
            ///
            /// Errors: `Guaranteed`; `BadMapping` when `lo` is not valid, or dirty without `w`; `NoSuchFrame`, `FrameFree`;
            /// `NotPermitted` when the caller may not read the frame, or not write it and `lo` has `w`.
            8 tlbwr(va: $crate::UserVa, lo: $crate::Lo) -> ();

            /// Read-protects the cached bindings of the `pages` pages from that of `va`. (Thesis .12)
            ///
            /// Errors: `BadLength`, `Guaranteed`.
            9 tlbrprotn(va: $crate::UserVa, pages: u32) -> ();

            /// Makes the cached bindings of the `pages` pages from that of `va` writable. (Thesis .12)
            ///
            /// Errors: `BadLength`, `Guaranteed`; `NotPermitted` when one of them lacks `w` or the caller the right.
            10 unprotn(va: $crate::UserVa, pages: u32) -> ();

            /// Deletes the cached bindings of the `pages` pages from that of `va`. (Thesis .12)
            ///
            /// Errors: `BadLength`, `Guaranteed`.
            11 tlbdeleten(va: $crate::UserVa, pages: u32) -> ();

            /// Deletes all the caller's cached bindings. (Thesis .12)
            12 tlbflush() -> ();

            /// Allocates the frame `frame`, or any if it is [`ANY_FRAME`]($crate::calls::ANY_FRAME), to the caller, with
            /// all rights and filled with zeros; returns its number. (Thesis .9)
            ///
            /// Errors: `NoSuchFrame`, `FrameTaken`, `NoMemory`.
            16 p_alloc(frame: u32) -> u32;

            /// Gives up the caller's rights to `frame` and breaks every binding that rests on them. When nobody has a
            /// right left, the frame is zeroed and free. (Thesis .9)
            ///
            /// Errors: `NoSuchFrame`, `FrameFree`, `NotPermitted`.
            17 p_unref(frame: u32) -> ();

            /// Writes `bytes` bytes from `text` to the console.
            ///
            /// Errors: `BadLength`, `TooLong`, `Unmapped`, `PageEnd`.
            24 console_write(text: $crate::UserPtr, bytes: u32) -> ();

            /// Stops the machine with an exit status, 0 to 255 (the low 8 bits count). For the first environment only.
            ///
            /// Errors: `NotPermitted`.
            25 power_off(status: u32) -> ();
        }
    };
}

/// As an argument of `p_alloc`: any free frame.
pub const ANY_FRAME: u32 = u32::MAX;

/// One row of [`TABLE`].
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The call number.
    pub number: u32,
    /// The call's name.
    pub name: &'static str,
    /// Names of the arguments, in order.
    pub arguments: &'static [&'static str],
    /// The documentation, a line each.
    pub documentation: &'static [&'static str],
}

macro_rules! table {
    ($($(#[doc = $doc:literal])* $number:literal $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        /// The call numbers, by name.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(non_camel_case_types, reason = "the calls' names are those of functions")]
        #[repr(u32)]
        pub enum Number { $($(#[doc = $doc])* $name = $number,)* }

        /// Every call, for manuals and tracers.
        pub const TABLE: &[Row] = &[$(Row {
            number: $number,
            name: stringify!($name),
            arguments: &[$(stringify!($arg)),*],
            documentation: &[$($doc),*],
        }),*];

        // A call has four argument registers, and Aegis owns only so many numbers.
        const _: () = {
            $(assert!(<[&str]>::len(&[$(stringify!($arg)),*]) <= 4);
            assert!($number < $crate::limits::CALLS);)*
        };
    };
}

for_each_call!(table);
