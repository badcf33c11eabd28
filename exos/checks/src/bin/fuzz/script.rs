//! What a hostile environment does next: the drawing of steps.

use super::random::Random;
use super::world::{Whose, World};
use alloc::vec::Vec;
use core::mem::offset_of;
use exos::abi::calls::transfer::{ASYNCHRONOUS, SYNCHRONOUS};
use exos::abi::calls::{ANY, Number, READ, READ_WRITE, Row, SHARED, TABLE, allowance};
use exos::abi::limits::{ENV_DATA_BYTES, GUARANTEED_END, PAGE_BYTES, PAGE_SHIFT, RESERVED_FRAMES, USER_END};
use exos::abi::{Env, Lo};
use exos_checks::raw::hostile::{CODE, CONTEXTS, DATA, Entry, Kind, QUEUE, SCRATCH, SCRIPT, STEPS, TLBX};

/// What must come of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Anything.
    Any,
    /// It must not succeed.
    Failure,
    /// It must not succeed if the step before did.
    FailureAfterSuccess,
    /// It must not succeed if the step before did, and the one before that before: what was bound is bound no more.
    FailureAfterBoth,
    /// What it loads must be 0 if the two steps before have succeeded.
    ZeroAfterBoth,
    /// A transfer that must be refused. (A tick may have come instead.)
    Refusal,
}

/// A step: kind, four arguments, number of the call.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub kind: Kind,
    pub arguments: [u32; 4],
    pub number: u32,
    pub expect: Expect,
}

/// What the drawing must know of an environment.
#[derive(Default)]
pub struct Knowledge {
    pub pid: u32,
    /// Frames of its pages, which are the director's. It can give up its right to them, and has nothing to live on then.
    pub pages: Vec<u32>,
    /// Frames that are its own to give away.
    pub frames: Vec<u32>,
    /// Environments that it has made.
    pub children: Vec<u32>,
    /// Slices of its own.
    pub slices: Vec<u32>,
}

/// Where steps bind pages: 16 in a row, and some that share their slots in the software TLB.
const BOUND: u32 = GUARANTEED_END;
const BOUND_PAGES: u32 = 16;
/// Pages that are this far apart share a slot, on both machines.
const REACH: u32 = 0x0400_0000;
/// Bytes of a context in its page, at least.
pub const CONTEXT_BYTES: u32 = 0x200;

/// A page for bindings.
fn bound(random: &mut Random) -> u32 {
    let page = BOUND + random.below(BOUND_PAGES) * PAGE_BYTES;
    if random.one_in(4) { page + random.below(24) * REACH } else { page }
}

/// An address: odd ones, and the edges of all that has edges.
fn address(world: &mut World) -> u32 {
    let random = &mut world.random;
    let base = match random.below(16) {
        0 => random.next(),
        1 => 0,
        2 => USER_END,
        3 => GUARANTEED_END,
        4 => random.choose(&[0x8000_0000, 0x8000_0180, 0xa000_0000, 0xbfc0_0000, 0xc000_0000, 0xffff_f000]),
        5 => 0x8000_0000 + random.below(world.frame_count << PAGE_SHIFT),
        6 => CODE,
        7 => DATA,
        8 => CONTEXTS + random.below(8) * CONTEXT_BYTES,
        9 => SCRATCH,
        10 => SCRIPT,
        _ => bound(random),
    };
    let offset = match random.below(6) {
        0 => random.below(PAGE_BYTES),
        1 => PAGE_BYTES - 1 - random.below(8),
        2 => 0u32.wrapping_sub(random.below(8)),
        3 => random.below(8),
        _ => 0,
    };
    base.wrapping_add(offset)
}

/// A pointer to something that can be read, more often than not.
fn pointer(world: &mut World) -> u32 {
    let random = &mut world.random;
    match random.below(8) {
        0..3 => CONTEXTS + random.below(8) * CONTEXT_BYTES,
        3 => DATA + random.below(PAGE_BYTES),
        4 => random.choose(&[DATA, SCRIPT, CONTEXTS]) + PAGE_BYTES - 4 * random.below(8),
        _ => address(world),
    }
}

