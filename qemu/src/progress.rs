//! How far something has come. What takes longer than a few seconds shows that it works, and on
//! what.

use crate::output;
use std::fs::{File, TryLockError};
use std::io::IsTerminal;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long nothing is said where there is no terminal, and how long between two lines.
const FIRST: Duration = Duration::from_secs(3);
const EVERY: Duration = Duration::from_secs(15);

/// Tells how far something has come until it is dropped: on a terminal in one line, which then
/// goes; elsewhere in a line now and then, the first when it has taken a few seconds.
pub struct Progress(Way);

enum Way {
    Nowhere,
    Terminal,
    Lines(Lines),
}

/// Can a line on standard error be written over?
fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

impl Progress {
    /// One that shows itself, if that is wanted.
    pub fn new(wanted: bool) -> Progress {
        Progress(match (wanted, is_terminal()) {
            (false, _) => Way::Nowhere,
            (true, true) => Way::Terminal,
            (true, false) => Way::Lines(Lines::to_stderr()),
        })
    }

    /// One for what shows itself on a terminal, as cargo does.
    pub fn besides_terminal() -> Progress {
        Progress(if std::io::stderr().is_terminal() { Way::Nowhere } else { Way::Lines(Lines::to_stderr()) })
    }

    /// Shows this instead of what was shown before.
    pub fn show(&self, words: std::fmt::Arguments<'_>) {
        match &self.0 {
            Way::Nowhere => {}
            Way::Terminal => output::tell(format_args!("\r\x1b[K{words}")),
            Way::Lines(lines) => lines.set(words.to_string()),
        }
    }

    /// Takes it away.
    pub fn clear(&self) {
        match &self.0 {
            Way::Lines(lines) => lines.set(String::new()),
            _ => self.show(format_args!("")),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Way::Terminal = self.0 {
            self.clear();
        }
    }
}

/// Waits until a lock is ours, and tells of what that waits for, if it takes long.
pub fn lock(file: &File, what: &str) -> std::io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {}
        result => return result.map_err(Into::into),
    }
    let progress = Progress::new(true);
    progress.show(format_args!("waiting for another ./x, which {what} ..."));
    file.lock()
}

/// Says now and then what goes on.
struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    words: String,
    over: bool,
}

impl Lines {
    fn to_stderr() -> Lines {
        Lines::new(FIRST, EVERY, |words| output::tell(format_args!("x: {words}\n")))
    }

    /// Calls `say` after `first`, and then after each `every`, unless there is nothing to say.
    fn new(first: Duration, every: Duration, say: impl Fn(&str) + Send + 'static) -> Lines {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            let (state, changed) = &*theirs;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut wait = first;
            loop {
                let (now, result) = changed
                    .wait_timeout_while(state, wait, |state| !state.over)
                    .unwrap_or_else(PoisonError::into_inner);
                state = now;
                if !result.timed_out() {
                    return;
                }
                if !state.words.is_empty() {
                    say(&state.words);
                }
                wait = every;
            }
        });
        Lines(shared)
    }

    fn set(&self, words: String) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).words = words;
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).over = true;
        self.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    #[test]
    fn what_takes_long_is_told_again_and_again_until_it_is_over() {
        let (sender, receiver) = channel();
        let lines = Lines::new(Duration::from_millis(20), Duration::from_millis(10), move |words| {
            let _ = sender.send(words.to_owned());
        });
        lines.set("building a".to_owned());
        assert_eq!(receiver.recv().unwrap(), "building a");
        lines.set("building b".to_owned());
        assert!((0..1000).any(|_| receiver.recv().unwrap() == "building b"));
        drop(lines);
        // The thread ends, and with it the channel.
        while receiver.recv().is_ok() {}
    }

    #[test]
    fn what_is_soon_over_is_not_told() {
        let (sender, receiver) = channel();
        let lines = Lines::new(Duration::from_secs(3600), Duration::from_secs(3600), move |words| {
            let _ = sender.send(words.to_owned());
        });
        lines.set("building a".to_owned());
        drop(lines);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Err(RecvTimeoutError::Disconnected));
    }
}
