//! The overflow buffer: the lines that had to leave the table, fully associative (thesis .12; much like a victim cache).

use crate::OVERFLOW;
use crate::geometry::{Entry, Geometry, Line, NO_TAG};
use crate::table::{Word, write};

/// The buffer. Its entries come first: the refill path reads them right behind the table.
#[repr(C)]
pub(crate) struct Overflow<G: Geometry> {
    entries: [G::Entry; OVERFLOW],
    /// How many entries hold a line.
    used: Word,
    /// The place that is given up next when all do.
    next: Word,
}

impl<G: Geometry> Overflow<G> {
    /// An empty buffer.
    pub const fn new() -> Self {
        Overflow { entries: [const { <G::Entry as Entry>::EMPTY }; OVERFLOW], used: Word::new(0), next: Word::new(0) }
    }

    /// All its entries.
    pub fn entries(&self) -> &[G::Entry] {
        &self.entries
    }

    /// The entry with the line for a Context register.
    pub fn find(&self, context: u32) -> Option<&G::Entry> {
        // An empty entry holds NO_TAG, and so would be taken for the line of that "Context".
        if self.used.get() == 0 || context == NO_TAG {
            return None;
        }
        self.entries.iter().find(|entry| entry.tag().get() == context)
    }

    /// Takes the line for a Context register out.
    pub fn take(&self, context: u32) -> Option<Line> {
        let entry = self.find(context)?;
        let line = entry.line();
        self.write(entry, Line::empty(context));
        Some(line)
    }

    /// Puts a line with a valid half in: into an empty place, else into the one whose turn it is, in a circle. Returns the
    /// line that stood there. While nothing is deleted or taken out, lines so leave in the order in which they came.
    pub fn push(&self, line: Line) -> Option<Line> {
        if (self.used.get() as usize) < OVERFLOW
            && let Some(empty) = self.entries.iter().find(|entry| entry.tag().get() == NO_TAG)
        {
            self.used.set(self.used.get() + 1);
            write(empty, line);
            return None;
        }
        let turn = self.next.get() as usize % OVERFLOW;
        self.next.set((turn + 1) as u32 % OVERFLOW as u32);
        let place = &self.entries[turn];
        let evicted = place.line();
        write(place, line);
        Some(evicted)
    }

    /// Replaces the line of an entry of this buffer that holds one. Where no half is valid, the line goes.
    pub fn write(&self, entry: &G::Entry, line: Line) {
        write(entry, line);
        if entry.tag().get() == NO_TAG {
            self.used.set(self.used.get() - 1);
        }
    }
}
