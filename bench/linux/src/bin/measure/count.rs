//! Instructions, counted by CP0 Count, and what is printed of them.
//!
//! Under `-icount shift=0` an instruction is a nanosecond of virtual time, and Count goes up every 6: the host converts. So a batch is to
//! be thousands of instructions long; single intervals are summed up, and begin at varying phases of Count ([`Random::phase`]).

use aegis_bench_linux::{println, system};
use core::arch::asm;
use core::fmt;

/// Batches that are measured.
const BATCHES: usize = 60;
/// Batches before, which fill caches and free lists.
const WARM_UP: usize = 3;
/// All of them.
pub const ALL_BATCHES: u32 = (BATCHES + WARM_UP) as u32;

/// CP0 Count, which Linux lets programs read.
#[inline(always)]
pub fn count() -> u32 {
    let count;
    // SAFETY: it changes nothing.
    unsafe { asm!("rdhwr $8, $2", out("$8") count, options(nostack)) };
    count
}

/// Counts that `work` takes. One instruction too many: the first reading.
#[inline(always)]
pub fn timed(work: impl FnOnce()) -> u32 {
    let start = count();
    work();
    count().wrapping_sub(start)
}

/// Measures batches of `operations`, each of which takes `overhead` instructions besides. `batch` returns Counts. Prints a line:
///
/// `figure ID OPERATIONS OVERHEAD COUNTSxTIMES...`, the batches in order of their Counts.
pub fn measure(id: &str, operations: u32, overhead: u32, mut batch: impl FnMut() -> u32) {
    for _ in 0..WARM_UP {
        batch();
    }
    let mut counts = [0; BATCHES];
    counts.fill_with(batch);
    counts.sort_unstable();
    println!("figure {id} {operations} {overhead}{}", Runs(&counts));
    // The console's interrupts are not to fall into the next measurement.
    system::drain_console();
}

/// Equal numbers are shown once, with how often they occur.
struct Runs<'a>(&'a [u32]);

impl fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.chunk_by(|a, b| a == b).try_for_each(|run| write!(f, " {}x{}", run[0], run.len()))
    }
}

/// Random numbers, always the same ones (the constants are those of *Numerical Recipes*).
pub struct Random(pub u32);

impl Random {
    /// A number below `limit`, which is small.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }

    /// Wastes 0 to 5 times 5 instructions, so that what is measured next begins at any phase of Count, and sums are without bias.
    #[inline(always)]
    pub fn phase(&mut self) {
        // SAFETY: it only counts down.
        unsafe {
            asm!(
                ".set push",
                ".set noreorder",
                "1:",
                "beqz  $16, 2f",
                " addiu $16, $16, -1",
                "nop",
                "b     1b",
                " nop",
                "2:",
                ".set pop",
                inout("$16") self.below(6) => _, options(nomem, nostack)
            );
        }
    }
}
