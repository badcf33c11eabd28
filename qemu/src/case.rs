//! A test in the emulator: what is run, and what it must show. The tests themselves stand in [`crate::cases`].

use crate::counts::Counts;
use crate::machine::Machine;
use crate::run::KERNEL_OPTION;
use anyhow::Result;
use std::time::Duration;

/// A look at the counts of a run. Says what was found, as far as that is worth a word; the error says what is wrong.
pub type Check = Box<dyn Fn(&Counts) -> Result<Option<String>>>;

/// What a run must show.
#[derive(Clone, Debug)]
pub enum Expect {
    /// Lines of the Test Anything Protocol, each a test `CASE::name`: first `1..N`, then for each K up to N either
    /// `ok K - name` or `not ok K - name: why`; and exit status 0.
    Tap,
    /// An exit status and words in the output, all together one test.
    Output {
        /// The exit status.
        status: i32,
        /// Words that follow each other in the output, anything between them.
        shows: Vec<&'static str>,
        /// Words that must not occur.
        never: Vec<&'static str>,
    },
}

/// A run of a program in the emulator, and what it must show.
pub struct Case {
    /// Name of the test, or of its group.
    pub name: String,
    /// Program and arguments.
    pub command_line: String,
    /// Features of the kernel.
    pub features: Vec<&'static str>,
    /// The one machine that it concerns; else all.
    pub only: Option<Machine>,
    /// Memory holds anything at power-on.
    pub dirty_memory: bool,
    /// Memory, in MB, if it is not what the board has by itself.
    pub memory: Option<u32>,
    /// What is typed, at once, and so read when the guest is ready for it; at most what fits into a pipe.
    pub input: &'static str,
    /// The guest can end QEMU with an exit status.
    pub semihosting: bool,
    /// A file that the archive holds beside the programs: name and contents. No check is made of it.
    pub file: Option<(&'static str, &'static [u8])>,
    /// Longest time that it may take.
    pub limit: Duration,
    /// What it must show.
    pub expect: Expect,
    /// Looks at the counts, each a test `CASE::name`. Any makes the run a counted one.
    pub checks: Vec<(String, Check)>,
}

impl Case {
    /// A test program that prints TAP. Name and program are the same.
    pub fn tap(program: &str) -> Case {
        Case {
            name: program.to_owned(),
            command_line: program.to_owned(),
            features: Vec::new(),
            only: None,
            dirty_memory: false,
            memory: None,
            input: "",
            semihosting: true,
            file: None,
            limit: Duration::from_secs(60),
            expect: Expect::Tap,
            checks: Vec::new(),
        }
    }

    /// A run of `command_line` that is judged by exit status, 0 if nothing else is said, and output.
    pub fn output(name: &str, command_line: &str) -> Case {
        let expect = Expect::Output { status: 0, shows: Vec::new(), never: Vec::new() };
        Case { name: name.to_owned(), expect, ..Case::tap(command_line) }
    }

    /// With the kernel built with these features.
    pub fn features(self, features: &[&'static str]) -> Case {
        Case { features: features.to_vec(), ..self }
    }

    /// On this machine alone.
    pub fn only(self, machine: Machine) -> Case {
        Case { only: Some(machine), ..self }
    }

    /// Without semihosting, so that the guest stands still at its end and its exit status is read from its last line.
    pub fn without_semihosting(self) -> Case {
        Case { semihosting: false, ..self }
    }

    /// With memory that holds anything at power-on.
    pub fn dirty_memory(self) -> Case {
        Case { dirty_memory: true, ..self }
    }

    /// With so many MB of memory.
    pub fn memory(self, memory: u32) -> Case {
        Case { memory: Some(memory), ..self }
    }

    /// With this input on the console.
    pub fn types(self, input: &'static str) -> Case {
        Case { input, ..self }
    }

    /// With a file in the archive beside the programs.
    pub fn file(self, name: &'static str, contents: &'static [u8]) -> Case {
        Case { file: Some((name, contents)), ..self }
    }

    /// With this command line in place of the program's name alone.
    pub fn command(self, command_line: &str) -> Case {
        Case { command_line: command_line.to_owned(), ..self }
    }

    /// With another limit of time.
    pub fn limit(self, seconds: u64) -> Case {
        Case { limit: Duration::from_secs(seconds), ..self }
    }

    /// The exit status must be this.
    pub fn status(mut self, value: i32) -> Case {
        if let Expect::Output { status, .. } = &mut self.expect {
            *status = value;
        }
        self
    }

    /// Under another name than the program's.
    pub fn name(self, name: &str) -> Case {
        Case { name: name.to_owned(), ..self }
    }

    /// These words must follow each other in the output, and what was asked for before.
    pub fn shows(mut self, words: &'static [&'static str]) -> Case {
        if let Expect::Output { shows, .. } = &mut self.expect {
            shows.extend(words);
        }
        self
    }

    /// These words must not occur in the output.
    pub fn never(mut self, words: &'static [&'static str]) -> Case {
        if let Expect::Output { never, .. } = &mut self.expect {
            never.extend(words);
        }
        self
    }

    /// Counts instructions and has a look at the counts, which is a test `CASE::name`.
    pub fn check(mut self, name: &str, check: impl Fn(&Counts) -> Result<Option<String>> + 'static) -> Case {
        self.checks.push((name.to_owned(), Box::new(check)));
        self
    }

    /// Is it a case of this program's own, so that the program needs no plain one? Its name says so; others may run it too.
    pub fn is_about(&self, program: &str) -> bool {
        self.name.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }

    /// The name without the machine's.
    pub fn short_name(&self) -> &str {
        self.name.split_once("::").map_or(&self.name, |(_, name)| name)
    }

    /// The program, without arguments and without what is for the kernel.
    pub fn program(&self) -> &str {
        self.command_line.split(' ').find(|word| !word.starts_with(KERNEL_OPTION)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_about_the_program_that_its_name_begins_with() {
        assert!(Case::tap("memory").is_about("memory"));
        assert!(Case::output("endings::null", "endings null").is_about("endings"));
        assert!(!Case::tap("memory").name("ticks::memory").is_about("memory"));
        assert!(!Case::output("input::by interrupt", "memory").is_about("memory"));
        assert!(!Case::tap("memory2").is_about("memory"));
    }
}
