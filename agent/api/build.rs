//! Finds the page's files that `make web` has made, for the front to embed; none of them is no error.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The page's files, and what browsers are told that they are.
const FILES: [(&str, &str); 3] = [
    ("index.html", "text/html; charset=utf-8"),
    ("app.js", "text/javascript; charset=utf-8"),
    ("app.css", "text/css; charset=utf-8"),
];

fn main() {
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../web/dist");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut table = String::from("&[\n");
    if FILES.iter().all(|(name, _)| folder.join(name).is_file()) {
        for (name, kind) in FILES {
            let path = fs::canonicalize(folder.join(name)).expect("it is there");
            writeln!(table, "({name:?}, {kind:?}, include_bytes!({path:?})),")
                .expect("a String takes all");
        }
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("page.rs"), table).expect("the output folder is ours");
}
