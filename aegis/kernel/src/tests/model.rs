//! A model of a machine: memory, a hardware TLB that replaces at random, and a record of what else was asked of it.

use crate::budget::Budget;
use crate::budget::tests::with_budget;
use crate::environment::Environment;
use crate::kernel::FIRST;
use crate::machine::{Block, Live, Machine, Refill};
use crate::{Kernel, Miss, Upcall};
use aegis_abi::calls::{NEXT, Number, SHARED};
use aegis_abi::exposed::Environment as Record;
use aegis_abi::limits::{ENV_DATA_BYTES, ENVS, LIST_FRAMES, PAGE_BYTES, PAGE_SHIFT, SLICES};
use aegis_abi::{Env, Error, Handler, InterruptQueue, Lo, Mapping, Pid, RepossessionVector};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stlb::{Geometry, Registers, Stlb};
use zerocopy::IntoBytes;

/// Entries of the model's TLB.
const TLB_ENTRIES: usize = 16;
/// Frames of the model's memory.
pub const FRAMES: u32 = 64;
/// Frames that the kernel keeps for itself, and of these the one that is public.
pub const KERNEL_FRAMES: u32 = 4;
pub const PUBLIC_FRAME: u32 = 3;

/// An entry of the model's TLB.
#[derive(Clone, Copy, PartialEq, Debug)]
struct TlbEntry {
    asid: u32,
    va: u32,
    registers: Registers,
}

impl TlbEntry {
    fn is_for<G: Geometry>(&self, asid: u32, context: u32) -> bool {
        (self.asid, self.va) == (asid, G::va(context))
    }
}

/// Parts of a tick.
pub const TICK_PARTS: u32 = 1024;

/// Where a suspended environment was, and its floating-point registers, if they were kept.
type Suspended = (Handler, Option<[u32; 33]>);

pub struct Model<G: Geometry> {
    stlb: Box<Stlb<G>>,
    tlb: RefCell<[Option<TlbEntry>; TLB_ENTRIES]>,
    victim: Cell<usize>,
    memory: RefCell<Vec<u8>>,
    pub blocks: RefCell<Vec<Option<Block>>>,
    pub console: RefCell<Vec<u8>>,
    /// How many bytes more the console takes before its transmitter is busy.
    pub transmitter: Cell<usize>,
    /// What the console has received, and whether it may interrupt.
    pub received: RefCell<VecDeque<u8>>,
    pub listening: Cell<bool>,
    pub counts: RefCell<Vec<Refill>>,
    pub stopped: Cell<Option<u8>>,
    current: Cell<usize>,
    pub holder: Cell<Option<usize>>,
    /// What the kernel has had run, last; `None`: nobody, it idles.
    pub running: Cell<Option<(Handler, [u32; 2])>>,
    pub data: RefCell<Vec<[u8; ENV_DATA_BYTES]>>,
    /// The registers of the floating-point unit, and whether the running environment may use it. (Its absence is a test's doing.)
    pub fpu: Cell<[u32; 33]>,
    pub fpu_on: Cell<bool>,
    pub lacks_fpu: Cell<bool>,
    /// The frames whose instructions were brought in line.
    pub synced: RefCell<Vec<u32>>,
    /// Parts of the current tick that have passed, if the clock tells: a test's doing.
    pub since_tick: Cell<Option<u32>>,
    /// Is the slice of the current environment over?
    pub over: Cell<bool>,
    /// What is kept of each suspended environment.
    pub suspended: RefCell<BTreeMap<usize, Suspended>>,
    /// The slices for which messages wait.
    pub waiting: RefCell<BTreeSet<usize>>,
    /// Where the environment that was resumed last was called up.
    pub called_up: Cell<Option<Upcall>>,
}

