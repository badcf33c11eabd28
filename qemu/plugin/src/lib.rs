//! QEMU plugin that counts executed instructions exactly.
//!
//! ```text
//! -plugin libaegis_count.so,out=FILE[,vector=0xADDRESS]...[,limit=COUNT][,memory=FILE,...]
//! ```
//!
//! `aegis_counter` says what is counted, and what is in FILE, which is written when QEMU ends. A stay in the kernel may begin
//! at the vectors of MIPS32, and at each ADDRESS. With `limit` QEMU ends when COUNT instructions
//! have been executed. With `memory` it also tells what happens to the TLB: see `watch.rs`.

mod api;
mod watch;

use aegis_counter::{Counter, Entered, JR_K0, KERNEL_START, TLBWI, TLBWR, Tally, marker};
use api::{Arguments, Block, Count, Instruction, Listener, PluginId};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use watch::Watch;

/// Where the exceptions of MIPS32 enter: TLB refill, general, interrupt.
const VECTORS: [u32; 3] = [0x8000_0000, 0x8000_0180, 0x8000_0200];
/// `eret` and `deret`.
const RETURNS: [u32; 2] = [0x4200_0018, 0x4200_001f];

/// `mfc0 rt, Random`, under a mask.
const READ_RANDOM: (u32, u32) = (0xffe0_ffff, 0x4000_0800);

static COUNTER: Mutex<Counter> = Mutex::new(Counter::new());
static WATCH: Mutex<Option<Watch>> = Mutex::new(None);
/// The program has jumped through k0, and where to is told by the next block.
static JUMPED: AtomicBool = AtomicBool::new(false);
static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// What there is from the moment on when QEMU installs the plugin.
struct Plugin {
    options: Options,
    /// Instructions started in user mode.
    user: Count,
    /// Instructions started in the kernel.
    kernel: Count,
}

fn plugin() -> &'static Plugin {
    PLUGIN.get().expect("QEMU installs the plugin before it calls back")
}

/// What the command line asks for.
struct Options {
    out: PathBuf,
    vectors: Vec<u32>,
    limit: Option<u64>,
    watch: watch::Options,
}

impl Options {
    fn parse<'a>(arguments: impl Iterator<Item = &'a str>) -> Result<Options, String> {
        let mut out = None;
        let mut vectors = VECTORS.to_vec();
        let mut limit = None;
        let mut watch = watch::Options::default();
        for argument in arguments {
            match argument.split_once('=') {
                Some(("out", file)) => out = Some(PathBuf::from(file)),
                Some(("vector", address)) => vectors.push(
                    u32::from_str_radix(address.trim_start_matches("0x"), 16)
                        .map_err(|_| format!("vector={address}: not a hexadecimal address"))?,
                ),
                Some(("limit", count)) => {
                    limit = Some(count.parse().map_err(|_| format!("limit={count}: not a number of instructions"))?);
                }
                Some((name, value)) if watch.take(name, value)? => {}
                _ => {
                    return Err(format!(
                        "{argument}: unknown argument; there are out=FILE, vector=0xADDRESS, limit=COUNT \
                         and those of watch.rs"
                    ));
                }
            }
        }
        Ok(Options { out: out.ok_or("missing out=FILE, where the counts go")?, vectors, limit, watch })
    }
}

/// What has been executed up to now.
fn now() -> Tally {
    let Plugin { user, kernel, .. } = plugin();
    Tally { user: user.get(), kernel: kernel.get() }
}

fn with_counter<T>(change: impl FnOnce(&mut Counter) -> T) -> T {
    change(&mut COUNTER.lock().expect("a callback does not panic and go on"))
}

/// Tells who watches, if somebody does.
fn tell(event: impl FnOnce(&mut Watch)) {
    if let Some(watch) = &mut *WATCH.lock().expect("a callback does not panic and go on") {
        event(watch);
    }
}

/// Ends QEMU, which then calls [`Listener::ended`], where as many instructions have been executed
/// as may be.
extern "C" fn on_limited(_cpu: c_uint, address: *mut c_void) {
    let Tally { user, kernel } = now();
    if plugin().options.limit.is_some_and(|limit| user + kernel >= limit) {
        with_counter(|counter| counter.limit(address.addr() as u32));
        std::process::exit(0);
    }
}

extern "C" fn on_vector(_cpu: c_uint, address: *mut c_void) {
    let (vector, now) = (address.addr() as u32, now());
    if let Entered::Stay { after_another } = with_counter(|counter| counter.enter(vector, now)) {
        tell(|watch| {
            if after_another {
                // Where to, QEMU tells with the exception.
                watch.leave(0, now);
            }
            watch.enter(vector, now);
        });
    }
}

extern "C" fn on_user(_cpu: c_uint, address: *mut c_void) {
    let (pc, now) = (address.addr() as u32, now());
    let jumped = JUMPED.swap(false, Relaxed);
    if with_counter(|counter| counter.leave(now)) {
        tell(|watch| watch.leave(pc, now));
    } else if jumped {
        tell(|watch| watch.resume(pc, now));
    }
}

extern "C" fn on_jump(_cpu: c_uint, _data: *mut c_void) {
    JUMPED.store(true, Relaxed);
}

extern "C" fn on_point(_cpu: c_uint, address: *mut c_void) {
    tell(|watch| watch.at(address.addr() as u32));
}

