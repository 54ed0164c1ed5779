//! The database against kill -9, damage and a second process.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

/// Where the killed process finds its folder.
const FOLDER: &str = "XENWARDEND_TEST_DATABASE";

fn record(name: &str) -> Record {
    Record {
        name: name.to_owned(),
        is_control_domain: false,
        other_config: BTreeMap::from([("key \u{0} ü".to_owned(), "value\n".to_owned())]),
        xenstore_data: BTreeMap::new(),
        vifs: BTreeMap::new(),
        touched: true,
        uuid_changes: false,
        domain_uuid: Uuid::from_u128(1),
        seen_ms: 5,
        tie: Some(crate::record::Tie { domid: 3, boot: Uuid::from_u128(9), console_off: true }),
    }
}

fn put(number: u128) -> Change {
    Change::Put(Uuid::from_u128(number), Box::new(record(&number.to_string())))
}

#[test]
fn a_written_record_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (mut database, records) = Database::open(folder.path()).unwrap();
        assert!(records.is_empty());
        database.write(&[put(1), put(2)], Safety::Kept).unwrap();
        database.write(&[Change::Delete(Uuid::from_u128(1)), put(3)], Safety::Kept).unwrap();
        database.write(&[put(4)], Safety::Lazy).unwrap();
        database.write(&[put(5)], Safety::Kept).unwrap();
    }
    let (_, records) = Database::open(folder.path()).unwrap();
    let kept: Vec<u128> = records.keys().map(|vm| vm.as_u128()).collect();
    assert_eq!(kept, [2, 3, 4, 5]);
    assert_eq!(records[&Uuid::from_u128(2)], record("2"));
    let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Not a test of its own: the process that `kill_9_loses_no_acknowledged_record` kills.
#[test]
fn writes_records_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (mut database, records) = Database::open(Path::new(&folder)).unwrap();
    let first = u128::try_from(records.len()).unwrap();
    for number in first.. {
        database.write(&[put(number)], Safety::Kept).unwrap();
        println!("\nkept {number}");
    }
}

#[test]
fn kill_9_loses_no_acknowledged_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = None;
    for kept_before_the_kill in [1, 7, 20] {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "database::tests::writes_records_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let kept = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("kept ").and_then(|n| n.parse::<u128>().ok()));
        for (count, number) in kept.enumerate() {
            acknowledged = Some(number);
            if count == kept_before_the_kill {
                writer.kill().unwrap();
            }
        }
        writer.wait().unwrap();
        let (_, records) = Database::open(folder.path()).unwrap();
        for number in 0..=acknowledged.unwrap() {
            assert_eq!(records[&Uuid::from_u128(number)], record(&number.to_string()));
        }
    }
}

#[test]
fn a_second_agent_is_told_that_the_database_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let _first = Database::open(folder.path()).unwrap();
    assert!(matches!(Database::open(folder.path()), Err(DatabaseFault::InUse { .. })));
}

#[test]
fn a_corrupt_database_is_reported_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    {
        let (mut database, _) = Database::open(folder.path()).unwrap();
        let many: Vec<Change> = (0..50).map(put).collect();
        database.write(&many, Safety::Kept).unwrap();
    }
    let whole = fs::read(&path).unwrap();
    let spoiled = |spoil: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        spoil(&mut bytes);
        bytes
    };
    let middle = whole.windows(6).position(|bytes| bytes == b"\"name\"").unwrap();
    for damaged in [
        Vec::new(),
        b"not a database\n".to_vec(),
        spoiled(&|bytes| bytes.truncate(bytes.len() / 2)),
        spoiled(&|bytes| bytes.truncate(100)),
        spoiled(&|bytes| bytes[..4096].fill(0)),
        spoiled(&|bytes| bytes[middle..middle + 200].fill(b'x')),
    ] {
        fs::write(&path, &damaged).unwrap();
        let fault = Database::open(folder.path()).unwrap_err();
        let text = fault.to_string();
        assert!(matches!(fault, DatabaseFault::Corrupt { .. }), "{text}");
        assert!(text.contains(path.to_str().unwrap()) && text.contains("move it away"), "{text}");
        assert_eq!(fs::read(&path).unwrap(), damaged, "it was left as it is");
    }
}

#[test]
fn a_record_that_is_none_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (database, _) = Database::open(folder.path()).unwrap();
        let transaction = database.file.as_ref().unwrap().begin_write().unwrap();
        transaction.open_table(VMS).unwrap().insert(7, b"{}".as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let text = Database::open(folder.path()).unwrap_err().to_string();
    assert!(text.contains("VM 00000000-0000-0000-0000-000000000007"), "{text}");
}

#[test]
fn a_database_of_a_later_release_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    {
        let (database, _) = Database::open(folder.path()).unwrap();
        let transaction = database.file.as_ref().unwrap().begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(FORM_KEY, FORM + 1).unwrap();
        transaction.commit().unwrap();
    }
    let refused = Database::open(folder.path());
    assert!(matches!(refused, Err(DatabaseFault::LaterForm { found, .. }) if found == FORM + 1));
}

#[test]
fn a_creation_that_was_cut_off_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NEW_FILE), "half").unwrap();
    assert!(Database::open(folder.path()).is_ok());
}