impl<G: Geometry> Model<G> {
    pub fn new() -> Self {
        Model {
            stlb: Box::new(Stlb::new()),
            tlb: RefCell::new([None; TLB_ENTRIES]),
            victim: Cell::new(0),
            memory: RefCell::new(vec![0xa5; (FRAMES * PAGE_BYTES) as usize]),
            blocks: RefCell::new(vec![None; 64]),
            console: RefCell::default(),
            transmitter: Cell::new(usize::MAX),
            received: RefCell::default(),
            listening: Cell::new(true),
            counts: RefCell::default(),
            stopped: Cell::new(None),
            current: Cell::new(FIRST),
            holder: Cell::new(None),
            running: Cell::new(None),
            data: RefCell::new(vec![[0; ENV_DATA_BYTES]; 64]),
            fpu: Cell::new([0xa5; 33]),
            fpu_on: Cell::new(false),
            lacks_fpu: Cell::new(false),
            synced: RefCell::default(),
            since_tick: Cell::new(Some(0)),
            over: Cell::new(false),
            suspended: RefCell::default(),
            waiting: RefCell::default(),
            called_up: Cell::new(None),
        }
    }
}

impl<G: Geometry> Machine for Model<G> {
    type Geometry = G;

    fn stlb(&self) -> &Stlb<G> {
        &self.stlb
    }

    fn tlb_write(&self, asid: u32, context: u32, registers: Registers) {
        let mut tlb = self.tlb.borrow_mut();
        let found = tlb.iter().position(|entry| entry.is_some_and(|entry| entry.is_for::<G>(asid, context)));
        let place = found.unwrap_or_else(|| {
            self.victim.set((self.victim.get() * 5 + 3) % TLB_ENTRIES);
            self.victim.get()
        });
        tlb[place] = Some(TlbEntry { asid, va: G::va(context), registers });
    }

    fn tlb_update(&self, asid: u32, context: u32, registers: Registers) {
        for entry in self.tlb.borrow_mut().iter_mut() {
            if entry.is_some_and(|entry| entry.is_for::<G>(asid, context)) {
                let new = TlbEntry { asid, va: G::va(context), registers };
                *entry = Some(new).filter(|new| new.registers != [0; 2]);
            }
        }
    }

    fn live(&self, index: u32) -> Option<Live> {
        let entry = *self.tlb.borrow().get(index as usize)?;
        Some(entry.map_or(Live::Unused, |TlbEntry { asid, va, registers }| Live::Pair {
            asid,
            context: G::context(0, va),
            registers: registers.map(|lo| lo & G::ENTRY_LO),
        }))
    }

    fn set_block(&self, number: usize, block: Option<&Block>) {
        self.blocks.borrow_mut()[number] = block.copied();
    }

    fn current(&self) -> usize {
        self.current.get()
    }

    fn set_current(&self, number: usize) {
        self.current.set(number);
        self.fpu_on.set(false);
    }

    fn has_fpu(&self) -> bool {
        !self.lacks_fpu.get()
    }

    fn clear_fpu(&self) {
        self.fpu.set([0; 33]);
    }

    fn set_fpu(&self, on: bool) {
        self.fpu_on.set(on);
    }

    fn holder(&self) -> Option<usize> {
        self.holder.get()
    }

    fn set_holder(&self, number: Option<usize>) {
        self.holder.set(number);
    }

    fn run(&self, pc: Handler, arguments: [u32; 2]) {
        self.running.set(Some((pc, arguments)));
    }

    fn idle(&self) {
        self.running.set(None);
    }

    fn is_prompt(&self) -> Option<bool> {
        self.since_tick.get().map(|parts| parts <= TICK_PARTS / 32)
    }

    fn set_over(&self, over: bool) {
        self.over.set(over);
    }

    fn suspend(&self, number: usize) {
        let fpu = self.fpu_on.get().then(|| self.fpu.get());
        let (pc, _) = self.running.get().expect("somebody runs");
        self.suspended.borrow_mut().insert(number, (pc, fpu));
    }

    fn suspended_pc(&self, number: usize) -> Handler {
        self.suspended.borrow()[&number].0
    }

    fn resume_fpu(&self, number: usize) -> bool {
        let fpu = self.suspended.borrow()[&number].1;
        if let Some(fpu) = fpu {
            self.fpu.set(fpu);
            self.fpu_on.set(true);
        }
        fpu.is_some()
    }

