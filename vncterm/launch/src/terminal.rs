//! A console's tty: what a store value may name, and the checks that it passes before it is read.
//!
//! A tty key is hostile until proven (XSA-57): a guest that could write it would have the agent
//! open any file of the host. So a value is a number below `/dev/pts` or nothing, and what opens
//! there must be the terminal of that number. Which domain has which terminal is for the host to
//! know.

use std::fmt;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use xenstore_wire::{DomainId, Permissions};

/// Where the kernel shows Unix98 terminals.
const FOLDER: &str = "/dev/pts";
/// The kernel numbers terminals below this (`NR_UNIX98_PTY_MAX` of `devpts`).
const TERMINALS: u32 = 1 << 20;
/// The digits of the largest number.
const DIGITS_MAX: usize = 7;
/// The major of every Unix98 terminal; its number is the minor. The seven majors behind it, which
/// the list of devices has for terminals too, date from when minors ended at 255.
const MAJOR: u32 = 136;

/// A terminal below `/dev/pts`, by its number: the only form in which a tty's name goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terminal(u32);

/// Why a tty is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// Another domain owns the node, or may write it.
    #[error("its node in the store can be written by domain {0}, not by the control domain alone")]
    Writable(u16),
    /// Every domain may write the node.
    #[error("its node in the store can be written by every domain")]
    WritableByAll,
    /// The value is no name of a terminal.
    #[error("it is not /dev/pts/<number>")]
    NotATerminalName,
    /// Nothing opened there; the error number.
    #[error("it does not open: {}", std::io::Error::from_raw_os_error(*.0))]
    NotOpened(i32),
    /// Something else than that terminal opened.
    #[error("what opens there is not that terminal")]
    NotThatTerminal,
}

/// The terminal that a node's value names, if nobody but the control domain could have written it.
pub fn believe(value: &[u8], permissions: &Permissions) -> Result<Terminal, Disbelief> {
    control_domain_alone_writes(permissions)?;
    Terminal::parse(value)
}

/// Whether a node's value can only be the control domain's.
pub fn control_domain_alone_writes(permissions: &Permissions) -> Result<(), Disbelief> {
    let Permissions { owner, default, exceptions } = permissions;
    if *owner != DomainId::DOM0 {
        return Err(Disbelief::Writable(owner.number()));
    }
    for (domain, access) in exceptions {
        if *domain != DomainId::DOM0 && access.writes() {
            return Err(Disbelief::Writable(domain.number()));
        }
    }
    if default.writes() {
        return Err(Disbelief::WritableByAll);
    }
    Ok(())
}

impl Terminal {
    /// Reads a store value.
    pub fn parse(value: &[u8]) -> Result<Self, Disbelief> {
        let refused = Disbelief::NotATerminalName;
        let digits = value
            .strip_prefix(FOLDER.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"/"))
            .ok_or(refused)?;
        let plain = digits.iter().all(u8::is_ascii_digit) && digits.len() <= DIGITS_MAX;
        let text = std::str::from_utf8(digits).map_err(|_| refused)?;
        // One terminal has one name: no leading zero.
        let canonical = text == "0" || !text.starts_with('0');
        match text.parse() {
            Ok(number) if plain && canonical && number < TERMINALS => Ok(Self(number)),
            Ok(_) | Err(_) => Err(refused),
        }
    }

    /// Opens it, and looks whether it is what its name says.
    pub fn open(self) -> Result<OwnedFd, Disbelief> {
        self.open_below(Path::new(FOLDER))
    }

    fn open_below(self, folder: &Path) -> Result<OwnedFd, Disbelief> {
        // O_NOCTTY: it must not become the agent's terminal. O_NOFOLLOW: the name is the thing.
        // O_NONBLOCK: opening must not wait for a carrier, nor a FIFO's other end.
        let flags = libc::O_NOCTTY | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(folder.join(self.0.to_string()))
            .map_err(|error| Disbelief::NotOpened(error.raw_os_error().unwrap_or(0)))?;
        let found = file
            .metadata()
            .map_err(|error| Disbelief::NotOpened(error.raw_os_error().unwrap_or(0)))?;
        let device = (libc::major(found.rdev()), libc::minor(found.rdev()));
        if found.file_type().is_char_device() && device == self.device() {
            Ok(file.into())
        } else {
            Err(Disbelief::NotThatTerminal)
        }
    }

    fn device(self) -> (u32, u32) {
        (MAJOR, self.0)
    }

    /// Its path.
    pub fn path(self) -> PathBuf {
        Path::new(FOLDER).join(self.0.to_string())
    }
}

impl fmt::Display for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FOLDER}/{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::fs::symlink;

    use xenstore_wire::Access;

    use super::*;

