//! Files of programs that lie: their maker must be none the worse for it.

use crate::SELF;
use alloc::vec::Vec;
use core::mem::offset_of;
use exos::abi::limits::PAGE_SHIFT;
use exos::abi::{Env, ImageError, Lo, Mapping};
use exos::process::{self, End, SpawnError};
use exos::programs;
use exos_checks::tap::Outcome;
use exos_checks::{check_eq, get};

/// This program's own file.
fn own_file() -> Option<Vec<u8>> {
    let program = programs().find(|program| program.filename().as_str() == Ok(SELF))?;
    Some(program.data().to_vec())
}

fn word(file: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize)
}

fn set_word(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Where the context stands: the section of its size whose first words are those of save areas.
fn context(file: &[u8]) -> Option<usize> {
    let sections = word(file, 32)?;
    let count = usize::from(u16::from_le_bytes([file[48], file[49]]));
    (0..count).find_map(|n| {
        let (at, bytes) = (word(file, sections + 40 * n + 16)?, word(file, sections + 40 * n + 20)?);
        (bytes == size_of::<Env>() && word(file, at)? < 0x1000).then_some(at)
    })
}

/// Where the header of loadable segment `n` stands.
fn segment(file: &[u8], n: usize) -> Option<usize> {
    let headers = word(file, 28)?;
    let count = usize::from(u16::from_le_bytes([file[44], file[45]]));
    (0..count).map(|n| headers + 32 * n).filter(|&at| word(file, at) == Some(1)).nth(n)
}

fn spawn(file: &[u8]) -> Result<End, SpawnError> {
    process::spawn_file(file, SELF, &["exit", "7"], process::Account::Nothing).map(|process| process.wait())
}

/// Pages of the image that are not there: those of its maker, if the image's first frame is added.
const OTHERS: [u32; 4] = [0x000f_ffff, 0x000f_fffe, 0x000f_fff0, 1 << 16];

pub fn contexts() -> Outcome {
    let mut file = get!(own_file().ok_or("this program is not in the archive"));
    check_eq!(spawn(&file), Ok(End::Exited(7)), "the file as it is");
    let env = get!(context(&file).ok_or("the file has no context"));
    let places = [
        (offset_of!(Env, tlbx_save_area), PAGE_SHIFT),
        (offset_of!(Env, genx_save_area), PAGE_SHIFT),
        (offset_of!(Env, intx_save_area), PAGE_SHIFT),
        (offset_of!(Env, iq), PAGE_SHIFT),
        (offset_of!(Env, vector), PAGE_SHIFT),
        (offset_of!(Env, reserved), 0),
        (offset_of!(Env, xl) + offset_of!(Mapping, lo), PAGE_SHIFT),
    ];
    for (place, shift) in places {
        let before = get!(word(&file, env + place).ok_or("the file is too short")) as u32;
        for page in OTHERS {
            let kept = if shift == 0 { 0 } else { before & (Lo::V | Lo::D | Lo::W) };
            set_word(&mut file, env + place, page << shift | kept);
            let refused = Err(SpawnError::Image(ImageError::BadContext));
            check_eq!(spawn(&file), refused, "page {page:#x} at {place:#x} of the context");
        }
        set_word(&mut file, env + place, before);
    }
    check_eq!(spawn(&file), Ok(End::Exited(7)), "the file as it was");
    Ok(())
}

pub fn segments() -> Outcome {
    let file = get!(own_file().ok_or("this program is not in the archive"));
    let refused = Err(SpawnError::Image(ImageError::BadSegment));
    let (first, second) = (get!(segment(&file, 0).ok_or("no segment")), get!(segment(&file, 1).ok_or("only one")));
    // Two whose pages add up to less than one has, if the sum wraps around.
    let mut wrapping = file.clone();
    set_word(&mut wrapping, first + 20, 0x8000_0000 - 0x2000);
    set_word(&mut wrapping, second + 20, 0x7000_0000);
    check_eq!(spawn(&wrapping), refused, "a sum that wraps around");
    for (at, bytes) in [(0x7fff_f000, 0x2000), (0x8000_0000, 0x1000), (0xffff_f000, 0x2000), (0, 0x1000)] {
        let mut outside = file.clone();
        let in_file = get!(word(&file, second + 16).ok_or("no segment")) as u32;
        set_word(&mut outside, second + 8, at);
        set_word(&mut outside, second + 20, in_file.max(bytes));
        check_eq!(spawn(&outside), refused, "a segment at {at:#x}");
    }
    let mut same = file.clone();
    let place = get!(word(&file, first + 8).ok_or("no segment")) as u32;
    set_word(&mut same, second + 8, place);
    check_eq!(spawn(&same), refused, "two segments at one place");
    check_eq!(spawn(&file[..file.len().min(40)]), Err(SpawnError::Image(ImageError::NotExecutable)), "forty bytes");
    Ok(())
}
