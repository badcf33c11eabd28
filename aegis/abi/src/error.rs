//! The error codes, returned in `v1`.

/// Declares [`Error`] with its codes, texts and conversions from one list.
macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why a call failed. A failed call has changed nothing, but for what `TryAgain` and
        /// `Again` say.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u32)]
        pub enum Error { $($(#[$doc])* $name = $code,)* }

        impl Error {
            /// Every error, in order of its code.
            pub const ALL: &[Error] = &[$(Error::$name),*];

            /// The error with this code, if there is one. Code 0 means success and is no error.
            pub const fn from_code(code: u32) -> Option<Error> {
                match code { $($code => Some(Error::$name),)* _ => None }
            }

            /// What went wrong, in a few words.
            pub const fn text(self) -> &'static str {
                match self { $(Error::$name => $text,)* }
            }
        }
    };
}

errors! {
    /// The call number is one of Aegis' own (0-255) and unassigned.
    NoSuchCall = 1, "no such call";
    /// A virtual address below `USER_START` or not below `USER_END`.
    BadAddress = 2, "address outside user space";
    /// The page is under one of the caller's guaranteed mappings, which only `e_set` changes.
    Guaranteed = 3, "address under a guaranteed mapping";
    /// A length that wraps around or leaves user space.
    BadLength = 4, "length leaves user space";
    /// A frame number that is beyond the machine's memory.
    NoSuchFrame = 5, "no such frame";
    /// The frame is owned by nobody.
    FrameFree = 6, "frame is free";
    /// The frame is in use, so it cannot be allocated.
    FrameTaken = 7, "frame is taken";
    /// The caller lacks the right that the operation needs.
    NotPermitted = 8, "not permitted";
    /// No frame is free.
    NoMemory = 9, "no frame is free";
    /// A pointer to outside user space, the kernel's memory included.
    BadPointer = 10, "pointer outside user space";
    /// The page of the pointer has no cached binding (or no dirty one, where the call writes):
    /// insert it, call again.
    Unmapped = 11, "page of the pointer has no binding";
    /// As `Unmapped`, but for the second page that the argument runs into.
    PageEnd = 12, "argument crosses into a page without a binding";
    /// More than a call takes at once: of a pointer argument, more than `POINTER_PAGES` pages.
    TooLong = 13, "more than a call takes at once";
    /// An address or save area that is not aligned as it must be.
    Misaligned = 14, "misaligned";
    /// A mapping that makes no sense: not valid, or writable where `w` is off.
    BadMapping = 15, "senseless mapping";
    /// A handler outside user space.
    BadHandler = 16, "handler outside user space";
    /// Two guaranteed mappings of one page, or one outside the guaranteed segment.
    BadGuaranteed = 17, "guaranteed mapping outside its segment or twice";
    /// A pid that names nobody: never given, or of an environment that is gone.
    NoSuchEnvironment = 18, "no such environment";
    /// The environment has no gate of this kind, or no prologue and so no way to be yielded to.
    NoGate = 19, "the environment has no gate, or no prologue, to be entered by";
    /// The environment's number is in use, so it cannot be allocated.
    EnvironmentTaken = 20, "environment's number is taken";
    /// The caller's account has no environment, or no slice, left, or too few to cut another out of
    /// it.
    NoAllowance = 21, "the caller's account does not allow it";
    /// A slice number that is beyond `SLICES`.
    NoSuchSlice = 22, "no such slice";
    /// The slice is owned by nobody.
    SliceFree = 23, "slice is free";
    /// The slice is in use, so it cannot be allocated.
    SliceTaken = 24, "slice is taken";
    /// A protection that is none, or the owner's own.
    BadProtection = 25, "senseless protection";
    /// A status that asks for what cannot be had; or a floating-point unit that is not there, or
    /// neither to be turned on nor off.
    BadStatus = 26, "status cannot be had";
    /// No frame is free, but the caller owns fewer than are reserved for it, and another
    /// environment was asked for some: yield, and call again. (That it waits is noted.)
    TryAgain = 27, "no frame is free yet";
    /// Windows to resume in that are misaligned, leave user space, or do not lie in one page.
    BadResume = 28, "windows to resume in are misaligned or leave their page";
    /// The environment has not started, and only a writer of it starts it.
    NotStarted = 29, "the environment has not started";
    /// The environment was switched by hand: it must have the processor before anything can be
    /// transferred to it.
    Suspended = 30, "the environment is suspended";
    /// The slice owes turns, or is over and not given up, or a transfer waits for it: it is freed
    /// or allocated later.
    Owing = 31, "the slice owes turns";
    /// The call has done a part of its work, as much as the kernel does at once: make it again,
    /// with the same arguments.
    Again = 32, "more of the same call is to be done";
    /// The environment holds a share of the frame, which nobody withdraws.
    Shared = 33, "the environment holds a share of the frame";
    /// Another environment, which holds a share of the frame too, has granted rights to it, and has
    /// not withdrawn them yet.
    Granted = 34, "another environment's grants of the frame stand";
    /// The environment takes no frames, or fewer, from the caller.
    NotAccepted = 35, "the environment accepts no such frames";
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Error {}
