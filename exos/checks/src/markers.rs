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
    /// A load each from [`CHUNK`](crate::walk::CHUNK) pages of a working set.
    Walk = 100, "loads from pages of a working set";
}

/// Pages in [`Span::StlbHits`]. A refill loads as many as an entry of the software TLB maps.
pub const STLB_HIT_PAGES: u32 = 1024;

impl Span {
    /// Number of the span.
    pub const fn id(self) -> u16 {
        self as u16
    }

    /// The instruction that opens it.
    pub const fn open(self) -> u32 {
        LUI_ZERO | (2 * self as u32)
    }

    /// The instruction that closes it.
    pub const fn close(self) -> u32 {
        LUI_ZERO | (2 * self as u32 + 1)
    }
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