    fn resume(&self, number: usize, pc: Handler, upcall: Option<Upcall>) {
        assert_eq!(self.current.get(), number);
        self.suspended.borrow_mut().remove(&number).expect("it is suspended");
        self.running.set(Some((pc, [0; 2])));
        self.called_up.set(upcall);
    }

    fn put_off(&self, n: usize) {
        self.waiting.borrow_mut().insert(n);
    }

    fn arrive(&self, n: usize, pc: Handler, caller: Pid) {
        assert!(self.waiting.borrow_mut().remove(&n), "a message waits for slice {n}");
        self.running.set(Some((pc, [caller.0, 0])));
    }

    fn info_frame(&self) -> u32 {
        PUBLIC_FRAME
    }

    fn physical(&self, _: usize) -> u32 {
        // Where the kernel's tables are there is no memory of the model's.
        PUBLIC_FRAME << PAGE_SHIFT
    }

    fn write_data(&self, number: usize, offset: usize, from: &[u8]) {
        self.data.borrow_mut()[number][offset..][..from.len()].copy_from_slice(from);
    }

    fn frames(&self) -> u32 {
        FRAMES
    }

    fn read(&self, address: u32, into: &mut [u8]) {
        into.copy_from_slice(&self.memory.borrow()[address as usize..][..into.len()]);
    }

    fn write(&self, address: u32, from: &[u8]) {
        self.memory.borrow_mut()[address as usize..][..from.len()].copy_from_slice(from);
    }

    fn zero(&self, frame: u32) {
        assert!((KERNEL_FRAMES..FRAMES).contains(&frame), "frame {frame} is not a program's");
        self.memory.borrow_mut()[(frame * PAGE_BYTES) as usize..][..PAGE_BYTES as usize].fill(0);
    }

    fn copy(&self, to: u32, from: u32) {
        assert!((KERNEL_FRAMES..FRAMES).contains(&to), "frame {to} is not a program's");
        let start = |frame: u32| (frame * PAGE_BYTES) as usize;
        self.memory.borrow_mut().copy_within(start(from)..start(from + 1), start(to));
    }

    fn fill(&self, address: u32, byte: u8, bytes: u32) {
        assert!(address >= KERNEL_FRAMES * PAGE_BYTES, "address {address:#x} is not a program's");
        self.memory.borrow_mut()[address as usize..][..bytes as usize].fill(byte);
    }

    fn sync_instructions(&self, frame: u32) {
        self.synced.borrow_mut().push(frame);
    }

    fn console(&self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.transmitter.get());
        self.transmitter.set(self.transmitter.get() - taken);
        self.console.borrow_mut().extend(&bytes[..taken]);
        taken
    }

    fn receive(&self) -> Option<u8> {
        self.received.borrow_mut().pop_front()
    }

    fn listen(&self, on: bool) {
        self.listening.set(on);
    }

    fn count(&self, refill: Refill) {
        self.counts.borrow_mut().push(refill);
    }

    fn count_slice(&self) {}

    fn power_off(&self, status: u8) {
        self.stopped.set(Some(status));
    }
}

/// Virtual address of the one guaranteed page of [`kernel`]'s environment.
pub const GUARANTEED_VA: u32 = 0x2000;
/// Its frame, which holds the save areas too.
pub const GUARANTEED_FRAME: u32 = KERNEL_FRAMES;
/// Physical address of its interrupt queue.
pub const QUEUE: u32 = GUARANTEED_FRAME << PAGE_SHIFT | 0x400;
/// Physical address of its repossession vector.
pub const VECTOR: u32 = GUARANTEED_FRAME << PAGE_SHIFT | 0xc00;
/// Handlers of the environment.
pub const HANDLER: u32 = GUARANTEED_VA + 0x100;

/// A context that [`kernel`]'s environment may have.
pub fn good_env() -> Env {
    let mut env = Env::EMPTY;
    env.tlbx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x10;
    env.genx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x20;
    env.intx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x30;
    env.iq = QUEUE;
    env.vector = VECTOR;
    env.xh = [HANDLER; 32];
    (env.ih, env.epi, env.pro, env.init) = (HANDLER + 4, HANDLER + 8, HANDLER + 12, HANDLER);
    (env.gate, env.agate) = (HANDLER + 16, HANDLER + 20);
    env.xl[5] = Mapping { va: GUARANTEED_VA, lo: Lo::writable(GUARANTEED_FRAME).0 };
    env
}

