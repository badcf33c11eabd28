//! What the kernel tells every program about the machine and itself, in a page that all may read.

use crate::limits::COMMAND_LINE_BYTES;

/// Contents of the information page. The kernel writes it; the counters change as the machine runs.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Info {
    /// How TLB misses were answered since the start, as far as the kernel sees them.
    pub counters: Counters,
    /// Name of the board, padded with zeros.
    pub board: [u8; 32],
    /// Name of the processor, padded with zeros.
    pub processor: [u8; 32],
    /// Physical memory, in frames: numbers 0 to this less 1.
    pub frames: u32,
    /// Entries of the hardware TLB.
    pub tlb_entries: u32,
    /// How many of them, the first ones, a refill never replaces.
    pub tlb_wired: u32,
    /// Pages that one TLB entry, and so one STLB entry, maps.
    pub pages_per_entry: u32,
    /// First frame of the software TLB, an [`stlb::Stlb`], with the overflow buffer right behind the table.
    pub stlb_frame: u32,
    /// Frames of the software TLB.
    pub stlb_frames: u32,
    /// Instructions of a refill from the software TLB's table, from the vector back to the access.
    pub refill_instructions: u32,
    /// First frame of the archive of programs, a tar archive.
    pub archive_frame: u32,
    /// Bytes of the archive.
    pub archive_bytes: u32,
    /// Ticks of the clock a second; 0 where it counts instructions, or there is none.
    pub clock_rate: u32,
    /// The frame that holds the data of all environments, `ENV_DATA_BYTES` each, in order of their numbers.
    pub env_data_frame: u32,
    /// Bytes of the command line in use.
    pub command_line_bytes: u32,
    /// The command line: name of the program and its arguments, separated by blanks.
    pub command_line: [u8; COMMAND_LINE_BYTES],
}

/// Events that the kernel counts. Each wraps around at 2^32.
///
/// A hit in the STLB's table is not among them: counting it would cost more than the refill itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct Counters {
    /// Refills from the overflow buffer.
    pub overflow: u32,
    /// Refills from a guaranteed mapping.
    pub guaranteed: u32,
    /// TLB misses handed to the application.
    pub upcalls: u32,
    /// Ticks of the clock, if the kernel was told to use one.
    pub ticks: u32,
    /// Slices that began.
    pub slices: u32,
}
