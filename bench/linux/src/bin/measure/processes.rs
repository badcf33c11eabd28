//! Processes: giving up the processor, words between two processes, and making one.

use crate::count::{measure, timed};
use aegis_bench_linux::system::{self, File, Policy, Process};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use linux_raw_sys::general::MAP_SHARED;

/// Another process that does `work` again and again until this is dropped.
struct Peer(Process);

impl Peer {
    fn new(mut work: impl FnMut()) -> Peer {
        match system::fork() {
            Some(process) => Peer(process),
            None => loop {
                work();
            },
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        system::kill(self.0);
    }
}

/// A word in memory that both processes see.
fn shared_word() -> &'static AtomicU32 {
    // SAFETY: the page is never taken away, and holds zeroes.
    unsafe { &*system::map(1, system::WRITE, MAP_SHARED).cast::<AtomicU32>() }
}

/// Repeats an operation. The loop, and the look at results, are some instructions of hundreds: they are counted too.
fn repeat(times: u32, mut operation: impl FnMut()) -> u32 {
    timed(|| (0..times).for_each(|_| operation()))
}

/// Measures a yield where nobody else can run.
pub fn yield_alone() {
    const YIELDS: u32 = 500;
    measure("yield", YIELDS, 0, || repeat(YIELDS, system::yield_processor));
}

/// Measures yields of two processes to each other, alone and to wait for words in shared memory.
pub fn yield_to_each_other() {
    const YIELDS: u32 = 50;
    system::schedule(Policy::Fifo);
    let theirs = shared_word();
    {
        let _peer = Peer::new(|| {
            theirs.store(theirs.load(Relaxed) + 1, Relaxed);
            system::yield_processor();
        });
        system::yield_processor();
        measure("slice-switch", 2 * YIELDS, 0, || {
            let before = theirs.load(Relaxed);
            let counts = repeat(YIELDS, system::yield_processor);
            // The other process has yielded as often in the same time.
            let others = theirs.load(Relaxed) - before;
            assert_eq!(others, YIELDS, "yields of the other process during {YIELDS} of ours");
            counts
        });
    }
    const ROUND_TRIPS: u32 = 25;
    let turn = shared_word();
    let peer = Peer::new(|| {
        while turn.load(Relaxed) != 1 {
            system::yield_processor();
        }
        turn.store(0, Relaxed);
    });
    measure("shared-memory-ping-pong", ROUND_TRIPS, 0, || {
        repeat(ROUND_TRIPS, || {
            turn.store(1, Relaxed);
            while turn.load(Relaxed) != 0 {
                system::yield_processor();
            }
        })
    });
    drop(peer);
    system::schedule(Policy::Fair);
}

/// Measures messages there and back.
pub fn messages() {
    // In turn, both sides block every time; the default scheduler sometimes lets a message preempt its sender and sometimes not.
    system::schedule(Policy::Fifo);
    let (there, back) = (system::pipe(), system::pipe());
    ping_pong::<1>("transfer-round-trip", [back[0], there[1]], [there[0], back[1]]);
    let [ours, theirs] = system::stream_pair();
    ping_pong::<4>("rpc-unix", [ours; 2], [theirs; 2]);
    system::enable_loopback();
    let [ours, theirs] = system::datagram_pair();
    ping_pong::<4>("rpc-udp", [ours; 2], [theirs; 2]);
    system::schedule(Policy::Fair);
}

/// Round trips of so many bytes between us and another process; each has a file to read from and one to write to.
fn ping_pong<const BYTES: usize>(id: &str, ours: [File; 2], theirs: [File; 2]) {
    const ROUND_TRIPS: u32 = 20;
    let mut message = [b'x'; BYTES];
    let _peer = Peer::new(|| {
        let mut message = [0; BYTES];
        system::read(theirs[0], &mut message);
        system::write(theirs[1], &message);
    });
    measure(id, ROUND_TRIPS, 0, || {
        repeat(ROUND_TRIPS, || {
            system::write(ours[1], &message);
            system::read(ours[0], &mut message);
        })
    });
}

/// Measures the making of a process that runs another program, to its end.
pub fn spawn() {
    measure("spawn", 1, 0, || {
        let mut status = 0;
        let counts = timed(|| status = system::wait(system::spawn(c"/nothing")));
        assert_eq!(status, 0, "the status of the program /nothing");
        counts
    });
}