/// Physical address of the page of [`child`] number `n`, which holds its save areas and its queue, as that of
/// [`good_env`] does.
pub fn page(n: usize) -> u32 {
    let frame = if n == FIRST { GUARANTEED_FRAME } else { 40 + n as u32 };
    frame << PAGE_SHIFT
}

/// Where environment `n` has the handler that is `offset` bytes beyond its `init`; see [`good_env`].
pub fn handler(n: usize, offset: u32) -> Handler {
    HANDLER + 0x1_0000 * n as u32 + offset
}

/// The offsets of `ih`, `epi` and `pro`.
pub const INTERRUPT: u32 = 4;
pub const EPILOGUE: u32 = 8;
pub const PROLOGUE: u32 = 12;

/// The context of [`child`] number `n`: its own page in place of the first environment's, and handlers of its own.
pub fn child_env(n: usize) -> Env {
    let mut env = good_env();
    let save_areas = [&mut env.tlbx_save_area, &mut env.genx_save_area, &mut env.intx_save_area];
    for address in save_areas.into_iter().chain([&mut env.iq, &mut env.vector]) {
        *address += page(n) - page(FIRST);
    }
    env.xh = [handler(n, 0); 32];
    for entry in [&mut env.ih, &mut env.epi, &mut env.pro, &mut env.init, &mut env.gate, &mut env.agate] {
        *entry += handler(n, 0) - HANDLER;
    }
    env.argument = 1000 + n as u32;
    env.xl[5].lo += page(n) - page(FIRST);
    env
}

/// Has the running environment call `e_alloc` for number `n` under `env`, which it puts into its guaranteed page. The new
/// environment draws on its maker's account.
pub fn e_alloc<G: Geometry>(kernel: &mut Kernel<Model<G>>, n: u32, env: &Env) -> Result<Pid, Error> {
    e_alloc_with(kernel, n, env, SHARED)
}

/// The same, with an account.
pub fn e_alloc_with<G: Geometry>(kernel: &mut Kernel<Model<G>>, n: u32, env: &Env, account: u32) -> Result<Pid, Error> {
    put(kernel, page(kernel.current()) | ENV_OFFSET, env);
    call_again(kernel, Number::e_alloc, [n, GUARANTEED_VA | ENV_OFFSET, account, 0]).map(Pid)
}

/// Where [`with_list`] puts the numbers of frames in the page.
pub const LIST_OFFSET: u32 = 0xe00;

/// Has the running environment call `p_give`, or `p_share` with a right, for frames whose numbers it puts into its
/// guaranteed page, until all are passed on.
pub fn with_list<G: Geometry>(
    kernel: &mut Kernel<Model<G>>,
    pid: u32,
    right: Option<u32>,
    frames: &[u32],
) -> Result<(), Error> {
    let mut left = frames;
    while !left.is_empty() {
        let count = left.len().min(LIST_FRAMES);
        kernel.machine.write(page(kernel.current()) | LIST_OFFSET, left[..count].as_bytes());
        let (list, count) = (GUARANTEED_VA | LIST_OFFSET, count as u32);
        let done = match right {
            None => call_again(kernel, Number::p_give, [pid, list, count, 0])?,
            Some(right) => call_again(kernel, Number::p_share, [pid, right, list, count])?,
        };
        left = &left[done as usize..];
    }
    Ok(())
}

/// Where [`e_alloc`] puts the context in the page.
pub const ENV_OFFSET: u32 = 0x800;

/// Has the running environment make number `n` with a page of its own, and nothing else.
pub fn child<G: Geometry>(kernel: &mut Kernel<Model<G>>, n: usize) -> Pid {
    let frame = page(n) >> PAGE_SHIFT;
    call_again(kernel, Number::p_alloc, [frame, 0, 0, 0]).unwrap();
    let pid = e_alloc(kernel, n as u32, &child_env(n)).unwrap();
    call_again(kernel, Number::p_unref, [frame, 0, 0, 0]).unwrap();
    pid
}

