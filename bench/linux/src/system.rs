//! The system calls of Linux that are measured, or needed for it, in the calling convention O32: number in `$v0`, arguments in
//! `$a0` to `$a3` and at 16(`$sp`) and behind, result in `$v0`, and `$a3` is not 0 if that is an error.
//!
//! Numbers and constants come from Linux' own headers, by way of `linux-raw-sys`. Where nothing else is said, an error is the end of the
//! program: it panics.

use core::arch::asm;
use core::ffi::CStr;
use core::fmt;
use core::ptr;
use linux_raw_sys::general::*;
use linux_raw_sys::{ioctl, net, system};

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;
/// The console, for output.
const CONSOLE: u32 = 1;

/// Number of an open file.
pub type File = u32;
/// Number of a process.
pub type Process = u32;
/// What handles a signal: its number, what is known about it, and where the program was interrupted.
pub type Handler = unsafe extern "C" fn(i32, *const siginfo, *mut Context);

/// The beginning of `struct ucontext` with its `struct sigcontext`: arch/mips/include/uapi/asm/{ucontext,sigcontext}.h.
#[repr(C, align(8))]
pub struct Context {
    flags: u32,
    link: u32,
    stack: [u32; 3],
    mask_of_registers: [u32; 2],
    status: u32,
    /// Where the program goes on.
    pub pc: u64,
}

/// `struct sigaction` as the kernel reads it.
#[repr(C)]
struct Action {
    flags: u32,
    handler: Handler,
    mask: sigset_t,
}

/// A system call with up to three arguments. The result is the error's number where the call has failed.
///
/// # Safety
/// What the arguments make the kernel do must be sound.
#[inline(always)]
unsafe fn call(number: u32, arguments: [u32; 3]) -> Result<u32, u32> {
    let (value, failed): (u32, u32);
    // SAFETY: the caller's; all that a call may change is declared as changed.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "move  $16, $1", // calls change it, and Rust does not let us say so
            "syscall",
            "move  $1, $16",
            ".set pop",
            inlateout("$2") number => value, in("$4") arguments[0], in("$5") arguments[1], in("$6") arguments[2],
            out("$16") _, lateout("$7") failed, lateout("$3") _, lateout("$8") _, lateout("$9") _, lateout("$10") _, lateout("$11") _,
            lateout("$12") _, lateout("$13") _, lateout("$14") _, lateout("$15") _, lateout("$24") _, lateout("$25") _,
        );
    }
    if failed == 0 { Ok(value) } else { Err(value) }
}

/// A system call with up to six arguments. Otherwise as [`call`].
///
/// # Safety
/// What the arguments make the kernel do must be sound.
unsafe fn call6(number: u32, arguments: [u32; 6]) -> Result<u32, u32> {
    let (value, failed): (u32, u32);
    // SAFETY: the caller's; all that a call may change is declared as changed, and the stack is as before.
    unsafe {
        asm!(
            ".set push",
            ".set noat",
            "addiu $sp, $sp, -24",
            "sw    $16, 16($sp)",
            "sw    $17, 20($sp)",
            "move  $16, $1", // as above
            "syscall",
            "move  $1, $16",
            "addiu $sp, $sp, 24",
            ".set pop",
            inlateout("$16") arguments[4] => _, in("$17") arguments[5],
            inlateout("$2") number => value, in("$4") arguments[0], in("$5") arguments[1], in("$6") arguments[2],
            inlateout("$7") arguments[3] => failed, lateout("$3") _, lateout("$8") _, lateout("$9") _, lateout("$10") _,
            lateout("$11") _, lateout("$12") _, lateout("$13") _, lateout("$14") _, lateout("$15") _, lateout("$24") _,
            lateout("$25") _,
        );
    }
    if failed == 0 { Ok(value) } else { Err(value) }
}

/// The result of a call that must succeed.
#[inline(always)]
fn must(name: &str, result: Result<u32, u32>) -> u32 {
    match result {
        Ok(value) => value,
        Err(error) => failed(name, error),
    }
}

#[cold]
fn failed(name: &str, error: u32) -> ! {
    panic!("{name}: error {error} of Linux (include/uapi/asm-generic/errno-base.h)")
}

