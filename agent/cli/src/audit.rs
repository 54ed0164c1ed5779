//! `xenwarden audit`: whether each property of each converter's confinement holds, now.
//!
//! No converter at all is no proof of anything: it fails too, and says so.

use serde::Serialize;
use unicode_width::UnicodeWidthStr;
use xenwarden_model::{ConverterAudit, JSON_SCHEMA};

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
}

/// Whether there is a converter, and every property of every one holds.
pub(crate) fn holds(converters: &[ConverterAudit]) -> bool {
    !converters.is_empty() && converters.iter().all(is_proven)
}

/// A converter of which nothing was looked at isn't proven confined.
fn is_proven(converter: &ConverterAudit) -> bool {
    !converter.properties.is_empty() && converter.holds()
}

/// For programs.
pub(crate) fn json(converters: &[ConverterAudit]) -> Result<String, serde_json::Error> {
    let document = Document { schema: JSON_SCHEMA, holds: holds(converters), converters };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// For people: a block a converter, a line a property, the sum at the end.
pub(crate) fn prose(converters: &[ConverterAudit], paint: Paint) -> String {
    if converters.is_empty() {
        return "no converter runs: nothing is proven\n".to_owned();
    }
    let names = converters.iter().flat_map(|converter| &converter.properties);
    let columns = names.map(|property| visible(&property.name).width()).max().unwrap_or_default();
    let mut text = String::new();
    for converter in converters {
        text.push_str(&format!(
            "{} (domain {}), converter pid {}\n",
            visible(&converter.name_label),
            converter.domid,
            converter.pid
        ));
        for property in &converter.properties {
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
    }
    text.push_str(&sum(converters));
    text
}

fn verdict(holds: bool, paint: Paint) -> String {
    let word = if holds { "holds" } else { "DOES NOT HOLD" };
    let painted = if holds { paint.good(word) } else { paint.bad(word) };
    format!("{painted}{}", " ".repeat(VERDICT_COLUMNS - word.len()))
}

fn sum(converters: &[ConverterAudit]) -> String {
    let count = converters.len();
    let plural = if count == 1 { "converter" } else { "converters" };
    let looked_at: usize = converters.iter().map(|converter| converter.properties.len()).sum();
    let failed = converters.iter().filter(|converter| !is_proven(converter)).count();
    match failed {
        0 => format!("{count} {plural}, {looked_at} properties: all hold\n"),
        failed => format!("{failed} of {count} {plural} not confined as they must be\n"),
    }
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

    #[test]
    fn a_proven_host_looks_as_it_should() {
        let converters = [converter("demo1", 1), converter("demo2", 2)];
        assert!(holds(&converters));
        let text = prose(&converters, Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/audit-holds.txt"));
    }

    #[test]
    fn a_property_that_does_not_hold_stands_out() {
        let mut loose = converter("web01", 3);
        loose.properties[1].holds = false;
        loose.properties[1].found = "effective: cap_sys_admin".into();
        let converters = [loose, converter("db01", 7)];
        assert!(!holds(&converters));
        let text = prose(&converters, Paint::Plain);
        assert_eq!(text, include_str!("../tests/golden/audit-fails.txt"));
    }

    #[test]
    fn nothing_looked_at_is_nothing_proven() {
        assert!(!holds(&[]));
        assert!(!holds(&[ConverterAudit { properties: vec![], ..converter("web01", 3) }]));
    }

    #[test]
    fn json_tells_the_verdict_and_every_property() {
        let text = json(&[converter("demo1", 1)]).expect("an audit can be written");
        let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!((&value["schema"], &value["holds"]), (&1.into(), &true.into()));
        assert_eq!(value["converters"][0]["properties"][0]["name"], "user");
    }
}
