//! Events from QEMU's log: lines of the plugin's (`qemu/plugin/src/watch.rs`), and QEMU's own of exceptions (`-d int`).
//!
//! ```text
//! mips_cpu_do_interrupt: PC 80000000 EPC 000098e0 cause 2
//!     S 00008413 C 00800008 A 000098e0 D 00000000
//! aegis enter 80000000 1f3 2ab8c 0
//! ```

use crate::tlb::event::{Current, Event, Exception, Point, TlbEvent};
use crate::tlb::labels::Labels;
use crate::tlb::layout::Layout;
use crate::tlb::record::StlbEntry;
use aegis_counter::{TLBWI, TLBWR, Tally};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// How QEMU's line begins that says where an exception has led, and its second part.
const EXCEPTION: &str = "mips_cpu_do_interrupt: PC ";
const REGISTERS: &str = "    S ";
/// How the plugin's lines begin.
const OURS: &str = "aegis ";
/// Where the kernel sees the start of its memory, cached.
const KSEG0: u32 = 0x8000_0000;
/// Cause: the exception came in a branch delay slot.
const CAUSE_BD: u32 = 1 << 31;
/// Words of an entry of the STLB: tag, EntryLo0, EntryLo1, software bits; and a tag word that no Context register equals.
const ENTRY_WORDS: usize = 4;
const NO_TAG: u32 = 1;

/// Arguments of the plugin, and of nobody else, that have it tell of the TLB of a kernel whose memory is the file `memory`.
pub fn plugin_arguments(labels: &Labels, memory: &Path) -> Result<Vec<(&'static str, String)>> {
    let hexadecimal = |value: u32| format!("{value:#x}");
    let layout = Layout::of(crate::machine::Machine::Malta);
    let mut arguments = vec![
        ("memory", memory.display().to_string()),
        ("table", hexadecimal(labels.get("stlb_table")? - KSEG0)),
        ("entries", hexadecimal((stlb::SLOTS + stlb::OVERFLOW) as u32)),
        ("entry", hexadecimal(layout.entry_bytes as u32)),
        ("resume", hexadecimal(labels.get("watch_resume")? - KSEG0)),
        ("pid", hexadecimal(labels.get("watch_pid")?)),
    ];
    arguments.extend(labels.points()?.keys().map(|&point| ("point", hexadecimal(point))));
    Ok(arguments)
}

/// Reads the log.
pub struct Log {
    layout: Layout,
    points: BTreeMap<u32, Point>,
    /// EPC and code of the exception whose second line is awaited.
    exception: Option<(u32, u32)>,
    /// What is not one of these lines: QEMU has something to say.
    pub other: Vec<String>,
}