/// Ends the program.
pub fn exit(status: u32) -> ! {
    // SAFETY: nothing of the process is left that could be harmed.
    let _ = unsafe { call(__NR_exit_group, [status, 0, 0]) };
    unreachable!("a process that has ended goes on")
}

/// Writes to the console. What it does not take is lost.
pub fn print(words: fmt::Arguments) {
    struct Console;
    impl fmt::Write for Console {
        fn write_str(&mut self, words: &str) -> fmt::Result {
            // SAFETY: the kernel reads the words only.
            let result = unsafe { call(__NR_write, [CONSOLE, words.as_ptr() as u32, words.len() as u32]) };
            result.map(|_| ()).map_err(|_| fmt::Error)
        }
    }
    let _ = fmt::Write::write_fmt(&mut Console, words);
}

/// Waits until all that was printed has left the serial line, so that its interrupts do not disturb what comes next.
pub fn drain_console() {
    // SAFETY: it only waits.
    must("ioctl(TCSBRK)", unsafe { call(__NR_ioctl, [CONSOLE, ioctl::TCSBRK, 1]) });
}

/// Release and version of the kernel.
pub fn kernel() -> ([u8; 65], [u8; 65]) {
    // SAFETY: it is made of bytes.
    let mut name: system::new_utsname = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel writes this structure.
    must("uname", unsafe { call(__NR_uname, [&raw mut name as u32, 0, 0]) });
    (name.release.map(|c| c as u8), name.version.map(|c| c as u8))
}

/// The parent's number: the smallest thing that one can ask.
pub const GETPPID: u32 = __NR_getppid;

/// Lets others run.
#[inline(always)]
pub fn yield_processor() {
    // SAFETY: it changes no memory.
    must("sched_yield", unsafe { call(__NR_sched_yield, [0; 3]) });
}

/// How the processes of this program are scheduled.
#[derive(Clone, Copy)]
pub enum Policy {
    /// The default scheduler, which shares time fairly.
    Fair = SCHED_NORMAL as isize,
    /// In turn, each until it blocks or yields.
    Fifo = SCHED_FIFO as isize,
}

/// Sets the policy of this process and those that it makes.
pub fn schedule(policy: Policy) {
    let priority: i32 = match policy {
        Policy::Fair => 0,
        Policy::Fifo => 10,
    };
    // SAFETY: the kernel reads the priority only.
    must("sched_setscheduler", unsafe {
        call(__NR_sched_setscheduler, [0, policy as u32, &raw const priority as u32])
    });
}

/// Makes a copy of this process. The copy gets `None`.
pub fn fork() -> Option<Process> {
    // SAFETY: the copy has memory of its own.
    let child = must("clone", unsafe { call6(__NR_clone, [SIGCHLD, 0, 0, 0, 0, 0]) });
    (child != 0).then_some(child)
}

/// Makes a process that runs `program`, and has it borrow our memory until then: `vfork` and `execve`.
#[inline(always)]
pub fn spawn(program: &CStr) -> Process {
    let arguments = [program.as_ptr(), ptr::null()];
    let (child, failed): (u32, u32);
    // SAFETY: until it runs the program, or ends, the child does nothing but what stands here, on no stack, and we wait.
    unsafe {
        asm!(
            ".set push",
            ".set noreorder",
            ".set noat",
            "addiu $sp, $sp, -24",
            "sw    $zero, 16($sp)",         // fifth argument
            "move  $19, $1",
            "li    $2, {clone}",
            "syscall",
            "bnez  $2, 1f",                 // the parent, or an error
            " nop",
            "move  $4, $16",
            "move  $5, $17",
            "move  $6, $18",
            "li    $2, {execve}",
            "syscall",
            "li    $4, 127",                // there is no such program
            "li    $2, {exit}",
            "syscall",
            "1:",
            "move  $1, $19",
            "addiu $sp, $sp, 24",
            ".set pop",
            clone = const __NR_clone, execve = const __NR_execve, exit = const __NR_exit,
            // Registers that calls do not change: program, arguments, environment.
            in("$16") program.as_ptr(), in("$17") arguments.as_ptr(), in("$18") &raw const arguments[1], out("$19") _,
            inlateout("$4") CLONE_VM | CLONE_VFORK | SIGCHLD => _, inlateout("$5") 0 => _, inlateout("$6") 0 => _,
            inlateout("$7") 0 => failed, lateout("$2") child, lateout("$3") _, lateout("$8") _, lateout("$9") _,
            lateout("$10") _, lateout("$11") _, lateout("$12") _, lateout("$13") _, lateout("$14") _, lateout("$15") _,
            lateout("$24") _, lateout("$25") _,
        );
    }
    must("clone", if failed == 0 { Ok(child) } else { Err(child) })
}

