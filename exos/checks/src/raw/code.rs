//! Code that raises exceptions, each in an instruction of its own.

use core::arch::{asm, global_asm};
use exos::unaudited;

macro_rules! instruction {
    ($($(#[$doc:meta])* $name:ident: $($line:expr),+;)*) => { $(
        $(#[$doc])*
        /// Registers before: `$a1`, `$a2`. Returns what is in `$v0` afterwards, which starts as 0.
        pub fn $name(a1: u32, a2: u32) -> u32 {
            let mut value = 0;
            // SAFETY: the instruction raises its exception, and changes no more than `$v0`.
            unsafe {
                asm!(
                    ".set push", ".set noat", ".set noreorder", $($line,)+ ".set pop",
                    inout("$2") value, in("$5") a1, in("$6") a2, options(nostack)
                );
            }
            value
        }
    )* };
}

instruction! {
    /// `add`, which overflows.
    add: "add $2, $5, $6";
    /// `addi` of the greatest number, which overflows upwards.
    addi: "addi $2, $5, 0x7fff";
    /// `addi` of the smallest number, which overflows downwards.
    addi_negative: "addi $2, $5, -0x8000";
    /// `sub`, which overflows.
    sub: "sub $2, $5, $6";
    /// A halfword load.
    lh: "lh $2, 0($5)";
    /// A halfword store.
    sh: "sh $6, 0($5)";
    /// `break`
    breakpoint: "break";
    /// `teq $a1, $a2`: a trap, if both registers are equal. (MIPS I does not have it.)
    teq: unaudited!(".word 0x00a60034");
    /// A reserved opcode.
    reserved: unaudited!(".word 0xfc000000");
    /// A privileged instruction of coprocessor 0.
    mfc0: unaudited!("mfc0 $2, $12");
    /// A privileged TLB instruction.
    tlbwr: unaudited!("tlbwr");
    /// `rdhwr $v0, $2`: the cycle counter. (The assembler knows it from MIPS32r2 on.)
    rdhwr: unaudited!(".word 0x7c02103b");
    /// `sdbbp 1`: software debug breakpoint. (Nor this.)
    sdbbp: unaudited!(".word 0x7000007f");
}

/// A `syscall` that is not Aegis' own: returns what the handler leaves in `$v0`.
pub fn foreign_syscall(number: u32, argument: u32) -> u32 {
    let mut value = number;
    // SAFETY: the handler is the test's.
    unsafe { asm!("syscall", inout("$2") value, in("$4") argument, options(nostack)) };
    value
}

/// Calls `address`. Whoever handles the exception must continue at the return address.
pub fn call(address: u32) {
    // SAFETY: no instruction is executed there, or a `break` of ours; what a call may change is declared as changed.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder",
            "move $16, $31",
            "jalr $25",
            " nop",
            "move $31, $16",
            ".set pop",
            in("$25") address, out("$16") _, options(nostack)
        );
    }
}

/// Calls the function at `address`, which changes no more than a function may; what it returns.
pub fn run(address: u32) -> u32 {
    // SAFETY: the test has put such a function there.
    let function: extern "C" fn() -> u32 = unsafe { core::mem::transmute(address as usize) };
    function()
}

/// Runs `break` with `sp` in the stack pointer, and puts that back.
pub fn breakpoint_with_stack_pointer(sp: u32) {
    // SAFETY: the handlers' stack is another; the stack pointer is put back.
    unsafe {
        asm!(
            ".set push", ".set noat", ".set noreorder",
            "move $16, $29",
            "move $29, {sp}",
            "break",
            "move $29, $16",
            ".set pop",
            sp = in(reg) sp, out("$16") _, options(nostack)
        );
    }
}

