//! `CONTROL live-update`, as C xenstored takes it: what was asked so far, and by whom.
//!
//! How another program comes to go on is the parent's, and when it may is the server's.

use std::time::Duration;

/// How long open transactions are waited for where nobody says: `xenstore-control`'s own time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A live update that somebody prepares; nobody else can meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LiveUpdate {
    session: Option<Session>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    /// The peer that prepares it.
    by: u64,
    options: Option<String>,
    /// It was told to start, and waits until no transaction is open.
    started: Option<Started>,
}

/// How long it waits, and what happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Started {
    pub(crate) until: Duration,
    /// Transactions that are open then are aborted.
    pub(crate) force: bool,
}

/// What comes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// This is the answer. A refusal is a text, too, as it is of C xenstored.
    Answer(String),
    /// It is to happen as soon as it can.
    Start(Started),
}

impl LiveUpdate {
    /// Hears what a peer says after `live-update`. `installed` is the one program that is ever run,
    /// where there is somebody who can run it.
    pub(crate) fn hear(
        &mut self,
        by: u64,
        words: &[&str],
        installed: Option<&str>,
        now: Duration,
    ) -> Step {
        let answer = match self.step(by, words, installed, now) {
            Ok(Some(started)) => return Step::Start(started),
            Ok(None) => "OK".to_owned(),
            Err(refusal) => refusal,
        };
        Step::Answer(answer)
    }

    fn step(
        &mut self,
        by: u64,
        words: &[&str],
        installed: Option<&str>,
        now: Duration,
    ) -> Result<Option<Started>, String> {
        if let ["-f", program] = words {
            return self.begin(by, program, installed).map(|()| None);
        }
        let session = match &mut self.session {
            Some(session) if session.by == by => session,
            Some(_) | None => {
                return Err("no live update was begun here: begin with -f PROGRAM".to_owned());
            }
        };
        match words {
            ["-a"] => self.session = None,
            ["-c", options] => session.options = Some((*options).to_owned()),
            ["-s", how @ ..] => {
                let started = match session.started {
                    Some(started) => started,
                    None => *session.started.insert(how_to_start(how, now)?),
                };
                return Ok(Some(started));
            }
            _ => {
                return Err(
                    "say -f PROGRAM, then -c OPTIONS or nothing, then -s [-t SECONDS] [-F]; \
                            or -a"
                        .to_owned(),
                );
            }
        }
        Ok(None)
    }

    fn begin(&mut self, by: u64, program: &str, installed: Option<&str>) -> Result<(), String> {
        let Some(installed) = installed else {
            return Err("this store has no parent that could run another program".to_owned());
        };
        if self.session.is_some() {
            return Err("another live update is being prepared".to_owned());
        }
        if program != installed {
            return Err(format!("only the installed program is ever run, which is {installed}"));
        }
        self.session = Some(Session { by, options: None, started: None });
        Ok(())
    }

    /// Who waits for it to happen.
    pub(crate) fn waits(&self) -> Option<u64> {
        self.session.as_ref().filter(|session| session.started.is_some()).map(|session| session.by)
    }

    /// The options that the other program is to have in place of ours.
    pub(crate) fn options(&self) -> Option<&str> {
        self.session.as_ref()?.options.as_deref()
    }

    /// Ends it, where this peer prepares it.
    pub(crate) fn forget(&mut self, by: u64) {
        self.session = self.session.take().filter(|session| session.by != by);
    }
}

fn how_to_start(mut words: &[&str], now: Duration) -> Result<Started, String> {
    let (mut patience, mut force) = (PATIENCE, false);
    loop {
        words = match words {
            [] => return Ok(Started { until: now.saturating_add(patience), force }),
            ["-F", rest @ ..] => {
                force = true;
                rest
            }
            ["-t", seconds, rest @ ..] => {
                let seconds: u32 = seconds
                    .parse()
                    .map_err(|_| format!("-t {seconds}: not a number of seconds"))?;
                patience = Duration::from_secs(seconds.into());
                rest
            }
            [other, ..] => return Err(format!("{}: say -t SECONDS or -F", other.escape_default())),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn hear(update: &mut LiveUpdate, by: u64, line: &str) -> Step {
        let words: Vec<&str> = line.split(' ').collect();
        update.hear(by, &words, Some("/sbin/it"), NOW)
    }

    fn answer(update: &mut LiveUpdate, by: u64, line: &str) -> String {
        match hear(update, by, line) {
            Step::Answer(answer) => answer,
            Step::Start(started) => panic!("{line}: {started:?}"),
        }
    }

    #[test]
    fn it_is_begun_told_how_and_started() {
        let mut update = LiveUpdate::default();
        assert_eq!(answer(&mut update, 7, "-f /sbin/it"), "OK");
        assert_eq!(answer(&mut update, 7, "-c --burst=40"), "OK");
        assert_eq!(update.waits(), None);
        let started = Started { until: Duration::from_secs(103), force: true };
        assert_eq!(hear(&mut update, 7, "-s -t 3 -F"), Step::Start(started));
        assert_eq!(update.options(), Some("--burst=40"));
        assert_eq!(update.waits(), Some(7));
        let again = update.hear(7, &["-s"], Some("/sbin/it"), NOW * 2);
        assert_eq!(again, Step::Start(started), "time goes on from when it was started");
    }

    #[test]
    fn without_a_time_it_is_a_minute() {
        let mut update = LiveUpdate::default();
        answer(&mut update, 7, "-f /sbin/it");
        let started = Started { until: Duration::from_secs(160), force: false };
        assert_eq!(hear(&mut update, 7, "-s"), Step::Start(started));
    }

    #[test]
    fn another_program_is_refused_and_the_right_one_named() {
        let mut update = LiveUpdate::default();
        assert!(answer(&mut update, 7, "-f /tmp/it").ends_with("which is /sbin/it"));
        assert!(answer(&mut update, 7, "-s").starts_with("no live update was begun here"));
        let nobody = update.hear(7, &["-f", "/sbin/it"], None, NOW);
        assert!(matches!(nobody, Step::Answer(text) if text.contains("no parent")));
    }

    #[test]
    fn one_at_a_time_until_it_is_given_up() {
        let mut update = LiveUpdate::default();
        assert_eq!(answer(&mut update, 7, "-f /sbin/it"), "OK");
        assert!(answer(&mut update, 8, "-f /sbin/it").starts_with("another"));
        for line in ["-a", "-s", "-c x"] {
            assert!(answer(&mut update, 8, line).starts_with("no live update"), "{line}");
        }
        update.forget(8);
        assert_eq!(answer(&mut update, 7, "-a"), "OK");
        assert_eq!(answer(&mut update, 8, "-f /sbin/it"), "OK");
        update.forget(8);
        assert_eq!(answer(&mut update, 7, "-f /sbin/it"), "OK");
    }

    #[test]
    fn what_makes_no_sense_is_told_and_changes_nothing() {
        let mut update = LiveUpdate::default();
        answer(&mut update, 7, "-f /sbin/it");
        for line in ["-s -t", "-s -t x", "-s -t -1", "-s -x", "-c", "-f", "-z", ""] {
            assert_ne!(answer(&mut update, 7, line), "OK", "{line}");
            assert_eq!(update.waits(), None, "{line}");
        }
        assert!(matches!(hear(&mut update, 7, "-s"), Step::Start(_)));
    }
}
