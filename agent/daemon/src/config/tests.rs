//! What a person sees who mistypes a key.

use super::*;

const FILE: &str = "/etc/xenwarden/xenwarden.toml";

fn refused(text: &str) -> String {
    Config::parse(Path::new(FILE), text).unwrap_err().to_string()
}

#[test]
fn the_shipped_file_is_the_built_in_defaults() {
    let shipped = include_str!("../../../../packaging/xenwarden.toml");
    assert_eq!(Config::parse(Path::new(FILE), shipped).unwrap(), Config::default());
}

#[test]
fn the_shipped_file_documents_every_key() {
    let shipped = include_str!("../../../../packaging/xenwarden.toml");
    let lines: Vec<&str> = shipped.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let is_key = line.contains(" = ") && !line.starts_with('#');
        let comment_before = index > 0 && lines[index - 1].starts_with("# ");
        assert!(!is_key || comment_before, "{line} has no comment");
    }
    let keys = lines.iter().filter(|line| line.contains(" = ") && !line.starts_with('#')).count();
    assert_eq!(keys, 40);
}

#[test]
fn an_empty_file_is_valid_and_one_that_was_named_must_be_there() {
    assert_eq!(Config::parse(Path::new(FILE), "").unwrap(), Config::default());
    let folder = tempfile::tempdir().unwrap();
    let absent = Config::load(&folder.path().join("none")).unwrap_err();
    assert!(absent.to_string().contains("none"), "{absent}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = Config::load(folder.path()).unwrap_err();
    assert!(matches!(error, ConfigError::Read { .. }));
}

#[test]
fn an_unknown_key_names_place_and_nearest_key() {
    let text = "\
# limits of the agent's own work

[limits]
operations_per_second = 1000
transacton_cost = 20
";
    let expected = "\
/etc/xenwarden/xenwarden.toml:5:1: unknown key `transacton_cost`
    3 | [limits]
    4 | operations_per_second = 1000
    5 | transacton_cost = 20
      | ^^^^^^^^^^^^^^^ did you mean `transaction_cost`?
1 error";
    assert_eq!(refused(text), expected);
}

#[test]
fn a_key_that_is_near_nothing_is_told_what_there_is() {
    let expected = "\
/etc/xenwarden/xenwarden.toml:2:1: unknown key `colour`
    1 | [screens]
    2 | colour = 3
      | ^^^^^^
      do: [screens] has keep_days
1 error";
    assert_eq!(refused("[screens]\ncolour = 3\n"), expected);
}

#[test]
fn an_unknown_section_names_the_nearest_one() {
    let expected = "\
/etc/xenwarden/xenwarden.toml:1:2: unknown section `xenstor`
    1 | [xenstor]
      |  ^^^^^^^ did you mean `xenstore`?
1 error";
    assert_eq!(refused("[xenstor]\nsocket = \"/s\"\n"), expected);
}

#[test]
fn a_value_of_the_wrong_kind_or_size_is_marked() {
    let text = "\
[consoles]
columns = \"wide\"
rows = 100000
lock_dir = \"run/lock\"
";
    let expected = "\
/etc/xenwarden/xenwarden.toml:2:11: `columns` is a number, not a text
    1 | [consoles]
    2 | columns = \"wide\"
      |           ^^^^^^
/etc/xenwarden/xenwarden.toml:3:8: `rows` is from 2 to 256
    1 | [consoles]
    2 | columns = \"wide\"
    3 | rows = 100000
      |        ^^^^^^
/etc/xenwarden/xenwarden.toml:4:12: `lock_dir` is an absolute path, and \"run/lock\" is none
    2 | columns = \"wide\"
    3 | rows = 100000
    4 | lock_dir = \"run/lock\"
      |            ^^^^^^^^^^
3 errors";
    assert_eq!(refused(text), expected);
}

#[test]
fn a_burst_below_the_transaction_cost_is_refused() {
    let expected = "\
/etc/xenwarden/xenwarden.toml:3:9: burst 10 is less than transaction_cost 20: \
no transaction could ever open
    1 | [limits]
    2 | # small
    3 | burst = 10
      |         ^^
      do: burst = 20 or more
1 error";
    assert_eq!(refused("[limits]\n# small\nburst = 10\n"), expected);
}

#[test]
fn a_uid_range_among_the_hosts_own_is_refused() {
    let text = refused("[converters]\nuid_base = 1000\n");
    assert!(text.contains(":2:12: uid range at 1000 does not lie between"), "{text}");
}

#[test]
fn a_device_models_program_is_a_path_or_none() {
    assert!(Config::parse(Path::new(FILE), "[device_models]\nprogram = \"\"\n").is_ok());
    let text = refused("[device_models]\nprogram = \"qemu\"\n");
    assert!(text.contains("an absolute path, or empty"), "{text}");
}

#[test]
fn a_file_that_is_not_toml_is_marked_where_it_stops_to_be() {
    let text = refused("[agent]\nrun_dir = /run\n");
    assert!(text.starts_with("/etc/xenwarden/xenwarden.toml:2:11: "), "{text}");
}

#[test]
fn hostile_text_is_shown_escaped_and_bounded() {
    let text = refused(&format!("\"\\u001b]0;x{}\" = 1\n", "y".repeat(100_000)));
    assert!(text.len() < 2000 && !text.contains('\u{1b}'), "{text}");
}
