//! Entries: the bytes that are hashed into the tree, and what opens their commitments.
//!
//! The public part is small and coarse; what was decided stands behind a salted commitment. Entries are
//! RFC 8785 JSON. Verifiers hash the stored bytes, and [`Entry::parse`] takes nothing that would not be
//! written in the same bytes again.

use super::decision::Decision;
use super::hash::Hash;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Longest entry, in bytes: an entry bundle gives lengths in 16 bits.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Largest integer in an entry: beyond it a JSON number is not exact.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// What the commitment's key authenticates before the decision.
const COMMITMENT_CONTEXT: &[u8] = b"safeconduct/v1/entry\0";

/// Bytes that are not an entry or an opening, or an entry that cannot be written. Repeats nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Longer than [`ENTRY_BYTES_MAX`].
    #[error("the entry is too long")]
    TooLong,
    /// Not JSON, a field missing, unknown or of the wrong form.
    #[error("the entry is not well-formed")]
    Malformed,
    /// An event that this version does not know.
    #[error("the entry's event is not known")]
    UnknownEvent,
    /// The bytes are not the one canonical encoding.
    #[error("the entry is not in canonical form")]
    NotCanonical,
}

/// Who acted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A member agency.
    Agency(AgencyId),
    /// The router itself.
    Router,
    /// An administrator.
    Admin,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agency(id) => write!(f, "agency:{id}"),
            Self::Router => f.write_str("router"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

impl FromStr for Actor {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        match text {
            "router" => Ok(Self::Router),
            "admin" => Ok(Self::Admin),
            _ => {
                let id = text.strip_prefix("agency:").ok_or(EntryError::Malformed)?;
                id.parse()
                    .map(Self::Agency)
                    .map_err(|_| EntryError::Malformed)
            }
        }
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Who acted.
    pub by: Actor,
    /// When, by the router's clock; never before the entry before it.
    pub at: Timestamp,
    /// What is in the clear.
    pub body: EntryBody,
}

/// What an entry says in the clear, besides who and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryBody {
    /// A decision behind a commitment.
    Committed {
        /// [`Decision::event`] of the decision.
        event: &'static str,
        /// [`Opening::commitment`].
        commitment: [u8; 32],
    },
    /// An agency's key bundle: a compact JWS.
    Keys {
        /// The bundle.
        bundle: String,
    },
    /// Makes freshness visible.
    Tick,
    /// A digest of the directory.
    Digest {
        /// Number, from 1.
        number: u64,
        /// Agencies in it.
        size: u64,
        /// Its Merkle root.
        root: Hash,
        /// Version of the members' protocol in force; 0 before the first.
        protocol: u64,
    },
    /// Tombstones of these entries.
    Erased {
        /// What was erased.
        of: Erased,
        /// Indexes, strictly ascending, not empty.
        indexes: Vec<u64>,
    },
}

/// What a tombstone is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erased {
    /// What the entry's act carried besides its decision: sealed parcels, codes. The opening stays.
    Content,
    /// The opening.
    Decision,
}

impl Erased {
    const fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Decision => "decision",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let mut all = [Self::Content, Self::Decision].into_iter();
        all.find(|of| of.name() == name)
    }
}

impl EntryBody {
    /// The event name in the clear.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Committed { event, .. } => event,
            Self::Keys { .. } => "keys",
            Self::Tick => "tick",
            Self::Digest { .. } => "digest",
            Self::Erased { .. } => "erased",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    by: String,
    e: String,
    t: i64,
    v: u64,
    c: Option<String>,
    bundle: Option<String>,
    number: Option<u64>,
    root: Option<String>,
    protocol: Option<u64>,
    size: Option<u64>,
    indexes: Option<Vec<u64>>,
    of: Option<String>,
}

impl Entry {
    /// The entry that commits to `opening`.
    #[must_use]
    pub fn committed(by: Actor, at: Timestamp, opening: &Opening) -> Self {
        let event = opening.decision.event();
        let commitment = opening.commitment();
        Self {
            by,
            at,
            body: EntryBody::Committed { event, commitment },
        }
    }

