//! The console's input: it waits in the device while there is no room for it, and none is lost.

use super::interrupts::{Tested, byte, call, input, post_timer, unmask};
use super::model::*;
use crate::kernel::FIRST;
use aegis_abi::calls::Number;
use aegis_abi::interrupts::{CONSOLE, CONSOLE_BYTES, KINDS, TIMER};
use aegis_abi::limits::{CONSOLE_ENTRIES, QUEUE_ENTRIES};
use aegis_abi::{Interrupt, InterruptQueue};
use proptest::prelude::*;

#[test]
fn input_waits_in_the_device_while_half_the_queue_is_in_use() {
    let mut kernel = family(1);
    unmask(&kernel, FIRST);
    let typed: Vec<u8> = (0..100).collect();
    assert_eq!(input(&mut kernel, &typed), Some(handler(FIRST, INTERRUPT)));
    let seen = queue(&kernel, FIRST);
    assert_eq!((seen.head, seen.overflow), (CONSOLE_ENTRIES as u32, [0; KINDS]));
    assert_eq!(kernel.machine.received.borrow().len(), 100 - CONSOLE_ENTRIES * CONSOLE_BYTES);
    assert!(!kernel.machine.listening.get());
    // What cannot wait has the other half.
    (0..CONSOLE_ENTRIES as u32).for_each(|i| post_timer(&mut kernel, i));
    assert_eq!(queue(&kernel, FIRST).overflow, [0; KINDS]);
    // A tick does nothing while there is no room, and lets the console interrupt when there is.
    tick(&mut kernel);
    assert!(!kernel.machine.listening.get());
    set_queue(&kernel, FIRST, |queue| queue.tail = CONSOLE_ENTRIES as u32 + 1);
    tick(&mut kernel);
    assert!(kernel.machine.listening.get());
    console_interrupt(&mut kernel);
    let seen = queue(&kernel, FIRST);
    let bytes = u32::from_le_bytes([64, 65, 66, 67]);
    assert_eq!((seen.entries[0].kind, seen.entries[0].arguments[..2].to_vec()), (CONSOLE, vec![8, bytes]));
}

#[test]
fn input_waits_in_the_device_while_the_program_has_no_room_for_it() {
    let mut kernel = family(1);
    unmask(&kernel, FIRST);
    set_queue(&kernel, FIRST, |queue| queue.room = 0);
    assert_eq!(input(&mut kernel, b"abcdefghijklm"), None);
    assert_eq!(queue(&kernel, FIRST).head, 0);
    for (room, head, left) in [(1, 1, 12), (3, 2, 10), (12, 4, 1), (2, 4, 1), (1 << 31 | 13, 4, 1)] {
        set_queue(&kernel, FIRST, |queue| queue.room = room);
        tick(&mut kernel);
        console_interrupt(&mut kernel);
        assert_eq!((queue(&kernel, FIRST).head, kernel.machine.received.borrow().len()), (head, left));
    }
    let entries = queue(&kernel, FIRST).entries.map(|entry| entry.arguments[0]);
    assert_eq!(entries[..4], [1, 2, 8, 1]);
}