    fn new_pty() -> (nix::pty::OpenptyResult, Terminal) {
        let pty = nix::pty::openpty(None, None).unwrap();
        let name = nix::unistd::ttyname(pty.slave.as_fd()).unwrap();
        let terminal = Terminal::parse(name.as_os_str().as_encoded_bytes()).unwrap();
        (pty, terminal)
    }

    #[test]
    fn believes_the_name_of_a_terminal() {
        for (name, number) in
            [(&b"/dev/pts/0"[..], 0), (b"/dev/pts/7", 7), (b"/dev/pts/1048575", 1_048_575)]
        {
            assert_eq!(Terminal::parse(name), Ok(Terminal(number)));
            assert_eq!(Terminal(number).to_string().as_bytes(), name);
        }
    }

    #[test]
    fn refuses_every_other_value() {
        let long = [b"/dev/pts/".as_slice(), &[b'1'; 4096]].concat();
        for value in [
            &b"/etc/shadow"[..],
            b"/dev/pts/",
            b"/dev/pts",
            b"/dev/pts/ptmx",
            b"/dev/pts/../../etc/shadow",
            b"/dev/pts/1/../../mem",
            b"/dev/pts/1\0",
            b"/dev/pts/1\n",
            b"/dev/pts/+1",
            b"/dev/pts/-1",
            b"/dev/pts/01",
            b"/dev/pts/00",
            b"/dev/pts//1",
            b"/dev/pts/1048576",
            b"/dev/pts/4294967297",
            b"/dev/tty1",
            b"pts/1",
            b"\xff\xfe",
            &long,
        ] {
            assert_eq!(Terminal::parse(value), Err(Disbelief::NotATerminalName), "{value:?}");
        }
    }

    #[test]
    fn believes_no_node_that_a_guest_could_have_written() {
        let believed = |owner, default, exceptions: &[(u16, Access)]| {
            let domain = |number| DomainId::new(number).unwrap();
            let exceptions = exceptions.iter().map(|(number, access)| (domain(*number), *access));
            let permissions =
                Permissions { owner: domain(owner), default, exceptions: exceptions.collect() };
            believe(b"/dev/pts/7", &permissions)
        };
        assert_eq!(believed(0, Access::None, &[(7, Access::Read)]), Ok(Terminal(7)));
        assert_eq!(believed(7, Access::None, &[]), Err(Disbelief::Writable(7)));
        assert_eq!(believed(0, Access::Write, &[]), Err(Disbelief::WritableByAll));
        assert_eq!(believed(0, Access::Both, &[]), Err(Disbelief::WritableByAll));
        assert_eq!(believed(0, Access::None, &[(9, Access::Both)]), Err(Disbelief::Writable(9)));
    }

    #[test]
    fn opens_the_terminal_that_it_names() {
        let (_pty, terminal) = new_pty();
        assert!(terminal.open().is_ok());
    }

    #[test]
    fn opens_a_terminal_whose_number_is_beyond_a_byte() {
        let mut masters = Vec::new();
        let (_pty, terminal) = loop {
            let (pty, terminal) = new_pty();
            if terminal.0 > 255 {
                break (pty, terminal);
            }
            masters.push(pty.master);
        };
        assert!(terminal.open().is_ok());
    }

    #[test]
    fn refuses_what_is_not_the_terminal_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let (_pty, terminal) = new_pty();
        symlink(terminal.path(), folder.path().join("1")).unwrap();
        symlink("/etc/shadow", folder.path().join("2")).unwrap();
        std::fs::write(folder.path().join("3"), "a file").unwrap();
        std::fs::create_dir(folder.path().join("4")).unwrap();
        nix::unistd::mkfifo(&folder.path().join("5"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let open = |number| Terminal(number).open_below(folder.path()).unwrap_err();
        assert_eq!(open(1), Disbelief::NotOpened(libc::ELOOP));
        assert_eq!(open(2), Disbelief::NotOpened(libc::ELOOP));
        assert_eq!(open(3), Disbelief::NotThatTerminal);
        assert_eq!(open(4), Disbelief::NotOpened(libc::EISDIR));
        assert_eq!(open(5), Disbelief::NotThatTerminal);
        assert_eq!(open(6), Disbelief::NotOpened(libc::ENOENT));
    }

    #[test]
    fn refuses_another_device_under_a_terminals_name() {
        // /dev/null is a character device, and still not terminal 1.
        let wrong = Terminal(1);
        let folder = tempfile::tempdir().unwrap();
        let made = nix::sys::stat::mknod(
            &folder.path().join("1"),
            nix::sys::stat::SFlag::S_IFCHR,
            nix::sys::stat::Mode::S_IRWXU,
            nix::sys::stat::makedev(1, 3),
        );
        if made.is_ok() {
            let refused = wrong.open_below(folder.path()).unwrap_err();
            assert!(matches!(refused, Disbelief::NotThatTerminal | Disbelief::NotOpened(_)));
        }
    }
}
