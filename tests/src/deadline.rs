//! A moment by which something must have happened.

use std::time::{Duration, Instant};

/// The moment.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// The moment that is this far ahead.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The moment that is this many seconds ahead.
    #[must_use]
    pub fn seconds(seconds: u64) -> Self {
        Self::after(Duration::from_secs(seconds))
    }

    /// The time that is left; none when the moment has passed.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// The time that is left.
    ///
    /// # Panics
    /// When the moment has passed: `what` says what had not happened.
    #[must_use]
    pub fn left_for(self, what: &str) -> Duration {
        self.left().unwrap_or_else(|| panic!("out of time: {what}"))
    }

    /// Asks again and again, for what gives no sign when it changes (other processes' /proc).
    ///
    /// # Panics
    /// When the moment passes first.
    pub fn until<T>(self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            let left = self.left_for(what);
            std::thread::sleep(left.min(Duration::from_millis(10)));
        }
    }
}
