//! The source's side: record the person's yes, ask candidates, deposit, withdraw, recall.
//!
//! The gate runs here before anything is sealed: encrypted data counts as disclosed, so nobody outside the allow-list
//! ever gets a parcel. What the person refused and whom they excluded is not in any request.

mod amendment;
mod basis;
mod group;
mod referral;

mod forward;
mod resubmit;
mod transfer;

pub use amendment::{Amended, Revision};
pub use basis::{AlsoAsked, Answers, BasisDraft, BasisView};
pub use forward::{Onward, Passed};
pub use group::{GroupAsk, Member, SentGroup};
pub use referral::{ReferralView, SourceOffer};
pub use resubmit::Resubmitted;

use super::agency::Desk;
use super::error::ClientError;
use super::log::{LogViolation, Proven};
pub use super::parcel::to_proto;
use super::random::SystemRandom;
use super::session::request_id;
use super::words;
use crate::domain::basis::Basis;
use crate::domain::gate::{BasisHead, Proposal, permit};
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId, ParcelId, ReferralId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Purpose, Stage, Urgency};
use crate::envelope::disclosure::{Disclosure, Field};
use crate::envelope::seal::{ParcelDraft, Sealed, seal, seal_message};
use crate::envelope::statement::Forward;
use crate::ledger::decision::{Decision, Deposited};
use crate::proto::v1;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// What is asked, of whoever may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// The case.
    pub case: CaseHandle,
    /// For what.
    pub purpose: Purpose,
    /// How soon.
    pub urgency: Urgency,
    /// Decide by; the router cuts it to the urgency's clock.
    pub decide_by: Timestamp,
}

/// One candidate: the basis that names it, and what it may know at which stage.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The basis.
    pub basis: &'a Basis,
    /// Fields per stage; later stages only when the source will be off line.
    pub parcels: Vec<(Stage, Vec<Field>)>,
}

/// A referral, sealed and ready: sent again as it is until the router answers.
#[derive(Debug, Clone)]
pub struct PreparedReferral {
    request: v1::CreateReferralRequest,
    recipients: Vec<AgencyId>,
    parcels: Vec<Vec<String>>,
}

impl PreparedReferral {
    /// Has the person placed by a time, the earliest of danger, no bed tonight and leaving: it cuts every clock.
    #[must_use]
    pub fn placed_by(mut self, place_by: Timestamp) -> Self {
        self.request.place_by = Some(words::to_proto_time(place_by));
        self
    }

    /// Has fewer candidates asked at a time than the urgency allows.
    #[must_use]
    pub const fn asking_at_most(mut self, parallel: u32) -> Self {
        self.request.parallel_offers = parallel;
        self
    }

    /// The request, for tests that change it.
    #[must_use]
    pub const fn request(&self) -> &v1::CreateReferralRequest {
        &self.request
    }

    /// The request, for callers that send it themselves.
    #[must_use]
    pub fn into_request(self) -> v1::CreateReferralRequest {
        self.request
    }
}

/// A referral that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentReferral {
    /// Its id.
    pub referral: ReferralId,
    /// The offers, in the order of the candidates.
    pub offers: Vec<(AgencyId, OfferId)>,
}

/// What a sealed parcel is, where it is not simply a deposit.
#[derive(Default)]
struct Sealing {
    /// The parcel that it corrects.
    supersedes: Option<ParcelId>,
    /// The offer that it is a message of.
    message_of: Option<OfferId>,
    /// Digest of the statement that it passes on, and the disclosures.
    passed: Option<([u8; 32], Vec<Disclosure>)>,
}

impl Desk {
    /// Asks the gate and, if it permits, seals `fields` for the basis's recipient at `stage`.
    ///
    /// # Errors
    ///
    /// [`ClientError::Gate`] when the gate refuses: nothing is sealed then; [`ClientError::Directory`] when the
    /// recipient's key is not proved, not fresh or not there.
    pub fn seal(
        &self,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
    ) -> Result<v1::Deposit, ClientError> {
        Ok(deposit(
            self.seal_parcel(basis, purpose, stage, fields, None)?,
            basis.chain,
        ))
    }

    fn seal_parcel(
        &self,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
        supersedes: Option<ParcelId>,
    ) -> Result<Sealed, ClientError> {
        let sealing = Sealing {
            supersedes,
            ..Sealing::default()
        };
        self.seal_with(basis, purpose, stage, fields, sealing)
    }

