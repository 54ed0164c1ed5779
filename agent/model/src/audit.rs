//! What an audit of the converters and of the store found.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Every converter.
    pub converters: Vec<ConverterAudit>,
    /// The store that the agent uses.
    pub store: StoreAudit,
}

/// The store, looked at from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", deny_unknown_fields)]
pub enum StoreAudit {
    /// xenwarden's own: two processes.
    Own {
        /// The parent, which listens.
        parent: i32,
        /// The store's own process; none where there is none now.
        pid: Option<i32>,
        /// What must hold of both.
        properties: Vec<Property>,
    },
    /// Another program, of which nothing is claimed.
    Other {
        /// The process that listens.
        pid: i32,
        /// Its program's path.
        program: String,
    },
    /// It could not be looked at.
    Unseen {
        /// Why.
        why: String,
    },
}

impl StoreAudit {
    /// Whether nothing is wrong: of another's store nothing is claimed, and nothing can fail.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self {
            Self::Own { pid, properties, .. } => {
                pid.is_some() && properties.iter().all(|property| property.holds)
            }
            Self::Other { .. } => true,
            Self::Unseen { .. } => false,
        }
    }
}

/// One converter, looked at from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConverterAudit {
    /// The VM that it serves.
    pub vm: Uuid,
    /// The VM's name.
    pub name_label: String,
    /// The domain that it serves.
    pub domid: u16,
    /// Its process.
    pub pid: i32,
    /// What must hold of it, in the order of the plan.
    pub properties: Vec<Property>,
}

impl ConverterAudit {
    /// Whether every property holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|property| property.holds)
    }
}

/// One property of a confined process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// A short stable name, such as `capabilities`.
    pub name: String,
    /// What must hold, as a sentence.
    pub claim: String,
    /// Whether it does.
    pub holds: bool,
    /// What was found, where that says more.
    pub found: String,
}
