//! The tests in the emulator. This table is the place to add one; [`Case`] says what can be asked for.
//!
//! A program of `exos/checks` that is not named here is a plain [`Case::tap`].

use crate::calibration;
use crate::case::Case;
use crate::counts::{Counts, Tally};
use crate::fuzz;
use crate::machine::Machine;
use crate::run::DETERMINISTIC_CLOCK;
use aegis_abi::status as kernel;
use anyhow::{Context, Result, ensure};
use exos::status as program;
use exos_checks::markers::{STLB_HIT_PAGES, Span};
use exos_checks::walk;

/// What the paths of DESIGN 6 may cost on a machine, in instructions executed from the vector to the destination.
struct Budgets {
    /// A hit in the software TLB takes exactly so many.
    stlb_hit: u64,
    /// Pages that such a hit loads.
    pages: u32,
    exception: u64,
    exception_and_back: u64,
    null_call: u64,
    small_call: u64,
    miss: u64,
    transfer: u64,
    /// Calls between environments and back, both sides' library and the kernel.
    trusted_call: u64,
    untrusted_call: u64,
    long_call: u64,
}

/// Instructions of a hit in the software TLB where the refill is faithful on Malta: then it takes as many on both machines.
const FAITHFUL_HIT: u64 = 18;

const fn budgets(machine: Machine) -> Budgets {
    match machine {
        Machine::Malta => Budgets {
            stlb_hit: 16,
            pages: 2,
            exception: 16,
            exception_and_back: 40,
            null_call: 25,
            small_call: 100,
            miss: 450,
            transfer: 26,
            trusted_call: 220,
            untrusted_call: 270,
            long_call: 320,
        },
        Machine::Decstation => Budgets {
            stlb_hit: 18,
            pages: 1,
            exception: 17,
            exception_and_back: 40,
            null_call: 30,
            small_call: 120,
            miss: 500,
            transfer: 29,
            trusted_call: 240,
            untrusted_call: 290,
            long_call: 340,
        },
    }
}

