//! Hostile environments as the director sees them: their pages, what they are to do, and what came of it.

use super::instruction::instruction;
use super::random::Random;
use super::script::{self, CONTEXT_BYTES, Expect, Knowledge, Step};
use super::world::World;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use exos::abi::calls::{ANY, Number, READ, READ_WRITE, SHARED, allowance};
use exos::abi::limits::{CALLS, EXCEPTIONS, PAGE_BYTES, PAGE_SHIFT};
use exos::abi::{Env, Error, Lo, Mapping, Pid};
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos_checks::raw::bare::{free, give_slice, make_with};
use exos_checks::raw::calls::{address_of, call, give, load};
use exos_checks::raw::hostile::{
    CAUSES, CODE, CONTEXTS, CURSOR, DATA, Entry, GENX, INTX, Kind, NOTE, QUEUE, REGISTERS, RESULT, SCRATCH, SCRIPT,
    STEP_BYTES, STEPS, UPCALLS, VECTOR, WHO,
};
use exos_checks::tap::{NotPassed, Outcome};
use exos_checks::{check, get};

/// What is mapped to be written, in order of the pages of the director's region.
const PAGES: [u32; 4] = [DATA, SCRIPT, CONTEXTS, SCRATCH];
const DATA_PAGE: u32 = 0;
const SCRIPT_PAGE: u32 = 1;
const CONTEXTS_PAGE: u32 = 2;
const SCRATCH_PAGE: u32 = 3;

/// Where frames are mapped that it shares with others: to be read, to be written.
const READABLE: u32 = 0x8000;
const COMMON: u32 = 0x9000;

/// Contexts in their page, and words of each.
const CONTEXT_PLACES: u32 = PAGE_BYTES / CONTEXT_BYTES;
const CONTEXT_WORDS: u32 = (size_of::<Env>() / 4) as u32;
const _: () = assert!(size_of::<Env>() <= CONTEXT_BYTES as usize);

/// Gates for synchronous transfers. Where GXemul looks for interrupts it finds a loop of transfers always in the kernel, so that it never
/// ends: a hole of the emulator's that the kernel cannot close within what a transfer may cost.
const GATES: [Option<Entry>; 3] = [Some(Entry::Next), Some(Entry::Bounce), None];
const UNHURRIED_GATES: [Option<Entry>; 2] = [Some(Entry::Next), None];

/// Rounds without a step, after which an environment is given up.
const PATIENCE: u32 = 6;
/// Instructions that are drawn anew for each script.
const NEW_INSTRUCTIONS: u32 = 48;
/// Frames of its own that are remembered.
const FRAMES: usize = 24;

/// What all of them did.
pub struct Tally {
    pub steps: u64,
    /// Calls by number: succeeded, failed.
    pub calls: Vec<[u32; 2]>,
    pub foreign: u32,
    pub transfers_refused: u32,
    pub transfers: u32,
    /// Transfers to nobody, and those of which no refusal was noted.
    pub refusals: [u32; 2],
    pub causes: [u64; EXCEPTIONS],
    pub upcalls: u64,
    /// Expectations that were put to the test.
    pub expected: u64,
    pub made: u32,
    pub died: u32,
    pub destroyed: u32,
    pub stuck: u32,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            steps: 0,
            calls: alloc::vec![[0; 2]; CALLS as usize],
            foreign: 0,
            transfers_refused: 0,
            transfers: 0,
            refusals: [0; 2],
            causes: [0; EXCEPTIONS],
            upcalls: 0,
            expected: 0,
            made: 0,
            died: 0,
            destroyed: 0,
            stuck: 0,
        }
    }
}

pub struct Hostile {
    region: Region,
    frames: Vec<Frame>,
    code: u32,
    alive: bool,
    knowledge: Knowledge,
    steps: Vec<Step>,
    /// What stands in each step's note before it is done.
    notes: Vec<u32>,
    cursor: u32,
    /// Rounds without a step.
    still: u32,
}

impl Hostile {
    /// Its pages. It does not live yet.
    pub fn new(code: u32) -> Result<Hostile, String> {
        let region = get!(Region::reserve(PAGES.len() as u32));
        let mut frames = Vec::new();
        for page in 0..PAGES.len() as u32 {
            let frame = get!(Frame::any());
            get!(region.map(page, &frame, Rights::ReadWrite));
            frames.push(frame);
        }
        let knowledge = Knowledge::default();
        let (steps, notes) = (Vec::with_capacity(2 * STEPS as usize), alloc::vec![0; STEPS as usize]);
        Ok(Hostile { region, frames, code, alive: false, knowledge, steps, notes, cursor: 0, still: 0 })
    }

