//! The host tool behind `./x`: builds Aegis and its programs, starts them in an emulator, watches and counts.
//!
//! From the outside in: [`cli`] takes a command apart; [`image`] has [`cargo`] build programs and kernel, and [`archive`]
//! packs the programs, stripped of their symbols; [`machine`] lists the machines, a [`board`] is one to be switched on, and
//! `malta` and `decstation` know how its emulator is started; [`session`] runs it and never waits for ever; [`annotate`] adds
//! the names from [`symbols`] to backtraces, and a [`listing`] lays the kernel's assembly beside its source; [`run`], [`debug`],
//! [`audit`], [`bench`], [`docs`], [`fuzz`], [`tlb`] and [`test`](mod@test) are the commands. [`cases`] is the
//! table of tests in the emulator, made of [`case`]s, and [`counts`] what is counted there, or in a [`counted`] run: by QEMU's plugin, or by
//! [`trace`]; [`calibration`] tells whether it is counted truly. [`tlb`] records a run's TLB misses, and makes a page of them, which is tested in a
//! [`browser`]. All of it shows what it does by [`output`] and [`progress`], and trusts neither the
//! `file`s that a user names nor a guest's words: a `stop_watch` tells the kernel's last line from
//! what a program prints.
#![forbid(unsafe_code)]

pub mod annotate;
pub mod archive;
pub mod audit;
pub mod bench;
pub mod board;
pub mod browser;
pub mod calibration;
pub mod cargo;
pub mod case;
pub mod cases;
pub mod cli;
pub mod counted;
pub mod counts;
pub mod debug;
mod decstation;
pub mod docs;
pub mod figure;
mod file;
pub mod fuzz;
pub mod image;
pub mod listing;
pub mod machine;
mod malta;
mod noise;
pub mod numbers;
pub mod output;
pub mod peer;
pub mod progress;
pub mod run;
pub mod session;
mod stop_watch;
mod strip;
pub mod sweep;
pub mod symbols;
pub mod terminal;
pub mod test;
pub mod tlb;
pub mod trace;
