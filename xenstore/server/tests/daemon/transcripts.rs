//! Plays the store's transcripts over the socket: what they say holds for the whole program.
//!
//! How they are written is told in `xenstore/store/tests/laws/transcripts.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::process::Process;
use crate::users::{BASE, connect_as};

#[test]
fn every_transcript_goes_over_the_socket_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/transcripts");
    let mut played = 0;
    for entry in fs::read_dir(&folder).expect("the folder of transcripts") {
        let path = entry.expect("an entry of the folder").path();
        let text = fs::read_to_string(&path).expect("a transcript");
        play(&path.file_name().expect("a name").to_string_lossy(), &text);
        played += 1;
    }
    assert!(played >= 8, "transcripts are missing from {}", folder.display());
}

fn play(file: &str, text: &str) {
    let server = Process::start(&["--uid-range", &BASE.to_string()]);
    let mut clients: BTreeMap<String, Client> = BTreeMap::new();
    let mut asked = String::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if let Some((who, request)) = line.split_once(" > ") {
            let (who, transaction) = who.split_once(' ').unwrap_or((who, "[0]"));
            let transaction = transaction.trim_matches(['[', ']']);
            let (operation, payload) = request.split_once(' ').unwrap_or((request, ""));
            who.clone_into(&mut asked);
            let client = connected(&mut clients, &server, who);
            client.send(&format!("{operation}@{transaction} {payload}"));
        } else if let Some(reply) = line.strip_prefix("< ") {
            assert_eq!(connected(&mut clients, &server, &asked).heard().1, reply, "{place}");
        } else if let Some((who, event)) =
            line.strip_prefix("! ").and_then(|notice| notice.split_once(' '))
        {
            assert_eq!(connected(&mut clients, &server, who).heard().1, event, "{place}");
        }
    }
    // Nobody has heard more than was written: the next thing to come is an answer.
    for (who, client) in &mut clients {
        if who != "dom7" {
            assert_eq!(client.ask("GET_DOMAIN_PATH 0|"), "/local/domain/0|", "{file}: {who}");
        }
    }
}

/// The client of a name: `dom0.any` is root, `dom5.any` a user that is domain 5.
fn connected<'a>(
    clients: &'a mut BTreeMap<String, Client>,
    server: &Process,
    who: &str,
) -> &'a mut Client {
    clients.entry(who.to_owned()).or_insert_with(|| {
        let number = who.trim_start_matches("dom").split('.').next().unwrap_or_default();
        match number.parse().expect("callers are called dom<number>") {
            0 => server.connect(),
            domain => connect_as(BASE + domain, &server.socket()),
        }
    })
}
