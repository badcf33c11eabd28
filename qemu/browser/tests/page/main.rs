//! The page of `./x tlb --html` as a reader meets it: opened from the file system in a browser, and used.
//!
//! The pages stay in `target/browser/` to be looked at.

mod sample;
mod walks;

use aegis_browser::Visit;
use aegis_host::cargo::Workspace;
use aegis_host::machine::Machine;
use aegis_host::run::Clock;
use aegis_host::tlb::page::page;
use aegis_host::tlb::record::{Path, Record, TlbEntry};
use aegis_host::tlb::step::paths;
use aegis_host::tlb::watch::{Wanted, Watched, watch};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sample::Sample;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::LazyLock;
use stlb::{Geometry, Mips32, R3000, SLOTS};

/// A run on Malta, with a refill that is stepped through.
static MALTA: LazyLock<Sample> = LazyLock::new(|| {
    let mut sample = sample::run::<Mips32>("malta", 16, 0, None);
    let (miss, lo) = (0..sample.record.misses.len()).find_map(|n| hit(&sample, n)).expect("there is a hit");
    sample.record.walk = Some(walks::refill(&sample.record.misses[miss], lo));
    sample
});
/// A run on the DECstation, without one.
static DECSTATION: LazyLock<Sample> = LazyLock::new(|| sample::run::<R3000>("decstation", 64, 8, None));

/// If miss `n` is a hit not too early in the run: that, and what the table has for it.
fn hit(sample: &Sample, n: usize) -> Option<(usize, [u32; 2])> {
    let miss = &sample.record.misses[n];
    let line =
        sample.tables[n].0.iter().find(|entry| entry.place == miss.slot && entry.context == Some(miss.context))?;
    (miss.path == Path::Hit && n > 60).then(|| (n, [line.lo[0], line.lo[1]]))
}

/// Writes the page of a record; says where.
fn write(name: &str, record: &Record) -> PathBuf {
    let workspace = Workspace::find(false).unwrap();
    let file = workspace.target.join("browser").join(format!("{name}.html"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, page(&workspace, record).unwrap()).unwrap();
    file
}

fn open(file: &std::path::Path) -> Visit {
    let browser = aegis_host::browser::find().unwrap_or_else(|| panic!("{}", aegis_host::browser::missing()));
    Visit::to(&browser, file).unwrap()
}

/// Writes the page of a record, opens it, and waits until it is there.
fn visit(name: &str, record: &Record) -> Visit {
    let visit = open(&write(name, record));
    visit.wait_for("window.aegis !== undefined").unwrap();
    visit
}

/// `1,234`, as the page writes it.
fn grouped(number: u64) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1000), number % 1000) }
}