    /// Asks the gate and seals a message of `offer`.
    pub(super) fn seal_for_message(
        &self,
        offer: OfferId,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
    ) -> Result<Sealed, ClientError> {
        let sealing = Sealing {
            message_of: Some(offer),
            ..Sealing::default()
        };
        self.seal_with(basis, purpose, stage, fields, sealing)
    }

    /// Seals fields of one's own, or disclosures of a parcel that is passed on.
    fn seal_with(
        &self,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
        sealing: Sealing,
    ) -> Result<Sealed, ClientError> {
        let (parent, carried) = sealing
            .passed
            .map_or_else(Default::default, |(parent, carried)| {
                (Some(parent), carried)
            });
        let now = self.now();
        let directory = self.agency().directory()?;
        let protocol = self.agency().protocol()?;
        let passed = carried.iter().map(|disclosure| disclosure.field().label);
        let labels: LabelSet = (fields.iter().map(|field| field.label))
            .chain(passed)
            .collect();
        let proposal = Proposal {
            source: self.agency().id(),
            recipient: &basis.recipient,
            recipient_kind: directory.member(&basis.recipient)?.kind,
            purpose,
            stage,
            labels,
        };
        let permit = permit(&proposal, BasisHead::InForce(basis), &protocol, now)?;
        let draft = ParcelDraft {
            source: self.agency().id(),
            recipient: &basis.recipient,
            key: directory.sealing_key(&basis.recipient, now)?,
            purpose,
            stage,
            chain: basis.chain,
            now,
            until: permit.validity().until,
            // A message goes no further than to whom it is sealed.
            forward: match sealing.message_of {
                Some(_) => Forward::default(),
                None => self.forward_list().clone(),
            },
            supersedes: sealing.supersedes,
            parent,
            fields,
            carried,
        };
        let signer = self.agency().keys().signer();
        Ok(match sealing.message_of {
            None => seal(draft, signer, &mut SystemRandom)?,
            Some(offer) => seal_message(offer, draft, signer, &mut SystemRandom)?,
        })
    }

