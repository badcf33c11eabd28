//! The table of system calls. Each is written here once (number, name, types, documentation); the
//! kernel's dispatch, the program's stub, the manual's table and the tracer's names come from the
//! same entry.
//!
//! A call is made by `syscall` with the number in `v0` and the arguments in `a0`-`a3`; the result
//! comes back in `v0` and the error code in `v1` (0: none). It may change caller-saved registers.
//! In a branch delay slot `syscall` is not supported: the kernel continues at the instruction after
//! the branch's EPC.

use crate::Pid;

/// Hands the table to the macro `$with`.
///
/// The numbers 1 and 2 are those of the two protected control transfers, which have a path of their
/// own: see [`transfer`].
#[macro_export]
macro_rules! for_each_call {
    ($with:path) => {
        $with! {
            /// The caller's own name. Answered in assembly: the null call of the benchmarks.
            /// (Thesis .10)
            0 pid() -> $crate::Pid;

            /// Replaces the caller's environment: handlers, save areas, guaranteed mappings. `env`
            /// points to an [`Env`]($crate::Env), aligned to 4.
            ///
            /// Errors: `Misaligned` (pointer, save area or queue), `BadLength` (a queue across the
            /// end of a page), `BadHandler`, `BadStatus`, `BadGuaranteed`, `BadMapping`, and for
            /// each frame named in a save area, the queue or a guaranteed mapping `NoSuchFrame`,
            /// `FrameFree` or `NotPermitted`; `Again`.
            3 e_set(env: $crate::UserPtr) -> ();

            /// Makes environment number `n`, or any if it is [`ANY`]($crate::calls::ANY), and
            /// returns its name. `env` points to its [`Env`]($crate::Env), aligned to 4, whose
            /// frames are checked against the caller's rights; the new environment then has a share
            /// of each of them, with the rights that its context uses. It has no slice yet. The
            /// caller becomes its writer and holds a reference. Number 0 is the first environment's
            /// for good. The number is charged to the caller's account. `account` says on what the
            /// new environment draws: on nothing (0), on an account that is cut out of the caller's
            /// ([`allowance`]($crate::calls::allowance)), or on the caller's own
            /// ([`SHARED`]($crate::calls::SHARED)). (Thesis .8, without accounts)
            ///
            /// Errors: `NoSuchEnvironment`, `EnvironmentTaken`, `NoAllowance`, and those of
            /// `e_set`; `NotPermitted` also for a frame of which the caller holds no share; `Again`
            /// while the number is being taken from the dead.
            4 e_alloc(n: u32, env: $crate::UserPtr, account: u32) -> $crate::Pid;

            /// Takes a reference to the environment `pid`. As long as there is one the name is not
            /// given again, even when its bearer is dead. So it is charged to the caller's account
            /// as an environment, unless it is the caller's own name, or the account pays for that
            /// number already. (Thesis .8)
            ///
            /// Errors: `NoSuchEnvironment`, `NotPermitted`, `NoAllowance`.
            5 e_ref(pid: $crate::Pid) -> ();

            /// Gives up the caller's reference to the environment `pid`, which may be dead, and
            /// with the last one the environment. (Thesis .8)
            ///
            /// Errors: `NoSuchEnvironment`; `NotPermitted` when the caller holds none.
            6 e_unref(pid: $crate::Pid) -> ();

            /// Makes the environment `pid` a writer of the environment `env`. (Thesis .8)
            ///
            /// Errors: `NoSuchEnvironment`; `NotPermitted` when the caller is no writer of `env`.
            7 e_add(pid: $crate::Pid, env: $crate::Pid) -> ();

            /// Binds the page of `va` to `lo`, in the software TLB and the hardware's. (Thesis .12)
            ///
            /// Errors: `Guaranteed`; `BadMapping` when `lo` is not valid, or dirty without `w`;
            /// `NoSuchFrame`, `FrameFree`; `NotPermitted` when the caller may not read the frame,
            /// or not write it and `lo` has `w`.
            8 tlbwr(va: $crate::UserVa, lo: $crate::Lo) -> ();

            /// Read-protects the cached bindings of the first of the `pages` pages from that of
            /// `va`, at most [`RANGE_PAGES`]($crate::limits::RANGE_PAGES); returns their number.
            /// The caller repeats the call for the pages behind them. (Thesis .12)
            ///
            /// Errors, about all of the pages: `BadLength`, `Guaranteed`.
            9 tlbrprotn(va: $crate::UserVa, pages: u32) -> u32;

            /// Makes the cached bindings of the first of the `pages` pages from that of `va`
            /// writable, at most [`RANGE_PAGES`]($crate::limits::RANGE_PAGES); returns their
            /// number. The caller repeats the call for the pages behind them. (Thesis .12)
            ///
            /// Errors, about all of the pages: `BadLength`, `Guaranteed`. About those first ones:
            /// `NotPermitted` when the binding of one lacks `w` or the caller the right.
            10 unprotn(va: $crate::UserVa, pages: u32) -> u32;

            /// Deletes the cached bindings of the first of the `pages` pages from that of `va`, at
            /// most [`RANGE_PAGES`]($crate::limits::RANGE_PAGES); returns their number. The caller
            /// repeats the call for the pages behind them. (Thesis .12)
            ///
            /// Errors, about all of the pages: `BadLength`, `Guaranteed`.
            11 tlbdeleten(va: $crate::UserVa, pages: u32) -> u32;

            /// Deletes all the caller's cached bindings. (Thesis .12)
            ///
            /// Errors: `Again`.
            12 tlbflush() -> ();

            /// Destroys the environment `pid`: it loses its name, its slices, and piece by piece
            /// every binding and right, and its references. Those to which only it held references
            /// end with it. The caller gives up its reference to it. (Thesis .8)
            ///
            /// Errors: `NoSuchEnvironment`, `NotPermitted`; `Again` until nothing of it is left.
            13 e_free(pid: $crate::Pid) -> ();

            /// Writes `bytes` bytes from `from` to the data of the environment `pid`, which
            /// everybody can read, from `offset` on. (Thesis .8)
            ///
            /// Errors: `NoSuchEnvironment`, `NotPermitted`; `TooLong` beyond
            /// [`ENV_DATA_BYTES`]($crate::limits::ENV_DATA_BYTES); `BadLength`, `Unmapped`,
            /// `PageEnd`.
            14 e_write(pid: $crate::Pid, offset: u32, from: $crate::UserPtr, bytes: u32) -> ();

            /// Allocates the frame `frame`, or any if it is [`ANY`]($crate::calls::ANY), to the
            /// caller, which then holds the only share of it. The frame is filled with zeros.
            /// Returns its number. (Thesis .9)
            ///
            /// Errors: `NoSuchFrame`, `FrameTaken`. `NoMemory` when no frame is free, or those that
            /// are wait for environments that hold shares of fewer than
            /// [`RESERVED_FRAMES`]($crate::limits::RESERVED_FRAMES), and the caller does not;
            /// `TryAgain` when it is such a one, and frames for it are being revoked; `Again` while
            /// the kernel takes frames from the dead, or by force.
            16 p_alloc(frame: u32) -> u32;

            /// Gives up the caller's share of `frame`, and with it what the caller has granted; or
            /// the rights that it was granted. Bindings that rest on these rights are broken. When
            /// no share is left, the frame is free. Whoever holds the only share that is left may
            /// write the frame. (Thesis .9)
            ///
            /// Errors: `NoSuchFrame`, `FrameFree`, `NotPermitted`; `Again`.
            17 p_unref(frame: u32) -> ();

            /// Grants the environment `pid` rights to `frame`, of which the caller holds a share: 1
            /// ([`READ`]($crate::calls::READ)) or 3 ([`READ_WRITE`]($crate::calls::READ_WRITE)) in
            /// place of what it had; 0 withdraws them, and breaks the bindings that rest on them. A
            /// grant costs the grantee nothing. It ends, too, when the caller gives up its share,
            /// or dies. Of several environments with a share one at a time has grants. (Thesis .9)
            ///
            /// Errors: `BadProtection`, also for the caller itself; `NoSuchEnvironment`,
            /// `NoSuchFrame`, `FrameFree`; `NotPermitted` when the caller holds no share, or lacks
            /// the right itself; `Shared` when `pid` holds a share; `Granted` when grants of
            /// another stand; `Again`.
            18 p_add(prot: u32, pid: $crate::Pid, frame: u32) -> ();

            /// Gives the caller's shares of frames, as `p_unref` ends them, to the environment
            /// `pid`, with the rights that the caller has. `list` points to the `count` numbers of
            /// frames, aligned to 4. Returns how many frames were given, from the first on. The
            /// caller is a writer of `pid`, or `pid` accepts frames from it. (Not in the thesis.)
            ///
            /// Errors: `Misaligned`, `BadLength`, `Unmapped`, `PageEnd`; `TooLong` beyond
            /// [`LIST_FRAMES`]($crate::limits::LIST_FRAMES) frames; `NoSuchEnvironment`;
            /// `BadProtection` for the caller itself; `NotAccepted`; for each frame `NoSuchFrame`,
            /// `FrameFree`, `NotPermitted` when the caller holds no share; `Again`.
            19 p_give(pid: $crate::Pid, list: $crate::UserPtr, count: u32) -> u32;

            /// Lets the environment `pid` have a share of each of the frames in a list, of which
            /// the caller holds shares, with the rights `prot`, [`READ`]($crate::calls::READ) or
            /// [`READ_WRITE`]($crate::calls::READ_WRITE), in place of what it had. The caller may
            /// name itself, to have fewer rights. Returns how many frames were shared. (Not in the
            /// thesis.)
            ///
            /// Errors: as `p_give`; `BadProtection`; `NotPermitted` also when the caller lacks the
            /// right itself.
            20 p_share(pid: $crate::Pid, prot: u32, list: $crate::UserPtr, count: u32) -> u32;

            /// Accepts up to `frames` frames from the environment `pid`, by `p_give` or `p_share`,
            /// in place of what was accepted before. (Not in the thesis.)
            ///
            /// Errors: `NoSuchEnvironment`.
            21 p_accept(pid: $crate::Pid, frames: u32) -> ();

            /// Writes the first of the `bytes` bytes from `text` to the console; returns their
            /// number: as many as the device takes without a wait, at most
            /// [`CONSOLE_WRITE_BYTES`]($crate::limits::CONSOLE_WRITE_BYTES), and 0 while it is
            /// busy. The caller repeats the call for the bytes behind them.
            ///
            /// Errors, about all of the bytes: `BadLength`, `TooLong`, `Unmapped`, `PageEnd`.
            24 console_write(text: $crate::UserPtr, bytes: u32) -> u32;

            /// Stops the machine with an exit status, 0 to 255 (the low 8 bits count). For the
            /// first environment only.
            ///
            /// Errors: `NotPermitted`.
            25 power_off(status: u32) -> ();

            /// Passes the console's input on to the environment `pid`. At first it is the first
            /// environment's. It goes back to whoever gave it when the one who has it is destroyed,
            /// or gives it back by this call. What is in a queue already stays there; what is in
            /// the device goes to `pid`.
            ///
            /// Errors: `NoSuchEnvironment`; `NotPermitted` when the caller is neither a writer of
            /// the one who has it nor the first environment, which can always take it.
            26 console_focus(pid: $crate::Pid) -> ();

            /// Allocates the time slice `n`, or any if it is [`ANY`]($crate::calls::ANY), to the
            /// environment `pid`; returns its number. It is charged to the caller's account.
            /// (Thesis .7)
            ///
            /// Errors: `NoAllowance`, `NoSuchSlice`, `SliceTaken`, `NoSuchEnvironment`;
            /// `NotPermitted` when the caller is no writer of `pid`; `Owing` when turns of the
            /// slice are to be skipped yet.
            32 s_alloc(pid: $crate::Pid, n: u32) -> u32;

            /// Frees the time slice `n`. (Thesis .7)
            ///
            /// Errors: `NoSuchSlice`, `SliceFree`; `NotPermitted` when the caller is neither on the
            /// slice's list nor a writer of its owner; `Owing` as long as turns of it are to be
            /// skipped.
            33 s_free(n: u32) -> ();

            /// Puts the environment `pid` on the list of slice `n`: it may do with the slice what
            /// its owner may, and follows when that leaves.
            ///
            /// Errors: as `s_free`; `NoSuchEnvironment`; `NotPermitted` also when the caller is no
            /// writer of `pid`.
            34 s_add(pid: $crate::Pid, n: u32) -> ();

            /// Yields the rest of the current slice to the environment `pid`, which goes on at its
            /// prologue; or, if it is [`NEXT`]($crate::calls::NEXT), or the slice is over, ends it,
            /// so that the next slice begins. Does not return: the caller goes on at its own
            /// prologue, in time. One that has never run starts at its first instruction. A slice
            /// whose holder has no prologue (or first instruction) is skipped; if it is lent, it
            /// goes back to its owner. (Thesis .7)
            ///
            /// Errors: `NoSuchEnvironment`, `NoGate`; `NotStarted` when `pid` has never run and the
            /// caller is no writer of it.
            35 r#yield(pid: $crate::Pid) -> ();

            /// Makes the environment `pid` the owner of the current slice, for good, and yields to
            /// it. (Thesis .7)
            ///
            /// Errors: as `yield`; `NotPermitted` when the caller is no writer of `pid`, or not on
            /// the list of the slice.
            36 donate(pid: $crate::Pid) -> ();

            /// Takes back the time slice `n`, which transfers may have brought to another
            /// environment: it begins at its owner again.
            ///
            /// Errors: `NoSuchSlice`, `SliceFree`; `NotPermitted` when the caller is neither the
            /// slice's owner nor a writer of it.
            37 s_back(n: u32) -> ();

            /// Writes to `into`, aligned to 4, where the kernel's tables stand that every program
            /// may map for reading: an [`ExposedInfo`]($crate::exposed::ExposedInfo). (Thesis .10)
            ///
            /// Errors: `Misaligned`, `BadLength`, `Unmapped`, `PageEnd`.
            39 read_exposed_info(into: $crate::UserPtr) -> ();

            /// Asks for an interrupt of the kind [`TIMER`]($crate::interrupts::TIMER) after `ticks`
            /// ticks; 0: for none any more. The last word counts. Sixteen fire in one tick at most,
            /// the others at the next ticks.
            40 timer(ticks: u32) -> ();

            /// Ticks of the clock a second; 0 where it counts instructions, or there is none.
            /// (Thesis .10)
            41 getrate() -> u32;

            /// Ticks of the clock so far; wraps around at 2^32. (Thesis .10)
            42 gettick() -> u32;

            /// Makes the processor see as instructions what the caller wrote as data to the `bytes`
            /// bytes from `start`. (Thesis .10. It had flags, of which it says nothing.)
            ///
            /// Errors: `BadLength`, `TooLong`, `Unmapped`, `PageEnd`.
            43 cacheflush(start: $crate::UserPtr, bytes: u32) -> ();

            /// Copies some of the `frames` frames from `from` to those from `to`, at most
            /// [`COPY_FRAMES`]($crate::limits::COPY_FRAMES); returns their number. Where `to` is
            /// greater than `from`, they are the last ones, and the caller repeats the call for the
            /// frames before them, with the same `to` and `from`. Otherwise they are the first
            /// ones, and the caller repeats it for the frames behind them. So the frames are copied
            /// as if by way of a third place where they overlap. What was copied can be executed at
            /// once. (Thesis .10. Its flag to bypass the cache is left out: where frames are copied
            /// by the processor, that saves nothing, and its result would not be coherent with
            /// pages that are mapped cached, as all are.)
            ///
            /// Errors: `NoSuchFrame` for any of the frames. For each that is copied `FrameFree`;
            /// `NotPermitted` when the caller may not read one of those from `from`, or not write
            /// one of those from `to`.
            44 memcpy(to: u32, from: u32, frames: u32) -> u32;

            /// Fills the first of the `bytes` bytes from `offset` on with the low 8 bits of `byte`;
            /// returns their number: as many as lie in the first
            /// [`COPY_FRAMES`]($crate::limits::COPY_FRAMES) frames. The caller repeats the call for
            /// the bytes behind them. The bytes count from the start of `frame`, and may lie in the
            /// frames behind it. (Thesis .10)
            ///
            /// Errors: `BadLength` when `offset` and `bytes` together exceed 32 bits; `NoSuchFrame`
            /// for any frame of the bytes. For each that is filled `FrameFree`; `NotPermitted` when
            /// the caller may not write it.
            45 memset(frame: u32, offset: u32, byte: u32, bytes: u32) -> u32;

            /// Turns the floating-point unit on for the caller (`flag` 1), or off (0). (Thesis .10)
            /// Where another environment has had it since the caller had it last, all its registers
            /// are 0 then, the control register too; otherwise they are as the caller left them. It
            /// stays on until the caller turns it off, transfers (also where that is refused), or
            /// another environment runs; then its next floating-point instruction is an exception,
            /// "coprocessor 1 unusable". So whoever wants to keep the registers saves them before
            /// that. There are 32 registers of 32 bits; numbers of 64 bits take two.
            ///
            /// Errors: `BadStatus` for another flag, and where the processor has no such unit.
            46 fpu(flag: u32) -> ();
        }
    };
}

