//! Looks at a domain's network interfaces: the control domain's ends, which no guest can write.
//!
//! One of them at a time, where the store says which: a guest with many of them comes up by a
//! dozen writes to each.

use std::collections::BTreeSet;

use super::Caretaker;
use crate::nic::{VIFS_MAX, Vif};
use crate::paths;
use crate::store::desk::NicLooks;
use crate::store::{Report, StoreFault, timely};

/// Operations of one look at an interface.
const LOOKS: usize = 3;

impl Caretaker {
    /// Reads what is there, and reports all that is known then.
    pub(super) async fn look_at_nics(&mut self, looks: NicLooks) -> Result<(), StoreFault> {
        let NicLooks { all, mut some } = looks;
        if all {
            some = self.list_nics().await?;
            self.vifs.retain(|devid, _| some.contains(devid));
        }
        let domain = self.domain;
        for devid in some {
            if self.vifs.len() >= VIFS_MAX && !self.vifs.contains_key(&devid) {
                continue;
            }
            self.pay_for(LOOKS).await?;
            let own = &self.connections.own;
            let key = |key| paths::nic_key(domain, devid, key);
            let (mac, bridge, status) = (key("mac"), key("bridge"), key("hotplug-status"));
            let (mac, bridge, status) = tokio::try_join!(
                timely(own.read_optional(&mac)),
                timely(own.read_optional(&bridge)),
                timely(own.read_optional(&status)),
            )?;
            if mac.is_none() && bridge.is_none() && status.is_none() {
                self.vifs.remove(&devid);
            } else {
                let vif = Vif::parse(mac.as_deref(), bridge.as_deref(), status.as_deref());
                self.vifs.insert(devid, vif);
            }
        }
        let _ = self.reports.send(Report::Nics { domain, vifs: self.vifs.clone() });
        Ok(())
    }

    async fn list_nics(&mut self) -> Result<BTreeSet<u16>, StoreFault> {
        self.pay_for(1).await?;
        let own = &self.connections.own;
        let listed = timely(own.directory_optional(&paths::nics(self.domain))).await?;
        let names = listed.unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.as_str().parse().ok()).collect())
    }
}
