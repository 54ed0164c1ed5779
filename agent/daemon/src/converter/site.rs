//! What every converter of this agent shares: the program, the empty network, the folders.

use std::cell::RefCell;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use restrict::{FileId, NetworkError, Program, RangeError};
use uuid::Uuid;
use vncterm_launch::Terminal;

use crate::config::{Config, Consoles, Converters};
use crate::host_console::HostConsole;

/// Control sockets and manifests, below the run folder.
const CONVERTERS: &str = "converters";
/// Saved screens, below the state folder.
const SCREENS: &str = "screens";
/// Held while an agent has the run folder.
const LOCK: &str = "lock";

/// What every converter is started with.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) consoles: Consoles,
    pub(crate) converters: Converters,
    pub(super) program: Program,
    pub(super) network: OwnedFd,
    pub(super) network_id: FileId,
    /// Control sockets and manifests.
    folder: PathBuf,
    /// The same, open: paths through it stay short enough for a socket's name.
    folder_handle: File,
    screens: PathBuf,
    /// The control domain's console, while it is of this agent's making.
    host_console: RefCell<Option<HostConsole>>,
    _lock: File,
}

/// Why no converter could be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    /// A folder can't be had.
    #[error("make folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others could put files into a folder.
    #[error("use folder {}: others than root can write it", path.display())]
    Open {
        /// The folder.
        path: PathBuf,
    },
    /// Another agent has the run folder.
    #[error("run folder {} belongs to another agent that is running", path.display())]
    Taken {
        /// The run folder.
        path: PathBuf,
    },
    /// The lock file can't be opened.
    #[error("lock run folder {}", path.display())]
    Lock {
        /// The run folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The converter's program can't be opened.
    #[error("open the converter's program {}", path.display())]
    Program {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user ids are somebody else's.
    #[error("use the configured user ids")]
    Range(#[from] RangeError),
    /// There is no empty network.
    #[error("make the converters' empty network")]
    Network(#[from] NetworkError),
    /// The empty network can't be told from others.
    #[error("look at the converters' empty network")]
    NetworkId(#[source] io::Error),
    /// This process would not hear how converters end.
    #[error("become the parent of converters")]
    Subreaper(#[source] io::Error),
}

impl Site {
    /// Takes the run folder, and makes everything ready.
    pub(crate) fn open(config: &Config) -> Result<Self, SiteError> {
        let run_dir = &config.agent.run_dir;
        make_folder(run_dir, 0o755)?;
        let lock = lock(run_dir)?;
        config.converters.uids.refuse_host()?;
        config.converters.uids.refuse_range(config.device_models.uids)?;
        let folder = run_dir.join(CONVERTERS);
        make_folder(&folder, 0o700)?;
        make_folder(&config.agent.state_dir, 0o700)?;
        let screens = config.agent.state_dir.join(SCREENS);
        make_folder(&screens, 0o700)?;
        let path = &config.converters.program;
        let program = Program::open(path)
            .map_err(|source| SiteError::Program { path: path.clone(), source })?;
        restrict::become_subreaper().map_err(SiteError::Subreaper)?;
        let network = restrict::empty_network()?;
        let network_id = FileId::of(&network).map_err(SiteError::NetworkId)?;
        let folder_handle = File::open(&folder)
            .map_err(|source| SiteError::Folder { path: folder.clone(), source })?;
        Ok(Self {
            consoles: config.consoles.clone(),
            converters: config.converters.clone(),
            program,
            network,
            network_id,
            folder,
            folder_handle,
            screens,
            host_console: RefCell::new(None),
            _lock: lock,
        })
    }

    /// Opens the control domain's console, unless it is open; where its login is to be, if that is
    /// new.
    pub(crate) fn open_host_console(&self) -> io::Result<Option<Terminal>> {
        let mut console = self.host_console.borrow_mut();
        if console.is_some() {
            return Ok(None);
        }
        let opened = HostConsole::open(self.consoles.columns, self.consoles.rows)?;
        Ok(Some(console.insert(opened).terminal))
    }

    /// Where the control domain's console is, if it is of this agent's making.
    pub(crate) fn host_terminal(&self) -> Option<Terminal> {
        self.host_console.borrow().as_ref().map(|console| console.terminal)
    }

    /// Both ends of the control domain's console, if it is on this terminal.
    pub(super) fn host_console_ends(&self, terminal: Terminal) -> io::Result<(OwnedFd, OwnedFd)> {
        match &*self.host_console.borrow() {
            Some(console) if console.terminal == terminal => console.ends(),
            Some(_) | None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Where manifests are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A VM's control socket, by a name that is short whatever the run folder is called.
    pub(super) fn control_socket(&self, vm: Uuid) -> PathBuf {
        let handle = self.folder_handle.as_raw_fd();
        PathBuf::from(format!("/proc/self/fd/{handle}/{vm}.sock"))
    }

    /// A VM's manifest.
    pub(super) fn manifest(&self, vm: Uuid) -> PathBuf {
        self.folder.join(format!("{vm}.json"))
    }

    /// Opens a VM's screen file.
    pub(super) fn open_screen(&self, vm: Uuid) -> io::Result<OwnedFd> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(self.screens.join(vm.to_string()))?;
        Ok(file.into())
    }

    /// Deletes a VM's saved screen.
    pub(crate) fn delete_screen(&self, vm: Uuid) -> io::Result<()> {
        match fs::remove_file(self.screens.join(vm.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }

    /// The saved screens, each with its age.
    pub(crate) fn saved_screens(&self) -> io::Result<Vec<(Uuid, std::time::Duration)>> {
        let mut screens = Vec::new();
        for entry in fs::read_dir(&self.screens)? {
            let entry = entry?;
            let vm = entry.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok());
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            screens.extend(vm.map(|vm| (vm, age)));
        }
        Ok(screens)
    }
}

/// Makes a folder. One that is there already is used only if nobody but root can write it.
fn make_folder(path: &Path, mode: u32) -> Result<(), SiteError> {
    let fault = |source| SiteError::Folder { path: path.to_owned(), source };
    if !fs::exists(path).map_err(fault)? {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fault)?;
        // Whatever the umask is.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(fault)?;
    }
    let found = fs::metadata(path).map_err(fault)?;
    if found.uid() == 0 && found.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err(SiteError::Open { path: path.to_owned() })
    }
}

fn lock(run_dir: &Path) -> Result<File, SiteError> {
    let fault = |source| SiteError::Lock { path: run_dir.to_owned(), source };
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(run_dir.join(LOCK))
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SiteError::Taken { path: run_dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Site {
        /// A site that starts nothing.
        pub(in crate::converter) fn below(folder: &Path) -> Self {
            let Config { consoles, converters, .. } = Config::default();
            let network: OwnedFd = File::open("/proc/self/ns/net").unwrap().into();
            Self {
                consoles,
                converters,
                program: Program::open(Path::new("/proc/self/exe")).unwrap(),
                network_id: FileId::of(&network).unwrap(),
                network,
                folder: folder.to_owned(),
                folder_handle: File::open(folder).unwrap(),
                screens: folder.to_owned(),
                host_console: RefCell::new(None),
                _lock: lock(folder).unwrap(),
            }
        }
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("a/b");
        // As root; anybody else's folder is refused in any case.
        let is_root = nix::unistd::Uid::effective().is_root();
        assert_eq!(make_folder(&made, 0o755).is_ok(), is_root);
        assert_eq!(fs::metadata(&made).unwrap().mode() & 0o777, 0o755);
        fs::set_permissions(&made, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(make_folder(&made, 0o755), Err(SiteError::Open { .. })));
    }

    #[test]
    fn a_run_folder_has_one_agent() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        assert!(matches!(lock(folder.path()), Err(SiteError::Taken { .. })));
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
