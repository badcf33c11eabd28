//! Tells what happens to the TLB as it happens, in QEMU's log, a line each, beside what QEMU itself says there of exceptions.
//!
//! ```text
//! aegis enter VECTOR USER KERNEL PID   a stay in the kernel begins; PID: the name of the environment that runs
//! aegis at ADDRESS                     an instruction that was asked for (point=ADDRESS) is about to be executed
//! aegis tlb WORD                       so is tlbwr, tlbwi or a read of Random, in the kernel
//! aegis entry PLACE WORD...            this entry of the software TLB has become this, during the stay that ends with the next line:
//! aegis leave PC USER KERNEL PID       user mode goes on; PC is 0 where what it goes on with cannot be fetched, of which QEMU tells
//! aegis resume PC USER KERNEL          user mode goes on behind a jump through k0, which is how a program resumes without the kernel
//! aegis mark NUMBER                    a marker
//! ```
//!
//! All numbers are hexadecimal. USER and KERNEL are the instructions executed before. The guest's memory is a file that QEMU shares with
//! whoever opens it, so that looking into it disturbs nothing.

use crate::api;
use aegis_counter::Tally;
use std::ffi::CString;
use std::fmt::Write;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of a word of the guest's.
const WORD: usize = 4;
/// Where the guest's kernel sees its memory, uncached or not: the bits that are no part of the physical address.
const UNMAPPED: u32 = 0xe000_0000;

/// What the command line says of the guest; addresses are physical.
#[derive(Default)]
pub struct Options {
    /// The file that is the guest's memory. Without it, nothing is watched.
    pub memory: Option<String>,
    /// Where the software TLB starts.
    pub table: u32,
    /// Entries of it and its overflow buffer together.
    pub entries: u32,
    /// Bytes of one.
    pub entry: u32,
    /// Where the address of the dispatch block of the environment that runs stands.
    pub resume: u32,
    /// Offset of the environment's name in its block.
    pub pid: u32,
    /// Addresses at which to speak up.
    pub points: Vec<u32>,
}

impl Options {
    /// Takes one argument; false if there is none of this name.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, String> {
        let number = || {
            u32::from_str_radix(value.trim_start_matches("0x"), 16)
                .map_err(|_| format!("{name}={value}: not a hexadecimal number"))
        };
        match name {
            "memory" => self.memory = Some(value.to_owned()),
            "table" => self.table = number()?,
            "entries" => self.entries = number()?,
            "entry" => self.entry = number()?,
            "resume" => self.resume = number()?,
            "pid" => self.pid = number()?,
            "point" => self.points.push(number()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Opens the guest's memory, if it is to be watched.
    pub fn open(self) -> Result<Option<Watch>, String> {
        let Some(path) = &self.memory else { return Ok(None) };
        let memory = File::open(Path::new(path)).map_err(|error| format!("memory={path}: {error}"))?;
        let bytes = self.entries as usize * self.entry as usize;
        let watch = Watch { memory, seen: vec![0; bytes], now: vec![0; bytes], line: String::new(), options: self };
        Ok(Some(watch))
    }
}

/// Watches the guest.
pub struct Watch {
    options: Options,
    memory: File,
    /// The software TLB as it was last told.
    seen: Vec<u8>,
    /// Room for what it is now.
    now: Vec<u8>,
    /// Room for a line.
    line: String,
}

impl Watch {
    /// Is something to be said at this address?
    pub fn is_point(&self, address: u32) -> bool {
        self.options.points.contains(&address)
    }

    /// A stay in the kernel begins.
    pub fn enter(&mut self, vector: u32, now: Tally) {
        let pid = self.pid();
        self.say(format_args!("enter {vector:x} {:x} {:x} {pid:x}", now.user, now.kernel));
    }

    /// User mode goes on at `pc`, after a stay in the kernel.
    pub fn leave(&mut self, pc: u32, now: Tally) {
        self.tell_changes();
        let pid = self.pid();
        self.say(format_args!("leave {pc:x} {:x} {:x} {pid:x}", now.user, now.kernel));
    }

    /// User mode goes on at `pc`, after a jump through k0.
    pub fn resume(&mut self, pc: u32, now: Tally) {
        self.say(format_args!("resume {pc:x} {:x} {:x}", now.user, now.kernel));
    }

    /// A point is reached.
    pub fn at(&mut self, address: u32) {
        self.say(format_args!("at {address:x}"));
    }

    /// An instruction that has to do with the hardware TLB is about to be executed.
    pub fn tlb(&mut self, word: u32) {
        self.say(format_args!("tlb {word:x}"));
    }

    /// A marker is about to be executed.
    pub fn mark(&mut self, number: u16) {
        self.say(format_args!("mark {number:x}"));
    }

    fn pid(&self) -> u32 {
        self.word(self.word(self.options.resume).wrapping_add(self.options.pid) & !UNMAPPED)
    }

    /// The word at a physical address; 0 beyond the memory's end.
    fn word(&self, address: u32) -> u32 {
        let mut bytes = [0; WORD];
        // What cannot be read is not there.
        let _ = self.memory.read_exact_at(&mut bytes, address.into());
        u32::from_le_bytes(bytes)
    }

    /// Says what has changed in the software TLB since it was last looked at.
    fn tell_changes(&mut self) {
        let mut now = std::mem::take(&mut self.now);
        let seen = std::mem::take(&mut self.seen);
        if self.memory.read_exact_at(&mut now, self.options.table.into()).is_ok() && now != seen {
            let entry = self.options.entry as usize;
            let both = now.chunks_exact(entry).zip(seen.chunks_exact(entry));
            for (place, (new, _)) in both.enumerate().filter(|(_, (new, old))| new != old) {
                let mut words = String::new();
                for word in new.chunks_exact(WORD) {
                    let word = u32::from_le_bytes(word.try_into().expect("a chunk of a word"));
                    write!(words, " {word:x}").expect("a string takes all");
                }
                self.say(format_args!("entry {place:x}{words}"));
            }
        }
        (self.now, self.seen) = (seen, now);
    }

    fn say(&mut self, words: std::fmt::Arguments<'_>) {
        self.line.clear();
        writeln!(self.line, "aegis {words}").expect("a string takes all");
        let line = CString::new(self.line.as_str()).expect("hexadecimal numbers");
        // SAFETY: a C string that is valid during the call.
        unsafe { api::qemu_plugin_outs(line.as_ptr()) };
    }
}
