//! Interrupts: their queues, upcalls, timers, the input.

use super::model::*;
use crate::Kernel;
use crate::kernel::FIRST;
use crate::machine::Machine;
use aegis_abi::calls::Number;
use aegis_abi::interrupts::{ALL, CONSOLE, KINDS, REVOCATION, TIMER};
use aegis_abi::limits::{CONSOLE_ENTRIES, PAGE_BYTES, PAGE_SHIFT, QUEUE_ENTRIES};
use aegis_abi::{Env, Error, Interrupt, InterruptQueue};
use proptest::prelude::*;
use stlb::Mips32;
use zerocopy::IntoBytes;

pub(super) type Tested = Kernel<Model<Mips32>>;

#[track_caller]
pub(super) fn call(kernel: &mut Tested, number: Number, argument: u32) {
    kernel.call(number as u32, [argument, 0, 0, 0]).unwrap();
    kernel.check().unwrap();
}

/// Input arrives; where is the running environment called up?
pub(super) fn input(kernel: &mut Tested, bytes: &[u8]) -> Option<u32> {
    type_in(kernel, bytes).map(|upcall| upcall.handler)
}

pub(super) fn unmask(kernel: &Tested, n: usize) {
    set_queue(kernel, n, |queue| queue.mask = ALL);
}

/// One byte of input, as an interrupt.
pub(super) fn byte(byte: u8) -> Interrupt {
    Interrupt { kind: CONSOLE, arguments: [1, byte.into(), 0] }
}

/// An interrupt of the timer.
pub(super) fn timer(tick: u32) -> Interrupt {
    Interrupt { kind: TIMER, arguments: [tick, 0, 0] }
}

/// Puts one into the first environment's queue.
pub(super) fn post_timer(kernel: &mut Tested, tick: u32) {
    kernel.post(FIRST, timer(tick));
}

/// Gives the first environment another queue.
fn set_iq(kernel: &mut Tested, iq: u32) {
    put(kernel, page(FIRST) | ENV_OFFSET, &Env { iq, ..good_env() });
    call(kernel, Number::e_set, GUARANTEED_VA | ENV_OFFSET);
}

#[test]
fn who_is_interrupted_in_a_window_begins_it_again() {
    let mut kernel = family(1);
    assert_eq!(kernel.restart(0x2044), 0x2044, "there is none");
    let env = Env { resume_start: 0x2040, resume_windows: 2, ..good_env() };
    put(&kernel, page(FIRST) | ENV_OFFSET, &env);
    call(&mut kernel, Number::e_set, GUARANTEED_VA | ENV_OFFSET);
    for (pc, restarted) in
        [(0x203c, 0x203c), (0x2080, 0x2080), (0, 0), (u32::MAX, u32::MAX), (0x8000_2044, 0x8000_2044)]
    {
        assert_eq!(kernel.restart(pc), restarted);
    }
    for place in (0..64).step_by(4) {
        assert_eq!(kernel.restart(0x2040 + place), 0x2040 + place / 32 * 32);
    }
    // Of another one nothing is known.
    kernel.machine.set_current(1);
    assert_eq!(kernel.restart(0x2044), 0x2044);
}

#[test]
fn an_interrupt_stands_in_the_queue_and_calls_the_handler_up() {
    let mut kernel = family(1);
    unmask(&kernel, FIRST);
    let upcall = type_in(&mut kernel, b"abcde").unwrap();
    assert_eq!((upcall.handler, upcall.save_area), (handler(FIRST, INTERRUPT), page(FIRST) | 0x30));
    let arguments = [5, u32::from_le_bytes(*b"abcd"), u32::from(b'e')];
    let mut expected = InterruptQueue { head: 1, ..READY };
    expected.entries[0] = Interrupt { kind: CONSOLE, arguments };
    assert_eq!(queue(&kernel, FIRST), expected, "the mask is cleared");
    assert_eq!(input(&mut kernel, b"12345678"), None);
    (expected.head, expected.withheld) = (2, 1);
    let arguments = [8, u32::from_le_bytes(*b"1234"), u32::from_le_bytes(*b"5678")];
    expected.entries[1] = Interrupt { kind: CONSOLE, arguments };
    assert_eq!(queue(&kernel, FIRST), expected);
    assert_eq!(queue(&kernel, 1), READY);
}

