//! The operations that `./x bench` measures, for the program that performs them (`src/bin/bench.rs`, on Aegis) and for the host tool that
//! counts and reports.
//!
//! All figures are instructions executed, user mode and kernel together unless something else is said. They are not cycles.
#![no_std]
#![forbid(unsafe_code)]

use exos_checks::markers::Span;

/// What of a span is the figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// All of it.
    Whole,
    /// All of it, for each of so many.
    Each(u32),
    /// The one stay in the kernel that it has, from the first instruction at the general vector to the last.
    Kernel,
    /// The usual length of its stays at the refill vector.
    Refill,
}

/// Who wrote the instructions that are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// We, in assembly: the same with every compiler.
    Assembly,
    /// The compiler, in part: the same with the same compiler.
    Compiler,
}

/// What the thesis says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thesis {
    /// Instructions.
    pub instructions: u32,
    /// Where it stands, and what it says besides.
    pub source: &'static str,
}

/// An operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// A short name for programs.
    pub id: &'static str,
    /// One for people.
    pub name: &'static str,
    /// The span in which it is performed.
    pub span: Span,
    /// What of the span is the figure.
    pub measure: Measure,
    /// Who wrote what is counted.
    pub maker: Maker,
    /// How it is performed, and what is in the count, and what is not.
    pub method: &'static str,
    /// What the thesis says of it.
    pub thesis: Option<Thesis>,
}

use Maker::{Assembly, Compiler};
use Measure::{Each, Kernel, Refill, Whole};

const fn operation(id: &'static str, name: &'static str, span: Span, measure: Measure, maker: Maker) -> Operation {
    Operation { id, name, span, measure, maker, method: "", thesis: None }
}

impl Operation {
    const fn method(self, method: &'static str) -> Operation {
        Operation { method, ..self }
    }

    const fn thesis(self, instructions: u32, source: &'static str) -> Operation {
        Operation { thesis: Some(Thesis { instructions, source }), ..self }
    }
}

/// How the exceptions come back.
const MINIMAL: &str = "to a handler of nine instructions, which restores three registers and resumes behind the instruction without the \
    kernel; the instruction that raises it is in the count";

/// Pages of the operations of Appel and Li on many.
pub const MANY: u32 = 100;
/// Rows and columns of the matrices.
pub const MATRIX: usize = 150;