impl Log {
    /// A log that begins.
    pub fn new(layout: Layout, points: BTreeMap<u32, Point>) -> Log {
        Log { layout, points, exception: None, other: Vec::new() }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When it is not as it should be.
    pub fn line(&mut self, line: &str) -> Result<Option<Event>> {
        self.parse(line).with_context(|| format!("QEMU's log has the line `{line}`"))
    }

    fn parse(&mut self, line: &str) -> Result<Option<Event>> {
        if let Some(words) = line.strip_prefix(OURS) {
            return self.ours(words).map(Some);
        }
        if let Some(words) = line.strip_prefix(EXCEPTION) {
            let mut words = words.split(' ');
            let epc = words.nth(2).context("no EPC")?;
            let code = words.nth(1).context("no cause")?;
            // An exception of debug mode has -1.
            self.exception = Some((hexadecimal(epc)?, code.parse::<i32>().context("no number")? as u32));
        } else if let Some(words) = line.strip_prefix(REGISTERS) {
            let mut words = words.split_whitespace();
            let cause = hexadecimal(words.nth(2).context("no Cause")?)?;
            let bad_vaddr = hexadecimal(words.nth(1).context("no BadVAddr")?)?;
            let (epc, code) = self.exception.take().context("registers without an exception")?;
            let in_delay_slot = cause & CAUSE_BD != 0;
            return Ok(Some(Event::Exception(Exception { code, epc, in_delay_slot, bad_vaddr })));
        } else if !line.starts_with("do_raise_exception") && !line.starts_with("mips_cpu_do_interrupt enter") {
            self.other.push(line.to_owned());
        }
        Ok(None)
    }

    fn ours(&self, words: &str) -> Result<Event> {
        let mut words = words.split(' ');
        let name = words.next().unwrap_or_default();
        let numbers = words.map(wide).collect::<Result<Vec<u64>>>()?;
        let word = |index: usize| numbers.get(index).map(|&number| number as u32).context("too short");
        let now = || Ok::<_, anyhow::Error>(Tally { user: wide_at(&numbers, 1)?, kernel: wide_at(&numbers, 2)? });
        let current = || {
            let pid = word(3)?;
            Ok::<_, anyhow::Error>(Current {
                environment: self.layout.environment(pid),
                tag: pid & self.layout.tag_mask,
            })
        };
        Ok(match name {
            "enter" => Event::Enter { vector: word(0)?, now: now()?, current: current()? },
            "leave" => Event::Leave { pc: word(0)?, now: now()?, current: current()? },
            "resume" => Event::Resume { pc: word(0)?, now: now()? },
            "at" => Event::At(*self.points.get(&word(0)?).context("nobody has asked for this address")?),
            "tlb" => Event::Tlb(match word(0)? {
                TLBWR => TlbEvent::WriteRandom,
                TLBWI => TlbEvent::WriteIndexed,
                _ => TlbEvent::ReadRandom,
            }),
            "entry" => {
                let words: [u32; ENTRY_WORDS] = std::array::from_fn(|index| word(index + 1).unwrap_or_default());
                let context = Some(words[0]).filter(|&tag| tag != NO_TAG);
                let lo = if context.is_some() { words[1..1 + self.layout.pages].to_vec() } else { Vec::new() };
                Event::Stlb(StlbEntry { place: word(0)?, context, lo })
            }
            "mark" => Event::Mark(word(0)? as u16),
            _ => bail!("nothing is called {name}"),
        })
    }
}

fn hexadecimal(digits: &str) -> Result<u32> {
    Ok(wide(digits)? as u32)
}

fn wide(digits: &str) -> Result<u64> {
    u64::from_str_radix(digits, 16).with_context(|| format!("{digits} is no hexadecimal number"))
}

fn wide_at(numbers: &[u64], index: usize) -> Result<u64> {
    numbers.get(index).copied().context("too short")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;

    fn log() -> Log {
        Log::new(Layout::of(Machine::Malta), BTreeMap::from([(0x8000_055c, Point::NotInStlb)]))
    }

    #[test]
    fn an_exception_is_two_lines() {
        let mut log = log();
        for line in [
            "do_raise_exception_err: 26 (TLB load) 3",
            "mips_cpu_do_interrupt enter: PC 000098e0 EPC 000098e0 TLB load exception",
            "mips_cpu_do_interrupt: PC 80000000 EPC 000098dc cause 2",
        ] {
            assert_eq!(log.line(line).unwrap(), None);
        }
        let event = log.line("    S 00008413 C 80800008 A 00012340 D 00000000").unwrap();
        let exception = Exception { code: 2, epc: 0x98dc, in_delay_slot: true, bad_vaddr: 0x12340 };
        assert_eq!(event, Some(Event::Exception(exception)));
        assert!(log.line("    S 00008413 C 80800008 A 00012340 D 00000000").is_err(), "there is no exception left");
        assert!(log.other.is_empty());
    }

    #[test]
    fn the_plugins_lines_are_events() {
        let mut log = log();
        let current = Current { environment: 2, tag: 0x4080_0000 };
        let now = Tally { user: 0x1_0000_0000, kernel: 0x20 };
        for (line, event) in [
            ("aegis enter 80000000 100000000 20 40812302", Event::Enter { vector: 0x8000_0000, now, current }),
            ("aegis leave 1000 100000000 20 40812302", Event::Leave { pc: 0x1000, now, current }),
            ("aegis resume 1004 100000000 20", Event::Resume { pc: 0x1004, now }),
            ("aegis at 8000055c", Event::At(Point::NotInStlb)),
            ("aegis tlb 42000006 80000038", Event::Tlb(TlbEvent::WriteRandom)),
            ("aegis mark 3", Event::Mark(3)),
            (
                "aegis entry 1fff 40800010 1f 5f 0",
                Event::Stlb(StlbEntry { place: 0x1fff, context: Some(0x4080_0010), lo: vec![0x1f, 0x5f] }),
            ),
            ("aegis entry 2000 1 1f 5f 0", Event::Stlb(StlbEntry { place: 0x2000, context: None, lo: Vec::new() })),
        ] {
            assert_eq!(log.line(line).unwrap(), Some(event));
        }
        for wrong in ["aegis enter 80000000", "aegis at 80000000", "aegis frob", "aegis mark x"] {
            assert!(log.line(wrong).is_err(), "{wrong}");
        }
        assert_eq!(log.line("qemu-system-mipsel: warning: all is well").unwrap(), None);
        assert_eq!(log.other.len(), 1);
    }
}