extern "C" fn on_tlb(_cpu: c_uint, word: *mut c_void) {
    tell(|watch| watch.tlb(word.addr() as u32));
}

extern "C" fn on_return(_cpu: c_uint, _data: *mut c_void) {
    with_counter(|counter| counter.about_to_return(now()));
}

extern "C" fn on_marker(_cpu: c_uint, number: *mut c_void) {
    let number = number.addr() as u16;
    with_counter(|counter| counter.mark(number, now()));
    tell(|watch| watch.mark(number));
}

impl Listener for Plugin {
    /// Plants the counting into a block of guest code.
    ///
    /// QEMU calls back before it adds inline, and calls back in the order of registration.
    fn translated(block: *mut Block) {
        let Plugin { options, user, kernel } = plugin();
        // SAFETY: QEMU passes a block that is valid during this call.
        let length = unsafe { api::qemu_plugin_tb_n_insns(block) };
        for index in 0..length {
            // SAFETY: the index is below the number of instructions.
            let instruction = unsafe { api::qemu_plugin_tb_get_insn(block, index) };
            // SAFETY: the instruction is valid as long as its block.
            let (address, word) = unsafe { (api::qemu_plugin_insn_vaddr(instruction) as u32, word(instruction)) };

            // The first of all: what follows it at this instruction does not happen.
            if options.limit.is_some() {
                call(instruction, on_limited, address);
            }
            if options.vectors.contains(&address) {
                call(instruction, on_vector, address);
            }
            // Whoever comes back from the kernel starts a block.
            if index == 0 && address < KERNEL_START {
                call(instruction, on_user, address);
            }
            tell(|watch| watched(watch, instruction, address, word));
            if word.is_some_and(|word| RETURNS.contains(&word)) {
                call(instruction, on_return, 0);
            }
            if let Some(number) = word.and_then(marker) {
                call(instruction, on_marker, number.into());
                continue;
            }
            let count = if address < KERNEL_START { user } else { kernel };
            // SAFETY: as above.
            unsafe { count.add_at(instruction) };
        }
    }

    /// Writes the file.
    fn ended() {
        let out = &plugin().options.out;
        with_counter(|counter| {
            let counts = counter.finish(now());
            if let Err(error) = std::fs::write(out, counts) {
                eprintln!("aegis-count: cannot write the counts to {}: {error}", out.display());
            }
        });
    }
}

/// Has those instructions told that `watch` is interested in.
fn watched(watch: &Watch, instruction: *mut Instruction, address: u32, word: Option<u32>) {
    if watch.is_point(address) {
        call(instruction, on_point, address);
    }
    match word {
        Some(JR_K0) if address < KERNEL_START => call(instruction, on_jump, 0),
        // What else a program has is an exception.
        _ if address < KERNEL_START => {}
        Some(write @ (TLBWR | TLBWI)) => call(instruction, on_tlb, write),
        Some(read) if read & READ_RANDOM.0 == READ_RANDOM.1 => call(instruction, on_tlb, READ_RANDOM.1),
        _ => {}
    }
}

/// Has `callback` called with `data` whenever `instruction` starts.
fn call(instruction: *mut Instruction, callback: api::OnExecute, data: u32) {
    let data = std::ptr::without_provenance_mut(data as usize);
    // SAFETY: called while the instruction's block is being translated; the callbacks take `data` as a number.
    unsafe { api::qemu_plugin_register_vcpu_insn_exec_cb(instruction, callback, api::NO_REGISTERS, data) };
}

/// The instruction's word; none if it is a short one of MIPS16e.
///
/// # Safety
///
/// The instruction belongs to the block that is being translated.
unsafe fn word(instruction: *const Instruction) -> Option<u32> {
    // SAFETY: as above; the bytes are in the guest's order, which is little-endian.
    unsafe { (api::qemu_plugin_insn_size(instruction) == 4).then(|| u32::from_le_bytes(api::copy_word(instruction))) }
}

/// The version of QEMU's plugin interface that this plugin speaks.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "QEMU looks up this name")]
pub static qemu_plugin_version: c_int = api::VERSION;

/// Called by QEMU when it has loaded the plugin.
///
/// # Safety
///
/// `argv` holds `argc` C strings.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: PluginId,
    _info: *const c_void,
    argc: c_int,
    argv: Arguments,
) -> c_int {
    let arguments = (0..argc.max(0) as usize).map(|index| {
        // SAFETY: QEMU promises `argc` strings, each ended by a zero, that stay as they are.
        unsafe { CStr::from_ptr(*argv.add(index)) }.to_str().unwrap_or("(not UTF-8)")
    });
    let prepared = Options::parse(arguments).and_then(|mut options| {
        *WATCH.lock().expect("nobody has it yet") = std::mem::take(&mut options.watch).open()?;
        Ok(options)
    });
    match prepared {
        Ok(options) => {
            let plugin = Plugin { options, user: Count::new(), kernel: Count::new() };
            PLUGIN.set(plugin).unwrap_or_else(|_| panic!("QEMU installs a plugin once"));
            // SAFETY: the id is the one that QEMU gave.
            unsafe { api::listen::<Plugin>(id) };
            0
        }
        Err(error) => {
            eprintln!("aegis-count: {error}");
            1
        }
    }
}
