//! Whose key a statement is verified with: the source's present one, or the one that stood when it was signed.

use crate::client::agency::Desk;
use crate::client::directory::{
    Chain, Directory, DirectoryError, correspondent_signer, verify_correspondent,
};
use crate::client::error::ClientError;
use crate::client::words;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::envelope::jws::{KeyReference, Unverified};
use crate::envelope::keys::SigningKey;
use crate::proto::v1;
use crate::proto::v1::directory_service_client::DirectoryServiceClient;

impl Desk {
    /// The source's signing key with the certificate that the statement names: its present one, or an earlier one that
    /// stands under the directory digest.
    ///
    /// A certificate that was renewed since the parcel was sealed, or since the directory was mirrored, is no sign of
    /// tampering: it must not ring an alarm at the source and at oversight.
    pub(in crate::client) async fn signing_key_behind(
        &self,
        statement: &[u8],
        source: &AgencyId,
    ) -> Result<SigningKey, ClientError> {
        let mirrored = self.agency().directory()?;
        let Some((fingerprint, signed_at)) = names(statement) else {
            // What does not even parse is for the checks to judge.
            return Ok(mirrored.signing_key(source)?);
        };
        let (trust, now) = (self.agency().trust(), self.now());
        let signer = |directory: &Directory| directory.signer(source, &fingerprint, trust, now);
        let found = match signer(&mirrored) {
            Err(DirectoryError::Unknown) => {
                let chains = self.correspondent_chains(source).await?;
                correspondent_signer(&chains, source, &fingerprint, trust, now)
            }
            // The source may have renewed its certificate since.
            Ok(None) => {
                let renewed = self.mirror().await?;
                signer(&renewed)?
            }
            found => found?,
        };
        // Who comes by the key of a certificate that has ended can sign with it, and gains nothing by a later date.
        found
            .filter(|standing| signed_at.is_none_or(|at| at <= standing.until))
            .map(|standing| standing.key)
            .ok_or_else(|| ClientError::UnknownCertificate(source.clone()))
    }

    /// The certificates of a source that this agency's kind may not see in the directory, as for the police and a
    /// shelter.
    async fn correspondent_chains(&self, source: &AgencyId) -> Result<Vec<Chain>, ClientError> {
        let name = words::agency_name(source);
        let (reply, known) = self
            .call(
                v1::GetAgencyRequest { name },
                |channel, request| async move {
                    DirectoryServiceClient::new(channel)
                        .get_agency(request)
                        .await
                },
            )
            .await?;
        let digest = reply.digest.as_ref();
        let receipt = digest.and_then(|digest| digest.receipt.as_ref());
        let proven = self.prove(receipt, known).await?;
        let trust = self.agency().trust();
        Ok(verify_correspondent(&reply, &proven.entry, source, trust)?)
    }
}

/// The certificate that a statement names, and when it says that it was signed.
fn names(statement: &[u8]) -> Option<([u8; 32], Option<Timestamp>)> {
    let statement = Unverified::parse(statement).ok()?;
    let KeyReference::Fingerprint(fingerprint) = statement.header().key else {
        return None;
    };
    let seconds = statement.claimed_seconds();
    Some((fingerprint, seconds.and_then(Timestamp::from_seconds)))
}
