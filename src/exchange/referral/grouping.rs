//! Several cases asked for together: one referral each, and one group at each recipient.

use super::making::{Grouped, make};
use super::{NewOffer, NewReferral};
use crate::domain::id::{AgencyId, CaseHandle, GroupId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{Purpose, Urgency};
use crate::exchange::group::MEMBERS_MAX;
use crate::exchange::receipt::Receipt;
use crate::exchange::snapshot::{Prepared, Snapshot, own, remembered};
use crate::exchange::{Exchange, GroupName, OfferName, ReferralName, Refusal, Requested};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::records::place::GroupRecord;
use crate::storage::records::request::RequestRecord;
use crate::storage::records::{Record, key};

/// Most offers of one group, all members together.
pub const GROUP_OFFERS_MAX: usize = 64;

/// One member of a group: a case of its own, on bases of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// Handle of the case.
    pub case: CaseHandle,
    /// Offers to the same recipients as every other member's.
    pub offers: Vec<NewOffer>,
}

/// What a source asks for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// Purpose.
    pub purpose: Purpose,
    /// Urgency.
    pub urgency: Urgency,
    /// Time to decide by, if sooner than the urgency's clock.
    pub decide_by: Option<Timestamp>,
    /// Whether a recipient takes all who are still there, or nobody.
    pub together: bool,
    /// 2 to 16 members.
    pub members: Vec<NewMember>,
}

/// One member's referral.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedMember {
    /// Name of the referral.
    pub name: ReferralName,
    /// The source's names of the offers, in the order of the request.
    pub offers: Vec<OfferName>,
}

/// What was made.
#[derive(Debug)]
pub struct CreatedGroup {
    /// The source's own name of the group.
    pub name: GroupName,
    /// The members, in the order of the request.
    pub members: Vec<CreatedMember>,
    /// Receipts, one per offer in the same order, member by member.
    pub receipts: Vec<Receipt>,
}

type Made = (GroupName, Vec<CreatedMember>);

/// Every member is asked for at the same recipients, each case once.
fn check(new: &NewGroup) -> Result<Vec<AgencyId>, Refusal> {
    if !(2..=MEMBERS_MAX).contains(&new.members.len()) {
        return Err(Refusal::InvalidField("members"));
    }
    let offers: usize = new.members.iter().map(|member| member.offers.len()).sum();
    if offers > GROUP_OFFERS_MAX {
        return Err(Refusal::InvalidField("members.offers"));
    }
    let recipients = |member: &NewMember| {
        let recipients = member.offers.iter().map(|offer| offer.recipient.clone());
        recipients.collect::<Vec<AgencyId>>()
    };
    let all = new.members.first().map(recipients).unwrap_or_default();
    for (at, member) in new.members.iter().enumerate() {
        if recipients(member) != all {
            return Err(Refusal::InvalidField("members.offers.recipient"));
        }
        let mut before = new.members.iter().take(at);
        if before.any(|other| other.case == member.case) {
            return Err(Refusal::InvalidField("members.case_handle"));
        }
    }
    Ok(all)
}

fn again(record: &RequestRecord, new: &NewGroup) -> Result<Made, Refusal> {
    let mut at = 0;
    let mut next = || {
        at += 1;
        at - 1
    };
    let name = remembered(record, next())?;
    let mut members = Vec::with_capacity(new.members.len());
    for member in &new.members {
        let name = remembered(record, next())?;
        let offers: Result<_, _> = (member.offers.iter())
            .map(|_| remembered(record, next()))
            .collect();
        members.push(CreatedMember {
            name,
            offers: offers?,
        });
    }
    Ok((name, members))
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    new: &NewGroup,
) -> Result<Prepared<Made>, Refusal> {
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(again(&record, new)?, record.indexes));
    }
    let recipients = check(new)?;
    let random = || GroupId::from_random(snapshot.shared.random());
    let name = GroupName {
        agency: own.id.clone(),
        group: random(),
    };
    // Another id at each recipient: two who compare theirs have nothing in common (R3).
    let grouped = Grouped {
        source: name.group,
        together: new.together,
        recipients: recipients.into_iter().map(|id| (id, random())).collect(),
    };
    let mut change = snapshot.change();
    let mut members = Vec::with_capacity(new.members.len());
    let mut at_recipient = vec![Vec::new(); grouped.recipients.len()];
    for member in &new.members {
        let referral = NewReferral {
            case: member.case,
            purpose: new.purpose,
            urgency: new.urgency,
            decide_by: new.decide_by,
            offers: member.offers.clone(),
            place_by: None,
            parallel: None,
        };
        let (made, name, offers) = make(snapshot, caller, &own, &referral, Some(&grouped))?;
        change.absorb(made);
        for (offer, of) in offers.iter().zip(&member.offers) {
            let mut recipients = grouped.recipients.iter().zip(&mut at_recipient);
            if let Some((_, at)) = recipients.find(|((id, _), _)| *id == of.recipient) {
                at.push(offer.offer.to_string());
            }
        }
        members.push(CreatedMember { name, offers });
    }
    let shown: Vec<usize> = (0..change.entries.len()).collect();
    for ((recipient, group), offers) in grouped.recipients.into_iter().zip(at_recipient) {
        let record = GroupRecord {
            offers: offers.clone(),
            together: new.together,
        };
        change
            .writes
            .push(record.put(key::group(&recipient, group)));
        let decision = Decision::Grouped {
            group: group.to_string(),
            recipient: recipient.to_string(),
            offers,
            together: new.together,
            staff: caller.staff().as_str().to_owned(),
        };
        change.entries.push(snapshot.entry_by(caller, decision));
    }
    let mut names = vec![name.to_string()];
    for member in &members {
        names.push(member.name.to_string());
        names.extend(member.offers.iter().map(ToString::to_string));
    }
    snapshot.remember(&mut change, &own.id, requested, names, &shown, 0);
    Ok(Prepared::New(change, (name, members), shown))
}

impl Exchange {
    /// Creates one referral per member and one group per recipient, all in one batch or nothing.
    ///
    /// # Errors
    ///
    /// As [`Exchange::create_referral`], for the first member that may not be asked for so.
    pub async fn create_group(
        &self,
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
        group: NewGroup,
    ) -> Result<CreatedGroup, Refusal> {
        let (by, source) = (caller.clone(), source.clone());
        let step = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &source)?;
            prepare(snapshot, &by, &requested, &group)
        };
        let done = self
            .perform_for(caller, "CreateGroupReferral", step)
            .await?;
        let (name, members) = done.value;
        Ok(CreatedGroup {
            name,
            members,
            receipts: done.receipts,
        })
    }
}
