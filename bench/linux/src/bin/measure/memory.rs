//! Protection of pages, as Appel and Li measure it (*Virtual Memory Primitives for User Programs*, ASPLOS 1991); fresh pages; the TLB;
//! and a program that only computes.

use crate::count::{Random, measure, timed};
use aegis_bench_linux::system::{self, Context, PAGE_BYTES};
use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering::Relaxed};
use linux_raw_sys::general::{MAP_PRIVATE, SIGSEGV, siginfo};

/// Pages of the region.
const PAGES: u32 = 100;
/// Operations of a batch, where each is timed by itself.
const OPERATIONS: u32 = 60;

/// Faults that a handler has seen.
static FAULTS: AtomicU32 = AtomicU32::new(0);
/// The page that can be written, for [`swap`].
static OPEN: AtomicPtr<u8> = AtomicPtr::new(core::ptr::null_mut());

/// Makes the page writable; the store is then done.
unsafe extern "C" fn unprotect(_: i32, info: *const siginfo, _: *mut Context) {
    FAULTS.store(FAULTS.load(Relaxed) + 1, Relaxed);
    // SAFETY: the signal is that of a store to the region, which is ours.
    unsafe { system::protect(page_of(system::fault_address(info)), 1, system::WRITE) };
}

/// Protects the page that was writable, and makes this one so.
unsafe extern "C" fn swap(signal: i32, info: *const siginfo, context: *mut Context) {
    // SAFETY: as above.
    unsafe {
        system::protect(OPEN.load(Relaxed), 1, system::READ);
        OPEN.store(page_of(system::fault_address(info)), Relaxed);
        unprotect(signal, info, context);
    }
}

fn page_of(address: *mut u8) -> *mut u8 {
    address.map_addr(|address| address & !(PAGE_BYTES - 1))
}

/// A region of [`PAGES`] pages that have been written, between pages without access, so that no other mapping is joined with it.
struct Region(*mut u8);

impl Region {
    fn new() -> Region {
        let pages = system::map(PAGES as usize + 2, system::NONE, MAP_PRIVATE);
        let region = Region(pages.wrapping_add(PAGE_BYTES));
        region.protect_all(system::WRITE);
        region.store_all();
        region
    }

    fn page(&self, number: u32) -> *mut u8 {
        self.0.wrapping_add(number as usize * PAGE_BYTES)
    }

    #[inline(always)]
    fn protect_all(&self, protection: u32) {
        // SAFETY: the region is ours, and stores to it are expected to fault.
        unsafe { system::protect(self.0, PAGES as usize, protection) };
    }

    fn store_all(&self) {
        (0..PAGES).for_each(|number| store(self.page(number)));
    }
}

/// Protects a page.
#[inline(always)]
fn protect(page: *mut u8, protection: u32) {
    // SAFETY: the page is of a region, and stores to it are expected to fault.
    unsafe { system::protect(page, 1, protection) };
}

/// Stores to a page: a fault, if it cannot be written.
#[inline(always)]
fn store(page: *mut u8) {
    // SAFETY: the page is of a region, and a fault is handled.
    unsafe { asm!("sw $0, 0($4)", in("$4") page, options(nostack)) };
}

/// Sums up single operations, each timed by itself.
fn sum(random: &mut Random, mut operation: impl FnMut(&mut Random) -> u32) -> u32 {
    (0..OPERATIONS).fold(0, |sum: u32, _| {
        random.phase();
        sum.wrapping_add(operation(random))
    })
}

/// Has `handler` called on faults while `work` goes on, and checks how many there were.
fn with_faults(handler: system::Handler, expected: u32, work: impl FnOnce()) {
    // SAFETY: the handlers mend what caused the fault.
    unsafe { system::handle(SIGSEGV, handler) };
    let before = FAULTS.load(Relaxed);
    work();
    assert_eq!(FAULTS.load(Relaxed) - before, expected, "faults seen by the handler");
}

/// Measures protection.
pub fn protection() {
    let region = &Region::new();
    let mut random = Random(1);
    measure("protect-1", OPERATIONS, 1, || {
        sum(&mut random, |random| {
            let page = region.page(random.below(PAGES));
            let counts = timed(|| protect(page, system::READ));
            protect(page, system::WRITE);
            store(page);
            counts
        })
    });
    measure("protect-100", OPERATIONS, 1, || {
        sum(&mut random, |_| {
            let counts = timed(|| region.protect_all(system::READ));
            region.protect_all(system::WRITE);
            region.store_all();
            counts
        })
    });
    measure("unprotect-100", OPERATIONS, 1, || {
        sum(&mut random, |_| {
            region.protect_all(system::READ);
            let counts = timed(|| region.protect_all(system::WRITE));
            region.store_all();
            counts
        })
    });
    crate::exceptions::skip_stores();
    region.protect_all(system::READ);
    measure("trap", OPERATIONS, 1, || {
        sum(&mut random, |random| {
            let page = region.page(random.below(PAGES));
            timed(|| store(page))
        })
    });

    region.protect_all(system::READ);
    protect(region.page(0), system::WRITE);
    OPEN.store(region.page(0), Relaxed);
    with_faults(swap, OPERATIONS * crate::count::ALL_BATCHES, || {
        measure("protect-trap-unprotect-1", OPERATIONS, 1, || {
            sum(&mut random, |random| {
                let open = OPEN.load(Relaxed);
                let page = loop {
                    let page = region.page(random.below(PAGES));
                    if page != open {
                        break page;
                    }
                };
                timed(|| store(page))
            })
        });
    });

    let order = &shuffled(&mut random);
    region.protect_all(system::WRITE);
    region.store_all();
    with_faults(unprotect, PAGES * crate::count::ALL_BATCHES, || {
        measure("protect-trap-unprotect-n", PAGES, 0, || {
            timed(|| {
                region.protect_all(system::READ);
                order.iter().for_each(|&number| store(region.page(number)));
            })
        });
    });
}