fn number(text: &str) -> u32 {
    text.replace(',', "").parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

fn select(visit: &Visit, n: u32) {
    visit.evaluate(&format!("aegis.select({n})")).unwrap();
}

#[test]
fn an_error_is_heard() {
    let file = Workspace::find(false).unwrap().target.join("browser").join("broken.html");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let script = "console.error('said'); setTimeout(() => { window.late = true; missing.thing; }, 50);";
    std::fs::write(&file, format!("<!DOCTYPE html><img src=nowhere.png><script>{script}</script>")).unwrap();
    let visit = open(&file);
    visit.wait_for("window.late === true").unwrap();
    let complaints = visit.complaints().join("\n");
    for part in ["said", "missing is not defined", "ERR_FILE_NOT_FOUND"] {
        assert!(complaints.contains(part), "nobody heard `{part}`: {complaints}");
    }
}

#[test]
fn it_opens_and_is_used_without_a_word_on_the_console() {
    for (name, sample) in [("malta", &*MALTA), ("decstation", &*DECSTATION)] {
        let visit = visit(name, &sample.record);
        for (width, height) in [(1920, 1080), (1280, 900), (360, 740)] {
            visit.resize(width, height).unwrap();
            let wide = visit.evaluate("document.documentElement.scrollWidth").unwrap();
            assert!(wide.as_u64().unwrap() <= u64::from(width), "{name}: the page is {wide} wide, the window {width}");
        }
        for button in
            ["miss-next", "miss-previous", "page-up", "tag-up", "zoom-in", "timeline", "map", "take", "miss-play"]
        {
            visit.click(&format!("#{button}")).unwrap();
        }
        assert_eq!(visit.complaints(), [""; 0], "{name}");
        let outside = "performance.getEntriesByType('resource').map((entry) => entry.name)";
        assert_eq!(visit.evaluate(outside).unwrap(), json!([]), "{name} loads something");
    }
}

#[test]
fn it_shows_what_the_record_holds() {
    let Sample { record, .. } = &*MALTA;
    let visit = visit("malta-shown", record);
    check_shown(&visit, record, 7);
}

#[test]
fn it_shows_a_run_that_was_watched() {
    let workspace = Workspace::find(false).unwrap();
    let (machine, command) = (Machine::Malta, ["watched".to_owned()]);
    let wanted = Wanted { machine, faithful: false, clock: Clock::None, command: &command, until: Some(200) };
    let Watched { mut record, prepared, .. } = watch(&workspace, &wanted, &mut |_| ()).unwrap();
    let hit = record.misses.iter().find(|miss| miss.path == Path::Hit).unwrap().n;
    record.walk = Some(paths::miss(&workspace, machine, &prepared, &record, hit).unwrap());
    let visit = visit("malta-watched", &record);
    check_steps(&visit, &record);
    check_shown(&visit, &record, 13);
}

/// The page shows the totals, and all that is known of every so many misses.
fn check_shown(visit: &Visit, record: &Record, every: usize) {
    assert!(visit.text("#title").unwrap().contains(&record.program));
    for path in Path::ALL {
        let shown = visit.text(&format!("[data-path={}] [data-field=count]", json!(path).as_str().unwrap())).unwrap();
        let misses = record.misses.iter().filter(|miss| miss.path == path).count();
        assert_eq!(number(&shown) as usize, misses, "{}", path.title());
    }
    for miss in record.misses.iter().step_by(every) {
        let shown = visit.evaluate(&format!(
            "(aegis.select({}), Object.fromEntries([...document.querySelectorAll('#detail [data-field]')].map((fact) => [fact.dataset.field, fact.textContent])))",
            miss.n
        ));
        let shown = shown.unwrap();
        let shows = |field: &str, part: String| {
            let text = shown[field].as_str().unwrap_or_else(|| panic!("nothing is said of {field}"));
            assert!(text.contains(&part), "miss {}, {field}: `{text}` does not contain `{part}`", miss.n);
        };
        let address = |context: Option<u32>| context.map(|context| format!("{:#010x}", Mips32::va(context)));
        shows("pc", format!("{:#010x}", miss.pc));
        shows("address", format!("{:#010x}", miss.address));
        shows("context", format!("{:#010x}", miss.context));
        shows("environment", miss.environment.to_string());
        shows("path", miss.path.title().to_owned());
        shows("evicted", miss.evicted.as_ref().map_or("nothing".to_owned(), |entry| format!("entry {}", entry.index)));
        shows("loaded", miss.loaded.as_ref().map_or("nothing".to_owned(), |entry| format!("entry {}", entry.index)));
        shows("displaced", address(miss.displaced).unwrap_or("nobody".to_owned()));
        shows("dropped", address(miss.dropped).unwrap_or("nothing".to_owned()));
        shows("instructions", miss.instructions.map_or("never".to_owned(), grouped));
        shows("vector", format!("{:#010x}", miss.vector));
        // The crate in the page agrees with the run.
        assert_eq!(number(&visit.text("#slot-result").unwrap()), miss.slot);
        assert!(visit.text("#taken").unwrap().contains("the same slot"));
    }
    assert_eq!(visit.complaints(), [""; 0]);
}

#[test]
fn it_replays_the_tables() {
    for (name, sample) in [("malta-replayed", &*MALTA), ("decstation-replayed", &*DECSTATION)] {
        let visit = visit(name, &sample.record);
        let last = sample.tables.len();
        // Forwards, and back again.
        for n in (1..=last).step_by(23).chain([last, 1, last / 2]) {
            select(&visit, n as u32);
            let (stlb, tlb) = &sample.tables[n - 1];
            let state = visit.evaluate("aegis.tables()").unwrap();
            assert_eq!(state["stlb"], json!(stlb), "{name}, miss {n}");
            let mut shown: Vec<TlbEntry> = serde_json::from_value(state["tlb"].clone()).unwrap();
            shown.sort_by_key(|entry| entry.index);
            assert_eq!(&shown, tlb, "{name}, miss {n}");
            check_tlb(&visit, tlb);
            check_map(&visit, sample, n);
        }
        assert_eq!(visit.complaints(), [""; 0], "{name}");
    }
}

/// The table of the hardware TLB has these entries and no others.
fn check_tlb(visit: &Visit, tlb: &[TlbEntry]) {
    let rows = "[...document.querySelectorAll('#tlb tr[data-address]')].map((row) => ['index', 'environment', 'address'].map((name) => Number(row.dataset[name])))";
    let entries =
        tlb.iter().filter_map(|entry| entry.maps.as_ref().map(|maps| [entry.index, maps.environment, maps.address]));
    assert_eq!(visit.evaluate(rows).unwrap(), json!(entries.collect::<Vec<_>>()));
}

/// The map is coloured where a line stands and nowhere else, but for the slots that are marked.
fn check_map(visit: &Visit, sample: &Sample, n: usize) {
    let painted = "(async () => {
        await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
        const map = document.getElementById('map');
        const { width, height } = map;
        const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(map, 0, 0);
        const pixels = copy.getImageData(0, 0, width, height).data;
        const columns = 128, side = width / columns;
        const dark = (slot) => {
            let found = 0;
            const left = Math.floor(slot % columns * side), top = Math.floor(Math.floor(slot / columns) * side);
            for (let y = top + 2; y < top + side - 2; y += 1) for (let x = left + 2; x < left + side - 2; x += 1) {
                const at = (y * width + x) * 4;
                if (pixels[at] + pixels[at + 1] + pixels[at + 2] < 500) found += 1;
            }
            return found > side;
        };
        return Array.from({ length: 8192 }, (_, slot) => slot).filter(dark);
    })()";
    let painted: Vec<u32> = serde_json::from_value(visit.evaluate(painted).unwrap()).unwrap();
    let marked: Vec<u32> =
        sample.record.misses.iter().filter(|miss| miss.displaced.is_some()).map(|miss| miss.slot).collect();
    let near = |slot: u32| {
        // The box around the slot that is looked for reaches into those beside it.
        let target = sample.record.misses[n - 1].slot;
        (slot % 128).abs_diff(target % 128) <= 1 && (slot / 128).abs_diff(target / 128) <= 1
    };
    let free = |slot: &u32| !marked.contains(slot) && !near(*slot);
    let stlb = sample.tables[n - 1].0.iter().map(|entry| entry.place).filter(|&place| place < SLOTS as u32);
    let expected: Vec<u32> = stlb.filter(free).collect();
    assert_eq!(painted.into_iter().filter(free).collect::<Vec<_>>(), expected, "miss {n}");
}

