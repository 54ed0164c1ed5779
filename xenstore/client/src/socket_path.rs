//! Where the store's socket is, as every xenstore program looks for it.
//!
//! The devices `/dev/xen/xenbus` and `/proc/xen/xenbus` are not tried: on a control domain the
//! socket is there.

use std::ffi::OsString;
use std::path::PathBuf;

/// The folder of xenstored's socket where no variable names another.
const RUN_FOLDER: &str = "/run/xenstored";

/// The store's socket: `$XENSTORED_PATH`, else `$XENSTORED_RUNDIR/socket`, else
/// `/run/xenstored/socket`. An empty variable is an absent one.
#[must_use]
pub fn socket_path() -> PathBuf {
    choose(std::env::var_os("XENSTORED_PATH"), std::env::var_os("XENSTORED_RUNDIR"))
}

fn choose(socket: Option<OsString>, folder: Option<OsString>) -> PathBuf {
    let named = |value: Option<OsString>| value.filter(|value| !value.is_empty());
    match named(socket) {
        Some(socket) => PathBuf::from(socket),
        None => PathBuf::from(named(folder).unwrap_or_else(|| RUN_FOLDER.into())).join("socket"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_preferred_to_the_folder_and_the_folder_to_the_default() {
        let cases = [
            (Some("/a/s"), Some("/b"), "/a/s"),
            (None, Some("/b"), "/b/socket"),
            (Some(""), Some("/b"), "/b/socket"),
            (None, Some(""), "/run/xenstored/socket"),
            (None, None, "/run/xenstored/socket"),
        ];
        for (socket, folder, expected) in cases {
            let chosen = choose(socket.map(OsString::from), folder.map(OsString::from));
            assert_eq!(chosen, PathBuf::from(expected));
        }
    }
}
