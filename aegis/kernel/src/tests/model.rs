//! A model of a machine: memory, a hardware TLB that replaces at random, and a record of what else was asked of it.

use crate::environment::Context;
use crate::kernel::FIRST;
use crate::machine::{Block, Live, Machine, Refill};
use crate::{Kernel, Miss};
use aegis_abi::limits::{ENV_DATA_BYTES, PAGE_BYTES, PAGE_SHIFT};
use aegis_abi::{Env, Handler, Lo, Mapping};
use std::cell::{Cell, RefCell};
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

pub struct Model<G: Geometry> {
    stlb: Box<Stlb<G>>,
    tlb: RefCell<[Option<TlbEntry>; TLB_ENTRIES]>,
    victim: Cell<usize>,
    memory: RefCell<Vec<u8>>,
    pub blocks: RefCell<Vec<Option<Block>>>,
    pub console: RefCell<Vec<u8>>,
    pub counts: RefCell<Vec<Refill>>,
    pub stopped: Cell<Option<u8>>,
    current: Cell<usize>,
    pub holder: Cell<Option<usize>>,
    /// What the kernel has had run, last; `None`: nobody, it idles.
    pub running: Cell<Option<(Handler, [u32; 2])>>,
    pub data: RefCell<Vec<[u8; ENV_DATA_BYTES]>>,
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
            counts: RefCell::default(),
            stopped: Cell::new(None),
            current: Cell::new(FIRST),
            holder: Cell::new(None),
            running: Cell::new(None),
            data: RefCell::new(vec![[0; ENV_DATA_BYTES]; 64]),
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

    fn info_frame(&self) -> u32 {
        PUBLIC_FRAME
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

    fn sync_instructions(&self, _: u32) {}

    fn console(&self, bytes: &[u8]) {
        self.console.borrow_mut().extend(bytes);
    }

    fn count(&self, refill: Refill) {
        self.counts.borrow_mut().push(refill);
    }

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
/// Handlers of the environment.
pub const HANDLER: u32 = GUARANTEED_VA + 0x100;

/// A context that [`kernel`]'s environment may have.
pub fn good_env() -> Env {
    let mut env = Env::EMPTY;
    env.tlbx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x10;
    env.genx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x20;
    env.intx_save_area = GUARANTEED_FRAME << PAGE_SHIFT | 0x30;
    env.iq = QUEUE;
    env.xh = [HANDLER; 32];
    (env.ih, env.epi, env.pro, env.init) = (HANDLER + 4, HANDLER + 8, HANDLER + 12, HANDLER);
    (env.gate, env.agate) = (HANDLER + 16, HANDLER + 20);
    env.xl[5] = Mapping { va: GUARANTEED_VA, lo: Lo::writable(GUARANTEED_FRAME).0 };
    env
}

/// A kernel with one environment, which holds one frame.
pub fn kernel<G: Geometry>() -> Box<Kernel<Model<G>>> {
    let mut kernel = Box::new(Kernel::new(Model::new()));
    kernel.take_over(|frame| frame < KERNEL_FRAMES, [PUBLIC_FRAME].into_iter());
    kernel.frames.give(FIRST, GUARANTEED_FRAME);
    kernel.machine.zero(GUARANTEED_FRAME);
    let context = Context::check(&kernel.frames, FIRST, &good_env()).expect("the context is good");
    kernel.create(FIRST, context, FIRST);
    kernel.slices.give(FIRST, 0);
    kernel.begin();
    kernel.check().expect("the new kernel is consistent");
    kernel
}

/// All that a failed call must leave as it is. (The order of the free list is part of it.)
pub fn snapshot<G: Geometry>(kernel: &Kernel<Model<G>>) -> impl PartialEq + std::fmt::Debug + use<G> {
    let mut lines = Vec::new();
    kernel.machine.stlb().scan(0, 0, |line| {
        lines.push((line, kernel.machine.stlb().is_in_overflow(line.context)));
        stlb::Edit::Keep
    });
    let frames: Vec<_> =
        (0..FRAMES).map(|n| (kernel.frames.owner(n), kernel.frames.holders(n), kernel.frames.bindings(n))).collect();
    let free: Vec<u32> = kernel.frames.free_list().collect();
    let environment = &kernel.environments[FIRST];
    let tlb = *kernel.machine.tlb.borrow();
    let memory = kernel.machine.memory.borrow().clone();
    let blocks = kernel.machine.blocks.borrow()[FIRST];
    (lines, frames, free, (environment.pid, environment.context.clone()), tlb, memory, blocks)
}

/// What a program's reference to `va` finds, the kernel helping as it does on a miss: the page's binding as the STLB has it
/// after the hardware TLB has served it.
pub fn reference<G: Geometry>(kernel: &mut Kernel<Model<G>>, va: u32) -> Option<Lo> {
    let context = kernel.context_register(va);
    let (asid, half) = (crate::name::asid::<G>(FIRST), G::half(va));
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

/// Puts a structure into memory, at a physical address.
pub fn put<G: Geometry>(kernel: &Kernel<Model<G>>, address: u32, env: &Env) {
    kernel.machine.write(address, env.as_bytes());
}
