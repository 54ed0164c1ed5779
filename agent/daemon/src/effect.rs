//! Everything that the host has done: decided with every value it needs, performed elsewhere.

use uuid::Uuid;
use vncterm_control::Farewell;
use xenstore_wire::DomainId;

use crate::console::Console;
use crate::domain::Wanted;
use crate::doubt::Doubt;
use crate::host::Life;

/// The loopback ports of a converter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ports {
    /// Its screen's; absent where another program serves the screen.
    pub(crate) vnc: Option<u16>,
    /// Its text's.
    pub(crate) text: u16,
}

/// Whose picture a VM's saved screen holds, if it holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SavedBy {
    /// This domain's.
    This,
    /// That of a domain before it.
    Earlier,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Start a converter, attest it, and let it read.
    StartConverter {
        /// Whom for.
        life: Life,
        /// The domain.
        domain: DomainId,
        /// The uuid that the domain comes with.
        domain_uuid: Uuid,
        /// The VM.
        vm: Uuid,
        /// What its viewers call it.
        title: String,
        /// What it reads.
        console: Console,
        /// Whose picture the VM's saved screen holds.
        screen: SavedBy,
    },
    /// Tell a converter what its VM is called now.
    Rename {
        /// Whose.
        life: Life,
        /// What its viewers call it.
        title: String,
    },
    /// Hand a converter another tty.
    HandTty {
        /// Whose.
        life: Life,
        /// What it reads from now on.
        console: Console,
    },
    /// Tell a converter to end, started or still starting.
    StopConverter {
        /// Whose.
        life: Life,
        /// What its viewers hear.
        farewell: Farewell,
    },
    /// Put a converter's ports into the store.
    Publish {
        /// The domain.
        domain: DomainId,
        /// The ports.
        ports: Ports,
    },
    /// Take them back.
    Retract {
        /// The domain.
        domain: DomainId,
        /// The ports.
        ports: Ports,
    },
    /// Say [`crate::domain::Event::Due`] to a life after a while.
    WakeLater {
        /// Whom.
        life: Life,
        /// Failures in a row, which the while grows with.
        failures: u32,
    },
    /// Look at a domain's keys again.
    Look {
        /// The domain.
        domain: DomainId,
    },
    /// Tell why a domain has no converter.
    Report {
        /// Whose.
        life: Life,
        /// The domain.
        domain: DomainId,
        /// Its name.
        name: String,
        /// Why.
        doubt: Doubt,
    },
    /// The VM's record belongs to this life from now on.
    Own {
        /// The VM.
        vm: Uuid,
        /// The domain.
        domain: DomainId,
        /// The uuid that the domain comes with.
        domain_uuid: Uuid,
        /// Whether its console is wanted.
        wanted: Wanted,
    },
    /// The VM's domain has ended, and nothing is left of it.
    Forget {
        /// Whose.
        life: Life,
        /// The domain.
        domain: DomainId,
        /// Its name.
        name: String,
        /// The VM.
        vm: Uuid,
    },
}
