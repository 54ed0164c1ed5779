//! The objects that there are, made from what the agent knows now.

use std::time::{Duration, Instant};

use xenwarden_model::{
    Class, ConsoleObject, HostObject, Map, Object, PoolObject, Reference, Vm, VmObject,
};

use crate::run::Agent;

/// How old what was looked at may be: a QEMU's screen comes and goes without a word.
const FRESH: Duration = Duration::from_secs(1);

impl Agent {
    /// Brings the ledger up to date.
    pub(crate) fn refresh_front(&mut self) {
        let objects = self.objects();
        self.front.ledger.update(objects);
        self.front_seen = Some(Instant::now());
    }

    /// The same, where anything may have changed since it was done last.
    pub(super) fn refresh_stale_front(&mut self) {
        if self.front_seen.is_none_or(|seen| seen.elapsed() > FRESH) {
            self.refresh_front();
        }
    }

    fn objects(&self) -> Vec<Object> {
        let identity = &self.front.identity;
        let host = identity.reference(Class::Host, identity.host());
        let keys = |class| identity.other_config(class).cloned().unwrap_or_else(Map::new);
        let mut objects = Vec::new();
        let (mut control_domain, mut resident_vms) = (None, Vec::new());
        for (vm, _) in self.vms() {
            let reference = identity.reference(Class::Vm, vm.uuid);
            if vm.is_control_domain {
                control_domain = Some(reference);
            }
            if vm.domid.is_some() {
                resident_vms.push(reference);
            }
            let consoles: Vec<ConsoleObject> = vm
                .consoles
                .iter()
                .map(|console| ConsoleObject {
                    reference: identity.reference(Class::Console, console.uuid),
                    uuid: console.uuid,
                    vm: reference,
                    protocol: console.protocol,
                })
                .collect();
            objects.push(Object::Vm(Box::new(vm_object(reference, host, vm, &consoles))));
            objects.extend(consoles.into_iter().map(Object::Console));
        }
        objects.push(Object::Host(HostObject {
            reference: host,
            uuid: identity.host(),
            name_label: self.hostname.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            control_domain,
            resident_vms,
            other_config: keys(Class::Host),
        }));
        objects.push(Object::Pool(PoolObject {
            reference: identity.reference(Class::Pool, identity.pool()),
            uuid: identity.pool(),
            name_label: identity.pool_name().to_owned(),
            master: host,
            other_config: keys(Class::Pool),
        }));
        objects.extend(self.front.tasks.iter().cloned().map(Object::Task));
        objects
    }
}

fn vm_object(
    reference: Reference,
    host: Reference,
    vm: Vm,
    consoles: &[ConsoleObject],
) -> VmObject {
    VmObject {
        reference,
        uuid: vm.uuid,
        name_label: vm.name_label,
        power_state: vm.power_state,
        domid: vm.domid,
        is_control_domain: vm.is_control_domain,
        resident_on: vm.domid.map(|_| host),
        other_config: vm.other_config,
        xenstore_data: vm.xenstore_data,
        consoles: consoles.iter().map(|console| console.reference).collect(),
    }
}
