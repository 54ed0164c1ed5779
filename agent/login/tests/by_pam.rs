//! The program against the host's own libpam, with services of the test's.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What the program says to this input, where `service` is the file of its PAM service.
fn log_in(service: Option<&str>, input: &[u8], groups: [&str; 2]) -> Output {
    let folder = tempfile::tempdir().expect("the test can prepare");
    if let Some(service) = service {
        std::fs::write(folder.path().join("xenwarden"), service).expect("the test can prepare");
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_xenwarden-login"))
        .arg("--pam-folder")
        .arg(folder.path())
        .args(groups)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test can prepare");
    // One that gives up early closes its end.
    let _ = child.stdin.take().expect("the test can prepare").write_all(input);
    child.wait_with_output().expect("the test can prepare")
}

/// A service that takes the password "apple pie" alone.
fn service(folder: &Path) -> String {
    let script = folder.join("check");
    std::fs::write(&script, "[ \"$(tr -d '\\0')\" = 'apple pie' ]\n")
        .expect("the test can prepare");
    format!(
        "auth sufficient pam_exec.so quiet expose_authtok /bin/sh {}\n\
         auth required pam_deny.so\naccount required pam_permit.so\n",
        script.display()
    )
}

#[test]
fn a_right_password_is_a_role_and_a_wrong_one_is_none() {
    let folder = tempfile::tempdir().expect("the test can prepare");
    let service = service(folder.path());
    let said = |input: &[u8], groups| log_in(Some(&service), input, groups).stdout;
    assert_eq!(said(b"root\0apple pie\0", ["x", "y"]), b"A");
    assert_eq!(said(b"daemon\0apple pie\0", ["daemon", "y"]), b"O");
    assert_eq!(said(b"daemon\0apple pie\0", ["x", "y"]), b"-");
    assert_eq!(said(b"root\0apple cake\0", ["x", "y"]), b"N");
    assert_eq!(said(b"root\0\0", ["x", "y"]), b"N");
}

#[test]
fn an_account_that_may_not_log_in_is_as_good_as_a_wrong_password() {
    let service = "auth required pam_permit.so\naccount required pam_deny.so\n";
    assert_eq!(log_in(Some(service), b"root\0x\0", ["x", "y"]).stdout, b"N");
}

#[test]
fn without_a_service_nobody_comes_in() {
    let output = log_in(None, b"root\0x\0", ["x", "y"]);
    assert!(!output.stdout.starts_with(b"A"), "{output:?}");
}

#[test]
fn input_that_is_none_is_an_error() {
    for input in [&b""[..], b"root", b"root\0x", &[b'x'; 4096]] {
        let output = log_in(Some("auth required pam_permit.so\n"), input, ["x", "y"]);
        assert!(output.stdout.is_empty() && output.status.code() == Some(1), "{output:?}");
    }
}
