//! `xenwarden nic`: every network interface's settings: wanted, active, and why where they differ.

use serde::Serialize;
use xenwarden_model::{Ask, JSON_SCHEMA, Nic, NicOwner, Reply};

use crate::agent::{Agent, AgentError};
use crate::table::table;
use crate::visible::{visible, visible_within};

/// Columns that an interface's owner may take.
const NAME_COLUMNS: usize = 32;
/// What is shown where there is nothing to show.
const NOTHING: &str = "-";

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    nics: Vec<&'a Nic>,
}

/// Every interface.
pub(crate) fn nics(agent: &mut impl Agent) -> Result<Vec<Nic>, AgentError> {
    match agent.ask(&Ask::Nics)? {
        Reply::Nics(nics) => Ok(nics),
        _ => Err(AgentError::Unexpected),
    }
}

/// The interfaces that a word means: a device, a uuid, or a VM's name; all where there is none.
pub(crate) fn chosen<'a>(nics: &'a [Nic], word: Option<&str>) -> Vec<&'a Nic> {
    let is_meant = |nic: &Nic| {
        word.is_none_or(|word| {
            nic.device.as_deref() == Some(word)
                || nic.uuid.to_string() == word.to_ascii_lowercase()
                || matches!(&nic.owner, NicOwner::Vm { name_label, .. } if name_label == word)
        })
    };
    nics.iter().filter(|nic| is_meant(nic)).collect()
}

/// Whether all is as wanted.
pub(crate) fn is_as_wanted(nics: &[&Nic]) -> bool {
    nics.iter().flat_map(|nic| &nic.keys).all(|key| key.reason.is_none())
}

/// For programs.
pub(crate) fn json(nics: &[&Nic]) -> Result<String, serde_json::Error> {
    let document = Document { schema: JSON_SCHEMA, nics: nics.to_vec() };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// For people: a line for each setting, or one for an interface without any.
pub(crate) fn people(nics: &[&Nic]) -> String {
    if nics.is_empty() {
        return String::new();
    }
    let header = ["DEVICE", "OF", "NETWORK", "MTU", "KEY", "WANTED", "ACTIVE", "WHY"];
    let mut rows = vec![header.map(str::to_owned)];
    for nic in nics {
        let nothing = || NOTHING.to_owned();
        let of = match &nic.owner {
            NicOwner::Vm { name_label, device, .. } => {
                format!("{} {device}", visible_within(name_label, NAME_COLUMNS))
            }
            NicOwner::Host => "host".to_owned(),
        };
        let text = |text: &Option<String>| text.as_deref().map_or_else(nothing, visible);
        let mtu = nic.mtu.map_or_else(nothing, |mtu| mtu.to_string());
        let head = [text(&nic.device), of, text(&nic.network), mtu];
        if nic.keys.is_empty() {
            let [device, of, network, mtu] = head;
            rows.push([device, of, network, mtu, nothing(), nothing(), nothing(), String::new()]);
            continue;
        }
        for key in &nic.keys {
            let [device, of, network, mtu] = head.clone();
            let why = key.reason.as_deref().map(visible).unwrap_or_default();
            let (wanted, active) = (visible(&key.wanted), text(&key.active));
            rows.push([device, of, network, mtu, visible(&key.key), wanted, active, why]);
        }
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use xenwarden_model::NicKey;

    use super::*;

    fn nic(device: &str, owner: NicOwner, keys: &[(&str, &str, &str, Option<&str>)]) -> Nic {
        let key = |(key, wanted, active, reason): &(&str, &str, &str, Option<&str>)| NicKey {
            key: (*key).into(),
            wanted: (*wanted).into(),
            active: Some((*active).into()),
            reason: reason.map(str::to_owned),
        };
        Nic {
            uuid: Uuid::from_u128(1),
            owner,
            device: Some(device.into()),
            mac: None,
            network: Some("xenbr0".into()),
            mtu: Some(1500),
            mtu_max: None,
            other_config: Default::default(),
            keys: keys.iter().map(key).collect(),
        }
    }

    #[test]
    fn every_setting_has_its_line_with_the_reason_where_it_is_not_so() {
        let owner = NicOwner::Vm { vm: Uuid::from_u128(7), name_label: "web01".into(), device: 0 };
        let keys = [("ethtool-tx", "off", "off", None), ("ethtool-rx", "off", "on", Some("fixed"))];
        let nics = [nic("vif7.0", owner, &keys), nic("eth0", NicOwner::Host, &[])];
        let all: Vec<&Nic> = nics.iter().collect();
        assert_eq!(
            people(&all),
            "DEVICE  OF       NETWORK  MTU   KEY         WANTED  ACTIVE  WHY\n\
             vif7.0  web01 0  xenbr0   1500  ethtool-tx  off     off\n\
             vif7.0  web01 0  xenbr0   1500  ethtool-rx  off     on      fixed\n\
             eth0    host     xenbr0   1500  -           -       -\n"
        );
        assert!(!is_as_wanted(&all) && is_as_wanted(&chosen(&nics, Some("eth0"))));
        assert_eq!(chosen(&nics, Some("web01")).len(), 1);
        assert_eq!(chosen(&nics, Some("vif7.1")).len(), 0);
    }
}
