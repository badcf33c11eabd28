//! The table against the model, for both processors, with addresses chosen so that slots collide all the time.

mod support;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestCaseResult, TestRunner};
use std::collections::VecDeque;
use stlb::model::{Machine, Model, Place};
use stlb::{Edit, Geometry, Inserted, Line, Lo, Mips32, OVERFLOW, R3000, SLOTS, Stlb};
use support::{Reference, TAGS, crowd, lo, reference};

#[derive(Clone, Debug)]
enum Step {
    Insert(Reference, bool, Lo),
    Replace(Reference, [Lo; 2]),
    Delete(Reference, bool),
    FlushProcess(u32),
    ReadProtect(u32),
    Probe(Reference),
}

fn steps(machine: Machine) -> impl Strategy<Value = Vec<Step>> {
    let at = reference(machine).boxed();
    let tag = prop::sample::select(TAGS.to_vec());
    let step = prop_oneof![
        20 => (at.clone(), any::<bool>(), lo()).prop_map(|(at, odd, lo)| Step::Insert(at, odd, lo)),
        3 => (at.clone(), [lo(), lo()]).prop_map(|(at, lo)| Step::Replace(at, lo)),
        4 => (at.clone(), any::<bool>()).prop_map(|(at, odd)| Step::Delete(at, odd)),
        1 => tag.clone().prop_map(Step::FlushProcess),
        1 => tag.prop_map(Step::ReadProtect),
        3 => at.prop_map(Step::Probe),
    ];
    prop::collection::vec(step, 1..100)
}

/// Checks the invariants over every entry as it lies in memory, and that it is all as in the model.
fn check<G: Geometry>(machine: Machine, stlb: &Stlb<G>, model: &Model) -> TestCaseResult {
    let entry = size_of::<G::Entry>();
    let mut seen = Vec::new();
    for i in 0..SLOTS + OVERFLOW {
        let tag = stlb.word(i * entry).unwrap();
        if !tag.is_multiple_of(4) {
            continue; // no Context register looks like that
        }
        let place = if i < SLOTS { Place::Slot(i) } else { Place::Overflow(i - SLOTS) };
        if let Place::Slot(slot) = place {
            prop_assert_eq!(slot, machine.slot(tag), "{:#x} stands in a slot that is not its own", tag);
        }
        let line = stlb.probe(tag).unwrap();
        prop_assert_eq!(line.context, tag);
        prop_assert_eq!(stlb.is_in_overflow(tag), i >= SLOTS, "{:#x} stands twice", tag);
        prop_assert!(line.lo.iter().any(Lo::v), "{:#x} stands there without a valid half", tag);
        prop_assert!(!line.lo.iter().any(Lo::g), "{:#x} is global", tag);
        for (half, lo) in line.lo.into_iter().enumerate().take(machine.pages()) {
            prop_assert_eq!(stlb.word(i * entry + 4 + 4 * half).unwrap(), machine.entry_lo(lo));
        }
        seen.push((place, line));
    }
    prop_assert_eq!(stlb.word((SLOTS + OVERFLOW) * entry), None);
    let mut tags: Vec<u32> = seen.iter().map(|(_, line)| line.context).collect();
    tags.sort_unstable();
    prop_assert!(tags.windows(2).all(|two| two[0] != two[1]), "a line stands twice");
    prop_assert_eq!(seen, model.lines());
    Ok(())
}

/// Does the same to both.
fn step<G: Geometry>(machine: Machine, stlb: &Stlb<G>, model: &mut Model, step: Step) -> TestCaseResult {
    let context = |(tag, va): Reference| machine.context(tag, va);
    let only = |lo: [Lo; 2]| if machine.pages() == 2 { lo } else { [lo[0], Lo::INVALID] };
    match step {
        Step::Insert(at, odd, lo) => {
            let half = usize::from(odd) % machine.pages();
            let before = model.find(context(at)).map_or([Lo::INVALID; 2], |(_, line)| line.lo);
            let inserted = stlb.insert(context(at), half, lo);
            prop_assert_eq!(inserted.evicted, model.insert(context(at), half, lo));
            prop_assert_eq!(inserted.previous, before[half]);
            let line = stlb.probe(context(at)).unwrap_or(Line::empty(context(at)));
            prop_assert_eq!(line.lo[1 - half], before[1 - half], "the other half changed");
            let expected = model.find(context(at)).map_or(Line::empty(context(at)), |(_, line)| line);
            prop_assert_eq!(line, expected);
            prop_assert_eq!(inserted.registers, expected.lo.map(|lo| machine.entry_lo(lo)));
            prop_assert_eq!(inserted.registers, stlb.registers(context(at)));
            prop_assert!(!stlb.is_in_overflow(context(at)), "what was inserted is not in the table");
        }
        Step::Replace(at, lo) => {
            // Where there is just one page, the second half is to be ignored
            stlb.replace(context(at), lo);
            model.replace(context(at), only(lo));
        }
        Step::Delete(at, odd) => {
            let half = usize::from(odd) % machine.pages();
            if let Some(mut line) = stlb.probe(context(at)) {
                line.lo[half] = Lo::INVALID;
                stlb.replace(context(at), line.lo);
                model.replace(context(at), line.lo);
                prop_assert_eq!(stlb.probe(context(at)), Some(line).filter(|line| line.lo[1 - half].v()));
            }
        }
        Step::FlushProcess(tag) => {
            stlb.scan(G::TAG_MASK, context((tag, 0)), |_| Edit::Replace([Lo::INVALID; 2]));
            let size = u32::MAX / machine.tags() + 1;
            model.scan(|context| context / size == tag, |_| Edit::Replace([Lo::INVALID; 2]));
        }
        Step::ReadProtect(tag) => {
            // The even pages only, so that some lines are to be kept
            let edit = |line: Line| match line.lo {
                [even, odd] if even.d() => Edit::Replace([Lo(even.0 & !Lo::D), odd]),
                _ => Edit::Keep,
            };
            let size = u32::MAX / machine.tags() + 1;
            stlb.scan(G::TAG_MASK, context((tag, 0)), edit);
            model.scan(|context| context / size == tag, edit);
        }
        Step::Probe(at) => {
            prop_assert_eq!(stlb.probe(context(at)), model.find(context(at)).map(|(_, line)| line));
            let in_overflow = matches!(model.find(context(at)), Some((Place::Overflow(_), _)));
            prop_assert_eq!(stlb.is_in_overflow(context(at)), in_overflow);
        }
    }
    Ok(())
}

