//! CONTROL: what dom0 may ask of the daemon itself.
//!
//! Only what needs nothing but the store is here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use xenstore_wire::{DomainId, Reply};

use super::{Answer, Done, Store};
use crate::connection::ConnectionId;
use crate::quota::{Quota, QuotaName};
use crate::refusal::Refusal;

const COMMANDS: &str = "\
Supported commands:
\tcheck
\thelp
\tquota [<domid> | set <name> <value>]
\tquota-soft [set <name> <value>]
";

fn text(text: String) -> Answer {
    Answer::of(Reply::Text(text.into_bytes()))
}

fn settings(quota: &Quota) -> String {
    let lines = QuotaName::ALL.iter().map(|name| setting(quota, *name));
    lines.fold(String::from("Quota settings:\n"), |all, line| all + &line)
}

fn setting(quota: &Quota, name: QuotaName) -> String {
    format!("{:<20}: {:>8} {}\n", name.name(), quota.get(name), name.words())
}

/// A value as CONTROL is given it, which may be more than a quota holds.
fn number(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.parse().ok()
}

impl Store {
    pub(super) fn control(&mut self, from: ConnectionId, words: &[Vec<u8>]) -> Done {
        self.require_dom0(from)?;
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let text = match words.as_slice() {
            [b"check"] if self.tree.is_consistent() => "OK",
            [b"check"] => return Err(Refusal::Inconsistent),
            [b"help"] => COMMANDS,
            [b"quota"] => return Ok(text(settings(&self.limits.quota))),
            [b"quota-soft"] => return Ok(text(setting(&self.limits.quota, QuotaName::SoftMemory))),
            [b"quota", domain] => return self.control_usage(domain),
            [b"quota" | b"quota-soft", b"set", name, value] => {
                // C xenstored calls the soft limit by the name of the hard one.
                let name = match (words.first(), *name) {
                    (Some(&b"quota-soft"), b"memory") => QuotaName::SoftMemory.name().as_bytes(),
                    (_, name) => name,
                };
                let value = number(value).ok_or(Refusal::NoCommand)?;
                self.set_quota(from, None, name, value)?;
                "OK"
            }
            _ => return Err(Refusal::NoCommand),
        };
        Ok(Answer::of(Reply::Text(text.as_bytes().to_vec())))
    }

    /// What a domain holds, beside what it may hold.
    fn control_usage(&self, domain: &[u8]) -> Done {
        let domain = DomainId::parse(domain).map_err(|_| Refusal::NoDomain)?;
        let usage = self.usage(domain).ok_or(Refusal::NoDomain)?;
        let lines = usage
            .iter()
            .map(|(name, held, max)| format!("{:<20}: {held:>8} of {max}\n", name.name()));
        Ok(text(format!("Domain {domain}:\n{}", lines.collect::<String>())))
    }
}
