//! Linux' operations that stand beside ours, and how each is measured.

/// Where the figure of an operation comes from.
pub enum Source {
    /// It is the guest's of the same name.
    Guest,
    /// It is half of this one of the guest's.
    HalfOf(&'static str),
    /// It is the cheapest of these of the guest's, by the median. Each has words to be added to the method.
    Cheapest(&'static [(&'static str, &'static str)]),
}

/// An operation.
pub struct Operation {
    /// Its identifier, the same as ours.
    pub id: &'static str,
    /// Where its figure comes from.
    pub source: Source,
    /// What is counted, and how.
    pub method: &'static str,
}

const fn guest(id: &'static str, method: &'static str) -> Operation {
    Operation { id, source: Source::Guest, method }
}

/// All operations. "In turn" means the policy `SCHED_FIFO`, where both sides block each time and batches are alike.
pub static OPERATIONS: &[Operation] = &[
    guest("procedure-call", "`jal` to an empty procedure and back, delay slots included"),
    guest("null-call", "`getppid`: the instruction that loads its number, `syscall`, and the way there and back"),
    guest(
        "exception-overflow",
        "`add` that overflows, SIGFPE, to a handler of 4 instructions and back behind the `add`",
    ),
    guest("exception-overflow-in", "from the same `add`, included, to the handler's first instruction"),
    guest(
        "exception-unaligned",
        "unaligned `lw`, SIGBUS (`sysmips` has told the kernel not to mend it), to a handler of 4 instructions and back",
    ),
    guest("exception-unaligned-in", "from the same `lw`, included, to the handler's first instruction"),
    guest("exception-coprocessor", "`mfc2`, SIGILL, to a handler of 4 instructions and back behind it"),
    guest("exception-coprocessor-in", "from the same `mfc2`, included, to the handler's first instruction"),
    guest(
        "exception-reserved",
        "`ld`, which this processor lacks, SIGILL, to a handler of 4 instructions and back behind it",
    ),
    guest("exception-reserved-in", "from the same `ld`, included, to the handler's first instruction"),
    guest(
        "exception-protection",
        "`sw` to a read-only page, SIGSEGV, to a handler of 4 instructions and back behind it",
    ),
    guest("exception-protection-in", "from the same `sw`, included, to the handler's first instruction"),
    guest("exception-breakpoint", "`break`, SIGTRAP, to a handler of 4 instructions and back behind it"),
    guest("exception-breakpoint-in", "from the same `break`, included, to the handler's first instruction"),
    guest(
        "transfer-round-trip",
        "1 byte through a pipe to another process, and 1 byte back through another pipe; scheduled in turn",
    ),
    Operation {
        id: "transfer",
        source: Source::HalfOf("transfer-round-trip"),
        method: "half of the round trip of 1 byte through pipes between two processes",
    },
    Operation {
        id: "rpc",
        source: Source::Cheapest(&[
            ("rpc-unix", "Unix stream sockets"),
            ("rpc-udp", "connected UDP sockets, loopback"),
        ]),
        method: "4 bytes to another process and 4 bytes back, `write` and `read` on both sides, scheduled in turn, through",
    },
    guest("yield", "`sched_yield` where nobody else can run; default scheduler"),
    guest(
        "slice-switch",
        "`sched_yield` that switches to another process, which does the same; scheduled in turn, mean of both sides",
    ),
    guest(
        "shared-memory-ping-pong",
        "a word in shared memory set, awaited by another process with `sched_yield`, and cleared likewise: there and back; in turn",
    ),
    guest(
        "spawn",
        "`clone(CLONE_VM | CLONE_VFORK)`, `execve` of a static program that ends at once, and `wait4` for it",
    ),
    guest("protect-1", "`mprotect(PROT_READ)` of one page out of 100, at random: it splits the mapping"),
    guest("protect-100", "one `mprotect(PROT_READ)` of 100 pages, all of it"),
    guest("unprotect-100", "one `mprotect(PROT_READ | PROT_WRITE)` of 100 pages, all of it"),
    guest(
        "trap",
        "store to a random one of 100 read-only pages, to a handler of 4 instructions and back behind the store",
    ),
    guest(
        "protect-trap-unprotect-1",
        "store to a random read-only page; the handler protects the page before, unprotects this one, and the store is done",
    ),
    guest(
        "protect-trap-unprotect-n",
        "100 pages are protected by one call, then stored to in random order; the handler unprotects the page; for each page",
    ),
    guest(
        "demand-zero",
        "first store to a page of an anonymous mapping, mean of 128 in a row; Debian's kernel clears it twice",
    ),
    guest("matrix-multiply", "two matrices of 150 x 150 32-bit integers multiplied; for the whole"),
    guest(
        "tlb-refill",
        "what a walk over 3,072 pairs of pages takes longer than one over 1,024, for each pair more: a refill of both pages",
    ),
];
