//! Stands in for QEMU where no Xen is: does what QEMU does with `-chroot` and `-runas`, and says how
//! it finds itself.
//!
//! It prints a line a fact, then `ready`, and ends when its input does. The tests start it by the
//! wrapper and look at it from outside meanwhile.

#![allow(unsafe_code, reason = "tries system calls that std has no form of")]

use std::ffi::OsString;
use std::io::Read;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid};

fn main() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    for word in &words {
        println!("word {}", word.display());
    }
    for (name, value) in std::env::vars_os() {
        println!("environment {}={}", name.display(), value.display());
    }
    for entry in std::fs::read_dir("/proc/self/fd").expect("proc is there").flatten() {
        if let Ok(target) = std::fs::read_link(entry.path()) {
            println!("descriptor {} {}", entry.file_name().display(), target.display());
        }
    }
    let value = |option: &str| {
        let at = words.iter().position(|word| word == option)?;
        words.get(at + 1)?.to_str()
    };
    // As os-posix.c: the root first, then the group, then the user.
    if let Some(root) = value("-chroot") {
        nix::unistd::chroot(root).expect("chroot");
        nix::unistd::chdir("/").expect("chdir");
    }
    if let Some((user, group)) = value("-runas").and_then(|runas| runas.split_once(':')) {
        let group = Gid::from_raw(group.parse().expect("a group"));
        nix::unistd::setgid(group).expect("setgid");
        nix::unistd::setgroups(&[group]).expect("setgroups");
        nix::unistd::setuid(Uid::from_raw(user.parse().expect("a user"))).expect("setuid");
    }
    try_what_may_and_may_not_be();
    println!("ready");
    let _ended = std::io::stdin().read(&mut [0]);
}

fn try_what_may_and_may_not_be() {
    let open = |path: &str| {
        let opened = std::fs::File::options().read(true).write(true).open(path);
        opened.map(drop).map_err(|error| errno(&error))
    };
    tell("evtchn", open("/dev/xen/evtchn"));
    tell("gntdev", open("/dev/xen/gntdev"));
    tell("privcmd", open("/dev/xen/privcmd"));
    tell("passwd", std::fs::read("/etc/passwd").map(drop).map_err(|error| errno(&error)));
    let made = std::fs::create_dir("/made-by-stand-in");
    tell("make", made.map_err(|error| errno(&error)));
    // There is nothing to take away where it could not be made.
    let _absent = std::fs::remove_dir("/made-by-stand-in");
    let thread = std::thread::Builder::new().spawn(|| ()).map(|thread| thread.join());
    tell("thread", thread.map(drop).map_err(|error| errno(&error)));
    tell("root", nix::unistd::seteuid(Uid::from_raw(0)));
    // SAFETY: numbers alone; no child comes of it, or one that ends at once.
    let forked = Errno::result(unsafe { libc::syscall(libc::SYS_fork) });
    if forked == Ok(0) {
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    tell("fork", forked.map(drop));
    // SAFETY: numbers alone.
    let packets = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, 0) };
    tell("packets", Errno::result(packets).map(drop));
    // SAFETY: numbers alone.
    tell("unshare", Errno::result(unsafe { libc::unshare(libc::CLONE_NEWUSER) }).map(drop));
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn tell(deed: &str, result: Result<(), Errno>) {
    match result {
        Ok(()) => println!("{deed} done"),
        Err(errno) => println!("{deed} {errno:?}"),
    }
}
