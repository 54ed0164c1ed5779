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

/// Chooses among `vms` by uuid, then by domid, then by name: a uuid can't be anything else, and
/// a number is a domid unless no domain has it.
#[must_use]
pub fn choose<'a>(vms: &'a [Vm], word: &str) -> Choice<'a> {
    let by = |wanted: &dyn Fn(&Vm) -> bool| vms.iter().filter(|vm| wanted(vm)).collect::<Vec<_>>();
    let mut found = by(&|vm| vm.uuid.to_string() == word.to_ascii_lowercase());
    if found.is_empty()
        && let Ok(domid) = word.parse::<u16>()
    {
        found = by(&|vm| vm.domid == Some(domid));
    }
    if found.is_empty() {
        found = by(&|vm| vm.name_label == word);
    }
    match found.as_slice() {
        [] => Choice::None,
        [one] => Choice::One(one),
        _ => Choice::Several(found),
    }
}
