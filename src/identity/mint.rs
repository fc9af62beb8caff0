//! The agency's side of staff tokens: its desk, or an NGO's own system, mints one for each member of staff at work.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::staff_key::{BadStaffKey, StaffKey};
use super::token::{Claims, Confirmation, TOKEN_LIFETIME_MAX, TOKEN_TYPE};
use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;

/// A key pair for staff tokens; its public half goes into the agency's key bundle.
pub struct StaffKeyPair {
    key: EcdsaKeyPair,
    public: StaffKey,
}

impl StaffKeyPair {
    /// A new pair, from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when no key could be made.
    pub fn generate() -> Result<Self, BadStaffKey> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_| BadStaffKey)
            .and_then(Self::from_key)
    }

    /// From PKCS #8.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when it is not a P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadStaffKey> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
            .map_err(|_| BadStaffKey)
            .and_then(Self::from_key)
    }

    fn from_key(key: EcdsaKeyPair) -> Result<Self, BadStaffKey> {
        let point = key.public_key().as_ref();
        let public = StaffKey::from_point(point.try_into().map_err(|_| BadStaffKey)?)?;
        Ok(Self { key, public })
    }

    /// The pair in PKCS #8, to be kept sealed.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when the library cannot encode it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, BadStaffKey> {
        let document = self.key.to_pkcs8v1().map_err(|_| BadStaffKey)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &StaffKey {
        &self.public
    }
}

impl fmt::Debug for StaffKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaffKeyPair({:?})", self.public)
    }
}

/// Mints the tokens of one agency for one client certificate and one router.
#[derive(Debug)]
pub struct TokenMinter {
    agency: AgencyId,
    origin: String,
    fingerprint: [u8; 32],
    key: StaffKeyPair,
}

impl TokenMinter {
    /// A minter for `agency` at the router of `origin`; tokens are bound to the client certificate whose DER has
    /// this SHA-256 fingerprint.
    #[must_use]
    pub const fn new(
        agency: AgencyId,
        origin: String,
        fingerprint: [u8; 32],
        key: StaffKeyPair,
    ) -> Self {
        Self {
            agency,
            origin,
            fingerprint,
            key,
        }
    }

    /// The public key that the router needs to know.
    #[must_use]
    pub const fn public(&self) -> &StaffKey {
        self.key.public()
    }

    /// A token for `staff` in `role`, from `now` on, for `lifetime` or [`TOKEN_LIFETIME_MAX`], whichever is shorter.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when the key cannot sign, or the time does not fit a token.
    pub fn mint(
        &self,
        staff: &StaffPseudonym,
        role: StaffRole,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, BadStaffKey> {
        let seconds = |at: Timestamp| u32::try_from(at.seconds()).map_err(|_| BadStaffKey);
        let claims = Claims {
            iss: self.agency.to_string(),
            sub: staff.as_str().to_owned(),
            aud: self.origin.clone(),
            iat: seconds(now)?,
            nbf: seconds(now)?,
            exp: seconds(now.plus(lifetime.min(TOKEN_LIFETIME_MAX)))?,
            role: role.name().to_owned(),
            cnf: Confirmation {
                fingerprint: BASE64URL_NOPAD.encode(&self.fingerprint),
            },
        };
        let header = format!(
            r#"{{"alg":"ES256","kid":"{}","typ":"{TOKEN_TYPE}"}}"#,
            self.key.public().kid()
        );
        let claims = serde_json::to_vec(&claims).map_err(|_| BadStaffKey)?;
        let mut token = BASE64URL_NOPAD.encode(header.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(&claims, &mut token);
        let signature = self.key.key.sign(&SystemRandom::new(), token.as_bytes());
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature.map_err(|_| BadStaffKey)?.as_ref(), &mut token);
        Ok(token)
    }
}
