//! The limits and fixed addresses of the interface, each with its reason.

/// Bytes in a page, on both machines.
pub const PAGE_BYTES: u32 = 1 << PAGE_SHIFT;
/// log2 of [`PAGE_BYTES`].
pub const PAGE_SHIFT: u32 = 12;

/// Lowest address that a program may map. Page 0 stays empty, so that a null pointer is an
/// exception.
pub const USER_START: u32 = PAGE_BYTES;
/// First address beyond user space (kuseg ends here on every MIPS).
pub const USER_END: u32 = 0x8000_0000;
/// End of the guaranteed segment, the lowest 16 MB of user space: only pages in it can have
/// guaranteed mappings (thesis 3.1.1). Above it lies the standard segment, whose misses go straight
/// to the application.
pub const GUARANTEED_END: u32 = 0x0100_0000;

/// Environments at most: so that the address space identifier is the environment's number on both
/// machines (the R3000 has 6 bits), and a list of environments is one 64-bit word.
pub const ENVS: usize = 64;
/// Time slices: a revolution through all of them stays short, about a quarter of a second at 256
/// ticks a second.
pub const SLICES: usize = 64;
/// Ticks of the clock in a slice: the timer interrupt demarcates slices (thesis 3.3.1).
pub const SLICE_TICKS: u32 = 1;
/// Frames that each environment may own whatever others do, and that it may name to be never taken
/// from it: enough for exception handlers and page directory (thesis 2.4: five to ten pages).
pub const RESERVED_FRAMES: usize = 8;
/// Slices of its own in which an environment must have given up the frames that it was asked for.
/// What is left of the one that runs is the first.
pub const REVOCATION_SLICES: u32 = 2;
/// Entries of a repossession vector: two reservations, and a power of two, since indices are
/// masked.
pub const REPOSSESSION_ENTRIES: usize = 16;
/// Entries of an interrupt queue (thesis figure 9-3). A power of two, since indices are masked.
pub const QUEUE_ENTRIES: usize = 16;
/// Of these, as many as must be in use before the console's input waits in the device: half, so
/// that it never takes the place of what cannot wait.
pub const CONSOLE_ENTRIES: usize = QUEUE_ENTRIES / 2;
/// Bytes of an environment's own that everybody may read and its writers may write: so that those
/// of all are a page.
pub const ENV_DATA_BYTES: usize = PAGE_BYTES as usize / ENVS;
/// Guaranteed mappings of an environment: enough for miss handler, exception stack and page
/// directory, and a search through them stays short.
pub const GUARANTEED_MAPPINGS: usize = 32;
/// Frames that the kernel manages at most: 256 MB, all of Malta's low memory, and a frame number
/// fits in 16 bits.
pub const FRAMES: usize = 1 << 16;
/// Bytes of a window in which a program resumes without the kernel: eight instructions, for a look
/// whether there is something else to be done, and the resume sequence.
pub const RESUME_WINDOW_BYTES: u32 = 32;
/// Exception codes: the field ExcCode of the register Cause has 5 bits.
pub const EXCEPTIONS: usize = 32;
/// Numbers of `syscall` that Aegis owns, 0 to 255; all others go to the environment's own handler
/// for `syscall`, so that a library OS can run programs made for another system.
pub const CALLS: u32 = 256;
/// Bytes of a save area: three registers, rounded up to its alignment, so that it never crosses a
/// page end.
pub const SAVE_AREA_BYTES: u32 = 16;
/// Pages that one pointer argument may span.
pub const POINTER_PAGES: u32 = 2;
/// Accounts at most: one for each environment, and the first one, which outlives its environment.
pub const ACCOUNTS: usize = ENVS + 1;
/// Frames that a list names at most: their numbers are 256 bytes.
pub const LIST_FRAMES: usize = 64;
/// Frames that one call of `memcpy` or `memset` changes at most. No stay in the kernel, where
/// interrupts are off, may be longer than 16,000 instructions, and to fill a frame takes 5,800.
pub const COPY_FRAMES: u32 = 2;
/// Pages that one call of `tlbrprotn`, `unprotn` or `tlbdeleten` edits at most, for the same
/// reason: where an entry of the TLB maps one page, making one writable takes 300 instructions.
pub const RANGE_PAGES: u32 = 32;
/// Bytes that one call of `console_write` writes at most, for the same reason: a byte takes 12
/// instructions, and a line is seldom longer.
pub const CONSOLE_WRITE_BYTES: u32 = 256;
/// Bytes of command line that reach a program.
pub const COMMAND_LINE_BYTES: usize = 256;
