//! The public keys with which an agency vouches for its own staff.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::leaf::sha256;

/// Most staff-token keys in one bundle: one in use, one to come, a few desks.
pub const STAFF_KEYS_MAX: usize = 16;

/// A jwk that is not a P-256 point under its own thumbprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 staff key under its own key id")]
pub struct BadStaffKey;

/// One public key for staff tokens: an uncompressed P-256 point and its key id.
#[derive(Clone, PartialEq, Eq)]
pub struct StaffKey {
    kid: Arc<str>,
    point: [u8; 65],
}

impl StaffKey {
    /// From an uncompressed point (SEC 1); that it lies on the curve is checked when it verifies a signature.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when the point is not uncompressed.
    pub fn from_point(point: [u8; 65]) -> Result<Self, BadStaffKey> {
        if point.first() != Some(&4) {
            return Err(BadStaffKey);
        }
        let kid = BASE64URL_NOPAD.encode(&sha256(&point)).into();
        Ok(Self { kid, point })
    }

    /// From the members of a jwk, `{kid, kty: "EC", crv: "P-256", x, y}`.
    ///
    /// # Errors
    ///
    /// [`BadStaffKey`] when a coordinate is not 32 bytes of base64url, or the key id is not the point's own.
    pub fn from_jwk(kid: &str, x: &str, y: &str) -> Result<Self, BadStaffKey> {
        let mut point = Vec::with_capacity(65);
        point.push(4);
        for coordinate in [x, y] {
            let bytes = BASE64URL_NOPAD.decode(coordinate.as_bytes());
            let bytes = bytes.ok().filter(|bytes| bytes.len() == 32);
            point.extend_from_slice(&bytes.ok_or(BadStaffKey)?);
        }
        let key = Self::from_point(point.try_into().map_err(|_| BadStaffKey)?)?;
        if *key.kid == *kid {
            Ok(key)
        } else {
            Err(BadStaffKey)
        }
    }

    /// Key id: base64url of the SHA-256 of the point.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The uncompressed point.
    #[must_use]
    pub const fn point(&self) -> &[u8; 65] {
        &self.point
    }

    /// The coordinates in base64url, as `x` and `y` of a jwk.
    #[must_use]
    pub fn coordinates(&self) -> (String, String) {
        let (x, y) = self.point.split_at(33);
        let x = x.get(1..).unwrap_or_default();
        (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y))
    }
}

impl fmt::Debug for StaffKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kid)
    }
}

/// The staff keys of an agency's current bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffKeys {
    bundle: u64,
    keys: Arc<[StaffKey]>,
}

impl StaffKeys {
    /// The keys of bundle number `bundle`; those past [`STAFF_KEYS_MAX`] are not looked at.
    pub fn new(bundle: u64, keys: impl IntoIterator<Item = StaffKey>) -> Self {
        Self {
            bundle,
            keys: keys.into_iter().take(STAFF_KEYS_MAX).collect(),
        }
    }

    /// The bundle's sequence number: a new one makes every cached token be verified again.
    #[must_use]
    pub const fn bundle(&self) -> u64 {
        self.bundle
    }

    /// The key under `kid`.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&StaffKey> {
        self.keys.iter().find(|key| *key.kid == *kid)
    }
}