/// The numbers of the pages in random order.
fn shuffled(random: &mut Random) -> [u32; PAGES as usize] {
    let mut order = core::array::from_fn(|number| number as u32);
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u32 + 1) as usize);
    }
    order
}

/// Stores to, or loads from, each of `$count` pages, `$stride` bytes apart; three instructions for each.
macro_rules! walk {
    ($access:literal, $pages:expr, $count:expr, $stride:expr) => {{
        let last = $pages.wrapping_add(($count - 1) * $stride);
        // SAFETY: the pages are ours.
        unsafe {
            asm!(
                ".set push", ".set noreorder", "1:", $access, "bne $4, $5, 1b", " addu $4, $4, $6", ".set pop",
                inout("$4") $pages => _, in("$5") last, in("$6") $stride, out("$8") _,
            );
        }
    }};
}

/// Measures the first store to pages.
pub fn demand_zero() {
    const FRESH: usize = 128;
    // The store belongs to the operation; the two instructions of the loop do not.
    measure("demand-zero", FRESH as u32, 2, || {
        let pages = system::map(FRESH, system::WRITE, MAP_PRIVATE);
        let counts = timed(|| walk!("sw $0, 0($4)", pages, FRESH, PAGE_BYTES));
        // SAFETY: nobody uses them any more.
        unsafe { system::unmap(pages, FRESH) };
        counts
    });
}

/// Measures refills of the TLB: what a walk over more pairs of pages costs beyond one over fewer, when neither fits in the TLB. Each pair
/// more is a refill more, however many entries the TLB has.
///
/// QEMU keeps some of the entries that `tlbwr` has replaced. Early in the life of a process that of this code is among them; later it is
/// not, and 1 refill in 16 replaces it, so that it must be refilled too. So this comes before all else.
pub fn refill() {
    const FEW: usize = 1024;
    const MANY: usize = 3072;
    const PAIR: usize = 2 * PAGE_BYTES;
    let pages = system::map(2 * MANY, system::WRITE, MAP_PRIVATE);
    walk!("sw $0, 0($4)", pages, MANY, PAIR);
    measure("tlb-refill", (MANY - FEW) as u32, 3, || {
        walk!("lw $8, 0($4)", pages, FEW, PAIR);
        // A tick of the clock may fall into one, but not into all of them.
        let few = [(); 3].map(|()| timed(|| walk!("lw $8, 0($4)", pages, FEW, PAIR))).into_iter().min().unwrap_or(0);
        walk!("lw $8, 0($4)", pages, MANY, PAIR);
        let many = timed(|| walk!("lw $8, 0($4)", pages, MANY, PAIR));
        many.checked_sub(few).expect("the longer walk takes longer")
    });
    // SAFETY: nobody uses them any more.
    unsafe { system::unmap(pages, 2 * MANY) };
}

/// Order of the matrices.
const ORDER: usize = 150;

type Matrix = [[i32; ORDER]; ORDER];

#[inline(never)]
fn multiply(a: &Matrix, b: &Matrix, product: &mut Matrix) {
    for (row, product) in a.iter().zip(product) {
        for (column, product) in product.iter_mut().enumerate() {
            *product = row.iter().zip(b).fold(0i32, |sum, (x, b)| sum.wrapping_add(x.wrapping_mul(b[column])));
        }
    }
}

/// Measures a multiplication of integer matrices.
pub fn matrix_multiply() {
    let [mut a, mut b, mut product]: [Matrix; 3] = [[[0; ORDER]; ORDER]; 3];
    for row in 0..ORDER {
        for column in 0..ORDER {
            (a[row][column], b[row][column]) = ((row + column) as i32, row as i32 - column as i32);
        }
    }
    measure("matrix-multiply", 1, 0, || timed(|| multiply(black_box(&a), black_box(&b), black_box(&mut product))));
    let expected: i32 = (0..ORDER as i32).map(|k| (7 + k) * (k - 11)).sum();
    assert_eq!(product[7][11], expected, "the product of the matrices");
}
