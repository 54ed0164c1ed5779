//! The rules of ARCHITECTURE.md and CONTRIBUTING.md that a program can check.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate of the workspace may use of the others: the arrows, all one way.
const ARROWS: [(&str, &[&str]); 24] = [
    ("xenstore/wire", &[]),
    ("xenstore/bucket", &[]),
    ("xenstore/store", &["xenstore-wire", "xenstore-bucket"]),
    ("xenstore/hypervisor", &["xenstore-wire", "xenstore-store"]),
    ("xenstore/client", &["xenstore-wire"]),
    ("xenstore/server", &["xenstore-wire", "xenstore-store", "xenstore-hypervisor", "restrict"]),
    ("vncterm/font", &[]),
    ("vncterm/screen", &[]),
    ("vncterm/rfb", &[]),
    ("vncterm/control", &[]),
    ("vncterm/launch", &["vncterm-control", "restrict", "xenstore-wire"]),
    (
        "vncterm/server",
        &[
            "vncterm-font",
            "vncterm-screen",
            "vncterm-rfb",
            "vncterm-control",
            "vncterm-launch",
            "restrict",
            "xenstore-wire",
        ],
    ),
    ("restrict", &[]),
    ("agent/model", &[]),
    ("agent/nic", &[]),
    ("agent/link", &["xenwarden-nic"]),
    (
        "agent/daemon",
        &[
            "xenwarden-model",
            "xenwarden-nic",
            "xenwarden-link",
            "xenstore-client",
            "xenstore-wire",
            "xenstore-bucket",
            "vncterm-control",
            "vncterm-launch",
            "restrict",
        ],
    ),
    ("agent/cli", &["xenwarden-model", "xenstore-client", "xenstore-wire"]),
    ("agent/device-model", &["restrict"]),
    ("agent/api", &["xenwarden-model", "restrict"]),
    ("agent/login", &[]),
    // Black-box tests know the programs by their sockets; the font, to read pixels. The bench starts
    // converters as the agent does.
    ("tests", &["vncterm-font", "vncterm-control", "vncterm-launch", "restrict"]),
    (
        "tests/fuzz",
        &["vncterm-screen", "vncterm-rfb", "vncterm-font", "xenstored", "xenstore-wire"],
    ),
    ("tests/xenlab", &["acceptance"]),
];

/// Crates that do no input and output: the compiler holds them to it. (The model does none either,
/// but its derives want std.)
const PURE: [&str; 8] = [
    "xenstore/wire",
    "xenstore/bucket",
    "xenstore/store",
    "vncterm/font",
    "vncterm/screen",
    "vncterm/rfb",
    "vncterm/control",
    "agent/nic",
];

/// Lines of a file before its tests: more can't be held in the head.
const LINES_MAX: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the workspace")
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder is read") {
        let path = entry.expect("an entry is read").path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn every_source() -> BTreeMap<PathBuf, String> {
    let mut found = Vec::new();
    for (folder, _) in ARROWS {
        sources(&root().join(folder), &mut found);
    }
    assert!(found.len() > 200, "only {} sources were found", found.len());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source is read");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

#[test]
fn every_crate_is_listed_with_its_arrows() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace is read");
    let members = manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once("\n]"));
    let members: Vec<&str> = members
        .expect("the workspace lists its members")
        .0
        .lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.split_once('"'))
        .map(|(member, _)| member)
        .collect();
    let listed = ARROWS.map(|(folder, _)| folder);
    assert_eq!(listed.len(), members.len());
    for member in members {
        assert!(listed.contains(&member), "{member} has no arrows");
    }
}

#[test]
fn arrows_between_crates_point_one_way() {
    let prefixes = ["xenstore", "vncterm", "xenwarden", "restrict"];
    for (folder, allowed) in ARROWS {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).expect("read");
        let dependencies = manifest.lines().filter_map(|line| line.split_once(".workspace"));
        for (name, _) in
            dependencies.filter(|(name, _)| prefixes.iter().any(|p| name.starts_with(p)))
        {
            assert!(allowed.contains(&name), "{folder} may not use {name}");
        }
    }
}

#[test]
fn pure_crates_cannot_do_input_and_output() {
    for folder in PURE {
        let library = fs::read_to_string(root().join(folder).join("src/lib.rs")).expect("read");
        assert!(library.contains("#![no_std]"), "{folder} is not no_std");
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for (path, text) in every_source() {
        assert!(text.starts_with("//! "), "{} does not begin with //!", path.display());
    }
}

#[test]
fn no_file_outgrows_the_head() {
    let is_test = |path: &Path| path.ends_with("tests.rs");
    for (path, text) in every_source().into_iter().filter(|(path, _)| !is_test(path)) {
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        assert!(lines <= LINES_MAX, "{}: {lines} lines before its tests", path.display());
    }
}

#[test]
fn nothing_unfinished_lands() {
    // Put together, so that this file does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["HA", "CK"]].map(|word| word.concat());
    for (path, text) in every_source() {
        for (number, line) in (1..).zip(text.lines()) {
            let found = line
                .split(|c: char| !c.is_ascii_alphanumeric())
                .find(|word| words.iter().any(|unfinished| unfinished == word));
            assert_eq!(found, None, "{}:{number}", path.display());
        }
    }
}

#[test]
fn unsafe_is_allowed_file_by_file_with_a_reason() {
    for (path, text) in every_source() {
        let allows = text.contains("allow(unsafe_code");
        assert!(!allows || text.contains("allow(unsafe_code, reason = "), "{}", path.display());
    }
}
