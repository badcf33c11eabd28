//! Random sequences of calls and misses: whatever is passed, the kernel stays consistent, and a failed call has changed
//! nothing.

use super::model::*;
use super::rights::Rights;
use crate::Kernel;
use crate::budget::tests::with_budget;
use crate::machine::Machine;
use crate::name::number_of_tag;
use aegis_abi::calls::{ANY, NEXT, Number, READ, READ_WRITE, SHARED, allowance};
use aegis_abi::limits::{PAGE_SHIFT, RESERVED_FRAMES};
use aegis_abi::{Env, Error, Lo, Mapping};
use proptest::prelude::*;
use stlb::{Geometry, Mips32, R3000};
use zerocopy::IntoBytes;

/// Numbers of environments that take part. The last is free at first.
const NUMBERS: usize = 6;

/// An environment that is named in a call.
#[derive(Clone, Copy, Debug)]
struct Who {
    number: usize,
    /// By the name of one that had the number before.
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
enum Argument {
    Word(u32),
    Pid(Who),
}

/// One step of a program, or of the world.
#[derive(Clone, Debug)]
enum Step {
    Call(u32, [u32; 4]),
    CallOn(Number, [Argument; 4]),
    /// `e_alloc` of the number; of an empty environment, where no context is given. Or of one in the caller's own page.
    EAlloc(u32, Option<Box<Env>>, bool),
    Ticks(usize),
    Input(Vec<u8>),
    /// A control transfer, as the machine makes it.
    Transfer {
        to: usize,
        synchronous: bool,
    },
    /// `p_share` with these rights, or `p_give`, of frames whose numbers are put into the page.
    Pass(Who, Option<u32>, Vec<u32>),
    /// Writes a context into the page that `e_set` is then given.
    ESet(Box<Env>),
    Miss(u32),
}

/// Addresses, few enough to meet again, many of them colliding in the table.
fn address() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => (0u32..4, 0u32..4).prop_map(|(far, near)| 0x0100_0000 + (far << 26) + (near << PAGE_SHIFT)),
        2 => (0u32..6).prop_map(|page| page << PAGE_SHIFT),
        1 => Just(GUARANTEED_VA),
        1 => any::<u32>(),
        1 => prop::sample::select(vec![0x7fff_f000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x00ff_f000]),
    ]
}

fn frame() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..FRAMES + 2, 1 => Just(ANY), 1 => any::<u32>()]
}

fn lo() -> impl Strategy<Value = u32> {
    let bits = prop::sample::select(vec![Lo::V, Lo::V | Lo::W, Lo::V | Lo::W | Lo::D, Lo::V | Lo::D, 0, 0xfff]);
    prop_oneof![8 => (0..FRAMES + 2, bits).prop_map(|(pfn, bits)| pfn << 12 | bits), 1 => any::<u32>()]
}

fn env() -> impl Strategy<Value = Env> {
    let mapping = (0usize..32, address(), lo());
    let save = prop_oneof![Just(0), (0..FRAMES + 1).prop_map(|frame| frame << PAGE_SHIFT), any::<u32>()];
    let reserved = prop::collection::vec(0..FRAMES + 1, RESERVED_FRAMES);
    (prop::collection::vec(mapping, 0..4), save.clone(), save, any::<bool>(), prop::option::weighted(0.3, reserved))
        .prop_map(|(mappings, tlbx_save_area, genx_save_area, good, reserved)| {
            let mut env = good_env();
            if let Some(reserved) = reserved {
                env.reserved.copy_from_slice(&reserved);
            }
            for (place, va, lo) in mappings {
                env.xl[place] = Mapping { va: if good { va & 0x000f_f000 | 0x1000 } else { va }, lo };
            }
            if !good {
                (env.tlbx_save_area, env.genx_save_area) = (tlbx_save_area, genx_save_area);
                env.vector = genx_save_area;
            }
            env
        })
}

