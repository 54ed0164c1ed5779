//! Looks at a domain's network interfaces: the control domain's ends, which no guest can write.

use std::collections::BTreeMap;

use super::Caretaker;
use crate::nic::{VIFS_MAX, Vif};
use crate::paths;
use crate::store::{Report, StoreFault, timely};

/// Operations of one look at an interface.
const LOOKS: usize = 3;

impl Caretaker {
    /// Reads what is there, and reports it.
    pub(super) async fn look_at_nics(&mut self) -> Result<(), StoreFault> {
        let domain = self.domain;
        self.pay_for(1).await?;
        let own = self.connections.own.clone();
        let listed = timely(own.directory_optional(&paths::nics(domain))).await?;
        let names = listed.unwrap_or_default();
        let numbers = names.iter().filter_map(|name| name.as_str().parse::<u16>().ok());
        let mut vifs = BTreeMap::new();
        for devid in numbers.take(VIFS_MAX) {
            self.pay_for(LOOKS).await?;
            let key = |key| paths::nic_key(domain, devid, key);
            let (mac, bridge, status) = (key("mac"), key("bridge"), key("hotplug-status"));
            let (mac, bridge, status) = tokio::try_join!(
                timely(own.read_optional(&mac)),
                timely(own.read_optional(&bridge)),
                timely(own.read_optional(&status)),
            )?;
            vifs.insert(devid, Vif::parse(mac.as_deref(), bridge.as_deref(), status.as_deref()));
        }
        let _ = self.reports.send(Report::Nics { domain, vifs });
        Ok(())
    }
}
