//! The toolstack's program, as it is used to create a guest. What it says is left to be seen.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use serde::Deserialize;
use xenstore_wire::DomainId;

/// `xl`, and what it is to create.
#[derive(Debug, Clone, Copy)]
pub(super) struct Xl<'a> {
    /// The program.
    pub(super) program: &'a Path,
    /// The guest's configuration.
    pub(super) config: &'a Path,
    /// Options and overrides that go with it.
    pub(super) options: &'a [String],
}

/// Why xl did not do something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XlError {
    /// It can't be run.
    #[error("can't run {}: {source}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has failed, and said why.
    #[error("xl {word} failed: {status}")]
    Failed {
        /// What it was to do.
        word: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// Its answer is none.
    #[error("xl {word} answers something else than {wanted}")]
    Answer {
        /// What it was to do.
        word: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
}

/// What a dry run of `xl create` prints (libxl's `libxl_domain_config`): only what is used.
#[derive(Debug, Deserialize)]
struct DomainConfig {
    c_info: CreateInfo,
}

#[derive(Debug, Deserialize)]
struct CreateInfo {
    name: String,
}

impl Xl<'_> {
    /// The guest's name, by xl's own reading of its configuration.
    pub(super) fn name(&self) -> Result<String, XlError> {
        let mut command = Command::new(self.program);
        command.arg("-N").arg("create").arg(self.config).args(self.options);
        let printed = self.read("create", &mut command)?;
        name_in(&printed).ok_or(XlError::Answer { word: "create", wanted: "a configuration" })
    }

    /// Makes the domain; it does not run yet.
    pub(super) fn create_paused(&self) -> Result<(), XlError> {
        let mut command = Command::new(self.program);
        command.args(["create", "-p"]).arg(self.config);
        command.args(self.options.iter().filter(|option| *option != "-p"));
        let status = command.stdin(Stdio::null()).status().map_err(|source| self.no_run(source))?;
        if status.success() { Ok(()) } else { Err(XlError::Failed { word: "create", status }) }
    }

    /// The domain that has a name.
    pub(super) fn domain(&self, name: &str) -> Result<DomainId, XlError> {
        let printed = self.read("domid", Command::new(self.program).args(["domid", name]))?;
        DomainId::parse(printed.trim_ascii())
            .map_err(|_| XlError::Answer { word: "domid", wanted: "a domain's number" })
    }

    /// Lets a domain run.
    pub(super) fn unpause(&self, domain: DomainId) -> Result<(), XlError> {
        let mut command = Command::new(self.program);
        self.read("unpause", command.args(["unpause", &domain.to_string()])).map(drop)
    }

    /// Runs it, its errors seen, and returns what it prints.
    fn read(&self, word: &'static str, command: &mut Command) -> Result<Vec<u8>, XlError> {
        let output = command
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|source| self.no_run(source))?;
        match output.status.success() {
            true => Ok(output.stdout),
            false => Err(XlError::Failed { word, status: output.status }),
        }
    }

    fn no_run(&self, source: io::Error) -> XlError {
        XlError::Run { program: self.program.to_owned(), source }
    }
}

/// The name in what a dry run prints: a line or two for people, and then JSON.
fn name_in(printed: &[u8]) -> Option<String> {
    let start = printed.iter().position(|byte| *byte == b'{')?;
    let config: DomainConfig = serde_json::from_slice(printed.get(start..)?).ok()?;
    Some(config.c_info.name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_read_from_a_dry_run() {
        let printed = b"Parsing config from /etc/xen/web01.cfg\n{\n    \"c_info\": {\n        \
            \"type\": \"pv\",\n        \"name\": \"web01\"\n    },\n    \"b_info\": {}\n}\n";
        assert_eq!(name_in(printed), Some("web01".to_owned()));
        for none in [&b""[..], b"{}", b"{\"c_info\": {}}", b"{\"c_info\": {\"name\": \"\"}}"] {
            assert_eq!(name_in(none), None);
        }
    }
}
