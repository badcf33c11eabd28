//! The program that is started to measure what starting one costs: it ends at once.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

use aegis_bench_linux as _;
use core::arch::global_asm;
use linux_raw_sys::general::__NR_exit;

global_asm!(
    ".globl start",
    "start:",
    "li   $4, 0",
    "li   $2, {exit}",
    "syscall",
    exit = const __NR_exit,
);