/// Waits for the end of a child, and returns its status: 0 if it exited with 0.
#[inline(always)]
pub fn wait(child: Process) -> u32 {
    let mut status = 0;
    // SAFETY: the kernel writes the status.
    must("wait4", unsafe { call6(__NR_wait4, [child, &raw mut status as u32, 0, 0, 0, 0]) });
    status
}

/// Ends a child.
pub fn kill(child: Process) {
    // SAFETY: its memory is its own.
    must("kill", unsafe { call(__NR_kill, [child, SIGKILL, 0]) });
    wait(child);
}

/// Maps pages of zeroes: `MAP_PRIVATE`, or `MAP_SHARED` with the children to come.
pub fn map(pages: usize, protection: u32, sharing: u32) -> *mut u8 {
    let length = (pages * PAGE_BYTES) as u32;
    let arguments = [0, length, protection, sharing | MAP_ANONYMOUS, u32::MAX, 0];
    // SAFETY: the kernel takes addresses that are free.
    must("mmap", unsafe { call6(__NR_mmap2, arguments) }) as *mut u8
}

/// Takes pages away again.
///
/// # Safety
/// Nobody uses them any more.
pub unsafe fn unmap(pages: *mut u8, count: usize) {
    // SAFETY: the caller's.
    must("munmap", unsafe { call(__NR_munmap, [pages as u32, (count * PAGE_BYTES) as u32, 0]) });
}

/// No access.
pub const NONE: u32 = PROT_NONE;
/// Loads alone.
pub const READ: u32 = PROT_READ;
/// Loads and stores.
pub const WRITE: u32 = PROT_READ | PROT_WRITE;

/// Sets the protection of pages.
///
/// # Safety
/// Who uses them otherwise has a handler for that.
#[inline(always)]
pub unsafe fn protect(pages: *mut u8, count: usize, protection: u32) {
    // SAFETY: the caller's.
    must("mprotect", unsafe { call(__NR_mprotect, [pages as u32, (count * PAGE_BYTES) as u32, protection]) });
}

/// Has `handler` called on a signal.
///
/// # Safety
/// The handler must be sound wherever the signal comes.
pub unsafe fn handle(signal: u32, handler: Handler) {
    let action = Action { flags: SA_SIGINFO, handler, mask: sigset_t { sig: [0; 4] } };
    // SAFETY: the kernel reads the structure, and the handler is the caller's affair.
    must("rt_sigaction", unsafe {
        call6(__NR_rt_sigaction, [signal, &raw const action as u32, 0, size_of::<sigset_t>() as u32, 0, 0])
    });
}

/// The address at which a memory access has failed.
///
/// # Safety
/// `info` is what the handler of such a signal was given.
pub unsafe fn fault_address(info: *const siginfo) -> *mut u8 {
    // SAFETY: the caller's.
    unsafe { (*info).__bindgen_anon_1.__bindgen_anon_1._sifields._sigfault._addr.cast() }
}

/// Has the kernel raise a signal on unaligned loads and stores, where it would otherwise do them itself.
pub fn refuse_unaligned() {
    /// arch/mips/include/uapi/asm/sysmips.h
    const MIPS_FIXADE: u32 = 7;
    // SAFETY: it changes no memory.
    must("sysmips(MIPS_FIXADE)", unsafe { call(__NR_sysmips, [MIPS_FIXADE, 0, 0]) });
}

/// A pipe: the end to read from, and that to write to.
pub fn pipe() -> [File; 2] {
    let mut files = [0; 2];
    // SAFETY: the kernel writes both numbers.
    must("pipe2", unsafe { call(__NR_pipe2, [files.as_mut_ptr() as u32, 0, 0]) });
    files
}

