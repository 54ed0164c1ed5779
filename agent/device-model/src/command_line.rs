//! libxl's command line for QEMU: read strictly enough to know whose device model it is to be.
//!
//! Options are told from their values as QEMU does it, so that no name or path can pass for an
//! option. What follows from what was read is not decided here.

use std::ffi::{OsStr, OsString};

use restrict::xen::Guest;

/// QEMU's options that take no value (qemu-options.def of QEMU 4 to 8); every other one takes one.
const WITHOUT_VALUE: [&str; 36] = [
    "h",
    "help",
    "version",
    "S",
    "s",
    "nodefaults",
    "no-user-config",
    "nouserconfig",
    "no-shutdown",
    "no-reboot",
    "no-acpi",
    "no-hpet",
    "no-fd-bootchk",
    "no-quit",
    "no-kvm",
    "enable-kvm",
    "enable-fips",
    "enable-sync-profile",
    "xen-attach",
    "xen-domid-restrict",
    "nographic",
    "daemonize",
    "snapshot",
    "full-screen",
    "portrait",
    "usb",
    "win2k-hack",
    "rtc-td-hack",
    "mem-prealloc",
    "preconfig",
    "singlestep",
    "only-migratable",
    "alt-grab",
    "ctrl-grab",
    "sdl",
    "audio-help",
];

/// What QEMU is to emulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// A whole one, for an HVM guest.
    Hvm,
    /// None: only backends for a PV guest's devices.
    Pv,
}

/// How QEMU is told to confine itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnConfinement {
    /// Not at all.
    None,
    /// By the toolstack, with `-runas`, `-chroot` and `-xen-domid-restrict` (xl's dm_restrict).
    Whole,
    /// With some of these.
    Part,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) guest: Guest,
    pub(crate) machine: Machine,
    /// The address of `-vnc`, where there is one.
    pub(crate) vnc: Option<String>,
    pub(crate) own_confinement: OwnConfinement,
    /// It writes to disk images that are on the command line.
    pub(crate) writes_disks: bool,
    /// It begins with the state of a guest that was saved or migrated.
    pub(crate) is_restored: bool,
    /// It attaches network interfaces of the host.
    pub(crate) attaches_taps: bool,
}

