//! A QEMU's VNC screen, believed only when it is proven: whoever listens at the address that the
//! store names is the domain's own device model.
//!
//! The proof is read from `/proc`, bounded, and holds for the moment. Who asks for it, and what is
//! made of it, is elsewhere.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use xenstore_wire::DomainId;

/// A line of /proc/net/tcp has 150 bytes: 50,000 connections.
const TABLE_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// QEMU's command line, as libxl makes it, has some kilobytes.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// Descriptors of a device model that are looked at: it has some dozens.
const DESCRIPTORS_MAX: usize = 4096;
/// Processes that are looked at where the store names none: more than a kernel has by default.
const PROCESSES_MAX: usize = 65_536;
/// The state of a listening socket (Linux, `TCP_LISTEN`).
const LISTENING: &str = "0A";
/// What QEMU is told its domain by.
const DOMID_OPTION: &[u8] = b"-xen-domid";

/// What the store says of a domain's graphical screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The port that another program has put there.
    pub(crate) port: u16,
    /// The device model's process; absent where no node that only the control domain can write
    /// names it.
    pub(crate) pid: Option<i32>,
}

/// Why a screen isn't believed to be a domain's.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unproven {
    /// Nobody listens there.
    #[error("nobody listens at 127.0.0.1:{0}")]
    NobodyListens(u16),
    /// More than one socket could answer.
    #[error("several sockets listen at port {0}")]
    Several(u16),
    /// The store's process isn't a device model of this domain.
    #[error("process {0} is not a device model of this domain")]
    NotADeviceModel(i32),
    /// The socket is another process's.
    #[error("who listens at 127.0.0.1:{0} is not the domain's device model")]
    AnothersSocket(u16),
    /// /proc can't be read.
    #[error("look who listens")]
    Look(#[from] io::Error),
}

/// Every TCP listener of this network, as it was at one moment.
#[derive(Debug)]
pub(crate) struct Listeners(Vec<Listener>);

/// A listening socket that a connection to 127.0.0.1 may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    port: u16,
    inode: u64,
}

impl Listeners {
    /// Looks now.
    pub(crate) fn look() -> io::Result<Self> {
        let mut listeners = Vec::new();
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            match read_bounded(Path::new(table), TABLE_BYTES_MAX) {
                Ok(text) => listeners.extend(parse_table(&String::from_utf8_lossy(&text))),
                // Without IPv6 there is no such table.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(listeners))
    }

    /// The address at which a domain's own device model listens, if it does.
    pub(crate) fn prove(&self, domain: DomainId, claim: Claim) -> Result<SocketAddrV4, Unproven> {
        let Claim { port, pid } = claim;
        let mut found = self.0.iter().filter(|listener| listener.port == port);
        let inode = match (found.next(), found.next()) {
            (Some(listener), None) => listener.inode,
            (None, _) => return Err(Unproven::NobodyListens(port)),
            (Some(_), Some(_)) => return Err(Unproven::Several(port)),
        };
        let holds = match pid {
            Some(pid) if !is_device_model(pid, domain)? => {
                return Err(Unproven::NotADeviceModel(pid));
            }
            Some(pid) => holds_socket(pid, inode)?,
            None => find_device_models(domain)?
                .into_iter()
                .any(|pid| holds_socket(pid, inode).unwrap_or(false)),
        };
        if holds {
            Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
        } else {
            Err(Unproven::AnothersSocket(port))
        }
    }
}

/// The listeners of a table that a connection to 127.0.0.1 may reach: there, or at every address
/// (Linux, Documentation/networking/proc_net_tcp.rst; addresses are in the host's byte order).
fn parse_table(text: &str) -> Vec<Listener> {
    let loopback = format!("{:08X}", u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets()));
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().take(10).collect();
        let [_, local, _, LISTENING, _, _, _, _, _, inode] = fields.as_slice() else { return None };
        let (address, port) = local.split_once(':')?;
        let is_any = address.bytes().all(|digit| digit == b'0');
        // ::ffff:127.0.0.1
        let is_mapped = address.len() == 32 && address.ends_with(&loopback);
        if address != loopback && !is_any && !is_mapped {
            return None;
        }
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(Listener { port, inode: inode.parse().ok()? })
    };
    text.lines().skip(1).filter_map(parse).collect()
}

/// The domain that a command line is a device model's of.
fn domain_of(command: &[u8]) -> Option<DomainId> {
    let mut words = command.split(|byte| *byte == 0);
    words.find(|word| *word == DOMID_OPTION)?;
    DomainId::parse(words.next()?).ok()
}

