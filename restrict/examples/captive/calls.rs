//! Every call that the released policy allows, made once, each with what it answered.

use crate::cell::{CONTROL, LISTENER, SCREEN, TTY};

/// The answer of a system call: what it returned, or its error number.
pub(crate) type Answer = Result<i64, i32>;

/// Makes one system call.
///
/// # Safety
///
/// As safe as that call with these arguments.
pub(crate) unsafe fn call(number: i64, arguments: [u64; 6]) -> Answer {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: promised by the caller.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer < 0 {
        Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        Ok(answer)
    }
}

/// Calls `tell` with each allowed call's name and answer, in the order of the policy's text.
///
/// `exit` and `exit_group` are not among them: they have no answer.
pub(crate) fn make_each(mut tell: impl FnMut(&str, Answer)) {
    const PAGE: u64 = 4096;
    let bytes = [0_u8; 256];
    let room = bytes.as_ptr() as u64;
    let vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: 1 };
    let vector = &raw const vector as u64;
    // SAFETY: all zero is a message header without parts.
    let header: libc::msghdr = unsafe { std::mem::zeroed() };
    let header = &raw const header as u64;
    let one: libc::c_int = 1;
    let one = &raw const one as u64;
    let zero: libc::c_int = 0;
    let zero = &raw const zero as u64;
    let length: libc::socklen_t = 16;
    let length = &raw const length as u64;
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 1 };
    let pause = &raw const pause as u64;
    let empty = c"".as_ptr() as u64;
    let (tty, listener) = (TTY as u64, LISTENER as u64);
    let (control, file) = (CONTROL as u64, SCREEN as u64);
    let anywhere = |protection| [0, PAGE, protection, 0x22, u64::MAX, 0];
    let dontwait = libc::MSG_DONTWAIT as u64;

    let mut make = |name: &str, number, arguments| {
        // SAFETY: the pointers above are to memory of at least the size that each call uses, and
        // the ranges of addresses are those that an earlier call here returned.
        let answer = unsafe { call(number, arguments) };
        tell(name, answer);
        answer.unwrap_or(0).cast_unsigned()
    };
    make("read", libc::SYS_read, [file, room, 1, 0, 0, 0]);
    make("write", libc::SYS_write, [file, room, 1, 0, 0, 0]);
    make("writev", libc::SYS_writev, [file, vector, 1, 0, 0, 0]);
    make("recvfrom", libc::SYS_recvfrom, [control, room, 1, dontwait, 0, 0]);
    make("sendto", libc::SYS_sendto, [control, empty, 0, 0, 0, 0]);
    make("recvmsg", libc::SYS_recvmsg, [control, header, dontwait, 0, 0, 0]);
    make("lseek", libc::SYS_lseek, [file, 0, 0, 0, 0, 0]);
    make("ftruncate", libc::SYS_ftruncate, [file, 1, 0, 0, 0, 0]);
    make("fsync", libc::SYS_fsync, [file, 0, 0, 0, 0, 0]);

    let nonblock = libc::O_NONBLOCK as u64;
    make("fcntl", libc::SYS_fcntl, [listener, libc::F_SETFL as u64, nonblock, 0, 0, 0]);
    make("accept4", libc::SYS_accept4, [listener, 0, 0, 0, 0, 0]);
    make("shutdown", libc::SYS_shutdown, [listener, 1, 0, 0, 0, 0]);
    let copy = make("fcntl", libc::SYS_fcntl, [file, libc::F_DUPFD_CLOEXEC as u64, 0, 0, 0, 0]);
    make("close", libc::SYS_close, [copy, 0, 0, 0, 0, 0]);
    make("setsockopt", libc::SYS_setsockopt, [listener, 6, 1, one, 4, 0]);
    make("getsockopt", libc::SYS_getsockopt, [control, 1, 17, room, length, 0]);

    make("poll", libc::SYS_poll, [0, 0, 1, 0, 0, 0]);
    make("ppoll", libc::SYS_ppoll, [0, 0, pause, 0, 0, 0]);
    make("restart_syscall", libc::SYS_restart_syscall, [0; 6]);
    make("clock_gettime", libc::SYS_clock_gettime, [1, room, 0, 0, 0, 0]);

    make("fstat", libc::SYS_fstat, [file, room, 0, 0, 0, 0]);
    make("newfstatat", libc::SYS_newfstatat, [file, empty, room, 0x1000, 0, 0]);
    make("statx", libc::SYS_statx, [file, empty, 0x1000, 0x7ff, room, 0]);
    make("fcntl", libc::SYS_fcntl, [file, libc::F_GETFL as u64, 0, 0, 0, 0]);
    make("fcntl", libc::SYS_fcntl, [file, libc::F_GETFD as u64, 0, 0, 0, 0]);
    make("fcntl", libc::SYS_fcntl, [file, libc::F_SETFD as u64, 1, 0, 0, 0]);
    make("ioctl", libc::SYS_ioctl, [control, libc::FIONBIO, zero, 0, 0, 0]);
    make("ioctl", libc::SYS_ioctl, [tty, libc::TIOCGWINSZ, room, 0, 0, 0]);
    make("ioctl", libc::SYS_ioctl, [tty, libc::TIOCSWINSZ, room, 0, 0, 0]);
    make("ioctl", libc::SYS_ioctl, [tty, libc::TCGETS, room, 0, 0, 0]);

    make("brk", libc::SYS_brk, [0; 6]);
    let page = make("mmap", libc::SYS_mmap, anywhere(3));
    make("mprotect", libc::SYS_mprotect, [page, PAGE, 1, 0, 0, 0]);
    make("madvise", libc::SYS_madvise, [page, PAGE, 4, 0, 0, 0]);
    let page = make("mremap", libc::SYS_mremap, [page, PAGE, 2 * PAGE, 1, 0, 0]);
    make("munmap", libc::SYS_munmap, [page, 2 * PAGE, 0, 0, 0, 0]);
    make("getrandom", libc::SYS_getrandom, [room, 16, 0, 0, 0, 0]);

    make("rt_sigprocmask", libc::SYS_rt_sigprocmask, [0, 0, 0, 8, 0, 0]);
    make("sigaltstack", libc::SYS_sigaltstack, [0; 6]);
    // A handler was installed for the signal that a file above its limit makes; coming back from
    // it is the call.
    make("lseek", libc::SYS_lseek, [file, 1 << 20, 0, 0, 0, 0]);
    make("rt_sigreturn", libc::SYS_write, [file, room, 1, 0, 0, 0]);
}
