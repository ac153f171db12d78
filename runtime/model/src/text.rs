//! Text within a message of ours: numbers, and what a stranger wrote.

/// Stands for what was left out.
const CUT: char = '…';

/// A number with commas between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As much of a text as a message has room for, at most so many bytes, and
/// nothing that a terminal would act upon. Escape sequences and marks that
/// turn the direction of writing are shown as `\u{1b}`; line breaks and tabs
/// stay. Where it is cut, it ends in `…`.
pub fn excerpt(text: &str, bytes_max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(bytes_max));
    // Where it ends if the rest does not fit.
    let mut end = 0;
    for character in text.chars() {
        match acts(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
        if shown.len() > bytes_max {
            shown.truncate(end);
            shown.push(CUT);
            break;
        }
        if shown.len() + CUT.len_utf8() <= bytes_max {
            end = shown.len();
        }
    }
    shown
}

/// Whether a terminal acts on it instead of showing it.
fn acts(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => character.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (10_000_000, "10,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn an_excerpt_is_short_and_does_nothing() {
        for (text, bytes, shown) in [
            ("", 5, ""),
            ("abcde", 5, "abcde"),
            ("abcdef", 5, "ab…"),
            ("aüüü", 6, "aü…"),
            ("abc", 3, "abc"),
            ("abcd", 3, "…"),
            ("two\n\tlines", 20, "two\n\tlines"),
            ("\u{1b}[2J", 20, "\\u{1b}[2J"),
            ("a\r\0\u{9b}", 40, "a\\u{d}\\u{0}\\u{9b}"),
            ("a\u{202e}b", 20, "a\\u{202e}b"),
            // What is written out counts as it is written.
            ("\0\0\0\0", 15, "\\u{0}\\u{0}…"),
        ] {
            assert_eq!(excerpt(text, bytes), shown, "{text:?}");
        }
    }
}
