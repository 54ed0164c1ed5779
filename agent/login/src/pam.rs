//! libpam, loaded when it is needed: nothing has to be there when this is built.
//!
//! The types and numbers are Linux-PAM's (security/_pam_types.h).

#![allow(unsafe_code, reason = "libpam is called by C's rules, and calls back")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// The service, which /etc/pam.d has a file of.
const SERVICE: &CStr = c"xenwarden";
const LIBRARY: &CStr = c"libpam.so.0";

const PAM_SUCCESS: c_int = 0;
const PAM_BUF_ERR: c_int = 5;
const PAM_CONV_ERR: c_int = 19;
const PAM_USER: c_int = 2;
const PAM_PROMPT_ECHO_OFF: c_int = 1;
/// Empty passwords are none.
const PAM_DISALLOW_NULL_AUTHTOK: c_int = 1;
/// Messages of one conversation, as libpam bounds them (PAM_MAX_NUM_MSG).
const MESSAGES_MAX: usize = 32;
/// What PAM says when a user or password is wrong, as against out of order: PAM_AUTH_ERR,
/// PAM_CRED_INSUFFICIENT, PAM_USER_UNKNOWN, PAM_MAXTRIES, PAM_PERM_DENIED, PAM_NEW_AUTHTOK_REQD,
/// PAM_ACCT_EXPIRED.
const WRONG: [c_int; 7] = [7, 8, 10, 11, 6, 12, 13];

/// Why PAM has no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PamError {
    /// The library, or a function of it, isn't there.
    #[error("load {0} of libpam.so.0: install libpam")]
    Load(&'static str),
    /// The folder can't be named to C.
    #[error("name the folder of PAM's services")]
    Folder,
    /// It failed.
    #[error("ask PAM: error {0}")]
    Failed(c_int),
}

/// What a password comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is right, and this is who it is.
    Right(CString),
    /// It is wrong, or the account may not log in.
    Wrong,
}

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

type Converse =
    extern "C" fn(c_int, *const *const Message, *mut *mut Response, *mut c_void) -> c_int;

#[repr(C)]
struct Conversation {
    converse: Converse,
    data: *mut c_void,
}

type Start = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const Conversation,
    *const c_char,
    *mut *mut c_void,
) -> c_int;
type Step = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type GetItem = unsafe extern "C" fn(*const c_void, c_int, *mut *const c_void) -> c_int;

/// The functions of libpam that a log-in takes.
pub(crate) struct Pam {
    start: Start,
    authenticate: Step,
    account: Step,
    get_item: GetItem,
    end: Step,
}

impl Pam {
    /// Loads the library.
    pub(crate) fn load() -> Result<Self, PamError> {
        // SAFETY: a constant name; the library's own initialisers are trusted, as its verdict is.
        let library = unsafe { libc::dlopen(LIBRARY.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if library.is_null() {
            return Err(PamError::Load("all"));
        }
        let find = |name: &'static CStr| {
            // SAFETY: the library was opened above and is never closed.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            let name = name.to_str().unwrap_or_default();
            if found.is_null() { Err(PamError::Load(name)) } else { Ok(found) }
        };
        // SAFETY: libpam's function of this name has this type, since 1.4 (pam_appl.h).
        let start =
            unsafe { std::mem::transmute::<*mut c_void, Start>(find(c"pam_start_confdir")?) };
        // SAFETY: as above; these three are alike: a handle and a number in, a number out.
        let step =
            |name| find(name).map(|f| unsafe { std::mem::transmute::<*mut c_void, Step>(f) });
        // SAFETY: as above.
        let get_item =
            unsafe { std::mem::transmute::<*mut c_void, GetItem>(find(c"pam_get_item")?) };
        Ok(Self {
            start,
            authenticate: step(c"pam_authenticate")?,
            account: step(c"pam_acct_mgmt")?,
            get_item,
            end: step(c"pam_end")?,
        })
    }

    /// Asks whether a password is right and its account may log in; `folder` is for another one of
    /// services than the host's.
    pub(crate) fn check(
        &self,
        folder: Option<&Path>,
        user: &CStr,
        password: CString,
    ) -> Result<Verdict, PamError> {
        let folder = folder.map(|folder| CString::new(folder.as_os_str().as_bytes()));
        let folder = folder.transpose().map_err(|_| PamError::Folder)?;
        let conversation = Conversation { converse, data: password.as_ptr() as *mut c_void };
        let mut handle = ptr::null_mut();
        let folder = folder.as_ref().map_or(ptr::null(), |folder| folder.as_ptr());
        // SAFETY: every pointer is to a text or value that outlives the handle, which ends below.
        let started = unsafe {
            (self.start)(
                SERVICE.as_ptr(),
                user.as_ptr(),
                &raw const conversation,
                folder,
                &raw mut handle,
            )
        };
        if started != PAM_SUCCESS {
            return Err(PamError::Failed(started));
        }
        // SAFETY: the handle was started above and not ended yet.
        let mut status = unsafe { (self.authenticate)(handle, PAM_DISALLOW_NULL_AUTHTOK) };
        if status == PAM_SUCCESS {
            // SAFETY: as above.
            status = unsafe { (self.account)(handle, PAM_DISALLOW_NULL_AUTHTOK) };
        }
        let verdict = match status {
            PAM_SUCCESS => self.user(handle).map(Verdict::Right),
            wrong if WRONG.contains(&wrong) => Ok(Verdict::Wrong),
            other => Err(PamError::Failed(other)),
        };
        // SAFETY: as above; nothing of it is used afterwards. The process ends soon anyway.
        let _ended = unsafe { (self.end)(handle, status) };
        verdict
    }

    /// Who PAM says it is: a module may have changed the name.
    fn user(&self, handle: *const c_void) -> Result<CString, PamError> {
        let mut item = ptr::null();
        // SAFETY: the handle lives, and PAM_USER is a text of the library's.
        let status = unsafe { (self.get_item)(handle, PAM_USER, &raw mut item) };
        if status != PAM_SUCCESS || item.is_null() {
            return Err(PamError::Failed(status));
        }
        // SAFETY: PAM_USER is a text with a NUL, which lives as long as the handle.
        Ok(unsafe { CStr::from_ptr(item.cast()) }.to_owned())
    }
}

/// Answers prompts without an echo with the password, and others with nothing.
extern "C" fn converse(
    count: c_int,
    messages: *const *const Message,
    responses: *mut *mut Response,
    password: *mut c_void,
) -> c_int {
    let Some(count) = usize::try_from(count).ok().filter(|n| (1..=MESSAGES_MAX).contains(n)) else {
        return PAM_CONV_ERR;
    };
    // SAFETY: plain numbers; the library frees the memory, so that it comes from C's allocator.
    let answers: *mut Response = unsafe { libc::calloc(count, size_of::<Response>()) }.cast();
    if answers.is_null() {
        return PAM_BUF_ERR;
    }
    // SAFETY: the library gives as many pointers to messages as it says.
    let asked = unsafe { std::slice::from_raw_parts(messages, count) };
    // SAFETY: `answers` has `count` responses, all zero, which is a response without text.
    let answered = unsafe { std::slice::from_raw_parts_mut(answers, count) };
    for (message, answer) in asked.iter().zip(answered) {
        // SAFETY: each points to a message.
        if unsafe { (**message).style } == PAM_PROMPT_ECHO_OFF {
            // SAFETY: `password` is the text of the conversation, which outlives the handle.
            answer.text = unsafe { libc::strdup(password.cast()) };
        }
    }
    // SAFETY: the library gives a place for the pointer, and takes the memory over.
    unsafe { *responses = answers };
    PAM_SUCCESS
}
