//! What a demo has for itself: folders, programs, user ids, ports. Several demos, tests and a
//! production agent never meet, because each holds the lock of what it has.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use tempfile::TempDir;

use crate::demo::{DOMAINS_MAX, DemoError};

/// The first user id of the first demo: far above those of people, services, containers
/// (subordinate ids end below it by default) and an installed agent's own ranges.
const UIDS_FIRST: u32 = 0x7600_0000;

/// User ids of one demo: the lower half its converters', the upper half its guests'.
const UIDS: u32 = 0x1_0000;

/// Demos that can run at the same time: as many as fit between the ports of the first one's
/// screens (from 5900) and of its texts (from 9500).
const SLOTS: u16 = (TEXT_FIRST - VNC_FIRST) / DOMAINS_MAX;

/// The ports that domain 0 of the first demo would have.
const VNC_FIRST: u16 = 5900;
const TEXT_FIRST: u16 = 9500;

/// Where the locks of user ids and ports are.
const LOCKS: &str = "/run/lock";

/// A home is a folder, and no link to one of somebody else's.
const HOME_FLAGS: i32 = libc::O_DIRECTORY | libc::O_NOFOLLOW;

/// Where installed programs are.
const INSTALLED: [&str; 2] = ["/usr/libexec/xenwarden", "/usr/sbin"];

/// Says that what a folder holds under a demo's names is a demo's: the next one there may use and
/// remove it.
const MARK: &str = ".xenwarden-demo";

/// What programs read to find the demo.
const JSON: &str = "demo.json";

/// The longest path of a socket, in bytes, without its NUL.
const SOCKET_PATH_MAX: usize = 107;

/// A demo's folders.
#[derive(Debug)]
pub(super) struct Places {
    /// The folder of it all.
    pub(super) dir: PathBuf,
    /// Removed at the end, where the demo has made it.
    temporary: Option<TempDir>,
    /// Two demos in one folder would take each other's files.
    _lock: Flock<File>,
}

impl Places {
    /// Makes the folders, in `dir` or in a new temporary folder.
    pub(super) fn make(dir: Option<&Path>) -> Result<Self, DemoError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| DemoError::Folder { path, source }
        };
        let (dir, temporary) = match dir {
            Some(dir) => {
                fs::create_dir_all(dir).map_err(failed(dir))?;
                (dir.to_path_buf(), None)
            }
            None => {
                let parent = std::env::temp_dir();
                let temporary = tempfile::Builder::new()
                    .prefix("xenwarden-demo-")
                    .tempdir_in(&parent)
                    .map_err(failed(&parent))?;
                // Guests pass through it to their homes.
                fs::set_permissions(temporary.path(), Permissions::from_mode(0o711))
                    .map_err(failed(temporary.path()))?;
                (temporary.path().to_path_buf(), Some(temporary))
            }
        };
        let dir = dir.canonicalize().map_err(failed(&dir))?;
        let folder = File::open(&dir).map_err(failed(&dir))?;
        let lock = match Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Err(DemoError::FolderInUse(dir)),
            Err((_, error)) => return Err(failed(&dir)(error.into())),
        };
        let places = Self { dir, temporary, _lock: lock };
        places.refuse_others()?;
        // What a demo that was killed has left behind goes.
        fs::write(places.dir.join(MARK), "")
            .and_then(|()| remove(&places.run()))
            .and_then(|()| remove(&places.dir.join(JSON)))
            .and_then(|()| fs::create_dir(places.run()))
            .map_err(failed(&places.dir))?;
        for folder in [places.locks(), places.state(), places.logs(), places.guests()] {
            fs::create_dir_all(&folder).map_err(failed(&folder))?;
        }
        if places.agent().as_os_str().len() > SOCKET_PATH_MAX {
            return Err(DemoError::PathTooLong(places.dir));
        }
        Ok(places)
    }

    /// Refuses a folder where one of the demo's names is taken by what no demo has made.
    fn refuse_others(&self) -> Result<(), DemoError> {
        if self.dir.join(MARK).is_file() {
            return Ok(());
        }
        let own = [self.run(), self.state(), self.logs(), self.guests(), self.dir.join(JSON)];
        // A link that leads nowhere is somebody's as well.
        match own.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            Some(path) => Err(DemoError::FolderOfOthers(path)),
            None => Ok(()),
        }
    }

    /// The agent's run folder.
    pub(super) fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// The agent's state folder.
    pub(super) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Where the consoles' locks are.
    pub(super) fn locks(&self) -> PathBuf {
        self.run().join("locks")
    }

    /// What the programs say.
    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("log")
    }

    /// The guests' homes.
    fn guests(&self) -> PathBuf {
        self.dir.join("guests")
    }

    /// Makes the home of a guest, its own.
    pub(super) fn make_home(&self, name: &str, uid: u32) -> Result<PathBuf, DemoError> {
        let path = self.guests().join(name);
        let made = fs::create_dir_all(&path)
            .and_then(|()| File::options().read(true).custom_flags(HOME_FLAGS).open(&path))
            .and_then(|home| {
                fchown(&home, Some(uid), Some(uid))?;
                home.set_permissions(Permissions::from_mode(0o700))
            });
        match made {
            Ok(()) => Ok(path),
            Err(source) => Err(DemoError::Folder { path, source }),
        }
    }

    /// The store's socket.
    pub(super) fn xenstore(&self) -> PathBuf {
        self.run().join("xenstored")
    }

    /// The agent's socket.
    pub(super) fn agent(&self) -> PathBuf {
        self.run().join("agent.sock")
    }

    /// The agent's configuration.
    pub(super) fn config(&self) -> PathBuf {
        self.run().join("xenwarden.toml")
    }

    /// Who may log in at the network front.
    pub(super) fn users(&self) -> PathBuf {
        self.run().join("users")
    }

    /// The network front's certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.state().join("tls/cert.pem")
    }

    /// Writes the file of users, root's alone.
    pub(super) fn write_users(&self, text: &str) -> Result<(), DemoError> {
        let path = self.users();
        let written = fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o600)));
        written.map_err(|source| DemoError::Folder { path, source })
    }

    /// Writes the agent's configuration.
    pub(super) fn write_config(&self, text: &str) -> Result<(), DemoError> {
        let path = self.config();
        fs::write(&path, text).map_err(|source| DemoError::Folder { path, source })
    }

    /// Writes demo.json as a whole: whoever sees it sees all of it.
    pub(super) fn write_json(&self, text: &str) -> Result<(), DemoError> {
        let (path, draft) = (self.dir.join(JSON), self.run().join(JSON));
        let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, &path));
        written.map_err(|source| DemoError::Folder { path, source })
    }

    /// Removes what only a running demo has: sockets, locks, demo.json, and the whole temporary
    /// folder.
    pub(super) fn clean_up(self) -> Result<(), DemoError> {
        let path = self.dir.clone();
        let failed = |source| DemoError::Folder { path: path.clone(), source };
        if let Some(temporary) = self.temporary {
            return temporary.close().map_err(failed);
        }
        remove(&self.dir.join(JSON)).and_then(|()| remove(&self.run())).map_err(failed)
    }
}

