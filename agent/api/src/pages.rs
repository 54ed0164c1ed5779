//! The browser's page: its files, as they were made when this was built, and the policy that they
//! run under.
//!
//! Without them it says what is missing. Nothing here depends on who asks.

use uuid::Uuid;

use crate::http::{NOT_FOUND, OK, Reply};

/// Name, kind and bytes of each file.
static FILES: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// The file at /.
const INDEX: &str = "index.html";
/// What stands in it for the nonce of the style elements that xterm.js makes.
const NONCE: &str = "@NONCE@";

/// The reply to a GET of a path.
pub(crate) fn page(path: &str) -> Reply {
    let name = match path {
        "/" => INDEX,
        other => other.strip_prefix('/').unwrap_or_default(),
    };
    match FILES.iter().find(|(known, _, _)| *known == name) {
        Some((INDEX, kind, bytes)) => index(kind, bytes),
        Some((_, kind, bytes)) => guarded(file(kind, bytes.to_vec())),
        None if name == INDEX => missing(),
        None => Reply::error(NOT_FOUND, "There is nothing here."),
    }
}

/// The page itself: only this host's files run in it, and it runs in no frame.
fn index(kind: &'static str, bytes: &[u8]) -> Reply {
    let nonce = Uuid::new_v4().simple().to_string();
    let text = String::from_utf8_lossy(bytes).replace(NONCE, &nonce);
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    );
    guarded(file(kind, text.into_bytes())).with("Content-Security-Policy", policy)
}

fn missing() -> Reply {
    let text = "This is xenwarden's network front. It serves the Management API (XML-RPC at /, JSON-RPC at \
                /jsonrpc) and consoles (CONNECT or WebSocket at /console). The page for browsers is missing: it \
                was built without the files of `make web`.\n";
    file("text/plain; charset=utf-8", text.into())
}

fn file(kind: &'static str, body: Vec<u8>) -> Reply {
    Reply { status: OK, kind, headers: Vec::new(), body }
}

fn guarded(reply: Reply) -> Reply {
    reply
        .with("X-Content-Type-Options", "nosniff")
        .with("Referrer-Policy", "no-referrer")
        .with("Cross-Origin-Opener-Policy", "same-origin")
        .with("Cross-Origin-Resource-Policy", "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_runs_nothing_but_this_hosts_files_and_each_time_with_another_nonce() {
        let one = index("text/html", b"<meta nonce=\"@NONCE@\">");
        let other = index("text/html", b"<meta nonce=\"@NONCE@\">");
        let policy = |reply: &Reply| {
            let found = reply.headers.iter().find(|(name, _)| *name == "Content-Security-Policy");
            found.unwrap().1.clone()
        };
        assert!(!policy(&one).contains("unsafe") && policy(&one) != policy(&other));
        let text = String::from_utf8(one.body.clone()).unwrap();
        let nonce = text.split('"').nth(1).unwrap();
        assert!(nonce.len() == 32 && policy(&one).contains(&format!("'nonce-{nonce}'")), "{text}");
    }

    #[test]
    fn there_is_an_answer_at_the_root_with_and_without_the_page_and_nowhere_else() {
        assert_eq!(page("/").status, OK);
        assert_eq!(missing().status, OK);
        for path in ["/index.html/..", "/app", "//", "/../Cargo.toml", "/page.rs"] {
            assert_eq!(page(path).status, NOT_FOUND, "{path}");
        }
    }
}
