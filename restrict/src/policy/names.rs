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
    acct SYS_acct
    add_key SYS_add_key
    adjtimex SYS_adjtimex
    bpf SYS_bpf
    brk SYS_brk
    clock_adjtime SYS_clock_adjtime
    clock_gettime SYS_clock_gettime
    clock_settime SYS_clock_settime
    clone SYS_clone
    clone3 SYS_clone3
    close SYS_close
    connect SYS_connect
    delete_module SYS_delete_module
    epoll_create1 SYS_epoll_create1
    epoll_ctl SYS_epoll_ctl
    epoll_wait SYS_epoll_wait
    eventfd2 SYS_eventfd2
    execveat SYS_execveat
    exit SYS_exit
    exit_group SYS_exit_group
    fcntl SYS_fcntl
    finit_module SYS_finit_module
    fork SYS_fork
    fsconfig SYS_fsconfig
    fsmount SYS_fsmount
    fsopen SYS_fsopen
    fspick SYS_fspick
    fstat SYS_fstat
    fsync SYS_fsync
    ftruncate SYS_ftruncate
    futex SYS_futex
    getpeername SYS_getpeername
    getrandom SYS_getrandom
    getsockname SYS_getsockname
    getsockopt SYS_getsockopt
    init_module SYS_init_module
    io_uring_enter SYS_io_uring_enter
    io_uring_register SYS_io_uring_register
    io_uring_setup SYS_io_uring_setup
    ioctl SYS_ioctl
    ioperm SYS_ioperm
    iopl SYS_iopl
    kcmp SYS_kcmp
    kexec_file_load SYS_kexec_file_load
    kexec_load SYS_kexec_load
    keyctl SYS_keyctl
    lseek SYS_lseek
    madvise SYS_madvise
    mmap SYS_mmap
    modify_ldt SYS_modify_ldt
    mount SYS_mount
    mount_setattr SYS_mount_setattr
    move_mount SYS_move_mount
    mprotect SYS_mprotect
    mremap SYS_mremap
    munmap SYS_munmap
    newfstatat SYS_newfstatat
    open_by_handle_at SYS_open_by_handle_at
    open_tree SYS_open_tree
    perf_event_open SYS_perf_event_open
    personality SYS_personality
    pidfd_getfd SYS_pidfd_getfd
    pivot_root SYS_pivot_root
    poll SYS_poll
    ppoll SYS_ppoll
    process_vm_readv SYS_process_vm_readv
    process_vm_writev SYS_process_vm_writev
    ptrace SYS_ptrace
    quotactl SYS_quotactl
    read SYS_read
    reboot SYS_reboot
    recvfrom SYS_recvfrom
    recvmmsg SYS_recvmmsg
    recvmsg SYS_recvmsg
    request_key SYS_request_key
    restart_syscall SYS_restart_syscall
    rt_sigprocmask SYS_rt_sigprocmask
    rt_sigreturn SYS_rt_sigreturn
    sched_yield SYS_sched_yield
    sendmmsg SYS_sendmmsg
    sendto SYS_sendto
    setdomainname SYS_setdomainname
    sethostname SYS_sethostname
    setns SYS_setns
    setsockopt SYS_setsockopt
    settimeofday SYS_settimeofday
    shutdown SYS_shutdown
    sigaltstack SYS_sigaltstack
    socket SYS_socket
    socketpair SYS_socketpair
    statx SYS_statx
    swapoff SYS_swapoff
    swapon SYS_swapon
    syslog SYS_syslog
    timerfd_create SYS_timerfd_create
    timerfd_settime SYS_timerfd_settime
    umount2 SYS_umount2
    unshare SYS_unshare
    userfaultfd SYS_userfaultfd
    vfork SYS_vfork
    vhangup SYS_vhangup
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
    AF_INET
    AF_INET6
    AF_UNIX
    AT_EMPTY_PATH
    CLONE_THREAD
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
            ("AF_INET", 2),
            ("AF_INET6", 10),
            ("AF_UNIX", 1),
            ("AT_EMPTY_PATH", 0x1000),
            ("CLONE_THREAD", 0x1_0000),
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
        assert_eq!(CONSTANTS.len(), 19, "a constant is missing from this test");
    }
}
