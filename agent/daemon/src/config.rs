//! The agent's configuration: every key with its default, read from TOML with all its errors.
//!
//! How an error looks is in [`fault`]; how keys are taken from a section, in [`section`]. A file
//! that is empty or not there is the built-in defaults.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use restrict::UidRange;
use xenstore_bucket::{BURST_MAX, OPERATIONS_PER_SECOND_MAX, Rates, RatesRefusal};

mod fault;
mod section;

pub(crate) use fault::Faults;
use section::Document;

use crate::front::Most;
use crate::host_console::Login as HostLogin;
use crate::serve::FRONT_CONSOLES_MAX;

/// Where consoles are served: this host alone can reach it, whatever a packet filter does.
pub(crate) const CONSOLE_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// A larger file is not a configuration.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) agent: Agent,
    pub(crate) xenstore: Xenstore,
    pub(crate) consoles: Consoles,
    pub(crate) converters: Converters,
    pub(crate) device_models: DeviceModels,
    pub(crate) host_console: HostConsole,
    pub(crate) nics: Nics,
    pub(crate) screens: Screens,
    pub(crate) records: Records,
    /// `[limits]`
    pub(crate) limits: Rates,
    pub(crate) login: Login,
    /// `[api]`: for the network front, which reads it by itself; checked here.
    pub(crate) api: Api,
}

/// `[agent]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agent {
    /// Sockets and what lives as long as this boot.
    pub(crate) run_dir: PathBuf,
    /// Records and screens.
    pub(crate) state_dir: PathBuf,
    /// The group that may connect to the agent's socket; `None` is root's alone.
    pub(crate) group: Option<String>,
    /// The user, beside root, that is served there; `None` is nobody.
    pub(crate) user: Option<String>,
}

/// `[xenstore]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Xenstore {
    /// The store's socket.
    pub(crate) socket: PathBuf,
}

/// `[consoles]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consoles {
    /// Domain N's screen is at this plus N, or the next free port.
    pub(crate) vnc_base_port: u16,
    /// The same for its text.
    pub(crate) text_base_port: u16,
    /// Columns of a screen.
    pub(crate) columns: u16,
    /// Rows of a screen.
    pub(crate) rows: u16,
    /// Whether viewers may ask for another size.
    pub(crate) resize: bool,
    /// Where xenconsole has its locks.
    pub(crate) lock_dir: PathBuf,
    /// How many the network front may have open.
    pub(crate) most: Most,
}

/// `[converters]`
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Converters {
    /// The converter's program.
    pub(crate) program: PathBuf,
    /// The user ids that converters run under.
    pub(crate) uids: UidRange,
    /// How long a converter serves without an agent.
    pub(crate) orphan_s: u32,
    /// How long it waits for a new tty when its own hung up.
    pub(crate) tty_wait_s: u32,
    /// The pause after a first failure; it doubles with each further one.
    pub(crate) restart_min_ms: u64,
    /// The longest pause.
    pub(crate) restart_max_ms: u64,
}

/// `[device_models]`: for the wrapper of QEMU, which reads it by itself; checked here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeviceModels {
    /// The user ids that device models run under.
    pub(crate) uids: UidRange,
}

/// `[host_console]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostConsole {
    /// Who puts a login at the control domain's own console.
    pub(crate) login: HostLogin,
}

/// `[nics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nics {
    /// Devices that are the host's, beside those with hardware behind them, bonds and VLANs.
    pub(crate) host_devices: Vec<String>,
}

/// `[screens]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Screens {
    /// How long the last screen of a halted VM is kept.
    pub(crate) keep_days: u32,
}

/// `[records]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Records {
    /// The most VM records.
    pub(crate) max: u32,
    /// How long a record that nobody touched is kept after its VM was last seen.
    pub(crate) keep_untouched_days: u32,
}

/// `[login]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// Who says whether a password is right.
    pub(crate) method: Method,
}

/// Who says whether a password is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Method {
    /// PAM, asked by a program of its own.
    Pam {
        /// The program.
        program: PathBuf,
        /// Whose members may use the guests' consoles.
        group: String,
        /// Whose members may do everything.
        admin_group: String,
    },
    /// A file of users.
    File(PathBuf),
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Api {
    /// Where the front listens.
    pub(crate) listen: SocketAddr,
}

