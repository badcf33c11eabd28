//! Random sequences of calls and misses: whatever is passed, the kernel stays consistent, and a failed call has changed
//! nothing.

use super::model::*;
use aegis_abi::calls::{ANY, Number};
use aegis_abi::limits::PAGE_SHIFT;
use aegis_abi::{Env, Lo, Mapping};
use proptest::prelude::*;
use stlb::{Geometry, Mips32, R3000};

/// One step of a program.
#[derive(Clone, Debug)]
enum Step {
    Call(u32, [u32; 4]),
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
    (prop::collection::vec(mapping, 0..4), save.clone(), save, any::<bool>()).prop_map(
        |(mappings, tlbx_save_area, genx_save_area, good)| {
            let mut env = good_env();
            for (place, va, lo) in mappings {
                env.xl[place] = Mapping { va: if good { va & 0x000f_f000 | 0x1000 } else { va }, lo };
            }
            if !good {
                (env.tlbx_save_area, env.genx_save_area) = (tlbx_save_area, genx_save_area);
            }
            env
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let call = |number: Number| number as u32;
    prop_oneof![
        6 => (address(), lo()).prop_map(move |(va, lo)| Step::Call(call(Number::tlbwr), [va, lo, 0, 0])),
        2 => (prop::sample::select(vec![Number::tlbrprotn, Number::unprotn, Number::tlbdeleten]), address(),
              prop_oneof![0u32..5, 0u32..0x8_0000, any::<u32>()])
            .prop_map(move |(number, va, pages)| Step::Call(call(number), [va, pages, 0, 0])),
        4 => frame().prop_map(move |frame| Step::Call(call(Number::p_alloc), [frame, 0, 0, 0])),
        2 => frame().prop_map(move |frame| Step::Call(call(Number::p_unref), [frame, 0, 0, 0])),
        1 => Just(Step::Call(call(Number::tlbflush), [0; 4])),
        1 => (address(), 0u32..0x3000).prop_map(move |(va, n)| Step::Call(call(Number::console_write), [va, n, 0, 0])),
        1 => (0u32..300, prop::array::uniform4(any::<u32>())).prop_map(|(number, words)| Step::Call(number, words)),
        1 => env().prop_map(|env| Step::ESet(Box::new(env))),
        6 => address().prop_map(Step::Miss),
    ]
}

fn run<G: Geometry>(steps: &[Step]) {
    let mut kernel = kernel::<G>();
    for step in steps {
        let before = snapshot(&kernel);
        let failed = match step {
            Step::Call(number, arguments) => kernel.call(*number, *arguments).is_err(),
            Step::ESet(env) => {
                put(&kernel, GUARANTEED_FRAME << PAGE_SHIFT, env);
                let before = snapshot(&kernel);
                let failed = kernel.call(Number::e_set as u32, [GUARANTEED_VA, 0, 0, 0]).is_err();
                assert!(!failed || before == snapshot(&kernel), "a failed e_set changed something");
                false
            }
            Step::Miss(va) => {
                if (0x1000..0x8000_0000).contains(va) {
                    reference(&mut kernel, *va);
                }
                false
            }
        };
        assert!(!failed || before == snapshot(&kernel), "a failed call changed something: {step:x?}");
        if let Err(inconsistency) = kernel.check() {
            panic!("after {step:x?}: {inconsistency}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn random_steps_on_mips32(steps in prop::collection::vec(step(), 1..60)) {
        run::<Mips32>(&steps);
    }

    #[test]
    fn random_steps_on_r3000(steps in prop::collection::vec(step(), 1..60)) {
        run::<R3000>(&steps);
    }
}