#[test]
fn input_that_waits_comes_whatever_makes_room_for_it() {
    // Without a clock.
    let makers: [fn(&mut Tested); 4] = [
        |kernel| (0..2).for_each(|_| call(kernel, Number::r#yield, 0)),
        |kernel| kernel.call(Number::console_write as u32, [GUARANTEED_VA, 1, 0, 0]).map(drop).unwrap(),
        |kernel| call(kernel, Number::console_focus, pid(kernel, FIRST)),
        |kernel| {
            tick(kernel);
        },
    ];
    for make in makers {
        let mut kernel = family(1);
        reference(&mut kernel, GUARANTEED_VA);
        set_queue(&kernel, FIRST, |queue| queue.room = 0);
        input(&mut kernel, b"x");
        set_queue(&kernel, FIRST, |queue| queue.room = 1);
        assert!(!kernel.machine.listening.get());
        make(&mut kernel);
        console_interrupt(&mut kernel);
        assert_eq!(queue(&kernel, FIRST).entries[0], byte(b'x'));
    }
}

#[test]
fn the_machine_idles_while_input_waits_for_which_there_is_no_room() {
    let mut kernel = family(1);
    kernel.set_clock(256);
    set_queue(&kernel, FIRST, |queue| queue.room = 0);
    input(&mut kernel, b"x");
    (0..2).for_each(|_| call(&mut kernel, Number::r#yield, 0));
    assert_eq!((runs(&kernel), kernel.machine.listening.get()), (None, false));
}

/// What a program does with its queue, and the world with it, while input comes.
#[derive(Clone, Debug)]
enum Reading {
    /// The console receives so many bytes.
    Type(usize),
    /// It takes an entry, if there is one.
    Take,
    /// It has room for so many more bytes.
    Room(u32),
    Mask(u32),
    /// A timer fires.
    Timer,
    Tick,
    Yield,
    Write,
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        3 => (0usize..60).prop_map(Reading::Type),
        6 => Just(Reading::Take),
        3 => (0u32..40).prop_map(Reading::Room),
        1 => any::<u32>().prop_map(Reading::Mask),
        1 => Just(Reading::Timer),
        2 => Just(Reading::Tick),
        1 => Just(Reading::Yield),
        1 => Just(Reading::Write),
    ]
}

/// The first environment, while it reads.
struct Reader {
    kernel: Box<Tested>,
    typed: u8,
    read: Vec<u8>,
    timers: u32,
}

impl Reader {
    /// Takes an entry from the queue, if there is one.
    fn take(&mut self) -> bool {
        let InterruptQueue { head, tail, room, entries, .. } = queue(&self.kernel, FIRST);
        if head == tail {
            return false;
        }
        let Interrupt { kind, arguments: [count, low, high] } = entries[tail as usize % QUEUE_ENTRIES];
        if kind == CONSOLE {
            let bytes = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
            self.read.extend(&bytes[..count as usize]);
            assert!(self.read.len() <= room as usize, "more than there is room for");
        } else {
            self.timers += 1;
        }
        set_queue(&self.kernel, FIRST, |queue| queue.tail = tail.wrapping_add(1));
        true
    }

    fn step(&mut self, reading: &Reading) {
        let kernel = &mut self.kernel;
        match *reading {
            Reading::Type(count) => {
                let bytes: Vec<u8> = (0..count).map(|n| self.typed.wrapping_add(n as u8)).collect();
                self.typed = self.typed.wrapping_add(count as u8);
                kernel.machine.received.borrow_mut().extend(bytes);
            }
            Reading::Take => drop(self.take()),
            Reading::Room(more) => set_queue(kernel, FIRST, |queue| queue.room += more),
            Reading::Mask(mask) => set_queue(kernel, FIRST, |queue| queue.mask = mask),
            Reading::Timer => post_timer(kernel, 0),
            Reading::Tick => drop(tick(kernel)),
            Reading::Yield if kernel.schedule.is_idle() => {}
            Reading::Yield => call(kernel, Number::r#yield, 0),
            Reading::Write => {
                // Whoever runs; where the page is not mapped, it fails.
                let _ = kernel.call(Number::console_write as u32, [GUARANTEED_VA, 1, 0, 0]);
            }
        }
        // Fails if the processor were interrupted for ever.
        console_interrupt(&mut self.kernel);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_byte_of_input_comes_once_and_in_order(
        clock: bool,
        readings in prop::collection::vec(reading(), 1..80),
    ) {
        let mut reader = Reader { kernel: family(1), typed: 0, read: Vec::new(), timers: 0 };
        if clock {
            reader.kernel.set_clock(256);
        }
        set_queue(&reader.kernel, FIRST, |queue| queue.room = 0);
        let mut posted = 0;
        for reading in &readings {
            posted += u32::from(matches!(reading, Reading::Timer));
            reader.step(reading);
        }
        // It reads on, and everything comes; without a clock, by its yields.
        for _ in 0..10_000 {
            while reader.take() {}
            reader.step(&Reading::Room(8));
            if clock && reader.kernel.schedule.is_idle() {
                reader.step(&Reading::Tick);
            }
            reader.step(&Reading::Yield);
            let queue = queue(&reader.kernel, FIRST);
            if reader.kernel.machine.received.borrow().is_empty() && queue.head == queue.tail {
                break;
            }
        }
        let typed: usize =
            readings.iter().map(|reading| if let Reading::Type(count) = reading { *count } else { 0 }).sum();
        let expected: Vec<u8> = (0..typed).map(|n| n as u8).collect();
        prop_assert!(reader.read == expected, "{} bytes of {typed}", reader.read.len());
        // Input never takes the place of anything else.
        let lost = queue(&reader.kernel, FIRST).overflow;
        prop_assert_eq!(lost[CONSOLE as usize], 0);
        prop_assert_eq!(reader.timers + lost[TIMER as usize], posted);
        prop_assert!(lost[TIMER as usize] == 0 || posted > CONSOLE_ENTRIES as u32);
    }
}