#[test]
fn only_a_kind_that_is_not_masked_calls_up() {
    let mut kernel = family(1);
    set_queue(&kernel, FIRST, |queue| queue.mask = !(1 << CONSOLE));
    assert_eq!(input(&mut kernel, b"x"), None);
    assert_eq!((queue(&kernel, FIRST).mask, queue(&kernel, FIRST).withheld), (!(1 << CONSOLE), 1));
    set_queue(&kernel, FIRST, |queue| queue.mask = 1 << CONSOLE);
    assert_eq!(input(&mut kernel, b"x"), Some(handler(FIRST, INTERRUPT)));
}

#[test]
fn an_environment_without_handler_or_save_area_or_that_does_not_run_is_not_called_up() {
    for spoil in [|env: &mut Env| env.ih = 0, |env: &mut Env| env.intx_save_area = 0] {
        let mut kernel = family(1);
        let mut env = good_env();
        spoil(&mut env);
        put(&kernel, page(FIRST) | ENV_OFFSET, &env);
        call(&mut kernel, Number::e_set, GUARANTEED_VA | ENV_OFFSET);
        unmask(&kernel, FIRST);
        assert_eq!(input(&mut kernel, b"x"), None);
        let queue = queue(&kernel, FIRST);
        assert_eq!((queue.head, queue.withheld, queue.mask), (1, 1, ALL));
    }
    let mut kernel = family(1);
    (0..2).for_each(|n| unmask(&kernel, n));
    kernel.machine.set_current(1);
    assert_eq!(input(&mut kernel, b"x"), None);
    let seen = [0, 1].map(|n| queue(&kernel, n)).map(|queue| (queue.head, queue.withheld, queue.mask));
    assert_eq!(seen, [(1, 1, ALL), (0, 0, ALL)]);
}

#[test]
fn of_several_interrupts_at_once_one_calls_up_and_the_end_of_the_slice_goes_first() {
    let mut kernel = family(1);
    call(&mut kernel, Number::timer, 1);
    unmask(&kernel, FIRST);
    kernel.machine.received.borrow_mut().extend(b"12345678x");
    kernel.input();
    assert_eq!(tick(&mut kernel).unwrap().handler, handler(FIRST, EPILOGUE));
    let seen = queue(&kernel, FIRST);
    assert_eq!((seen.head, seen.withheld, seen.ended, seen.mask), (3, 1, 1, 0));
    assert_eq!(seen.entries.map(|entry| entry.kind)[..3], [CONSOLE, CONSOLE, TIMER]);
    assert_eq!(kernel.leave_interrupt(), None, "an upcall is made once");
}

#[test]
fn entries_stand_in_order_and_wrap_around() {
    let mut kernel = family(1);
    for i in 0..5 * QUEUE_ENTRIES as u32 / 2 {
        set_queue(&kernel, FIRST, |queue| (queue.tail, queue.mask) = (i.saturating_sub(3), ALL));
        assert_eq!(input(&mut kernel, &[i as u8]), Some(handler(FIRST, INTERRUPT)));
        let queue = queue(&kernel, FIRST);
        assert_eq!(queue.head, i + 1);
        for entry in queue.tail..queue.head {
            assert_eq!(queue.entries[entry as usize % QUEUE_ENTRIES], byte(entry as u8));
        }
        assert_eq!(queue.overflow, [0; KINDS]);
    }
}

#[test]
fn the_counts_of_a_queue_wrap_around_too() {
    let mut kernel = family(1);
    // As many interrupts as that would take too long.
    kernel.environments[FIRST].producer.head = u32::MAX;
    set_queue(&kernel, FIRST, |queue| queue.tail = u32::MAX - 1);
    for i in 0..QUEUE_ENTRIES as u32 {
        post_timer(&mut kernel, i);
    }
    let queue = queue(&kernel, FIRST);
    assert_eq!((queue.head, queue.overflow[TIMER as usize]), (QUEUE_ENTRIES as u32 - 2, 1));
    assert_eq!((queue.entries[15], queue.entries[0], queue.entries[13]), (timer(0), timer(1), timer(14)));
}