fn step() -> impl Strategy<Value = Step> {
    let call = |number: Number| number as u32;
    prop_oneof![
        6 => (address(), lo()).prop_map(move |(va, lo)| Step::Call(call(Number::tlbwr), [va, lo, 0, 0])),
        2 => (prop::sample::select(vec![Number::tlbrprotn, Number::unprotn, Number::tlbdeleten]), address(),
              prop_oneof![0u32..5, 0u32..0x8_0000, any::<u32>()])
            .prop_map(move |(number, va, pages)| Step::Call(call(number), [va, pages, 0, 0])),
        4 => frame().prop_map(move |frame| Step::Call(call(Number::p_alloc), [frame, 0, 0, 0])),
        3 => Just(Step::Call(call(Number::p_alloc), [ANY, 0, 0, 0])),
        2 => frame().prop_map(move |frame| Step::Call(call(Number::p_unref), [frame, 0, 0, 0])),
        1 => Just(Step::Call(call(Number::tlbflush), [0; 4])),
        2 => (frame(), frame(), 0u32..20).prop_map(move |(to, from, n)| Step::Call(call(Number::memcpy), [to, from, n, 0])),
        2 => (frame(), 0u32..0x3000, any::<u32>(), prop_oneof![0u32..0x3000, any::<u32>()])
            .prop_map(move |(frame, offset, byte, n)| Step::Call(call(Number::memset), [frame, offset, byte, n])),
        1 => (address(), 0u32..0x3000).prop_map(move |(va, n)| Step::Call(call(Number::cacheflush), [va, n, 0, 0])),
        4 => prop_oneof![8 => 0u32..2, 1 => any::<u32>()].prop_map(move |flag| Step::Call(call(Number::fpu), [flag, 0, 0, 0])),
        1 => (address(), 0u32..0x3000).prop_map(move |(va, n)| Step::Call(call(Number::console_write), [va, n, 0, 0])),
        1 => (0u32..300, prop::array::uniform4(any::<u32>())).prop_map(|(number, words)| Step::Call(number, words)),
        1 => env().prop_map(|env| Step::ESet(Box::new(env))),
        6 => address().prop_map(Step::Miss),
    ]
}

