//! The file of users and their passwords' hashes, for `[login] method = "file"`.
//!
//! One user a line: a name, `admin`, `operator` or `viewer`, and an argon2 hash, with colons between. Hashes
//! are looked at here; how often one may try is not known.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use xenwarden_model::front::Role;

/// A longer file is not believed to be one of users.
const BYTES_MAX: u64 = 1024 * 1024;
/// Whoever may write the file, beside root, could become anybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// A user of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct User<'t> {
    name: &'t str,
    role: Role,
    hash: &'t str,
}

/// What user and password come to: a role, or none where they don't fit together.
pub(super) fn check(path: &Path, user: &str, password: &str) -> io::Result<Option<Role>> {
    let text = read(path)?;
    let known = lines(&text)?.into_iter().find(|known| known.name == user);
    let fits = |hash: &str| {
        PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
    };
    match known {
        Some(known) => Ok(fits(known.hash).then_some(known.role)),
        None => {
            // Whether there is such a user can't be told from the time that it takes.
            let _ = Argon2::default().hash_password(password.as_bytes());
            Ok(None)
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let about = file.metadata()?;
    if about.uid() != nix::unistd::geteuid().as_raw() || about.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(io::Error::other("others than its owner, root, may write it"));
    }
    io::read_to_string(file.take(BYTES_MAX))
}

fn lines(text: &str) -> io::Result<Vec<User<'_>>> {
    let mut users = Vec::new();
    for (at, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || io::Error::other(format!("line {at} is no user: name:role:hash"));
        let mut parts = line.splitn(3, ':');
        let (Some(name), Some(role), Some(hash)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let role = match role {
            "admin" => Role::Admin,
            "operator" => Role::Operator,
            "viewer" => Role::Viewer,
            _ => return Err(wrong()),
        };
        users.push(User { name, role, hash });
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        file
    }

    fn hash(password: &str) -> String {
        Argon2::default().hash_password(password.as_bytes()).unwrap().to_string()
    }

    #[test]
    fn a_password_fits_its_user_alone() {
        let text = format!(
            "# people\n\nann:admin:{}\nbob:operator:{}\n",
            hash("apple pie"),
            hash("banana")
        );
        let file = file(&text, 0o600);
        let check = |user, password| check(file.path(), user, password).unwrap();
        assert_eq!(check("ann", "apple pie"), Some(Role::Admin));
        assert_eq!(check("bob", "banana"), Some(Role::Operator));
        for (user, password) in [
            ("ann", "banana"),
            ("bob", ""),
            ("", ""),
            ("eve", "banana"),
            ("ann:admin", "apple pie"),
        ] {
            assert_eq!(check(user, password), None, "{user} {password}");
        }
    }

    #[test]
    fn a_hash_that_is_none_lets_nobody_in() {
        let file = file("ann:admin:\nbob:admin:plain\n", 0o600);
        for (user, password) in [("ann", ""), ("bob", "plain")] {
            assert_eq!(check(file.path(), user, password).unwrap(), None);
        }
    }

    #[test]
    fn a_file_that_others_may_write_is_not_believed() {
        for mode in [0o620, 0o602, 0o666] {
            let file = file(&format!("ann:admin:{}\n", hash("x")), mode);
            assert!(check(file.path(), "ann", "x").is_err(), "{mode:o}");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, line) in [("ann\n", 1), ("#\nann:root:x\n", 2), ("ann:admin\n", 1)] {
            let file = file(text, 0o600);
            let error = check(file.path(), "ann", "x").unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}")), "{error}");
        }
    }
}
