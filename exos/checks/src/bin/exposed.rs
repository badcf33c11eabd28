//! The exposed tables (thesis figure 9-4) say what is so: compared with what the kernel answers to calls, for every frame, environment and
//! slice.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use exos::abi::calls::{ANY, Number, READ, READ_WRITE};
use exos::abi::limits::{ENVS, SLICES};
use exos::abi::{Error, Lo};
use exos::exposed::{Owner, Tables, View};
use exos::interrupts::critical;
use exos::page_table::Rights;
use exos::region::{Frame, Region};
use exos::{exposed, layout, machine, schedule};
use exos_checks::raw::bare::{Alive, Entries, Entry, Pages, give_slice};
use exos_checks::raw::calls::call;
use exos_checks::tap::{self, Outcome};
use exos_checks::{check, check_eq, get};

exos::entry!(main);

fn main() -> i32 {
    tap::run(&[
        ("frames, their owners and rights", frames),
        ("environments and their rights", environments),
        ("slices and their lists", slices),
        ("clock and software TLB", clock),
        ("nobody can write them", read_only),
        ("a census of all", census),
    ])
}

/// This program's bit in a set.
fn own_bit(tables: &Tables) -> u64 {
    let number = tables.environments.iter().position(|record| record.pid == machine::pid().0).unwrap_or(ENVS);
    1 << number
}

/// An environment that does nothing.
fn idler(pages: &Pages) -> Result<Alive, Error> {
    pages.start(Entries { init: Some(Entry::Leave), pro: Some(Entry::Leave), ..Entries::default() }).map(Alive)
}

fn frames() -> Outcome {
    let tables = get!(Tables::map());
    let own = own_bit(&tables);
    let pages = get!(Pages::new());
    let other = get!(idler(&pages));
    let theirs = 1u64 << get!(number(&tables, other.0.0));
    // One of each kind.
    let [mine, read, written] = [get!(Frame::any()), get!(Frame::any()), get!(Frame::any())];
    get!(read.grant(other.0, Some(Rights::ReadOnly)));
    get!(written.grant(other.0, Some(Rights::ReadWrite)));
    let acl = |frame: &Frame| {
        let record = tables.frames.get(frame.get() as usize);
        (record.readers, record.writers)
    };
    check_eq!(acl(&mine), (own, own), "a frame of this program's");
    check_eq!(acl(&read), (own | theirs, own), "a frame that another may read");
    check_eq!(acl(&written), (own | theirs, own | theirs), "a frame that another may write");

    check_eq!(tables.frames.len(), machine::info().frames as usize, "frames");
    let region = get!(Region::reserve(1));
    for n in 0..tables.frames.len() {
        let record = tables.frames.get(n);
        // Nobody grants itself anything; whether it holds a share is looked at before.
        let said = call(Number::p_add, [READ, machine::pid().0, n as u32, 0]);
        let expected = match record.owner() {
            Owner::Nobody => Error::FrameFree,
            Owner::Environment(_) if record.sharers & own != 0 => Error::BadProtection,
            _ => Error::NotPermitted,
        };
        check_eq!(said, Err(expected), "what the kernel says of frame {n:#x}, whose record is {record:?}");
        // Each sixteenth is enough.
        if n % 16 == 0 || record.owner() == Owner::Environment(own.trailing_zeros() as usize) {
            let may = |lo: Lo| call(Number::tlbwr, [region.start(), lo.0, 0, 0]).is_ok();
            check_eq!(may(Lo::read_only(n as u32)), record.readers & own != 0, "may read frame {n:#x}");
            check_eq!(may(Lo::writable(n as u32)), record.writers & own != 0, "may write frame {n:#x}");
        }
    }
    get!(call(Number::tlbdeleten, [region.start(), 1, 0, 0]));
    Ok(())
}

/// Number of the environment of this name.
fn number(tables: &Tables, pid: u32) -> Result<usize, Error> {
    tables.environments.iter().position(|record| record.pid == pid).ok_or(Error::NoSuchEnvironment)
}

fn environments() -> Outcome {
    let tables = get!(Tables::map());
    let own = own_bit(&tables);
    let living = || tables.environments.iter().filter(|record| record.pid != 0).count();
    let before = living();
    let pages = get!(Pages::new());
    let (one, other) = (get!(idler(&pages)), get!(idler(&pages)));
    check_eq!(living(), before + 2, "environments");
    let [first, second] = [get!(number(&tables, one.0.0)), get!(number(&tables, other.0.0))];
    get!(call(Number::e_add, [one.0.0, other.0.0, 0, 0]));
    let record = tables.environments.get(second);
    check_eq!((record.writers, record.references), (own | 1 << first, own), "writers and references");
    check_eq!((record.started, record.suspended), (0, 0), "of one that has not run");
    get!(schedule::yield_to(other.0));
    check_eq!(tables.environments.get(second).started, 1, "of one that has run");
    for (n, record) in tables.environments.iter().enumerate() {
        // What is written to nobody's data, and nothing to that of those who may be changed.
        let said = call(Number::e_write, [record.pid, 0, layout::STATE.start, 0]);
        check_eq!(said.is_ok(), record.pid != 0, "environment {n} lives");
    }
    let name = one.0;
    drop(one);
    check_eq!(tables.environments.get(first).pid, 0, "a dead one's name");
    check!(tables.environments.get(second).writers & 1 << first == 0, "a dead one is a writer");
    check_eq!(call(Number::e_ref, [name.0, 0, 0, 0]), Err(Error::NoSuchEnvironment), "what the kernel says of it");
    Ok(())
}