/// A kernel in which the first environment has slice 0, and children 1 to `n` the slices of their numbers. All have
/// started, the first runs again, and their queues are empty, with [`ROOM`] for input.
pub fn family<G: Geometry>(n: usize) -> Box<Kernel<Model<G>>> {
    let mut kernel = kernel::<G>();
    for n in 1..=n {
        let pid = child(&mut kernel, n);
        kernel.call(Number::s_alloc as u32, [pid.0, n as u32, 0, 0]).unwrap();
    }
    for n in 1..=n + 1 {
        tick(&mut kernel);
        kernel.call(Number::r#yield as u32, [NEXT.0, 0, 0, 0]).unwrap();
        assert_eq!(kernel.current(), if n == kernel.slices.allocated() { FIRST } else { n });
    }
    (FIRST..=n).for_each(|n| set_queue(&kernel, n, |queue| *queue = READY));
    kernel.check().expect("the family is consistent");
    kernel
}

/// Bytes of input for which the queues of a [`family`] have room.
pub const ROOM: u32 = 1 << 16;

/// A queue with nothing in it and everything masked, but room for input.
pub const READY: InterruptQueue = InterruptQueue { room: ROOM, ..InterruptQueue::EMPTY };

/// The console receives bytes, and interrupts as long as it may.
pub fn type_in<G: Geometry>(kernel: &mut Kernel<Model<G>>, bytes: &[u8]) -> Option<Upcall> {
    kernel.machine.received.borrow_mut().extend(bytes);
    console_interrupt(kernel)
}

/// Takes the console's interrupt, if there is one. It must then have been answered: the processor is
/// not interrupted again.
pub fn console_interrupt<G: Geometry>(kernel: &mut Kernel<Model<G>>) -> Option<Upcall> {
    if !console_requests(kernel) {
        return None;
    }
    kernel.input();
    let upcall = kernel.leave_interrupt();
    assert!(!console_requests(kernel), "the console's request is still there: the kernel spins");
    upcall
}

/// Does the console ask for an interrupt?
fn console_requests<G: Geometry>(kernel: &Kernel<Model<G>>) -> bool {
    kernel.machine.listening.get() && !kernel.machine.received.borrow().is_empty()
}

/// The name of environment `n`, which lives.
pub fn pid<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize) -> u32 {
    kernel.environments[n].pid().unwrap().0
}

/// The clock ticks, and nothing else happens.
pub fn tick<G: Geometry>(kernel: &mut Kernel<Model<G>>) -> Option<Upcall> {
    ticks(kernel, 1)
}

/// The processor is interrupted when so many ticks have passed.
pub fn ticks<G: Geometry>(kernel: &mut Kernel<Model<G>>, passed: u32) -> Option<Upcall> {
    kernel.tick(passed);
    kernel.leave_interrupt()
}

/// The queue of environment `n`.
pub fn queue<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize) -> InterruptQueue {
    let mut queue = InterruptQueue::EMPTY;
    kernel.machine.read(page(n) + QUEUE % PAGE_BYTES, queue.as_mut_bytes());
    queue
}

/// Changes the queue of environment `n`.
pub fn set_queue<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize, change: impl FnOnce(&mut InterruptQueue)) {
    let mut changed = queue(kernel, n);
    change(&mut changed);
    kernel.machine.write(page(n) + QUEUE % PAGE_BYTES, changed.as_bytes());
}

/// The repossession vector of environment `n`.
pub fn vector<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize) -> RepossessionVector {
    let mut vector = RepossessionVector::EMPTY;
    kernel.machine.read(page(n) + VECTOR % PAGE_BYTES, vector.as_mut_bytes());
    vector
}

/// Changes the repossession vector of environment `n`.
pub fn set_vector<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize, change: impl FnOnce(&mut RepossessionVector)) {
    let mut changed = vector(kernel, n);
    change(&mut changed);
    kernel.machine.write(page(n) + VECTOR % PAGE_BYTES, changed.as_bytes());
}

