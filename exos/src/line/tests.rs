use super::*;
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

/// Types bytes; what is shown, and the line.
fn typed(bytes: &[u8]) -> (String, String) {
    let mut line = Line::new();
    let mut shown: String = bytes.iter().map(|&byte| line.push(byte).to_string()).collect();
    let (line, rest) = line.finish();
    shown.push_str(rest);
    (shown, line)
}

#[test]
fn a_character_is_shown_when_it_is_complete() {
    let mut line = Line::new();
    let shown: Vec<String> = "aé€😀".bytes().map(|byte| line.push(byte).to_string()).collect();
    assert_eq!(shown, ["a", "", "é", "", "", "€", "", "", "", "😀"]);
    assert_eq!(line.finish(), ("aé€😀".into(), ""));
}

#[test]
fn the_last_character_is_taken_back_as_a_whole() {
    let mut line = Line::new();
    for byte in "ué".bytes() {
        line.push(byte);
    }
    assert!(line.erase() && !line.is_empty());
    // One that has begun has not been shown yet.
    line.push(0xe2);
    assert!(!line.erase());
    assert!(line.erase() && line.is_empty() && !line.erase());
}

#[test]
fn what_is_no_utf8_is_replaced() {
    assert_eq!(typed(b"a\xffb").1, "a\u{fffd}b");
    assert_eq!(typed(b"\xe2\x82x").1, "\u{fffd}x");
    assert_eq!(typed(b"\xc3\xc3\xa9").1, "\u{fffd}é");
    assert_eq!(typed(b"a\xf0\x9f").1, "a\u{fffd}");
}

proptest! {
    #[test]
    fn text_comes_back_unchanged(text: String) {
        prop_assert_eq!(typed(text.as_bytes()), (text.clone(), text));
    }

    #[test]
    fn anything_else_comes_back_as_the_standard_library_has_it(bytes: Vec<u8>) {
        let expected = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert_eq!(typed(&bytes), (expected.clone(), expected));
    }
}
