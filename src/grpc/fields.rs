//! Parsing at the door: a request's fields become domain values, and every field that is wrong is named at once.
//!
//! A violation holds the field's path and what it must be, never what it was (invariant 23).

use super::names;
use super::words::Word;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, ProposalId, RequestId, RoomId};
use crate::domain::time::Timestamp;
use crate::exchange::{
    AccessName, AlertName, BasisName, CarriedName, GroupName, OfferName, Page, PoolName,
    ReferralName, ResumeName,
};
use std::str::FromStr;

/// Most violations that one reply names; more would only make the reply large.
pub const VIOLATIONS_MAX: usize = 32;

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `offers[2].deposits[0].parcel.labels[7].form`.
    pub path: String,
    /// What it must be.
    pub expected: &'static str,
}

/// A request that could not be parsed: all that is wrong with it, at most [`VIOLATIONS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request has invalid fields")]
pub struct Invalid(pub Vec<Violation>);

/// Collects what is wrong while a request is parsed.
#[derive(Debug, Default)]
pub struct Fields {
    prefix: String,
    violations: Vec<Violation>,
    more: bool,
}

impl Fields {
    /// For one request.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses the fields of a nested message: paths inside begin with `segment` and a dot.
    pub fn within<T>(&mut self, segment: &str, parse: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.prefix.len();
        self.prefix.push_str(segment);
        self.prefix.push('.');
        let parsed = parse(self);
        self.prefix.truncate(length);
        parsed
    }

    /// Parses each message of a repeated field: paths inside begin with `segment[index].`.
    pub fn each<M, T>(
        &mut self,
        segment: &str,
        messages: impl IntoIterator<Item = M>,
        mut parse: impl FnMut(&mut Self, M) -> Option<T>,
    ) -> Option<Vec<T>> {
        let parsed: Vec<_> = messages
            .into_iter()
            .enumerate()
            .map(|(index, message)| {
                self.within(&format!("{segment}[{index}]"), |fields| {
                    parse(fields, message)
                })
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// Notes that the field at `path` is wrong; always `None`, to end a parse with.
    pub fn wrong<T>(&mut self, path: &str, expected: &'static str) -> Option<T> {
        if self.violations.len() < VIOLATIONS_MAX {
            let path = format!("{}{path}", self.prefix);
            self.violations.push(Violation { path, expected });
        } else {
            self.more = true;
        }
        None
    }

    /// `value` when `fits`, a violation otherwise.
    pub fn when<T>(
        &mut self,
        path: &str,
        fits: bool,
        expected: &'static str,
        value: T,
    ) -> Option<T> {
        if fits {
            Some(value)
        } else {
            self.wrong(path, expected)
        }
    }

    /// A text that parses as `T`.
    pub fn text<T: FromStr>(
        &mut self,
        path: &str,
        text: &str,
        expected: &'static str,
    ) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) => self.wrong(path, expected),
        }
    }

    /// A nested message that must be there.
    pub fn present<T>(&mut self, path: &str, message: Option<T>) -> Option<T> {
        match message {
            Some(message) => Some(message),
            None => self.wrong(path, "must be set"),
        }
    }

    /// A word of the vocabulary.
    pub fn word<W: Word>(&mut self, path: &str, number: i32) -> Option<W> {
        match W::from_number(number) {
            Some(word) => Some(word),
            None => self.wrong(path, W::EXPECTED),
        }
    }

    /// The caller's id of the request: field `request_id`.
    pub fn request_id(&mut self, text: &str) -> Option<RequestId> {
        self.text("request_id", text, "must be a UUID with hyphens")
    }

    /// A case handle.
    pub fn case_handle(&mut self, path: &str, text: &str) -> Option<CaseHandle> {
        self.text(path, text, "must be 26 characters of lower-case base32")
    }

    /// A basis chain id that stands alone.
    pub fn basis_chain(&mut self, path: &str, text: &str) -> Option<BasisChainId> {
        self.text(path, text, "must be 26 characters of lower-case base32")
    }

    /// A point in time that must be set.
    pub fn time(&mut self, path: &str, time: Option<prost_types::Timestamp>) -> Option<Timestamp> {
        match time.and_then(timestamp) {
            Some(time) => Some(time),
            None => self.wrong(
                path,
                "must be a time from 1970 to 9999, with nanoseconds below one second",
            ),
        }
    }

    /// A page of a list: zero means 50, anything outside 1 to 100 is wrong. What a token means, its issuer checks.
    pub fn page(&mut self, size: i32, token: String) -> Option<Page> {
        let size = self.page_size(size, 50, 100)?;
        Some(Page { size, token })
    }

    /// The size of a page: zero means `default`, anything outside 1 to `max` is wrong.
    pub fn page_size(&mut self, size: i32, default: usize, max: usize) -> Option<usize> {
        match usize::try_from(size) {
            Ok(0) => Some(default),
            Ok(size) if size <= max => Some(size),
            _ => self.wrong(
                "page_size",
                "must be from 1 to the most that the method allows",
            ),
        }
    }

