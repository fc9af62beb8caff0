//! Correcting what was told, to everybody who was told it (R19).

use super::deposit;
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::Basis;
use crate::domain::id::{OfferId, ParcelId, ReferralId};
use crate::domain::vocabulary::{Category, Purpose, Stage};
use crate::envelope::disclosure::Field;
use crate::ledger::decision::{Decision, Deposited};
use crate::proto::v1;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// What one recipient is to have instead, stage by stage: whole parcels, as they should read now.
#[derive(Debug, Clone)]
pub struct Revision<'a> {
    /// What the person agreed to for this recipient, as it stands now.
    pub basis: &'a Basis,
    /// The parcels.
    pub stages: Vec<(Stage, Vec<Field>)>,
}

/// One parcel that was corrected, or could not be.
#[derive(Debug)]
pub struct Amended {
    /// The offer.
    pub offer: OfferId,
    /// The stage.
    pub stage: Stage,
    /// How it went; one that fails keeps no other back.
    pub outcome: Result<Proven, ClientError>,
}

impl Desk {
    /// Corrects one stage's parcel; `corrected` is what [`super::SourceOffer::parcels`] names for it.
    ///
    /// # Errors
    ///
    /// As [`Desk::seal`] and any call.
    pub async fn amend(
        &self,
        offer: OfferId,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        corrected: ParcelId,
        fields: Vec<Field>,
    ) -> Result<Proven, ClientError> {
        let sealed = self.seal_parcel(basis, purpose, stage, fields, Some(corrected))?;
        let statement = sealed.parcel.statement.clone();
        let request = v1::AmendParcelRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            deposit: Some(deposit(sealed, basis.chain)),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .amend_parcel(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| match decision {
            Decision::Amended {
                offer: named,
                deposit: Deposited {
                    statement: told, ..
                },
                ..
            } => *named == offer.to_string() && told.as_bytes() == statement,
            _ => false,
        })?)
    }

    /// Corrects `category` at every recipient of a referral that was deposited it: each parcel that carries the
    /// category is sealed afresh and supersedes the one before. Offers that are over are left alone.
    ///
    /// # Errors
    ///
    /// As any call, when the referral cannot be looked at; what fails for one parcel is told in its [`Amended`].
    pub async fn amend_everywhere(
        &self,
        referral: ReferralId,
        purpose: Purpose,
        category: Category,
        revisions: &[Revision<'_>],
    ) -> Result<Vec<Amended>, ClientError> {
        let view = self.referral(referral).await?;
        let mut amended = Vec::new();
        for offer in view
            .offers
            .iter()
            .filter(|offer| !offer.state.is_terminal())
        {
            let of = |revision: &&Revision<'_>| revision.basis.recipient == offer.recipient;
            let Some(revision) = revisions.iter().find(of) else {
                continue;
            };
            for (stage, fields) in &revision.stages {
                let named = offer.parcels.iter().find(|(at, _)| at == stage);
                let told = fields
                    .iter()
                    .any(|field| field.label.category() == category);
                let Some((_, corrected)) = named.filter(|_| told) else {
                    continue;
                };
                let fields = fields.clone();
                let outcome = self
                    .amend(
                        offer.offer,
                        revision.basis,
                        purpose,
                        *stage,
                        *corrected,
                        fields,
                    )
                    .await;
                amended.push(Amended {
                    offer: offer.offer,
                    stage: *stage,
                    outcome,
                });
            }
        }
        Ok(amended)
    }
}