/// Who runs, and where it was started last; `None`: the machine idles.
pub fn runs<G: Geometry>(kernel: &Kernel<Model<G>>) -> Option<(usize, Handler)> {
    kernel.machine.running.get().map(|(pc, _)| (kernel.current(), pc))
}

/// Makes a call that fails, and sees that it has changed nothing.
#[track_caller]
pub fn fails<G: Geometry>(kernel: &mut Kernel<Model<G>>, number: Number, arguments: [u32; 4], error: Error) {
    let before = snapshot(kernel);
    assert_eq!(kernel.call(number as u32, arguments), Err(error), "{number:?}, {arguments:x?}");
    assert!(before == snapshot(kernel), "{number:?}, {arguments:x?} changed something");
}

/// A kernel with one environment, which holds one frame.
pub fn kernel<G: Geometry>() -> Box<Kernel<Model<G>>> {
    let mut kernel = Box::new(Kernel::new(Model::new()));
    kernel.take_over(|frame| frame < KERNEL_FRAMES, [PUBLIC_FRAME].into_iter());
    kernel.frames.give(FIRST, GUARANTEED_FRAME);
    kernel.machine.zero(GUARANTEED_FRAME);
    let Kernel { draft, frames, .. } = &mut *kernel;
    draft.check(frames, FIRST, &good_env()).expect("the context is good");
    kernel.create_first();
    kernel.begin();
    kernel.check().expect("the new kernel is consistent");
    kernel
}

/// All that a failed call must leave as it is. (The order of the free list is part of it.)
#[derive(PartialEq)]
pub struct Snapshot {
    state: String,
    memory: Vec<u8>,
    generations: Vec<u32>,
}

impl Snapshot {
    /// The same, but for the names that environments have had.
    pub fn without_names(mut self) -> Snapshot {
        self.generations.clear();
        self
    }
}

pub fn snapshot<G: Geometry>(kernel: &Kernel<Model<G>>) -> Snapshot {
    let Kernel { machine, schedule, revocation, input, input_waits, due, fpu_user, .. } = kernel;
    let Kernel { environments, slices, frames, dying, numbers, sweeps, accounts, .. } = kernel;
    let mut lines = Vec::new();
    machine.stlb().scan(0, 0, |line| {
        lines.push((line, machine.stlb().is_in_overflow(line.context)));
        stlb::Edit::Keep
    });
    let records: Vec<_> = (0..FRAMES).map(|n| (frames.owner(n), rights_to(kernel, n), frames.bindings(n))).collect();
    let owned: Vec<u32> = (0..ENVS).map(|n| frames.owned(n)).collect();
    let free: Vec<u32> = frames.free_list().collect();
    let slices: Vec<_> = (0..SLICES).map(|n| (slices.get(n), slices.late(n), slices.table[n].owed)).collect();
    let living = environments.iter().enumerate().filter(|(_, environment)| environment.pid().is_some());
    let living: Vec<_> = living
        .map(|(number, environment)| {
            let Environment { record, context, timer, producer, repossessed, unrecorded, accepted, destroying } =
                environment;
            let counts = (producer, repossessed, unrecorded);
            let under_way = (accepted.frames, destroying.is_some());
            (number, Record { generation: 0, pid: 0, ..*record }, context, (timer, counts, under_way))
        })
        .collect();
    let accounts = &accounts.table.0;
    let blocks: Vec<_> =
        machine.blocks.borrow().iter().map(|block| block.as_ref().map(|block| format!("{block:?}"))).collect();
    let Model { tlb, data, console, received, listening, stopped, current, .. } = machine;
    let Model { holder, running, fpu, fpu_on, synced, .. } = machine;
    let state = format!(
        "{schedule:?} {revocation:?} {input:?} {input_waits} {due:?} {fpu_user:?} {lines:?} {records:?} {owned:?} {free:?} {slices:?} {living:?} \
         {dying} {numbers:?} {sweeps:?} {accounts:?} \
         {blocks:?} {tlb:?} {data:?} {console:?} {received:?} {listening:?} {stopped:?} {current:?} {holder:?} {running:?} {fpu:?} {fpu_on:?} {synced:?}"
    );
    let generations = environments.iter().map(|environment| environment.record.generation).collect();
    Snapshot { state, memory: machine.memory.borrow().clone(), generations }
}