#[test]
fn slots_equal_the_crates_for_a_thousand_random_inputs() {
    check_slots::<Mips32>("malta-slots", &MALTA.record);
    check_slots::<R3000>("decstation-slots", &DECSTATION.record);
}

/// Types random inputs into the form and reads what the page makes of them.
fn check_slots<G: Geometry>(name: &str, record: &Record) {
    let visit = visit(name, record);
    let tags = G::TAG_MASK >> G::TAG_MASK.trailing_zeros();
    let strategy = proptest::collection::vec((0..0x8000_0000u32, 0..=tags, 9..=13u32, 0..3u32), 1000);
    let inputs = strategy.new_tree(&mut TestRunner::default()).unwrap().current();
    let read = |inputs: &[(u32, u32, u32, u32)]| {
        let typed = json!(inputs.iter().map(|(va, tag, bits, hash)| (va, tag, 1 << bits, hash)).collect::<Vec<_>>());
        let script = format!(
            "{typed}.map(([address, tag, slots, hash]) => {{
                const set = (id, value) => {{ document.getElementById(id).value = value; }};
                set('address', '0x' + address.toString(16)); set('tag', tag); set('slots', slots); set('hash-kind', hash);
                document.getElementById('address').dispatchEvent(new Event('input', {{ bubbles: true }}));
                const bits = [...document.querySelectorAll('[data-row]:last-child .bit')].map((bit) => bit.textContent || '0').join('');
                return [document.getElementById('slot-result').textContent, bits, document.querySelector('[data-row=Context] .word-hex').textContent];
            }})"
        );
        visit.evaluate(&script).unwrap()
    };
    // In portions, none of which keeps the browser long.
    for inputs in inputs.chunks(50) {
        let shown: Vec<(String, String, String)> = serde_json::from_value(read(inputs)).unwrap();
        for (&(va, tag, bits, hash), (slot, row, context)) in inputs.iter().zip(&shown) {
            let what = format!("address {va:#x}, tag {tag:#x}, {} slots, hash {hash}", 1 << bits);
            let register = G::context(tag << G::TAG_MASK.trailing_zeros(), va);
            assert_eq!(context, &format!("{register:#010x}"), "{what}");
            let expected = expected::<G>(register, 1 << bits, hash);
            assert_eq!(number(slot), expected as u32, "{what}");
            // The thesis' hash ends with an offset, of entries of 8 bytes.
            let last = u32::from_str_radix(row, 2).unwrap() >> if hash == 1 { 3 } else { 0 };
            assert_eq!(last, expected as u32, "{what}: the bits");
        }
    }
    assert_eq!(visit.complaints(), [""; 0]);
}

/// The slot by the crate.
fn expected<G: Geometry>(context: u32, slots: usize, hash: u32) -> usize {
    match hash {
        0 => Mips32::slot_of(context, slots),
        1 => R3000::slot_of(context, slots),
        _ => (context >> G::VPN_SHIFT) as usize % slots,
    }
}

