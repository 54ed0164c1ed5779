//! The few keys of the agent's configuration that the front depends on.
//!
//! Whether the rest of that file is good is not judged here: `xenwardend --check-config` does.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::User;

/// Where the configuration is.
const FILE: &str = "/etc/xenwarden/xenwarden.toml";
/// A longer file is not believed to be a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The defaults, as `packaging/xenwarden.toml` has them.
const RUN_DIR: &str = "/run/xenwarden";
const STATE_DIR: &str = "/var/lib/xenwarden";
const LISTEN: &str = "127.0.0.1:8443";

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The file can't be read.
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// It is no TOML.
    #[error("read {}", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    /// A key has a value that it can't have.
    #[error("{}: {key} is no {wanted}", path.display())]
    Key { path: PathBuf, key: String, wanted: &'static str },
    /// Nobody is there to become.
    #[error("{}: [agent] user names nobody: the front never runs as root", .0.display())]
    NoUser(PathBuf),
}

/// What the front goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// What console URLs begin with, after `https://`; none is what the client called the host.
    pub(crate) advertise: Option<String>,
    /// Hosts whose pages may open consoles, beside this one's.
    pub(crate) origins: Vec<String>,
    /// How long a console may be idle.
    pub(crate) idle: Option<Duration>,
    /// The certificate and its key, where they are given.
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    /// Where a certificate of its own is kept.
    pub(crate) state_dir: PathBuf,
    /// Where the agent's socket is.
    pub(crate) run_dir: PathBuf,
    /// The user that it becomes.
    pub(crate) uid: u32,
}

impl Settings {
    /// Reads a file, or the installed one.
    pub(crate) fn load(named: Option<PathBuf>) -> Result<Self, SettingsError> {
        let path = named.unwrap_or_else(|| FILE.into());
        let text = std::fs::File::open(&path)
            .and_then(|file| std::io::read_to_string(file.take(FILE_BYTES_MAX)))
            .map_err(|source| SettingsError::Read { path: path.clone(), source })?;
        Self::parse(&path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let path = path.to_owned();
        let document: toml::Table = text.parse().map_err(|source| SettingsError::Toml {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let words = |section: &str, key: &str| {
            let found = document.get(section).and_then(toml::Value::as_table);
            match found.and_then(|section| section.get(key)) {
                None => Ok(None),
                Some(toml::Value::String(text)) if text.is_empty() => Ok(None),
                Some(toml::Value::String(text)) => Ok(Some(text.clone())),
                Some(_) => Err(SettingsError::Key {
                    path: path.clone(),
                    key: format!("[{section}] {key}"),
                    wanted: "text",
                }),
            }
        };
        let wrong = |key: &str, wanted| SettingsError::Key {
            path: path.clone(),
            key: key.to_owned(),
            wanted,
        };
        let file = |section: &str, key: &str| match words(section, key)? {
            Some(text) if !text.starts_with('/') => Err(wrong(key, "absolute path")),
            other => Ok(other.map(PathBuf::from)),
        };
        let certificate = match (file("api", "certificate")?, file("api", "key")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(wrong(
                    "[api] certificate without key, or key without certificate,",
                    "pair",
                ));
            }
        };
        let idle = match document.get("api").and_then(|api| api.get("idle_s")) {
            None | Some(toml::Value::Integer(0)) => None,
            Some(toml::Value::Integer(seconds)) => {
                let seconds = u64::try_from(*seconds);
                Some(Duration::from_secs(seconds.map_err(|_| wrong("[api] idle_s", "number"))?))
            }
            Some(_) => return Err(wrong("[api] idle_s", "number")),
        };
        let listen = words("api", "listen")?.unwrap_or_else(|| LISTEN.to_owned());
        let user = words("agent", "user")?.ok_or_else(|| SettingsError::NoUser(path.clone()))?;
        let named = || User::from_name(&user).ok().flatten().map(|user| user.uid.as_raw());
        let uid = user.parse().ok().or_else(named);
        Ok(Self {
            listen: listen.parse().map_err(|_| wrong("[api] listen", "address and port"))?,
            advertise: words("api", "advertise")?,
            origins: hosts(&words("api", "origins")?.unwrap_or_default()),
            idle,
            certificate,
            state_dir: file("agent", "state_dir")?.unwrap_or_else(|| STATE_DIR.into()),
            run_dir: file("agent", "run_dir")?.unwrap_or_else(|| RUN_DIR.into()),
            uid: uid.ok_or_else(|| SettingsError::NoUser(path.clone()))?,
        })
    }
}

/// The hosts of a list with commas.
fn hosts(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, SettingsError> {
        Settings::parse(Path::new("/c"), text)
    }

    #[test]
    fn nobody_is_not_root() {
        assert!(matches!(parse(""), Err(SettingsError::NoUser(_))));
        assert!(matches!(parse("[agent]\nuser = \"no such\""), Err(SettingsError::NoUser(_))));
        assert_eq!(parse("[agent]\nuser = \"1234\"").unwrap().uid, 1234);
    }

    #[test]
    fn the_defaults_are_those_of_the_shipped_file() {
        let shipped = include_str!("../../../packaging/xenwarden.toml");
        let with_user = shipped.replace("user = \"\"", "user = \"1234\"");
        assert_eq!(parse(&with_user).unwrap(), parse("[agent]\nuser = \"1234\"").unwrap());
    }

    #[test]
    fn wrong_values_are_named() {
        for text in
            ["listen = \"here\"", "certificate = \"/c\"", "key = 1", "key = \"k\"", "idle_s = -1"]
        {
            let text = format!("[agent]\nuser = \"1\"\n[api]\n{text}\n");
            assert!(matches!(parse(&text), Err(SettingsError::Key { .. })), "{text}");
        }
    }
}