/// Readers, writers and holders of shares of frame `n`.
pub fn rights_to<G: Geometry>(kernel: &Kernel<Model<G>>, n: u32) -> [u64; 3] {
    [kernel.frames.holders(n), kernel.frames.writers(n), kernel.frames.sharers(n)]
}

/// Frames to which environment `n` has rights, the public ones aside.
pub fn held<G: Geometry>(kernel: &Kernel<Model<G>>, n: usize) -> Vec<u32> {
    (0..FRAMES).filter(|&frame| kernel.frames.is_held(n, frame)).collect()
}

/// Makes a call again as long as it wants to be.
pub fn call_again<G: Geometry>(
    kernel: &mut Kernel<Model<G>>,
    number: Number,
    arguments: [u32; 4],
) -> Result<u32, Error> {
    for _ in 0..100_000 {
        match kernel.call(number as u32, arguments) {
            Err(Error::Again) => {}
            result => return result,
        }
    }
    panic!("{number:?}, {arguments:x?} is never done");
}

/// Makes a call that succeeds, again as long as it wants to be, and sees that everything is
/// consistent then.
#[track_caller]
pub fn call<G: Geometry, const N: usize>(kernel: &mut Kernel<Model<G>>, number: Number, given: [u32; N]) -> u32 {
    let mut arguments = [0; 4];
    arguments[..N].copy_from_slice(&given);
    let result = call_again(kernel, number, arguments);
    kernel.check().unwrap();
    result.unwrap_or_else(|error| panic!("{number:?}, {given:x?}: {error}"))
}

/// Runs as environment `n`, which has all of the slice, and its page bound.
#[track_caller]
pub fn run_as<G: Geometry>(kernel: &mut Kernel<Model<G>>, n: usize) {
    kernel.machine.set_current(n);
    kernel.machine.set_holder(None);
    assert!(reference(kernel, GUARANTEED_VA).is_some());
}

/// Has nothing of the dead, no line to be swept and no frame to be taken left.
pub fn settle<G: Geometry>(kernel: &mut Kernel<Model<G>>) {
    with_budget(i32::MAX, || kernel.reclaim(&mut Budget::new()));
    kernel.check().unwrap();
}

/// What a program's reference to `va` finds, the kernel helping as it does on a miss: the page's binding as the STLB has it
/// after the hardware TLB has served it.
pub fn reference<G: Geometry>(kernel: &mut Kernel<Model<G>>, va: u32) -> Option<Lo> {
    let context = kernel.context_register(va);
    let (asid, half) = (crate::name::asid::<G>(kernel.current()), G::half(va));
    for _ in 0..2 {
        let tlb = *kernel.machine.tlb.borrow();
        let line = kernel.machine.stlb().probe(context);
        match (tlb.iter().flatten().find(|entry| entry.is_for::<G>(asid, context)), line) {
            (Some(live), line) if live.registers[half] != 0 => {
                let lo = line.expect("what is live stands in the STLB").lo[half];
                assert_eq!(live.registers[half], G::entry_lo(lo), "the hardware TLB has something else than the STLB");
                return Some(lo);
            }
            // The refill sequence, for a miss.
            (None, Some(line)) => kernel.machine.tlb_write(asid, context, line.lo.map(G::entry_lo)),
            _ => match kernel.miss(va) {
                Miss::Refilled => {}
                Miss::Upcall => return None,
            },
        }
    }
    panic!("a refill of {va:#x} did not help");
}

/// The context at a physical address.
pub fn env_at<G: Geometry>(kernel: &Kernel<Model<G>>, address: u32) -> Env {
    let mut env = Env::EMPTY;
    kernel.machine.read(address, env.as_mut_bytes());
    env
}

/// Puts a structure into memory, at a physical address.
pub fn put<G: Geometry>(kernel: &Kernel<Model<G>>, address: u32, env: &Env) {
    kernel.machine.write(address, env.as_bytes());
}
