//! Command lines and what they print, byte for byte.

use xenwarden_model::{Ask, Vm, VmMap};

use super::*;
use crate::agent::tests::Records;
use crate::world::{halted, serving};

fn world() -> Vec<Vm> {
    let mut etch = serving("etch", 3);
    etch.uuid = Uuid::from_u128(0x8acb7723_a5f0_5fc5_cd53_9f1e3a7d3069);
    etch.consoles.truncate(1);
    etch.consoles[0].uuid = Uuid::from_u128(0x714f388b_31ed_67cb_617b_0276e35155ef);
    etch.consoles[0].location = "https://192.168.0.1/console?ref=(...)".into();
    let mut lenny = halted("len,ny\\");
    lenny.uuid = Uuid::from_u128(2);
    lenny.other_config.insert("disable_pv_vnc".into(), "1".into());
    lenny.other_config.insert("folder".into(), "/a b".into());
    lenny.xenstore_data.insert("vm-data/foo".into(), "bar".into());
    vec![etch, lenny]
}

const ETCH: &str = "8acb7723-a5f0-5fc5-cd53-9f1e3a7d3069";
const LENNY: &str = "00000000-0000-0000-0000-000000000002";

/// What a command line prints, or its error, and what it asked of the agent beyond the records.
fn xe(words: &[&str]) -> (Result<String, String>, Vec<Ask>) {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let mut agent = Records { vms: world(), asked: Vec::new() };
    let result = Call::parse(&words, &Surroundings::default())
        .and_then(|call| run(&call, |_| Ok::<_, AgentError>(&mut agent)))
        .map_err(|error| error.to_string());
    (result, agent.asked.into_iter().filter(|ask| *ask != Ask::Vms).collect())
}

impl Agent for &mut Records {
    fn ask(&mut self, ask: &Ask) -> Result<xenwarden_model::Reply, AgentError> {
        (**self).ask(ask)
    }
}

fn printed(words: &[&str]) -> String {
    xe(words).0.expect("the command succeeds")
}

fn error(words: &[&str]) -> String {
    xe(words).0.expect_err("the command fails")
}

fn asked(words: &[&str]) -> Vec<Ask> {
    let (result, asked) = xe(words);
    assert_eq!(result.as_deref(), Ok(""));
    asked
}

#[test]
fn the_documents_own_commands_print_what_it_shows() {
    assert_eq!(
        printed(&["vm-list", "params=uuid", "--minimal", "name-label=etch"]),
        format!("{ETCH}\n")
    );
    assert_eq!(printed(&["vm-list", "params=dom-id", &format!("uuid={ETCH}"), "--minimal"]), "3\n");
    assert_eq!(
        printed(&["console-list", &format!("vm-uuid={ETCH}")]),
        include_str!("../../tests/golden/xe-console-list.txt")
    );
}

#[test]
fn a_vm_list_has_its_usual_columns_in_the_records_own_order() {
    assert_eq!(printed(&["vm-list"]), include_str!("../../tests/golden/xe-vm-list.txt"));
    assert_eq!(
        printed(&["vm-list", "params=power-state,name-label,uuid"]),
        include_str!("../../tests/golden/xe-vm-list.txt")
    );
}

#[test]
fn all_parameters_of_a_vm_are_listed() {
    let golden = include_str!("../../tests/golden/xe-vm-param-list.txt");
    assert_eq!(printed(&["vm-param-list", &format!("uuid={LENNY}")]), golden);
    assert_eq!(printed(&["vm-list", &format!("uuid={LENNY}"), "params=all"]), golden);
}

#[test]
fn minimal_escapes_and_takes_the_first_selected_field() {
    assert_eq!(printed(&["vm-list", "params=name-label", "--minimal"]), "etch,len\\,ny\\\\\n");
    assert_eq!(
        printed(&["vm-list", "params=power-state,uuid", "minimal=true"]),
        format!("{ETCH},{LENNY}\n")
    );
    assert_eq!(printed(&["vm-list", "name-label=none", "--minimal"]), "\n");
    assert_eq!(printed(&["vm-list", "name-label=none"]), "");
}

#[test]
fn fields_maps_and_sets_filter() {
    let names = |filter: &str| printed(&["vm-list", "params=uuid", "--minimal", filter]);
    assert_eq!(names("power-state=halted"), format!("{LENNY}\n"));
    assert_eq!(names("is-control-domain=false"), format!("{ETCH},{LENNY}\n"));
    assert_eq!(names("other-config:disable_pv_vnc=1"), format!("{LENNY}\n"));
    assert_eq!(names("other-config-disable_pv_vnc=1"), format!("{LENNY}\n"));
    assert_eq!(names("other-config:disable_pv_vnc=0"), "\n");
    assert_eq!(
        names("console-uuids:contains=714f388b-31ed-67cb-617b-0276e35155ef"),
        format!("{ETCH}\n")
    );
    assert_eq!(error(&["vm-list", "colour=blue"]), "Error: Unknown field 'colour'");
    assert_eq!(
        error(&["vm-list", "power-state:x=y"]),
        "Error: Field 'power-state' is not a set or map"
    );
    // With no record left there is no record to know the field's name from.
    assert_eq!(printed(&["vm-list", "name-label=none", "colour=blue", "--minimal"]), "\n");
}

