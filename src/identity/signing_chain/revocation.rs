//! What an authority's revocation lists, at hand as bytes, say of a signing certificate.

use super::{ALGORITHMS, SIGNING_USAGE_OID, TrustStore, unix_time};
use crate::domain::time::Timestamp;
use crate::identity::certificate::{CertificateError, Serial};
use crate::identity::leaf::Leaf;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use webpki::{
    EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy,
};
use x509_parser::prelude::{CertificateRevocationList as ParsedList, FromDer as _};

/// What revocation lists say of a signing certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// Neither it nor an issuer of it is on them.
    Clear {
        /// When the oldest of its issuers' lists was made.
        made: Timestamp,
        /// When the first of them ends, or a certificate of the chain: an authority lists nothing that has ended.
        until: Timestamp,
    },
    /// It is on them, since then; an issuer of it, if no time is known.
    Revoked(Option<Timestamp>),
}

/// One list: who issued it, and from when until when it speaks.
struct ListTimes {
    issuer: Vec<u8>,
    made: Timestamp,
    until: Timestamp,
}

fn list_times(der: &[u8]) -> Option<ListTimes> {
    let (_, list) = ParsedList::from_der(der).ok()?;
    Some(ListTimes {
        issuer: list.issuer().as_raw().to_vec(),
        made: Timestamp::from_seconds(list.last_update().timestamp())?,
        until: Timestamp::from_seconds(list.next_update()?.timestamp())?,
    })
}

/// When `serial` of `issuer` was revoked, by its list.
fn revoked_at(der: &[u8], issuer: &[u8], serial: &Serial) -> Option<Timestamp> {
    let (_, list) = ParsedList::from_der(der).ok()?;
    if list.issuer().as_raw() != issuer {
        return None;
    }
    let mut revoked = list.iter_revoked_certificates();
    let found = revoked.find(|one| Serial::from_der_integer(one.raw_serial()) == *serial)?;
    Timestamp::from_seconds(found.revocation_date.timestamp())
}

/// What `lists` say of a signing certificate whose chain leads to `roots` at `at`; also lists that have ended, whose
/// times are the caller's to judge.
///
/// # Errors
///
/// [`CertificateError::NoList`] when the list of an issuer is missing, not signed by it or malformed;
/// [`CertificateError::Untrusted`] when the chain leads nowhere.
pub fn revocation(
    leaf_der: &[u8],
    intermediates: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    lists: &[CertificateRevocationListDer<'_>],
    at: Timestamp,
) -> Result<Revocation, CertificateError> {
    let mut known = Vec::new();
    for der in lists {
        known.push((list_times(der).ok_or(CertificateError::NoList)?, der));
    }
    // Of two lists of one issuer the newer counts.
    known.sort_by_key(|(times, _)| std::cmp::Reverse(times.made));
    let trust = TrustStore::new(roots)?
        .with_revocation_lists(known.iter().map(|(_, der)| *der))
        .map_err(|_| CertificateError::NoList)?;
    let lists: Vec<_> = trust.lists.iter().flatten().collect();
    let options = RevocationOptionsBuilder::new(&lists)
        .map_err(|_| CertificateError::NoList)?
        .with_depth(RevocationCheckDepth::Chain)
        .with_status_policy(UnknownStatusPolicy::Deny)
        .with_expiration_policy(ExpirationPolicy::Ignore)
        .build();
    let der = CertificateDer::from(leaf_der);
    let checked = EndEntityCert::try_from(&der)
        .map_err(|_| CertificateError::Malformed)?
        .verify_for_usage(
            ALGORITHMS,
            &trust.anchors,
            intermediates,
            unix_time(at),
            KeyUsage::required_if_present(SIGNING_USAGE_OID),
            Some(options),
            None,
        )
        .map(drop);
    let leaf = Leaf::parse(leaf_der)?;
    match checked {
        Ok(()) => {}
        Err(webpki::Error::CertRevoked) => {
            let (issuer, serial) = (leaf.issuer(), leaf.serial());
            let mut known = known.iter();
            let at = known.find_map(|(_, der)| revoked_at(der, issuer, &serial));
            return Ok(Revocation::Revoked(at));
        }
        Err(
            webpki::Error::UnknownIssuer
            | webpki::Error::CertExpired { .. }
            | webpki::Error::CertNotValidYet { .. },
        ) => return Err(CertificateError::Untrusted),
        Err(_) => return Err(CertificateError::NoList),
    }
    let mut issuers = vec![leaf.issuer().to_vec()];
    let mut ends = leaf.not_after()?;
    for der in intermediates {
        let issuer = Leaf::parse(der)?;
        issuers.push(issuer.issuer().to_vec());
        ends = ends.min(issuer.not_after()?);
    }
    // The newest list of each issuer.
    let newest = issuers.iter().filter_map(|issuer| {
        let mut known = known.iter().map(|(times, _)| times);
        known.find(|times| times.issuer == *issuer)
    });
    let oldest = newest
        .map(|times| (times.made, times.until))
        .reduce(|one, other| (one.0.min(other.0), one.1.min(other.1)));
    let (made, until) = oldest.ok_or(CertificateError::NoList)?;
    Ok(Revocation::Clear {
        made,
        until: until.min(ends),
    })
}
