//! Staff tokens: the agency vouches for a member of its staff, for minutes, on one certificate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;
use crate::identity::mint::{StaffKeyPair, TokenMinter};

/// How long a token is good for: half of what the router accepts, so that clocks may differ.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A cached token is replaced when less than this is left of it.
const REMINT_BEFORE: Duration = Duration::from_secs(60);

/// Tokens are valid from a little before they are minted, for routers whose clocks are behind.
const BACKDATE: Duration = Duration::from_secs(2);

/// The staff-token key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the staff-token key cannot sign")]
pub struct TokenKeyError;

/// A member of staff as the router knows them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Staff {
    /// Pseudonym that only the agency resolves.
    pub pseudonym: StaffPseudonym,
    /// Role.
    pub role: StaffRole,
}

/// Mints staff tokens with one of the agency's staff-token keys, and keeps each while it is good.
#[derive(Debug)]
pub struct TokenMint {
    minter: TokenMinter,
    cache: Mutex<HashMap<Staff, (Timestamp, String)>>,
}

impl TokenMint {
    /// A mint for `agency` at the router of `origin`, bound to the client certificate of `fingerprint`.
    ///
    /// # Errors
    ///
    /// [`TokenKeyError`] when `pkcs8` is not a P-256 key.
    pub fn new(
        agency: AgencyId,
        origin: String,
        fingerprint: &[u8; 32],
        pkcs8: &[u8],
    ) -> Result<Self, TokenKeyError> {
        let key = StaffKeyPair::from_pkcs8(pkcs8).map_err(|_| TokenKeyError)?;
        let minter = TokenMinter::new(agency, origin, *fingerprint, key);
        Ok(Self {
            minter,
            cache: Mutex::default(),
        })
    }

    /// A token for `staff`, from the cache while enough of it is left.
    ///
    /// # Errors
    ///
    /// [`TokenKeyError`] when signing fails.
    pub fn token(&self, staff: &Staff, now: Timestamp) -> Result<String, TokenKeyError> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((until, token)) = cache.get(staff)
            && now.plus(REMINT_BEFORE) < *until
        {
            return Ok(token.clone());
        }
        let from = now.minus(BACKDATE);
        let token = self
            .minter
            .mint(&staff.pseudonym, staff.role, from, LIFETIME)
            .map_err(|_| TokenKeyError)?;
        cache.retain(|_, (until, _)| now < *until);
        cache.insert(staff.clone(), (from.plus(LIFETIME), token.clone()));
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint() -> TokenMint {
        let pkcs8 = StaffKeyPair::generate().unwrap().to_pkcs8().unwrap();
        let agency = "alpha".parse().unwrap();
        TokenMint::new(agency, "safeconduct.example".into(), &[7; 32], &pkcs8).unwrap()
    }

    #[test]
    fn a_token_is_kept_until_a_minute_before_it_ends() {
        let mint = mint();
        let worker = Staff {
            pseudonym: "w1".parse().unwrap(),
            role: StaffRole::Caseworker,
        };
        let start = Timestamp::from_seconds(1_700_000_000).unwrap();
        let first = mint.token(&worker, start).unwrap();
        assert_eq!(
            mint.token(&worker, start.plus(Duration::from_secs(200)))
                .unwrap(),
            first
        );
        assert_ne!(
            mint.token(&worker, start.plus(Duration::from_secs(241)))
                .unwrap(),
            first
        );
    }

    #[test]
    fn each_member_of_staff_has_a_token_of_their_own() {
        let mint = mint();
        let now = Timestamp::from_seconds(1_700_000_000).unwrap();
        let role = StaffRole::Intake;
        let first = Staff {
            pseudonym: "w1".parse().unwrap(),
            role,
        };
        let second = Staff {
            pseudonym: "w2".parse().unwrap(),
            role,
        };
        assert_ne!(
            mint.token(&first, now).unwrap(),
            mint.token(&second, now).unwrap()
        );
    }
}
