//! The machine, as the kernel describes it.

use crate::show::{Grouped, heading};
use exos::abi::limits::PAGE_BYTES;
use exos::machine::{self, text};
use exos::{print, println};

/// Shows the machine.
pub fn show() {
    heading(1, "The machine");
    let info = machine::info();
    println!("  board         {}", text(&info.board));
    println!("  processor     {}", text(&info.processor));
    let megabytes = info.frames / (1024 * 1024 / PAGE_BYTES);
    println!("  memory        {} frames of {} bytes, {megabytes} MB", Grouped(info.frames), Grouped(PAGE_BYTES));
    let entry = if info.pages_per_entry == 1 { "one page" } else { "two pages" };
    print!("  hardware TLB  {} entries of {entry} each", info.tlb_entries);
    if info.tlb_wired != 0 {
        print!("; refills spare the first {}", info.tlb_wired);
    }
    println!();
    println!(
        "  software TLB  {} entries of {} bytes, and {} in an overflow buffer;",
        Grouped(machine::STLB_SLOTS as u32),
        machine::STLB_ENTRY_BYTES,
        machine::STLB_OVERFLOW
    );
    println!("                a tag of {} bits tells programs apart", machine::TAG_BITS);
    println!("  a refill      takes {} instructions on a hit in the software TLB", info.refill_instructions);
    programs();
    print!("  command line ");
    for argument in exos::args() {
        print!(" {argument}");
    }
    println!();
    println!("  my name       {:#010x}, given by the kernel, which knows me by nothing else", machine::pid().0);
    crate::claim(info.frames > 0 && info.tlb_entries > info.tlb_wired, "the kernel describes the machine");
    crate::claim(info.pages_per_entry == machine::PAGES_PER_ENTRY, "kernel and program mean the same TLB entries");
    crate::claim(exos::args().next().is_some(), "the command line names this program");
}

/// Lists the programs in the archive, wrapped.
fn programs() {
    const LEFT: usize = 16;
    const RIGHT: usize = 79;
    print!("  programs      ");
    let mut column = LEFT;
    for (index, program) in exos::programs().enumerate() {
        let name = program.filename();
        let name = name.as_str().unwrap_or("?");
        if index > 0 {
            print!(",");
            column += 1;
            if column + 1 + name.len() > RIGHT {
                print!("\n{:LEFT$}", "");
                column = LEFT;
            } else {
                print!(" ");
                column += 1;
            }
        }
        print!("{name}");
        column += name.len();
    }
    println!();
}