/// Frame and rights, and what is known of them.
fn lo(world: &mut World, knowledge: &Knowledge) -> (u32, Whose) {
    let (mut frame, mut whose) = world.frame(&knowledge.frames);
    if world.random.one_in(8) {
        (frame, whose) = (world.random.any(&knowledge.pages).unwrap_or(0), Whose::Anybodys);
    }
    if world.fragile && knowledge.pages.contains(&frame) {
        // What is stored there would be executed.
        frame = 0;
    }
    let bits = match world.random.below(8) {
        0 => world.random.next() & 0xfff,
        1 | 2 => Lo::V,
        3 => Lo::V | Lo::D,
        _ => Lo::V | Lo::D | Lo::W,
    };
    if whose == Whose::Readable {
        whose = if bits & Lo::W == 0 { Whose::Anybodys } else { Whose::Protected };
    }
    (frame << PAGE_SHIFT | bits, whose)
}

/// The argument called `name` of the call `row`, and whether the call must fail for it.
fn argument(world: &mut World, knowledge: &Knowledge, row: &Row, name: &str) -> (u32, bool) {
    if world.random.one_in(24) {
        return (garbage(world, knowledge), false);
    }
    let number = row.number;
    let is = |call: Number| number == call as u32;
    match name {
        "env" if !is(Number::e_add) => {
            let random = &mut world.random;
            let proper = random.one_in(2);
            let pointer = if proper { CONTEXTS + random.below(3) * CONTEXT_BYTES } else { pointer(world) };
            (pointer, pointer >= USER_END)
        }
        "pid" if is(Number::p_add) && world.random.one_in(2) => (world.random.any(&world.hostile).unwrap_or(0), false),
        "pid" | "env" => {
            let (pid, whose) = world.pid(knowledge.pid, &knowledge.children);
            let kills = is(Number::e_free) || is(Number::e_unref);
            if kills && (pid == knowledge.pid || world.hostile.contains(&pid)) && !world.random.one_in(8) {
                // Enough of them die.
                let other = world.random.any(&knowledge.children).unwrap_or(world.victim);
                return (other, other == world.victim);
            }
            let protects = is(Number::e_ref)
                || is(Number::e_unref)
                || is(Number::e_free)
                || is(Number::e_write)
                || is(Number::s_alloc)
                || is(Number::s_add)
                || is(Number::donate)
                || is(Number::p_give)
                || is(Number::p_share)
                || (is(Number::e_add) && name == "env");
            // It may have begun to destroy one that is gone by now, and may hold a reference to the dead.
            let is_nobodys = whose == Whose::Nobodys && !kills;
            (pid, is_nobodys || (whose == Whose::Protected && protects))
        }
        "n" if is(Number::e_alloc) => (world.random.choose(&[ANY, ANY, ANY, 0, 5, 20, 63, 64]), false),
        "n" => match world.random.below(8) {
            0 => (world.number(), false),
            1 => (
                world.random.below(world.slices),
                is(Number::s_free) || is(Number::s_alloc) || is(Number::s_add) || is(Number::s_back),
            ),
            2 => (world.random.below(70), false),
            3 => (ANY, false),
            _ if is(Number::s_alloc) => (ANY, false),
            _ => (world.random.any(&knowledge.slices).unwrap_or(ANY), false),
        },
        "frame" if is(Number::p_alloc) && !world.random.one_in(3) => (ANY, false),
        // What the kernel looks at is where the bytes are, beyond the offset.
        "frame" if is(Number::memset) => (world.frame(&knowledge.frames).0, false),
        // None may be copied.
        "to" | "from" if is(Number::memcpy) => (world.frame(&knowledge.frames).0, false),
        // The frames that a context has reserved.
        "list" => (CONTEXTS + world.random.below(3) * CONTEXT_BYTES + offset_of!(Env, reserved) as u32, false),
        "account" => {
            let own = allowance(world.random.below(3) as u8, world.random.below(3) as u8);
            (world.random.choose(&[0, own, own, SHARED]), false)
        }
        "count" => (world.random.below(2 + RESERVED_FRAMES as u32), false),
        "frames" => (if world.random.one_in(4) { world.number() } else { world.random.below(3) }, false),
        "into" => {
            let pointer = pointer(world);
            (pointer, pointer >= USER_END)
        }
        "flag" => (world.random.below(3), false),
        "frame" => {
            let mut frame = world.frame(&knowledge.frames);
            if !world.fragile && world.random.one_in(128) {
                frame = (world.random.any(&knowledge.pages).unwrap_or(0), Whose::Anybodys);
            }
            let (frame, whose) = frame;
            let is_kernels = world.readable.last() != Some(&frame);
            let takes = is(Number::p_add) || is(Number::p_alloc) || (is(Number::p_unref) && is_kernels);
            // All the ones stand for any.
            let any = frame == ANY && is(Number::p_alloc);
            (frame, !any && (whose == Whose::Protected || (whose == Whose::Readable && takes)))
        }
        "lo" => {
            let (lo, whose) = lo(world, knowledge);
            (lo, whose == Whose::Protected)
        }
        "va" => {
            let va = if world.random.one_in(3) { address(world) } else { bound(&mut world.random) };
            (va, va >= USER_END)
        }
        "pages" => (if world.random.one_in(4) { world.number() } else { world.random.below(20) }, false),
        "prot" => (world.random.choose(&[0, 0, READ, READ_WRITE, READ_WRITE, 2, 4]), false),
        "from" => {
            let pointer = pointer(world);
            (pointer, pointer >= USER_END)
        }
        "offset" => {
            (if world.random.one_in(4) { world.number() } else { world.random.below(ENV_DATA_BYTES as u32) }, false)
        }
        "bytes" => {
            (if world.random.one_in(4) { world.number() } else { world.random.below(ENV_DATA_BYTES as u32) }, false)
        }
        "ticks" => (if world.random.one_in(4) { world.number() } else { world.random.below(4) }, false),
        _ => (garbage(world, knowledge), false),
    }
}

