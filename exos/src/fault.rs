//! Why an access to memory was an exception, in the words of the report.

use crate::exceptions::{Cause, Context, Register};
use crate::layout::{self, Area};
use aegis_abi::Error;
use aegis_abi::limits::USER_END;
use core::fmt;

/// Why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The page is read-only.
    ReadOnly,
    /// The page table has the page, and the kernel refuses to bind it, or to give a frame for it.
    Refused(Error),
    /// A stack is used up.
    StackOverflow(Area),
    /// The first page.
    NullPointer,
    /// The page table has no such page.
    Unmapped,
    /// An address of the kernel's.
    OutsideUserSpace,
    /// An address that is no multiple of what is accessed there.
    Misaligned,
}

/// Why an access was an exception; `None` where the cause concerns no address. `refused` is what
/// the kernel says of the page, if it was asked.
pub fn why(context: &Context, cause: Cause, refused: Option<Error>) -> Option<Fault> {
    let address = context.badvaddr;
    let overflow = overflowed(context[Register::Sp], address).map(Fault::StackOverflow);
    match cause {
        Cause::Modified => Some(Fault::ReadOnly),
        Cause::TlbLoad | Cause::TlbStore => Some(match refused {
            Some(error) => Fault::Refused(error),
            None if overflow.is_some() => return overflow,
            None if address < layout::PAGE_BYTES => Fault::NullPointer,
            None => Fault::Unmapped,
        }),
        Cause::AddressLoad | Cause::AddressStore => Some(match overflow {
            Some(overflow) => overflow,
            None if address >= USER_END => Fault::OutsideUserSpace,
            None => Fault::Misaligned,
        }),
        _ => None,
    }
}

/// The stack that is used up, where nothing but that explains an exception at `address`: it is the
/// stack's guard page, or the stack pointer lies beyond that, and the address between the two. A
/// large array moves the stack pointer over the guard page at once.
fn overflowed(sp: u32, address: u32) -> Option<Area> {
    /// Nothing is mapped from here to the stack.
    const GAP: u32 = layout::REGIONS.end();
    let gap = GAP..layout::STACK.start;
    if layout::STACK_GUARD.contains(address) || gap.contains(&sp) && (sp..gap.end).contains(&address) {
        return Some(layout::STACK);
    }
    // Below the exception stack and its guard page are pages in use, then none, and then, as
    // addresses wrap around, the kernel's.
    let beyond = sp < layout::STATE.start && address < layout::STATE.start || sp >= USER_END;
    if layout::EXCEPTION_STACK_GUARD.contains(address) || beyond && address >= sp {
        return Some(layout::EXCEPTION_STACK);
    }
    None
}

impl Fault {
    /// Was there no frame for memory that is promised?
    pub fn is_out_of_memory(self) -> bool {
        matches!(self, Fault::Refused(Error::NoMemory | Error::TryAgain))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::ReadOnly => f.write_str("the page is read-only"),
            fault if fault.is_out_of_memory() => f.write_str("memory that is promised, and has no frame yet"),
            Fault::Refused(error) => write!(f, "the kernel refuses the page: {error}"),
            Fault::StackOverflow(stack) => {
                write!(f, "stack overflow: the {} has {} KB", stack.name, stack.pages * layout::PAGE_BYTES / 1024)
            }
            Fault::NullPointer => f.write_str("null pointer"),
            Fault::Unmapped => f.write_str("nothing is mapped there"),
            Fault::OutsideUserSpace => f.write_str("outside user space"),
            Fault::Misaligned => f.write_str("misaligned"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn said(cause: Cause, sp: u32, address: u32, refused: Option<Error>) -> Option<std::string::String> {
        let mut registers = [0; 32];
        registers[Register::Sp as usize] = sp;
        let context = Context { registers, hi: 0, lo: 0, epc: 0, badvaddr: address, cause: (cause as u32) << 2 };
        why(&context, cause, refused).map(|fault| fault.to_string())
    }

    #[test]
    fn each_cause_has_its_own_words() {
        let top = layout::STACK.end() - 64;
        for (cause, sp, address, refused, words) in [
            (Cause::TlbLoad, top, 8, None, Some("null pointer")),
            (Cause::TlbLoad, top, 0x6000_0000, None, Some("nothing is mapped there")),
            (Cause::TlbLoad, top, 0x7100_0000, None, Some("nothing is mapped there")),
            (Cause::TlbStore, top, 0x7ffa_fffc, None, Some("stack overflow: the stack has 256 KB")),
            (Cause::TlbStore, 0x7ff8_e370, 0x7ff8_e384, None, Some("stack overflow: the stack has 256 KB")),
            (Cause::TlbStore, 0x7ff8_e370, 0x7ffa_e000, None, Some("stack overflow: the stack has 256 KB")),
            (Cause::TlbStore, 0x7000_0000, 0x7000_0000, None, Some("stack overflow: the stack has 256 KB")),
            (Cause::TlbLoad, 0x7ff8_e370, 8, None, Some("null pointer")),
            (Cause::TlbLoad, 0x6fff_0000, 0x6fff_0000, None, Some("nothing is mapped there")),
            (Cause::TlbStore, 0x7100, 0x6ffc, None, Some("stack overflow: the exception stack has 16 KB")),
            (Cause::TlbStore, 0x0100, 0x0104, None, Some("stack overflow: the exception stack has 16 KB")),
            (
                Cause::AddressStore,
                0xffff_a000,
                0xffff_a010,
                None,
                Some("stack overflow: the exception stack has 16 KB"),
            ),
            (Cause::AddressLoad, top, 0x8000_0000, None, Some("outside user space")),
            (Cause::AddressLoad, top, 0x0101_0001, None, Some("misaligned")),
            (Cause::Modified, top, 0x0101_0000, None, Some("the page is read-only")),
            (
                Cause::TlbLoad,
                top,
                0x7201_0000,
                Some(Error::NoMemory),
                Some("memory that is promised, and has no frame yet"),
            ),
            (
                Cause::TlbLoad,
                top,
                0x7201_0000,
                Some(Error::NotPermitted),
                Some("the kernel refuses the page: not permitted"),
            ),
            (Cause::Overflow, top, 0, None, None),
        ] {
            assert_eq!(said(cause, sp, address, refused).as_deref(), words, "{cause:?} at {address:#x}, sp {sp:#x}");
        }
    }
}
