//! CONTROL: what dom0 may ask of the daemon itself.
//!
//! Only what needs nothing but the store is here.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use xenstore_bucket::Rates;
use xenstore_wire::{DomainId, PAYLOAD_MAX, Reply};

use super::{Answer, Done, Store};
use crate::connection::ConnectionId;
use crate::quota::{Quota, QuotaName};
use crate::refusal::Refusal;

const COMMANDS: &str = "\
Supported commands:
\tcheck
\thelp
\tlive-update -f <program> | -c <options> | -s [-t <seconds>] [-F] | -a
\tlog [on | off | +io | -io]
\tquota [<domid> | set <name> <value>]
\tquota-soft [set <name> <value>]
\trate [<domid> | set <name> <value>]
\tmemreport
\tprint <words>
";

/// What the rates are called, as on the command line.
const OPERATIONS: &str = "operations-per-second";
const BURST: &str = "burst";
const TRANSACTION_COST: &str = "transaction-cost";

/// Whether a command of CONTROL's is for the process that has the store, rather than for the store.
pub(super) fn is_about_the_process(words: &[Vec<u8>]) -> bool {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    matches!(words.as_slice(), [b"live-update" | b"log" | b"logfile", ..] | [b"memreport", _])
}

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

fn rates(rates: Rates) -> String {
    let lines = [
        (OPERATIONS, rates.operations_per_second(), "tokens that come in a second"),
        (BURST, rates.burst(), "tokens that can be saved up"),
        (TRANSACTION_COST, rates.transaction_cost(), "tokens that opening a transaction takes"),
    ];
    let lines = lines.map(|(name, value, words)| format!("{name:<21}: {value:>8} {words}\n"));
    lines.concat()
}

/// A value as CONTROL is given it, which may be more than a quota holds.
fn number(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.parse().ok()
}

impl Store {
    pub(super) fn control(&mut self, from: ConnectionId, words: &[Vec<u8>], now: Duration) -> Done {
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
            [b"rate"] => return Ok(text(rates(self.limits.rates))),
            [b"rate", domain] => return self.control_spent(domain),
            [b"rate", b"set", name, value] => {
                let value = number(value).ok_or(Refusal::NoCommand)?;
                self.set_rate(name, value, now)?;
                "OK"
            }
            [b"memreport"] => return Ok(text(self.report())),
            // Whoever keeps the log writes it there.
            [b"print", _] => "OK",
            _ => return Err(Refusal::NoCommand),
        };
        Ok(Answer::of(Reply::Text(text.as_bytes().to_vec())))
    }

    /// What a domain has paid, and dom0 would have, since the store's process began.
    fn control_spent(&self, domain: &[u8]) -> Done {
        let spent = match DomainId::parse(domain).map_err(|_| Refusal::NoDomain)? {
            DomainId::DOM0 => self.unpaid,
            domain => self.domains.get(&domain).ok_or(Refusal::NoDomain)?.budget.spent(),
        };
        let lines = [(spent.tokens, "tokens were taken"), (spent.waits, "requests had to wait")];
        Ok(text(lines.map(|(count, words)| format!("{count:>12} {words}\n")).concat()))
    }

    /// Changes one of the rates, for every domain: those who wait may ask again.
    fn set_rate(&mut self, name: &[u8], value: u32, now: Duration) -> Result<(), Refusal> {
        let old = self.limits.rates;
        let (mut operations, mut burst, mut cost) =
            (old.operations_per_second().get(), old.burst().get(), old.transaction_cost().get());
        match name {
            name if name == OPERATIONS.as_bytes() => operations = value,
            name if name == BURST.as_bytes() => burst = value,
            name if name == TRANSACTION_COST.as_bytes() => cost = value,
            _ => return Err(Refusal::NoCommand),
        }
        let rates = Rates::new(operations, burst, cost).map_err(|_| Refusal::NoCommand)?;
        self.limits.rates = rates;
        self.note_limits();
        self.journal.spenders.extend(self.domains.keys());
        for known in self.domains.values_mut() {
            known.budget.set_rates(rates, now);
        }
        Ok(())
    }

    /// What is held in all, and by each domain.
    fn report(&self) -> String {
        let watches: usize =
            self.connections.values().map(|connection| connection.watches.len()).sum();
        let head = format!(
            "{} domains, {} connections, {watches} watches\n{:>6} {:>9} {:>11}\n",
            self.domains.len(),
            self.connections.len(),
            "domain",
            "nodes",
            "bytes"
        );
        let all = core::iter::once(&DomainId::DOM0).chain(self.domains.keys());
        all.fold(head, |report, domain| {
            let (nodes, bytes) = (self.tree.owned_by(*domain), self.tree.bytes_of(*domain));
            let line = format!("{domain:>6} {nodes:>9} {bytes:>11}\n");
            // What fits one reply: the first few hundred domains.
            if report.len() + line.len() < PAYLOAD_MAX { report + &line } else { report }
        })
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
