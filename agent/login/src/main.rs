//! xenwarden-login: one log-in by PAM, for the agent, which never loads libpam itself.
//!
//! User and password come on standard input, each ended by a NUL; one byte goes out: `A` an
//! administrator, `O` an operator, `-` somebody with a right password and no role, `N` anybody else.

mod pam;
mod role;

use std::error::Error;
use std::ffi::CString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::pam::{Pam, PamError, Verdict};
use crate::role::{RoleError, role_of};

const USAGE: &str = "\
One log-in by PAM, service xenwarden: for xenwardend, not for people.

Usage: xenwarden-login [--pam-folder DIR] GROUP ADMIN_GROUP

Reads user and password, each ended by a NUL; writes A, O, - or N.
";

/// Bytes of user and password, NULs included: the agent sends no more.
const INPUT_MAX: u64 = 1024;
/// How long it may take: the agent waits no longer either.
const LIFE_S: u32 = 30;
/// The exit code of a wrong command line.
const WRONG_USAGE: u8 = 2;

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
enum LoginError {
    #[error("read user and password")]
    Read(#[source] io::Error),
    #[error("user and password are not two texts, each ended by a NUL")]
    Input,
    #[error(transparent)]
    Pam(#[from] PamError),
    #[error(transparent)]
    Role(#[from] RoleError),
    #[error("write the verdict")]
    Write(#[source] io::Error),
}

struct Options {
    folder: Option<PathBuf>,
    group: String,
    admin_group: String,
}

fn main() -> ExitCode {
    match parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => match log_in(&options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, 1),
        },
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => complain(&error, WRONG_USAGE),
    }
}

fn parse(mut words: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::ValueExt;
    let (mut folder, mut groups) = (None, Vec::new());
    while let Some(word) = words.next()? {
        match word {
            lexopt::Arg::Long("pam-folder") => folder = Some(words.value()?.into()),
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => {
                print!("{USAGE}");
                return Ok(None);
            }
            lexopt::Arg::Long("version") => {
                println!("xenwarden-login {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            lexopt::Arg::Value(group) if groups.len() < 2 => groups.push(group.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let [group, admin_group] =
        <[String; 2]>::try_from(groups).map_err(|_| lexopt::Error::from("two groups are named"))?;
    Ok(Some(Options { folder, group, admin_group }))
}

fn log_in(options: &Options) -> Result<(), LoginError> {
    // The default action of SIGALRM ends the process: a module that hangs takes nothing with it.
    nix::unistd::alarm::set(LIFE_S);
    let mut input = Vec::new();
    io::stdin().take(INPUT_MAX).read_to_end(&mut input).map_err(LoginError::Read)?;
    let (user, password) = read(&input).ok_or(LoginError::Input)?;
    let verdict = Pam::load()?.check(options.folder.as_deref(), &user, password)?;
    let byte = match verdict {
        Verdict::Wrong => b'N',
        // PAM may have found another name for the user: the role is that one's.
        Verdict::Right(user) => role_of(&user, &options.group, &options.admin_group)?,
    };
    io::stdout().write_all(&[byte]).map_err(LoginError::Write)
}

fn read(input: &[u8]) -> Option<(CString, CString)> {
    let mut parts = input.split_inclusive(|byte| *byte == 0);
    let mut part = || CString::from_vec_with_nul(parts.next()?.to_vec()).ok();
    let both = (part()?, part()?);
    parts.next().is_none().then_some(both)
}

/// Writes an error and its causes on one line.
fn complain(error: &(dyn Error + 'static), code: u8) -> ExitCode {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let line = causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"));
    eprintln!("xenwarden-login: {line}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_are_two_texts_with_their_ends() {
        assert_eq!(read(b"a\0b\0"), Some((c"a".into(), c"b".into())));
        assert_eq!(read(b"a\0\0"), Some((c"a".into(), c"".into())));
        for input in [&b""[..], b"a", b"a\0", b"a\0b", b"a\0b\0c", b"a\0b\0c\0"] {
            assert_eq!(read(input), None);
        }
    }
}
