//! Identifiers. Random ones are 128-bit and printed as base32: never sequential, never
//! time-ordered, so that nothing can be read from them or ordered by them (R3).

use data_encoding::Specification;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// A text that is not a well-formed identifier. Does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed {0}")]
pub struct BadId(pub &'static str);

/// Lower-case RFC 4648 base32 without padding: 26 characters for 16 bytes.
static BASE32: LazyLock<data_encoding::Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification
        .encoding()
        .expect("the alphabet has 32 distinct symbols")
});

/// Longest agency id and pool id, in bytes: fits a DNS label and a certificate's URI.
pub const NAME_BYTES_MAX: usize = 63;

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

macro_rules! name_id {
    ($(#[$meta:meta])* $kind:literal $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                if is_name(text) { Ok(Self(text.into())) } else { Err(BadId($kind)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_id! {
    /// An agency: `[a-z0-9-]{1,63}`, as in its certificate's URI. A unit that can be excluded is an
    /// agency of its own.
    "agency id" AgencyId
}
name_id! {
    /// A pool of places within an agency: `[a-z0-9-]{1,63}`.
    "pool id" PoolId
}
name_id! {
    /// A room of a pool: `[a-z0-9-]{1,63}`.
    "room id" RoomId
}

macro_rules! random_id {
    ($(#[$meta:meta])* $kind:literal $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// From 16 random bytes.
            #[must_use]
            pub const fn from_random(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                const FORM: BadId = BadId(concat!($kind, ": it has 26 characters of a-z and 2-7"));
                let bytes = BASE32.decode(text.as_bytes()).map_err(|_| FORM)?;
                bytes.try_into().map(Self).map_err(|_| FORM)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&BASE32.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

random_id! {
    /// The source's random handle of a case: known to the source and the router only.
    "case handle" CaseHandle
}
random_id! {
    /// A referral, known to its source only.
    "referral id" ReferralId
}
random_id! {
    /// An offer: the one name that source and recipient share.
    "offer id" OfferId
}
random_id! {
    /// A chain of basis statements, one per case and recipient.
    "basis chain id" BasisChainId
}
random_id! {
    /// A break-glass request.
    "access id" AccessId
}
random_id! {
    /// A parcel (`jti` of its statement).
    "parcel id" ParcelId
}
random_id! {
    /// A request to go on with a case: the one name that the asking agency and the source share.
    "resume id" ResumeId
}
random_id! {
    /// An attachment of an offer; its source chooses it.
    "attachment id" AttachmentId
}
random_id! {
    /// A proposal of the administrators.
    "proposal id" ProposalId
}
random_id! {
    /// A group as one viewer knows it: another at each recipient, and another at the source.
    "group id" GroupId
}
random_id! {
    /// An alert, of one viewer.
    "alert id" AlertId
}
random_id! {
    /// A carried referral, known to its source and the router only.
    "carried referral id" CarriedId
}

/// What the ids of those begin with who are no members: nobody is enrolled under such an id.
const OUTSIDE: &str = "out-";

impl AgencyId {
    /// Whether it names somebody who is no member, as a source chose to call them: `out-hr-ngo`.
    ///
    /// The name alone says it, so that naming somebody outside answers nothing about who is enrolled.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.as_str().starts_with(OUTSIDE)
    }
}

/// The caller's id of one request: a UUID (AIP-155), in its own agency's world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        if text.len() != 36 {
            return Err(BadId("request id"));
        }
        uuid::Uuid::parse_str(text)
            .map(|uuid| Self(uuid.into_bytes()))
            .map_err(|_| BadId("request id"))
    }
}

/// A staff pseudonym (`sub` of the staff token): 1 to 64 visible ASCII characters that only the
/// agency resolves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StaffPseudonym(std::sync::Arc<str>);

impl StaffPseudonym {
    /// The pseudonym as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StaffPseudonym {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let fits =
            (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(BadId("staff pseudonym"))
        }
    }
}
