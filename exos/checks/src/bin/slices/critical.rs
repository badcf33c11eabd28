//! Critical sections (thesis 7.2.3): two processes add to a counter in shared memory, by a load and a store.

use alloc::format;
use exos::abi::calls::ANY;
use exos::page_table::Rights;
use exos::process::{self, End};
use exos::region::{Frame, Region};
use exos::{interrupts, schedule};
use exos_checks::raw::bare::give_slice;
use exos_checks::tap::Outcome;
use exos_checks::{check, check_eq, get};

/// Additions of each process.
const TIMES: u32 = 100_000;

/// A child: adds, in critical sections or without any.
pub fn child(role: &str) -> i32 {
    let frame = exos::args().nth(2).and_then(|word| word.parse().ok()).unwrap_or(0);
    let Ok(page) = Region::reserve(1) else { return 1 };
    let frame = Frame::shared(frame);
    if page.map(0, &frame, Rights::ReadWrite).is_err() {
        return 1;
    }
    let add = || page.store(0, page.load(0) + 1);
    for _ in 0..TIMES {
        match role {
            "critical" => interrupts::critical(add),
            "plain" => add(),
            _ => return 1,
        }
    }
    0
}

pub fn sections() -> Outcome {
    let (page, frame) = (get!(Region::reserve(1)), get!(Frame::any()));
    get!(page.map(0, &frame, Rights::ReadWrite));
    let sum = |role: &str| -> Result<u32, alloc::string::String> {
        page.store(0, 0);
        let word = format!("{}", frame.get());
        let spawn = || process::spawn_without_slice("slices", &[role, &word]);
        let children = [get!(spawn()), get!(spawn())];
        for child in &children {
            get!(frame.grant(child.pid(), Some(Rights::ReadWrite)));
        }
        for child in &children {
            get!(give_slice(child.pid(), ANY));
        }
        for child in &children {
            check_eq!(child.wait(), End::Exited(0), "a child's end");
        }
        Ok(page.load(0))
    };
    check_eq!(sum("critical")?, 2 * TIMES, "the sum, in critical sections");
    let plain = sum("plain")?;
    check!(plain < 2 * TIMES, "nothing was lost without critical sections, so this shows nothing");
    exos::println!("# without critical sections {} of {} additions are lost", 2 * TIMES - plain, 2 * TIMES);
    schedule::yield_now();
    Ok(())
}