/// All cases on a machine, besides the programs that need no entry.
pub fn cases(machine: Machine) -> Vec<Case> {
    let Budgets { stlb_hit, pages, exception, exception_and_back, null_call, small_call, miss, transfer, .. } =
        budgets(machine);
    let Budgets { trusted_call, untrusted_call, long_call, .. } = budgets(machine);
    let refill = machine.vectors().refill;
    let one_stay = move |counts: &Counts, span| one_stay(counts, span, machine.vectors().general);
    let mut cases = vec![
        // What the paths cost, in instructions executed from the vector to the destination.
        Case::tap("budgets")
            .limit(120)
            .check("every marker has its partner", |counts| counts.check_markers().map(|()| None))
            .check("loops of known length are counted exactly", |counts| calibration::check(counts).map(|()| None))
            .check("the kernel itself takes no exception", |counts| {
                let nested = &counts.total.nested;
                ensure!(nested.is_empty(), "entries at a vector from the kernel: {nested:?}");
                Ok(None)
            })
            .check(&format!("a hit in the software TLB takes {stlb_hit} instructions"), move |counts| {
                let span = counts.span(Span::StlbHits.id())?;
                let hits = span.stays_of(refill, stlb_hit);
                // The program's own pages may have had to leave the hardware TLB, and come back.
                let wanted = u64::from(STLB_HIT_PAGES / pages);
                let bounds = wanted..=wanted + wanted / 16;
                ensure!(bounds.contains(&hits), "{hits} hits of {stlb_hit} instructions for {wanted}: {span:?}");
                ensure!(span.kernel == stlb_hit * hits, "the kernel did something else too: {span:?}");
                Ok(Some(format!("{hits} hits")))
            })
            .check(&format!("an exception reaches its handler within {exception} instructions"), move |counts| {
                at_most(exception, one_stay(counts, Span::ExceptionRoundTrip)?)
            })
            .check(&format!("an exception and back takes at most {exception_and_back} instructions"), move |counts| {
                // All but the instruction that raises it.
                at_most(exception_and_back, counts.shortest(Span::ExceptionRoundTrip.id())?.all() - 1)
            })
            .check(&format!("the null call takes at most {null_call} instructions"), move |counts| {
                at_most(null_call, one_stay(counts, Span::NullCall)?)
            })
            .check(&format!("a small call takes at most {small_call} instructions"), move |counts| {
                at_most(small_call, one_stay(counts, Span::SmallCall)?)
            })
            .check(&format!("a synchronous transfer takes at most {transfer} instructions"), move |counts| {
                at_most(transfer, one_stay(counts, Span::Transfer)?)
            })
            .check("an asynchronous transfer takes at most 40 instructions", move |counts| {
                at_most(40, one_stay(counts, Span::AsynchronousTransfer)?)
            })
            .check(&format!("a trusted LRPC and back takes at most {trusted_call} instructions"), move |counts| {
                at_most(trusted_call, counts.shortest(Span::TrustedCall.id())?.all())
            })
            .check(&format!("an untrusted LRPC and back takes at most {untrusted_call} instructions"), move |counts| {
                at_most(untrusted_call, counts.shortest(Span::UntrustedCall.id())?.all())
            })
            .check(&format!("an RPC of 20 words and back takes at most {long_call} instructions"), move |counts| {
                at_most(long_call, counts.shortest(Span::LongCall.id())?.all())
            })
            .check(&format!("a miss handled by the library takes at most {miss} instructions"), move |counts| {
                at_most(miss, counts.shortest(Span::Miss.id())?.all())
            }),
        // The walks of which `./x bench` makes hit rates, in a hardware TLB that forgets what it replaces.
        Case::output("walk", "walk 256 16 256 1")
            .features(&["faithful"])
            .shows(&["walk sequential 16 1", "walk local 256 1"])
            .check("its own instructions are as many as it says, and few pages do not miss", move |counts| {
                let own = u64::from(walk::CHUNK * walk::INSTRUCTIONS);
                for tally in counts.spans(Span::Walk.id()).take(walk::Pattern::ALL.len()) {
                    let misses = tally.stays_at(refill);
                    ensure!(misses < 100 && misses == tally.stays_of(refill, FAITHFUL_HIT), "misses: {tally:?}");
                    ensure!((own..=own + misses).contains(&tally.user), "{own} instructions expected: {tally:?}");
                }
                Ok(None)
            })
            .check("more pages miss, and the software TLB has them all", move |counts| {
                let spans: Vec<&Tally> = counts.spans(Span::Walk.id()).skip(walk::Pattern::ALL.len()).collect();
                ensure!(spans.len() == walk::Pattern::ALL.len(), "{} spans", spans.len());
                for tally in spans {
                    let (misses, hits) = (tally.stays_at(refill), tally.stays_of(refill, FAITHFUL_HIT));
                    ensure!(misses > u64::from(walk::CHUNK) / 4 && hits == misses, "{hits} hits: {tally:?}");
                }
                Ok(None)
            }),
        // What a newcomer sees first.
        Case::output("tour", "tour").shows(&["A tour of Aegis", "Everything held."]),
        // Figure 3-1 of the thesis.
        Case::output("stride", "stride").shows(&["figure stride", "point 600", "within one of 3:2:1 at every point"]),
        Case::output("stride::in real time", "aegis.clock=rtc stride").shows(&["within one of 3:2:1 at every point"]),
        // What is typed reaches the program that runs, from the first byte on, whenever it comes; 4 is Ctrl-D.
        Case::output("echo", "echo first words").types("ab\u{7f}c\né漢\u{7f}\nlast words\u{4}").shows(&[
            "first words\nab",
            "\nac\n",
            "\né\n",
            "last words\nlast words\n",
        ]),
        Case::output("echo::in real time", "aegis.clock=rtc echo first words")
            .types("ab\u{7f}c\né漢\u{7f}\nlast words\u{4}")
            .shows(&["first words\nab", "\nac\n", "\né\n", "last words\nlast words\n"]),
        burst("echo::a burst of input", "echo first words"),
        burst("echo::a burst of input in real time", "aegis.clock=rtc echo first words"),
        burst("echo::a burst of input without a clock", "aegis.clock=none echo first words"),
        // How programs end.
        Case::output("endings::status", "endings status").status(7),
        Case::output("endings::error", "endings error")
            .status(program::ERROR)
            .shows(&["error: this error is on purpose"]),
        Case::output("endings::panic", "endings panic").status(program::PANIC).shows(&[
            "panic at exos/checks/src/bin/endings/main.rs:",
            "this panic is on purpose",
            "backtrace:",
            " at 0x",
            "endings/main.rs:",
        ]),
        Case::output("endings::null", "endings null").status(program::EXCEPTION + 2).shows(&[
            "segmentation fault on load",
            "address         0x00000008: null pointer",
            "registers:",
            "backtrace:",
            " at 0x",
        ]),
        Case::output("endings::overflow", "endings overflow")
            .status(program::EXCEPTION + 12)
            .shows(&["integer overflow", "backtrace:"]),
        Case::output("endings::stack", "endings stack")
            .status(program::EXCEPTION + 3)
            .shows(&["stack overflow", "endings::recurse"]),
        Case::output("endings::handlers", "endings handlers")
            .status(program::STACK_OVERFLOW)
            .shows(&["exception stack overflow"]),
        Case::output("endings::memory", "endings memory")
            .status(program::PANIC)
            .shows(&["memory allocation of", "failed"]),
        Case::output("endings::frames", "endings frames").status(program::EXCEPTION + 3).shows(&[
            "out of memory: no page frame is free",
            "memory that is promised, and has no frame yet",
            "backtrace:",
        ]),
        Case::output("endings::heap", "endings busy-heap")
            .status(program::PANIC)
            .shows(&["an exception handler allocates or frees", "while the heap was being changed"]),
        Case::output("endings::array", "endings array")
            .status(program::EXCEPTION + 3)
            .shows(&["stack overflow: the stack has 256 KB"]),
        Case::output("endings::array of a handler", "endings handler-array")
            .status(program::EXCEPTION + 5)
            .shows(&["stack overflow: the exception stack has 16 KB"]),
        Case::output("endings::panic in a panic", "endings panic-panic")
            .status(program::PANIC)
            .shows(&[
                "exos: panic at exos/checks/src/bin/endings/main.rs:",
                ": outer \n",
                "exos: panic while reporting the panic at exos/checks/src/bin/endings/reports.rs:",
                "this panic in a message is on purpose: inner\n",
                "backtrace:",
                " at 0x",
            ])
            .never(&["giving up"]),
        Case::output("endings::panic in a panic in a panic", "endings panic-panic-panic")
            .status(program::PANIC)
            .shows(&[": outer \n", "this panic in a message is on purpose: "])
            .never(&["innermost"]),
        Case::output("endings::exception in a panic", "endings panic-exception").status(program::PANIC).shows(&[
            ": outer \n",
            "an exception while reporting the panic",
            "segmentation fault on load",
        ]),
        Case::output("endings::panic in the report of an exception", "endings exception-panic")
            .status(program::PANIC)
            .shows(&[
                "segmentation fault on load",
                "panic while reporting the exception at",
                "on purpose",
                "backtrace:",
            ]),
        // Waiting where what is waited for cannot come.
        refused_wait("critical yield", &["schedule::yield_now gives up the processor"]),
        refused_wait("critical yield-to", &["schedule::yield_to gives up the processor"]),
        refused_wait("critical sleep", &["schedule::sleep gives up the processor"]),
        refused_wait("critical input", &["input::wait gives up the processor"]),
        refused_wait("critical line", &["input::wait gives up the processor"]),
        refused_wait("critical call", &["rpc::call gives up the processor"]),
        refused_wait("critical short", &["rpc::short gives up the processor"]),
        refused_wait("critical trusted", &["rpc::trusted gives up the processor"]),
        refused_wait("critical send", &["rpc::send gives up the processor"]),
        refused_wait("critical serve", &["schedule::yield_now gives up the processor"]),
        refused_wait("critical process", &["schedule::yield_to gives up the processor"]),
        refused_wait("handler sleep", &["schedule::sleep waits for an interrupt"]),
        refused_wait("handler input", &["input::wait waits for an interrupt"]),
        // What was printed is shown before the key is waited for.
        Case::output("endings::prompt", "endings prompt")
            .types("\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\nk")
            .shows(&["name? [key]"]),
        Case::output("endings::lost", "endings lost").status(kernel::NO_ENVIRONMENT.into()).shows(&[
            "environment 0 destroyed",
            "exception 9",
            "no environment is left",
        ]),
        Case::output("endings::without semihosting", "endings status")
            .only(Machine::Malta)
            .without_semihosting()
            .status(7),
        // Interrupts, of a clock that ticks in real time and of one that counts instructions.
        Case::tap("ticks").command("aegis.clock=deterministic ticks deterministic"),
        Case::tap("ticks").name("ticks::rtc").command("aegis.clock=rtc ticks rtc"),
        Case::tap("memory").name("ticks::memory").command("aegis.clock=rtc memory"),
        Case::tap("random_calls")
            .name("ticks::random_calls")
            .command("aegis.clock=rtc random_calls")
            .features(&["checked"]),
        Case::tap("pingpong").name("pingpong::rtc").command("aegis.clock=rtc pingpong"),
        Case::tap("pingpong"),
        // The same programs on a kernel that checks all its invariants again and again, and at the end.
        Case::tap("random_calls").features(&["checked"]),
        Case::tap("memory").name("checked::memory").features(&["checked"]),
        Case::tap("calls").name("checked::calls").features(&["checked"]),
        // The adversary, for a moment: `./x fuzz` does more.
        fuzz(machine),
        // Where memory is not zeroed by the emulator.
        Case::tap("memory")
            .name("dirty memory::memory")
            .only(Machine::Decstation)
            .features(&["checked"])
            .dirty_memory(),
        // And on one whose refills show a TLB of just 16 entries, which QEMU's would not.
        Case::tap("memory").name("faithful::memory").only(Machine::Malta).features(&["faithful"]),
        Case::tap("exceptions").name("faithful::exceptions").only(Machine::Malta).features(&["faithful"]),
        // Faults of the kernel's own never come to a program.
        kernel_fault("unaligned", &["exception 4 in the kernel", "badvaddr 80000001"]),
        kernel_fault("null", &["exception 2 in the kernel", "badvaddr 00000000"]),
        kernel_fault("user", &["exception 2 in the kernel", "badvaddr 50000000"]),
        // What cannot be started.
        Case::output("boot::a missing program", "nosuch")
            .status(kernel::NO_PROGRAM.into())
            .shows(&["cannot start 'nosuch'"])
            .never(&["panic"]),
        Case::output("boot::a file that is no program", "garbage")
            .file("garbage", b"#!/bin/sh\n")
            .status(kernel::NO_PROGRAM.into())
            .shows(&["cannot start 'garbage': not an executable", "ELF"])
            .never(&["panic"]),
        // Ticks at each instruction of the ways back, after which everything misses.
        Case::tap("resume").only(Machine::Malta).command(&clock(0, " aegis.empty-tlb resume")).features(&["checked"]),
        Case::tap("random_calls")
            .name("phase 1::random_calls")
            .only(Machine::Malta)
            .command(&clock(1, " random_calls"))
            .features(&["checked"]),
    ];
    if machine == Machine::Malta {
        // In place of the plain runs: the counting sees the same, and each stay in the kernel besides.
        cases.extend(
            BUSY_IN_THE_KERNEL.map(|program| brief(Case::tap(program).command(&clock(0, &format!(" {program}"))))),
        );
        let hostile = Case::output("stays::fuzz", &fuzz::command_line(2, 100_000));
        cases.push(brief(hostile.memory(fuzz::MEMORY).limit(120)));
    }
    // Programs that resume, at several phases of the clock.
    for n in 1..=5 {
        for program in ["exceptions", "processes", "reentry", "rights"] {
            let case = Case::tap(program).only(Machine::Malta).features(&["checked"]);
            cases.push(
                case.name(&format!("phase {n}::{program}")).command(&clock(n, &format!(" aegis.empty-tlb {program}"))),
            );
        }
    }
    cases
}

