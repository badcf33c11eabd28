//! The page of `./x tlb --html` and of `./x trace`: one file that shows a run, with all that it needs in it.
//!
//! Its parts stand in `qemu/page/`. What computes there is the crate `stlb`, as WebAssembly (`stlb/web`).

use super::record::{Path, Record};
use crate::cargo::Workspace;
use anyhow::{Context, Result};
use data_encoding::BASE64;
use serde::Serialize;

/// The frame, with places for the parts: `{{part}}`.
const FRAME: &str = include_str!("../../page/page.html");
/// Looks.
const STYLES: [&str; 3] =
    [include_str!("../../page/page.css"), include_str!("../../page/parts.css"), include_str!("../../page/media.css")];
/// Behaviour: one module, in the order in which its parts use each other.
const SCRIPTS: [&str; 12] = [
    include_str!("../../page/stlb.js"),
    include_str!("../../page/words.js"),
    include_str!("../../page/registers.js"),
    include_str!("../../page/marks.js"),
    include_str!("../../page/replay.js"),
    include_str!("../../page/totals.js"),
    include_str!("../../page/timeline.js"),
    include_str!("../../page/slot.js"),
    include_str!("../../page/map.js"),
    include_str!("../../page/tlb.js"),
    include_str!("../../page/walk.js"),
    include_str!("../../page/main.js"),
];

/// Arguments with which cargo builds WebAssembly: `core` too, since not every toolchain brings it along.
pub const CARGO_ARGUMENTS: [&str; 5] = ["--profile", "page", "--target", "wasm32-unknown-unknown", "-Zbuild-std=core"];

/// What the page needs besides the record.
#[derive(Serialize)]
struct Needs {
    /// The crate `stlb-web`, in base64.
    wasm: String,
    /// Who answers misses, in the order in which they are tried.
    paths: Vec<PathTitle>,
}

/// A [`Path`] and how it is called.
#[derive(Serialize)]
struct PathTitle {
    path: Path,
    title: &'static str,
}

/// The page of a run: HTML that needs neither network nor server.
pub fn page(workspace: &Workspace, record: &Record) -> Result<String> {
    let paths = Path::ALL.map(|path| PathTitle { path, title: path.title() }).into();
    let needs = Needs { wasm: BASE64.encode(&build(workspace)?), paths };
    let parts = [
        ("title", escape(&title(record))),
        ("style", STYLES.concat()),
        ("script", SCRIPTS.concat()),
        ("needs", json(&needs)?),
        ("record", json(record)?),
    ];
    fill(FRAME, &parts)
}

fn title(record: &Record) -> String {
    match (&record.walk, record.misses.is_empty()) {
        (Some(walk), true) => format!("{} – {} on {}", walk.title, record.program, record.machine),
        _ => format!("TLB misses of {} on {}", record.program, record.machine),
    }
}

/// Compiles the crate `stlb` to WebAssembly.
fn build(workspace: &Workspace) -> Result<Vec<u8>> {
    const PACKAGE: &str = "stlb-web";
    let built = workspace.build(["build", "-p", PACKAGE].into_iter().chain(CARGO_ARGUMENTS), &[])?;
    let mut files = built.into_iter().filter(|built| built.package == PACKAGE).flat_map(|built| built.files);
    let file = files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    let file = file.with_context(|| format!("the package {PACKAGE} has made no WebAssembly"))?;
    std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// JSON that may stand in a `script` element: nothing in it looks like the element's end.
fn json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

/// Text that may stand in an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Puts the parts in their places. What looks like a place within a part stays as it is.
fn fill(frame: &str, parts: &[(&str, String)]) -> Result<String> {
    let mut pieces = frame.split("{{");
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").context("a place in the page's frame has no end")?;
        let part = parts.iter().find(|(part, _)| *part == name);
        filled += &part.with_context(|| format!("the page's frame has a place for `{name}`, which is unknown"))?.1;
        filled += rest;
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_in_their_places_and_nowhere_else() {
        let parts = [("a", "{{b}}".to_owned()), ("b", "2".to_owned())];
        assert_eq!(fill("<{{a}}|{{b}}>", &parts).unwrap(), "<{{b}}|2>");
        assert!(fill("{{c}}", &parts).is_err() && fill("{{a", &parts).is_err());
    }

    #[test]
    fn no_text_ends_the_element_that_it_stands_in() {
        let text = json(&"</script><!-- & \"").unwrap();
        assert!(!text.contains('<'));
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "</script><!-- & \"");
        assert_eq!(escape("</title> & <b>"), "&lt;/title&gt; &amp; &lt;b&gt;");
    }

    #[test]
    fn the_frame_has_a_place_for_each_part() {
        for part in ["title", "style", "script", "needs", "record"] {
            assert_eq!(FRAME.matches(&format!("{{{{{part}}}}}")).count(), 1, "{part}");
        }
    }
}
