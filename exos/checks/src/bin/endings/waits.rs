//! Waiting where what is waited for cannot come.

use exos::abi::Pid;
use exos::abi::calls::Number;
use exos::interrupts::{self, critical};
use exos::rpc::{self, LongMessage};
use exos::{input, machine, print, println, process, schedule};
use exos_checks::raw::calls::{call, write};

/// Waits in the way that is named.
fn wait(how: &str) {
    match how {
        "yield" => schedule::yield_now(),
        "yield-to" => drop(schedule::yield_to(machine::pid())),
        "sleep" => schedule::sleep(3),
        "input" => drop(input::wait()),
        "line" => drop(input::line()),
        "call" => drop(rpc::call(machine::pid(), &mut LongMessage::default())),
        "short" => drop(rpc::short(machine::pid(), [0; 4])),
        "trusted" => drop(rpc::trusted(Pid(u32::MAX), [0; 4])),
        "send" => drop(rpc::send(machine::pid(), [0; 4])),
        "serve" => rpc::wait(|| false),
        _ => println!("no such way to wait"),
    }
}

pub fn in_critical_section(how: &str) -> Result<i32, &'static str> {
    if how == "process" {
        let process = process::spawn("endings", &["status"]).map_err(|_| "it was not made")?;
        critical(|| process.wait());
    }
    critical(|| wait(how));
    Err("it was not refused")
}

pub fn in_interrupt_handler(how: &str) -> Result<i32, &'static str> {
    let handler: interrupts::Handler = match how {
        "input" => |_| wait("input"),
        _ => |_| wait("sleep"),
    };
    interrupts::handle(interrupts::TIMER, Some(handler));
    call(Number::timer, [1, 0, 0, 0]).map_err(|error| error.text())?;
    let start = schedule::ticks();
    while schedule::ticks().wrapping_sub(start) < 10 {}
    Err("it was not refused")
}

/// Asks for a key. What is behind the prompt goes past the library's buffer.
pub fn prompt() -> Result<i32, &'static str> {
    static KEY: [u8; 5] = *b"[key]";
    print!("name? ");
    input::wait();
    write(&KEY, |_| ()).map_err(|error| error.text())?;
    println!();
    Ok(0)
}