/// Programs that have the kernel do long work: many frames, lines of the software TLB, environments, and their ends.
const BUSY_IN_THE_KERNEL: [&str; 10] = [
    "calls",
    "environments",
    "exposed",
    "gates",
    "processes",
    "reentry",
    "revocation",
    "secrets",
    "slices",
    "transfers",
];

/// Instructions that no stay in the kernel exceeds, once it has booted: a sixth of a tick at 25 MHz.
const LONGEST_STAY: u64 = 16_000;

/// A case that looks at all stays in the kernel.
fn brief(case: Case) -> Case {
    case.check(&format!("no stay in the kernel takes more than {LONGEST_STAY} instructions"), |counts| {
        let lengths = counts.total.stays.values().flat_map(|lengths| lengths.keys().copied());
        at_most(LONGEST_STAY, lengths.max().context("no stay in the kernel")?)
    })
}

/// A command line with the clock of instructions at another phase, its ticks moved; 0: as it is.
pub fn clock(n: u32, rest: &str) -> String {
    /// Instructions between two phases: no divisor of a period.
    const STEP: u32 = 2971;
    match n {
        0 => format!("{DETERMINISTIC_CLOCK}{rest}"),
        n => format!("{DETERMINISTIC_CLOCK},phase={},jitter={n}{rest}", n * STEP),
    }
}

