//! Slows wrong passwords down, address by address.
//!
//! Pure: the time is an argument. The table is bounded, and whoever fills it slows only what has
//! tried longest ago.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong passwords in a row that cost nothing: people mistype.
const FREE: u32 = 3;
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// An address is forgotten after so long without a wrong password.
const FORGET: Duration = Duration::from_secs(3600);
/// Addresses that are remembered: each is less than a hundred bytes.
const ADDRESSES_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
}

impl Record {
    /// How long after its last wrong password the address may try again.
    fn pause(&self) -> Duration {
        match self.failures.checked_sub(FREE) {
            None | Some(0) => Duration::ZERO,
            Some(over) => {
                Duration::from_secs(1).saturating_mul(1 << (over - 1).min(6)).min(PAUSE_MAX)
            }
        }
    }
}

/// The addresses that wrong passwords came from.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    records: BTreeMap<IpAddr, Record>,
}

/// Whoever has one address of IPv6 has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl Gate {
    /// How long an address has to wait before its password is looked at; none if it needn't.
    pub(crate) fn pause(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let record = self.records.get(&network(address))?;
        let left = (record.last + record.pause()).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Notes a password that is being looked at: as a wrong one, until it is found to be right, so
    /// that many at once gain nothing.
    pub(crate) fn attempt(&mut self, address: IpAddr, now: Instant) {
        self.records.retain(|_, record| now.saturating_duration_since(record.last) <= FORGET);
        if self.records.len() >= ADDRESSES_MAX
            && let Some((oldest, _)) = self.records.iter().min_by_key(|(_, record)| record.last)
        {
            let oldest = *oldest;
            self.records.remove(&oldest);
        }
        let record = Record { failures: 0, last: now };
        let record = self.records.entry(network(address)).or_insert(record);
        record.failures = record.failures.saturating_add(1);
        record.last = now;
    }

    /// Notes that the password was right, or could not be looked at.
    pub(crate) fn forgive(&mut self, address: IpAddr) {
        self.records.remove(&network(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn pauses_double_after_the_free_ones_up_to_the_longest() {
        let mut gate = Gate::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            gate.attempt(HERE, now);
            let pause = gate.pause(HERE, now).unwrap_or_default();
            pauses.push(pause.as_secs());
            now += pause;
            assert_eq!(gate.pause(HERE, now), None);
        }
        assert_eq!(pauses, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn a_right_password_or_an_hour_makes_up_for_all() {
        let mut gate = Gate::default();
        let now = Instant::now();
        (0..9).for_each(|_| gate.attempt(HERE, now));
        gate.forgive(HERE);
        assert_eq!(gate.pause(HERE, now), None);
        (0..9).for_each(|_| gate.attempt(HERE, now));
        gate.attempt([10, 0, 0, 2].into(), now + FORGET + Duration::from_secs(1));
        assert_eq!(gate.records.len(), 1);
    }

    #[test]
    fn others_do_not_wait_but_neighbours_of_one_ipv6_network_do() {
        let mut gate = Gate::default();
        let now = Instant::now();
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        (0..9).for_each(|_| gate.attempt(at("2001:db8::1"), now));
        assert!(gate.pause(at("2001:db8::ffff:1"), now).is_some());
        assert_eq!(gate.pause(at("2001:db8:0:1::1"), now), None);
        assert_eq!(gate.pause(HERE, now), None);
        (0..9).for_each(|_| gate.attempt(at("::ffff:10.0.0.1"), now));
        assert!(gate.pause(HERE, now).is_some());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut gate = Gate::default();
        let now = Instant::now();
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 100 {
            let later = now + Duration::from_millis(u64::from(number));
            gate.attempt(std::net::Ipv4Addr::from(number).into(), later);
        }
        assert_eq!(gate.records.len(), ADDRESSES_MAX);
    }
}
