//! Choosing a VM by what a person typed: a name, a uuid or a domid.

use crate::vm::Vm;

/// The VMs that a word means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice<'a> {
    /// Just this one.
    One(&'a Vm),
    /// Several of this name.
    Several(Vec<&'a Vm>),
    /// None.
    None,
}

/// Chooses among `vms` by uuid, or else by domid and by name. A uuid can't be anything else; a
/// number may be one VM's domid and another's name, and then it is ambiguous.
#[must_use]
pub fn choose<'a>(vms: &'a [Vm], word: &str) -> Choice<'a> {
    let by = |wanted: &dyn Fn(&Vm) -> bool| vms.iter().filter(|vm| wanted(vm)).collect::<Vec<_>>();
    let mut found = by(&|vm| vm.uuid.to_string() == word.to_ascii_lowercase());
    if found.is_empty() {
        let domid = word.parse::<u16>().ok();
        found = by(&|vm| vm.name_label == word || domid.is_some() && vm.domid == domid);
    }
    match found.as_slice() {
        [] => Choice::None,
        [one] => Choice::One(one),
        _ => Choice::Several(found),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::vm::{ConsoleState, PowerState};

    fn vm(number: u128, name: &str, domid: Option<u16>) -> Vm {
        Vm {
            uuid: Uuid::from_u128(number),
            name_label: name.into(),
            power_state: if domid.is_some() { PowerState::Running } else { PowerState::Halted },
            domid,
            is_control_domain: false,
            other_config: BTreeMap::new(),
            xenstore_data: BTreeMap::new(),
            consoles: Vec::new(),
            console_state: ConsoleState::Waiting,
        }
    }

    #[test]
    fn a_word_is_a_uuid_a_domid_or_a_name() {
        let vms = [vm(1, "web", Some(3)), vm(2, "db", None)];
        assert_eq!(choose(&vms, "web"), Choice::One(&vms[0]));
        assert_eq!(choose(&vms, "3"), Choice::One(&vms[0]));
        assert_eq!(choose(&vms, &vms[1].uuid.to_string().to_uppercase()), Choice::One(&vms[1]));
        assert_eq!(choose(&vms, "4"), Choice::None);
    }

    #[test]
    fn a_number_that_is_one_vms_domid_and_anothers_name_is_ambiguous() {
        let vms = [vm(1, "web", Some(3)), vm(2, "3", None)];
        assert_eq!(choose(&vms, "3"), Choice::Several(vec![&vms[0], &vms[1]]));
        let vms = [vm(1, "3", Some(3))];
        assert_eq!(choose(&vms, "3"), Choice::One(&vms[0]));
    }
}
