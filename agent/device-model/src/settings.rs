//! The few keys of the agent's configuration that device models depend on.
//!
//! Whether the rest of that file is good is not judged here: `xenwardend --check-config` does.

use std::io::Read;
use std::path::{Path, PathBuf};

use restrict::{RangeError, UidRange};

use crate::plan::Settings;

/// Where the configuration is, and the variable that names another file.
const FILE: &str = "/etc/xenwarden/xenwarden.toml";
const VARIABLE: &str = "XENWARDEN_CONFIG";
/// A longer file is not believed to be a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The defaults, as `packaging/xenwarden.toml` has them.
const RUN_DIR: &str = "/run/xenwarden";
const CONVERTER_UID_BASE: u32 = 1_879_048_192;
const UID_BASE: u32 = 1_879_080_960;
/// The folder of their root, in the run folder.
const ROOT: &str = "device-model";

#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("read {path}")]
    Toml { path: String, source: Box<toml::de::Error> },
    #[error("{path}: {key} is no {wanted}")]
    Key { path: String, key: &'static str, wanted: &'static str },
    #[error("{path}: device_models has no key {key}")]
    Unknown { path: String, key: String },
    #[error("user ids of device models")]
    Range(#[from] RangeError),
}

impl Settings {
    /// Reads the configuration of this host; without a file, every key has its default.
    pub(crate) fn load() -> Result<Self, SettingsError> {
        let named = std::env::var_os(VARIABLE).map(PathBuf::from);
        let path = named.clone().unwrap_or_else(|| FILE.into());
        let text = match std::fs::File::open(&path) {
            Ok(file) => std::io::read_to_string(file.take(FILE_BYTES_MAX)),
            // A file that somebody named must be there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
                Ok(String::new())
            }
            Err(error) => Err(error),
        };
        let text = text
            .map_err(|source| SettingsError::Read { path: path.display().to_string(), source })?;
        let settings = Self::parse(&path, &text)?;
        settings.uids.refuse_host()?;
        Ok(settings)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let path = path.display().to_string();
        let document: toml::Table = text.parse().map_err(|source| SettingsError::Toml {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let find = |section: &str, key: &str| document.get(section)?.as_table()?.get(key);
        let wrong = |key, wanted| SettingsError::Key { path: path.clone(), key, wanted };
        let base = |section, key, name, usual| match find(section, key) {
            None => Ok(usual),
            Some(value) => value
                .as_integer()
                .and_then(|base| u32::try_from(base).ok())
                .ok_or_else(|| wrong(name, "user id")),
        };
        let file = |section, key, name| match find(section, key).map(toml::Value::as_str) {
            None | Some(Some("")) => Ok(None),
            Some(Some(text)) if text.starts_with('/') => Ok(Some(PathBuf::from(text))),
            Some(_) => Err(wrong(name, "absolute path")),
        };
        let section = document.get("device_models").and_then(toml::Value::as_table);
        let known = |key: &&String| matches!(key.as_str(), "uid_base" | "program");
        if let Some(key) = section.and_then(|section| section.keys().find(|key| !known(key))) {
            return Err(SettingsError::Unknown { path, key: key.clone() });
        }
        let uids =
            UidRange::new(base("device_models", "uid_base", "device_models.uid_base", UID_BASE)?)?;
        let converters = ("converters", "uid_base", "converters.uid_base", CONVERTER_UID_BASE);
        uids.refuse_range(UidRange::new(base(
            converters.0,
            converters.1,
            converters.2,
            converters.3,
        )?)?)?;
        let run_dir = file("agent", "run_dir", "agent.run_dir")?.unwrap_or_else(|| RUN_DIR.into());
        let program = file("device_models", "program", "device_models.program")?;
        Ok(Self { uids, root: run_dir.join(ROOT), program })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new("x.toml"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shipped_configuration_has_the_built_in_defaults() {
        let shipped = include_str!("../../../packaging/xenwarden.toml");
        assert_eq!(parse(shipped), parse(""));
        let settings = parse("").unwrap();
        assert_eq!(settings.root, Path::new("/run/xenwarden/device-model"));
        assert_eq!(settings.uids.base(), UID_BASE);
        assert_eq!(settings.program, None);
    }

    #[test]
    fn keys_are_read_and_wrong_ones_named() {
        let text =
            "[agent]\nrun_dir = \"/r\"\n[device_models]\nuid_base = 2050000000\nprogram = \"/q\"\n";
        let settings = parse(text).unwrap();
        assert_eq!(settings.root, Path::new("/r/device-model"));
        assert_eq!(settings.uids.base(), 2_050_000_000);
        assert_eq!(settings.program, Some("/q".into()));
        for (text, wrong) in [
            ("[device_models]\nuid_base = -1", "x.toml: device_models.uid_base is no user id"),
            (
                "[device_models]\nprogram = \"q\"",
                "x.toml: device_models.program is no absolute path",
            ),
            ("[device_models]\nbase = 1", "x.toml: device_models has no key base"),
        ] {
            assert_eq!(parse(text), Err(wrong.into()));
        }
        assert!(parse("[device_models]\nuid_base = 1000").is_err());
    }

    #[test]
    fn ranges_do_not_overlap() {
        assert!(parse("[converters]\nuid_base = 1879080000").is_err());
    }
}
