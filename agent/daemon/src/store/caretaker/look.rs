//! Looks at a domain's keys: every value that the agent goes by, read and parsed at once.

use xenstore_bucket::Cost;
use xenstore_wire::{DomainId, ErrorCode, Path};

use super::Caretaker;
use crate::paths;
use crate::sighting::{Node, Values};
use crate::store::{Report, StoreFault, timely};

impl Caretaker {
    /// Reads the domain's keys, and reports them.
    pub(super) async fn look(&mut self) -> Result<(), StoreFault> {
        let domain = self.domain;
        // Counted before the tty is read: a write in between makes another look.
        let written = self.desk.written();
        let mut values = Values { vm: self.read(&paths::vm(domain)).await?, ..Values::default() };
        if domain == DomainId::DOM0 {
            return self.look_at_control_domain(values).await;
        }
        if values.vm.is_none() {
            // Not yet there, or gone: listing the domains tells.
            let _ = self.missing.send(domain);
            return Ok(());
        }
        values.name = self.read(&paths::name(domain)).await?;
        values.console_tty = self.read_node(&paths::console_tty(domain)).await?;
        if values.console_tty.is_none() {
            values.serial_tty = self.read_node(&paths::serial_tty(domain)).await?;
        }
        values.vnc_port = self.read(&paths::vnc_port(domain)).await?;
        values.text_port = self.read(&paths::text_port(domain)).await?;
        if values.vnc_port.is_some() {
            values.device_model_pid = self.read_node(&paths::device_model_pid(domain)).await?;
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
    async fn look_at_control_domain(&mut self, mut values: Values) -> Result<(), StoreFault> {
        let domain = self.domain;
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

    /// A node with its permissions; an empty one is absent.
    async fn read_node(&mut self, path: &Path) -> Result<Option<Node>, StoreFault> {
        self.pay(Cost::Operation).await?;
        let permissions = match timely(self.connections.own.permissions(path)).await {
            Err(StoreFault::Call(error)) if error.code() == Some(ErrorCode::Enoent) => {
                return Ok(None);
            }
            other => other?,
        };
        let value = self.read(path).await?.filter(|value| !value.is_empty());
        Ok(value.map(|value| Node { value, permissions }))
    }
}