fn garbage(world: &mut World, knowledge: &Knowledge) -> u32 {
    match world.random.below(6) {
        0 => world.random.next(),
        1 => world.pid(knowledge.pid, &knowledge.children).0,
        2 => world.frame(&knowledge.frames).0,
        3 => lo(world, knowledge).0,
        4 => address(world),
        _ => world.number(),
    }
}

/// A call of the table.
fn call(world: &mut World, knowledge: &Knowledge) -> Step {
    let row = &TABLE[world.random.below(TABLE.len() as u32) as usize];
    let mut arguments = [0; 4];
    let mut fails = row.number == Number::power_off as u32 || row.number == Number::console_focus as u32;
    for (place, name) in row.arguments.iter().enumerate() {
        let (word, must_fail) = argument(world, knowledge, row, name);
        arguments[place] = word;
        fails |= must_fail;
    }
    for word in &mut arguments[row.arguments.len()..] {
        *word = world.random.next();
    }
    if row.number == Number::console_write as u32 {
        // What they say is not to be heard: either nothing, or from nowhere.
        if world.random.one_in(2) {
            arguments[1] = 0;
        } else {
            arguments[0] = USER_END - PAGE_BYTES + world.random.below(2 * PAGE_BYTES);
        }
    }
    if row.number == Number::r#yield as u32 && arguments[0] == 0 {
        fails = false;
    }
    let expect = if fails { Expect::Failure } else { Expect::Any };
    tame(world, knowledge, Step { kind: Kind::Call, arguments, number: row.number, expect })
}

/// Keeps a call from having the kernel write over what is executed, where the emulator does not survive all instructions.
fn tame(world: &World, knowledge: &Knowledge, mut step: Step) -> Step {
    const MEMCPY: u32 = Number::memcpy as u32;
    const MEMSET: u32 = Number::memset as u32;
    const READ_EXPOSED_INFO: u32 = Number::read_exposed_info as u32;
    if !world.fragile {
        return step;
    }
    let [to, offset, frames, bytes] = step.arguments;
    let (first, count) = match step.number {
        MEMCPY => (to, frames),
        MEMSET => (to.wrapping_add(offset >> PAGE_SHIFT), (bytes >> PAGE_SHIFT).saturating_add(2)),
        READ_EXPOSED_INFO => {
            let page = to >> PAGE_SHIFT;
            if page != DATA >> PAGE_SHIFT {
                step.arguments[0] = CONTEXTS + to % CONTEXT_BYTES;
                step.expect = Expect::Any;
            }
            return step;
        }
        _ => return step,
    };
    if knowledge.pages.iter().any(|&page| page.wrapping_sub(first) < count) {
        step.arguments[0] = 0;
    }
    step
}

