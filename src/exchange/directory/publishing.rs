//! Publishing key bundles.

use super::digest;
use crate::domain::id::AgencyId;
use crate::envelope::bundle::KeyBundle;
use crate::exchange::agencies::SIGNERS_KEPT;
use crate::exchange::basis::{statement_refusal, text};
use crate::exchange::sequencer::EntryDraft;
use crate::exchange::snapshot::{Prepared, Snapshot, own};
use crate::exchange::{Exchange, Receipt, Refusal, Requested, SKEW};
use crate::identity::caller::Caller;
use crate::identity::signing_chain::{SigningCertificate, verify_signing_chain};
use crate::storage::records::agency::Signer;
use crate::storage::records::{Record, key};
use rustls::pki_types::CertificateDer;

/// Longest key bundle, in bytes: its entry must fit 65,535 with the rest.
pub const BUNDLE_BYTES_MAX: usize = 48 * 1024;

fn certified(
    snapshot: &Snapshot<'_>,
    agency: &AgencyId,
    bundle: &KeyBundle,
) -> Result<SigningCertificate, Refusal> {
    let (leaf, intermediates) = bundle
        .chain()
        .split_first()
        .ok_or(Refusal::SignatureInvalid)?;
    let intermediates: Vec<CertificateDer<'_>> = intermediates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let trust = snapshot.shared.trust.load();
    let origin = &snapshot.shared.origin;
    let certificate = verify_signing_chain(leaf, &intermediates, &trust, snapshot.now, origin)
        .map_err(|_| Refusal::SignatureInvalid)?;
    if certificate.agency() == agency {
        Ok(certificate)
    } else {
        Err(Refusal::SignatureInvalid)
    }
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    agency: &AgencyId,
    staff: Option<&Caller>,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<()>, Refusal> {
    if let Some(staff) = staff {
        own(staff, agency)?;
    }
    let view = snapshot.agency(agency)?;
    let view = view.filter(|view| !view.record.suspended);
    let view = view.ok_or(Refusal::NotPermitted)?;
    if let Some(record) = snapshot.recall(agency, requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    // The staff keys stand in the bundle, so the first one can have no staff token beside it.
    if staff.is_none() && view.bundle.is_some() {
        return Err(Refusal::NotPermitted);
    }
    if token.len() > BUNDLE_BYTES_MAX {
        return Err(Refusal::InvalidField("key_bundle"));
    }
    let invalid = |error| statement_refusal(error, Refusal::KeyBundleInvalid);
    let bundle = KeyBundle::parse(token).map_err(invalid)?;
    let certificate = certified(snapshot, agency, &bundle)?;
    let stands = bundle.content().agency == *agency && bundle.stands(snapshot.now, SKEW);
    if !stands || bundle.follows(view.bundle.as_ref()).is_err() {
        return Err(Refusal::KeyBundleInvalid);
    }
    let mut record = view.record.clone();
    record.bundle = token.to_vec();
    record
        .signers
        .retain(|signer| signer.fingerprint != certificate.fingerprint());
    record.signers.insert(
        0,
        Signer {
            fingerprint: certificate.fingerprint().to_vec(),
            public_key: certificate.public_key_sec1().to_vec(),
            not_after: certificate.not_after().millis(),
            chain: bundle.chain().to_vec(),
        },
    );
    record.signers.truncate(SIGNERS_KEPT);
    let mut change = snapshot.change();
    change.writes.push(record.put(key::agency(agency)));
    digest::count_change(&mut change);
    change
        .entries
        .push(EntryDraft::keys(agency.clone(), text(token)?));
    snapshot.remember(&mut change, agency, requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Publishes an agency's next key bundle. `staff` may be absent for the first one only: the certificate suffices.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`], [`Refusal::KeyBundleInvalid`], [`Refusal::SignatureInvalid`].
    pub async fn publish_key_bundle(
        &self,
        agency: &AgencyId,
        staff: Option<&Caller>,
        requested: Requested,
        bundle: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let (of, by) = (agency.clone(), staff.cloned());
        let step = move |snapshot: &mut Snapshot<'_>| {
            prepare(snapshot, &of, by.as_ref(), &requested, &bundle)
        };
        let done = match self.perform(step).await {
            Err(refusal) if refusal.is_denial() => {
                let pseudonym = staff.map(Caller::staff);
                self.deny(agency, pseudonym, "PublishKeyBundle", refusal.reason())
                    .await?;
                return Err(refusal);
            }
            other => other?,
        };
        self.publish_digest(false).await?;
        Ok(done.single()?.1)
    }
}
