//! Text before a device that takes little at a time, while more is printed.

extern crate std;

use super::*;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::vec::Vec;

/// Bytes of the buffer: few, so that it is full now and then.
const BYTES: usize = 8;

/// What happens where the device is asked, or takes nothing.
#[derive(Default)]
struct Model {
    buffer: RefCell<[u8; BYTES]>,
    length: Cell<usize>,
    sent: Cell<usize>,
    /// How many bytes the device takes, from the last on; then all.
    takes: RefCell<Vec<usize>>,
    /// What is printed while the device is waited for, alike; then nothing.
    meanwhile: RefCell<Vec<Vec<u8>>>,
    /// How many bytes were printed; and all of them, in the order in which they were put behind the
    /// text.
    printed: Cell<usize>,
    put: RefCell<Vec<u8>>,
    came: RefCell<Vec<u8>>,
}

impl Device for &Model {
    const BYTES: usize = BYTES;

    fn set(&self, n: usize, byte: u8) {
        self.buffer.borrow_mut()[n] = byte;
        self.put.borrow_mut().push(byte);
    }
    fn length(&self) -> usize {
        self.length.get()
    }
    fn set_length(&self, length: usize) {
        self.length.set(length);
    }
    fn sent(&self) -> usize {
        self.sent.get()
    }
    fn set_sent(&self, sent: usize) {
        self.sent.set(sent);
    }
    fn write(&self, start: usize, bytes: usize) -> usize {
        let taken = self.takes.borrow_mut().pop().map_or(bytes, |takes| takes.min(bytes));
        self.came.borrow_mut().extend(&self.buffer.borrow()[start..start + taken]);
        taken
    }
    fn wait(&self) {
        let text = self.meanwhile.borrow_mut().pop().unwrap_or_default();
        self.print(&text);
    }
}

impl Model {
    fn print(&self, text: &[u8]) {
        for &byte in text {
            self.printed.set(self.printed.get() + 1);
            Outgoing(self).put(byte);
        }
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => b'a'..=b'z', 1 => Just(b'\n')];
    proptest::collection::vec(byte, 0..2 * BYTES)
}

proptest! {
    #[test]
    fn all_text_leaves_in_the_order_in_which_it_was_printed(
        texts in proptest::collection::vec(text(), 1..8),
        takes in proptest::collection::vec(0..4usize, 0..200),
        meanwhile in proptest::collection::vec(text(), 0..8),
    ) {
        let model = Model { takes: RefCell::new(takes), meanwhile: RefCell::new(meanwhile), ..Model::default() };
        for text in texts {
            model.print(&text);
        }
        Outgoing(&model).send();
        prop_assert_eq!(&*model.came.borrow(), &*model.put.borrow());
        prop_assert_eq!(model.came.borrow().len(), model.printed.get());
        prop_assert_eq!((model.length.get(), model.sent.get()), (0, 0));
    }
}