/// As an argument of `p_alloc`, `e_alloc` and `s_alloc`: any that is free.
pub const ANY: u32 = u32::MAX;
/// As an argument of `e_alloc`: the new environment draws on the caller's account.
pub const SHARED: u32 = u32::MAX;

/// As an argument of `e_alloc`: the new environment draws on an account of its own, of so many
/// environments and slices.
pub const fn allowance(environments: u8, slices: u8) -> u32 {
    environments as u32 | (slices as u32) << 8
}

/// As an argument of `yield`: whoever has the next slice. No environment has this name.
pub const NEXT: Pid = Pid(0);
/// As an argument of `p_add`: the right to read and execute.
pub const READ: u32 = 1;
/// As an argument of `p_add`: the right to read, execute and write.
pub const READ_WRITE: u32 = 3;

/// The protected control transfers (thesis 3.4.2): `syscall` with one of these numbers in `v0` and
/// the callee's name in `v1`.
///
/// Execution continues at the callee's gate, with the caller's name in `v1`, set by the kernel.
/// `v0` is of no meaning there; every other register, HI and LO included, arrives as the caller
/// left it, but for `k0` and `k1`. The caller goes on when somebody transfers to its gate, or when
/// a slice of its own begins, at its prologue.
///
/// A transfer that is refused continues behind the `syscall`, with the error in `v1`:
/// `NoSuchEnvironment`, or `NoGate` where the environment with the callee's number has none. Nobody
/// has any before its start.
pub mod transfer {
    /// Asynchronous: the callee gets the rest of the current slice. (So does whoever that transfers
    /// to within the slice, in whatever way.)
    pub const ASYNCHRONOUS: u32 = 1;
    /// Synchronous: the callee gets the current slice and all future instances of it, until it
    /// gives them back the same way.
    pub const SYNCHRONOUS: u32 = 2;
}

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
            name: plain(stringify!($name)),
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

/// The name of a call, which may be one of Rust's own words.
const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

for_each_call!(table);
