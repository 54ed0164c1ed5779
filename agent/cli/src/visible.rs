//! Text that others chose (a guest's screen, a name), made safe to print on a terminal.
//!
//! Nothing is dropped without a trace: what can't be seen is written out.

use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What marks a text that was cut.
const CUT: &str = "...";

/// Characters for each column of a cell that may be kept: a base and two combining marks, so that
/// a stack of marks can't climb over the lines above it.
const CHARACTERS_A_COLUMN: usize = 3;

/// Characters that show nothing themselves but change how others are shown or ordered: Unicode's
/// format characters (general category Cf) and the two separators of lines and paragraphs.
const INVISIBLE: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Writes out control, format and bidirectional characters: `^[`, `<U+202E>`.
#[must_use]
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        push(&mut shown, character);
    }
    shown
}

/// [`visible`], line by line.
#[must_use]
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// [`visible`], and no wider than `columns` of a terminal.
#[must_use]
pub(crate) fn visible_within(text: &str, columns: usize) -> String {
    // What is kept can't be longer than this, however long the text is.
    let characters_max = columns.saturating_mul(CHARACTERS_A_COLUMN);
    let mut shown = String::new();
    let mut cut_at = 0;
    for (index, character) in text.chars().enumerate() {
        let before = shown.len();
        push(&mut shown, character);
        if shown.width() > columns || index >= characters_max {
            shown.truncate(cut_at);
            shown.push_str(CUT.get(..CUT.len().min(columns)).unwrap_or_default());
            return shown;
        }
        if shown.get(..before).unwrap_or_default().width() + CUT.len() <= columns {
            cut_at = before;
        }
    }
    shown
}

fn push(shown: &mut String, character: char) {
    match character {
        '\0'..='\x1f' => {
            shown.push('^');
            shown.extend(char::from_u32(u32::from(character) + 0x40));
        }
        '\x7f' => shown.push_str("^?"),
        _ if character.width().is_none() || is_invisible(character) => {
            // Writing to a String can't fail.
            let _ = write!(shown, "<U+{:04X}>", u32::from(character));
        }
        _ => shown.push(character),
    }
}

fn is_invisible(character: char) -> bool {
    INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_of_any_script_stays_as_it_is() {
        for text in ["web01 login: ", "Grüße", "日本語", "żółw ─┼─", "שלום"] {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(visible("\x1b]0;x\x07\r\n\t\0"), "^[]0;x^G^M^J^I^@");
        assert_eq!(visible("\x7f\u{9b}31m"), "^?<U+009B>31m");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(visible_lines("a: \x1b[2J\r\n\nb\n"), "a: ^[[2J^M\n\nb\n");
    }

    #[test]
    fn what_reorders_or_hides_text_is_written_out() {
        assert_eq!(visible("a\u{202e}b\u{2066}c"), "a<U+202E>b<U+2066>c");
        assert_eq!(
            visible("x\u{200b}y\u{feff}\u{ad}\u{e0041}"),
            "x<U+200B>y<U+FEFF><U+00AD><U+E0041>"
        );
    }

    #[test]
    fn no_character_leaves_the_text_as_a_control_character() {
        for number in 0..=0x0011_0000_u32 {
            if let Some(character) = char::from_u32(number) {
                assert!(
                    !visible(&character.to_string()).chars().any(char::is_control),
                    "{number:x}"
                );
            }
        }
    }

    #[test]
    fn a_text_that_fits_is_not_cut() {
        assert_eq!(visible_within("abcde", 5), "abcde");
        assert_eq!(visible_within("日本", 4), "日本");
        assert_eq!(visible_within("", 0), "");
    }

    #[test]
    fn a_cut_text_ends_in_dots_and_keeps_the_width() {
        assert_eq!(visible_within("abcdefgh", 6), "abc...");
        assert_eq!(visible_within("日本語日本語", 8), "日本...");
        assert_eq!(visible_within("abcdefgh", 2), "..");
        for columns in 0..20 {
            let shown = visible_within("ab\x1bc日\u{202e}本語defgh", columns);
            assert!(shown.width() <= columns, "{columns}: {shown}");
        }
    }

    #[test]
    fn a_tower_of_combining_marks_is_cut() {
        let tower = format!("a{}", "\u{301}".repeat(10_000));
        assert!(visible_within(&tower, 10).chars().count() <= 10 * CHARACTERS_A_COLUMN + CUT.len());
    }
}
