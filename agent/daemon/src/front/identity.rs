//! Who this host is to the API's clients: uuids made once, the secret of its references, and the
//! keys that clients have set on host, pool and the host's network interfaces.
//!
//! One small file below the state folder, written anew and renamed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xenwarden_model::{Class, Map, Reference};

/// The file, below the state folder.
const FILE: &str = "identity.json";
/// A new one under way.
const NEW_FILE: &str = "identity.json.new";
/// A longer file was not written here: a few maps of the largest size, escaped.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Why this host does not know who it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityFault {
    /// The file can't be read or written.
    #[error("keep the host's identity in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written here.
    #[error(
        "{} is no identity: move it away to make a new one, which clients see as another host",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    host: Uuid,
    pool: Uuid,
    /// References are made with it; who knows it can tell them.
    secret: Uuid,
    pool_name: String,
    #[serde(default)]
    host_other_config: Map,
    #[serde(default)]
    pool_other_config: Map,
    /// Keys of the host's network interfaces, by what each is known by.
    #[serde(default)]
    pif_other_config: BTreeMap<String, Map>,
}

/// Who this host is.
#[derive(Debug)]
pub(crate) struct Identity {
    kept: Kept,
    folder: PathBuf,
}

impl Identity {
    /// Reads the identity kept below `state_dir`, or makes one.
    pub(crate) fn open(state_dir: &Path, hostname: &str) -> Result<Self, IdentityFault> {
        let path = state_dir.join(FILE);
        let folder = state_dir.to_owned();
        match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(BYTES_MAX)
                    .read_to_end(&mut bytes)
                    .map_err(|source| IdentityFault::File { path: path.clone(), source })?;
                let kept = serde_json::from_slice(&bytes)
                    .map_err(|source| IdentityFault::Corrupt { path, source })?;
                Ok(Self { kept, folder })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let kept = Kept {
                    host: Uuid::new_v4(),
                    pool: Uuid::new_v4(),
                    secret: Uuid::new_v4(),
                    pool_name: hostname.to_owned(),
                    host_other_config: Map::new(),
                    pool_other_config: Map::new(),
                    pif_other_config: BTreeMap::new(),
                };
                let identity = Self { kept, folder };
                identity.write(&identity.kept)?;
                Ok(identity)
            }
            Err(source) => Err(IdentityFault::File { path, source }),
        }
    }

    /// The host's uuid.
    pub(crate) fn host(&self) -> Uuid {
        self.kept.host
    }

    /// The pool's uuid.
    pub(crate) fn pool(&self) -> Uuid {
        self.kept.pool
    }

    /// The pool's name.
    pub(crate) fn pool_name(&self) -> &str {
        &self.kept.pool_name
    }

    /// The reference of an object.
    pub(crate) fn reference(&self, class: Class, uuid: Uuid) -> Reference {
        Reference::of(self.kept.secret, class.name(), uuid)
    }

    /// Keys of the host, or else of the pool.
    pub(crate) fn other_config(&self, class: Class) -> Option<&Map> {
        match class {
            Class::Host => Some(&self.kept.host_other_config),
            Class::Pool => Some(&self.kept.pool_other_config),
            Class::Vm | Class::Console | Class::Task => None,
        }
    }

    /// Replaces the keys of host or pool, once they are on the disk.
    pub(crate) fn set_other_config(
        &mut self,
        class: Class,
        entries: Map,
    ) -> Result<(), IdentityFault> {
        let mut kept = self.kept.clone();
        match class {
            Class::Host => kept.host_other_config = entries,
            Class::Pool => kept.pool_other_config = entries,
            Class::Vm | Class::Console | Class::Task => return Ok(()),
        }
        self.write(&kept)?;
        self.kept = kept;
        Ok(())
    }

    /// Keys of the host's network interfaces, by what each is known by.
    pub(crate) fn pifs(&self) -> &BTreeMap<String, Map> {
        &self.kept.pif_other_config
    }

    /// Replaces the keys of one of them, once they are on the disk.
    pub(crate) fn set_pif(&mut self, known_by: &str, entries: Map) -> Result<(), IdentityFault> {
        let mut kept = self.kept.clone();
        if entries.is_empty() {
            kept.pif_other_config.remove(known_by);
        } else {
            kept.pif_other_config.insert(known_by.to_owned(), entries);
        }
        self.write(&kept)?;
        self.kept = kept;
        Ok(())
    }

    fn write(&self, kept: &Kept) -> Result<(), IdentityFault> {
        let (path, new) = (self.folder.join(FILE), self.folder.join(NEW_FILE));
        let write = || -> io::Result<()> {
            let mut options = File::options();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&new)?;
            file.write_all(&serde_json::to_vec(kept)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| IdentityFault::File { path: path.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_identity_and_its_keys_stay() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Identity::open(folder.path(), "host-a").unwrap();
        let keys = Map::from([("a".to_owned(), "b".to_owned())]);
        first.set_other_config(Class::Pool, keys.clone()).unwrap();
        let second = Identity::open(folder.path(), "renamed").unwrap();
        assert_eq!(second.kept, first.kept);
        assert_eq!(second.other_config(Class::Pool), Some(&keys));
        assert_eq!(second.pool_name(), "host-a");
        let uuid = Uuid::from_u128(3);
        assert_eq!(first.reference(Class::Vm, uuid), second.reference(Class::Vm, uuid));
        let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_broken_identity_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        let opened = Identity::open(folder.path(), "h");
        assert!(matches!(opened, Err(IdentityFault::Corrupt { .. })));
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), b"{");
    }
}
