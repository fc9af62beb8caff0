//! Fixtures of this room's tests, and of the listener's.

use std::time::Duration;

use super::authority::{Authority, IssuedLeaf, LeafProfile, Usage};
use super::certificate::{CertifiedAgency, agency_uri};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;

/// The trust domain of all tests.
pub(crate) const TRUST_DOMAIN: &str = "safeconduct.example";

/// A fixed stream of bytes that never repeats a serial.
pub(crate) struct Counter(pub(crate) u64);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 += 1;
            let word = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            for (to, from) in chunk.iter_mut().zip(word) {
                *to = from;
            }
        }
    }
}

/// A moment in 2027.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(1_800_000_000).unwrap()
}

/// Seconds as a duration.
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One day.
pub(crate) const DAY: Duration = seconds(86_400);

/// A new authority of the tests' trust domain.
pub(crate) fn authority() -> Authority {
    Authority::create(TRUST_DOMAIN, now(), &mut Counter(0)).unwrap()
}

/// A right client profile for `agency`, to be made wrong.
pub(crate) fn client_profile(agency: &str) -> LeafProfile {
    LeafProfile {
        uris: vec![agency_uri(TRUST_DOMAIN, &agency.parse().unwrap())],
        dns: Vec::new(),
        ips: Vec::new(),
        common_name: agency.to_owned(),
        usages: vec![Usage::Client],
        not_before: now().minus(DAY),
        not_after: now().plus(90 * DAY),
    }
}

/// Issues and reads back, as after a handshake.
pub(crate) fn certified(authority: &mut Authority, agency: &str, seed: u64) -> CertifiedAgency {
    let leaf = issue(authority, &client_profile(agency), seed);
    CertifiedAgency::from_verified_leaf(&leaf.certificate, TRUST_DOMAIN).unwrap()
}

/// Issues `profile` with a serial drawn from `seed`.
pub(crate) fn issue(authority: &mut Authority, profile: &LeafProfile, seed: u64) -> IssuedLeaf {
    authority.issue(profile, &mut Counter(seed * 1000)).unwrap()
}
