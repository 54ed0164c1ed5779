//! What a captive does once it is confined; most of it should be the last thing it does.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use restrict::Confined;

use crate::calls::{call, make_each};
use crate::cell;

extern "C" fn come_back(_signal: libc::c_int) {}

/// What must be done while everything is still allowed.
pub(crate) fn before(deed: &str) {
    match deed {
        "make-each-call" => {
            let handler = come_back as *const () as libc::sighandler_t;
            // SAFETY: the handler does nothing.
            unsafe { libc::signal(libc::SIGXFSZ, handler) };
        }
        "stay-outside" => loop {
            std::thread::park();
        },
        "fall-silent" => {
            // SAFETY: a number that nothing in this program owns.
            unsafe { libc::close(cell::REPORT) };
            loop {
                std::thread::park();
            }
        }
        "leave-early" => std::process::exit(7),
        "babble" => {
            // SAFETY: a number and memory of the length that is given.
            unsafe { libc::write(cell::REPORT, c"hello\n".as_ptr().cast(), 6) };
            std::process::exit(0);
        }
        "bring-a-thread" => drop(std::thread::spawn(std::thread::park)),
        _ => {}
    }
}

/// Does the deed, and says what came of it.
pub(crate) fn perform(deed: &str, confined: &mut Confined, control: &mut UnixStream) -> String {
    match deed {
        "wait" => wait(control),
        "take-one-more" => {
            let _more = control.try_clone().expect("there is room for it");
            wait(control)
        }
        "make-each-call" => {
            let mut answers = Vec::new();
            make_each(|name, answer| {
                // At once, so that the test sees which one was the last.
                let line = format!("{name} {answer:?}\n");
                answers.push(control.write_all(line.as_bytes()).is_ok());
            });
            format!("{} calls", answers.len())
        }
        "exit-the-thread" => raw(libc::SYS_exit, [0; 6]),
        "accept" => accept(confined.take(cell::LISTENER).expect("planned")),
        "hog-memory" => hog_memory(),
        "hog-descriptors" => hog_descriptors(confined),
        "fill-the-file" => fill_the_file(confined.take(cell::SCREEN).expect("planned")),
        "panic" => panic!("told to\npanic"),
        "take-twice" => {
            let first = confined.take(cell::TTY).is_some();
            format!("{first} {}", confined.take(cell::TTY).is_some())
        }
        attack => self::attack(attack),
    }
}

/// Makes a call whose arguments are numbers, null, or static text.
fn raw(number: i64, arguments: [u64; 6]) -> String {
    // SAFETY: by the arguments that the callers here give, or deadly on purpose.
    format!("{:?}", unsafe { call(number, arguments) })
}

