//! CONTROL: what dom0 may ask of the daemon itself.
//!
//! Only what needs nothing but the store is here.

use alloc::vec::Vec;

use xenstore_wire::Reply;

use super::{Answer, Done, Store};
use crate::connection::ConnectionId;
use crate::refusal::Refusal;

const COMMANDS: &str = "Supported commands:\n\tcheck\n\thelp\n";

impl Store {
    pub(super) fn control(&self, from: ConnectionId, words: &[Vec<u8>]) -> Done {
        self.require_dom0(from)?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let text = match words.as_slice() {
            [b"check"] if self.tree.is_consistent() => "OK",
            [b"check"] => return Err(Refusal::Inconsistent),
            [b"help"] => COMMANDS,
            _ => return Err(Refusal::NoCommand),
        };
        Ok(Answer::of(Reply::Text(text.as_bytes().to_vec())))
    }
}
