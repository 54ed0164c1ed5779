//! What a user may do: by the groups of this host that they are in.

use std::ffi::CStr;

use nix::unistd::{Group, User, getgrouplist};

/// Why nobody can say.
#[derive(Debug, thiserror::Error)]
#[error("look up the user's groups")]
pub(crate) struct RoleError(#[from] nix::Error);

/// The byte of a user's role: root is an administrator; who is in neither group has none.
pub(crate) fn role_of(user: &CStr, group: &str, admin_group: &str) -> Result<u8, RoleError> {
    let Some(found) = user.to_str().ok().map(User::from_name).transpose()?.flatten() else {
        return Ok(b'-');
    };
    if found.uid.is_root() {
        return Ok(b'A');
    }
    let groups = getgrouplist(user, found.gid)?;
    let is_in = |name: &str| -> Result<bool, nix::Error> {
        Ok(Group::from_name(name)?.is_some_and(|group| groups.contains(&group.gid)))
    };
    Ok(match (is_in(admin_group)?, is_in(group)?) {
        (true, _) => b'A',
        (false, true) => b'O',
        (false, false) => b'-',
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_come_from_groups_and_root_needs_none() {
        // Debian's own users: daemon has the group of its name.
        assert_eq!(role_of(c"root", "", "").unwrap(), b'A');
        assert_eq!(role_of(c"daemon", "daemon", "no-such-group").unwrap(), b'O');
        assert_eq!(role_of(c"daemon", "no-such-group", "daemon").unwrap(), b'A');
        assert_eq!(role_of(c"daemon", "bin", "sys").unwrap(), b'-');
        assert_eq!(role_of(c"no-such-user", "daemon", "daemon").unwrap(), b'-');
        assert_eq!(role_of(c"\xff", "daemon", "daemon").unwrap(), b'-');
    }
}
