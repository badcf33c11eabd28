//! The spans that are measured. The guest opens span `id` with `lui $zero, 2*id` and closes it with `lui $zero, 2*id+1`:
//! instructions that change nothing and that no compiler emits. Who counts the instructions looks for them.

macro_rules! spans {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal;)*) => {
        /// A span between two markers.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u16)]
        pub enum Span { $($(#[$doc])* $name = $id,)* }

        impl Span {
            /// Every span.
            pub const ALL: &[Span] = &[$(Span::$name),*];

            /// What is measured, in a few words.
            pub const fn name(self) -> &'static str {
                match self { $(Span::$name => $text,)* }
            }
        }
    };
}

spans! {
    /// One `break`, dispatched to a handler of seven instructions that resumes behind it without the kernel.
    ExceptionRoundTrip = 1, "exception and back, minimal handler";
    /// One `syscall` with the number of `pid` in its register already.
    NullCall = 2, "null system call";
    /// One call that is answered in Rust, with arguments in its registers already: `p_unref` of a frame that does not exist.
    SmallCall = 3, "small system call";
    /// A load from each of [`STLB_HIT_PAGES`] pages, all in the software TLB's table, and none in the hardware's.
    StlbHits = 4, "loads from pages in the software TLB";
    /// One `break`, dispatched to a Rust function that skips it.
    RustHandler = 5, "exception and back, handler in Rust";
    /// One load from a page that only the page table knows.
    Miss = 6, "TLB miss handled by the library";
    /// One synchronous transfer, with the number in its register already, to the first instruction at the callee's gate.
    Transfer = 7, "synchronous control transfer";
    /// One asynchronous transfer, alike.
    AsynchronousTransfer = 8, "asynchronous control transfer";
    /// One short call of a trusted server that adds two numbers, and back.
    TrustedCall = 9, "trusted LRPC and back";
    /// One short call of an untrusted server, alike.
    UntrustedCall = 10, "untrusted LRPC and back";
    /// One long call, whose server does nothing.
    LongCall = 11, "RPC of 20 words and back";
    /// A loop of known length, in user mode: [`calibration_length`] instructions. For each of [`CALIBRATION_TURNS`], in order.
    Calibration = 12, "loop of known length";
    /// A call of an empty function by `jal`, and back.
    ProcedureCall = 16, "procedure call";
    /// One `add` that overflows, to the handler of [`Span::ExceptionRoundTrip`] and back.
    ExceptionOverflow = 17, "integer overflow and back";
    /// A word's load from an odd address, alike.
    ExceptionUnaligned = 18, "unaligned load and back";
    /// An instruction of the floating-point unit while it is off, alike.
    ExceptionCoprocessor = 19, "coprocessor unusable and back";
    /// An opcode that is none, alike.
    ExceptionReserved = 20, "reserved instruction and back";
    /// A store to a read-only page that is in the hardware TLB, alike.
    ExceptionProtection = 21, "store to a read-only page and back";
    /// A load from a page in the overflow buffer.
    OverflowHit = 22, "TLB miss answered by the overflow buffer";
    /// A load from a page under a guaranteed mapping.
    GuaranteedHit = 23, "TLB miss answered by a guaranteed mapping";
    /// A synchronous transfer to a gate that transfers back.
    RoundTrip = 24, "synchronous control transfer there and back";
    /// A yield with nobody else to run.
    Yield = 25, "yield to nobody else";
    /// A yield to the next slice, whose environment yields back at once: two switches.
    SliceSwitch = 26, "yield to the next slice and back";
    /// An environment made, and destroyed.
    Environment = 27, "environment made and destroyed";
    /// A process started, run to its end, and waited for.
    Spawn = 28, "process started, ended and waited for";
    /// Is the page dirty? A look into the page table.
    DirtyQuery = 29, "dirty query";
    /// A page made read-only.
    Protect1 = 30, "protect 1 page";
    /// A hundred pages made read-only, in one call.
    Protect100 = 31, "protect 100 pages";
    /// A hundred pages made writable again, in one call.
    Unprotect100 = 32, "unprotect 100 pages";
    /// A store to a read-only page, to a handler in Rust that skips it.
    Trap = 33, "trap";
    /// A page made read-only, a store to it, the handler makes it writable, the store again (Appel and Li).
    ProtectTrapUnprotect1 = 34, "protect, trap, unprotect: 1 page";
    /// A hundred pages made read-only, and a store to each, the handler making it writable (Appel and Li).
    ProtectTrapUnprotectN = 35, "protect, trap, unprotect: 100 pages";
    /// The first store to a page that has no frame yet.
    DemandZero = 36, "page fault with demand zero";
    /// A word in shared memory that two processes change by turns, each yielding to the other.
    SharedMemory = 37, "shared-memory ping-pong, round trip";
    /// Two matrices of 150 x 150 integers multiplied.
    MatrixMultiply = 38, "150 x 150 integer matrix multiply";
    /// TLB misses of every kind, an exception and control transfers, between two looks at the kernel's counters.
    Watched = 99, "what is watched from outside";
    /// A load each from [`CHUNK`](crate::walk::CHUNK) pages of a working set.
    Walk = 100, "loads from pages of a working set";
}

/// How often each of the paths is performed: the first time, code and data may still miss in the TLB. An odd number has a middle.
pub const TIMES: u32 = 11;

/// Pages in [`Span::StlbHits`]. A refill loads as many as an entry of the software TLB maps.
pub const STLB_HIT_PAGES: u32 = 1024;

/// Turns of the loops in [`Span::Calibration`].
pub const CALIBRATION_TURNS: [u32; 5] = [1, 2, 3, 100, 10_000];

/// Instructions that a loop of `turns` turns executes in [`Span::Calibration`]: one before it, three in each turn.
pub const fn calibration_length(turns: u32) -> u32 {
    1 + 3 * turns
}

impl Span {
    /// Number of the span.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The instruction that opens it.
    pub const fn open(self) -> u32 {
        open(self.id())
    }

    /// The instruction that closes it.
    pub const fn close(self) -> u32 {
        close(self.id())
    }
}

/// The instruction that opens span `id`.
pub const fn open(id: u16) -> u32 {
    LUI_ZERO | (2 * id as u32)
}

/// The instruction that closes it.
pub const fn close(id: u16) -> u32 {
    LUI_ZERO | (2 * id as u32 + 1)
}

/// `lui $zero, 0`
const LUI_ZERO: u32 = 0x3c00_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_distinct_and_fit() {
        for (i, a) in Span::ALL.iter().enumerate() {
            assert_eq!((a.open() >> 16, a.close() >> 16), (0x3c00, 0x3c00), "{}", a.name());
            assert_eq!(a.close(), a.open() + 1);
            for b in &Span::ALL[i + 1..] {
                assert_ne!((a.id(), a.name()), (b.id(), b.name()));
                assert_ne!(a.id(), b.id());
            }
        }
    }
}
