//! Files of programs as they should be, and mutated ones.

extern crate std;
use super::*;
use crate::limits::{GUARANTEED_MAPPINGS, RESERVED_FRAMES};
use crate::{Lo, Mapping};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use zerocopy::IntoBytes;

/// A segment of a file: address, bytes in memory, bytes in the file.
type Part = (u32, u32, u32);

/// Bytes of the header of an ELF file, of a program header, and of a section header.
const HEADER: usize = 52;
const PROGRAM_HEADER: usize = 32;
const SECTION_HEADER: usize = 40;

/// An ELF file with these segments, this context, and these names of sections, which begin with
/// that of the context's section.
fn file_with_names(parts: &[Part], env: &Env, names: &[u8]) -> Vec<u8> {
    let data_bytes = parts.iter().map(|part| part.2 as usize).max().unwrap_or(0);
    let programs = HEADER;
    let context = programs + parts.len() * PROGRAM_HEADER;
    let strings = context + size_of::<Env>();
    let sections = (strings + names.len()).next_multiple_of(4);
    let data = sections + 2 * SECTION_HEADER;
    let mut file = vec![0u8; HEADER];
    file[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
    let half = |file: &mut Vec<u8>, at: usize, value: usize| {
        file[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
    };
    for (at, value) in [(16, 2), (18, 8), (42, PROGRAM_HEADER), (44, parts.len()), (46, SECTION_HEADER), (48, 2)] {
        half(&mut file, at, value);
    }
    half(&mut file, 50, 1);
    for (at, value) in [(20, 1), (28, programs), (32, sections)] {
        file[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    let words = |file: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| file.extend(word.to_le_bytes()));
    for &(va, bytes, in_file) in parts {
        words(&mut file, &[1, data as u32, va, va, in_file, bytes, 7, PAGE_BYTES]);
    }
    file.extend(env.as_bytes());
    file.extend(names);
    file.resize(sections, 0);
    // The context, and the names of the two sections, both by the first name.
    words(&mut file, &[0, 1, 0, 0, context as u32, size_of::<Env>() as u32, 0, 0, 4, 0]);
    words(&mut file, &[0, 3, 0, 0, strings as u32, names.len() as u32, 0, 0, 1, 0]);
    file.resize(data + data_bytes, 0x5a);
    file
}

fn file(parts: &[Part], env: &Env) -> Vec<u8> {
    file_with_names(parts, env, CONTEXT_SECTION)
}

/// Pages of [`PARTS`].
const PAGES: u32 = 3 + 2;
const PARTS: [Part; 2] = [(0x0010_0000, 2 * PAGE_BYTES + 1, 100), (0x0000_1800, PAGE_BYTES, PAGE_BYTES)];

/// A context that names the first and the last page of [`PARTS`].
fn context() -> Env {
    let mut env = Env {
        tlbx_save_area: 0x10,
        genx_save_area: ((PAGES - 1) << PAGE_SHIFT) + 0x20,
        iq: PAGE_BYTES,
        init: 0x0010_2000,
        ..Env::EMPTY
    };
    env.reserved[RESERVED_FRAMES - 1] = PAGES - 1;
    env.xl[0] = Mapping { va: 0x1000, lo: Lo::writable(0).0 };
    env.xl[GUARANTEED_MAPPINGS - 1] = Mapping { va: 0x2000, lo: Lo::read_only(PAGES - 1).0 };
    env
}

fn parse(parts: &[Part], env: &Env) -> Result<(), ImageError> {
    Image::parse(&file(parts, env)).map(drop)
}

/// The frames that a context names, as whoever checks contexts reads them.
fn frames(env: &Env) -> Vec<u32> {
    let places = [env.tlbx_save_area, env.genx_save_area, env.intx_save_area, env.iq, env.vector];
    let mut frames: Vec<u32> = places.into_iter().filter(|&place| place != 0).map(|place| place / 4096).collect();
    frames.extend(env.reserved.iter().filter(|&&frame| frame != u32::MAX));
    frames.extend(env.xl.iter().filter(|mapping| mapping.va != 0).map(|mapping| mapping.lo / 4096));
    frames
}

/// What must hold of a file that was not refused.
fn is_harmless(image: &Image<'_>) {
    let mut end = 1;
    let mut pages = 0;
    for segment in image.segments() {
        let first = u64::from(segment.va) / 4096;
        assert!(first >= end, "segments overlap, or page 0 is in one");
        end = (u64::from(segment.va) + u64::from(segment.bytes)).div_ceil(4096);
        assert!(end <= 0x8_0000, "a segment outside user space");
        assert!(segment.data.len() <= segment.bytes as usize);
        assert_eq!(u64::from(segment.pages().start)..u64::from(segment.pages().end), first..end);
        pages += end - first;
    }
    assert!(pages > 0 && pages <= FRAMES as u64 && pages == u64::from(image.pages()));
    let init = u64::from(image.env.init);
    let begins_in = |segment: &Segment<'_>| {
        (u64::from(segment.va)..u64::from(segment.va) + u64::from(segment.bytes)).contains(&init)
    };
    assert!(image.segments().iter().any(begins_in));
    let last = FRAMES as u32 - image.pages();
    for first in [0, 1, 5, last.saturating_sub(1), last].into_iter().filter(|&first| first <= last) {
        let env = image.env(first).expect("there are so many frames");
        let own = first..first + image.pages();
        assert!(frames(&env).iter().all(|frame| own.contains(frame)), "a frame outside {own:?}");
        assert_eq!(frames(&env).len(), frames(&image.env).len());
        assert_eq!(env.argument, first);
    }
    for first in [last + 1, FRAMES as u32, u32::MAX - 1, u32::MAX] {
        assert_eq!(image.env(first), Err(Error::NoSuchFrame));
    }
}

#[test]
fn a_program_is_taken_as_it_is() {
    let file = file(&PARTS, &context());
    let image = Image::parse(&file).expect("a program");
    assert_eq!(image.pages(), PAGES);
    let places: Vec<u32> = image.segments().iter().map(Segment::va).collect();
    assert_eq!(places, [0x0000_1800, 0x0010_0000]);
    assert_eq!(image.segments()[1].data(), [0x5a; 100]);
    is_harmless(&image);
    let env = image.env(0x100).expect("there are so many frames");
    assert_eq!((env.tlbx_save_area, env.genx_save_area, env.intx_save_area), (0x10_0010, 0x10_4020, 0));
    assert_eq!((env.iq, env.vector, env.reserved[7], env.reserved[0]), (0x10_1000, 0, 0x104, Env::NO_FRAME));
    assert_eq!(env.xl[0].lo(), Lo::writable(0x100));
    assert_eq!(env.xl[GUARANTEED_MAPPINGS - 1].lo(), Lo::read_only(0x104));
}

#[test]
fn a_page_outside_the_image_is_refused_wherever_the_context_names_it() {
    // The page behind the last, the pages before the first, and what wraps around to them.
    for page in [PAGES, FRAMES as u32, 0x000f_fffe, 0x000f_ffff] {
        let changes: [&dyn Fn(&mut Env); 7] = [
            &|env| env.tlbx_save_area = page << PAGE_SHIFT | 0x10,
            &|env| env.genx_save_area = page << PAGE_SHIFT,
            &|env| env.intx_save_area = page << PAGE_SHIFT,
            &|env| env.iq = page << PAGE_SHIFT,
            &|env| env.vector = page << PAGE_SHIFT,
            &|env| env.reserved[3] = page,
            &|env| env.xl[7] = Mapping { va: 0x3000, lo: Lo::writable(page).0 },
        ];
        for (n, change) in changes.into_iter().enumerate() {
            let mut env = context();
            change(&mut env);
            assert_eq!(parse(&PARTS, &env), Err(ImageError::BadContext), "page {page:#x}, place {n}");
            let before = env;
            assert_eq!(env.relocate(2, PAGES), Err(Error::NotPermitted));
            assert_eq!(env, before, "what is refused is not changed");
        }
    }
    let mut env = context();
    env.reserved[3] = u32::MAX - 1;
    assert_eq!(parse(&PARTS, &env), Err(ImageError::BadContext));
    // What is said not to be there is no page.
    env = context();
    env.xl[7] = Mapping { va: 0, lo: Lo::writable(0x000f_fffe).0 };
    assert_eq!(parse(&PARTS, &env), Ok(()));
}

#[test]
fn a_program_begins_in_a_segment() {
    for (init, result) in [
        (0, Err(ImageError::BadContext)),
        (0x17fc, Err(ImageError::BadContext)),
        (0x1800, Ok(())),
        (0x27fc, Ok(())),
        (0x2800, Err(ImageError::BadContext)),
        (0x000f_fffc, Err(ImageError::BadContext)),
        (0x0010_2000, Ok(())),
        (0x0010_2004, Err(ImageError::BadContext)),
        (0xffff_fffc, Err(ImageError::BadContext)),
    ] {
        assert_eq!(parse(&PARTS, &Env { init, ..context() }), result, "first instruction at {init:#x}");
    }
}

#[test]
fn segments_that_cannot_be_are_refused() {
    let good = (0x1000, 5 * PAGE_BYTES, 10);
    let env = Env { init: 0x1000, ..context() };
    assert_eq!(parse(&[good], &env), Ok(()));
    let many: Vec<Part> = (1..=SEGMENTS as u32 + 1).map(|n| (n << 20, PAGE_BYTES, 0)).collect();
    for parts in [
        &[][..],
        &[(0x1000, 0, 0)],
        &[good, good],
        &[good, (0x5800, 0x900, 0), (0x6000, 1, 0)],
        &[good, (0xfff, 2, 0)],
        &[good, (0x7fff_f000, 0x1001, 0)],
        &[good, (0x7fff_f000, 0xffff_ffff, 0)],
        &[good, (0xffff_f000, 0x2000, 0)],
        &[good, (0x8000_0000, 1, 0)],
        &[good, (0x10_0000, 4, 5)],
        // Sums of pages that wrap around.
        &[good, (0x0100_0000, 0x8000_0000, 0), (0x0200_0000, 0x7fff_0000, 0)],
        // More pages than any machine has.
        &[good, (0x0100_0000, 0x1000_0000, 0)],
        &many,
    ] {
        assert_eq!(parse(parts, &env), Err(ImageError::BadSegment), "{parts:x?}");
    }
    let init = 1 << 20;
    assert_eq!(parse(&many[1..], &Env { init: 2 * init, ..context() }), Ok(()));
}

#[test]
fn names_of_sections_without_end_take_no_time() {
    let mut name = vec![b'x'; 4 << 20];
    let mut file = file_with_names(&PARTS, &context(), &name);
    // Sixty thousand sections with such names.
    let sections = file.len() as u32;
    let header = file[u32::from_le_bytes(file[32..36].try_into().expect("4 bytes")) as usize..][..80].to_vec();
    file[32..36].copy_from_slice(&sections.to_le_bytes());
    file[48..50].copy_from_slice(&60_000u16.to_le_bytes());
    file.extend(&header);
    (2..60_000).for_each(|_| file.extend(&header[..SECTION_HEADER]));
    assert_eq!(Image::parse(&file).map(drop), Err(ImageError::NoContext));
    name.truncate(1);
    assert_eq!(Image::parse(&file_with_names(&PARTS, &context(), &name)).map(drop), Err(ImageError::NoContext));
}

/// Words at the edges of what is right.
fn word() -> impl Strategy<Value = u32> {
    let edges = [0, 1, PAGES, FRAMES as u32, 1 << 19, 1 << 20];
    let pages =
        (prop::sample::select(edges.to_vec()), -3i32..3).prop_map(|(edge, near)| edge.wrapping_add_signed(near));
    prop_oneof![
        any::<u32>(),
        pages.clone(),
        (pages, prop::sample::select(vec![0, 0x10, 0x400, 0x700, 0xffc]))
            .prop_map(|(page, offset)| page << PAGE_SHIFT | offset),
        prop::sample::select(vec![0x7fff_f000, 0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_ffff]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_not_refused_is_harmless(
        changes in prop::collection::vec((0..size_of::<Env>() / 4, word()), 0..4),
        parts in prop_oneof![
            Just(PARTS.to_vec()),
            prop::collection::vec((word(), word(), 0u32..5000), 1..4),
            (word(), word()).prop_map(|(va, bytes)| vec![PARTS[0], PARTS[1], (va, bytes, 0)]),
        ],
    ) {
        let mut env = context();
        if let Some(&(va, ..)) = parts.first() {
            env.init = va;
        }
        let mut bytes = env.as_bytes().to_vec();
        for (n, word) in changes {
            bytes[4 * n..4 * n + 4].copy_from_slice(&word.to_le_bytes());
        }
        let env = Env::read_from_bytes(&bytes).expect("as many bytes");
        if let Ok(image) = Image::parse(&file(&parts, &env)) {
            is_harmless(&image);
        }
    }

    #[test]
    fn a_file_with_other_bytes_is_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut file = file(&PARTS, &context());
        // The headers and the context: what is behind them is data.
        let length = file.len() - PAGE_BYTES as usize;
        for (place, byte) in changes {
            file[place.index(length)] = byte;
        }
        if let Some(end) = end {
            file.truncate(end.index(file.len()));
        }
        if let Ok(image) = Image::parse(&file) {
            is_harmless(&image);
        }
    }
}
