//! Break-glass: asking, approving, releasing, opening, reviewing.
//!
//! The source's desk releases: whom the person excluded is known here and nowhere else, so it is asked for before
//! anything is sealed.

use super::agency::Desk;
use super::error::ClientError;
use super::log::{Known, Proven};
use super::parcel::{from_proto, to_proto};
use super::random::SystemRandom;
use super::recipient::SKEW;
use super::session::request_id;
use super::words;
use crate::domain::break_glass::{ACCESS_STAGE, Refusal, WINDOW};
use crate::domain::id::{AccessId, AgencyId, BasisChainId, OfferId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AccessFinding, AccessReason, AccessState, Purpose};
use crate::envelope::disclosure::Field;
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::keys::sha256;
use crate::envelope::open::{Expected, OpenedParcel, open};
use crate::envelope::seal::{ParcelDraft, seal};
use crate::envelope::statement::Forward;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::break_glass_service_client::BreakGlassServiceClient;

/// One access, as this agency sees it; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessView {
    /// Its id.
    pub id: AccessId,
    /// State.
    pub state: AccessState,
    /// Why.
    pub reason: AccessReason,
    /// What is asked for.
    pub labels: LabelSet,
    /// Who asks, where this agency may know.
    pub requester: Option<AgencyId>,
    /// The source, where this agency may know.
    pub source: Option<AgencyId>,
    /// The offer; the asking agency's and the source's only.
    pub offer: Option<OfferId>,
    /// Purpose of the offer.
    pub purpose: Purpose,
    /// When it was requested.
    pub requested: Option<Timestamp>,
    /// When the state ends by itself.
    pub ends: Option<Timestamp>,
    /// When a review must have come by.
    pub review_by: Option<Timestamp>,
    /// Nobody answered: call the duty line.
    pub call_duty_line: bool,
    /// Phone of the duty line; may be empty.
    pub duty_phone: String,
    /// What the review found.
    pub finding: Option<AccessFinding>,
    /// How often what was released was opened.
    pub openings: u32,
}

