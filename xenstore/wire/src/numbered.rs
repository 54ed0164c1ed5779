//! Kinds that are written as a byte: each is named once, and both directions come from that.
//!
//! For what the server keeps, not for the protocol: its numbers are `operation.rs`'s.

/// Makes an enumeration of numbered kinds, with `number` and `from_number`.
#[macro_export]
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$doc:meta])* $kind:ident = $number:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $name { $($(#[$doc])* $kind,)* }

        impl $name {
            fn number(self) -> u8 {
                match self { $(Self::$kind => $number,)* }
            }

            fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$kind),)* _ => None }
            }
        }
    };
}
