//! The policy's grammar, and the filter tried in both directions by processes that have only it.

#![allow(
    unsafe_code,
    reason = "forked children make raw system calls to see which of them the filter lets through"
)]

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

/// A child that only has the filter ends with this when the call came back.
const CAME_BACK: i32 = 7;
/// Above every system call number of Linux 6.18.
const CALLS_END: i64 = 600;
/// `uretprobe` and `uprobe`: the kernel writes these calls into a traced program itself, so that it
/// asks no filter, and refuses them from anywhere else (kernel/seccomp.c).
const PROBES: [i64; 2] = [335, 336];
/// The bit of the x32 interface's numbers.
const X32: i64 = 0x4000_0000;

/// How a child ends that enters `filter` and then makes the call with these arguments.
fn outcome(filter: &BpfProgram, number: i64, arguments: [u64; 6]) -> WaitStatus {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the child makes system calls only, on memory that it has.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
        ForkResult::Child => {
            let applied = seccompiler::apply_filter(filter);
            // SAFETY: the pointers among the arguments are null or point to what the test owns.
            unsafe { libc::syscall(number, a, b, c, d, e, f) };
            let code = if applied.is_ok() { CAME_BACK } else { 1 };
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}

fn is_killed(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGSYS, _))
}

fn came_back(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, CAME_BACK))
}

fn number(name: &str) -> i64 {
    names::system_call(name).unwrap().1
}

fn released() -> [Policy; 3] {
    [Policy::converter().unwrap(), Policy::store().unwrap(), Policy::front().unwrap()]
}

#[test]
fn the_released_policies_are_policies() {
    for policy in released() {
        assert!(policy.calls().count() > 30);
        assert!(policy.reasons().all(|(_, reason)| reason.len() > 5));
        policy.compile().unwrap();
    }
}

/// What a call comes to under the device models' filter: its own result, or none where it is
/// refused.
fn under_denials(number: i64, arguments: [u64; 6]) -> Option<i32> {
    let filter = Policy::device_model().unwrap().compile().unwrap();
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the child makes system calls only, on memory that it has.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
            WaitStatus::Exited(_, libc::ENOSYS) => None,
            WaitStatus::Exited(_, errno) => Some(errno),
            other => panic!("system call {number}: {other:?}"),
        },
        ForkResult::Child => {
            let applied = seccompiler::apply_filter(&filter);
            // SAFETY: the pointers among the arguments are null or point to what the test owns.
            let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
            let code = match (applied, result) {
                (Err(_), _) => 255,
                (Ok(()), -1) => nix::errno::Errno::last_raw(),
                (Ok(()), _) => 0,
            };
            // SAFETY: ends the process without running the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
    }
}

#[test]
fn a_device_model_is_told_that_there_is_no_such_call() {
    let policy = Policy::device_model().unwrap();
    assert!(policy.reasons().all(|(_, reason)| reason.len() > 5));
    for line in &policy.lines {
        // A flag for `clone`, and a family for `socket`, that the line is about.
        let argument = if line.call == "socket" { 16 } else { 0 };
        let refused = under_denials(line.number, [argument, 0, 0, 0, 0, 0]);
        assert_eq!(refused, None, "{}", line.call);
        assert_eq!(under_denials(line.number | X32, [0; 6]), None, "{} by x32", line.call);
    }
}

#[test]
fn a_device_model_may_do_the_rest() {
    let threads = u64::from(libc::CLONE_THREAD.cast_unsigned());
    let (unix, inet, packet, netlink) = (1, 2, 17, 16);
    for (name, call, arguments, expected) in [
        ("getpid", libc::SYS_getpid, [0; 6], Some(0)),
        ("setresuid", libc::SYS_setresuid, [0; 6], Some(0)),
        // A thread without shared memory is none: the kernel says so, and not the filter.
        ("clone", libc::SYS_clone, [threads, 0, 0, 0, 0, 0], Some(libc::EINVAL)),
        ("clone", libc::SYS_clone, [17, 0, 0, 0, 0, 0], None),
        ("execve", libc::SYS_execve, [0; 6], Some(libc::EFAULT)),
        ("socket", libc::SYS_socket, [unix, 1, 0, 0, 0, 0], Some(0)),
        ("socket", libc::SYS_socket, [inet, 1, 0, 0, 0, 0], Some(0)),
        ("socket", libc::SYS_socket, [packet, 3, 0, 0, 0, 0], None),
        ("socket", libc::SYS_socket, [netlink, 3, 0, 0, 0, 0], None),
    ] {
        assert_eq!(under_denials(call, arguments), expected, "{name} {arguments:?}");
    }
    // x32 numbers of calls that are allowed are refused as well.
    assert_eq!(under_denials(libc::SYS_getpid | X32, [0; 6]), None);
}

