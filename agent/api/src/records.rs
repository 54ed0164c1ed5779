//! The API's classes, and each object as a record: its fields in one place, for whole records and for
//! single getters alike.
//!
//! Classes that this host has no objects of yet are here with the fields that clients ask for.

use xenwarden_model::{Class, ConsoleProtocol, Map, Object, PowerState, Reference, VmMap};

use crate::value::Value;
use crate::world::World;

/// No object.
pub(crate) const NULL: &str = "OpaqueRef:NULL";

/// A class of the API, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    /// Its name, as calls begin with it.
    pub(crate) name: &'static str,
    /// The agent's class, where it has objects.
    pub(crate) class: Option<Class>,
    /// Its fields.
    pub(crate) fields: &'static [&'static str],
    /// Maps that users write.
    pub(crate) maps: &'static [(&'static str, VmMap)],
    /// Whether its name may be set.
    pub(crate) is_renamed: bool,
}

const OTHER_CONFIG: &[(&str, VmMap)] = &[("other_config", VmMap::OtherConfig)];

/// Every class with records.
pub(crate) const TABLES: [Table; 9] = [
    Table {
        name: "pool",
        class: Some(Class::Pool),
        fields: &["uuid", "name_label", "name_description", "master", "default_SR", "other_config"],
        maps: OTHER_CONFIG,
        is_renamed: false,
    },
    Table {
        name: "host",
        class: Some(Class::Host),
        fields: &[
            "uuid",
            "name_label",
            "name_description",
            "hostname",
            "address",
            "enabled",
            "API_version_major",
            "API_version_minor",
            "API_version_vendor",
            "software_version",
            "control_domain",
            "resident_VMs",
            "PIFs",
            "other_config",
        ],
        maps: OTHER_CONFIG,
        is_renamed: false,
    },
    Table {
        name: "VM",
        class: Some(Class::Vm),
        fields: &[
            "uuid",
            "name_label",
            "name_description",
            "power_state",
            "domid",
            "is_control_domain",
            "is_a_template",
            "is_a_snapshot",
            "is_default_template",
            "resident_on",
            "affinity",
            "consoles",
            "VIFs",
            "VBDs",
            "tags",
            "platform",
            "allowed_operations",
            "current_operations",
            "other_config",
            "xenstore_data",
        ],
        maps: &[("other_config", VmMap::OtherConfig), ("xenstore_data", VmMap::XenstoreData)],
        is_renamed: true,
    },
    Table {
        name: "console",
        class: Some(Class::Console),
        fields: &["uuid", "protocol", "location", "VM", "other_config"],
        maps: &[],
        is_renamed: false,
    },
    Table {
        name: "task",
        class: Some(Class::Task),
        fields: &[
            "uuid",
            "name_label",
            "name_description",
            "created",
            "finished",
            "status",
            "resident_on",
            "progress",
            "result",
            "error_info",
            "other_config",
        ],
        maps: OTHER_CONFIG,
        is_renamed: false,
    },
    empty("VIF", &["uuid", "device", "network", "VM", "MAC", "MTU", "other_config"]),
    empty("PIF", &["uuid", "device", "network", "host", "MAC", "MTU", "other_config"]),
    empty("network", &["uuid", "name_label", "name_description", "VIFs", "PIFs", "other_config"]),
    empty("SR", &["uuid", "name_label", "name_description", "type", "other_config"]),
];

/// A class without objects on this host.
const fn empty(name: &'static str, fields: &'static [&'static str]) -> Table {
    Table { name, class: None, fields, maps: &[], is_renamed: false }
}

/// The class of this name.
pub(crate) fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

/// The table of an object's class.
pub(crate) fn table_of(class: Class) -> &'static Table {
    TABLES
        .iter()
        .find(|table| table.class == Some(class))
        .unwrap_or_else(|| unreachable!("every class has a table: a test walks them"))
}

/// An object's record.
pub(crate) fn record(object: &Object, world: &World, base: &str) -> Vec<(String, Value)> {
    let fields = table_of(object.class()).fields;
    fields.iter().map(|field| ((*field).to_owned(), value(object, field, world, base))).collect()
}