    /// Reads the one canonical encoding of an entry.
    ///
    /// # Errors
    ///
    /// [`EntryError`]; never takes bytes that [`Entry::encode`] would not give.
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong);
        }
        match Self::parse_usual(bytes) {
            Some(entry) => Ok(entry),
            None => Self::parse_any(bytes),
        }
    }

    /// An entry of any form.
    fn parse_any(bytes: &[u8]) -> Result<Self, EntryError> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|_| EntryError::Malformed)?;
        if raw.v != 1 {
            return Err(EntryError::Malformed);
        }
        let body = match raw.e.as_str() {
            "keys" => EntryBody::Keys {
                bundle: raw.bundle.ok_or(EntryError::Malformed)?,
            },
            "tick" => EntryBody::Tick,
            "digest" => EntryBody::Digest {
                number: raw.number.ok_or(EntryError::Malformed)?,
                size: raw.size.ok_or(EntryError::Malformed)?,
                root: Hash::from_bytes(array(raw.root.as_deref())?),
                protocol: raw.protocol.ok_or(EntryError::Malformed)?,
            },
            "erased" => EntryBody::Erased {
                of: (raw.of.as_deref())
                    .and_then(Erased::parse)
                    .ok_or(EntryError::Malformed)?,
                indexes: raw.indexes.ok_or(EntryError::Malformed)?,
            },
            name => EntryBody::Committed {
                event: Decision::EVENTS
                    .iter()
                    .find(|event| **event == name)
                    .ok_or(EntryError::UnknownEvent)?,
                commitment: array(raw.c.as_deref())?,
            },
        };
        let entry = Self {
            by: raw.by.parse()?,
            at: Timestamp::from_millis(raw.t).ok_or(EntryError::Malformed)?,
            body,
        };
        // Also refuses a field that belongs to another event.
        if entry.encode()? == bytes {
            Ok(entry)
        } else {
            Err(EntryError::NotCanonical)
        }
    }

    /// An entry of the two forms that nearly all have, read as [`Entry::encode`] writes them; `None` for any other
    /// bytes, wrong ones among them, which the general way then judges. Auditors read millions.
    fn parse_usual(bytes: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(bytes)
            .ok()?
            .strip_prefix("{\"by\":\"")?;
        let (by, rest) = rest.split_once('"')?;
        let (commitment, rest) = match rest.strip_prefix(",\"c\":\"") {
            Some(rest) => {
                let (commitment, rest) = rest.split_once('"')?;
                (Some(array(Some(commitment)).ok()?), rest)
            }
            None => (None, rest),
        };
        let (name, rest) = rest.strip_prefix(",\"e\":\"")?.split_once('"')?;
        let digits = rest.strip_prefix(",\"t\":")?.strip_suffix(",\"v\":1}")?;
        let canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let at = Timestamp::from_millis(digits.parse().ok().filter(|_| canonical)?)?;
        let body = match commitment {
            None if name == "tick" => EntryBody::Tick,
            None => return None,
            Some(commitment) => EntryBody::Committed {
                event: Decision::EVENTS.iter().find(|event| **event == name)?,
                commitment,
            },
        };
        let by = by.parse().ok()?;
        Some(Self { by, at, body })
    }

    /// The bytes that are hashed and stored: RFC 8785.
    ///
    /// Written by hand, in the canonical order of keys: every string is of an alphabet that needs no escapes.
    ///
    /// # Errors
    ///
    /// [`EntryError`] when a bundle is too long or not a compact JWS, a number too large, a tombstone unordered.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let (by, at, event) = (&self.by, self.at.millis(), self.body.event());
        let text = match &self.body {
            EntryBody::Committed { commitment, .. } => {
                let c = BASE64URL_NOPAD.encode(commitment);
                format!(r#"{{"by":"{by}","c":"{c}","e":"{event}","t":{at},"v":1}}"#)
            }
            EntryBody::Keys { bundle } => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if !bundle.bytes().all(plain) {
                    return Err(EntryError::Malformed);
                }
                format!(r#"{{"bundle":"{bundle}","by":"{by}","e":"{event}","t":{at},"v":1}}"#)
            }
            EntryBody::Tick => format!(r#"{{"by":"{by}","e":"{event}","t":{at},"v":1}}"#),
            EntryBody::Digest {
                number,
                size,
                root,
                protocol,
            } => {
                if (*number).max(*size).max(*protocol) > INTEGER_MAX {
                    return Err(EntryError::Malformed);
                }
                let root = root.base64url();
                let head = format!(
                    r#"{{"by":"{by}","e":"{event}","number":{number},"protocol":{protocol}"#
                );
                format!(r#"{head},"root":"{root}","size":{size},"t":{at},"v":1}}"#)
            }
            EntryBody::Erased { of, indexes } => {
                let ascending = indexes.is_sorted_by(|a, b| a < b);
                if !ascending || indexes.last().is_none_or(|last| *last > INTEGER_MAX) {
                    return Err(EntryError::Malformed);
                }
                let list = indexes
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(",");
                let of = of.name();
                format!(
                    r#"{{"by":"{by}","e":"{event}","indexes":[{list}],"of":"{of}","t":{at},"v":1}}"#
                )
            }
        };
        if text.len() > ENTRY_BYTES_MAX {
            Err(EntryError::TooLong)
        } else {
            Ok(text.into_bytes())
        }
    }
}

fn array(text: Option<&str>) -> Result<[u8; 32], EntryError> {
    let text = text.ok_or(EntryError::Malformed)?;
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| EntryError::Malformed)?;
    bytes.try_into().map_err(|_| EntryError::Malformed)
}

/// What opens an entry's commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Fresh and random for each entry, never derived: without it the commitment tells nothing.
    pub nonce: [u8; 32],
    /// What was decided.
    pub decision: Decision,
}

impl Opening {
    /// Reads an opening as kept or exported.
    ///
    /// # Errors
    ///
    /// [`EntryError`] unless the nonce has 32 bytes and the decision is in its one canonical encoding.
    pub fn parse(nonce: &[u8], decision: &[u8]) -> Result<Self, EntryError> {
        let nonce = nonce.try_into().map_err(|_| EntryError::Malformed)?;
        let parsed = serde_json::from_slice(decision).map_err(|_| EntryError::Malformed)?;
        let opening = Self {
            nonce,
            decision: parsed,
        };
        if opening.decision_bytes() == decision {
            Ok(opening)
        } else {
            Err(EntryError::NotCanonical)
        }
    }

    /// The decision in RFC 8785 JSON.
    ///
    /// # Panics
    ///
    /// Never: a decision is made of strings, integers and lists of them.
    #[must_use]
    pub fn decision_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(&self.decision)
            .expect("a decision is made of strings, integers and lists")
    }

    /// `HMAC-SHA256(nonce, "safeconduct/v1/entry\0" ‖ decision)`.
    #[must_use]
    pub fn commitment(&self) -> [u8; 32] {
        commitment(&self.nonce, &self.decision_bytes())
    }
}

/// The commitment over a decision that is already encoded.
#[must_use]
pub fn commitment(nonce: &[u8; 32], decision: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, nonce);
    let mut context = hmac::Context::with_key(&key);
    context.update(COMMITMENT_CONTEXT);
    context.update(decision);
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.sign().as_ref());
    bytes
}

#[cfg(test)]
mod tests;
