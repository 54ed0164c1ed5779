//! Command lines as libxl writes them, and as nobody should.

use super::*;

fn words(text: &str) -> Vec<OsString> {
    text.split_whitespace().map(OsString::from).collect()
}

fn parse(text: &str) -> Result<CommandLine, CommandLineError> {
    CommandLine::parse(&words(text))
}

/// An error's text.
fn refused(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn a_framebuffers_command_line_is_read() {
    assert_eq!(
        CommandLine::parse(&words(include_str!("../../tests/golden/framebuffer.argv"))),
        Ok(CommandLine {
            guest: Guest::new(2).unwrap(),
            machine: Machine::Pv,
            vnc: Some("127.0.0.1:0,to=99".into()),
            own_confinement: OwnConfinement::None,
            is_restored: false,
            writes_disks: false,
            attaches_taps: false,
        })
    );
}

#[test]
fn an_hvm_guests_command_line_is_read() {
    let read = parse(include_str!("../../tests/golden/hvm.argv")).unwrap();
    assert_eq!((read.guest.domid(), read.machine), (5, Machine::Hvm));
    assert_eq!((read.writes_disks, read.attaches_taps), (false, false));
}

#[test]
fn machines_are_told_apart() {
    for (machine, expected) in [
        ("xenpv", Machine::Pv),
        ("xenfv,suppress-vmdesc=on", Machine::Hvm),
        ("pc,accel=xen,suppress-vmdesc=on", Machine::Hvm),
        ("pc-i440fx-2.8,accel=xen", Machine::Hvm),
    ] {
        let read = parse(&format!("-xen-domid 1 -machine {machine}")).unwrap();
        assert_eq!(read.machine, expected, "{machine}");
    }
    for machine in ["pc", "q35,accel=xen", "xenpvh", "xenfvx", "pc,accel=kvm"] {
        assert!(refused(&format!("-xen-domid 1 -machine {machine}")).contains("neither xenfv"));
    }
}

#[test]
fn a_domid_is_there_once_and_a_guests() {
    assert_eq!(refused("-machine xenfv"), "option -xen-domid is missing");
    assert_eq!(
        refused("-xen-domid 1 -machine xenfv -xen-domid 1"),
        "option -xen-domid is there twice"
    );
    for domid in ["0", "32752", "65536", "-1", "+1", "x", "1x", "0x1", "99999999999"] {
        assert_eq!(
            refused(&format!("-xen-domid {domid} -machine xenfv")),
            format!("-xen-domid {domid:?} is no guest's domid: those are 1 to 32751")
        );
    }
}

#[test]
fn a_value_never_passes_for_an_option() {
    let read = parse("-name -runas -xen-domid 3 -machine xenfv -vnc -chroot").unwrap();
    assert_eq!(read.own_confinement, OwnConfinement::None);
    assert_eq!(read.vnc.as_deref(), Some("-chroot"));
    assert_eq!(
        refused("-name -xen-domid 3 -machine xenfv"),
        "3 is neither an option nor an option's value"
    );
    assert_eq!(
        refused("-xen-domid 3 -machine xenfv disk.img"),
        "disk.img is neither an option nor an option's value"
    );
    assert_eq!(refused("-machine xenfv -xen-domid"), "option -xen-domid has no value");
}

#[test]
fn two_dashes_are_one() {
    assert!(parse("--xen-domid 3 --machine xenpv").is_ok());
    assert_eq!(
        refused("--xen-domid 3 -xen-domid 4 -machine xenpv"),
        "option -xen-domid is there twice"
    );
}

#[test]
fn the_toolstacks_own_restriction_is_whole_or_in_part() {
    let line = |more: &str| parse(&format!("-xen-domid 5 -machine xenfv {more}"));
    let whole = "-xen-domid-restrict -chroot /var/run/xen/qemu-root-5 -runas 200005:997";
    assert_eq!(line(whole).unwrap().own_confinement, OwnConfinement::Whole);
    for part in ["-runas 5:5", "-chroot /x", "-xen-domid-restrict -chroot /x"] {
        assert_eq!(line(part).unwrap().own_confinement, OwnConfinement::Part);
    }
    for user in ["0:997", "7:0", "root", "7", "7:", "65534:7", "7:7:7"] {
        assert_eq!(
            line(&format!("-runas {user}")).unwrap_err(),
            CommandLineError::RunAs(user.into())
        );
    }
}

#[test]
fn what_would_leave_the_confinement_is_refused() {
    assert!(refused("-daemonize -xen-domid 1 -machine xenfv").starts_with("option -daemonize"));
    assert!(
        refused("-run-with user=0 -xen-domid 1 -machine xenfv").starts_with("option -run-with")
    );
}

#[test]
fn disks_and_taps_are_seen() {
    let line = |more: &str| parse(&format!("-xen-domid 5 -machine xenfv {more}")).unwrap();
    assert!(line("-drive file=/d.img,if=ide,index=0,media=disk,format=raw").writes_disks);
    assert!(!line("-drive if=ide,readonly=on,media=cdrom,file=/c.iso").writes_disks);
    let tap =
        "-device e1000,id=nic0,netdev=net0 -netdev type=tap,id=net0,ifname=vif5.0-emu,script=no";
    assert!(line(tap).attaches_taps);
    assert!(!line("-net none").attaches_taps);
}
