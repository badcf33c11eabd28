//! QEMU plugin that counts executed instructions exactly.
//!
//! ```text
//! -plugin libaegis_count.so,out=FILE[,vector=0xADDRESS]...
//! ```
//!
//! `aegis_counter` says what is counted, and what is in FILE, which is written when QEMU ends. A stay in the kernel may begin
//! at the vectors of MIPS32, and at each ADDRESS.

mod api;

use aegis_counter::{Counter, KERNEL_START, Tally, marker};
use api::{Arguments, Block, Count, Instruction, Listener, PluginId};
use std::ffi::{CStr, c_int, c_uint, c_void};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

/// Where the exceptions of MIPS32 enter: TLB refill, general, interrupt.
const VECTORS: [u32; 3] = [0x8000_0000, 0x8000_0180, 0x8000_0200];
/// `eret` and `deret`.
const RETURNS: [u32; 2] = [0x4200_0018, 0x4200_001f];

static COUNTER: Mutex<Counter> = Mutex::new(Counter::new());
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
}

impl Options {
    fn parse<'a>(arguments: impl Iterator<Item = &'a str>) -> Result<Options, String> {
        let mut out = None;
        let mut vectors = VECTORS.to_vec();
        for argument in arguments {
            match argument.split_once('=') {
                Some(("out", file)) => out = Some(PathBuf::from(file)),
                Some(("vector", address)) => vectors.push(
                    u32::from_str_radix(address.trim_start_matches("0x"), 16)
                        .map_err(|_| format!("vector={address}: not a hexadecimal address"))?,
                ),
                _ => return Err(format!("{argument}: unknown argument; there are out=FILE and vector=0xADDRESS")),
            }
        }
        Ok(Options { out: out.ok_or("missing out=FILE, where the counts go")?, vectors })
    }
}

/// What has been executed up to now.
fn now() -> Tally {
    let Plugin { user, kernel, .. } = plugin();
    Tally { user: user.get(), kernel: kernel.get() }
}

fn with_counter(change: impl FnOnce(&mut Counter)) {
    change(&mut COUNTER.lock().expect("a callback does not panic and go on"));
}

extern "C" fn on_vector(_cpu: c_uint, address: *mut c_void) {
    with_counter(|counter| counter.enter(address.addr() as u32, now()));
}

extern "C" fn on_user(_cpu: c_uint, _data: *mut c_void) {
    with_counter(|counter| counter.leave(now()));
}

extern "C" fn on_return(_cpu: c_uint, _data: *mut c_void) {
    with_counter(|counter| counter.about_to_return(now()));
}

extern "C" fn on_marker(_cpu: c_uint, number: *mut c_void) {
    with_counter(|counter| counter.mark(number.addr() as u16, now()));
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

            if options.vectors.contains(&address) {
                call(instruction, on_vector, address);
            }
            // Whoever comes back from the kernel starts a block.
            if index == 0 && address < KERNEL_START {
                call(instruction, on_user, 0);
            }
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
    match Options::parse(arguments) {
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