/// A command line that is not libxl's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandLineError {
    #[error("{} is neither an option nor an option's value", .0.display())]
    Stray(OsString),
    #[error("option -{0} has no value")]
    NoValue(String),
    #[error("the value of option -{0} is no text")]
    NoText(String),
    #[error("option -{0} is missing")]
    Missing(&'static str),
    #[error("option -{0} is there twice")]
    Twice(&'static str),
    #[error("-xen-domid {0:?} is no guest's domid: those are 1 to 32751")]
    Domid(String),
    #[error("-machine {0:?} is neither xenfv (or pc with accel=xen) nor xenpv")]
    Machine(String),
    #[error("-runas {0:?} is not UID:GID of a plain user")]
    RunAs(String),
    #[error("option -{0} is not for a device model that is confined from outside")]
    Forbidden(&'static str),
}

type Pair<'a> = (&'a str, Option<&'a OsStr>);

impl CommandLine {
    /// Reads the words after the program's name.
    pub(crate) fn parse(words: &[OsString]) -> Result<Self, CommandLineError> {
        let options = split(words)?;
        for forbidden in ["daemonize", "run-with"] {
            // The first forks, and libxl waits for this process; the second is for QEMUs whose
            // -chroot and -runas are gone, which would not understand what is added here.
            if options.iter().any(|(name, _)| *name == forbidden) {
                return Err(CommandLineError::Forbidden(forbidden));
            }
        }
        let machine = match only(&options, "machine")? {
            Some(machine) => machine,
            None => only(&options, "M")?.ok_or(CommandLineError::Missing("machine"))?,
        };
        let domid = only(&options, "xen-domid")?.ok_or(CommandLineError::Missing("xen-domid"))?;
        let runas = only(&options, "runas")?;
        if let Some(user) = runas.filter(|user| !is_plain_user(user)) {
            return Err(CommandLineError::RunAs(user.to_owned()));
        }
        let has = |wanted: &str| options.iter().any(|(name, _)| *name == wanted);
        let given = [has("runas"), has("chroot"), has("xen-domid-restrict")];
        Ok(Self {
            guest: guest(domid)?,
            machine: Machine::parse(machine)?,
            vnc: only(&options, "vnc")?.map(str::to_owned),
            own_confinement: match given {
                [false, false, false] => OwnConfinement::None,
                [true, true, true] => OwnConfinement::Whole,
                _ => OwnConfinement::Part,
            },
            is_restored: has("incoming"),
            writes_disks: options.iter().any(writes_a_disk),
            attaches_taps: options.iter().any(attaches_a_tap),
        })
    }
}

impl Machine {
    fn parse(text: &str) -> Result<Self, CommandLineError> {
        let mut properties = text.split(',');
        let name = properties.next().unwrap_or_default();
        match name.strip_prefix("type=").unwrap_or(name) {
            "xenpv" => Ok(Self::Pv),
            "xenfv" => Ok(Self::Hvm),
            name if (name == "pc" || name.starts_with("pc-i440fx-"))
                && properties.any(|property| property == "accel=xen") =>
            {
                Ok(Self::Hvm)
            }
            _ => Err(CommandLineError::Machine(text.to_owned())),
        }
    }
}

/// Options with their values.
fn split(words: &[OsString]) -> Result<Vec<Pair<'_>>, CommandLineError> {
    let mut options = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        // QEMU takes one dash or two.
        let name = word.to_str().and_then(|word| word.strip_prefix('-'));
        let name = name.map(|name| name.strip_prefix('-').unwrap_or(name));
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| CommandLineError::Stray(word.clone()))?;
        let value = if WITHOUT_VALUE.contains(&name) {
            None
        } else {
            let value = words.next();
            Some(value.ok_or_else(|| CommandLineError::NoValue(name.to_owned()))?.as_os_str())
        };
        options.push((name, value));
    }
    Ok(options)
}

/// The value of an option that may be there once.
fn only<'a>(
    options: &[Pair<'a>],
    wanted: &'static str,
) -> Result<Option<&'a str>, CommandLineError> {
    let mut found = options.iter().filter(|(name, _)| *name == wanted);
    let Some((_, value)) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return Err(CommandLineError::Twice(wanted));
    }
    let text = value.and_then(OsStr::to_str);
    text.map(Some).ok_or_else(|| CommandLineError::NoText(wanted.to_owned()))
}

fn guest(domid: &str) -> Result<Guest, CommandLineError> {
    // Digits alone: QEMU would read "1e3" or " 7" in its own way.
    let plain = !domid.is_empty() && domid.bytes().all(|byte| byte.is_ascii_digit());
    let number = plain.then(|| domid.parse().ok()).flatten();
    let guest = number.and_then(|number| Guest::new(number).ok());
    guest.ok_or_else(|| CommandLineError::Domid(domid.to_owned()))
}

fn is_plain_user(text: &str) -> bool {
    let plain = |id: &str| id.parse().is_ok_and(|id| restrict::Uid::new(id).is_ok());
    text.split_once(':').is_some_and(|(user, group)| plain(user) && plain(group))
}

/// Whether an option names a disk image that is not read-only. A value that is no text might.
fn writes_a_disk((name, value): &Pair<'_>) -> bool {
    let read_only = |text: &str| {
        text.split(',').any(|part| matches!(part, "readonly" | "readonly=on" | "read-only=on"))
    };
    match *name {
        "drive" | "blockdev" => !value.and_then(OsStr::to_str).is_some_and(read_only),
        "hda" | "hdb" | "hdc" | "hdd" | "fda" | "fdb" | "sd" | "mtdblock" | "pflash" => true,
        _ => false,
    }
}

fn attaches_a_tap((name, value): &Pair<'_>) -> bool {
    let tap = |text: &str| matches!(text.split(',').next(), Some("tap" | "type=tap" | "bridge"));
    matches!(*name, "netdev" | "net" | "nic") && value.and_then(OsStr::to_str).is_none_or(tap)
}

#[cfg(test)]
mod tests;
