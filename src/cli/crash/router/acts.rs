//! What an agency can do in a campaign: one request each, noted before it is sent and when it is answered.

use std::time::Duration;

use crate::client::agency::Desk;
use crate::client::error::Reason;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::client::source::{Ask, Candidate};
use crate::client::words;
use crate::domain::basis::{Allow, Basis};
use crate::domain::id::{BasisChainId, CaseHandle, OfferId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Asked, BasisKind, Category, ChildTold, DeclineReason, Decliner, Form, GivenBy,
    InterpreterClass, OfferState, Outcome, Purpose, Stage, Urgency,
};
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::disclosure::Field;
use crate::envelope::withdrawal::Withdrawal;
use crate::proto::v1;

use super::caller::{self, NoReply, Request};
use super::diary::{Effect, Opened, Who};
use super::load::{Cast, Step};

impl Cast {
    /// A basis with one allowance.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn record_basis(&self, case: CaseHandle, recipient: Who) -> Step<Basis> {
        let labels = triage().chain(accepted());
        let of = (Purpose::SafeAccommodation, Asked::Bundle);
        let (request, basis) = allowance(self.desk(Who::Alpha), case, recipient.id(), of, labels)?;
        let request = Request::RecordBasis(request);
        self.act(Who::Alpha, request, Effect::None).await?;
        Ok(basis)
    }

    /// One referral with an offer to each house.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn create(&self, case: CaseHandle, bases: &[Basis; 2]) -> Step<[OfferId; 2]> {
        let alpha = self.desk(Who::Alpha);
        let ask = Ask {
            case,
            purpose: Purpose::SafeAccommodation,
            urgency: Urgency::Emergency,
            decide_by: alpha.now().plus(Duration::from_secs(4 * 3600)),
        };
        let candidates = bases.each_ref().map(|basis| Candidate {
            basis,
            parcels: vec![(Stage::Triage, self.fields(triage()))],
        });
        let prepared = alpha.prepare_referral(&ask, &candidates).map_err(own)?;
        let chains = bases.each_ref().map(|basis| basis.chain);
        let request = Request::Create(prepared.into_request());
        let reply = self
            .act(Who::Alpha, request, Effect::Created { chains })
            .await?;
        let id = |at: usize| -> Step<OfferId> {
            let name = reply.names.get(at).map(String::as_str).unwrap_or_default();
            words::own_id(name, alpha.agency().id(), "offers").map_err(own)
        };
        Ok([id(1)?, id(2)?])
    }

    fn fields(&self, labels: impl Iterator<Item = Label>) -> Vec<Field> {
        let value = "v".repeat(self.field_chars);
        let field = |(number, label)| Field {
            path: format!("crash.field_{number}"),
            label,
            value: value.as_str().into(),
        };
        labels.enumerate().map(field).collect()
    }

    /// The source deposits the accepted parcel.
    pub(super) async fn deposit(&self, offer: OfferId, basis: &Basis) -> Step<()> {
        let alpha = self.desk(Who::Alpha);
        let fields = self.fields(accepted());
        let sealed = alpha.seal(basis, Purpose::SafeAccommodation, Stage::Accepted, fields);
        let request = Request::Deposit(v1::DepositParcelRequest {
            offer: words::offer_name(alpha.agency().id(), offer),
            request_id: request_id(),
            deposit: Some(sealed.map_err(own)?),
        });
        self.act(Who::Alpha, request, Effect::None).await.map(drop)
    }

    /// Withdraws a basis.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn withdraw(&self, basis: &Basis) -> Step<()> {
        let alpha = self.desk(Who::Alpha);
        let withdrawal = Withdrawal {
            chain: basis.chain,
            source: basis.source.clone(),
            recipient: basis.recipient.clone(),
            case: basis.case,
            seq: basis.seq + 1,
            issued: alpha.now(),
            erase: true,
            leave: false,
        };
        let statement = withdrawal
            .sign(alpha.agency().keys().signer())
            .map_err(own)?;
        let request = Request::WithdrawBasis(v1::WithdrawBasisRequest {
            name: words::basis_name(alpha.agency().id(), basis.chain),
            request_id: request_id(),
            statement,
        });
        let effect = Effect::Withdrawn(basis.chain);
        self.act(Who::Alpha, request, effect).await.map(drop)
    }

    /// Opens a parcel, and notes that it was disclosed.
    ///
    /// # Errors
    ///
    /// [`NoReply`].
    pub async fn open(&self, who: Who, offer: OfferId, stage: Stage) -> Step<()> {
        let (reply, known) = caller::open(self.desk(who), offer, stage).await?;
        let Some(receipt) = reply.receipt else {
            self.diary()
                .pages()
                .complain("a parcel without a receipt".to_owned());
            return Ok(());
        };
        let index = receipt.index;
        self.diary().pages().opened.push(Opened {
            index,
            offer,
            stage,
        });
        self.take(who, &receipt, known);
        Ok(())
    }

    /// Opens what must not be found any more (invariant 13).
    ///
    /// # Errors
    ///
    /// [`NoReply::Lost`].
    pub async fn finds_nothing(&self, who: Who, offer: OfferId, stage: Stage) -> Step<()> {
        match caller::open(self.desk(who), offer, stage).await {
            Err(NoReply::Refused(Reason::NotFound)) => Ok(()),
            Err(lost @ (NoReply::Lost(_) | NoReply::NotSent(_))) => Err(lost),
            Err(NoReply::Refused(reason)) => {
                let what = format!("opening after a withdrawal was answered {reason}");
                self.diary().pages().complain(what);
                Ok(())
            }
            Ok(_) => {
                let what = "a parcel was opened after its withdrawal was acknowledged".to_owned();
                self.diary().pages().complain(what);
                Ok(())
            }
        }
    }

    pub(super) async fn acknowledge(&self, who: Who, offer: OfferId) -> Step<()> {
        let (name, request_id) = (self.offer_name(who, offer), request_id());
        let request = Request::Acknowledge(v1::AcknowledgeOfferRequest { name, request_id });
        let effect = Effect::Moved(offer, OfferState::Received);
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn hold(&self, who: Who, offer: OfferId, pool: &str) -> Step<()> {
        let request = Request::Hold(v1::HoldPlacesRequest {
            name: self.offer_name(who, offer),
            request_id: request_id(),
            pool: self.pool_name(who, pool),
            places: 1,
            room: String::new(),
        });
        let effect = Effect::Held(offer, pool.to_owned());
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn accept(&self, who: Who, offer: OfferId, pool: &str) -> Step<()> {
        let request = Request::Accept(v1::AcceptOfferRequest {
            name: self.offer_name(who, offer),
            request_id: request_id(),
            pool: self.pool_name(who, pool),
            places: 1,
            room: String::new(),
        });
        let effect = Effect::Accepted(offer, pool.to_owned());
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn decline(&self, who: Who, offer: OfferId) -> Step<()> {
        let request = Request::Decline(v1::DeclineOfferRequest {
            name: self.offer_name(who, offer),
            request_id: request_id(),
            reason: words::decline_reason_number(DeclineReason::NoCapacity),
            decliner: words::decliner_number(Decliner::Agency),
        });
        let effect = Effect::Moved(offer, OfferState::Declined);
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn check_in(&self, who: Who, offer: OfferId) -> Step<()> {
        let (name, request_id) = (self.offer_name(who, offer), request_id());
        let request = Request::CheckIn(v1::CheckInRequest { name, request_id });
        let effect = Effect::Moved(offer, OfferState::InProgress);
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn complete(&self, who: Who, offer: OfferId) -> Step<()> {
        let request = Request::Complete(v1::CompleteOfferRequest {
            name: self.offer_name(who, offer),
            request_id: request_id(),
            outcome: words::outcome_number(Outcome::ServiceProvided),
        });
        let effect = Effect::Moved(offer, OfferState::Completed);
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn check_out(&self, who: Who, offer: OfferId) -> Step<()> {
        let (name, request_id) = (self.offer_name(who, offer), request_id());
        let request = Request::CheckOut(v1::CheckOutRequest { name, request_id });
        let effect = Effect::CheckedOut(offer);
        self.act(who, request, effect).await.map(drop)
    }

    pub(super) async fn finish_preparing(&self, who: Who, pool: &str) -> Step<()> {
        let request = Request::FinishPreparing(v1::FinishPreparingRequest {
            name: self.pool_name(who, pool),
            request_id: request_id(),
            places: 1,
            room: String::new(),
        });
        let effect = Effect::Prepared(who, pool.to_owned());
        self.act(who, request, effect).await.map(drop)
    }

    fn offer_name(&self, who: Who, offer: OfferId) -> String {
        words::offer_name(self.desk(who).agency().id(), offer)
    }
}

/// A basis with one allowance, as its source signs it.
pub(super) fn allowance(
    source: &Desk,
    case: CaseHandle,
    recipient: &str,
    (purpose, asked): (Purpose, Asked),
    labels: impl Iterator<Item = Label>,
) -> Step<(v1::RecordBasisRequest, Basis)> {
    let now = source.now();
    let mut allowed = LabelSet::EMPTY;
    labels.for_each(|label| allowed.insert_up_to(label));
    let basis = Basis {
        chain: BasisChainId::from_random(SystemRandom.array()),
        source: source.agency().id().clone(),
        recipient: recipient.parse().map_err(own)?,
        case,
        seq: 1,
        from: Timestamp::from_seconds(now.seconds()).unwrap_or(now),
        kind: BasisKind::Consent,
        allows: vec![Allow {
            purposes: vec![purpose],
            labels: allowed,
            asked,
            until: now.plus(Duration::from_secs(20 * 86_400)),
            reply: false,
        }],
        given_by: GivenBy::Itself,
        asked_alone: true,
        interpreter: InterpreterClass::Telephone,
        child_told: ChildTold::NotApplicable,
        for_child: Default::default(),
    };
    let statement = BasisStatement {
        basis,
        issued: now,
        evidence: SystemRandom.array(),
    };
    let token = statement
        .sign(source.agency().keys().signer())
        .map_err(own)?;
    let request = v1::RecordBasisRequest {
        parent: words::agency_name(source.agency().id()),
        request_id: request_id(),
        statement: token,
    };
    Ok((request, statement.basis))
}

/// Nothing was sent: this side could not make the request.
pub(super) fn own(error: impl std::fmt::Display) -> NoReply {
    NoReply::NotSent(error.to_string())
}

fn triage() -> impl Iterator<Item = Label> {
    labels(&[
        (Category::Language, Form::Whole),
        (Category::Age, Form::Band),
        (Category::Family, Form::Counts),
    ])
}

fn accepted() -> impl Iterator<Item = Label> {
    labels(&[
        (Category::Gender, Form::Whole),
        (Category::MeetingPoint, Form::Whole),
    ])
}

fn labels(pairs: &[(Category, Form)]) -> impl Iterator<Item = Label> {
    let labels = pairs
        .iter()
        .filter_map(|&(category, form)| Label::new(category, form).ok());
    labels.collect::<Vec<_>>().into_iter()
}