#[test]
fn a_parameter_is_read_whole_or_by_key() {
    let get = |words: &[&str]| {
        let uuid = format!("uuid={LENNY}");
        let mut all = vec!["vm-param-get", uuid.as_str()];
        all.extend_from_slice(words);
        xe(&all).0
    };
    assert_eq!(get(&["param-name=dom-id"]).as_deref(), Ok("-1\n"));
    assert_eq!(
        get(&["param-name=other-config"]).as_deref(),
        Ok("disable_pv_vnc: 1; folder: /a b\n")
    );
    assert_eq!(get(&["param-name=other-config", "param-key=folder"]).as_deref(), Ok("/a b\n"));
    assert_eq!(
        get(&["param-name=other-config", "param-key=x"]),
        Err("Error: Key x not found in map".into())
    );
    assert_eq!(
        get(&["param-name=x"]),
        Err("Error code: Missing parameter\nError parameters: x".into())
    );
    assert_eq!(get(&["param-name=name-label", "--minimal"]).as_deref(), Ok("len\\,ny\\\\\n"));
}

#[test]
fn keys_and_the_name_are_set_from_left_to_right() {
    let vm = Uuid::from_u128(2);
    let set =
        |map, key: &str, value: &str| Ask::SetKey { vm, map, key: key.into(), value: value.into() };
    assert_eq!(
        asked(&[
            "vm-param-set",
            &format!("uuid={LENNY}"),
            "other-config:disable_pv_vnc=1",
            "xenstore-data:vm-data/foo=a=b",
            "name-label=lenny",
            "other-config-old=style",
        ]),
        [
            set(VmMap::OtherConfig, "disable_pv_vnc", "1"),
            set(VmMap::XenstoreData, "vm-data/foo", "a=b"),
            Ask::SetName { vm, name: "lenny".into() },
            set(VmMap::OtherConfig, "old", "style"),
        ]
    );
}

#[test]
fn what_cannot_be_set_is_said_as_the_original_says_it() {
    let set = |pair: &str| error(&["vm-param-set", &format!("uuid={LENNY}"), pair]);
    assert_eq!(set("dom-id=7"), "Error: Field 'dom-id' is read-only.");
    assert_eq!(
        set("other-config=x"),
        "Error: Field 'other-config' is a map or set. use the 'name:key=value' syntax."
    );
    assert_eq!(set("console-uuids:x=y"), "Error: Cannot param-set on set fields");
    assert_eq!(set("colour=blue"), "Error: Unknown field 'colour'");
}

#[test]
fn a_key_is_added_once() {
    let uuid = format!("uuid={LENNY}");
    let add = ["vm-param-add", uuid.as_str(), "param-name=other-config"];
    let new = asked(&[&add[..], &["a=b"]].concat());
    assert_eq!(
        new,
        [Ask::SetKey {
            vm: Uuid::from_u128(2),
            map: VmMap::OtherConfig,
            key: "a".into(),
            value: "b".into()
        }]
    );
    assert_eq!(
        error(&[&add[..], &["folder=b"]].concat()),
        format!(
            "You tried to add a key-value pair to a map, but that key is already there.\n\
             type: VM\nparam_name: other_config\nuuid: {LENNY}\nkey: folder"
        )
    );
}

#[test]
fn a_key_is_removed_where_it_is() {
    let uuid = format!("uuid={LENNY}");
    let remove = |name: &str, key: &str| {
        xe(&["vm-param-remove", &uuid, &format!("param-name={name}"), &format!("param-key={key}")])
    };
    let (result, asks) = remove("other-config", "disable_pv_vnc");
    assert_eq!(result.as_deref(), Ok(""));
    let vm = Uuid::from_u128(2);
    let key = "disable_pv_vnc".to_owned();
    assert_eq!(asks, [Ask::RemoveKey { vm, map: VmMap::OtherConfig, key }]);
    assert_eq!(remove("other-config", "x").0, Err("Error: Key x is not in map".into()));
    assert_eq!(
        remove("dom-id", "x").0,
        Err("Error: Can only remove from parameters of type Set or Map".into())
    );
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    assert_eq!(
        error(&["vm-param-list", "uuid=nonsense"]),
        "The uuid you supplied was invalid.\ntype: VM\nuuid: nonsense"
    );
    assert_eq!(
        error(&["vm-param-get", "param-name=uuid"]),
        "Required parameter not found: uuid\nFor usage run: 'xe help'"
    );
    assert_eq!(error(&["vm-start"]), "Unknown command: vm-start\nFor usage run: 'xe help'");
    assert_eq!(
        error(&["-s", "10.0.0.1", "vm-list"]),
        "Unable to contact server. Please check server and port settings."
    );
}

#[test]
fn help_needs_no_agent() {
    for words in [&[][..], &["help"][..]] {
        let words: Vec<String> = words.iter().map(|word: &&str| (*word).to_owned()).collect();
        let call = Call::parse(&words, &Surroundings::default()).expect("a command line");
        let help = run(&call, |_| -> Result<Records, AgentError> { Err(AgentError::Closed) });
        assert!(help.expect("help").starts_with("Usage: xe <command>"));
    }
}