    fn load(&self, page: u32, offset: u32) -> u32 {
        self.region.load(page * PAGE_BYTES + offset)
    }

    fn store(&self, page: u32, offset: u32, word: u32) {
        self.region.store(page * PAGE_BYTES + offset, word);
    }

    /// Does it live? If not, its pages may be used for the next one.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    pub fn pid(&self) -> u32 {
        self.knowledge.pid
    }

    /// The context of a new one.
    fn context(&self, world: &mut World) -> Box<Env> {
        let data = self.frames[DATA_PAGE as usize].get() << PAGE_SHIFT;
        let random = &mut world.random;
        let handler = random.choose(&[Entry::Abandon, Entry::Abandon, Entry::Behind]).address();
        let mut env = Box::new(Env {
            tlbx_save_area: data + GENX,
            genx_save_area: data + GENX,
            intx_save_area: data + INTX,
            iq: data + QUEUE,
            vector: random.choose(&[data + VECTOR, 0]),
            xh: [handler; EXCEPTIONS],
            ih: random.choose(&[Entry::Upcall.address(), 0]),
            epi: Entry::Yield.address(),
            pro: Entry::Next.address(),
            init: Entry::Next.address(),
            gate: random.choose(if world.fragile { &UNHURRIED_GATES } else { &GATES }).map_or(0, Entry::address),
            agate: random.choose(&[Entry::Next.address(), Entry::Yield.address(), 0]),
            ..Env::EMPTY
        });
        env.xl[0] = Mapping { va: CODE, lo: Lo::read_only(self.code).0 };
        for (n, (va, frame)) in PAGES.iter().zip(&self.frames).enumerate() {
            env.xl[1 + n] = Mapping { va: *va, lo: Lo::writable(frame.get()).0 };
        }
        if random.one_in(2) {
            let frame = random.choose(&world.readable);
            env.xl[5] = Mapping { va: READABLE, lo: Lo::read_only(frame).0 };
        }
        if random.one_in(2) {
            let frame = random.choose(&world.common);
            env.xl[6] = Mapping { va: COMMON, lo: Lo::writable(frame).0 };
        }
        if random.one_in(6) {
            // Something is missing, or answers late.
            match random.below(7) {
                0 => env.epi = 0,
                1 => env.epi = Entry::Next.address(),
                2 => env.pro = 0,
                3 => env.xh[random.below(14) as usize] = 0,
                4 => env.iq = 0,
                5 => env.intx_save_area = 0,
                _ => env.tlbx_save_area = 0,
            }
        }
        env
    }

    /// Brings it to life.
    pub fn create(&mut self, world: &mut World, tally: &mut Tally) -> Outcome {
        for offset in (0..0x400).step_by(4) {
            self.store(DATA_PAGE, offset, 0);
        }
        let env = self.context(world);
        let account = match world.random.below(4) {
            0 => SHARED,
            1 => 0,
            _ => allowance(world.random.below(6) as u8, world.random.below(6) as u8),
        };
        let pid = match make_with(&env, account) {
            Ok(pid) => pid,
            // They have them all.
            Err(Error::NoAllowance) => return Ok(()),
            Err(error) => return Err(alloc::format!("making a hostile environment: {error}").into()),
        };
        tally.made += 1;
        self.alive = true;
        let pages = self.frames.iter().map(Frame::get).collect();
        self.knowledge = Knowledge { pid: pid.0, pages, ..Knowledge::default() };
        world.hostile.push(pid.0);
        for place in 0..CONTEXT_PLACES {
            self.write_context(world, &env, place);
        }
        for place in 0..PAGE_BYTES / 4 {
            let word = instruction(&mut world.random, world.fragile, place, PAGE_BYTES / 4);
            self.store(SCRATCH_PAGE, 4 * place, word);
        }
        self.share(world, pid)?;
        for _ in 0..1 + world.random.below(2) {
            match give_slice(pid, ANY) {
                Ok(slice) => self.knowledge.slices.push(slice),
                Err(Error::SliceTaken | Error::NoAllowance) => {}
                given => check!(is_fair(&given), "giving a slice: {given:?}"),
            }
        }
        self.write_script(world);
        Ok(())
    }

    /// Rights to what others have too, and frames of its own.
    fn share(&mut self, world: &mut World, pid: Pid) -> Outcome {
        for &frame in &world.common {
            if world.random.one_in(2) {
                let protection = world.random.choose(&[READ, READ_WRITE]);
                let given = call(Number::p_add, [protection, pid.0, frame, 0]);
                check!(is_fair(&given), "sharing a frame: {given:?}");
            }
        }
        if world.random.one_in(2) {
            // The last of these is the victim's.
            let frame = *world.readable.last().ok_or("no frame to be read")?;
            let given = call(Number::p_add, [READ, pid.0, frame, 0]);
            check!(is_fair(&given), "sharing a frame: {given:?}");
        }
        for _ in 0..4 {
            match call(Number::p_alloc, [ANY, 0, 0, 0]) {
                Ok(frame) => {
                    let given = give(&[frame], pid);
                    if given.is_err() {
                        get!(call(Number::p_unref, [frame, 0, 0, 0]));
                    }
                    check!(is_fair(&given), "giving a frame: {given:?}");
                    self.knowledge.frames.push(frame);
                }
                Err(Error::NoMemory) => {}
                Err(error) => return Err(alloc::format!("a frame: {error}").into()),
            }
        }
        if world.random.one_in(3) {
            let other = world.random.choose(&world.hostile);
            // It may be dead.
            let _ = call(Number::e_add, [pid.0, other, 0, 0]);
            let _ = call(Number::e_add, [other, pid.0, 0, 0]);
        }
        Ok(())
    }

    /// Writes a context that it may hand to the kernel: the first ones as they should be, the others not.
    fn write_context(&self, world: &mut World, env: &Env, place: u32) {
        let base = place * CONTEXT_BYTES;
        let start = address_of(env);
        for n in 0..CONTEXT_WORDS {
            self.store(CONTEXTS_PAGE, base + 4 * n, load(start + 4 * n));
        }
        if place < 3 {
            return;
        }
        const HANDLERS: core::ops::Range<u32> =
            (core::mem::offset_of!(Env, xh) / 4) as u32..(core::mem::offset_of!(Env, xl) / 4) as u32;
        const MAPPINGS: u32 = HANDLERS.end;
        for _ in 0..1 + world.random.below(2) {
            // Where no instructions are, none may be executed, and no exception may lead to another for ever, for the reason given for
            // `GATES`.
            let n = world.random.below(CONTEXT_WORDS);
            let is_code = (MAPPINGS..MAPPINGS + 10).contains(&n);
            let word = if HANDLERS.contains(&n) && world.fragile {
                world.random.choose(Entry::HARMLESS).address()
            } else if HANDLERS.contains(&n) {
                script::jump_target(world)
            } else if is_code && world.fragile {
                continue;
            } else {
                match world.random.below(4) {
                    0 => world.random.next(),
                    1 => world.number(),
                    2 => (world.frame(&self.knowledge.frames).0 << PAGE_SHIFT) | (world.random.next() & 0xff0),
                    _ => match world.frame(&self.knowledge.frames).0 {
                        frame if self.knowledge.pages.contains(&frame) => Lo::read_only(frame).0,
                        frame => Lo::writable(frame).0,
                    },
                }
            };
            self.store(CONTEXTS_PAGE, base + 4 * n, word);
        }
    }

    /// Draws what it does next.
    fn write_script(&mut self, world: &mut World) {
        script::draw(world, &self.knowledge, &mut self.steps);
        for (n, step) in self.steps.iter().enumerate() {
            let base = n as u32 * STEP_BYTES;
            let note = world.random.next();
            self.notes[n] = note;
            self.store(SCRIPT_PAGE, base, step.kind as u32);
            for (place, &word) in step.arguments.iter().enumerate() {
                self.store(SCRIPT_PAGE, base + 4 + 4 * place as u32, word);
            }
            self.store(SCRIPT_PAGE, base + 20, step.number);
            self.store(SCRIPT_PAGE, base + NOTE, note);
            self.store(DATA_PAGE, WHO + 4 * n as u32, 0);
        }
        for _ in 0..NEW_INSTRUCTIONS {
            let place = world.random.below(PAGE_BYTES / 4);
            let word = instruction(&mut world.random, world.fragile, place, PAGE_BYTES / 4);
            self.store(SCRATCH_PAGE, 4 * place, word);
        }
        for _ in 0..6 {
            let register = world.random.below(34);
            let word = match register {
                // A number of a call that is not heard.
                2 => world.random.below(24),
                _ if world.random.one_in(2) => world.pid(self.knowledge.pid, &self.knowledge.children).0,
                _ => world.number(),
            };
            self.store(DATA_PAGE, REGISTERS + 4 * register, word);
        }
        if world.random.one_in(4) {
            let env = self.context(world);
            let place = world.random.below(CONTEXT_PLACES);
            self.write_context(world, &env, place);
        }
        self.cursor = 0;
        self.still = 0;
        self.store(DATA_PAGE, CURSOR, 0);
    }

    /// After a round: looks at what it did, and gives it more to do.
    pub fn attend(&mut self, world: &mut World, tally: &mut Tally) -> Outcome {
        let pid = self.knowledge.pid;
        let cursor = self.load(DATA_PAGE, CURSOR).min(STEPS);
        let dead = call(Number::e_ref, [pid, 0, 0, 0]) == Err(Error::NoSuchEnvironment);
        self.still = if cursor == self.cursor { self.still + 1 } else { 0 };
        self.cursor = self.cursor.max(cursor);
        let destroyed = world.random.one_in(256);
        let mut stuck = self.still > PATIENCE;
        if self.still == PATIENCE / 2 {
            // Perhaps it has no slice any more. Perhaps there is none.
            let _ = give_slice(Pid(pid), ANY);
        }
        if dead || stuck || destroyed || self.cursor == STEPS {
            // One that has lost what it lives on goes through its script without doing anything.
            let done = self.collect(world, tally, self.cursor)?;
            stuck |= done < self.cursor / 8;
        }
        if dead {
            tally.died += 1;
            self.bury(world);
        } else if stuck || destroyed {
            tally.stuck += u32::from(stuck);
            tally.destroyed += u32::from(!stuck);
            let freed = free(Pid(pid));
            check!(is_fair(&freed), "destroying it: {freed:?}");
            self.bury(world);
        } else if self.cursor == STEPS {
            self.write_script(world);
        }
        Ok(())
    }

    fn bury(&mut self, world: &mut World) {
        let pid = self.knowledge.pid;
        self.alive = false;
        world.hostile.retain(|&other| other != pid);
        let World { random, stale, .. } = world;
        stale.push(random, pid);
    }

    /// Does step `n` still stand as it was drawn?
    fn is_intact(&self, n: usize) -> bool {
        let step = &self.steps[n];
        let base = n as u32 * STEP_BYTES;
        let word = |place: u32| self.load(SCRIPT_PAGE, base + 4 * place);
        word(0) == step.kind as u32
            && (0..4).all(|i| word(1 + i) == step.arguments[i as usize])
            && word(5) == step.number
    }

    /// Has it begun step `n` itself, once, as it was drawn, and nobody else? (What it has made may do the same script, and has other
    /// bindings.)
    fn is_its_own(&self, n: usize) -> bool {
        self.load(DATA_PAGE, WHO + 4 * n as u32) == self.knowledge.pid && self.is_intact(n)
    }

    /// Has the step `before` step `n` succeeded?
    fn succeeded(&self, n: usize, before: usize) -> bool {
        n.checked_sub(before).is_some_and(|n| self.code(n) == Some(0) && self.is_its_own(n))
    }

    /// The error code of step `n`, if it was done once.
    fn code(&self, n: usize) -> Option<u32> {
        let note = self.load(SCRIPT_PAGE, n as u32 * STEP_BYTES + NOTE);
        note.wrapping_sub(self.notes[n]).checked_sub(1)
    }

    /// Looks at what came of the first `passed` steps. How many have noted that they are done.
    fn collect(&mut self, world: &mut World, tally: &mut Tally, passed: u32) -> Result<u32, NotPassed> {
        let done = (0..passed as usize).filter(|&n| self.code(n).is_some()).count() as u32;
        let healthy = done > passed / 3;
        tally.steps += u64::from(if healthy { passed } else { done });
        for n in 0..passed as usize {
            let step = self.steps[n];
            let code = self.code(n);
            if step.kind == Kind::Call {
                self.count(world, tally, n, step, code);
            }
            match step.expect {
                Expect::Any => {}
                Expect::Refusal if !healthy => {}
                Expect::Refusal => {
                    tally.refusals[0] += 1;
                    tally.refusals[1] += u32::from(code.is_none());
                    check!(tally.refusals[1] < 64 + tally.refusals[0] / 8, "transfers to nobody are not refused");
                }
                Expect::Failure => {
                    tally.expected += 1;
                    check!(
                        code != Some(0) || !self.is_intact(n),
                        "step {n} of environment {:#x} has succeeded: {}",
                        self.knowledge.pid,
                        describe(&step)
                    );
                }
                Expect::ZeroAfterBoth => {
                    tally.expected += 1;
                    // It stands there twice, so that it is no word that came there by chance.
                    let result = self.load(SCRIPT_PAGE, n as u32 * STEP_BYTES + RESULT);
                    let found = result != 0 && code == Some(result) && self.is_its_own(n);
                    check!(
                        !found || !self.succeeded(n, 1) || !self.succeeded(n, 2),
                        "step {n} of environment {:#x} has found {result:#x} in a new frame, after {}",
                        self.knowledge.pid,
                        describe(&self.steps[n - 1])
                    );
                }
                Expect::FailureAfterSuccess | Expect::FailureAfterBoth => {
                    tally.expected += 1;
                    let before: &[usize] = if step.expect == Expect::FailureAfterBoth { &[0, 1, 3] } else { &[0, 1] };
                    check!(
                        !before.iter().all(|&before| self.succeeded(n, before)),
                        "step {n} of environment {:#x} has succeeded: {}, after {}",
                        self.knowledge.pid,
                        describe(&step),
                        describe(&self.steps[n - 1])
                    );
                }
            }
        }
        for code in 0..EXCEPTIONS {
            let place = CAUSES + 4 * code as u32;
            let times = self.load(DATA_PAGE, place);
            // It may have written there itself.
            if times < 1 << 20 {
                tally.causes[code] += u64::from(times);
            }
            self.store(DATA_PAGE, place, 0);
        }
        tally.upcalls += u64::from(self.load(DATA_PAGE, UPCALLS).min(1 << 20));
        self.store(DATA_PAGE, UPCALLS, 0);
        Ok(done)
    }

    /// Counts a call, and remembers what it gave.
    fn count(&mut self, world: &mut World, tally: &mut Tally, n: usize, step: Step, code: Option<u32>) {
        if let 1 | 2 = step.number {
            tally.transfers += 1;
            tally.transfers_refused += u32::from(code.is_some());
            return;
        }
        let Some(code) = code else {
            // Who yields does not come back to note it.
            if step.number == Number::r#yield as u32 || step.number == Number::donate as u32 {
                tally.calls[step.number as usize][0] += 1;
            }
            return;
        };
        let Some(sum) = tally.calls.get_mut(step.number as usize) else {
            tally.foreign += 1;
            return;
        };
        if code != 0 {
            sum[1] += 1;
            return;
        }
        if !self.is_intact(n) {
            return;
        }
        sum[0] += 1;
        let result = self.load(SCRIPT_PAGE, n as u32 * STEP_BYTES + RESULT);
        let World { random, children, .. } = world;
        match step.number {
            number if number == Number::p_alloc as u32 && result < world.frame_count => {
                remember(random, &mut self.knowledge.frames, result);
            }
            number if number == Number::s_alloc as u32 => remember(random, &mut self.knowledge.slices, result),
            number if number == Number::e_alloc as u32 => {
                children.push(random, result);
                remember(random, &mut self.knowledge.children, result);
            }
            number if number == Number::p_unref as u32 => self.knowledge.frames.retain(|&n| n != step.arguments[0]),
            number if number == Number::s_free as u32 => self.knowledge.slices.retain(|&n| n != step.arguments[0]),
            number if number == Number::e_free as u32 => self.knowledge.children.retain(|&n| n != step.arguments[0]),
            _ => {}
        }
    }
}

/// Is this what may come of a call that names a hostile environment? It may have been destroyed in the meantime.
fn is_fair<T>(result: &Result<T, Error>) -> bool {
    // It may have died, and may have shares of what others have too.
    matches!(result, Ok(_) | Err(Error::NoSuchEnvironment | Error::Shared | Error::Granted))
}

fn remember(random: &mut Random, names: &mut Vec<u32>, name: u32) {
    if names.len() < FRAMES {
        names.push(name);
    } else {
        let place = random.below(FRAMES as u32) as usize;
        names[place] = name;
    }
}

/// A step, for people.
pub fn describe(step: &Step) -> String {
    let [a, b, c, d] = step.arguments;
    match step.kind {
        Kind::Call => {
            let row = exos::abi::calls::TABLE.iter().find(|row| row.number == step.number);
            let name = row.map_or("call", |row| row.name);
            alloc::format!("{name} (number {}) with {a:#x}, {b:#x}, {c:#x}, {d:#x}", step.number)
        }
        kind => alloc::format!("{kind:?} at {a:#x}, word {b:#x}"),
    }
}
