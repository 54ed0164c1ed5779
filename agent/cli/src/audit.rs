//! `xenwarden audit`: whether each property of each converter's confinement holds, now, and of the
//! store's, where it is ours.
//!
//! No converter at all is no proof of anything: it fails too, and says so.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;
use xenwarden_model::{Audit, ConverterAudit, JSON_SCHEMA, Property, StoreAudit};

use crate::paint::Paint;
use crate::table::padded;
use crate::visible::visible;

/// The wider of the two verdicts.
const VERDICT_COLUMNS: usize = "DOES NOT HOLD".len();

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    holds: bool,
    converters: &'a [ConverterAudit],
    store: &'a StoreAudit,
}

/// Whether there is a converter, and every property of every one holds, and of the store.
pub(crate) fn holds(audit: &Audit) -> bool {
    let Audit { converters, store } = audit;
    !converters.is_empty() && converters.iter().all(is_proven) && store.holds()
}

/// A converter of which nothing was looked at isn't proven confined.
fn is_proven(converter: &ConverterAudit) -> bool {
    !converter.properties.is_empty() && converter.holds()
}

/// For programs.
pub(crate) fn json(audit: &Audit) -> Result<String, serde_json::Error> {
    let Audit { converters, store } = audit;
    let document = Document { schema: JSON_SCHEMA, holds: holds(audit), converters, store };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// For people: a block a converter, and one for the store, a line a property, the sum at the end.
pub(crate) fn prose(audit: &Audit, paint: Paint) -> String {
    let Audit { converters, store } = audit;
    let own = match store {
        StoreAudit::Own { properties, .. } => properties.as_slice(),
        StoreAudit::Other { .. } | StoreAudit::Unseen { .. } => &[],
    };
    let names = converters.iter().flat_map(|converter| &converter.properties).chain(own);
    let columns = names.map(|property| visible(&property.name).width()).max().unwrap_or_default();
    let mut text = String::new();
    for converter in converters {
        text.push_str(&format!(
            "{} (domain {}), converter pid {}\n",
            visible(&converter.name_label),
            converter.domid,
            converter.pid
        ));
        text.push_str(&lines(&converter.properties, columns, paint));
    }
    text.push_str(&store_prose(store));
    text.push_str(&lines(own, columns, paint));
    text.push_str(&sum(converters, store));
    text
}

/// What the store is.
fn store_prose(store: &StoreAudit) -> String {
    match store {
        StoreAudit::Own { parent, pid: Some(pid), .. } => {
            format!("xenstored, store pid {pid}, parent pid {parent}\n")
        }
        StoreAudit::Own { parent, pid: None, .. } => {
            format!("xenstored, parent pid {parent}: it has no store's process\n")
        }
        StoreAudit::Other { pid, program } => format!(
            "the store is not xenwarden's: {}, pid {pid}; nothing is proven of it\n",
            visible(program)
        ),
        StoreAudit::Unseen { why } => format!("the store can't be looked at: {}\n", visible(why)),
    }
}

fn lines(properties: &[Property], columns: usize, paint: Paint) -> String {
    let mut text = String::new();
    for property in properties {
        text.push_str(&format!(
            "  {}  {}  {}",
            verdict(property.holds, paint),
            padded(&visible(&property.name), columns),
            visible(&property.claim),
        ));
        // What holds is as it is claimed; what does not needs a look. Programs get it always.
        if !property.holds {
            text.push_str(&format!("; found: {}", visible(&property.found)));
        }
        text.push('\n');
    }
    text
}

fn verdict(holds: bool, paint: Paint) -> String {
    let word = if holds { "holds" } else { "DOES NOT HOLD" };
    let painted = if holds { paint.good(word) } else { paint.bad(word) };
    format!("{painted}{}", " ".repeat(VERDICT_COLUMNS - word.len()))
}

fn sum(converters: &[ConverterAudit], store: &StoreAudit) -> String {
    let count = converters.len();
    let plural = if count == 1 { "converter" } else { "converters" };
    let mut looked_at: usize = converters.iter().map(|converter| converter.properties.len()).sum();
    let mut and_the_store = "";
    if let StoreAudit::Own { properties, .. } = store {
        looked_at += properties.len();
        and_the_store = " and the store";
    }
    let failed = converters.iter().filter(|converter| !is_proven(converter)).count();
    let mut text = match (failed, store.holds()) {
        _ if converters.is_empty() => "no converter runs: nothing is proven\n".to_owned(),
        (0, true) => format!("{count} {plural}{and_the_store}, {looked_at} properties: all hold\n"),
        (0, false) => String::new(),
        (failed, _) => format!("{failed} of {count} {plural} not confined as they must be\n"),
    };
    if !store.holds() {
        text.push_str("the store is not confined as it must be\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use xenwarden_model::Property;

    use super::*;
    use uuid::Uuid;

    fn converter(name: &str, domid: u16) -> ConverterAudit {
        let property = |name: &str, claim: &str, found: &str| Property {
            name: name.into(),
            claim: claim.into(),
            holds: true,
            found: found.into(),
        };
        ConverterAudit {
            vm: Uuid::from_u128(u128::from(domid)),
            name_label: name.into(),
            domid,
            pid: 4000 + i32::from(domid),
            properties: vec![
                property("user", "a uid of its own and no groups", "uid 1879048193"),
                property("capabilities", "none in any set", ""),
                property("network", "an empty network namespace", "net:[4026532001]"),
            ],
        }
    }

    fn own(hypercalls: bool) -> StoreAudit {
        let property = |name: &str, claim: &str, holds, found: &str| Property {
            name: name.into(),
            claim: claim.into(),
            holds,
            found: found.into(),
        };
        let properties = vec![
            property("user", "a uid of its own and no groups", true, "uid 1879146479"),
            property("no-hypercalls", "none can make one", !hypercalls, "11 is hypercalls"),
        ];
        StoreAudit::Own { parent: 700, pid: Some(701), properties }
    }

    fn audit(converters: impl Into<Vec<ConverterAudit>>, store: StoreAudit) -> Audit {
        Audit { converters: converters.into(), store }
    }

    fn debians() -> StoreAudit {
        StoreAudit::Other { pid: 812, program: "/usr/lib/xen-4.17/bin/oxenstored".into() }
    }

    #[test]
    fn a_proven_host_looks_as_it_should() {
        let audit = audit([converter("demo1", 1), converter("demo2", 2)], own(false));
        assert!(holds(&audit));
        let text = prose(&audit, Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/audit-holds.txt"));
    }

    #[test]
    fn a_property_that_does_not_hold_stands_out() {
        let mut loose = converter("web01", 3);
        loose.properties[1].holds = false;
        loose.properties[1].found = "effective: cap_sys_admin".into();
        let audit = audit([loose, converter("db01", 7)], own(true));
        assert!(!holds(&audit));
        let text = prose(&audit, Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/audit-fails.txt"));
    }

    #[test]
    fn nothing_looked_at_is_nothing_proven() {
        assert!(!holds(&audit([], own(false))));
        let unknown = ConverterAudit { properties: vec![], ..converter("web01", 3) };
        assert!(!holds(&audit([unknown], own(false))));
        let unseen = StoreAudit::Unseen { why: "it lets nobody in".into() };
        assert!(!holds(&audit([converter("web01", 3)], unseen)));
        let childless = StoreAudit::Own { parent: 700, pid: None, properties: vec![] };
        assert!(!holds(&audit([converter("web01", 3)], childless)));
    }

    #[test]
    fn a_store_that_can_make_hypercalls_is_a_failure_by_itself() {
        let audit = audit([converter("web01", 3)], own(true));
        assert!(!holds(&audit));
        let text = prose(&audit, Paint::Plain);
        assert!(text.contains("DOES NOT HOLD  no-hypercalls"), "{text}");
        assert!(text.ends_with("the store is not confined as it must be\n"), "{text}");
    }

    #[test]
    fn of_anothers_store_it_is_said_plainly_that_nothing_is_proven() {
        let audit = audit([converter("web01", 3)], debians());
        assert!(holds(&audit));
        let text = prose(&audit, Paint::Plain);
        let line = "the store is not xenwarden's: /usr/lib/xen-4.17/bin/oxenstored, pid 812; \
                    nothing is proven of it\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn json_tells_the_verdict_and_every_property() {
        let audit = audit([converter("demo1", 1)], own(false));
        let text = json(&audit).expect("an audit can be written");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!((&value["schema"], &value["holds"]), (&1.into(), &true.into()));
        assert_eq!(value["converters"][0]["properties"][0]["name"], "user");
        assert_eq!((&value["store"]["is"], &value["store"]["pid"]), (&"own".into(), &701.into()));
    }
}
