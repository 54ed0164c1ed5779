//! The records' database: one file that survives kill -9 at any moment.
//!
//! A file that is not whole is reported and left as it is. What a record means, and when it goes,
//! is for the book.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use redb::{Builder, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition};
use uuid::Uuid;

use crate::record::{Change, Record};

/// The file, below the state folder.
const FILE: &str = "records.redb";
/// A new database under way; it gets its name when it is whole.
const NEW_FILE: &str = "records.redb.new";
/// Ten thousand records fit twice.
const CACHE_BYTES: usize = 16 * 1024 * 1024;
/// The form of the records: a file with another number is of a later release.
const FORM: u32 = 1;
const FORM_KEY: &str = "form";

const META: TableDefinition<'_, &str, u32> = TableDefinition::new("meta");
/// A VM's uuid, and its record as JSON.
const VMS: TableDefinition<'_, u128, &[u8]> = TableDefinition::new("vms");

/// How safe a write is when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// On the disk: somebody was, or will be, told that it is kept.
    Kept,
    /// On the disk with the next write that is: nobody is told.
    Lazy,
}

/// Why records are not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseFault {
    /// The file can't be opened, made or written.
    #[error("open records database {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a whole database.
    #[error(
        "records database {} is corrupt ({why}); it was left as it is: move it away to start \
         without records, or put a copy of it back", path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another process has it open.
    #[error("records database {} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later release wrote it.
    #[error(
        "records database {} has form {found}, and this release knows form {FORM}: a later \
         release wrote it", path.display()
    )]
    LaterForm {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u32,
    },
    /// A change was not written.
    #[error("write records database {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

/// The open database.
#[derive(Debug)]
pub(crate) struct Database {
    /// None after a failed write, until it is opened again: redb writes nothing after an error.
    file: Option<redb::Database>,
    path: PathBuf,
}

impl Database {
    /// Opens the database below `state_dir`, or makes it, and reads every record.
    pub(crate) fn open(state_dir: &Path) -> Result<(Self, BTreeMap<Uuid, Record>), DatabaseFault> {
        let path = state_dir.join(FILE);
        if !fs::exists(&path).map_err(|source| open_fault(&path, source))? {
            create(state_dir, &path)?;
        }
        let file = open_file(&path)?;
        let records = read(&file, &path)?;
        Ok((Self { file: Some(file), path }, records))
    }

    /// Writes changes: all of them, or none.
    pub(crate) fn write(
        &mut self,
        changes: &[Change],
        safety: Safety,
    ) -> Result<(), DatabaseFault> {
        if changes.is_empty() { Ok(()) } else { self.write_or_close(changes, safety) }
    }

    /// Puts on the disk what was written lazily.
    pub(crate) fn settle(&mut self) -> Result<(), DatabaseFault> {
        self.write_or_close(&[], Safety::Kept)
    }

    fn write_or_close(&mut self, changes: &[Change], safety: Safety) -> Result<(), DatabaseFault> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open_file(&self.path)?,
        };
        write(&file, changes, safety).map_err(|source| DatabaseFault::Write {
            path: self.path.clone(),
            source: Box::new(source),
        })?;
        self.file = Some(file);
        Ok(())
    }
}

/// Uuids, and records as JSON.
type Rows = Vec<(u128, Vec<u8>)>;

fn open_file(path: &Path) -> Result<redb::Database, DatabaseFault> {
    builder().open(path).map_err(|error| classify(path, error))
}

fn read(file: &redb::Database, path: &Path) -> Result<BTreeMap<Uuid, Record>, DatabaseFault> {
    let corrupt = |why: String| DatabaseFault::Corrupt { path: path.to_owned(), why };
    let read = || -> Result<(u32, Rows), redb::Error> {
        let view = file.begin_read()?;
        let form = view.open_table(META)?.get(FORM_KEY)?.map_or(0, |form| form.value());
        let rows = view.open_table(VMS)?;
        let rows = rows.iter()?.map(|row| {
            row.map(|(vm, record)| (vm.value(), record.value().to_vec())).map_err(Into::into)
        });
        Ok((form, rows.collect::<Result<_, redb::Error>>()?))
    };
    let (form, rows) = read().map_err(|error| corrupt(error.to_string()))?;
    if form != FORM {
        return Err(DatabaseFault::LaterForm { path: path.to_owned(), found: form });
    }
    let mut records = BTreeMap::new();
    for (vm, json) in rows {
        let vm = Uuid::from_u128(vm);
        let record = serde_json::from_slice(&json)
            .map_err(|error| corrupt(format!("the record of VM {vm}: {error}")))?;
        records.insert(vm, record);
    }
    Ok(records)
}

fn write(file: &redb::Database, changes: &[Change], safety: Safety) -> Result<(), redb::Error> {
    let mut transaction = file.begin_write()?;
    transaction.set_durability(match safety {
        Safety::Kept => Durability::Immediate,
        Safety::Lazy => Durability::None,
    })?;
    {
        let mut rows = transaction.open_table(VMS)?;
        for change in changes {
            match change {
                Change::Put(vm, record) => {
                    let json = serde_json::to_vec(record)
                        .map_err(|error| redb::Error::Io(io::Error::other(error)))?;
                    rows.insert(vm.as_u128(), json.as_slice())?;
                }
                Change::Delete(vm) => drop(rows.remove(vm.as_u128())?),
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // A file that was changed behind our back fails to open, instead of failing later.
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Makes an empty database under another name first: a file of the right name is a whole one.
fn create(state_dir: &Path, path: &Path) -> Result<(), DatabaseFault> {
    let new = state_dir.join(NEW_FILE);
    let fault = |source| open_fault(&new, source);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        Ok(()) | Err(_) => {}
    }
    let fill = || -> Result<(), redb::Error> {
        let file = builder().create(&new)?;
        let transaction = file.begin_write()?;
        transaction.open_table(META)?.insert(FORM_KEY, FORM)?;
        transaction.open_table(VMS)?;
        transaction.commit()?;
        Ok(())
    };
    fill()
        .map_err(|source| DatabaseFault::Write { path: new.clone(), source: Box::new(source) })?;
    // The records may hold what users meant for their guests only.
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).map_err(fault)?;
    fs::rename(&new, path).map_err(|source| open_fault(path, source))?;
    File::open(state_dir).and_then(|folder| folder.sync_all()).map_err(fault)
}

fn open_fault(path: &Path, source: io::Error) -> DatabaseFault {
    DatabaseFault::Open { path: path.to_owned(), source }
}

fn classify(path: &Path, error: DatabaseError) -> DatabaseFault {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            DatabaseFault::InUse { path }
        }
        DatabaseError::Storage(redb::StorageError::Io(source))
            if !matches!(
                source.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
            ) =>
        {
            DatabaseFault::Open { path, source }
        }
        other => DatabaseFault::Corrupt { path, why: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