/// A transfer.
fn transfer(world: &mut World, knowledge: &Knowledge) -> Step {
    let (pid, whose) = world.pid(knowledge.pid, &knowledge.children);
    let number = world.random.choose(&[SYNCHRONOUS, ASYNCHRONOUS]);
    let refused = whose == Whose::Nobodys || pid == world.victim;
    let expect = if refused { Expect::Refusal } else { Expect::Any };
    let arguments = [pid, world.random.next(), world.random.next(), world.number()];
    Step { kind: Kind::Call, arguments, number, expect }
}

fn plain(kind: Kind, address: u32, word: u32) -> Step {
    Step { kind, arguments: [address, word, 0, 0], number: 0, expect: Expect::Any }
}

fn plain_call(number: Number, arguments: [u32; 4]) -> Step {
    Step { kind: Kind::Call, arguments, number: number as u32, expect: Expect::Any }
}

/// Where a jump goes that the emulator survives: to what is mapped only where instructions are.
pub fn jump_target(world: &mut World) -> u32 {
    let target = any_target(world);
    if world.is_open(target) { 0xc000_0000 } else { target }
}

fn any_target(world: &mut World) -> u32 {
    let random = &mut world.random;
    match random.below(8) {
        0 => random.choose(if world.fragile { Entry::HARMLESS } else { Entry::ALL }).address(),
        1 => random.choose(&[0x8000_0000, 0x8000_0180, 0xa000_0000, 0xbfc0_0000, 0xc000_0000, 0xffff_fffc]),
        2 => 0x8000_0000 + random.below(world.frame_count << PAGE_SHIFT),
        3 => 0x7000_0000 + random.below(PAGE_BYTES),
        4 if !world.fragile => address(world),
        5 if !world.fragile => random.next(),
        _ => SCRATCH + random.below(PAGE_BYTES / 4) * 4,
    }
}

/// Steps, at least `STEPS` of them.
pub fn draw(world: &mut World, knowledge: &Knowledge, steps: &mut Vec<Step>) {
    steps.clear();
    while steps.len() < STEPS as usize {
        match world.random.below(32) {
            0..19 => steps.push(call(world, knowledge)),
            19 | 20 => steps.push(transfer(world, knowledge)),
            21 => {
                let number = if world.random.one_in(2) { world.random.below(256) } else { world.random.next() };
                let mut step = call(world, knowledge);
                if step.number != Number::console_write as u32 && number != Number::console_write as u32 {
                    (step.number, step.expect) = (number, Expect::Any);
                    step = tame(world, knowledge, step);
                }
                steps.push(step);
            }
            22 => {
                let address = address(world);
                let mut step = plain(Kind::Load, address, 0);
                if address >= USER_END && !world.is_open(address) {
                    step.expect = Expect::Failure;
                }
                steps.push(step);
            }
            23 => {
                let address = if world.fragile { harmless(world) } else { address(world) };
                let mut step = plain(Kind::Store, address, world.random.next());
                if address >= USER_END || address >> PAGE_SHIFT == CODE >> PAGE_SHIFT {
                    step.expect = Expect::Failure;
                }
                steps.push(step);
            }
            24 => {
                // Its own queue and save areas.
                let random = &mut world.random;
                let offset = if random.one_in(3) { TLBX + random.below(12) * 4 } else { QUEUE + random.below(72) * 4 };
                let word = if random.one_in(2) { random.next() } else { world.number() };
                steps.push(plain(Kind::Store, DATA + offset, word));
            }
            25 | 26 => {
                let kind = world.random.choose(&[Kind::Jump, Kind::JumpLoaded]);
                let target = jump_target(world);
                steps.push(plain(kind, target, 0));
            }
            27 if !world.fragile => {
                // What it will hand to the kernel, or execute.
                let page = world.random.choose(&[CONTEXTS, CONTEXTS, SCRATCH]);
                let word = garbage(world, knowledge);
                steps.push(plain(Kind::Store, page + world.random.below(PAGE_BYTES / 4) * 4, word));
            }
            28 => storm(world, knowledge, steps),
            _ => memory(world, knowledge, steps),
        }
    }
    steps.truncate(STEPS as usize);
}

