//! The closed list of error names that an ERROR reply may carry.
//!
//! Which refusal leads to which name is for the store to say.

use core::fmt;

/// Makes the enumeration and both conversions from one table, so that they can't drift apart.
macro_rules! error_codes {
    ($($variant:ident = $name:literal, $meaning:literal;)*) => {
        /// Why a request was refused, by the name that crosses the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the protocol's order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The code of a name, if it is one of the list.
            #[must_use]
            pub fn from_name(name: &[u8]) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.name().as_bytes() == name)
            }

            /// What the code says, in words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

error_codes! {
    Einval = "EINVAL", "malformed request";
    Eacces = "EACCES", "permission denied";
    Eexist = "EEXIST", "exists already";
    Eisdir = "EISDIR", "is a directory";
    Enoent = "ENOENT", "no such node, watch or transaction";
    Enomem = "ENOMEM", "out of memory";
    Enospc = "ENOSPC", "quota exceeded";
    Eio = "EIO", "input or output error";
    Enotempty = "ENOTEMPTY", "not empty";
    Enosys = "ENOSYS", "unknown operation";
    Erofs = "EROFS", "read only";
    Ebusy = "EBUSY", "busy";
    Eagain = "EAGAIN", "transaction conflict: try again";
    Eisconn = "EISCONN", "connected already";
    E2big = "E2BIG", "too big for one message";
    Eperm = "EPERM", "not permitted";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.meaning(), self.name())
    }
}

impl core::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::ErrorCode;

    #[test]
    fn every_name_of_the_protocol_leads_to_a_code_and_back() {
        let names = [
            "EINVAL",
            "EACCES",
            "EEXIST",
            "EISDIR",
            "ENOENT",
            "ENOMEM",
            "ENOSPC",
            "EIO",
            "ENOTEMPTY",
            "ENOSYS",
            "EROFS",
            "EBUSY",
            "EAGAIN",
            "EISCONN",
            "E2BIG",
            "EPERM",
        ];
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for name in names {
            assert_eq!(ErrorCode::from_name(name.as_bytes()).map(ErrorCode::name), Some(name));
        }
        assert_eq!(ErrorCode::from_name(b"EQUOTA"), None);
    }
}