/// Each of these should end the captive.
fn attack(attack: &str) -> String {
    let path = c"/etc/passwd".as_ptr() as u64;
    let here = i64::from(libc::AT_FDCWD).cast_unsigned();
    match attack {
        "open" => raw(libc::SYS_open, [path, 0, 0, 0, 0, 0]),
        "openat" => format!("{:?}", File::open("/etc/passwd")),
        "list-root" => format!("{:?}", std::fs::read_dir("/")),
        "socket" => format!("{:?}", std::net::UdpSocket::bind("127.0.0.1:0")),
        "connect" => raw(libc::SYS_connect, [cell::CONTROL as u64, path, 16, 0, 0, 0]),
        "bind" => raw(libc::SYS_bind, [cell::CONTROL as u64, path, 16, 0, 0, 0]),
        "send-a-descriptor" => raw(libc::SYS_sendmsg, [cell::CONTROL as u64, 0, 0, 0, 0, 0]),
        "fork" => raw(libc::SYS_fork, [0; 6]),
        "clone" => raw(libc::SYS_clone, [0; 6]),
        "thread" => format!("{:?}", std::thread::Builder::new().spawn(|| ()).map(drop)),
        "execve" => raw(libc::SYS_execve, [path, 0, 0, 0, 0, 0]),
        "kill" => raw(libc::SYS_kill, [u64::MAX, 9, 0, 0, 0, 0]),
        "ptrace" => raw(libc::SYS_ptrace, [16, 1, 0, 0, 0, 0]),
        "mount" => raw(libc::SYS_mount, [0, c"/".as_ptr() as u64, 0, 1 << 18, 0, 0]),
        "setuid" => raw(libc::SYS_setuid, [0; 6]),
        "setresuid" => raw(libc::SYS_setresuid, [0; 6]),
        "unshare" => raw(libc::SYS_unshare, [1 << 28, 0, 0, 0, 0, 0]),
        "setns" => raw(libc::SYS_setns, [cell::CONTROL as u64, 0, 0, 0, 0, 0]),
        "chroot" => raw(libc::SYS_chroot, [c"/".as_ptr() as u64, 0, 0, 0, 0, 0]),
        "executable-memory" => raw(libc::SYS_mmap, [0, 4096, 7, 0x22, u64::MAX, 0]),
        "make-executable" => {
            let page = &raw const *Box::leak(vec![0_u8; 8192].into_boxed_slice()) as *const u8;
            let page = (page as u64).next_multiple_of(4096);
            raw(libc::SYS_mprotect, [page, 4096, 5, 0, 0, 0])
        }
        "steal-input" => raw(libc::SYS_ioctl, [cell::TTY as u64, 0x5412, path, 0, 0, 0]),
        "raise-a-limit" => raw(libc::SYS_prlimit64, [0, 7, 0, 0, 0, 0]),
        "loosen-prctl" => raw(libc::SYS_prctl, [4, 1, 0, 0, 0, 0]),
        "stat-a-path" => raw(libc::SYS_newfstatat, [here, path, path, 0, 0, 0]),
        "call-as-32-bit" => call_as_32_bit(),
        "call-as-x32" => raw(0x4000_0000 | libc::SYS_openat, [here, path, 0, 0, 0, 0]),
        unknown => panic!("no deed is called {unknown}"),
    }
}

/// `open` by the 32-bit entry, where its number is the 64-bit `close`'s neighbour: 5.
fn call_as_32_bit() -> String {
    let mut answer: u32 = 5;
    // SAFETY: the entry takes 32-bit pointers; the null path here is one that it cannot read.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {path}", "int 0x80", "xchg rbx, {path}",
            path = inout(reg) 0_u64 => _,
            inout("eax") answer,
            in("ecx") 0, in("edx") 0,
        );
    };
    answer.to_string()
}

/// Says so, then waits until the test closes the socket.
fn wait(control: &mut UnixStream) -> String {
    writeln!(control, "waiting").expect("the test listens");
    let read = control.read(&mut [0; 16]);
    assert!(matches!(read, Ok(0)), "{read:?}");
    std::process::exit(0);
}

fn accept(listener: OwnedFd) -> String {
    let (mut viewer, peer) = TcpListener::from(listener).accept().expect("a viewer comes");
    let mut word = [0; 5];
    viewer.read_exact(&mut word).expect("the viewer speaks");
    viewer.write_all(&word).expect("the viewer listens");
    format!("{} from {}", String::from_utf8_lossy(&word), peer.ip())
}

/// Takes memory until there is no more, and says how many MiB that were.
fn hog_memory() -> String {
    let mut hoard: Vec<Vec<u8>> = Vec::with_capacity(1024);
    while hoard.len() < 1024 {
        let mut more = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        more.resize(1 << 20, 1);
        hoard.push(more);
    }
    let taken = hoard.len();
    drop(hoard);
    taken.to_string()
}

/// Copies a descriptor until there is no room, and says what the highest number was.
fn hog_descriptors(confined: &mut Confined) -> String {
    let tty = File::from(confined.take(cell::TTY).expect("planned"));
    let mut copies = Vec::new();
    let error = loop {
        match tty.try_clone() {
            Ok(copy) => copies.push(copy),
            Err(error) => break error,
        }
    };
    let highest = copies.iter().map(std::os::fd::AsRawFd::as_raw_fd).max();
    format!("{highest:?} {:?}", error.raw_os_error())
}

/// Writes to the file until it takes no more, and says how many bytes it took.
fn fill_the_file(file: OwnedFd) -> String {
    let mut file = File::from(file);
    let mut written = 0;
    let error = loop {
        match file.write(&[7; 4096]) {
            Ok(more) if written < (64 << 20) => written += more,
            Ok(_) => break None,
            Err(error) => break error.raw_os_error(),
        }
    };
    format!("{written} {error:?}")
}
