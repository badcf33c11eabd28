//! Test results in the Test Anything Protocol.

use alloc::string::String;
use exos::println;

/// Why a test has not passed.
#[derive(Debug)]
pub enum NotPassed {
    /// This machine cannot show it, for this reason.
    Skipped(&'static str),
    /// It failed, for this reason.
    Failed(String),
}

impl From<String> for NotPassed {
    fn from(why: String) -> NotPassed {
        NotPassed::Failed(why)
    }
}

impl From<&str> for NotPassed {
    fn from(why: &str) -> NotPassed {
        NotPassed::Failed(why.into())
    }
}

/// The result of a test.
pub type Outcome = Result<(), NotPassed>;

/// A test: its name and what it does.
pub type Test = (&'static str, fn() -> Outcome);

/// Runs the tests in order and prints a line for each. Returns the exit status.
pub fn run(tests: &[Test]) -> i32 {
    println!("1..{}", tests.len());
    let mut status = 0;
    for (number, (name, test)) in tests.iter().enumerate() {
        let number = number + 1;
        match test() {
            Ok(()) => println!("ok {number} - {name}"),
            Err(NotPassed::Skipped(why)) => println!("ok {number} - {name} # SKIP {why}"),
            Err(NotPassed::Failed(why)) => {
                println!("not ok {number} - {name}: {}", why.replace('\n', " "));
                status = 1;
            }
        }
    }
    status
}

/// Ends the test with a reason unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err($crate::alloc::format!($($why)+).into());
        }
    };
}

/// Ends the test unless both sides are equal.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr, $what:literal $($argument:tt)*) => {
        match (&$left, &$right) {
            (left, right) => if left != right {
                return Err($crate::alloc::format!(
                    "{}: got {left:x?} instead of {right:x?}", format_args!($what $($argument)*)
                ).into());
            }
        }
    };
}

/// The value, or ends the test with the error.
#[macro_export]
macro_rules! get {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err($crate::alloc::format!("{}: {error}", stringify!($result)).into()),
        }
    };
}