/// All operations, in the order of the report.
pub const OPERATIONS: &[Operation] = &[
    operation("procedure-call", "procedure call", Span::ProcedureCall, Whole, Assembly)
        .method("jal, jr and their delay slots"),
    operation("null-call", "null system call", Span::NullCall, Whole, Assembly)
        .method("`pid`, answered in assembly; with the syscall instruction"),
    operation("small-call", "system call answered in Rust", Span::SmallCall, Whole, Compiler)
        .method("`p_unref` of a frame that does not exist; with the syscall instruction"),
    operation(
        "exception-overflow-in",
        "exception to its handler (overflow)",
        Span::ExceptionOverflow,
        Kernel,
        Assembly,
    )
    .method("from the vector's first instruction to the handler's")
    .thesis(18, "3.4.1: 1.5 us on a DECstation 5000/125"),
    operation("exception-breakpoint", "breakpoint", Span::ExceptionRoundTrip, Whole, Assembly).method(MINIMAL),
    operation("exception-overflow", "integer overflow", Span::ExceptionOverflow, Whole, Assembly).method(MINIMAL),
    operation("exception-unaligned", "unaligned load", Span::ExceptionUnaligned, Whole, Assembly).method(MINIMAL),
    operation("exception-coprocessor", "coprocessor unusable", Span::ExceptionCoprocessor, Whole, Assembly)
        .method(MINIMAL),
    operation("exception-reserved", "reserved instruction", Span::ExceptionReserved, Whole, Assembly).method(MINIMAL),
    operation("exception-protection", "store to a read-only page", Span::ExceptionProtection, Whole, Assembly)
        .method(MINIMAL),
    operation("exception-rust", "breakpoint, handler in Rust", Span::RustHandler, Whole, Compiler)
        .method("to a handler that is a Rust function, with all registers saved, and back"),
    operation("stlb-hit", "TLB miss: software TLB", Span::StlbHits, Refill, Assembly)
        .method(
            "the refill sequence, from the vector to the return; the load that missed, and is repeated, is not in \
             the count",
        )
        .thesis(18, "3.4.1: one to two us"),
    operation("overflow-hit", "TLB miss: overflow buffer", Span::OverflowHit, Whole, Compiler)
        .method("a load from a page whose binding had to make room in the table, both times that it is begun"),
    operation("guaranteed-hit", "TLB miss: guaranteed mapping", Span::GuaranteedHit, Whole, Compiler)
        .method("a load from a page under a guaranteed mapping, both times that it is begun"),
    operation("miss", "TLB miss: the program", Span::Miss, Whole, Compiler).method(
        "a load from a page that only the program's page table knows: upcall, lookup, call to bind the page, \
             return, and the load, both times",
    ),
    operation("transfer", "protected control transfer, synchronous", Span::Transfer, Kernel, Assembly)
        .method("one way, from the vector's first instruction to the gate's")
        .thesis(30, "3.4.2: 1.4 us on a DECstation 5000/125"),
    operation(
        "transfer-asynchronous",
        "protected control transfer, asynchronous",
        Span::AsynchronousTransfer,
        Kernel,
        Assembly,
    )
    .method("one way, alike"),
    operation("transfer-round-trip", "protected control transfer, there and back", Span::RoundTrip, Whole, Assembly)
        .method("synchronous, both ways; the partner's gate is the three instructions that transfer back"),
    operation("lrpc-trusted", "LRPC, trusted server", Span::TrustedCall, Whole, Compiler)
        .method("two words there, their sum back; caller's and server's library, both transfers"),
    operation("lrpc-untrusted", "LRPC, untrusted server", Span::UntrustedCall, Whole, Compiler)
        .method("the same, with all registers saved and cleared by the caller"),
    operation("rpc", "RPC of 20 words", Span::LongCall, Whole, Compiler)
        .method("twenty words there and twenty back, in registers"),
    operation("yield", "yield, nobody else to run", Span::Yield, Whole, Compiler)
        .method("the library's yield: registers saved, the kernel's search for the next slice, registers restored"),
    operation("slice-switch", "yield with a switch", Span::SliceSwitch, Each(2), Compiler)
        .method("to the next slice and back, halved; the other environment yields at once, without a library"),
    operation("environment", "e_alloc and e_free", Span::Environment, Whole, Compiler)
        .method("an environment made from a context with five guaranteed mappings, and destroyed"),
    operation("spawn", "process: spawn, exit, wait", Span::Spawn, Whole, Compiler)
        .method("a program loaded from the archive into a new address space, run to its end, and waited for"),
    operation("dirty-query", "dirty query", Span::DirtyQuery, Whole, Compiler)
        .method("is a page dirty? A look into the program's own page table"),
    operation("protect-1", "protect 1 page", Span::Protect1, Whole, Compiler)
        .method("a page of a hundred made read-only: its entry, and the binding in the TLBs"),
    operation("protect-100", "protect 100 pages", Span::Protect100, Whole, Compiler)
        .method("a hundred pages in one call"),
    operation("unprotect-100", "unprotect 100 pages", Span::Unprotect100, Whole, Compiler)
        .method("a hundred pages in one call"),
    operation("trap", "trap", Span::Trap, Whole, Compiler)
        .method("a store to a read-only page, to a Rust function that skips it"),
    operation("protect-trap-unprotect-1", "protect, trap, unprotect", Span::ProtectTrapUnprotect1, Whole, Compiler)
        .method("of one page: the handler makes it writable, and the store is done again (Appel and Li's appel1)"),
    operation(
        "protect-trap-unprotect-n",
        "protect 100; trap, unprotect each",
        Span::ProtectTrapUnprotectN,
        Each(MANY),
        Compiler,
    )
    .method("for each page of a hundred that are protected in one call (Appel and Li's appel2)"),
    operation("demand-zero", "page fault with demand zero", Span::DemandZero, Whole, Compiler).method(
        "the first store to a page: a frame allocated, which the kernel has cleared, entered, bound; and the \
             store, both times",
    ),
    operation("shared-memory-ping-pong", "shared-memory ping-pong", Span::SharedMemory, Whole, Compiler)
        .method("a round trip: each of two processes changes a shared word and yields to the other"),
    operation("matrix-multiply", "150 x 150 integer matrix multiply", Span::MatrixMultiply, Whole, Compiler)
        .method("all of it, with the program's own page tables; no clock ticks"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_have_names_of_their_own_and_say_how_they_are_measured() {
        for (n, a) in OPERATIONS.iter().enumerate() {
            assert!(!a.method.is_empty(), "{}", a.id);
            for b in &OPERATIONS[n + 1..] {
                assert!(a.id != b.id && a.name != b.name, "{}", a.id);
                assert!(a.span != b.span || a.measure != b.measure, "{} and {} are the same", a.id, b.id);
            }
        }
    }
}