fn run<G: Geometry>(machine: Machine, steps: Vec<Step>) -> TestCaseResult {
    let (stlb, mut model) = (Box::new(Stlb::<G>::new()), Model::new(machine));
    for next in steps {
        step(machine, &stlb, &mut model, next)?;
        check(machine, &stlb, &model)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn mips32_behaves_like_the_model(steps in steps(Machine::Malta)) {
        run::<Mips32>(Machine::Malta, steps)?;
    }

    #[test]
    fn r3000_behaves_like_the_model(steps in steps(Machine::Decstation)) {
        run::<R3000>(Machine::Decstation, steps)?;
    }
}

/// The steps are worth something only if they reach what there is to go wrong.
#[test]
fn the_steps_collide_evict_and_take_back() {
    for machine in [Machine::Malta, Machine::Decstation] {
        let (mut evicted, mut taken_back, mut vanished) = (0, 0, 0);
        let (mut runner, steps) = (TestRunner::deterministic(), steps(machine));
        for _ in 0..50 {
            let mut model = Model::new(machine);
            for step in steps.new_tree(&mut runner).unwrap().current() {
                if let Step::Insert((tag, va), _, lo) = step {
                    let context = machine.context(tag, va);
                    let before = model.find(context);
                    evicted += usize::from(model.insert(context, machine.half(va), lo).is_some());
                    let after = model.find(context);
                    vanished += usize::from(before.is_some() && after.is_none());
                    let moved = matches!((before, after), (Some((Place::Overflow(_), _)), Some(_)));
                    taken_back += usize::from(moved);
                }
            }
        }
        let reached = [evicted, taken_back, vanished];
        assert!(reached.iter().all(|n| *n >= 40), "{machine:?}: evicted, taken back, vanished: {reached:?}");
    }
}

/// Lines that push each other out of one slot leave the overflow buffer in the order in which they came.
fn first_in_first_out<G: Geometry>(machine: Machine) {
    let slot = SLOTS / 2 + 1;
    let all = (0..machine.tags()).map(|tag| {
        let mut pages = (0..0x8000_0000).step_by(machine.pages() << 12).map(|va| machine.context(tag, va));
        pages.find(|context| machine.slot(*context) == slot).unwrap()
    });
    let stlb = Box::new(Stlb::<G>::new());
    let mut queue = VecDeque::new();
    for (n, context) in all.take(40).enumerate() {
        let evicted = stlb.insert(context, 0, Lo::read_only(n as u32)).evicted;
        queue.push_back(Line { context, lo: [Lo::read_only(n as u32), Lo::INVALID] });
        // One in the table, and those behind it
        let expected = if queue.len() > 1 + OVERFLOW { queue.pop_front() } else { None };
        assert_eq!(evicted, expected, "at the line number {n}");
        for line in &queue {
            assert_eq!(stlb.probe(line.context), Some(*line));
        }
    }
}

#[test]
fn the_overflow_buffer_is_a_queue() {
    first_in_first_out::<Mips32>(Machine::Malta);
    first_in_first_out::<R3000>(Machine::Decstation);
}

/// An insertion of an invalid page leaves everything where it stands.
fn nothing_moves<G: Geometry>(machine: Machine) {
    let stlb = Box::new(Stlb::<G>::new());
    let [a, b] = [0, 1].map(|i| crowd(machine)[i]).map(|(tag, va)| machine.context(tag, va));
    assert_eq!(G::slot(a), G::slot(b));
    stlb.insert(a, 0, Lo::writable(1));
    let nothing = Inserted { previous: Lo::INVALID, registers: [0; 2], evicted: None };
    assert_eq!(stlb.insert(b, 0, Lo(7 << 12 | Lo::D)), nothing);
    assert!(!stlb.is_in_overflow(a));
}

#[test]
fn inserting_nothing_moves_nothing() {
    nothing_moves::<Mips32>(Machine::Malta);
    nothing_moves::<R3000>(Machine::Decstation);
}

/// An empty entry is found by nothing: no Context register equals its tag, and that tag is no Context register.
fn empty_entries_match_nothing<G: Geometry>(context: u32) -> TestCaseResult {
    let stlb = Box::new(Stlb::<G>::new());
    let entry = size_of::<G::Entry>();
    let empty = stlb.word(G::slot(context) * entry).unwrap();
    for context in [context, 0, empty] {
        prop_assert_eq!(stlb.probe(context), None);
        prop_assert!(!stlb.is_in_overflow(context));
        stlb.replace(context, [Lo::writable(1), Lo::INVALID]);
        prop_assert_eq!(stlb.probe(context), None);
    }
    stlb.scan(0, 0, |line| panic!("nothing is there, yet the scan shows {line:?}"));
    Ok(())
}

proptest! {
    #[test]
    fn an_empty_entry_matches_no_context(context: u32) {
        empty_entries_match_nothing::<Mips32>(context)?;
        empty_entries_match_nothing::<R3000>(context)?;
    }
}