/// A program that waits in a way that it must not: it must say so, at the place of the call.
fn refused_wait(way: &str, words: &'static [&'static str]) -> Case {
    Case::output(&format!("endings::waiting, {way}"), &format!("endings {way}"))
        .status(program::PANIC)
        .shows(&["exos: panic at exos/checks/src/bin/endings/waits.rs:"])
        .shows(words)
}

/// A short run of the adversary, on a small machine.
fn fuzz(machine: Machine) -> Case {
    let steps = match machine {
        Machine::Malta => 150_000,
        Machine::Decstation => 60_000,
    };
    Case::output("fuzz", &fuzz::command_line(1, steps))
        .features(fuzz::FEATURES)
        .memory(fuzz::MEMORY)
        .limit(120)
        .shows(&["fuzz: seed 1, ", "steps: nothing found"])
}

/// As much input at once as a pipe takes, far more than any device or queue: every line of it must come back.
fn burst(name: &str, command_line: &str) -> Case {
    // One line is long, the others have various lengths.
    let line = |n: usize| format!("{n} {}", "0123456789 é漢".repeat(if n == 7 { 400 } else { n % 13 }));
    let lines: Vec<String> = (0..500).map(line).collect();
    let typed = lines.iter().map(|line| format!("{line}\n")).chain(["\u{4}".into()]).collect::<String>();
    assert!((40_000..1 << 16).contains(&typed.len()), "{} bytes", typed.len());
    let shown = lines.iter().map(|line| format!("{line}\n{line}\n")).collect::<String>();
    // The table lives as long as the tests.
    Case::output(name, command_line).types(typed.leak()).shows(Vec::leak(vec![shown.leak() as &str]))
}

/// A fault planted in the kernel: it must end in a panic with registers and a backtrace by symbol.
fn kernel_fault(kind: &str, shows: &'static [&'static str]) -> Case {
    Case::output(&format!("kernel fault::{kind}"), &format!("endings kernel-{kind}"))
        .features(&["planted-fault"])
        .status(kernel::PANIC.into())
        .shows(&["panic: "])
        .shows(shows)
        .shows(&["sp 8", "backtrace:", " at 0x8", "planted_fault", " at 0x8", "aegis_call"])
        .never(&["REACHED"])
}

/// Length of the one stay in the kernel, at the general vector, that the shortest of the spans consists of.
fn one_stay(counts: &Counts, span: Span, general: u32) -> Result<u64> {
    let tally: &Tally = counts.shortest(span.id())?;
    let (length, _) =
        tally.lengths_at(general).next().with_context(|| format!("no stay at {general:#x}: {tally:?}"))?;
    ensure!(length == tally.kernel, "more than one stay in the kernel: {tally:?}");
    Ok(length)
}

fn at_most(budget: u64, length: u64) -> Result<Option<String>> {
    ensure!(length <= budget, "{length} instructions instead of at most {budget}");
    Ok(Some(length.to_string()))
}
