//! A simulated guest, made by the test itself: what a toolstack and xenconsoled do in the store,
//! with the guest's end of the console in the test's hands.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use crate::deadline::Deadline;
use crate::store::{Refused, Store};

/// A pty; the test plays the guest on its master.
#[derive(Debug)]
pub struct Console {
    master: File,
    /// Held as xenconsoled holds it, so that the pty lives while nobody else has it open.
    _slave: OwnedFd,
    /// The path that a toolstack would put into the store.
    pub tty: PathBuf,
}

/// Who a simulated guest is.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Its number.
    pub domid: u16,
    /// Its VM's uuid.
    pub uuid: String,
    /// Its VM's name.
    pub name: String,
}

impl Console {
    /// Opens a raw pty.
    ///
    /// # Panics
    /// When the system has none.
    #[must_use]
    pub fn open() -> Self {
        // From their first moment nobody else's: what another test starts meanwhile inherits neither.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC);
        let master = master.expect("a pty");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("its other end may be opened");
        let tty = PathBuf::from(ptsname_r(&master).expect("a pty has a path"));
        let mut slave = File::options();
        slave.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let slave = OwnedFd::from(slave.open(&tty).expect("a pty has two ends"));
        let mut modes = tcgetattr(&slave).expect("a pty has modes");
        cfmakeraw(&mut modes);
        tcsetattr(&slave, SetArg::TCSANOW, &modes).expect("a pty can be raw");
        Self { master: File::from(OwnedFd::from(master)), _slave: slave, tty }
    }

    /// Prints as the guest.
    ///
    /// # Errors
    /// When the pty is gone.
    pub fn print(&mut self, text: &[u8]) -> io::Result<()> {
        self.master.write_all(text)
    }

    /// Reads what was typed to the guest, up to and with a text.
    ///
    /// # Panics
    /// When the text hasn't come by the deadline.
    pub fn typed_until(&mut self, deadline: Deadline, text: &[u8]) -> Vec<u8> {
        let mut typed = Vec::new();
        while !typed.windows(text.len()).any(|window| window == text) {
            let left = deadline.left_for("keys that reach the guest");
            let time = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
            let mut wait = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
            if poll(&mut wait, PollTimeout::from(time)) == Ok(1) {
                let mut bytes = [0; 256];
                let length = self.master.read(&mut bytes).expect("the pty is there");
                typed.extend_from_slice(&bytes[..length]);
            }
        }
        typed
    }
}

impl Guest {
    /// A guest of this number and name; its uuid is made from the number.
    #[must_use]
    pub fn new(domid: u16, name: &str) -> Self {
        let uuid = format!("00000000-0000-4000-8000-{domid:012x}");
        Self { domid, uuid, name: name.to_owned() }
    }

    /// The path of a key in its home.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        format!("/local/domain/{}/{key}", self.domid)
    }

    /// Creates the domain's keys and introduces it, as a toolstack does; no console yet.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn create(&self, store: &mut Store) -> Result<(), Refused> {
        let home = format!("/local/domain/{}", self.domid);
        let vm = format!("/vm/{}", self.uuid);
        let readable = ["n0".to_owned(), format!("r{}", self.domid)];
        let readable = readable.each_ref().map(String::as_str);
        for root in [&home, &vm] {
            store.make_directory(root)?;
            store.set_permissions(root, &readable)?;
        }
        store.write(&format!("{vm}/name"), &self.name)?;
        store.write(&format!("{vm}/uuid"), &self.uuid)?;
        store.write(&self.key("vm"), &vm)?;
        store.write(&self.key("name"), &self.name)?;
        store.write(&self.key("domid"), &self.domid.to_string())?;
        store.write(&self.key("console/type"), "xenconsoled")?;
        store.write(&self.key("console/limit"), "1048576")?;
        store.introduce(self.domid)
    }

    /// Names its tty, as xenconsoled does.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn set_tty(&self, store: &mut Store, tty: &str) -> Result<(), Refused> {
        store.write(&self.key("console/tty"), tty)
    }

    /// Ends the domain, as a toolstack does.
    ///
    /// # Errors
    /// The store's refusal.
    pub fn destroy(&self, store: &mut Store) -> Result<(), Refused> {
        store.remove(&format!("/local/domain/{}", self.domid))?;
        store.remove(&format!("/vm/{}", self.uuid))?;
        store.release(self.domid)
    }
}
