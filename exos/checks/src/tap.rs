//! Test results in the Test Anything Protocol.

use alloc::string::String;
use exos::println;

/// The result of a test: why it failed.
pub type Outcome = Result<(), String>;

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
            Err(why) => {
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
            return Err($crate::alloc::format!($($why)+));
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
                ));
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
            Err(error) => return Err($crate::alloc::format!("{}: {error}", stringify!($result))),
        }
    };
}