/// Calls with names of environments; the names stand first.
fn call_on() -> impl Strategy<Value = Step> {
    let who = || (0..NUMBERS, prop::bool::weighted(0.1)).prop_map(|(number, stale)| Who { number, stale });
    let slice = || prop_oneof![8 => 0u32..6, 1 => Just(ANY), 1 => 60u32..70];
    let weighted = [
        (2, Number::e_ref),
        (1, Number::e_unref),
        (3, Number::e_add),
        (1, Number::e_free),
        (2, Number::e_write),
        (4, Number::p_add),
        (2, Number::p_accept),
        (1, Number::console_focus),
        (6, Number::s_alloc),
        (1, Number::s_free),
        (3, Number::s_add),
        (6, Number::r#yield),
        (2, Number::donate),
        (1, Number::timer),
    ];
    let numbers: Vec<Number> =
        weighted.into_iter().flat_map(|(weight, number)| std::iter::repeat_n(number, weight)).collect();
    (prop::sample::select(numbers), who(), who(), slice(), 0u32..5, frame(), 0u32..70).prop_map(
        |(number, first, second, slice, small, frame, many)| {
            let arguments = match number {
                Number::e_add => [Argument::Pid(first), Argument::Pid(second), Argument::Word(0), Argument::Word(0)],
                Number::e_write => {
                    let from = if many == 0 { 0x2fff } else { GUARANTEED_VA };
                    [Argument::Pid(first), Argument::Word(small * 8), Argument::Word(from), Argument::Word(many)]
                }
                Number::p_add => {
                    [Argument::Word(small), Argument::Pid(first), Argument::Word(frame), Argument::Word(0)]
                }
                Number::s_free | Number::timer => [slice, 0, 0, 0].map(Argument::Word),
                Number::p_accept => [Argument::Pid(first), Argument::Word(small), Argument::Word(0), Argument::Word(0)],
                _ => [Argument::Pid(first), Argument::Word(slice), Argument::Word(0), Argument::Word(0)],
            };
            Step::CallOn(number, arguments)
        },
    )
}

fn pass() -> impl Strategy<Value = Step> {
    let who = (0..NUMBERS, prop::bool::weighted(0.1)).prop_map(|(number, stale)| Who { number, stale });
    let right = prop::option::of(prop_oneof![8 => prop::sample::select(vec![READ, READ_WRITE]), 1 => 0u32..5]);
    (who, right, prop::collection::vec(frame(), 0..6)).prop_map(|(who, right, list)| Step::Pass(who, right, list))
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => pass(),
        6 => step(),
        8 => call_on(),
        2 => Just(Step::Call(Number::r#yield as u32, [NEXT.0, 0, 0, 0])),
        3 => (0..NUMBERS, prop_oneof![1 => Just(None), 3 => env().prop_map(|env| Some(Box::new(env)))], any::<bool>())
            .prop_map(|(number, env, own)| Step::EAlloc(number as u32, env, own)),
        4 => (1usize..4).prop_map(Step::Ticks),
        1 => Just(Step::Ticks(12)),
        2 => prop::collection::vec(any::<u8>(), 0..9).prop_map(Step::Input),
        4 => (0..NUMBERS, any::<bool>()).prop_map(|(to, synchronous)| Step::Transfer { to, synchronous }),
    ]
}

/// The page in which the running environment has its queue, if it is bound where it was at first.
fn own_page<G: Geometry>(kernel: &Kernel<Model<G>>) -> Option<u32> {
    let lo = kernel.environment().context.guaranteed(GUARANTEED_VA >> PAGE_SHIFT)?;
    Some(lo.pfn() << PAGE_SHIFT).filter(|&page| lo.w() && page < FRAMES << PAGE_SHIFT)
}

/// What the model follows: nothing, while the dead have something left, or frames are being taken by force.
struct Follower {
    rights: Rights,
    is_behind: bool,
}

impl Follower {
    /// A call of environment `by` has ended well.
    fn follow<G: Geometry>(
        &mut self,
        kernel: &Kernel<Model<G>>,
        by: usize,
        number: u32,
        arguments: [u32; 4],
        given: &Given,
        result: u32,
    ) {
        const ALLOC: u32 = Number::p_alloc as u32;
        const UNREF: u32 = Number::p_unref as u32;
        const ADD: u32 = Number::p_add as u32;
        const GIVE: u32 = Number::p_give as u32;
        const SHARE: u32 = Number::p_share as u32;
        const CREATE: u32 = Number::e_alloc as u32;
        if self.is_behind {
            return;
        }
        let rights = &mut self.rights;
        match number {
            ALLOC => {
                // Others may have lost it just now.
                rights.check_force(kernel, result);
                rights.allocated(by, result);
            }
            UNREF => rights.given_up(by, arguments[0]),
            ADD => rights.granted(by, arguments[0], number_of_tag(arguments[1]), arguments[2]),
            GIVE => rights.given(by, number_of_tag(arguments[0]), &given.list[..result as usize]),
            SHARE => {
                let env = number_of_tag(arguments[0]);
                let is_writer = env == by || kernel.environments[env].record.writers >> by & 1 != 0;
                rights.shared(by, arguments[1], env, &given.list[..result as usize], is_writer);
            }
            CREATE => match given.env.filter(|_| arguments[1] == GUARANTEED_VA | ENV_OFFSET) {
                Some(env) => rights.created(by, number_of_tag(result), &env),
                None => *rights = Rights::of(kernel),
            },
            _ => {}
        }
    }

    /// A step is over.
    fn check<G: Geometry>(&mut self, kernel: &mut Kernel<Model<G>>, settles: bool) {
        if settles && kernel.machine.stopped.get().is_none() {
            settle(kernel);
        }
        let is_quiet = kernel.dying == 0 && kernel.revocation.force.is_none();
        match (is_quiet, self.is_behind) {
            (false, _) => self.is_behind = true,
            (true, true) => *self = Follower { rights: Rights::of(kernel), is_behind: false },
            (true, false) => self.rights.check(kernel),
        }
    }
}

/// What pointers of a call point to.
#[derive(Default)]
struct Given {
    env: Option<Env>,
    list: Vec<u32>,
}

/// Makes a call, has the model follow, and says whether it failed without leaving everything as it was.
fn call<G: Geometry>(
    kernel: &mut Kernel<Model<G>>,
    follower: &mut Follower,
    number: u32,
    arguments: [u32; 4],
    list: &[u32],
) -> bool {
    let before = snapshot(kernel);
    let current = kernel.current();
    let page = own_page(kernel);
    let given = Given { env: page.map(|page| env_at(kernel, page | ENV_OFFSET)), list: list.to_vec() };
    let (name, mut again) = (kernel.environment().pid(), false);
    for turn in 0..1000 {
        match kernel.call(number, arguments) {
            Err(Error::Again) if kernel.environment().pid() == name && name.is_some() => {
                again = true;
                // It takes long.
                if turn % 8 == 0 {
                    kernel.check().unwrap();
                }
            }
            Err(Error::Again | Error::TryAgain) => {
                follower.is_behind |= again;
                return false;
            }
            Err(_) if again => {
                // A part is done: it may even have given away the page in which its list was.
                follower.is_behind = true;
                return false;
            }
            Err(_) => return before != snapshot(kernel),
            Ok(result) => {
                follower.follow(kernel, current, number, arguments, &given, result);
                return false;
            }
        }
    }
    panic!("call {number}, {arguments:x?} is never done");
}

fn run<G: Geometry>(clock: bool, full: bool, settles: bool, steps: &[Step]) {
    let mut kernel = family::<G>(NUMBERS - 2);
    // So that frames are revoked, the first environment has nearly all.
    while full && kernel.frames.free() > 2 {
        kernel.call(Number::p_alloc as u32, [ANY, 0, 0, 0]).unwrap();
    }
    if clock {
        kernel.set_clock(256);
    }
    let mut follower = Follower { rights: Rights::of(&kernel), is_behind: false };
    // The last that an environment of each number was called before the one that lives.
    let (mut stale, mut names) = ([0; NUMBERS], [0; NUMBERS]);
    let reserved = |kernel: &Kernel<Model<G>>| {
        let mut bytes = vec![0; (KERNEL_FRAMES << PAGE_SHIFT) as usize];
        kernel.machine.read(0, &mut bytes);
        bytes
    };
    let reserved_before = reserved(&kernel);
    for step in steps {
        for number in (0..NUMBERS).filter(|&number| kernel.is_alive(number)) {
            let name = pid(&kernel, number);
            if name != names[number] {
                stale[number] = std::mem::replace(&mut names[number], name);
            }
        }
        let idle = kernel.machine.running.get().is_none();
        let mut changed = false;
        match step {
            Step::Ticks(ticks) => (0..*ticks).for_each(|_| {
                tick(&mut kernel);
            }),
            Step::Input(bytes) => {
                type_in(&mut kernel, bytes);
            }
            _ if idle => {}
            Step::Transfer { to, synchronous } => {
                let machine = &kernel.machine;
                if kernel.is_alive(*to) {
                    if !synchronous && machine.holder().is_none() {
                        machine.set_holder(Some(kernel.current()));
                    }
                    machine.set_current(*to);
                    if machine.holder() == Some(*to) {
                        machine.set_holder(None);
                    }
                }
            }
            Step::Call(number, arguments) => changed = call(&mut kernel, &mut follower, *number, *arguments, &[]),
            Step::CallOn(number, arguments) => {
                let words = arguments.map(|argument| match argument {
                    Argument::Word(word) => word,
                    Argument::Pid(Who { number, stale: true }) => stale[number],
                    Argument::Pid(Who { number, .. }) => names[number],
                });
                changed = call(&mut kernel, &mut follower, *number as u32, words, &[]);
            }
            Step::ESet(env) => {
                if let Some(page) = own_page(&kernel) {
                    put(&kernel, page | ENV_OFFSET, env);
                }
                let arguments = [GUARANTEED_VA | ENV_OFFSET, 0, 0, 0];
                changed = call(&mut kernel, &mut follower, Number::e_set as u32, arguments, &[]);
            }
            Step::EAlloc(number, given, own) => {
                if let Some(page) = own_page(&kernel) {
                    let mut env = given.as_deref().copied().unwrap_or(Env::EMPTY);
                    if *own && given.is_some() {
                        // In the creator's page.
                        (env.tlbx_save_area, env.genx_save_area, env.intx_save_area) =
                            (page | 16, page | 32, page | 48);
                        (env.iq, env.vector, env.xl) = (page | 0x400, page | 0xc00, good_env().xl);
                        env.xl[5].lo = Lo::writable(page >> PAGE_SHIFT).0;
                    }
                    put(&kernel, page | ENV_OFFSET, &env);
                }
                let account = if *own { SHARED } else { allowance(*number as u8, 2) };
                let arguments = [*number, GUARANTEED_VA | ENV_OFFSET, account, 0];
                changed = call(&mut kernel, &mut follower, Number::e_alloc as u32, arguments, &[]);
            }
            Step::Pass(Who { number, stale: is_stale }, right, list) => {
                if let Some(page) = own_page(&kernel) {
                    kernel.machine.write(page | LIST_OFFSET, list.as_bytes());
                    let pid = if *is_stale { stale[*number] } else { names[*number] };
                    let (pointer, count) = (GUARANTEED_VA | LIST_OFFSET, list.len() as u32);
                    let (number, arguments) = match right {
                        None => (Number::p_give, [pid, pointer, count, 0]),
                        Some(right) => (Number::p_share, [pid, *right, pointer, count]),
                    };
                    changed = call(&mut kernel, &mut follower, number as u32, arguments, list);
                }
            }
            Step::Miss(va) => {
                if (0x1000..0x8000_0000).contains(va) {
                    reference(&mut kernel, *va);
                }
            }
        }
        assert!(!changed, "a failed call changed something: {step:x?}");
        assert_eq!(kernel.due, None, "an upcall that is due outlives its cause: {step:x?}");
        follower.check(&mut kernel, settles);
        if let Err(inconsistency) = kernel.check() {
            panic!("after {step:x?}: {inconsistency}");
        }
        assert!(reserved(&kernel) == reserved_before, "the kernel's memory was written");
        if kernel.machine.stopped.get().is_some() {
            break;
        }
        if kernel.machine.fpu_on.get() && kernel.is_alive(kernel.current()) {
            // In the registers is what this environment has left there, or nothing.
            let own = [pid(&kernel, kernel.current()) | 1; 33];
            assert!([own, [0; 33]].contains(&kernel.machine.fpu.get()), "another's registers after {step:x?}");
            kernel.machine.fpu.set(own);
        }
        let idle = kernel.machine.running.get().is_none();
        assert_eq!(idle, kernel.schedule.is_idle());
        assert!(idle || kernel.is_alive(kernel.current()), "the dead run after {step:x?}");
        assert!(
            kernel.machine.holder() != Some(kernel.current()),
            "who has the slice is named though it runs: {step:x?}"
        );
        for number in 0..kernel.environments.len() {
            let (alive, block) = (kernel.is_alive(number), kernel.machine.blocks.borrow()[number].is_some());
            assert_eq!(alive, block, "environment {number}");
            let is_kept = alive || kernel.is_dying(number);
            assert!(is_kept || kernel.machine.data.borrow()[number].iter().all(|&byte| byte == 0), "data of {number}");
        }
    }
}

/// Under what conditions steps are made.
#[derive(Clone, Copy, Debug)]
struct Way {
    clock: bool,
    /// The first environment has nearly all frames.
    full: bool,
    /// After each step all is done that is due.
    settles: bool,
    /// Of each stay in the kernel.
    budget: i32,
}

impl Way {
    fn run<G: Geometry>(self, steps: &[Step]) {
        let Way { clock, full, settles, budget } = self;
        with_budget(budget, || run::<G>(clock, full, settles, steps));
    }
}

fn way() -> impl Strategy<Value = Way> {
    let budget = prop::sample::select(vec![1, 1000, 8000, i32::MAX]);
    (any::<bool>(), any::<bool>(), any::<bool>(), budget).prop_map(|(clock, full, settles, budget)| Way {
        clock,
        full,
        settles,
        budget,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_steps_on_mips32(way in way(), steps in prop::collection::vec(any_step(), 1..120)) {
        way.run::<Mips32>(&steps);
    }

    #[test]
    fn random_steps_on_r3000(way in way(), steps in prop::collection::vec(any_step(), 1..120)) {
        way.run::<R3000>(&steps);
    }
}
