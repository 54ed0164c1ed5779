//! The names that a policy text may use: system calls and constants, with their numbers.
//!
//! Only what some policy uses is here; a name that is missing is an error when the text is read.

/// A table of system calls, from the C library's numbers.
macro_rules! system_calls {
    ($($name:ident $number:ident)*) => {
        const SYSTEM_CALLS: &[(&str, i64)] = &[$((stringify!($name), libc::$number)),*];
    };
}

system_calls! {
    accept4 SYS_accept4
    brk SYS_brk
    clock_gettime SYS_clock_gettime
    close SYS_close
    epoll_create1 SYS_epoll_create1
    epoll_ctl SYS_epoll_ctl
    epoll_wait SYS_epoll_wait
    exit SYS_exit
    exit_group SYS_exit_group
    fcntl SYS_fcntl
    fstat SYS_fstat
    fsync SYS_fsync
    ftruncate SYS_ftruncate
    getrandom SYS_getrandom
    getsockopt SYS_getsockopt
    ioctl SYS_ioctl
    lseek SYS_lseek
    madvise SYS_madvise
    mmap SYS_mmap
    mprotect SYS_mprotect
    mremap SYS_mremap
    munmap SYS_munmap
    newfstatat SYS_newfstatat
    poll SYS_poll
    ppoll SYS_ppoll
    read SYS_read
    recvfrom SYS_recvfrom
    recvmsg SYS_recvmsg
    restart_syscall SYS_restart_syscall
    rt_sigprocmask SYS_rt_sigprocmask
    rt_sigreturn SYS_rt_sigreturn
    sendto SYS_sendto
    setsockopt SYS_setsockopt
    shutdown SYS_shutdown
    sigaltstack SYS_sigaltstack
    statx SYS_statx
    timerfd_create SYS_timerfd_create
    timerfd_settime SYS_timerfd_settime
    write SYS_write
    writev SYS_writev
}

/// A table of constants, as the unsigned 32-bit values that a filter compares.
macro_rules! constants {
    ($($name:ident)*) => {
        /// The C library types these as it likes; each is a small non-negative number.
        #[allow(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            clippy::unnecessary_cast,
            reason = "constants below 2^31, of three C types; compared with their values in a test"
        )]
        const CONSTANTS: &[(&str, u32)] = &[$((stringify!($name), libc::$name as u32)),*];
    };
}

constants! {
    AT_EMPTY_PATH
    FIONBIO
    F_DUPFD_CLOEXEC
    F_GETFD
    F_GETFL
    F_SETFD
    F_SETFL
    IPPROTO_TCP
    PROT_EXEC
    SOL_SOCKET
    SO_PEERCRED
    TCGETS
    TCP_NODELAY
    TIOCGWINSZ
    TIOCSWINSZ
}

/// What Xen's devices take, from include/uapi/xen of Linux: the C library knows none of it.
const XEN_REQUESTS: &[(&str, u32)] = &[
    ("IOCTL_EVTCHN_BIND_INTERDOMAIN", 0x0008_4501),
    ("IOCTL_EVTCHN_BIND_VIRQ", 0x0004_4500),
    ("IOCTL_EVTCHN_NOTIFY", 0x0004_4504),
    ("IOCTL_EVTCHN_RESET", 0x0000_4505),
    ("IOCTL_EVTCHN_UNBIND", 0x0004_4503),
    ("IOCTL_GNTDEV_MAP_GRANT_REF", 0x0018_4700),
    ("IOCTL_GNTDEV_UNMAP_GRANT_REF", 0x0010_4701),
];

/// The system call of this name, and its number.
pub(super) fn system_call(name: &str) -> Option<(&'static str, i64)> {
    SYSTEM_CALLS.iter().find(|(known, _)| *known == name).copied()
}

/// The value of a number or of a known constant.
pub(super) fn value(text: &str) -> Option<u32> {
    text.parse().ok().or_else(|| {
        CONSTANTS
            .iter()
            .chain(XEN_REQUESTS)
            .find(|(known, _)| *known == text)
            .map(|(_, value)| *value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From include/uapi of Linux, by hand.
    #[test]
    fn constants_have_the_kernels_values() {
        for (name, expected) in [
            ("AT_EMPTY_PATH", 0x1000),
            ("FIONBIO", 0x5421),
            ("F_DUPFD_CLOEXEC", 1030),
            ("F_GETFD", 1),
            ("F_GETFL", 3),
            ("F_SETFD", 2),
            ("F_SETFL", 4),
            ("IPPROTO_TCP", 6),
            ("PROT_EXEC", 4),
            ("SOL_SOCKET", 1),
            ("SO_PEERCRED", 17),
            ("TCGETS", 0x5401),
            ("TCP_NODELAY", 1),
            ("TIOCGWINSZ", 0x5413),
            ("TIOCSWINSZ", 0x5414),
        ] {
            assert_eq!(value(name), Some(expected), "{name}");
        }
        assert_eq!(CONSTANTS.len(), 15, "a constant is missing from this test");
    }
}
