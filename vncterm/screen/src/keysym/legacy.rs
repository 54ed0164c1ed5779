//! The keysyms that X11 numbered before Unicode, and the characters they stand for.
//!
//! From the X Window System Protocol, appendix A ("Keysym encoding"). Latin-1, whose keysyms are
//! its characters' numbers, and the keys that are no characters are not here.

/// Rows of consecutive keysyms: the first one's number and the characters from there on, a space
/// where a keysym is not used.
#[rustfmt::skip]
const ROWS: &[(u32, &[&str])] = &[
    // Latin 2
    (0x1a1, &[
        "Ą˘Ł ĽŚ  ŠŞŤŹ ŽŻ ą˛ł ľśˇ šşťź˝žżŔ  Ă ĹĆ Č Ę Ě  ĎĐŃŇ  Ő  ŘŮ Ű  Ţ ŕ  ă ĺć",
        " č ę ě  ďđńň  ő  řů ű  ţ˙",
    ]),
    // Latin 3
    (0x2a1, &[
        "Ħ    Ĥ  İ ĞĴ    ħ    ĥ  ı ğĵ        ĊĈ              Ġ  Ĝ    ŬŜ      ċĉ",
        "              ġ  ĝ    ŭŝ",
    ]),
    // Latin 4
    (0x3a2, &[
        "ĸŖ ĨĻ   ĒĢŦ      ŗ ĩļ   ēģŧŊ ŋĀ      Į    Ė  Ī ŅŌĶ     Ų   ŨŪ ā      į",
        "    ė  ī ņōķ     ų   ũū",
    ]),
    // Katakana
    (0x47e, &[
        "‾                                  。「」、・ヲァィゥェォャュョッーア",
        "イウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤ",
        "ユヨラリルレロワン゛゜",
    ]),
    // Cyrillic
    (0x6a1, &[
        "ђѓёєѕіїјљњћќґўџ№ЂЃЁЄЅІЇЈЉЊЋЌҐЎЏюабцдефгхийклмнопярстужвьызшэщчъЮАБЦДЕФ",
        "ГХИЙКЛМНОПЯРСТУЖВЬЫЗШЭЩЧЪ",
    ]),
    // Greek
    (0x7a1, &[
        "ΆΈΉΊΪ ΌΎΫ Ώ  ΅― άέήίϊΐόύϋΰώ     ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣ ΤΥΦΧΨΩ       αβγδεζ",
        "ηθικλμνξοπρσςτυφχψω",
    ]),
    // technical
    (0x8a1, &[
        "⎷┌─⌠⌡│⎡⎣⎤⎦⎛⎝⎞⎠⎨⎬           ≤≠≥∫∴∝∞  ∇  ∼≃   ⇔⇒≡      √   ⊂⊃∩∪∧∨       ",
        "        ∂      ƒ    ←↑→↓",
    ]),
    // line drawing
    (0x9e0, &["◆▒␉␌␍␊  ␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│"]),
    // publishing
    (0xaa1, &[
        "\u{2003}\u{2002}\u{2004}\u{2005}\u{2007}\u{2008}\u{2009}\u{200a}—– ␣ …",
        "‥⅓⅔⅕⅖⅗⅘⅙⅚℅  ‒〈.〉    ⅛⅜⅝⅞  ™☓ ◁▷○▯‘’“”℞‰′″ ✝ ▬◀▶●▮◦▫▭△▽☆•▪▲▼☜☞♣♦♥ ✠†‡",
        "✓✗♯♭♂♀☎⌕℗‸‚„",
    ]),
    // APL
    (0xba3, &[
        "<  > ∨∧                      ¯ ⊤∩⌊ _   ∘ ⎕ ⊥○   ⌈  ∪ ⊃ ⊂ ⊣            ",
        "                   ⊢",
    ]),
    // Latin 9
    (0x13bc, &["ŒœŸ"]),
];

/// Keysyms that follow Unicode's own order: first, last, and the first one's character.
const RUNS: &[(u32, u32, u32)] = &[
    // Arabic
    (0x5ac, 0x5ac, 0x60c),
    (0x5bb, 0x5bb, 0x61b),
    (0x5bf, 0x5bf, 0x61f),
    (0x5c1, 0x5da, 0x621),
    (0x5e0, 0x5f2, 0x640),
    // Hebrew
    (0xcdf, 0xcdf, 0x2017),
    (0xce0, 0xcfa, 0x5d0),
    // Thai
    (0xda1, 0xdda, 0xe01),
    (0xddf, 0xded, 0xe3f),
    (0xdf0, 0xdf9, 0xe50),
    // Hangul letters
    (0xea1, 0xed3, 0x3131),
    (0xed4, 0xeee, 0x11a8),
    (0xeff, 0xeff, 0x20a9),
    // Currency signs
    (0x20a0, 0x20ac, 0x20a0),
];

/// The character of a keysym from 0x100 to 0x20ff.
pub(super) fn legacy_character(keysym: u32) -> Option<char> {
    let in_run = RUNS.iter().find(|(first, last, _)| (*first..=*last).contains(&keysym));
    if let Some((first, _, character)) = in_run {
        return char::from_u32(character + (keysym - first));
    }
    ROWS.iter().find_map(|(first, texts)| {
        let place = usize::try_from(keysym.checked_sub(*first)?).ok()?;
        let character = texts.iter().flat_map(|text| text.chars()).nth(place)?;
        (character != ' ').then_some(character)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_of_each_row_is_right() {
        // Copied by hand from keysymdef.h: name, number, character.
        let samples = [
            ("Aogonek", 0x1a1, 'Ą'),
            ("abovedot", 0x1ff, '˙'),
            ("scaron", 0x1b9, 'š'),
            ("gbreve", 0x2bb, 'ğ'),
            ("emacron", 0x3ba, 'ē'),
            ("umacron", 0x3fe, 'ū'),
            ("overline", 0x47e, '‾'),
            ("kana_N", 0x4dd, 'ン'),
            ("semivoicedsound", 0x4df, '゜'),
            ("Arabic_hamza", 0x5c1, '\u{621}'),
            ("Cyrillic_io", 0x6a3, 'ё'),
            ("Cyrillic_yu", 0x6c0, 'ю'),
            ("Cyrillic_HARDSIGN", 0x6ff, 'Ъ'),
            ("Greek_ALPHAaccent", 0x7a1, 'Ά'),
            ("Greek_omega", 0x7f9, 'ω'),
            ("downarrow", 0x8fe, '↓'),
            ("vertbar", 0x9f8, '│'),
            ("doublelowquotemark", 0xafe, '„'),
            ("righttack", 0xbfc, '⊢'),
            ("hebrew_aleph", 0xce0, '\u{5d0}'),
            ("Thai_baht", 0xddf, '\u{e3f}'),
            ("Hangul_Kiyeog", 0xea1, 'ㄱ'),
            ("OE", 0x13bc, 'Œ'),
            ("EuroSign", 0x20ac, '€'),
        ];
        for (name, keysym, character) in samples {
            assert_eq!(legacy_character(keysym), Some(character), "{name}");
        }
    }

    #[test]
    fn unused_numbers_are_no_characters() {
        for keysym in [0x100, 0x1a0, 0x1a4, 0x200, 0x4a0, 0x7a6, 0x8a0, 0xbff, 0x13bf, 0x20ad] {
            assert_eq!(legacy_character(keysym), None, "{keysym:#x}");
        }
    }
}