/// Removes a file or a whole folder, where it is.
fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Finds one of our programs: beside this one, else where it is installed.
pub(super) fn program(name: &str) -> Result<PathBuf, DemoError> {
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let folders = beside.into_iter().chain(INSTALLED.map(PathBuf::from));
    let mut candidates = folders.map(|folder| folder.join(name));
    candidates
        .find(|path| path.is_file())
        .ok_or_else(|| DemoError::NoProgram { name: name.to_owned() })
}

/// User ids and ports that nobody else has.
#[derive(Debug)]
pub(super) struct Slot {
    number: u16,
    /// Held as long as the slot is.
    _lock: Flock<File>,
}

impl Slot {
    /// Takes the first slot that is free: no other demo has it, no process has one of its user
    /// ids, and nobody listens at its ports.
    pub(super) fn take(domains: u16) -> Result<Self, DemoError> {
        let in_use = user_ids_in_use();
        for number in 0..SLOTS {
            let base = base_of(number);
            if in_use.range(base..base + UIDS).next().is_some() {
                continue;
            }
            let Some(lock) = lock(&format!("uids-{base}"))? else {
                continue;
            };
            let slot = Self { number, _lock: lock };
            if (1..=domains).all(|domid| slot.is_free(domid)) {
                return Ok(slot);
            }
        }
        Err(DemoError::NoSlot)
    }

    /// The first user id of the converters.
    pub(super) fn converters(&self) -> u32 {
        base_of(self.number)
    }

    /// The user id of a guest.
    pub(super) fn guest(&self, domid: u16) -> u32 {
        base_of(self.number) + UIDS / 2 + u32::from(domid)
    }

    /// The user id of the network front: the last, which no guest has.
    pub(super) fn front(&self) -> u32 {
        base_of(self.number) + UIDS - 1
    }

    /// Every user id of the demo.
    pub(super) fn user_ids(&self) -> std::ops::Range<u32> {
        let base = base_of(self.number);
        base..base + UIDS
    }

    /// The port of domain 0's screen, had it one: domain N has the Nth after it.
    pub(super) fn vnc_base(&self) -> u16 {
        VNC_FIRST + self.number * DOMAINS_MAX
    }

    /// The same for plain text.
    pub(super) fn text_base(&self) -> u16 {
        TEXT_FIRST + self.number * DOMAINS_MAX
    }

