//! The records as the agent uses them: a rule of the book, written to the database, then applied.

use std::path::Path;

use xenwarden_model::{Refusal, RefusalCode};

use crate::book::{Book, Bounds};
use crate::causes::causes;
use crate::database::{Database, DatabaseFault, Safety};
use crate::record::Change;

/// Book and database, in step.
#[derive(Debug)]
pub(crate) struct Records {
    book: Book,
    database: Database,
    fault: Option<String>,
}

impl Records {
    /// Opens the records below `state_dir`.
    pub(crate) fn open(state_dir: &Path, bounds: Bounds) -> Result<Self, DatabaseFault> {
        let (database, records) = Database::open(state_dir)?;
        Ok(Self { book: Book::new(records, bounds), database, fault: None })
    }

    /// The book.
    pub(crate) fn book(&self) -> &Book {
        &self.book
    }

    /// Why the last write failed; absent when it did not.
    pub(crate) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Makes changes that somebody is told of: kept, or refused.
    pub(crate) fn keep(&mut self, changes: Vec<Change>) -> Result<(), Refusal> {
        match self.write(&changes, Safety::Kept) {
            Ok(()) => {
                self.book.apply(changes);
                Ok(())
            }
            Err(message) => Err(Refusal { code: RefusalCode::Failed, message }),
        }
    }

    /// Makes changes that follow from what was seen: they hold in memory whatever the disk says.
    pub(crate) fn note(&mut self, changes: Vec<Change>, safety: Safety) {
        // The log and the status tell of a failure.
        let _ = self.write(&changes, safety);
        self.book.apply(changes);
    }

    fn write(&mut self, changes: &[Change], safety: Safety) -> Result<(), String> {
        match self.database.write(changes, safety) {
            Ok(()) => {
                if self.fault.take().is_some() {
                    tracing::info!("records are written again");
                }
                Ok(())
            }
            Err(fault) => {
                let text = causes(&fault);
                if self.fault.is_none() {
                    tracing::error!(fault = text, "records are not written");
                }
                self.fault = Some(text.clone());
                Err(text)
            }
        }
    }

    /// Puts everything that was written lazily onto the disk.
    pub(crate) fn settle(&mut self) {
        if let Err(fault) = self.database.settle() {
            tracing::error!(fault = causes(&fault), "the last records are not written");
        }
    }
}
