//! Stepping through the guest, instruction by instruction, in the emulator's debugger: QEMU's stub for gdb ([`qemu`]), GXemul's own
//! debugger ([`gxemul`]).

pub mod gxemul;
pub mod paths;
pub mod qemu;
pub mod walk;

use crate::board::Board;
use crate::cargo::Workspace;
use crate::listing::GENERAL;
use crate::machine::Machine;
use crate::run::Prepared;
use anyhow::Result;
use std::collections::BTreeMap;

/// General registers, HI and LO: as many as [`State`] has.
const COUNT: usize = GENERAL.len() + 2;

/// The names of the registers that [`State`] has, in their order.
pub fn names() -> impl Iterator<Item = &'static str> {
    GENERAL.into_iter().chain(["hi", "lo"])
}

/// What a processor holds between two instructions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Address of the next instruction.
    pub pc: u32,
    /// General registers, HI and LO: see [`names`].
    pub registers: [u32; COUNT],
    /// Registers of coprocessor 0 whose values are known, by the manual's names.
    pub cp0: BTreeMap<&'static str, u32>,
}

/// An instruction that was executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Executed {
    /// Where it stands.
    pub address: u32,
    /// It.
    pub word: u32,
    /// In a delay slot.
    pub in_delay_slot: bool,
}

/// A guest under a debugger.
pub trait Debugger {
    /// Stops the guest before the instruction at this address, from now on.
    fn break_at(&mut self, address: u32) -> Result<()>;
    /// Lets the guest run to where it is to stop; an error if it ends.
    fn go_on(&mut self) -> Result<()>;
    /// What the processor holds.
    fn state(&mut self) -> Result<State>;
    /// So many words of the guest's memory, as it sees it now.
    fn words(&mut self, address: u32, count: usize) -> Result<Vec<u32>>;
    /// Executes one instruction, or a branch with that in its delay slot.
    fn step(&mut self) -> Result<Vec<Executed>>;
    /// Says what registers of coprocessor 0 hold that the debugger does not show, if it does not: `EPC`, `Context` and `EntryHi`.
    fn assume(&mut self, epc: u32, context: u32, entry_hi: u32);
}

/// Starts the emulator with what was prepared, stopped before its first instruction.
///
/// # Errors
/// When it does not start.
pub fn start(workspace: &Workspace, machine: Machine, prepared: &Prepared) -> Result<Box<dyn Debugger>> {
    let board = Board {
        machine,
        kernel: prepared.kernel.clone(),
        command_line: prepared.command_line.clone(),
        semihosting: true,
        exact: true,
        ..Board::default()
    };
    start_board(workspace, &board)
}

fn start_board(workspace: &Workspace, board: &Board) -> Result<Box<dyn Debugger>> {
    Ok(match board.machine {
        Machine::Malta => Box::new(qemu::Gdb::start(workspace, board)?),
        Machine::Decstation => Box::new(gxemul::Dialogue::start(workspace, board)?),
    })
}
