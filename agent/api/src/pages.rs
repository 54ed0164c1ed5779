//! What a GET is told: which version this is, and that there is no page here yet.

use crate::http::{NOT_FOUND, OK, Reply};

/// The reply to a GET of a path.
pub(crate) fn page(path: &str) -> Reply {
    match path {
        "/" => Reply {
            status: OK,
            kind: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body:
                b"This is xenwarden's network front. It serves the Management API (XML-RPC at /, \
                    JSON-RPC at /jsonrpc) and consoles (CONNECT /console); there is no page for \
                    browsers in it.\n"
                    .to_vec(),
        },
        _ => Reply::error(NOT_FOUND, "There is nothing here."),
    }
}