    /// Bytes that must be there, at most `max` of them.
    pub fn bytes<B: AsRef<[u8]>>(
        &mut self,
        path: &str,
        bytes: B,
        max: usize,
        expected: &'static str,
    ) -> Option<B> {
        let fits = (1..=max).contains(&bytes.as_ref().len());
        self.when(path, fits, expected, bytes)
    }

    /// Bytes of a fixed length.
    pub fn array<const N: usize>(
        &mut self,
        path: &str,
        bytes: &[u8],
        expected: &'static str,
    ) -> Option<[u8; N]> {
        match bytes.try_into() {
            Ok(array) => Some(array),
            Err(_) => self.wrong(path, expected),
        }
    }

    /// A resource name of an agency.
    pub fn agency(&mut self, path: &str, text: &str) -> Option<AgencyId> {
        match names::parse_agency(text) {
            Ok(agency) => Some(agency),
            Err(_) => self.wrong(path, "must be a resource name agencies/{agency}"),
        }
    }

    /// A resource name of a proposal.
    pub fn proposal(&mut self, path: &str, text: &str) -> Option<ProposalId> {
        match names::parse_proposal(text) {
            Ok(proposal) => Some(proposal),
            Err(_) => self.wrong(path, "must be a resource name proposals/{proposal}"),
        }
    }

    /// A resource name of an offer.
    pub fn offer(&mut self, path: &str, text: &str) -> Option<OfferName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/offers/{offer}",
        )
    }

    /// A resource name of a referral.
    pub fn referral(&mut self, path: &str, text: &str) -> Option<ReferralName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/referrals/{referral}",
        )
    }

    /// A resource name of a basis chain.
    pub fn basis(&mut self, path: &str, text: &str) -> Option<BasisName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/bases/{basis}",
        )
    }

    /// A resource name of a pool.
    pub fn pool(&mut self, path: &str, text: &str) -> Option<PoolName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/pools/{pool}",
        )
    }

    /// A resource name of a group.
    pub fn group(&mut self, path: &str, text: &str) -> Option<GroupName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/groups/{group}",
        )
    }

    /// A room of a pool; none when the text is empty.
    pub fn room(&mut self, path: &str, text: &str) -> Option<Option<RoomId>> {
        if text.is_empty() {
            return Some(None);
        }
        self.text(path, text, "must be a room id [a-z0-9-]{1,63}")
            .map(Some)
    }

    /// A resource name of an alert.
    pub fn alert(&mut self, path: &str, text: &str) -> Option<AlertName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/alerts/{alert}",
        )
    }

    /// A resource name of a request to go on.
    pub fn resume(&mut self, path: &str, text: &str) -> Option<ResumeName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/resumes/{resume}",
        )
    }

    /// A resource name of a carried referral.
    pub fn carried(&mut self, path: &str, text: &str) -> Option<CarriedName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/carried/{carried}",
        )
    }

    /// A resource name of a break-glass request.
    pub fn access(&mut self, path: &str, text: &str) -> Option<AccessName> {
        self.text(
            path,
            text,
            "must be a resource name agencies/{agency}/accesses/{access}",
        )
    }

    /// What was parsed, if nothing at all was wrong.
    ///
    /// # Errors
    ///
    /// [`Invalid`] with every violation.
    ///
    /// # Panics
    ///
    /// When a part is missing although no violation was noted, which is our own mistake.
    pub fn all<P: Parts>(self, parts: P) -> Result<P::Whole, Invalid> {
        if self.violations.is_empty() && !self.more {
            Ok(parts
                .whole()
                .expect("a part that is missing has a violation"))
        } else {
            Err(Invalid(self.violations))
        }
    }
}

/// Optional parts that make a whole when all are there.
pub trait Parts {
    /// The same without the options.
    type Whole;

    /// All of them, or none.
    fn whole(self) -> Option<Self::Whole>;
}

macro_rules! parts {
    ($($part:ident)+) => {
        impl<$($part),+> Parts for ($(Option<$part>,)+) {
            type Whole = ($($part,)+);

            fn whole(self) -> Option<Self::Whole> {
                #[allow(non_snake_case)]
                let ($($part,)+) = self;
                Some(($($part?,)+))
            }
        }
    };
}

parts! { A }
parts! { A B }
parts! { A B C }
parts! { A B C D }
parts! { A B C D E }
parts! { A B C D E F }
parts! { A B C D E F G }
parts! { A B C D E F G H }

/// A protobuf time in our milliseconds, rounded down.
fn timestamp(time: prost_types::Timestamp) -> Option<Timestamp> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    let millis = time
        .seconds
        .checked_mul(1000)?
        .checked_add(i64::from(time.nanos / 1_000_000))?;
    Timestamp::from_millis(millis)
}

/// Our time as protobuf's.
#[must_use]
pub fn time(time: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(time.millis() % 1000 * 1_000_000)
        .expect("nanoseconds below one second fit 32 bits");
    prost_types::Timestamp {
        seconds: time.seconds(),
        nanos,
    }
}

#[cfg(test)]
mod tests;