/// The longest that a console may be idle: a week.
const IDLE_S_MAX: u32 = 7 * 24 * 3600;

/// The first user id of device models: behind the converters'.
const DEVICE_MODEL_UID_BASE: u32 = 1_879_080_960;

/// The first user id of converters: above what distributions, containers and systemd give out
/// (its last is 1879048191).
const UID_BASE: u32 = 1_879_048_192;

impl Default for Config {
    fn default() -> Self {
        let faults = |text: &str| Self::parse(Path::new("built-in"), text);
        faults("")
            .unwrap_or_else(|faults| unreachable!("the built-in defaults are whole: {faults}"))
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("read configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It says what it may not.
    #[error(transparent)]
    Faults(#[from] Faults),
}

/// Where the package puts the configuration.
pub(crate) const INSTALLED: &str = "/etc/xenwarden/xenwarden.toml";

impl Config {
    /// Reads the installed file; where there is none, the built-in defaults hold.
    pub(crate) fn load_installed() -> Result<Self, ConfigError> {
        match Self::load(INSTALLED.as_ref()) {
            Err(ConfigError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(Self::parse(INSTALLED.as_ref(), "")?)
            }
            loaded => loaded,
        }
    }

    /// Reads a file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(read)?;
        let bounded = std::io::Read::take(file, FILE_BYTES_MAX);
        let text = std::io::read_to_string(bounded).map_err(read)?;
        Ok(Self::parse(path, &text)?)
    }

    /// Reads the text of `path`, and finds every error in it.
    fn parse(path: &Path, text: &str) -> Result<Self, Faults> {
        let mut document = Document::parse(text);
        let config = Self {
            agent: document.section("agent", |keys| Agent {
                run_dir: keys.path("run_dir", "/run/xenwarden"),
                state_dir: keys.path("state_dir", "/var/lib/xenwarden"),
                group: keys.optional("group"),
                user: keys.optional("user"),
            }),
            xenstore: document.section("xenstore", |keys| Xenstore {
                socket: keys.path("socket", "/run/xenstored/socket"),
            }),
            consoles: document.section("consoles", |keys| Consoles {
                vnc_base_port: keys.number("vnc_base_port", 5900, 1..=65_000),
                text_base_port: keys.number("text_base_port", 9500, 1..=65_000),
                columns: keys.number("columns", 80, 2..=512),
                rows: keys.number("rows", 24, 2..=256),
                resize: keys.flag("resize", false),
                lock_dir: keys.path("lock_dir", "/var/lock"),
                most: Most {
                    of_a_vm: keys.number("viewers_max", 0, 0..=10_000),
                    in_all: keys.number("open_max", 2000, 1..=FRONT_CONSOLES_MAX),
                },
            }),
            converters: document.section("converters", parse_converters),
            device_models: document.section("device_models", parse_device_models),
            host_console: document.section("host_console", parse_host_console),
            nics: document.section("nics", |keys| Nics {
                host_devices: keys
                    .words("host_devices", "")
                    .split_whitespace()
                    .map(str::to_owned)
                    .collect(),
            }),
            screens: document.section("screens", |keys| Screens {
                keep_days: keys.number("keep_days", 30, 1..=36_500),
            }),
            records: document.section("records", |keys| Records {
                max: keys.number("max", 10_000, 1..=10_000),
                keep_untouched_days: keys.number("keep_untouched_days", 30, 1..=36_500),
            }),
            limits: document.section("limits", parse_limits),
            login: document.section("login", parse_login),
            api: document.section("api", parse_api),
        };
        document.finish(path, config)
    }
}

/// The range that begins at `uid_base`.
fn parse_uids(keys: &mut section::Keys<'_, '_>, usual: u32) -> UidRange {
    let base = keys.number("uid_base", usual, 0..=u32::MAX);
    let uids = UidRange::new(base).or_else(|error| {
        keys.refuse("uid_base", error.to_string(), None);
        UidRange::new(usual)
    });
    uids.unwrap_or_else(|_| unreachable!("the default range is one"))
}

fn parse_device_models(keys: &mut section::Keys<'_, '_>) -> DeviceModels {
    let program = keys.optional("program");
    if program.is_some_and(|program| !program.starts_with('/')) {
        keys.refuse("program", "`program` is an absolute path, or empty".into(), None);
    }
    DeviceModels { uids: parse_uids(keys, DEVICE_MODEL_UID_BASE) }
}

fn parse_converters(keys: &mut section::Keys<'_, '_>) -> Converters {
    let converters = Converters {
        program: keys.path("program", "/usr/libexec/xenwarden/vncterm"),
        uids: parse_uids(keys, UID_BASE),
        orphan_s: keys.number("orphan_s", 600, 1..=86_400),
        tty_wait_s: keys.number("tty_wait_s", 60, 1..=86_400),
        restart_min_ms: keys.number("restart_min_ms", 200, 10..=600_000),
        restart_max_ms: keys.number("restart_max_ms", 30_000, 10..=3_600_000),
    };
    let (min, max) = (converters.restart_min_ms, converters.restart_max_ms);
    if max < min {
        let cure = format!("restart_max_ms = {min} or more");
        let text = format!("restart_max_ms {max} is less than restart_min_ms {min}");
        keys.refuse("restart_max_ms", text, Some(cure));
    }
    converters
}

fn parse_host_console(keys: &mut section::Keys<'_, '_>) -> HostConsole {
    let login = match keys.words("login", "systemd").as_str() {
        "" => HostLogin::Off,
        "systemd" => HostLogin::Systemd,
        program if program.starts_with('/') => HostLogin::Program(program.into()),
        _ => {
            let text = "`login` is \"systemd\", the path of a program, or empty".to_owned();
            keys.refuse("login", text, None);
            HostLogin::Off
        }
    };
    HostConsole { login }
}

fn parse_login(keys: &mut section::Keys<'_, '_>) -> Login {
    let program = keys.path("program", "/usr/libexec/xenwarden/xenwarden-login");
    let (group, admin_group) =
        (keys.words("group", "xenwarden"), keys.words("admin_group", "xenwarden-admin"));
    let file = keys.path("users_file", "/etc/xenwarden/users");
    let method = match keys.words("method", "pam").as_str() {
        "file" => Method::File(file),
        "pam" => Method::Pam { program, group, admin_group },
        _ => {
            keys.refuse("method", "`method` is \"pam\" or \"file\"".to_owned(), None);
            Method::Pam { program, group, admin_group }
        }
    };
    Login { method }
}

fn parse_api(keys: &mut section::Keys<'_, '_>) -> Api {
    let usual = SocketAddr::from((CONSOLE_ADDRESS, 8443));
    let listen = keys.words("listen", "127.0.0.1:8443").parse().unwrap_or_else(|_| {
        let text = "`listen` is an address and a port, such as 10.0.0.5:443 or [::]:443";
        keys.refuse("listen", text.to_owned(), None);
        usual
    });
    for path in ["certificate", "key"] {
        if keys.optional(path).is_some_and(|text| !text.starts_with('/')) {
            keys.refuse(path, format!("`{path}` is an absolute path, or empty"), None);
        }
    }
    keys.optional("advertise");
    keys.optional("origins");
    keys.number("idle_s", 0, 0..=IDLE_S_MAX);
    Api { listen }
}

fn parse_limits(keys: &mut section::Keys<'_, '_>) -> Rates {
    let most = OPERATIONS_PER_SECOND_MAX;
    let operations = keys.number("operations_per_second", 200, 1..=most);
    let burst = keys.number("burst", 2000, 1..=BURST_MAX);
    let cost = keys.number("transaction_cost", 20, 1..=BURST_MAX);
    match Rates::new(operations, burst, cost) {
        Ok(rates) => rates,
        Err(RatesRefusal::BurstBelowTransactionCost { burst, transaction_cost }) => {
            let text = format!(
                "burst {burst} is less than transaction_cost {transaction_cost}: \
                 no transaction could ever open"
            );
            keys.refuse("burst", text, Some(format!("burst = {transaction_cost} or more")));
            Rates::DEFAULT
        }
        // The ranges above leave no other refusal.
        Err(
            RatesRefusal::OperationsPerSecond(_)
            | RatesRefusal::Burst(_)
            | RatesRefusal::TransactionCost,
        ) => Rates::DEFAULT,
    }
}

#[cfg(test)]
mod tests;