global_asm!(
    ".section .text.exos_checks_code, \"ax\", @progbits",
    ".set push",
    ".set noreorder",
    ".set noat",
    // Each function raises an exception in a delay slot and returns where the branch went: 1 behind it, 2 at its target.
    // a0 = 0, a1 = -1
    ".macro IN_DELAY_SLOT name, branch:vararg",
    ".globl exos_checks_\\name",
    "exos_checks_\\name:",
    "move  $t1, $ra",
    "\\branch",
    " break",
    "jr    $t1",
    " li   $v0, 1",
    "2:",
    "jr    $t1",
    " li   $v0, 2",
    ".endm",
    "IN_DELAY_SLOT beq_taken, beq $a0, $zero, 2f",
    "IN_DELAY_SLOT beq_not_taken, beq $a0, $a1, 2f",
    "IN_DELAY_SLOT bne_taken, bne $a0, $a1, 2f",
    "IN_DELAY_SLOT blez_taken, blez $a0, 2f",
    "IN_DELAY_SLOT bgtz_not_taken, bgtz $a0, 2f",
    "IN_DELAY_SLOT bltz_taken, bltz $a1, 2f",
    "IN_DELAY_SLOT bgezal_taken, bgezal $a0, 2f",
    "IN_DELAY_SLOT bltzal_not_taken, bltzal $a0, 2f",
    "IN_DELAY_SLOT j_taken, j 2f",
    "IN_DELAY_SLOT jal_taken, jal 2f",
    ".purgem IN_DELAY_SLOT",
    // The same with an indirect jump.
    ".globl exos_checks_jr_taken",
    "exos_checks_jr_taken:",
    "move  $t1, $ra",
    "lui   $t2, %hi(1f)",
    "addiu $t2, $t2, %lo(1f)",
    "jr    $t2",
    " break",
    "jr    $t1",
    " li   $v0, 1",
    "1:",
    "jr    $t1",
    " li   $v0, 2",
    // A load that misses in a delay slot: v0 = *a2. The branch is carried out once more, and must do the same.
    ".globl exos_checks_load_in_delay_slot",
    "exos_checks_load_in_delay_slot:",
    "move  $t1, $ra",
    "jal   1f",
    " lw   $v0, 0($a2)",
    "jr    $t1",
    " nop",
    "1:",
    "jr    $ra",
    " nop",
    // MIPS16e code: `break`.
    ".balign 4",
    ".globl exos_checks_mips16_break",
    "exos_checks_mips16_break:",
    unaudited!(".word 0xe805e805"),
    ".set pop",
);

macro_rules! in_delay_slot {
    ($($name:ident $symbol:literal;)*) => {
        unsafe extern "C" {
            $(#[link_name = $symbol] safe fn $name(zero: u32, minus_one: u32) -> u32;)*
        }

        /// Functions that raise `break` in a delay slot: name, function, and what it returns when the branch is carried out.
        pub const IN_DELAY_SLOT: &[(&str, extern "C" fn(u32, u32) -> u32, u32)] = &[$(
            (stringify!($name), $name, if contains_not(stringify!($name)) { 1 } else { 2 })
        ),*];
    };
}

const fn contains_not(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut i = 0;
    while i + 5 <= bytes.len() {
        if bytes[i] == b'_'
            && bytes[i + 1] == b'n'
            && bytes[i + 2] == b'o'
            && bytes[i + 3] == b't'
            && bytes[i + 4] == b'_'
        {
            return true;
        }
        i += 1;
    }
    false
}

in_delay_slot! {
    beq_taken "exos_checks_beq_taken";
    beq_not_taken "exos_checks_beq_not_taken";
    bne_taken "exos_checks_bne_taken";
    blez_taken "exos_checks_blez_taken";
    bgtz_not_taken "exos_checks_bgtz_not_taken";
    bltz_taken "exos_checks_bltz_taken";
    bgezal_taken "exos_checks_bgezal_taken";
    bltzal_not_taken "exos_checks_bltzal_not_taken";
    j_taken "exos_checks_j_taken";
    jal_taken "exos_checks_jal_taken";
    jr_taken "exos_checks_jr_taken";
}

unsafe extern "C" {
    safe fn exos_checks_load_in_delay_slot(a0: u32, a1: u32, address: u32) -> u32;
    static exos_checks_mips16_break: u8;
}

/// Loads from `address` in the delay slot of a `jal`.
pub fn load_in_delay_slot(address: u32) -> u32 {
    exos_checks_load_in_delay_slot(0, 0, address)
}

/// Address of a `break` of MIPS16e, as a jump takes it: odd.
pub fn mips16_break() -> u32 {
    (&raw const exos_checks_mips16_break) as usize as u32 | 1
}