/// Whether a process was started as a device model of the domain.
fn is_device_model(pid: i32, domain: DomainId) -> io::Result<bool> {
    let path = format!("/proc/{pid}/cmdline");
    match read_bounded(Path::new(&path), COMMAND_BYTES_MAX) {
        Ok(command) => Ok(domain_of(&command) == Some(domain)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The device models of a domain that root started and that are root's still: anybody can run a
/// program with QEMU's words.
fn find_device_models(domain: DomainId) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.take(PROCESSES_MAX) {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let is_roots = entry.metadata().is_ok_and(|found| found.uid() == 0);
        if is_roots && is_device_model(pid, domain).unwrap_or(false) {
            found.push(pid);
        }
    }
    Ok(found)
}

/// Whether a process has a socket open.
fn holds_socket(pid: i32, inode: u64) -> io::Result<bool> {
    let socket = format!("socket:[{inode}]");
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTORS_MAX) {
        // A descriptor may be closed while they are counted.
        if fs::read_link(entry?.path()).is_ok_and(|link| link.as_os_str() == socket.as_str()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:170C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1001 1
   1: 00000000:170D 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1002 1
   2: 0A00000A:170E 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1003 1
   3: 0100007F:170C 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1004 1
   4: nonsense
";

    fn domain(number: u16) -> DomainId {
        DomainId::new(number).unwrap()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn only_listeners_that_loopback_reaches_count() {
        let listener = |port, inode| Listener { port, inode };
        assert_eq!(parse_table(TABLE), [listener(5900, 1001), listener(5901, 1002)]);
        let six = "head\n 0: 0000000000000000FFFF00000100007F:170C 0:0 0A 0 0 0 0 0 7 1\n \
                   1: 00000000000000000000000001000000:170D 0:0 0A 0 0 0 0 0 8 1";
        assert_eq!(parse_table(six), [listener(5900, 7)]);
        assert_eq!(parse_table(""), []);
    }

    #[test]
    fn a_command_line_names_one_domain_or_none() {
        let of = |words: &[u8]| domain_of(words).map(DomainId::number);
        assert_eq!(of(b"qemu\0-xen-domid\x0012\0-vnc\x00127.0.0.1:0\0"), Some(12));
        assert_eq!(of(b"qemu\0-xen-domid=12\0"), None);
        assert_eq!(of(b"qemu\0-xen-domid\0-1\0"), None);
        assert_eq!(of(b"qemu\0-xen-domid"), None);
        assert_eq!(of(b""), None);
    }

    /// A process with QEMU's words that holds a listener.
    fn device_model(words: &[&str], listener: &TcpListener) -> Child {
        let held: OwnedFd = listener.try_clone().unwrap().into();
        let mut command = Command::new("sh");
        command.args(["-c", "read wait"]).args(words).stdout(held).stdin(Stdio::piped());
        command.spawn().unwrap()
    }

    fn end(mut process: Child) {
        drop(process.stdin.take());
        process.wait().unwrap();
    }

    #[test]
    fn a_screen_is_believed_only_of_the_domains_own_device_model() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, others_port) =
            (listener.local_addr().unwrap().port(), other.local_addr().unwrap().port());
        let process = device_model(&["qemu", "-xen-domid", "7"], &listener);
        let pid = i32::try_from(process.id()).unwrap();
        let claim = Claim { port, pid: Some(pid) };
        let listeners = Listeners::look().unwrap();
        // The words are there once the shell has been executed.
        while !is_device_model(pid, domain(7)).unwrap() {
            std::thread::yield_now();
        }
        let address = listeners.prove(domain(7), claim).unwrap();
        assert_eq!((address.port(), address.ip().is_loopback()), (port, true));
        if nix::unistd::Uid::effective().is_root() {
            let unnamed = Claim { pid: None, ..claim };
            assert!(listeners.prove(domain(7), unnamed).is_ok());
        }
        let refused = |domain, claim| listeners.prove(domain, claim).unwrap_err();
        assert!(matches!(refused(domain(8), claim), Unproven::NotADeviceModel(_)));
        let its_own = Claim { port: others_port, ..claim };
        assert!(matches!(refused(domain(7), its_own), Unproven::AnothersSocket(_)));
        let us = Claim { pid: Some(i32::try_from(std::process::id()).unwrap()), ..claim };
        assert!(matches!(refused(domain(7), us), Unproven::NotADeviceModel(_)));
        end(process);
        drop((listener, other));
        let gone = Listeners::look().unwrap();
        assert!(matches!(gone.prove(domain(7), claim), Err(Unproven::NobodyListens(_))));
    }
}
