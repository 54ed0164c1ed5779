//! The words that xapi and xenopsd pass to the programs in `/etc/xapi.d/<hook>/`.

use uuid::Uuid;

/// Hooks after which a VM's domain is there soon.
const BEFORE_A_START: [&str; 4] =
    ["vm-pre-start", "vm-pre-resume", "vm-pre-reboot", "vm-post-migrate"];

/// One call. Words that a later release adds are passed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    hook: String,
    vm: Option<Uuid>,
}

impl Call {
    /// Parses the hook's name, and `-vmuuid UUID -reason REASON -vmdomid N` in any order.
    pub(super) fn parse(words: &[String]) -> Result<Self, String> {
        let [hook, words @ ..] = words else { return Err("a hook's name belongs there".into()) };
        let (pairs, _) = words.as_chunks::<2>();
        let vm = pairs.iter().find(|[name, _]| name == "-vmuuid").map(|[_, uuid]| uuid);
        let vm = match vm {
            Some(uuid) => match Uuid::try_parse(uuid) {
                Ok(uuid) => Some(uuid),
                Err(_) => return Err("-vmuuid has no uuid".into()),
            },
            None => None,
        };
        Ok(Self { hook: hook.clone(), vm })
    }

    /// The VM that needs a record before its domain is there.
    pub(super) fn vm_to_know(&self) -> Option<Uuid> {
        self.vm.filter(|_| BEFORE_A_START.contains(&self.hook.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Call, String> {
        Call::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<String>>())
    }

    const VM: &str = "1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c";

    #[test]
    fn every_form_of_a_call_is_read() {
        let vm = Uuid::parse_str(VM).ok();
        for (line, known) in [
            (format!("vm-pre-start -vmuuid {VM} -reason none"), vm),
            (format!("vm-post-migrate -vmuuid {VM} -reason destination -vmdomid 7"), vm),
            (format!("vm-pre-reboot -reason none -vmuuid {VM}"), vm),
            (format!("vm-post-destroy -vmuuid {VM} -reason hard-shutdown"), None),
            (format!("vm-pre-migrate -vmuuid {VM} -reason source -later word"), None),
            ("host-pre-declare-dead -hostuuid x -reason fenced".to_owned(), None),
            ("vm-pre-start -reason none".to_owned(), None),
        ] {
            assert_eq!(parse(&line).map(|call| call.vm_to_know()), Ok(known), "{line}");
        }
        assert!(parse("").is_err() && parse("vm-pre-start -vmuuid 1").is_err());
    }
}
