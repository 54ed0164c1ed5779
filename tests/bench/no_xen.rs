//! A library to be preloaded into another xenstored, so that it runs without Xen and can be measured.
//!
//! It is a machine on which dom0 is alone: event channels that never ring, a page of dom0's own that
//! is an empty file, no other domain. Paths that such a store has built in lead to the folder that
//! `NO_XEN_FOLDER` names. Nothing of ours is ever run with it.

#![allow(
    unsafe_code,
    reason = "a preloaded library answers for C functions, with C's pointers; each says what its callers keep"
)]
#![allow(clippy::missing_safety_doc, unreachable_pub, missing_docs, reason = "no Rust calls these")]

use std::ffi::{CStr, CString, OsStr};
use std::os::raw::{c_char, c_int, c_long, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};

/// The folder that stands for the places of a machine with Xen.
const FOLDER: &str = "NO_XEN_FOLDER";
/// A handle that is never looked into.
const HANDLE: *mut c_void = std::ptr::dangling_mut();
/// The port of the domains' exits.
const EXITS: c_int = 1;
/// The port of dom0's own ring.
const OWN: c_int = 2;
/// What the store's own kernel would share with it.
const PAGE_BYTES: usize = 4096;

/// What stands for the event channels' device: it is never readable.
static CHANNELS: AtomicI32 = AtomicI32::new(-1);

/// Where a path of a machine with Xen leads here.
fn here(path: &Path) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os(FOLDER)?);
    let name = match path.to_str()? {
        "/proc/xen/xsd_kva" | "/dev/xen/xsd_kva" => "own_page",
        "/proc/xen/xsd_port" | "/dev/xen/xsd_port" => "own_port",
        "/var/run/xenstored/socket" | "/run/xenstored/socket" => "socket",
        _ => return None,
    };
    Some(folder.join(name))
}

/// The same for a C string; the string itself where it leads nowhere else.
///
/// # Safety
/// `path` is a C string.
unsafe fn redirected(path: *const c_char) -> CString {
    // SAFETY: the caller has a C string there.
    let path = unsafe { CStr::from_ptr(path) };
    here(Path::new(OsStr::from_bytes(path.to_bytes())))
        .and_then(|path| CString::new(path.as_os_str().as_bytes()).ok())
        .unwrap_or_else(|| path.to_owned())
}

fn open_at(path: &CStr, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the string lives through the call, and the kernel reads nothing else.
    let opened =
        unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, mode) };
    c_int::try_from(opened).unwrap_or(-1)
}

// What the C library has: only paths are changed.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: whoever opens has a C string.
    open_at(&unsafe { redirected(path) }, flags, mode)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: as above.
    open_at(&unsafe { redirected(path) }, flags, mode)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn chmod(path: *const c_char, mode: c_uint) -> c_int {
    // SAFETY: as above.
    let path = unsafe { redirected(path) };
    // SAFETY: the string lives through the call.
    c_int::try_from(unsafe { libc::syscall(libc::SYS_chmod, path.as_ptr(), mode) }).unwrap_or(-1)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn bind(
    socket: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> c_int {
    let raw = |address: *const libc::sockaddr, length: libc::socklen_t| {
        // SAFETY: the caller's address, of the length that comes with it, or ours below.
        c_int::try_from(unsafe { libc::syscall(libc::SYS_bind, socket, address, length) })
            .unwrap_or(-1)
    };
    // SAFETY: every address begins with its family.
    if c_int::from(unsafe { (*address).sa_family }) != libc::AF_UNIX {
        return raw(address, length);
    }
    // SAFETY: an address of this family, of which only the path's bytes within its length are read.
    let mut name = unsafe { *address.cast::<libc::sockaddr_un>() };
    let text = name.sun_path.map(c_char::cast_unsigned);
    let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
    let Some(path) = here(Path::new(OsStr::from_bytes(text.to_bytes()))) else {
        return raw(address, length);
    };
    name.sun_path = [0; 108];
    for (to, from) in name.sun_path.iter_mut().zip(path.as_os_str().as_bytes()) {
        *to = from.cast_signed();
    }
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_un>()).unwrap_or(0);
    raw((&raw const name).cast(), size)
}

/// A container may not raise its limits, and here none is needed.
#[unsafe(no_mangle)]
pub extern "C" fn setrlimit(_: c_int, _: *const c_void) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn setrlimit64(_: c_int, _: *const c_void) -> c_int {
    0
}

// libxenevtchn.

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_open(_: *const c_void, _: c_uint) -> *mut c_void {
    // SAFETY: takes and gives numbers.
    let channels = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    CHANNELS.store(channels, Ordering::Relaxed);
    HANDLE
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_fdopen(_: *const c_void, channels: c_int, _: c_uint) -> *mut c_void {
    CHANNELS.store(channels, Ordering::Relaxed);
    HANDLE
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_fd(_: *const c_void) -> c_int {
    CHANNELS.load(Ordering::Relaxed)
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_close(_: *const c_void) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_notify(_: *const c_void, _: c_uint) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_bind_interdomain(_: *const c_void, _: c_uint, _: c_uint) -> c_int {
    OWN
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_bind_virq(_: *const c_void, _: c_uint) -> c_int {
    EXITS
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_unbind(_: *const c_void, _: c_uint) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_pending(_: *const c_void) -> c_int {
    -1
}

#[unsafe(no_mangle)]
pub extern "C" fn xenevtchn_unmask(_: *const c_void, _: c_uint) -> c_int {
    0
}

// libxengnttab.

#[unsafe(no_mangle)]
pub extern "C" fn xengnttab_open(_: *const c_void, _: c_uint) -> *mut c_void {
    HANDLE
}

#[unsafe(no_mangle)]
pub extern "C" fn xengnttab_close(_: *const c_void) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xengnttab_set_max_grants(_: *const c_void, _: c_uint) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xengnttab_map_grant_ref(
    _: *const c_void,
    _: c_uint,
    _: c_uint,
    protection: c_int,
) -> *mut c_void {
    own_page(protection)
}

#[unsafe(no_mangle)]
pub extern "C" fn xengnttab_unmap(_: *const c_void, _: *const c_void, _: c_uint) -> c_int {
    0
}

// libxenctrl.

#[unsafe(no_mangle)]
pub extern "C" fn xc_interface_open(_: *const c_void, _: *const c_void, _: c_uint) -> *mut c_void {
    HANDLE
}

#[unsafe(no_mangle)]
pub extern "C" fn xc_interface_close(_: *const c_void) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xc_map_foreign_range(
    _: *const c_void,
    _: c_uint,
    _: c_int,
    protection: c_int,
    _: c_long,
) -> *mut c_void {
    own_page(protection)
}

/// No domain from there on.
#[unsafe(no_mangle)]
pub extern "C" fn xc_domain_getinfo(
    _: *const c_void,
    _: c_uint,
    _: c_uint,
    _: *mut c_void,
) -> c_int {
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn xc_domain_getinfolist(
    _: *const c_void,
    _: c_uint,
    _: c_uint,
    _: *mut c_void,
) -> c_int {
    0
}

fn own_page(protection: c_int) -> *mut c_void {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, which overlaps nothing.
    unsafe { libc::mmap(std::ptr::null_mut(), PAGE_BYTES, protection, flags, -1, 0) }
}