#[test]
fn another_table_shows_its_collisions() {
    let Sample { record, tables } = &*MALTA;
    let visit = visit("malta-what-if", record);
    let last = record.misses.len() as u32;
    select(&visit, last);
    let lines = tables.last().unwrap().0.iter().filter_map(|entry| entry.context).collect::<Vec<_>>();
    for (slots, hash) in [(512, 0), (512, 2), (8192, 2), (1024, 1)] {
        let script = format!(
            "(() => {{ for (const [id, value] of [['slots', {slots}], ['hash-kind', {hash}]]) {{
                document.getElementById(id).value = value;
                document.getElementById(id).dispatchEvent(new Event('input', {{ bubbles: true }}));
            }} }})()"
        );
        visit.evaluate(&script).unwrap();
        let mut taken: Vec<usize> = lines.iter().map(|&context| expected::<Mips32>(context, slots, hash)).collect();
        taken.sort_unstable();
        taken.dedup();
        let shown = visit.evaluate("Number(document.getElementById('map-collisions').dataset.collisions)").unwrap();
        assert_eq!(shown, json!(lines.len() - taken.len()), "{slots} slots, hash {hash}");
        assert_ne!(shown, json!(0), "{slots} slots, hash {hash}: this shows nothing");
    }
    visit.click("#map-back").unwrap();
    assert_eq!(visit.evaluate("document.getElementById('map-what-if').hidden").unwrap(), json!(true));
    assert_eq!(visit.complaints(), [""; 0]);
}

#[test]
fn it_steps_through_a_refill() {
    let record = &MALTA.record;
    let visit = visit("malta-steps", record);
    check_steps(&visit, record);
    // The refill is that of the miss that is shown first.
    let miss = record.walk.as_ref().unwrap().miss.unwrap();
    assert!(visit.text("#miss-number").unwrap().contains(&format!("Miss {miss} ")));
}

#[test]
fn it_steps_through_an_exception_alone() {
    let record = walks::exception();
    let visit = visit("exception", &record);
    check_steps(&visit, &record);
    let hidden =
        "[...document.querySelectorAll('[data-needs=misses]')].every((part) => part.getClientRects().length === 0)";
    assert_eq!(visit.evaluate(hidden).unwrap(), json!(true), "there are no misses to be shown");
}

#[test]
fn without_a_walk_there_is_no_stepper() {
    let visit = visit("decstation-no-walk", &DECSTATION.record);
    let hidden =
        "[...document.querySelectorAll('[data-needs=walk]')].every((part) => part.getClientRects().length === 0)";
    assert_eq!(visit.evaluate(hidden).unwrap(), json!(true));
    visit.press("ArrowRight").unwrap();
    assert!(visit.text("#miss-number").unwrap().starts_with("Miss 2 "), "arrow keys select a miss");
}

/// What the stepper shows.
const SHOWN: &str = "(() => {
    const text = (selector) => document.querySelector(selector).textContent;
    const values = (selector) => Object.fromEntries([...document.querySelectorAll(selector)].map((row) => [row.dataset.register, Number(row.dataset.value)]));
    return {
        text: text('#now-text'), listed: text('#listing .current .listing-text'), comment: text('#now-comment'),
        registers: values('#registers [data-register], #registers-more [data-register]'), changed: values('#registers [data-changed]'),
        cp0: values('#cp0 [data-register]'), 'cp0 changed': values('#cp0 [data-changed]'),
    };
})()";

/// Steps through all of it, by button and by key, and compares registers and coprocessor 0 at each step.
fn check_steps(visit: &Visit, record: &Record) {
    let walk = record.walk.as_ref().unwrap();
    let (mut registers, mut cp0) = (walk.registers.clone(), walk.cp0.clone());
    visit.evaluate("document.getElementById('walk').scrollIntoView()").unwrap();
    for (n, step) in walk.steps.iter().enumerate() {
        match n {
            0 => {}
            n if n % 2 == 0 => visit.click("#step-next").unwrap(),
            _ => visit.press("ArrowRight").unwrap(),
        }
        registers.extend(step.registers.clone());
        cp0.extend(step.cp0.clone());
        let comment = step.source.as_ref().and_then(|source| source.comment.clone());
        let expected = json!({
            "text": step.text, "listed": step.text, "comment": comment.unwrap_or_default(),
            "registers": registers, "changed": step.registers, "cp0": cp0, "cp0 changed": step.cp0,
        });
        assert_eq!(visit.evaluate(SHOWN).unwrap(), expected, "step {n}");
    }
    assert_eq!(visit.evaluate("document.getElementById('step-next').disabled").unwrap(), Value::Bool(true));
    visit.press("ArrowLeft").unwrap();
    assert_eq!(visit.text("#now-text").unwrap(), walk.steps[walk.steps.len() - 2].text);
    visit.click("#step-first").unwrap();
    assert_eq!(visit.text("#now-text").unwrap(), walk.steps[0].text);
    assert_eq!(visit.complaints(), [""; 0]);
}
