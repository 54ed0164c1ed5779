//! A domain's XML, as libvirt passes it to `/etc/libvirt/hooks/libxl`: its name, its uuid, and the
//! keys for this agent in its metadata:
//!
//! ```xml
//! <metadata>
//!   <x:xenwarden xmlns:x="https://github.com/xenwarden/xenwarden">
//!     <x:other-config key="disable_pv_vnc" value="1"/>
//!     <x:xenstore-data key="vm-data/foo" value="bar"/>
//!     <x:vif device="0"><x:other-config key="ethtool-tx" value="off"/></x:vif>
//!   </x:xenwarden>
//! </metadata>
//! ```
//!
//! Pure; document types, and with them entities of the sender's, are refused.

use std::collections::BTreeMap;

use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::{NsReader, XmlVersion};
use uuid::Uuid;

/// The namespace of our element.
const NAMESPACE: &str = "https://github.com/xenwarden/xenwarden";
/// Elements within each other: libvirt's have eight or so.
const DEPTH_MAX: usize = 64;
/// Keys in all; the agent bounds each map by itself.
const KEYS_MAX: usize = 4096;

/// A domain.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Domain {
    /// Its uuid.
    pub(super) uuid: Uuid,
    /// Its name.
    pub(super) name: String,
    /// Keys of the VM's `other_config`.
    pub(super) other_config: BTreeMap<String, String>,
    /// Keys of its `xenstore_data`.
    pub(super) xenstore_data: BTreeMap<String, String>,
    /// Keys of its network interfaces' `other_config`, by number.
    pub(super) vifs: BTreeMap<u16, BTreeMap<String, String>>,
}

/// What is no domain's XML.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NotADomain(String);

fn no(why: impl ToString) -> NotADomain {
    NotADomain(why.to_string())
}

/// Whether a domain is about to start, here for the first time or again.
pub(super) fn is_before_a_start(operation: &str) -> bool {
    matches!(operation, "prepare" | "migrate" | "reconnect")
}

impl Domain {
    /// Parses a domain's XML.
    pub(super) fn parse(xml: &str) -> Result<Self, NotADomain> {
        let mut reader = NsReader::from_str(xml);
        let (mut domain, mut uuid) = (Self::default(), String::new());
        let mut open: Vec<Element> = Vec::new();
        let mut vif = None;
        let mut keys = 0;
        loop {
            let (namespace, event) = reader.read_resolved_event().map_err(no)?;
            let (start, stays_open) = match event {
                Event::Start(start) => (start, true),
                Event::Empty(start) => (start, false),
                Event::End(_) => {
                    open.pop();
                    continue;
                }
                Event::Text(text) => {
                    match path(&open).as_slice() {
                        ["/domain", "/name"] => domain.name.push_str(&text),
                        ["/domain", "/uuid"] => uuid.push_str(&text),
                        _ => {}
                    }
                    continue;
                }
                Event::GeneralRef(reference) => {
                    if path(&open) == ["/domain", "/name"] {
                        domain.name.push(character(&reference)?);
                    }
                    continue;
                }
                Event::DocType(_) => return Err(no("a document type")),
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof => break,
            };
            let element = Element::new(&namespace, start.local_name().as_ref());
            let is_ours = element.is_ours();
            open.push(element);
            if is_ours {
                let attributes = || Attribute::of(&start);
                match path(&open).as_slice() {
                    ["/domain", "/metadata", "xenwarden", "other-config"] => {
                        domain.other_config.extend(attributes()?.pair()?);
                        keys += 1;
                    }
                    ["/domain", "/metadata", "xenwarden", "xenstore-data"] => {
                        domain.xenstore_data.extend(attributes()?.pair()?);
                        keys += 1;
                    }
                    ["/domain", "/metadata", "xenwarden", "vif"] => {
                        let device = attributes()?.device()?;
                        domain.vifs.entry(device).or_default();
                        (vif, keys) = (Some(device), keys + 1);
                    }
                    ["/domain", "/metadata", "xenwarden", "vif", "other-config"] => {
                        let pair = attributes()?.pair()?;
                        if let Some(map) = vif.and_then(|vif| domain.vifs.get_mut(&vif)) {
                            map.extend(pair);
                        }
                        keys += 1;
                    }
                    ["/domain", "/metadata", "xenwarden"] => {}
                    other => return Err(no(format!("<{}> is nothing here", other.join("/")))),
                }
            }
            if open.len() > DEPTH_MAX || keys > KEYS_MAX {
                return Err(no("more elements than any domain has"));
            }
            if !stays_open {
                open.pop();
            }
        }
        if !open.is_empty() {
            return Err(no("it ends within an element"));
        }
        domain.uuid = Uuid::try_parse(uuid.trim()).map_err(|_| no("it has no uuid"))?;
        if domain.name.is_empty() {
            return Err(no("it has no name"));
        }
        Ok(domain)
    }
}

