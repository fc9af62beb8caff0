//! Several people asked for together, each on their own yes.

use super::{Candidate, is_offered};
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::LogViolation;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::{AgencyId, CaseHandle, GroupId, OfferId, ReferralId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Purpose, Urgency};
use crate::proto::v1;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// What is asked for a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupAsk {
    /// For what.
    pub purpose: Purpose,
    /// How soon.
    pub urgency: Urgency,
    /// Decide by; the router cuts it to the urgency's clock.
    pub decide_by: Timestamp,
    /// Whether a recipient takes all who are still there, or nobody: only when every adult said so.
    pub keep_together: bool,
}

/// One person of a group: a case of its own, and its own basis for every candidate.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// The case.
    pub case: CaseHandle,
    /// The same recipients as every other member's.
    pub candidates: Vec<Candidate<'a>>,
}

/// A group that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentGroup {
    /// Its id at this agency; no recipient knows it.
    pub group: GroupId,
    /// Each member's referral and offers, in the order of the request.
    pub members: Vec<(ReferralId, Vec<(AgencyId, OfferId)>)>,
}

impl Desk {
    /// Asks for several people together: one referral each, all of them or none.
    ///
    /// # Errors
    ///
    /// As [`Desk::create_referral`], for the first member and candidate that may not be asked for so.
    pub async fn create_group(
        &self,
        ask: &GroupAsk,
        members: &[Member<'_>],
    ) -> Result<SentGroup, ClientError> {
        let mut new = Vec::with_capacity(members.len());
        let mut expected = Vec::with_capacity(members.len());
        for member in members {
            let mut offers = Vec::with_capacity(member.candidates.len());
            let mut parcels = Vec::with_capacity(member.candidates.len());
            for candidate in &member.candidates {
                let (offer, ids) = self.prepare_offer(ask.purpose, candidate)?;
                offers.push(offer);
                parcels.push((candidate.basis.recipient.clone(), ids));
            }
            new.push(v1::NewMember {
                case_handle: member.case.to_string(),
                offers,
            });
            expected.push(parcels);
        }
        let request = v1::CreateGroupReferralRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            purpose: words::purpose_number(ask.purpose),
            urgency: words::urgency_number(ask.urgency),
            decide_by: Some(words::to_proto_time(ask.decide_by)),
            keep_together: ask.keep_together,
            members: new,
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .create_group_referral(request)
                    .await
            })
            .await?;
        let own = self.agency().id();
        let group = words::own_id(&reply.name, own, "groups")?;
        let mut receipts = reply.receipts.iter();
        let mut made = Vec::with_capacity(expected.len());
        if reply.members.len() != expected.len() {
            return Err(LogViolation::NoReceipt.into());
        }
        for (member, expected) in reply.members.iter().zip(expected) {
            let referral: ReferralId = words::own_id(&member.name, own, "referrals")?;
            if member.offers.len() != expected.len() {
                return Err(LogViolation::NoReceipt.into());
            }
            let mut offers = Vec::with_capacity(expected.len());
            for (name, (recipient, ids)) in member.offers.iter().zip(expected) {
                let offer: OfferId = words::own_id(name, own, "offers")?;
                let receipt = receipts.next().ok_or(LogViolation::NoReceipt)?;
                let proven = self.prove(Some(receipt), known).await?;
                proven
                    .expect(|decision| is_offered(decision, offer, referral, &recipient, &ids))?;
                offers.push((recipient, offer));
            }
            made.push((referral, offers));
        }
        Ok(SentGroup {
            group,
            members: made,
        })
    }
}
