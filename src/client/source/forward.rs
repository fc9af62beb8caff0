//! Passing on what was told here, to an agency that the person agreed to, on a basis of one's own.

use super::{Ask, Sealing, SentReferral, deposit, is_offered};
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::recipient::OfferView;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::Basis;
use crate::domain::forward::{Granted, NotAgreed, covers};
use crate::domain::id::{AgencyId, OfferId};
use crate::domain::label::LabelSet;
use crate::domain::vocabulary::{Purpose, Stage};
use crate::envelope::disclosure::Disclosure;
use crate::envelope::open::OpenedParcel;
use crate::envelope::seal::Sealed;
use crate::proto::v1;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// What is passed on of one parcel.
#[derive(Debug, Clone)]
pub struct Passed<'a> {
    /// Stage of the new parcel.
    pub stage: Stage,
    /// The parcel, as it was opened here.
    pub parcel: &'a OpenedParcel,
    /// Paths of the fields that go on; the others stay.
    pub paths: Vec<String>,
}

/// What is passed on, and on what basis.
#[derive(Debug, Clone)]
pub struct Onward<'a> {
    /// The offer that told it.
    pub received: &'a OfferView,
    /// This agency's own basis, which names the next one.
    pub basis: &'a Basis,
    /// Parcels; one for triage at least.
    pub parcels: Vec<Passed<'a>>,
}

impl Desk {
    /// Asks one more agency with what was told here, unchanged, so that it can check it against the original source's
    /// signature. What it may pass on in turn is [`Desk::forwarding`]'s, and never more than was allowed here.
    ///
    /// # Errors
    ///
    /// [`ClientError::Forward`] when the person has not agreed to this recipient, before anything is sealed;
    /// [`ClientError::Refused`] with `FORWARD_NOT_ALLOWED` when the original source has narrowed the list or taken its
    /// basis back since; otherwise as [`Desk::create_referral`].
    pub async fn forward(
        &self,
        ask: &Ask,
        onward: &Onward<'_>,
    ) -> Result<SentReferral, ClientError> {
        let recipient = &onward.basis.recipient;
        let mut deposits = Vec::with_capacity(onward.parcels.len());
        let mut ids = Vec::with_capacity(onward.parcels.len());
        for passed in &onward.parcels {
            let sealed = self.pass_on(onward.received, onward.basis, ask.purpose, passed)?;
            ids.push(sealed.id.to_string());
            deposits.push(deposit(sealed, onward.basis.chain));
        }
        let request = v1::CreateForwardRequest {
            offer: words::offer_name(self.agency().id(), onward.received.id),
            request_id: request_id(),
            case_handle: ask.case.to_string(),
            purpose: words::purpose_number(ask.purpose),
            urgency: words::urgency_number(ask.urgency),
            decide_by: Some(words::to_proto_time(ask.decide_by)),
            forward: Some(v1::NewOffer {
                recipient: words::agency_name(recipient),
                deposits,
            }),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .create_forward(request)
                    .await
            })
            .await?;
        let referral = words::own_id(&reply.name, self.agency().id(), "referrals")?;
        let offer: OfferId = words::own_id(&reply.offer, self.agency().id(), "offers")?;
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| is_offered(decision, offer, referral, recipient, &ids))?;
        Ok(SentReferral {
            referral,
            offers: vec![(recipient.clone(), offer)],
        })
    }

    /// Seals and deposits one later stage of a forward.
    ///
    /// # Errors
    ///
    /// As [`Desk::forward`].
    pub async fn deposit_forward(
        &self,
        offer: OfferId,
        received: &OfferView,
        basis: &Basis,
        purpose: Purpose,
        passed: &Passed<'_>,
    ) -> Result<Proven, ClientError> {
        let sealed = self.pass_on(received, basis, purpose, passed)?;
        self.deposit_sealed(offer, deposit(sealed, basis.chain))
            .await
    }

    fn pass_on(
        &self,
        received: &OfferView,
        basis: &Basis,
        purpose: Purpose,
        passed: &Passed<'_>,
    ) -> Result<Sealed, ClientError> {
        let chosen = passed.parcel.fields.iter();
        let chosen = chosen.filter(|field| passed.paths.contains(&field.field.path));
        let carried: Vec<Disclosure> = chosen.map(|field| field.disclosure.clone()).collect();
        if carried.len() != passed.paths.len() {
            return Err(NotAgreed.into());
        }
        let claims = passed.parcel.statement.claims();
        let told = passed.parcel.fields.iter().map(|field| field.field.label);
        let granted = Granted {
            recipients: &claims.forward.recipients,
            hops: claims.forward.hops,
            labels: told.collect(),
        };
        let labels: LabelSet = (carried.iter())
            .map(|disclosure| disclosure.field().label)
            .collect();
        // The router knows everybody who held it; this desk knows these.
        let mut holders: Vec<AgencyId> = received.forwarded_from.iter().cloned().collect();
        holders.extend([received.source.clone(), self.agency().id().clone()]);
        let list = self.forward_list();
        let asked = crate::domain::forward::Onward {
            holders: &holders,
            recipient: &basis.recipient,
            granted: Granted {
                recipients: &list.recipients,
                hops: list.hops,
                labels,
            },
        };
        covers(&granted, &asked)?;
        let sealing = Sealing {
            passed: Some((*passed.parcel.statement.digest(), carried)),
            ..Sealing::default()
        };
        self.seal_with(basis, purpose, passed.stage, Vec::new(), sealing)
    }
}
