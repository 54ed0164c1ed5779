//! What an audit of the converters found.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
