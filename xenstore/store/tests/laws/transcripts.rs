//! Plays every transcript of `tests/transcripts`.
//!
//! A transcript is prose, and between it dialogue: `who > OPERATION payload`, where `|` is a NUL and
//! `who [7] >` asks within transaction 7; then one line `< reply`, an error by its name; then a line
//! `! who name|token|` for each event, and no others come.

use std::fs;
use std::path::Path;

use xenstore_store::Limits;

use crate::dialogue::{Dialogue, Heard};

#[test]
fn every_transcript_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of transcripts")
        .map(|entry| entry.expect("an entry of the folder").path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "transcripts are missing from {}", folder.display());
    for file in files {
        let text = fs::read_to_string(&file).expect("a transcript");
        play(&file.file_name().expect("a name").to_string_lossy(), &text);
    }
}

fn play(file: &str, text: &str) {
    let mut dialogue = Dialogue::new(Limits::default());
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let Some((who, request)) = line.split_once(" > ") else {
            assert!(!line.starts_with(['<', '!']), "{file}:{}: nobody asked", number + 1);
            continue;
        };
        let (who, transaction) = match who.split_once(' ') {
            Some((who, id)) => (who, id.trim_matches(['[', ']']).parse().expect("[number]")),
            None => (who, 0),
        };
        let mut expected = Heard { reply: String::new(), notices: vec![] };
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with(['<', '!'])) {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("<", reply) => expected.reply = reply.to_owned(),
                (_, notice) => expected.notices.push(notice.to_owned()),
            }
        }
        let heard = dialogue.say_in(who, transaction, request);
        assert_eq!(heard, expected, "{file}:{}: {line}", number + 1);
    }
    assert_eq!(dialogue.reply("dom0", "CONTROL check|"), "OK|", "{file}: afterwards");
}
