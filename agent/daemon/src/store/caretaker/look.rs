//! Looks at a domain's keys: every value that the agent goes by, read and parsed at once.

use xenstore_client::Client;
use xenstore_wire::{DomainId, ErrorCode, Path};

use super::Caretaker;
use crate::paths;
use crate::sighting::{Node, Values};
use crate::store::{Report, StoreFault, timely};

/// Operations of one look at a guest's keys: four values, and two nodes with their permissions.
const LOOKS: usize = 8;

impl Caretaker {
    /// Reads the domain's keys, and reports them. What can be asked at once is: a guest's console
    /// waits for this.
    pub(super) async fn look(&mut self) -> Result<(), StoreFault> {
        let domain = self.domain;
        if domain == DomainId::DOM0 {
            return self.look_at_control_domain().await;
        }
        // Counted before the tty is read: a write in between makes another look.
        let written = self.desk.written();
        self.pay_for(LOOKS).await?;
        let own = &self.connections.own;
        let (vm, name, console_tty, serial_tty, vnc_port, text_port) = tokio::try_join!(
            read(own, paths::vm(domain)),
            read(own, paths::name(domain)),
            read_node(own, paths::console_tty(domain)),
            read_node(own, paths::serial_tty(domain)),
            read(own, paths::vnc_port(domain)),
            read(own, paths::text_port(domain)),
        )?;
        if vm.is_none() {
            // Not yet there, or gone: listing the domains tells.
            let _ = self.missing.send(domain);
            return Ok(());
        }
        let mut values =
            Values { vm, name, console_tty, serial_tty, vnc_port, text_port, ..Values::default() };
        if values.vnc_port.is_some() {
            values.device_model_pid = self.read_node(paths::device_model_pid(domain)).await?;
        }
        if values.name.is_none()
            && let Some(sighting) = values.parse()
        {
            values.vm_name = self.read(&paths::vm_name(sighting.uuid)).await?;
        }
        if let Some(sighting) = values.parse() {
            let _ = self.reports.send(Report::Seen { domain, sighting, written });
        }
        Ok(())
    }

    /// The control domain: Xen's own tools give it a name, and not all of them a VM.
    async fn look_at_control_domain(&mut self) -> Result<(), StoreFault> {
        let domain = self.domain;
        let mut values = Values { vm: self.read(&paths::vm(domain)).await?, ..Values::default() };
        values.name = self.read(&paths::name(domain)).await?;
        values.vnc_port = self.read(&paths::vnc_port(domain)).await?;
        values.text_port = self.read(&paths::text_port(domain)).await?;
        if values.vm.is_none() && values.name.is_some() {
            values.vm = Some(format!("/vm/{}", uuid::Uuid::nil()).into_bytes());
        }
        if let Some(sighting) = values.parse() {
            let _ = self.reports.send(Report::Seen { domain, sighting, written: 0 });
        }
        Ok(())
    }

    async fn read_node(&mut self, path: Path) -> Result<Option<Node>, StoreFault> {
        self.pay_for(2).await?;
        read_node(&self.connections.own, path).await
    }
}

async fn read(store: &Client, path: Path) -> Result<Option<Vec<u8>>, StoreFault> {
    timely(store.read_optional(&path)).await
}

/// A node with its permissions; an empty one is absent. The permissions are asked for first: what
/// is believed of the value was so when it was read, or before.
async fn read_node(store: &Client, path: Path) -> Result<Option<Node>, StoreFault> {
    let permissions = async {
        match timely(store.permissions(&path)).await {
            Err(StoreFault::Call(error)) if error.code() == Some(ErrorCode::Enoent) => Ok(None),
            other => other.map(Some),
        }
    };
    let (permissions, value) = tokio::try_join!(permissions, timely(store.read_optional(&path)))?;
    let value = value.filter(|value| !value.is_empty());
    Ok(permissions.zip(value).map(|(permissions, value)| Node { value, permissions }))
}
