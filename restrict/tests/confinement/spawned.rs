//! Launches: what is handed over arrives and nothing else does; a failed one leaves nothing.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use restrict::{Ending, Moment, Network, Program, SpawnError};

use crate::cell;
use crate::guard::{Captive, Cell, PATIENCE, captive_path};

fn captive() -> Program {
    Program::open(&captive_path()).unwrap()
}

fn new_cell() -> Cell {
    Cell::new(Network::Join(cell::NETWORK))
}

fn refusal(cell: Cell, deed: &str) -> SpawnError {
    let mut log = cell.log.try_clone().unwrap();
    let Err(error) = cell.try_lock(&captive(), deed, PATIENCE) else {
        panic!("{deed}: the captive was confined");
    };
    // The log ends when nothing is left that could write to it.
    log.read_to_end(&mut Vec::new()).unwrap();
    error
}

#[test]
fn a_descriptor_that_leaks_does_not_arrive() {
    let leak = File::open("/etc").unwrap();
    // As a C library would leave them behind: not closed on exec, below and above the planned ones.
    let leaks: Vec<OwnedFd> = (0..100).map(|_| nix::unistd::dup(&leak).unwrap()).collect();
    let mut captive = new_cell().lock("wait");
    drop(leaks);
    assert_eq!(captive.hear(), "waiting");
    assert!(captive.attest(Moment::Started).holds());
}

#[test]
fn a_program_that_was_replaced_is_still_the_one_that_was_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("captive");
    std::fs::copy(captive_path(), &path).unwrap();
    let program = Program::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "not a program").unwrap();
    let mut captive = new_cell().try_lock(&program, "wait", PATIENCE).unwrap();
    assert_eq!(captive.hear(), "waiting");
    assert!(captive.attest(Moment::Started).holds());
}

#[test]
fn the_process_has_the_name_it_was_given() {
    let mut cell = new_cell();
    cell.name = "vncterm-dom7".to_owned();
    let captive = cell.lock("wait");
    let read = |file| std::fs::read_to_string(format!("/proc/{}/{file}", captive.child.pid()));
    assert_eq!(read("comm").unwrap(), "vncterm-dom7\n");
    assert!(read("cmdline").unwrap().starts_with("vncterm-dom7\0wait\0"));
    assert_eq!(read("oom_score_adj").unwrap(), "500\n");
}

#[test]
fn the_process_leads_a_session_of_its_own_and_makes_files_for_itself() {
    let captive = Captive::waiting();
    let pid = captive.child.pid();
    let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    // After the name: state, parent, process group, session, terminal (proc(5)).
    let stat = read("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    assert_eq!(fields.get(2..5), Some([&pid.to_string(), &pid.to_string(), "0"].as_slice()));
    assert!(read("status").contains("Umask:\t0077\n"));
}

#[test]
fn a_captive_outlives_what_started_it_and_ends_with_its_socket() {
    let captive = Captive::waiting();
    let (control, _) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut captive = captive;
    captive.control = std::io::BufReader::new(control);
    assert_eq!(captive.end().0, Ending::Exited(0));
}

#[test]
fn refuses_descriptors_that_are_not_the_plans() {
    let mut cell = new_cell();
    cell.handed.pop();
    let error = refusal(cell, "wait");
    assert!(matches!(error, SpawnError::Descriptors { .. }), "{error}");
}

#[test]
fn a_descriptor_of_another_kind_is_refused_by_name() {
    let mut cell = new_cell();
    for (number, descriptor) in &mut cell.handed {
        if *number == cell::TTY {
            *descriptor = File::open("/dev/null").unwrap().into();
        }
    }
    let error = refusal(cell, "wait");
    let expected = "the new process was not confined: \
                    descriptor 3 (tty) is /dev/null, not a pseudo-terminal";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_file_in_place_of_the_network_is_refused_with_its_cause() {
    let mut cell = new_cell();
    for (number, descriptor) in &mut cell.handed {
        if *number == cell::NETWORK {
            *descriptor = File::open("/proc/self/ns/uts").unwrap().into();
        }
    }
    let error = refusal(cell, "wait");
    let expected = "the new process was not confined: \
                    enter an empty network namespace: EINVAL: Invalid argument";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_program_with_threads_is_refused() {
    let error = refusal(new_cell(), "bring-a-thread");
    let expected = "the new process was not confined: \
                    enter the plan while 2 threads run, not one";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_program_that_ends_early_tells_its_status() {
    let error = refusal(new_cell(), "leave-early");
    let expected = "the new process exited with status 7 before it was confined";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_program_that_falls_silent_is_ended() {
    let error = refusal(new_cell(), "fall-silent");
    let expected = "the new process was killed by SIGKILL before it was confined";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_program_that_reports_nonsense_is_ended() {
    let error = refusal(new_cell(), "babble");
    assert!(matches!(error, SpawnError::Nonsense), "{error}");
}

#[test]
fn a_program_that_does_not_confine_itself_is_ended_in_time() {
    let cell = new_cell();
    let mut log = cell.log.try_clone().unwrap();
    let limit = Duration::from_millis(50);
    let Err(error) = cell.try_lock(&captive(), "stay-outside", limit) else {
        panic!("the captive was confined");
    };
    assert!(matches!(error, SpawnError::Late(late) if late == limit), "{error}");
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(text, "");
}

#[test]
fn what_is_no_program_is_not_executed() {
    let program = Program::open("/etc/passwd".as_ref()).unwrap();
    let Err(error) = new_cell().try_lock(&program, "wait", PATIENCE) else {
        panic!("/etc/passwd was executed");
    };
    assert_eq!(error.to_string(), "execute captive");
    assert!(matches!(error, SpawnError::Execute { .. }));
}

#[test]
fn the_agents_own_descriptors_stay_where_they_are() {
    let file = File::open("/dev/null").unwrap();
    let number = file.as_raw_fd();
    let before = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
    drop(Captive::waiting());
    assert_eq!(std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap(), before);
}
