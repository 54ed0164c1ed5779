//! From the word that a person typed to one VM, or to a sentence that helps them on.

use xenwarden_model::{Choice, Vm, choose};

use crate::visible::visible;

/// Candidates that an ambiguous name lists.
const CANDIDATES_MAX: usize = 10;

/// How alike two names must be for one to be proposed for the other: 1 is the same.
const LIKENESS_MIN: f64 = 0.75;

/// A word that doesn't mean one VM.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChoiceError {
    /// No VM has this name, uuid or domid.
    #[error("no VM is called {}{}", visible(word), did_you_mean(near.as_deref()))]
    Unknown {
        /// The word.
        word: String,
        /// The name of a VM that is nearly the word.
        near: Option<String>,
    },
    /// Several VMs have this name.
    #[error("{} VMs are called {}: {}; name one by uuid or domid", .candidates.len(), visible(word), list(.candidates))]
    Ambiguous {
        /// The word.
        word: String,
        /// What each is called that no other is.
        candidates: Vec<String>,
    },
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|name| format!("; did you mean {}?", visible(name))).unwrap_or_default()
}

fn list(candidates: &[String]) -> String {
    let shown: Vec<&str> = candidates.iter().take(CANDIDATES_MAX).map(String::as_str).collect();
    let more = candidates.len().saturating_sub(shown.len());
    match more {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// The one VM of a name, uuid or domid.
pub(crate) fn chosen<'a>(vms: &'a [Vm], word: &str) -> Result<&'a Vm, ChoiceError> {
    match choose(vms, word) {
        Choice::One(vm) => Ok(vm),
        Choice::Several(several) => Err(ChoiceError::Ambiguous {
            word: word.to_owned(),
            candidates: several.into_iter().map(candidate).collect(),
        }),
        Choice::None => Err(ChoiceError::Unknown { word: word.to_owned(), near: near(vms, word) }),
    }
}

fn candidate(vm: &Vm) -> String {
    match vm.domid {
        Some(domid) => format!("{} (domain {domid})", vm.uuid),
        None => format!("{} ({})", vm.uuid, vm.power_state.word()),
    }
}

fn near(vms: &[Vm], word: &str) -> Option<String> {
    let word = word.to_lowercase();
    vms.iter()
        .map(|vm| (strsim::jaro_winkler(&vm.name_label.to_lowercase(), &word), vm))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, vm)| vm.name_label.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{halted, serving};

    #[test]
    fn a_name_a_uuid_and_a_domid_choose_the_same_vm() {
        let vms = [serving("web01", 3), serving("db01", 7)];
        let uuid = vms[0].uuid.to_string();
        for word in ["web01", "3", uuid.as_str(), uuid.to_uppercase().as_str()] {
            assert_eq!(chosen(&vms, word).map(|vm| vm.domid), Ok(Some(3)), "{word}");
        }
    }

    #[test]
    fn a_near_miss_names_the_vm_that_may_be_meant() {
        let vms = [serving("web01", 3), serving("db01", 7)];
        let miss = |word| chosen(&vms, word).expect_err("no such VM").to_string();
        assert_eq!(miss("web1"), "no VM is called web1; did you mean web01?");
        assert_eq!(miss("WEB01"), "no VM is called WEB01; did you mean web01?");
        assert_eq!(miss("mail"), "no VM is called mail");
        assert_eq!(miss("\x1b[2J"), "no VM is called ^[[2J");
    }

    #[test]
    fn an_ambiguous_name_lists_its_candidates() {
        let mut second = halted("web01");
        second.uuid = uuid::Uuid::from_u128(2);
        let vms = [serving("web01", 3), second];
        assert_eq!(
            chosen(&vms, "web01").expect_err("two of that name").to_string(),
            format!(
                "2 VMs are called web01: {} (domain 3), 00000000-0000-0000-0000-000000000002 \
                 (halted); name one by uuid or domid",
                vms[0].uuid
            )
        );
    }

    #[test]
    fn a_crowd_of_candidates_is_cut() {
        let candidates: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(list(&candidates), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more");
    }
}