/// One field of an object. `base` is what console URLs begin with.
pub(crate) fn value(object: &Object, field: &str, world: &World, base: &str) -> Value {
    match (object, field) {
        (_, "uuid") => Value::text(object.uuid().to_string()),
        (_, "name_label") => Value::text(object.name_label().unwrap_or_default()),
        (Object::Task(task), "name_description") => Value::text(&task.name_description),
        (_, "name_description") => Value::text(""),
        (Object::Pool(pool), "master") => reference(Some(pool.master)),
        (Object::Pool(pool), "other_config") => map(&pool.other_config),
        (Object::Host(host), "hostname") => Value::text(&host.name_label),
        (Object::Host(_), "address") => Value::text(host_of(base)),
        (Object::Host(_), "enabled") => Value::Bool(true),
        (Object::Host(_), "API_version_major") => Value::Int(API_VERSION.0),
        (Object::Host(_), "API_version_minor") => Value::Int(API_VERSION.1),
        (Object::Host(_), "API_version_vendor") => Value::text("xenwarden"),
        (Object::Host(host), "software_version") => {
            let entry = |key: &str, value: &str| (key.to_owned(), Value::text(value));
            Value::Map(vec![
                entry("product_brand", "xenwarden"),
                entry("product_version", &host.version),
            ])
        }
        (Object::Host(host), "control_domain") => reference(host.control_domain),
        (Object::Host(host), "resident_VMs") => references(&host.resident_vms),
        (Object::Host(host), "other_config") => map(&host.other_config),
        (Object::Vm(vm), "power_state") => Value::text(match vm.power_state {
            PowerState::Running => "Running",
            PowerState::Halted => "Halted",
        }),
        (Object::Vm(vm), "domid") => Value::Int(vm.domid.map_or(-1, i64::from)),
        (Object::Vm(vm), "is_control_domain") => Value::Bool(vm.is_control_domain),
        (Object::Vm(_), "is_a_template" | "is_a_snapshot" | "is_default_template") => {
            Value::Bool(false)
        }
        (Object::Vm(vm), "resident_on") => reference(vm.resident_on),
        (Object::Vm(vm), "consoles") => references(&vm.consoles),
        (Object::Vm(vm), "other_config") => map(&vm.other_config),
        (Object::Vm(vm), "xenstore_data") => map(&vm.xenstore_data),
        (Object::Vm(_), "platform" | "current_operations") => Value::Map(Vec::new()),
        (Object::Console(console), "protocol") => Value::text(match console.protocol {
            ConsoleProtocol::Rfb => "rfb",
            ConsoleProtocol::Vt100 => "vt100",
        }),
        (Object::Console(console), "location") => {
            Value::text(format!("https://{base}/console?uuid={}", console.uuid))
        }
        (Object::Console(console), "VM") => reference(world.get(console.vm).map(Object::reference)),
        (Object::Console(_), "other_config") => Value::Map(Vec::new()),
        (Object::Task(task), "created") => Value::Date(task.created_s),
        (Object::Task(_), "finished") => Value::Date(0),
        (Object::Task(_), "status") => Value::text("pending"),
        (Object::Task(_), "progress") => Value::Float(0.0),
        (Object::Task(_), "result") => Value::text(""),
        (Object::Task(task), "resident_on") => reference(Some(task.resident_on)),
        (Object::Task(task), "other_config") => map(&task.other_config),
        (_, "default_SR" | "affinity") => reference(None),
        // Sets of what this host has none of.
        (_, _) => Value::Set(Vec::new()),
    }
}

/// The version of the API that is spoken: the original's of today.
const API_VERSION: (i64, i64) = (2, 23);

/// The name or address at the front of `host:port`.
fn host_of(base: &str) -> &str {
    let is_port = |(_, port): &(&str, &str)| port.bytes().all(|byte| byte.is_ascii_digit());
    base.rsplit_once(':').filter(is_port).map_or(base, |(host, _)| host)
}

fn reference(reference: Option<Reference>) -> Value {
    Value::Text(reference.map_or_else(|| NULL.to_owned(), |reference| reference.to_string()))
}

fn references(references: &[Reference]) -> Value {
    Value::texts(references.iter().map(Reference::to_string))
}

fn map(map: &Map) -> Value {
    Value::Map(map.iter().map(|(key, value)| (key.clone(), Value::text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_the_agents_has_a_table() {
        for class in Class::ALL {
            assert_eq!(table_of(class).name, class.name());
        }
    }

    #[test]
    fn an_address_is_read_from_a_base_with_or_without_a_port() {
        for (base, host) in [
            ("h", "h"),
            ("h:8443", "h"),
            ("[::1]:8443", "[::1]"),
            ("[::1]", "[::1]"),
            ("10.0.0.1:1", "10.0.0.1"),
        ] {
            assert_eq!(host_of(base), host);
        }
    }
}
