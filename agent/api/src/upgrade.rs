//! The handshake of a WebSocket (RFC 6455, 4.2): who may have one, and what it is told.
//!
//! Pure. Whether the console can be had is not known here.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1_smol::Sha1;

use crate::head::Head;
use crate::http::{BAD_REQUEST, FORBIDDEN, Reply, UPGRADE_REQUIRED};

/// What every server appends to a client's key (RFC 6455, 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of a client's key, decoded.
const KEY_BYTES: usize = 16;
/// The one version that there is.
const VERSION: &str = "13";

/// What the messages of a WebSocket are, beyond bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subprotocol {
    /// The client asked for none.
    None,
    /// What clients of the Management API ask for: bytes.
    Binary,
    /// The page's: bytes as well, and a console that is refused closes with the reason, as scripts
    /// never see a refused handshake's.
    Page,
}

impl Subprotocol {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Binary => Some("binary"),
            Self::Page => Some("console.xenwarden"),
        }
    }
}

/// A handshake that is good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    accept: String,
    pub(crate) subprotocol: Subprotocol,
}

impl Upgrade {
    /// Reads a GET's head. `own` and `others` are hosts whose pages may open consoles.
    pub(crate) fn read(head: &Head, own: &[&str], others: &[String]) -> Result<Self, Box<Reply>> {
        let refuse = |status, why| Err(Box::new(Reply::error(status, why)));
        let says = |name, word: &str| {
            let mut words = head.headers(name).flat_map(|value| value.split(','));
            words.any(|said| said.trim().eq_ignore_ascii_case(word))
        };
        if !(head.is_1_1 && says("upgrade", "websocket") && says("connection", "upgrade")) {
            let why = "A console is opened by CONNECT or as a WebSocket.";
            let reply = Reply::error(UPGRADE_REQUIRED, why).with("Upgrade", "websocket");
            return Err(Box::new(reply.with("Sec-WebSocket-Version", VERSION)));
        }
        if head.header("sec-websocket-version") != Some(VERSION) {
            let reply = Reply::error(UPGRADE_REQUIRED, "This version of WebSocket is unknown.");
            let reply = reply.with("Upgrade", "websocket");
            return Err(Box::new(reply.with("Sec-WebSocket-Version", VERSION)));
        }
        let mut keys = head.headers("sec-websocket-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return refuse(BAD_REQUEST, "A WebSocket has one key.");
        };
        if BASE64_STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != KEY_BYTES {
            return refuse(BAD_REQUEST, "A WebSocket's key has 16 bytes.");
        }
        let mut origins = head.headers("origin");
        let known = |origin: &str| is_known(origin, own, others);
        if !origins.all(known) {
            return refuse(FORBIDDEN, "Pages of that origin open no consoles here.");
        }
        let subprotocol = [Subprotocol::Page, Subprotocol::Binary]
            .into_iter()
            .find(|known| known.name().is_some_and(|name| says("sec-websocket-protocol", name)));
        let hash = Sha1::from(format!("{key}{GUID}")).digest().bytes();
        let accept = BASE64_STANDARD.encode(hash);
        Ok(Self { accept, subprotocol: subprotocol.unwrap_or(Subprotocol::None) })
    }

    /// What a client is told whose WebSocket begins.
    pub(crate) fn response(&self) -> String {
        let subprotocol = self.subprotocol.name();
        let subprotocol = subprotocol
            .map_or_else(String::new, |name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
            self.accept
        )
    }
}

/// Whether an origin is this host, called as the client calls it, or one that the configuration
/// lists.
fn is_known(origin: &str, own: &[&str], others: &[String]) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    // 443 is the port that nobody writes.
    let same = |known: &str| {
        let plain = |host: &str| host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase();
        plain(known) == plain(host)
    };
    (scheme == "https" && own.iter().any(|known| same(known)))
        || others.iter().any(|known| same(known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Parsed;

    const HEAD: &str = "GET /console?uuid=x HTTP/1.1
Host: h:8443
Upgrade: WebSocket
Connection: keep-alive, Upgrade
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
";

    fn read(text: &str) -> Result<Upgrade, u16> {
        let text = format!("{}\r\n", text.replace('\n', "\r\n"));
        let Parsed::Whole(head, _) = Head::parse(text.as_bytes()) else { panic!("{text}") };
        let own = [head.header("host").unwrap_or_default()];
        let others = ["console.example".to_owned()];
        Upgrade::read(&head, &own, &others).map_err(|reply| reply.status.0)
    }

    #[test]
    fn the_rfcs_own_example_gets_its_answer() {
        let response = read(HEAD).unwrap().response();
        assert!(response.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(!response.contains("Sec-WebSocket-Protocol"), "{response}");
    }

    #[test]
    fn a_subprotocol_is_named_only_when_it_was_asked_for() {
        let of = |asked: &str| {
            let text = format!("{HEAD}Sec-WebSocket-Protocol: {asked}\n");
            read(&text).unwrap().subprotocol
        };
        assert_eq!(of("binary"), Subprotocol::Binary);
        assert_eq!(of("base64, binary"), Subprotocol::Binary);
        assert_eq!(of("base64"), Subprotocol::None);
        assert_eq!(of("binary, console.xenwarden"), Subprotocol::Page);
    }

    #[test]
    fn only_own_and_listed_pages_open_consoles() {
        let of = |origin: &str| read(&format!("{HEAD}Origin: {origin}\n")).map(drop);
        for origin in [
            "https://h:8443",
            "https://H:8443",
            "http://console.example",
            "https://console.example:443",
        ] {
            assert_eq!(of(origin), Ok(()), "{origin}");
        }
        for origin in [
            "https://h",
            "http://h:8443",
            "https://h:8443.evil.example",
            "null",
            "",
            "https://evil.example",
        ] {
            assert_eq!(of(origin), Err(403), "{origin}");
        }
    }

    #[test]
    fn what_is_no_handshake_gets_its_own_error() {
        let without = |line: &str| HEAD.replace(line, "");
        for (expected, text) in [
            (426, without("Upgrade: WebSocket\n")),
            (426, without("Connection: keep-alive, Upgrade\n")),
            (426, HEAD.replace("HTTP/1.1", "HTTP/1.0")),
            (426, HEAD.replace("Version: 13", "Version: 8")),
            (426, without("Sec-WebSocket-Version: 13\n")),
            (400, without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n")),
            (400, HEAD.replace("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=")),
            (400, format!("{HEAD}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n")),
        ] {
            assert_eq!(read(&text), Err(expected), "{text}");
        }
    }
}