fn slices() -> Outcome {
    let tables = get!(Tables::map());
    let own = own_bit(&tables);
    let pages = get!(Pages::new());
    let other = get!(idler(&pages));
    let theirs = get!(number(&tables, other.0.0));
    let n = get!(give_slice(other.0, ANY));
    let record = tables.slices.get(n as usize);
    check_eq!((record.access, record.owner, record.holder), (1 << theirs, theirs as u16, theirs as u16), "its slice");
    get!(call(Number::s_add, [machine::pid().0, n, 0, 0]));
    check_eq!(tables.slices.get(n as usize).access, own | 1 << theirs, "its list");
    for n in 0..SLICES {
        let taken = tables.slices.get(n).access != 0;
        let said = call(Number::s_alloc, [machine::pid().0, n as u32, 0, 0]);
        if said.is_ok() {
            get!(call(Number::s_free, [n as u32, 0, 0, 0]));
        }
        check_eq!(said == Err(Error::SliceTaken), taken, "slice {n} is taken");
    }
    Ok(())
}

fn clock() -> Outcome {
    let tables = get!(Tables::map());
    let (shown, said) = critical(|| (tables.tick.get(0), schedule::ticks()));
    check_eq!(shown, said, "ticks");
    schedule::sleep(3);
    check!(tables.tick.get(0) >= shown + 3, "the tick does not go on");
    check_eq!(tables.rate.get(0), schedule::rate().unwrap_or(0), "ticks a second");
    let info = get!(exposed::info());
    check_eq!(info.stlb.frame, machine::info().stlb_frame, "frame of the software TLB");
    check_eq!(machine::mapping(layout::STLB.start).map(|lo| lo.pfn()), Some(info.stlb.frame), "where it is mapped");
    Ok(())
}

fn read_only() -> Outcome {
    let info = get!(exposed::info());
    let columns = [
        info.clock_tick,
        info.clock_rate,
        info.p_refcnt,
        info.p_acl,
        info.p_map,
        info.page,
        info.e_refcnt,
        info.e_acl,
        info.e_map,
        info.env,
        info.s_refcnt,
        info.s_acl,
        info.slice,
        info.s_map,
        info.cmap,
        info.c_map,
        info.stlb,
    ];
    let region = get!(Region::reserve(1));
    for frame in columns.iter().flat_map(|column| column.frames()) {
        let bind = |lo: Lo| call(Number::tlbwr, [region.start(), lo.0, 0, 0]);
        check_eq!(bind(Lo::read_only(frame)), Ok(0), "reading frame {frame:#x}");
        check_eq!(bind(Lo::writable(frame)), Err(Error::NotPermitted), "writing frame {frame:#x}");
        check_eq!(call(Number::p_unref, [frame, 0, 0, 0]), Err(Error::NotPermitted), "giving up frame {frame:#x}");
        check_eq!(
            call(Number::p_add, [READ_WRITE, machine::pid().0, frame, 0]),
            Err(Error::NotPermitted),
            "adding to frame {frame:#x}"
        );
    }
    get!(call(Number::tlbdeleten, [region.start(), 1, 0, 0]));
    // A column is one of words, and of the size that it says.
    check!(
        View::<u32>::map(info.p_map).is_err() && View::<u64>::map(info.clock_tick).is_err(),
        "a view of another size"
    );
    Ok(())
}

fn census() -> Outcome {
    let tables = get!(Tables::map());
    let own = own_bit(&tables).trailing_zeros() as usize;
    let frame = get!(Frame::any());
    let before = critical(|| tables.census());
    let all = before.free + before.kernel + before.shares.iter().map(|share| share.owned).sum::<u32>();
    check_eq!(all, machine::info().frames, "frames in all");
    check_eq!(before.slices, before.shares.iter().map(|share| share.slices).sum::<u32>(), "slices in all");
    drop(frame);
    let slice = get!(give_slice(machine::pid(), ANY));
    let after = critical(|| tables.census());
    check_eq!((after.free, after.slices), (before.free + 1, before.slices + 1), "one frame and one slice more");
    let [then, now] = [before.shares[own], after.shares[own]];
    check_eq!((now.owned, now.granted, now.slices), (then.owned - 1, then.granted, then.slices + 1), "of this program");
    check!(now.stlb_pages > 0 && after.stlb_entries > 0, "the software TLB is empty");
    get!(call(Number::s_free, [slice, 0, 0, 0]));
    Ok(())
}