/// The names of the open elements.
fn path(open: &[Element]) -> Vec<&str> {
    open.iter().map(|element| element.0.as_str()).collect()
}

/// An element by its name: ours as it is, libvirt's after a slash, and others' as nothing that has
/// a meaning here.
struct Element(String);

impl Element {
    fn new(namespace: &ResolveResult<'_>, name: &str) -> Self {
        Self(match namespace {
            ResolveResult::Bound(namespace) if namespace.0 == NAMESPACE => name.to_owned(),
            ResolveResult::Unbound => format!("/{name}"),
            ResolveResult::Bound(_) | ResolveResult::Unknown(_) => String::new(),
        })
    }

    fn is_ours(&self) -> bool {
        !self.0.is_empty() && !self.0.starts_with('/')
    }
}

/// The character that an entity stands for: of names, XML's own five and numbers.
fn character(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, NotADomain> {
    match reference.resolve_char_ref().map_err(no)? {
        Some(character) => Ok(character),
        None => match &**reference {
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "amp" => Ok('&'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            _ => Err(no("an entity that XML does not have")),
        },
    }
}

/// An element's attributes.
struct Attribute(BTreeMap<String, String>);

impl Attribute {
    fn of(start: &BytesStart<'_>) -> Result<Self, NotADomain> {
        let attributes: Attributes<'_> = start.attributes();
        let mut found = BTreeMap::new();
        for attribute in attributes {
            let attribute = attribute.map_err(no)?;
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(no)?.into_owned();
            found.insert(attribute.key.as_ref().to_owned(), value);
        }
        Ok(Self(found))
    }

    fn take(&mut self, name: &str) -> Result<String, NotADomain> {
        self.0.remove(name).ok_or_else(|| no(format!("an element of ours has no {name}")))
    }

    fn pair(mut self) -> Result<[(String, String); 1], NotADomain> {
        Ok([(self.take("key")?, self.take("value")?)])
    }

    fn device(mut self) -> Result<u16, NotADomain> {
        self.take("device")?.parse().map_err(|_| no("a vif's device is a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?>
<domain type='xen' id='3' xmlns:y='urn:other'>
  <name>web &amp; co</name>
  <uuid>1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c</uuid>
  <metadata>
    <y:note><y:other-config key="not" value="ours"/></y:note>
    <x:xenwarden xmlns:x="https://github.com/xenwarden/xenwarden">
      <x:other-config key="disable_pv_vnc" value="1"/>
      <x:xenstore-data key="vm-data/foo" value="a &lt; b"/>
      <x:vif device="0"><x:other-config key="ethtool-tx" value="off"/></x:vif>
      <x:vif device="1"/>
    </x:xenwarden>
  </metadata>
  <devices><interface type='bridge'><name>eth</name></interface></devices>
</domain>"#;

    #[test]
    fn a_domain_and_our_keys_are_read_and_others_are_passed_over() {
        let domain = Domain::parse(XML).unwrap();
        assert_eq!(domain.name, "web & co");
        assert_eq!(domain.uuid.to_string(), "1c3a0f2e-5d7b-4b8e-9a3c-0d6e8f1b2a4c");
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
        };
        assert_eq!(domain.other_config, map(&[("disable_pv_vnc", "1")]));
        assert_eq!(domain.xenstore_data, map(&[("vm-data/foo", "a < b")]));
        assert_eq!(domain.vifs, [(0, map(&[("ethtool-tx", "off")])), (1, map(&[]))].into());
    }

    #[test]
    fn what_is_no_domain_is_refused_and_nothing_loops() {
        for end in (0..XML.len()).filter(|end| XML.is_char_boundary(*end)) {
            assert!(Domain::parse(&XML[..end]).is_err(), "{end}");
        }
        let deep = "<a>".repeat(1000);
        let entity = XML.replace("&amp;", "&bomb;");
        let doctype = XML.replace("<domain ", "<!DOCTYPE d [<!ENTITY bomb 'x'>]><domain ");
        let typo = XML.replace("x:xenstore-data", "x:xenstore_data");
        let no_uuid = XML.replace("<uuid>", "<uuid>x");
        for xml in [deep, entity, doctype, typo, no_uuid] {
            assert!(Domain::parse(&xml).is_err(), "{xml}");
        }
    }

    #[test]
    fn only_operations_before_a_start_matter() {
        assert!(is_before_a_start("prepare") && !is_before_a_start("stopped"));
    }
}
