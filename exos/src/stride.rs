//! Stride scheduling in an application (thesis 3.3.1, figure 3-1), after Waldspurger and Weihl: deterministic proportional shares.
//!
//! Each process has tickets. It advances by a stride, which is the smaller the more tickets it has, whenever it has run for a quantum; the
//! one that is furthest behind runs next. So of the quanta that any two processes have had, the shares are within one of what their
//! tickets say, at every point, for as long as nobody comes or goes.
//!
//! The scheduler has no privilege. Its quanta are its own time slices, the rest of which it yields.

use aegis_abi::Pid;
use alloc::vec::Vec;

/// How far a process with one ticket advances with each quantum. Each number of tickets up to 16 divides it.
const ONE_TICKET: u64 = 720_720;

#[derive(Debug)]
struct Client {
    pid: Pid,
    stride: u64,
    /// How far it has come.
    pass: u64,
}

/// A scheduler of processes that have no slices of their own.
#[derive(Debug, Default)]
pub struct Stride {
    clients: Vec<Client>,
}

impl Stride {
    /// A scheduler of nobody.
    pub const fn new() -> Stride {
        Stride { clients: Vec::new() }
    }

    /// Takes a process in, with so many tickets. It starts where the one furthest behind is, and gets nothing for the past.
    ///
    /// # Panics
    /// Without tickets.
    pub fn add(&mut self, pid: Pid, tickets: u32) {
        assert!(tickets > 0, "a process without tickets would never run");
        let stride = ONE_TICKET / u64::from(tickets);
        let behind = self.clients.iter().map(|client| client.pass).min().unwrap_or(0);
        // Half a stride ahead, so that it is not a whole quantum ahead of its share, but half.
        self.clients.push(Client { pid, stride, pass: behind + stride / 2 });
    }

    /// Takes a process out.
    pub fn remove(&mut self, pid: Pid) {
        self.clients.retain(|client| client.pid != pid);
    }

    /// Whose turn it is, which then counts as taken. `None`: there is nobody.
    pub fn choose(&mut self) -> Option<Pid> {
        // Of several that have come as far, the first.
        let client = self.clients.iter_mut().min_by_key(|client| client.pass)?;
        client.pass += client.stride;
        Some(client.pid)
    }

    /// Lets the process whose turn it is run for a quantum: the rest of this slice. Those that are gone are taken out. Returns who has run;
    /// `None`: there is nobody.
    ///
    /// # Panics
    /// In a critical section.
    #[cfg(target_os = "none")]
    #[track_caller]
    pub fn run(&mut self) -> Option<Pid> {
        loop {
            let pid = self.choose()?;
            match crate::schedule::yield_to(pid) {
                Ok(()) => return Some(pid),
                Err(_) => self.remove(pid),
            }
        }
    }
}

#[cfg(test)]
mod tests;