#[test]
fn a_full_queue_counts_what_it_loses_and_makes_no_upcall() {
    let mut kernel = family(1);
    (0..QUEUE_ENTRIES as u32).for_each(|i| post_timer(&mut kernel, i));
    unmask(&kernel, FIRST);
    let full = queue(&kernel, FIRST);
    for lost in 1..4 {
        set_queue(&kernel, FIRST, |queue| queue.withheld = 0);
        post_timer(&mut kernel, 99);
        assert_eq!(kernel.leave_interrupt(), None);
        assert_eq!(queue(&kernel, FIRST), InterruptQueue { overflow: [0, 0, lost, 0, 0], withheld: 1, ..full });
    }
    let revocation = Interrupt { kind: REVOCATION, arguments: [1, 0, 0] };
    kernel.post(FIRST, revocation);
    assert_eq!(queue(&kernel, FIRST).overflow, [0, 0, 3, 1, 0], "a kind each");
    // One place is enough.
    set_queue(&kernel, FIRST, |queue| (queue.tail, queue.mask) = (1, ALL));
    kernel.post(FIRST, revocation);
    let upcall = kernel.leave_interrupt().map(|upcall| upcall.handler);
    assert_eq!(upcall, Some(handler(FIRST, INTERRUPT)));
    assert_eq!(queue(&kernel, FIRST).entries[0], revocation);
}

#[test]
fn a_queue_that_is_new_with_e_set_is_empty_and_one_that_stays_is_kept() {
    let mut kernel = family(1);
    (0..=QUEUE_ENTRIES as u32).for_each(|i| post_timer(&mut kernel, i));
    set_iq(&mut kernel, QUEUE);
    set_queue(&kernel, FIRST, |queue| queue.tail = QUEUE_ENTRIES as u32);
    input(&mut kernel, b"x");
    let kept = queue(&kernel, FIRST);
    assert_eq!((kept.head, kept.overflow), (QUEUE_ENTRIES as u32 + 1, [0, 0, 1, 0, 0]));
    set_iq(&mut kernel, QUEUE - 0x180);
    kernel.machine.write(QUEUE - 0x180, InterruptQueue { room: 1, ..READY }.as_bytes());
    input(&mut kernel, b"xy");
    let mut new = InterruptQueue::EMPTY;
    kernel.machine.read(QUEUE - 0x180, new.as_mut_bytes());
    assert_eq!((new.head, new.overflow, new.entries[0]), (1, [0; KINDS], byte(b'x')));
    assert_eq!(queue(&kernel, FIRST), kept, "the old one is left alone");
}

#[test]
fn without_a_queue_interrupts_are_lost_but_input_waits() {
    let mut kernel = family(1);
    set_iq(&mut kernel, 0);
    call(&mut kernel, Number::timer, 1);
    assert_eq!(input(&mut kernel, b"x"), None);
    let upcall = tick(&mut kernel).map(|upcall| upcall.handler);
    assert_eq!(upcall, Some(handler(FIRST, EPILOGUE)), "the end of the slice is none");
    assert_eq!(queue(&kernel, FIRST), READY);
    set_iq(&mut kernel, QUEUE);
    tick(&mut kernel);
    console_interrupt(&mut kernel);
    assert_eq!(queue(&kernel, FIRST).entries[0], byte(b'x'));
}

#[test]
fn giving_up_the_frame_of_the_queue_loses_it() {
    let mut kernel = family(1);
    unmask(&kernel, FIRST);
    call(&mut kernel, Number::p_unref, GUARANTEED_FRAME);
    let context = &kernel.environments[FIRST].context;
    assert_eq!((context.queue, context.intx), (None, None));
    let before = queue(&kernel, FIRST);
    assert_eq!(input(&mut kernel, b"x"), None);
    assert_eq!(tick(&mut kernel), None);
    assert_eq!(queue(&kernel, FIRST), before, "the frame is free, and nothing is written to it");
}