impl Desk {
    /// Asks, to save somebody, for what nobody had agreed to tell. Everybody concerned is alerted when this answers;
    /// show the phone when [`AccessView::call_duty_line`] is set in a later look.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NOT_FOUND` when there is no such offer, it is over, or the person took back what
    /// this agency had; `PROTOCOL_REFUSED`; `STATE` while another request runs.
    pub async fn request_access(
        &self,
        offer: OfferId,
        reason: AccessReason,
        labels: LabelSet,
    ) -> Result<AccessView, ClientError> {
        let request = v1::RequestAccessRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            reason: words::access_reason_number(reason),
            labels: labels.iter().map(label_to_proto).collect(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .request_access(request)
                    .await
            })
            .await?;
        let view = self.read_access(reply.access.ok_or(ClientError::Reply("no access"))?)?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| {
            matches!(decision, Decision::AccessRequested { access, offer: named, reason: told, .. }
                if *access == view.id.to_string()
                    && *named == offer.to_string()
                    && told == reason.name())
        })?;
        Ok(view)
    }

    /// Approves, as a duty officer outside the asking agency.
    ///
    /// # Errors
    ///
    /// As any call; `NEEDS_OUTSIDER`, `STATE`.
    pub async fn approve_access(&self, access: AccessId) -> Result<Proven, ClientError> {
        let request = v1::ApproveAccessRequest {
            name: self.access_name(access),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .approve_access(request)
                    .await
            })
            .await?;
        self.prove_access(reply.receipt.as_ref(), known, access, |decision, id| {
            matches!(decision, Decision::AccessApproved { access, .. } if access == id)
        })
        .await
    }

    /// Refuses, as a duty officer outside the asking agency.
    ///
    /// # Errors
    ///
    /// As [`Desk::approve_access`].
    pub async fn refuse_access(&self, access: AccessId) -> Result<Proven, ClientError> {
        let request = v1::RefuseAccessRequest {
            name: self.access_name(access),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .refuse_access(request)
                    .await
            })
            .await?;
        self.prove_access(reply.receipt.as_ref(), known, access, |decision, id| {
            matches!(decision, Decision::AccessRefused { access, .. } if access == id)
        })
        .await
    }

    /// Seals `fields` to the asking agency and releases them, for an hour at most.
    ///
    /// `excluded` are the agencies and authorities that the person excluded, from this desk's own record.
    ///
    /// # Errors
    ///
    /// [`ClientError::Excluded`] and [`ClientError::BreakGlass`]: nothing is sealed then; as [`Desk::seal`] and any
    /// call.
    pub async fn release_access(
        &self,
        access: &AccessView,
        fields: Vec<Field>,
        excluded: &[AgencyId],
    ) -> Result<Proven, ClientError> {
        let request = self.prepare_release(access, fields, excluded)?;
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .release_access(request)
                    .await
            })
            .await?;
        self.prove_access(reply.receipt.as_ref(), known, access.id, |decision, id| {
            matches!(decision, Decision::AccessReleased { access, .. } if access == id)
        })
        .await
    }

    /// The sealed release, for callers that send it themselves.
    ///
    /// # Errors
    ///
    /// As [`Desk::release_access`], but for the call.
    pub fn prepare_release(
        &self,
        access: &AccessView,
        fields: Vec<Field>,
        excluded: &[AgencyId],
    ) -> Result<v1::ReleaseAccessRequest, ClientError> {
        let now = self.now();
        let directory = self.agency().directory()?;
        let protocol = self.agency().protocol()?;
        let requester = access.requester.as_ref();
        let requester = requester.ok_or(ClientError::Reply("no asking agency"))?;
        let member = directory.member(requester)?;
        let authority = member.parent.as_ref();
        if excluded
            .iter()
            .any(|id| id == requester || Some(id) == authority)
        {
            return Err(ClientError::Excluded);
        }
        let source = self.agency().id();
        let told: LabelSet = fields.iter().map(|field| field.label).collect();
        let not_asked = told.beyond(access.labels.closed());
        if !not_asked.is_empty() {
            return Err(Refusal::NotAsked(not_asked).into());
        }
        let allowed = protocol.access(member.kind, access.reason);
        let refused = told.beyond(allowed.beyond(protocol.denied_pair(source, requester)));
        if !refused.is_empty() {
            return Err(Refusal::Protocol(refused).into());
        }
        let draft = ParcelDraft {
            source,
            recipient: requester,
            key: directory.sealing_key(requester, now)?,
            purpose: access.purpose,
            stage: ACCESS_STAGE,
            chain: BasisChainId::from_random(*access.id.as_bytes()),
            now,
            until: now.plus(WINDOW),
            forward: Forward::default(),
            supersedes: None,
            parent: None,
            fields,
            carried: Vec::new(),
        };
        let sealed = seal(draft, self.agency().keys().signer(), &mut SystemRandom)?;
        Ok(v1::ReleaseAccessRequest {
            name: self.access_name(access.id),
            request_id: request_id(),
            parcel: Some(to_proto(sealed.parcel)),
            salt: sealed.basis_salt.to_vec(),
        })
    }

    /// Opens what was released: the receipt, the source's signature, the seal and every label are checked before a
    /// field is handed out. A parcel that is not what its source sealed raises the alarm by itself.
    ///
    /// # Errors
    ///
    /// As [`Desk::open`].
    pub async fn open_access(&self, access: &AccessView) -> Result<OpenedParcel, ClientError> {
        let request = v1::OpenAccessRequest {
            name: self.access_name(access.id),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .open_access(request)
                    .await
            })
            .await?;
        let parcel = reply.parcel.ok_or(ClientError::Reply("no parcel"))?;
        let statement = sha256(&parcel.statement);
        let id = access.id.to_string();
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| {
                matches!(decision, Decision::AccessOpened { access, statement_hash, .. }
                    if *access == id && digest_from_b64u(statement_hash) == Some(statement))
            })?;
        let parcel = from_proto(parcel)?;
        let source = access.source.as_ref();
        let source = source.ok_or(ClientError::Reply("no source"))?;
        let signer = self.signing_key_behind(&parcel.statement, source).await?;
        let expected = Expected {
            recipient: self.agency().id(),
            purpose: access.purpose,
            stage: ACCESS_STAGE,
            now: self.now(),
            skew: SKEW,
        };
        let seen = |parcel: &_| self.agency().seen_parcel(parcel);
        match open(&parcel, &signer, &expected, self.agency().keys(), &seen) {
            Ok(opened) => {
                let parcel = opened.statement.claims().parcel;
                self.agency()
                    .remember_parcel(parcel, *opened.statement.signed_digest());
                Ok(opened)
            }
            Err(error) => {
                if let (Some(alarm), Some(offer)) = (error.alarm(), access.offer) {
                    self.raise_alarm(offer, ACCESS_STAGE, alarm).await?;
                }
                Err(error.into())
            }
        }
    }

    /// Says whether an access that has ended was right.
    ///
    /// # Errors
    ///
    /// As any call; `NEEDS_OUTSIDER` for the asking agency and for who approved or released, `STATE`.
    pub async fn review_access(
        &self,
        access: AccessId,
        finding: AccessFinding,
    ) -> Result<Proven, ClientError> {
        let request = v1::ReviewAccessRequest {
            name: self.access_name(access),
            request_id: request_id(),
            finding: words::access_finding_number(finding),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                BreakGlassServiceClient::new(channel)
                    .review_access(request)
                    .await
            })
            .await?;
        self.prove_access(reply.receipt.as_ref(), known, access, |decision, id| {
            matches!(decision, Decision::AccessReviewed { access, .. } if access == id)
        })
        .await
    }

    /// One access as it stands.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn access(&self, access: AccessId) -> Result<AccessView, ClientError> {
        let name = self.access_name(access);
        let (reply, _) = self
            .call(
                v1::GetAccessRequest { name },
                |channel, request| async move {
                    BreakGlassServiceClient::new(channel)
                        .get_access(request)
                        .await
                },
            )
            .await?;
        self.read_access(reply.access.ok_or(ClientError::Reply("no access"))?)
    }

    /// Every access that this agency may see, in the order made.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn accesses(&self) -> Result<Vec<AccessView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListAccessesRequest {
                parent: words::agency_name(self.agency().id()),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    BreakGlassServiceClient::new(channel)
                        .list_accesses(request)
                        .await
                })
                .await?;
            for access in reply.accesses {
                found.push(self.read_access(access)?);
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn access_name(&self, access: AccessId) -> String {
        format!("agencies/{}/accesses/{access}", self.agency().id())
    }

    async fn prove_access(
        &self,
        receipt: Option<&v1::Receipt>,
        known: Known,
        access: AccessId,
        says: impl Fn(&Decision, &str) -> bool,
    ) -> Result<Proven, ClientError> {
        let id = access.to_string();
        let proven = self.prove(receipt, known).await?;
        Ok(proven.expect(|decision| says(decision, &id))?)
    }

    fn read_access(&self, access: v1::Access) -> Result<AccessView, ClientError> {
        let agency = |name: &str| match name {
            "" => Ok(None),
            name => words::agency_of(name).map(Some),
        };
        let own = self.agency().id();
        let labels: Option<LabelSet> = access.labels.iter().map(label_from_proto).collect();
        let time =
            |at: &Option<prost_types::Timestamp>| at.as_ref().and_then(words::from_proto_time);
        Ok(AccessView {
            id: words::own_id(&access.name, own, "accesses")?,
            state: words::access_state(access.state)
                .ok_or(ClientError::Reply("an access's state"))?,
            reason: words::access_reason(access.reason)
                .ok_or(ClientError::Reply("an access's reason"))?,
            labels: labels.ok_or(ClientError::Reply("a label"))?,
            requester: agency(&access.requester)?,
            source: agency(&access.source)?,
            offer: match access.offer.as_str() {
                "" => None,
                name => Some(words::own_id(name, own, "offers")?),
            },
            purpose: words::purpose(access.purpose).ok_or(ClientError::Reply("a purpose"))?,
            requested: time(&access.request_time),
            ends: time(&access.end_time),
            review_by: time(&access.review_by),
            call_duty_line: access.call_duty_line,
            duty_phone: access.duty_phone,
            finding: words::access_finding(access.finding),
            openings: access.openings,
        })
    }
}

fn label_to_proto(label: Label) -> v1::AccessLabel {
    v1::AccessLabel {
        category: words::category_number(label.category()),
        form: words::form_number(label.form()),
    }
}

fn label_from_proto(label: &v1::AccessLabel) -> Option<Label> {
    let category = words::category(label.category)?;
    Label::new(category, words::form(label.form)?).ok()
}
