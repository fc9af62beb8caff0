//! Opaque tokens of pages and streams: authenticated, bound to the agency and to what they continue.

use super::Refusal;
use crate::domain::id::AgencyId;
use crate::domain::transcript::transcript;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;

/// Bytes of the authentication code that a token carries.
const MAC_BYTES: usize = 16;

/// Longest token looked at.
const TOKEN_CHARS_MAX: usize = 512;

/// Makes and reads tokens of one store.
pub struct Tokens(hmac::Key);

impl Tokens {
    /// With the store's key.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn mac(&self, list: &str, agency: &AgencyId, place: &[u8]) -> hmac::Tag {
        let bound = [
            &b"safeconduct/v1/token"[..],
            list.as_bytes(),
            agency.as_str().as_bytes(),
            place,
        ];
        hmac::sign(&self.0, &transcript(&bound))
    }

    /// A token that continues `list` of `agency` after `place`.
    #[must_use]
    pub fn make(&self, list: &str, agency: &AgencyId, place: &[u8]) -> String {
        let mac = self.mac(list, agency, place);
        let mut bytes = place.to_vec();
        bytes.extend_from_slice(mac.as_ref().get(..MAC_BYTES).unwrap_or_default());
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The place that a token continues after; none for the empty token.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a token that was not made for this list and agency.
    pub fn read(
        &self,
        list: &str,
        agency: &AgencyId,
        token: &str,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        const BAD: Refusal = Refusal::InvalidField("page_token");
        if token.is_empty() {
            return Ok(None);
        }
        if token.len() > TOKEN_CHARS_MAX {
            return Err(BAD);
        }
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| BAD)?;
        let at = bytes.len().checked_sub(MAC_BYTES).ok_or(BAD)?;
        let (place, mac) = bytes.split_at(at);
        let expected = self.mac(list, agency, place);
        let expected = expected.as_ref().get(..MAC_BYTES).unwrap_or_default();
        verify_slices_are_equal(expected, mac).map_err(|_| BAD)?;
        Ok(Some(place.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_continues_only_the_list_and_agency_that_it_was_made_for() {
        let tokens = Tokens::new(&[7; 32]);
        let ngo: AgencyId = "ngo".parse().expect("an id");
        let police: AgencyId = "police".parse().expect("an id");
        let token = tokens.make("offers", &ngo, b"place");
        let read = tokens.read("offers", &ngo, &token);
        assert_eq!(read, Ok(Some(b"place".to_vec())));
        assert!(tokens.read("offers", &police, &token).is_err());
        assert!(tokens.read("referrals", &ngo, &token).is_err());
        assert!(tokens.read("offers", &ngo, &token[1..]).is_err());
        assert!(Tokens::new(&[8; 32]).read("offers", &ngo, &token).is_err());
    }
}
