//! Lengths of time, in the words that people use.
//!
//! Programs get milliseconds (`--json`).

/// A length of time, rounded down to its largest unit: `14 s`, `4 min`, `2 h`, `9 days`.
#[must_use]
pub(crate) fn span(ms: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = ms / 1000;
    match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        // A day and a half is still told in hours: "1 days" says too little.
        HOUR.. if seconds < 2 * DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

/// A time that long before now.
#[must_use]
pub(crate) fn ago(ms: u64) -> String {
    if ms < 1000 { "now".to_owned() } else { format!("{} ago", span(ms)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_takes_its_largest_unit() {
        let second = 1000;
        for (ms, words) in [
            (999, "0 s"),
            (59 * second, "59 s"),
            (60 * second, "1 min"),
            (3599 * second, "59 min"),
            (3600 * second, "1 h"),
            (47 * 3600 * second, "47 h"),
            (48 * 3600 * second, "2 days"),
            (u64::MAX, "213503982334 days"),
        ] {
            assert_eq!(span(ms), words);
        }
    }

    #[test]
    fn less_than_a_second_ago_is_now() {
        assert_eq!(ago(999), "now");
        assert_eq!(ago(1000), "1 s ago");
    }
}