/// Two Unix stream sockets that are connected.
pub fn stream_pair() -> [File; 2] {
    let mut files = [0; 2];
    let arguments = [net::AF_UNIX, net::SOCK_STREAM, 0, files.as_mut_ptr() as u32, 0, 0];
    // SAFETY: the kernel writes both numbers.
    must("socketpair", unsafe { call6(__NR_socketpair, arguments) });
    files
}

/// Two UDP sockets of the loopback interface that are connected.
pub fn datagram_pair() -> [File; 2] {
    let local = |port: u16| net::sockaddr_in {
        sin_family: net::AF_INET as _,
        sin_port: port.to_be(),
        sin_addr: net::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        __pad: [0; 8],
    };
    let addresses = [local(5001), local(5002)];
    let length = size_of::<net::sockaddr_in>() as u32;
    // SAFETY: it changes no memory.
    let files = [(); 2].map(|()| must("socket", unsafe { call(__NR_socket, [net::AF_INET, net::SOCK_DGRAM, 0]) }));
    for (file, own, other) in [(files[0], 0, 1), (files[1], 1, 0)] {
        // SAFETY: the kernel reads the address.
        must("bind", unsafe { call(__NR_bind, [file, &raw const addresses[own] as u32, length]) });
        // SAFETY: as above.
        must("connect", unsafe { call(__NR_connect, [file, &raw const addresses[other] as u32, length]) });
    }
    files
}

/// Turns the loopback interface on.
pub fn enable_loopback() {
    // SAFETY: it is made of bytes and words.
    let mut request: net::ifreq = unsafe { core::mem::zeroed() };
    // SAFETY: all of it are bytes.
    unsafe { request.ifr_ifrn.ifrn_name[..2].copy_from_slice(&[b'l' as _, b'o' as _]) };
    request.ifr_ifru.ifru_flags =
        (net::net_device_flags::IFF_UP as u32 | net::net_device_flags::IFF_RUNNING as u32) as _;
    // SAFETY: it changes no memory.
    let socket = must("socket", unsafe { call(__NR_socket, [net::AF_INET, net::SOCK_DGRAM, 0]) });
    // SAFETY: the kernel reads the request.
    must("ioctl(SIOCSIFFLAGS)", unsafe { call(__NR_ioctl, [socket, ioctl::SIOCSIFFLAGS, &raw const request as u32]) });
    close(socket);
}

/// Closes a file.
pub fn close(file: File) {
    // SAFETY: it changes no memory.
    must("close", unsafe { call(__NR_close, [file, 0, 0]) });
}

/// Writes all bytes.
#[inline(always)]
pub fn write(file: File, bytes: &[u8]) {
    // SAFETY: the kernel reads the bytes.
    let count = must("write", unsafe { call(__NR_write, [file, bytes.as_ptr() as u32, bytes.len() as u32]) });
    assert_eq!(count as usize, bytes.len(), "a short write");
}

/// Fills all bytes at once.
#[inline(always)]
pub fn read(file: File, bytes: &mut [u8]) {
    // SAFETY: the kernel writes the bytes.
    let count = must("read", unsafe { call(__NR_read, [file, bytes.as_mut_ptr() as u32, bytes.len() as u32]) });
    assert_eq!(count as usize, bytes.len(), "a short read");
}

/// Takes the limit off how long processes may run that are scheduled in turn.
pub fn lift_realtime_limit() {
    const FILE: &CStr = c"/proc/sys/kernel/sched_rt_runtime_us";
    let names = [c"proc", c"/proc"].map(|name| name.as_ptr() as u32);
    // SAFETY: the kernel reads the names.
    must("mount /proc", unsafe { call6(__NR_mount, [names[0], names[1], names[0], 0, 0, 0]) });
    // SAFETY: as above.
    let file = must("open sched_rt_runtime_us", unsafe { call(__NR_open, [FILE.as_ptr() as u32, O_WRONLY, 0]) });
    write(file, b"-1");
    close(file);
}

/// Restarts the machine, which ends the emulator.
pub fn restart() -> ! {
    // SAFETY: nothing is left to lose.
    let _ = unsafe { call(__NR_reboot, [LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART]) };
    panic!("the machine does not restart")
}