#[test]
fn refuses_a_line_without_a_reason() {
    assert_eq!(Policy::parse(Sense::Allows, "# first\nread\n"), Err(PolicyError::NoReason(2)));
    assert_eq!(Policy::parse(Sense::Allows, "read --  \n"), Err(PolicyError::NoReason(1)));
}

#[test]
fn refuses_names_and_conditions_that_it_does_not_know() {
    let unknown = PolicyError::UnknownCall { line: 1, name: "raed".into() };
    assert_eq!(Policy::parse(Sense::Allows, "raed -- typed badly"), Err(unknown));
    for condition in ["arg6 is 1", "arg1 was 1", "arg1 is", "arg1 is FIONBO", "arg1 null 3", "a"] {
        let refused = PolicyError::Condition { line: 1, condition: condition.into() };
        assert_eq!(
            Policy::parse(Sense::Allows, &format!("ioctl {condition} -- reason")),
            Err(refused)
        );
    }
}

#[test]
fn refuses_a_line_that_another_makes_meaningless() {
    for text in [
        "read -- one\nread -- two",
        "ioctl arg1 is 1 -- one\nioctl -- all",
        "ioctl arg1 is 1 -- one\nioctl arg1 is 1 -- again",
    ] {
        assert!(
            matches!(Policy::parse(Sense::Allows, text), Err(PolicyError::Redundant(_))),
            "{text}"
        );
    }
    assert!(Policy::parse(Sense::Allows, "ioctl arg1 is 1 -- one\nioctl arg1 is 2 -- two").is_ok());
}

#[test]
fn every_call_that_no_line_names_kills_whatever_its_number() {
    for policy in released() {
        let filter = policy.compile().unwrap();
        let allowed: Vec<i64> = policy.lines.iter().map(|line| line.number).collect();
        let exempt = |number: &i64| allowed.contains(number) || PROBES.contains(number);
        for number in (0..CALLS_END).filter(|number| !exempt(number)) {
            let status = outcome(&filter, number, [0; 6]);
            assert!(is_killed(status), "system call {number}: {status:?}");
        }
    }
}

#[test]
fn no_call_passes_by_its_x32_number() {
    for policy in released() {
        let filter = policy.compile().unwrap();
        for line in &policy.lines {
            let status = outcome(&filter, line.number | X32, [0; 6]);
            assert!(is_killed(status), "{}: {status:?}", line.call);
        }
    }
}

#[test]
fn conditions_hold_and_bite() {
    let filter = Policy::converter().unwrap().compile().unwrap();
    let none = u64::MAX;
    let bytes = *b"x\0";
    let text = bytes.as_ptr() as u64;
    let page = |protection| [0, 4096, protection, 0x22, none, 0];
    // AT_FDCWD, which is -100.
    let here = none - 99;
    for (name, arguments, passes) in [
        ("mmap", page(3), true),
        ("mmap", page(7), false),
        ("mmap", page(4), false),
        ("mprotect", [0, 0, 1, 0, 0, 0], true),
        ("mprotect", [0, 0, 5, 0, 0, 0], false),
        ("ioctl", [none, 0x5413, 0, 0, 0, 0], true),
        ("ioctl", [none, 0x5414, 0, 0, 0, 0], true),
        ("ioctl", [none, 0x5412, text, 0, 0, 0], false),
        // The kernel takes an int here, and so does the filter.
        ("ioctl", [none, 0xFFFF_FFFF_0000_5413, 0, 0, 0, 0], true),
        ("fcntl", [none, 4, 0, 0, 0, 0], true),
        ("fcntl", [none, 8, 0, 0, 0, 0], false),
        ("fcntl", [none, 1036, 0, 0, 0, 0], false),
        ("sendto", [none, text, 1, 0, 0, 0], true),
        ("sendto", [none, text, 1, 0, text, 2], false),
        ("sendto", [none, text, 1, 0, 1 << 32, 2], false),
        ("setsockopt", [none, 6, 1, 0, 0, 0], true),
        ("setsockopt", [none, 1, 1, 0, 0, 0], false),
        ("setsockopt", [none, 6, 2, 0, 0, 0], false),
        ("getsockopt", [none, 1, 17, 0, 0, 0], true),
        ("getsockopt", [none, 1, 9, 0, 0, 0], false),
        ("newfstatat", [none, text, 0, 0x1000, 0, 0], true),
        ("newfstatat", [here, text, 0, 0, 0, 0], false),
        ("statx", [none, text, 0x1000, 0, 0, 0], true),
        ("statx", [here, text, 0, 0, 0, 0], false),
    ] {
        let status = outcome(&filter, number(name), arguments);
        let held = if passes { came_back(status) } else { is_killed(status) };
        assert!(held, "{name} {arguments:x?}: {status:?}");
    }
}