    /// Seals a referral for its candidates; nothing is sent.
    ///
    /// # Errors
    ///
    /// As [`Desk::seal`], for the first candidate that may not have what is proposed.
    pub fn prepare_referral(
        &self,
        ask: &Ask,
        candidates: &[Candidate<'_>],
    ) -> Result<PreparedReferral, ClientError> {
        let mut offers = Vec::with_capacity(candidates.len());
        let mut parcels = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            let (offer, ids) = self.prepare_offer(ask.purpose, candidate)?;
            offers.push(offer);
            parcels.push(ids);
        }
        let request = v1::CreateReferralRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            case_handle: ask.case.to_string(),
            purpose: words::purpose_number(ask.purpose),
            urgency: words::urgency_number(ask.urgency),
            decide_by: Some(words::to_proto_time(ask.decide_by)),
            offers,
            place_by: None,
            parallel_offers: 0,
        };
        let recipients = candidates
            .iter()
            .map(|candidate| candidate.basis.recipient.clone())
            .collect();
        Ok(PreparedReferral {
            request,
            recipients,
            parcels,
        })
    }

    fn prepare_offer(
        &self,
        purpose: Purpose,
        candidate: &Candidate<'_>,
    ) -> Result<(v1::NewOffer, Vec<String>), ClientError> {
        let mut deposits = Vec::with_capacity(candidate.parcels.len());
        let mut ids = Vec::with_capacity(candidate.parcels.len());
        for (stage, fields) in &candidate.parcels {
            let sealed =
                self.seal_parcel(candidate.basis, purpose, *stage, fields.clone(), None)?;
            ids.push(sealed.id.to_string());
            deposits.push(deposit(sealed, candidate.basis.chain));
        }
        let recipient = words::agency_name(&candidate.basis.recipient);
        Ok((
            v1::NewOffer {
                recipient,
                deposits,
            },
            ids,
        ))
    }

    /// Sends a prepared referral and verifies one receipt per offer.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with the router's reason; [`ClientError::Log`] when the log does not say what was
    /// done. After [`ClientError::NoAnswer`] the same prepared referral may be sent again.
    pub async fn send_referral(
        &self,
        prepared: &PreparedReferral,
    ) -> Result<SentReferral, ClientError> {
        let (reply, known) = self
            .call(prepared.request.clone(), |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .create_referral(request)
                    .await
            })
            .await?;
        let referral = words::own_id(&reply.name, self.agency().id(), "referrals")?;
        let expected = prepared.recipients.len();
        if reply.offers.len() != expected || reply.receipts.len() != expected {
            return Err(LogViolation::NoReceipt.into());
        }
        let mut offers = Vec::with_capacity(expected);
        let parts = reply.offers.iter().zip(&reply.receipts);
        for ((name, receipt), (recipient, ids)) in
            parts.zip(prepared.recipients.iter().zip(&prepared.parcels))
        {
            let offer: OfferId = words::own_id(name, self.agency().id(), "offers")?;
            let proven = self.prove(Some(receipt), known).await?;
            proven.expect(|decision| is_offered(decision, offer, referral, recipient, ids))?;
            offers.push((recipient.clone(), offer));
        }
        Ok(SentReferral { referral, offers })
    }

    /// Asks candidates: [`Desk::prepare_referral`] and [`Desk::send_referral`] in one.
    ///
    /// # Errors
    ///
    /// As both.
    pub async fn create_referral(
        &self,
        ask: &Ask,
        candidates: &[Candidate<'_>],
    ) -> Result<SentReferral, ClientError> {
        let prepared = self.prepare_referral(ask, candidates)?;
        self.send_referral(&prepared).await
    }

    /// Asks one more candidate.
    ///
    /// # Errors
    ///
    /// As [`Desk::create_referral`].
    pub async fn add_offer(
        &self,
        referral: ReferralId,
        purpose: Purpose,
        candidate: &Candidate<'_>,
    ) -> Result<OfferId, ClientError> {
        let (offer, ids) = self.prepare_offer(purpose, candidate)?;
        let request = v1::AddOfferRequest {
            referral: words::referral_name(self.agency().id(), referral),
            request_id: request_id(),
            offer: Some(offer),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel).add_offer(request).await
            })
            .await?;
        let offer: OfferId = words::own_id(&reply.name, self.agency().id(), "offers")?;
        let recipient = &candidate.basis.recipient;
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| is_offered(decision, offer, referral, recipient, &ids))?;
        Ok(offer)
    }

    /// Seals and deposits one stage's parcel for one offer.
    ///
    /// # Errors
    ///
    /// As [`Desk::seal`] and any call.
    pub async fn deposit(
        &self,
        offer: OfferId,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
    ) -> Result<Proven, ClientError> {
        let sealed = self.seal(basis, purpose, stage, fields)?;
        self.deposit_sealed(offer, sealed).await
    }

    /// Deposits a parcel that was sealed before.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn deposit_sealed(
        &self,
        offer: OfferId,
        deposit: v1::Deposit,
    ) -> Result<Proven, ClientError> {
        let parcel = deposit
            .parcel
            .as_ref()
            .ok_or(ClientError::Reply("a deposit"))?;
        let statement = parcel.statement.clone();
        let request = v1::DepositParcelRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            deposit: Some(deposit),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .deposit_parcel(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| match decision {
            Decision::Deposited {
                offer: named,
                deposit: Deposited {
                    statement: told, ..
                },
                ..
            } => *named == offer.to_string() && told.as_bytes() == statement,
            _ => false,
        })?)
    }
}

/// Whether the entry says that this offer was made, with exactly these parcels.
fn is_offered(
    decision: &Decision,
    offer: OfferId,
    referral: ReferralId,
    recipient: &AgencyId,
    parcels: &[String],
) -> bool {
    match decision {
        Decision::Offered {
            offer: o,
            referral: r,
            recipient: to,
            deposits,
            ..
        } => {
            *o == offer.to_string()
                && *r == referral.to_string()
                && to == recipient.as_str()
                && deposits.iter().map(|deposit| &deposit.parcel).eq(parcels)
        }
        _ => false,
    }
}

fn deposit(sealed: Sealed, chain: BasisChainId) -> v1::Deposit {
    v1::Deposit {
        parcel: Some(to_proto(sealed.parcel)),
        basis_chain: chain.to_string(),
        basis_salt: sealed.basis_salt.to_vec(),
    }
}
