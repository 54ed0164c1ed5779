//! The operations of the protocol and their wire numbers: the one table that both directions use.
//!
//! What an operation's payload looks like is in `request` and `reply`.

/// Makes the enumeration and both conversions from one table, so that they can't drift apart.
macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal;)*) => {
        /// An operation of the protocol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $($(#[$doc])* $variant,)*
        }

        impl Operation {
            /// Every operation, in the order of the wire numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The operation of a wire number, if it has one.
            #[must_use]
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$variant => $number,)*
                }
            }

            /// The name in `xs_wire.h`, without its prefix.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

operations! {
    /// Asks the daemon about itself; DEBUG in old headers.
    Control = 0, "CONTROL";
    /// Lists a node's children.
    Directory = 1, "DIRECTORY";
    /// Reads a node's value.
    Read = 2, "READ";
    /// Reads a node's permissions.
    GetPermissions = 3, "GET_PERMS";
    /// Asks to hear of changes.
    Watch = 4, "WATCH";
    /// Takes a watch back.
    Unwatch = 5, "UNWATCH";
    /// Opens a transaction.
    TransactionStart = 6, "TRANSACTION_START";
    /// Commits or abandons a transaction.
    TransactionEnd = 7, "TRANSACTION_END";
    /// Tells the store of a new domain.
    Introduce = 8, "INTRODUCE";
    /// Tells the store that a domain has gone.
    Release = 9, "RELEASE";
    /// Asks for a domain's home.
    GetDomainPath = 10, "GET_DOMAIN_PATH";
    /// Writes a node's value, making the node where it is missing.
    Write = 11, "WRITE";
    /// Makes a node where it is missing.
    Mkdir = 12, "MKDIR";
    /// Removes a node and everything below it.
    Rm = 13, "RM";
    /// Replaces a node's permissions.
    SetPermissions = 14, "SET_PERMS";
    /// Tells a client of a change; from the server only.
    WatchEvent = 15, "WATCH_EVENT";
    /// Refuses a request; from the server only.
    Error = 16, "ERROR";
    /// Asks whether a domain was introduced.
    IsDomainIntroduced = 17, "IS_DOMAIN_INTRODUCED";
    /// Tells the store that a domain runs again after a shutdown that was none.
    Resume = 18, "RESUME";
    /// Lets one domain act for another.
    SetTarget = 19, "SET_TARGET";
    /// Narrows the connection to one domain, for good. A hole in today's header.
    Restrict = 20, "RESTRICT";
    /// Drops the caller's watches and transactions.
    ResetWatches = 21, "RESET_WATCHES";
    /// Lists a node's children from an offset, for lists that don't fit one reply.
    DirectoryPart = 22, "DIRECTORY_PART";
    /// Reads the features offered to a domain.
    GetFeature = 23, "GET_FEATURE";
    /// Sets the features offered to a domain.
    SetFeature = 24, "SET_FEATURE";
    /// Reads a quota.
    GetQuota = 25, "GET_QUOTA";
    /// Sets a quota.
    SetQuota = 26, "SET_QUOTA";
}

#[cfg(test)]
mod tests {
    use super::Operation;

    /// Copied by hand from `xs_wire.h`, so that the table above is checked against something else.
    const NAMES: [&str; 27] = [
        "CONTROL",
        "DIRECTORY",
        "READ",
        "GET_PERMS",
        "WATCH",
        "UNWATCH",
        "TRANSACTION_START",
        "TRANSACTION_END",
        "INTRODUCE",
        "RELEASE",
        "GET_DOMAIN_PATH",
        "WRITE",
        "MKDIR",
        "RM",
        "SET_PERMS",
        "WATCH_EVENT",
        "ERROR",
        "IS_DOMAIN_INTRODUCED",
        "RESUME",
        "SET_TARGET",
        "RESTRICT",
        "RESET_WATCHES",
        "DIRECTORY_PART",
        "GET_FEATURE",
        "SET_FEATURE",
        "GET_QUOTA",
        "SET_QUOTA",
    ];

    #[test]
    fn every_number_has_the_name_of_the_header_and_leads_back() {
        for number in 0..=1000_u32 {
            let operation = Operation::from_number(number);
            let name = usize::try_from(number).ok().and_then(|index| NAMES.get(index).copied());
            assert_eq!(operation.map(Operation::name), name, "number {number}");
            assert_eq!(operation.map(Operation::number), name.map(|_| number));
        }
        assert_eq!(Operation::ALL.len(), NAMES.len());
    }

    #[test]
    fn the_number_that_is_invalid_forever_is_no_operation() {
        assert_eq!(Operation::from_number(0xffff), None);
        assert_eq!(Operation::from_number(u32::MAX), None);
    }
}