/// Numbers as a C compiler computes them from the kernel's headers.
#[test]
fn a_store_may_ask_of_xens_devices_what_it_needs_and_nothing_else() {
    let filter = Policy::store().unwrap().compile().unwrap();
    for (request, passes) in [
        (0x0004_4500, true),
        (0x0008_4501, true),
        (0x0004_4503, true),
        (0x0004_4504, true),
        (0x0000_4505, true),
        (0x0018_4700, true),
        (0x0010_4701, true),
        // A port that anybody could bind; a restriction; a copy of granted pages; a hypercall, and
        // the ways to map any page.
        (0x0004_4502, false),
        (0x0002_4506, false),
        (0x0010_4708, false),
        (0x0030_5000, false),
        (0x0010_5002, false),
        (0x0020_5004, false),
        (0x0020_5007, false),
    ] {
        let status = outcome(&filter, libc::SYS_ioctl, [u64::MAX, request, 0, 0, 0, 0]);
        let held = if passes { came_back(status) } else { is_killed(status) };
        assert!(held, "{request:x}: {status:?}");
    }
}

#[test]
fn the_calls_that_open_run_reach_or_rise_kill() {
    for policy in released() {
        assert_kills(&policy.compile().unwrap(), policy == Policy::front().unwrap());
    }
    let converter = Policy::converter().unwrap().compile().unwrap();
    let status = outcome(&converter, libc::SYS_sendmmsg, [0; 6]);
    assert!(is_killed(status), "the store alone may: {status:?}");
}

/// The front alone may connect: to what its root shows.
fn assert_kills(filter: &BpfProgram, may_connect: bool) {
    for (name, number) in [
        ("open", libc::SYS_open),
        ("openat", libc::SYS_openat),
        ("openat2", libc::SYS_openat2),
        ("creat", libc::SYS_creat),
        ("socket", libc::SYS_socket),
        ("socketpair", libc::SYS_socketpair),
        ("connect", libc::SYS_connect),
        ("bind", libc::SYS_bind),
        ("listen", libc::SYS_listen),
        ("sendmsg", libc::SYS_sendmsg),
        ("fork", libc::SYS_fork),
        ("vfork", libc::SYS_vfork),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("execve", libc::SYS_execve),
        ("execveat", libc::SYS_execveat),
        ("kill", libc::SYS_kill),
        ("tgkill", libc::SYS_tgkill),
        ("ptrace", libc::SYS_ptrace),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("mount", libc::SYS_mount),
        ("setns", libc::SYS_setns),
        ("unshare", libc::SYS_unshare),
        ("chroot", libc::SYS_chroot),
        ("setuid", libc::SYS_setuid),
        ("setresuid", libc::SYS_setresuid),
        ("setgroups", libc::SYS_setgroups),
        ("capset", libc::SYS_capset),
        ("prctl", libc::SYS_prctl),
        ("seccomp", libc::SYS_seccomp),
        ("personality", libc::SYS_personality),
        ("bpf", libc::SYS_bpf),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("memfd_create", libc::SYS_memfd_create),
        ("pkey_mprotect", libc::SYS_pkey_mprotect),
        ("shmat", libc::SYS_shmat),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
    ] {
        let status = outcome(filter, number, [0; 6]);
        let passes = may_connect && name == "connect";
        assert_eq!(!is_killed(status), passes, "{name}: {status:?}");
    }
}