#[test]
fn a_timer_fires_once_at_its_tick_and_the_last_word_counts() {
    let mut kernel = family(2);
    let fired = |kernel: &Tested, n| queue(kernel, n).head;
    let start = kernel.schedule.ticks;
    call(&mut kernel, Number::timer, 7);
    call(&mut kernel, Number::timer, 3);
    kernel.machine.set_current(1);
    call(&mut kernel, Number::timer, 2);
    kernel.machine.set_current(2);
    call(&mut kernel, Number::timer, 2);
    call(&mut kernel, Number::timer, 0);
    let expected = [[0, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0]];
    for expected in expected {
        tick(&mut kernel);
        assert_eq!([0, 1, 2].map(|n| fired(&kernel, n)), expected);
    }
    let timer = |ticks| Interrupt { kind: TIMER, arguments: [start + ticks, 0, 0] };
    assert_eq!([0, 1].map(|n| queue(&kernel, n).entries[0]), [timer(3), timer(2)]);
    // Across the end of the count.
    let mut kernel = family(2);
    kernel.schedule.ticks = u32::MAX - 1;
    call(&mut kernel, Number::timer, 3);
    (0..3).for_each(|_| assert_eq!(tick(&mut kernel), None));
    assert_eq!(queue(&kernel, FIRST).entries[0], Interrupt { kind: TIMER, arguments: [1, 0, 0] });
}

