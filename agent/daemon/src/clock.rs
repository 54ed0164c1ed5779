//! The time of day where this host is, for people to read.
#![allow(unsafe_code, reason = "the C library alone knows the local time zone")]

use std::time::{SystemTime, UNIX_EPOCH};

/// The local time of day, as `12:01:03`.
pub(crate) fn time_of_day() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = libc::time_t::try_from(since.as_secs()).unwrap_or_default();
    let mut parts = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to live values of the types that localtime_r takes.
    unsafe { libc::localtime_r(&raw const seconds, parts.as_mut_ptr()) };
    // SAFETY: every field of tm is a number or a pointer, so zeroes are a value even if
    // localtime_r has failed and written nothing.
    let parts = unsafe { parts.assume_init() };
    format!("{:02}:{:02}:{:02}", parts.tm_hour, parts.tm_min, parts.tm_sec)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_time_of_day_has_eight_characters() {
        let now = super::time_of_day();
        assert_eq!(now.len(), 8, "{now}");
        assert_eq!(now.matches(':').count(), 2);
    }
}