/// An address to which anything may be written without making instructions of it.
fn harmless(world: &mut World) -> u32 {
    let random = &mut world.random;
    match random.below(4) {
        0 => bound(random) + random.below(PAGE_BYTES),
        1 => 0x8000_0000 + random.below(world.frame_count << PAGE_SHIFT),
        2 => CODE + random.below(PAGE_BYTES),
        _ => random.choose(&[0, 0x8000_0000, 0xa000_0000, 0xc000_0000, 0xffff_fffc, 0x7fff_fffc, 1, 2, 3]),
    }
}

/// Many bindings at once, of frames of its own or of others.
fn storm(world: &mut World, knowledge: &Knowledge, steps: &mut Vec<Step>) {
    let own = if world.random.one_in(2) { &knowledge.frames } else { &world.common };
    let frame = world.random.any(own).unwrap_or(0);
    let protection = world.random.choose(&[Lo::V, Lo::V | Lo::W, Lo::V | Lo::W | Lo::D]);
    for _ in 0..world.random.below(24) {
        let va = bound(&mut world.random);
        steps.push(plain_call(Number::tlbwr, [va, frame << PAGE_SHIFT | protection, 0, 0]));
        if world.random.one_in(2) {
            steps.push(plain(Kind::Load, va, 0));
        }
    }
    if world.random.one_in(2) {
        steps.push(plain_call(Number::tlbdeleten, [BOUND, world.random.below(BOUND_PAGES + 1), 0, 0]));
    }
}

/// A page of its own is bound, touched, and lost again in one of the ways there are; then touching it must be an exception.
fn memory(world: &mut World, knowledge: &Knowledge, steps: &mut Vec<Step>) {
    let World { random, .. } = world;
    let va = bound(random);
    let Some(frame) = random.any(&knowledge.frames) else {
        steps.push(plain_call(Number::p_alloc, [ANY, 0, 0, 0]));
        return;
    };
    let expect = Expect::FailureAfterSuccess;
    let after_both = Expect::FailureAfterBoth;
    let writable = frame << PAGE_SHIFT | Lo::V | Lo::D | Lo::W;
    steps.push(plain_call(Number::tlbwr, [va, writable, 0, 0]));
    steps.push(plain(Kind::Store, va, random.next()));
    match random.below(7) {
        0 => {
            steps.push(plain_call(Number::tlbdeleten, [va, 1, 0, 0]));
            steps.push(Step { expect, ..plain(Kind::Load, va, 0) });
        }
        1 => {
            steps.push(plain_call(Number::tlbrprotn, [va, 1, 0, 0]));
            steps.push(Step { expect, ..plain(Kind::Store, va, 0) });
            steps.push(plain_call(Number::unprotn, [va, 1, 0, 0]));
            steps.push(plain(Kind::Store, va, random.next()));
        }
        2 => {
            steps.push(plain_call(Number::tlbflush, [0; 4]));
            steps.push(Step { expect, ..plain(Kind::Load, va, 0) });
        }
        3 => {
            steps.push(plain_call(Number::p_unref, [frame, 0, 0, 0]));
            steps.push(Step { expect: after_both, ..plain(Kind::Load, va, 0) });
        }
        4 => {
            // Read-only: loads are served, stores are not.
            steps.push(plain_call(Number::tlbwr, [va, frame << PAGE_SHIFT | Lo::V, 0, 0]));
            steps.push(Step { expect, ..plain(Kind::Store, va, 0) });
        }
        5 => {
            // Nothing of what it holds is to be found by the next to have it.
            steps.push(plain_call(Number::p_unref, [frame, 0, 0, 0]));
            steps.push(plain_call(Number::p_alloc, [frame, 0, 0, 0]));
            steps.push(plain_call(Number::tlbwr, [va, writable, 0, 0]));
            steps.push(Step { expect: Expect::ZeroAfterBoth, ..plain(Kind::Reveal, va, 0) });
        }
        _ => {
            // A transfer of rights.
            let random_word = random.next();
            let pid = world.pid(knowledge.pid, &knowledge.children).0;
            steps.push(plain_call(Number::p_add, [READ_WRITE, pid, frame, 0]));
            steps.push(plain_call(Number::tlbwr, [va, writable, 0, 0]));
            steps.push(plain(Kind::Store, va, random_word));
            steps.push(plain_call(Number::p_unref, [frame, 0, 0, 0]));
            steps.push(Step { expect: after_both, ..plain(Kind::Load, va, 0) });
        }
    }
}