#[test]
fn a_timer_wakes_the_machine_which_idles() {
    let mut kernel = family(1);
    kernel.set_clock(256);
    call(&mut kernel, Number::timer, 1);
    (0..2).for_each(|_| call(&mut kernel, Number::r#yield, 0));
    assert_eq!(runs(&kernel), None);
    unmask(&kernel, FIRST);
    unmask(&kernel, 1);
    assert_eq!(tick(&mut kernel), None, "nobody ran who could be called up");
    assert!(runs(&kernel).is_some());
    assert_eq!((queue(&kernel, FIRST).head, queue(&kernel, FIRST).withheld), (1, 1));
}

#[test]
fn the_input_is_passed_on_and_returns_to_the_first_environment() {
    let mut kernel = family(3);
    let names = [0, 1, 2, 3].map(|n| pid(&kernel, n));
    kernel.machine.set_current(1);
    fails(&mut kernel, Number::console_focus, [names[1], 0, 0, 0], Error::NotPermitted);
    fails(&mut kernel, Number::console_focus, [names[1] ^ 1 << 20, 0, 0, 0], Error::NoSuchEnvironment);
    kernel.machine.set_current(FIRST);
    call(&mut kernel, Number::console_focus, names[2]);
    input(&mut kernel, b"a");
    assert_eq!([0, 1, 2].map(|n| queue(&kernel, n).head), [0, 0, 1]);
    kernel.machine.set_current(2);
    call(&mut kernel, Number::console_focus, names[3]);
    fails(&mut kernel, Number::console_focus, [names[2], 0, 0, 0], Error::NotPermitted);
    // It cannot be kept from the first environment.
    kernel.machine.set_current(FIRST);
    kernel.environments[3].record.writers = 0;
    call(&mut kernel, Number::console_focus, names[1]);
    // What waits goes to whoever has it next, also where that is by a death.
    set_queue(&kernel, 1, |queue| queue.room = 0);
    input(&mut kernel, b"b");
    call(&mut kernel, Number::e_free, names[1]);
    console_interrupt(&mut kernel);
    assert_eq!([0, 2].map(|n| queue(&kernel, n).head), [1, 1]);
}

#[test]
fn the_input_goes_back_to_whoever_gave_it() {
    let with = |kernel: &Tested| kernel.input.holder();
    let pass = |kernel: &mut Tested, by: usize, to: usize| {
        kernel.machine.set_current(by);
        let name = pid(kernel, to);
        call(kernel, Number::console_focus, name);
        kernel.check().unwrap();
    };
    let chain = || {
        let mut kernel = family(4);
        [(FIRST, 1), (1, 2), (2, 3)].into_iter().for_each(|(by, to)| pass(&mut kernel, by, to));
        assert_eq!(with(&kernel), 3);
        kernel
    };
    // Deaths, in any order.
    for (order, then) in [([3, 2, 1], [2, 1, FIRST]), ([1, 2, 3], [3, 3, FIRST]), ([2, 3, 1], [3, 1, FIRST])] {
        let mut kernel = chain();
        for (dead, holder) in order.into_iter().zip(then) {
            kernel.machine.set_current(FIRST);
            kernel.destroy(dead);
            kernel.check().unwrap();
            assert_eq!(with(&kernel), holder, "after the death of {dead} in {order:?}");
        }
    }
    // Given back, to one who gave it; who had it in between is passed over from then on.
    let mut kernel = chain();
    pass(&mut kernel, 3, 1);
    assert_eq!(with(&kernel), 1);
    kernel.machine.set_current(FIRST);
    kernel.destroy(1);
    assert_eq!(with(&kernel), FIRST);
    // A writer of the one who has it, who gave it before, gives it to another: it comes back to the writer.
    let mut kernel = chain();
    kernel.environments[3].record.writers |= 1 << 2;
    pass(&mut kernel, 2, 4);
    kernel.machine.set_current(FIRST);
    kernel.destroy(4);
    assert_eq!(with(&kernel), 2);
    // One who never had it takes it in the holder's name.
    let mut kernel = chain();
    kernel.environments[3].record.writers |= 1 << 4;
    pass(&mut kernel, 4, 4);
    kernel.machine.set_current(FIRST);
    kernel.destroy(4);
    assert_eq!(with(&kernel), 3);
    // To oneself it changes nothing, and the first environment can always take it.
    pass(&mut kernel, 3, 3);
    assert_eq!(with(&kernel), 3);
    kernel.environments[3].record.writers = 0;
    pass(&mut kernel, FIRST, FIRST);
    assert_eq!(with(&kernel), FIRST);
}

/// What happens while a program spoils its queue.
#[derive(Clone, Debug)]
enum Event {
    Input(u8),
    Tick,
    Yield,
    Timer(u32),
    /// Writes a word of the queue's page, of environment 0 or 1.
    Write(usize, u32, u32),
    /// Fills the whole queue.
    Fill(usize, u32),
}

/// Words of a queue.
const WORDS: u32 = size_of::<InterruptQueue>() as u32 / 4;

fn event() -> impl Strategy<Value = Event> {
    let word = || prop_oneof![any::<u32>(), 0u32..40, Just(u32::MAX), Just(ALL)];
    prop_oneof![
        6 => (0u8..9).prop_map(Event::Input),
        3 => Just(Event::Tick),
        2 => Just(Event::Yield),
        1 => (0u32..3).prop_map(Event::Timer),
        4 => (0usize..2, 0..WORDS, word()).prop_map(|(n, place, word)| Event::Write(n, place, word)),
        1 => (0usize..2, word()).prop_map(|(n, word)| Event::Fill(n, word)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_a_queue_the_kernel_writes_nowhere_else(events in prop::collection::vec(event(), 1..60)) {
        let mut kernel = family::<Mips32>(1);
        let outside = |kernel: &Tested| {
            let mut memory = vec![0; (FRAMES * PAGE_BYTES) as usize];
            kernel.machine.read(0, &mut memory);
            (0..2).for_each(|n| memory[(page(n) | 0x400) as usize..][..size_of::<InterruptQueue>()].fill(0));
            memory
        };
        assert_eq!(QUEUE, GUARANTEED_FRAME << PAGE_SHIFT | 0x400);
        let before = outside(&kernel);
        let mut heads = [0, 1].map(|n| kernel.environments[n].producer.head);
        for event in events {
            match event {
                Event::Input(bytes) => {
                    input(&mut kernel, &[0xee; 8][..bytes.into()]);
                }
                Event::Tick => {
                    tick(&mut kernel);
                }
                Event::Yield => call(&mut kernel, Number::r#yield, 0),
                Event::Timer(ticks) => call(&mut kernel, Number::timer, ticks),
                Event::Write(n, place, word) => {
                    kernel.machine.write((page(n) | 0x400) + 4 * place, &word.to_le_bytes());
                }
                Event::Fill(n, word) => (0..WORDS).for_each(|i| {
                    kernel.machine.write((page(n) | 0x400) + 4 * i, &word.to_le_bytes());
                }),
            }
            kernel.check().unwrap();
            if !(0..2).all(|n| kernel.is_alive(n)) {
                // One was late too often: its page is zeroed.
                break;
            }
            prop_assert!(outside(&kernel) == before, "after {event:?}");
            for (n, head) in heads.iter_mut().enumerate() {
                let new = kernel.environments[n].producer.head;
                let most = if matches!(event, Event::Input(_)) { CONSOLE_ENTRIES as u32 } else { 1 };
                prop_assert!(new - *head <= most, "the kernel believed what stands there");
                *head = new;
            }
        }
    }
}