    fn is_free(&self, domid: u16) -> bool {
        let is_free = |base: u16| {
            TcpListener::bind((Ipv4Addr::LOCALHOST, base.saturating_add(domid))).is_ok()
        };
        is_free(self.vnc_base()) && is_free(self.text_base())
    }
}

fn base_of(slot: u16) -> u32 {
    UIDS_FIRST + u32::from(slot) * UIDS
}

/// The lock of something that this host has once, if nobody holds it.
pub(super) fn lock(what: &str) -> Result<Option<Flock<File>>, DemoError> {
    let path = Path::new(LOCKS).join(format!("xenwarden-{what}"));
    let failed = |source| DemoError::Lock { path: path.clone(), source };
    fs::create_dir_all(LOCKS).map_err(failed)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        // Anybody may put a link there.
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(failed(error.into())),
    }
}

/// Real, effective, saved and file-system user ids of every process.
fn user_ids_in_use() -> BTreeSet<u32> {
    processes().flat_map(|(_, user_ids)| user_ids).collect()
}

/// Every process and its user ids. One that ends meanwhile is left out.
pub(super) fn processes() -> impl Iterator<Item = (i32, Vec<u32>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let status = fs::read_to_string(entry.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        Some((pid, line.split_whitespace().filter_map(|id| id.parse().ok()).collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_among_those_that_use_user_ids() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let user = nix::unistd::getuid().as_raw();
        assert!(processes().any(|(pid, ids)| pid == own && ids.contains(&user)));
    }

    #[test]
    fn slots_share_no_user_id() {
        for number in 0..SLOTS {
            let base = base_of(number);
            assert!(base > 1_879_048_192 && base + UIDS <= base_of(number + 1));
        }
        assert!(base_of(SLOTS) < i32::MAX as u32);
    }

    #[test]
    fn a_program_that_is_nowhere_is_named() {
        let error = program("no-such-program").expect_err("it is nowhere");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }

    #[test]
    fn a_temporary_folder_goes_and_a_given_one_stays() {
        let given = tempfile::tempdir().expect("a folder");
        let places = Places::make(Some(given.path())).expect("folders");
        places.write_json("{}\n").expect("a file");
        assert!(given.path().join(JSON).exists());
        places.clean_up().expect("it can be cleaned up");
        assert!(!given.path().join(JSON).exists());
        assert!(!given.path().join("run").exists());
        assert!(given.path().join("state").exists());

        let places = Places::make(None).expect("folders");
        let dir = places.dir.clone();
        places.clean_up().expect("it can be cleaned up");
        assert!(!dir.exists());
    }

    #[test]
    fn one_folder_holds_one_demo() {
        let given = tempfile::tempdir().expect("a folder");
        let _first = Places::make(Some(given.path())).expect("folders");
        assert!(matches!(Places::make(Some(given.path())), Err(DemoError::FolderInUse(_))));
    }

    #[test]
    fn what_somebody_else_has_under_a_demos_names_is_left_alone() {
        for name in ["run", "state", "log", "guests", "demo.json"] {
            let given = tempfile::tempdir().expect("a folder");
            let precious = given.path().join(name);
            fs::write(&precious, "mine").expect("a file");
            let refused = Places::make(Some(given.path()));
            assert!(matches!(refused, Err(DemoError::FolderOfOthers(_))), "{refused:?}");
            assert_eq!(fs::read(&precious).expect("it is there"), b"mine");
        }
    }

    #[test]
    fn other_files_in_the_folder_are_no_obstacle() {
        let given = tempfile::tempdir().expect("a folder");
        fs::write(given.path().join("notes"), "mine").expect("a file");
        Places::make(Some(given.path())).expect("folders").clean_up().expect("cleaned up");
        assert_eq!(fs::read(given.path().join("notes")).expect("it is there"), b"mine");
    }

    #[test]
    fn a_demo_takes_the_place_of_one_that_was_killed() {
        let given = tempfile::tempdir().expect("a folder");
        drop(Places::make(Some(given.path())).expect("folders"));
        assert!(given.path().join("run").exists());
        assert!(Places::make(Some(given.path())).is_ok());
    }

    #[test]
    fn a_home_that_leads_elsewhere_is_nobodys_home() {
        let given = tempfile::tempdir().expect("a folder");
        let places = Places::make(Some(given.path())).expect("folders");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let link = given.path().join("guests/demo1");
        std::os::unix::fs::symlink(elsewhere.path(), link).expect("a link");
        assert!(places.make_home("demo1", 7).is_err());
    }

    #[test]
    fn a_folder_too_deep_for_a_socket_is_refused() {
        let given = tempfile::tempdir().expect("a folder");
        let deep = given.path().join("x".repeat(100));
        assert!(matches!(Places::make(Some(&deep)), Err(DemoError::PathTooLong(_))));
    }
}
