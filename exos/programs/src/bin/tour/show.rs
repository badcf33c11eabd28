//! Ways to show a number.

use core::fmt;

/// A number with its digits in groups of three.
pub struct Grouped(pub u32);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 4,294,967,295 has 13 characters.
        let mut text = [0; 13];
        let (mut at, mut rest, mut digits) = (text.len(), self.0, 0);
        loop {
            if digits != 0 && digits % 3 == 0 {
                at -= 1;
                text[at] = b',';
            }
            at -= 1;
            text[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            digits += 1;
            if rest == 0 {
                break;
            }
        }
        f.pad_integral(true, "", core::str::from_utf8(&text[at..]).unwrap_or("?"))
    }
}

/// Prints the heading of a section.
pub fn heading(number: u32, title: &str) {
    exos::println!();
    exos::println!("{number}. {title}");
    exos::println!();
}
