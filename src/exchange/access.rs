//! Break-glass: asked for, approved outside, released by the source, opened, ended, reviewed. Each an act of its own.

mod answer;
pub(super) mod ends;
mod release;
mod request;
mod view;

pub use view::AccessSeen;

use self::answer::Say;
use self::release::Sealed;
use self::view::AccessView;
use super::snapshot::{Snapshot, own};
use super::{AccessName, Exchange, OfferName, Page, Paged, Receipt, Refusal, Requested};
use crate::domain::id::{AccessId, AgencyId};
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AccessFinding, AccessReason};
use crate::envelope::statement::SealedParcel;
use crate::identity::caller::Caller;
use crate::storage::engine::Table;
use crate::storage::records::access::{AccessListRecord, AccessRecord};
use crate::storage::records::{self, Record, key};

impl Exchange {
    /// Asks for what nobody had agreed to tell. The alarm is durable, and everybody concerned alerted, when this
    /// answers.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for an offer that is not there, is over, or whose person took back what this agency had:
    /// one answer, and the ledger records the true reason. [`Refusal::ProtocolRefused`], [`Refusal::Access`] while
    /// another request for the offer runs, [`Refusal::TooMany`].
    pub async fn request_access(
        &self,
        caller: &Caller,
        offer: &OfferName,
        requested: Requested,
        reason: AccessReason,
        labels: LabelSet,
    ) -> Result<(AccessSeen, Receipt), Refusal> {
        let (by, of) = (caller.clone(), offer.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            of.owned_by(&by)?;
            request::prepare(snapshot, &by, &of, &requested, (reason, labels))
        };
        let asked = match self.perform(prepare).await {
            Ok(done) => done.single()?,
            Err(refusal) => {
                return Err(self.unasked(caller, "RequestAccess", refusal).await?);
            }
        };
        let (name, receipt) = asked;
        Ok((self.access(caller, &name).await?, receipt))
    }

    /// What is told of a refusal: whatever depends on the person is one answer, after the same entry.
    async fn unasked(
        &self,
        caller: &Caller,
        method: &str,
        refusal: Refusal,
    ) -> Result<Refusal, Refusal> {
        let answer = match refusal {
            Refusal::Unavailable | Refusal::Overloaded | Refusal::Internal => return Ok(refusal),
            Refusal::RequestIdReused
            | Refusal::InvalidField(_)
            | Refusal::TooMany
            | Refusal::Access(_) => {
                return Ok(refusal);
            }
            Refusal::NotPermitted | Refusal::ProtocolRefused(_) => refusal.clone(),
            _ => Refusal::NotFound,
        };
        let (agency, staff) = (caller.agency(), Some(caller.staff()));
        self.deny(agency, staff, method, refusal.reason()).await?;
        Ok(answer)
    }

    async fn said(
        &self,
        caller: &Caller,
        method: &'static str,
        name: &AccessName,
        requested: Requested,
        say: Say,
    ) -> Result<Receipt, Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            answer::prepare(snapshot, &by, &name, &requested, say)
        };
        let done = self.perform_for(caller, method, prepare).await?;
        Ok(done.single()?.1)
    }

    /// Approves, from outside the asking agency: the source's duty desk may then release.
    ///
    /// # Errors
    ///
    /// [`Refusal::NeedsOutsider`], [`Refusal::Access`], [`Refusal::NotFound`].
    pub async fn approve_access(
        &self,
        caller: &Caller,
        name: &AccessName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        self.said(caller, "ApproveAccess", name, requested, Say::Approve)
            .await
    }

    /// Refuses, from outside the asking agency.
    ///
    /// # Errors
    ///
    /// As [`Exchange::approve_access`].
    pub async fn refuse_access(
        &self,
        caller: &Caller,
        name: &AccessName,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        self.said(caller, "RefuseAccess", name, requested, Say::Refuse)
            .await
    }

    /// Says whether it was right.
    ///
    /// # Errors
    ///
    /// As [`Exchange::approve_access`].
    pub async fn review_access(
        &self,
        caller: &Caller,
        name: &AccessName,
        requested: Requested,
        finding: AccessFinding,
    ) -> Result<Receipt, Refusal> {
        let say = Say::Review(finding);
        self.said(caller, "ReviewAccess", name, requested, say)
            .await
    }

    /// Releases a parcel sealed to the asking agency; gives when it can no longer be opened.
    ///
    /// # Errors
    ///
    /// [`Refusal::Access`], [`Refusal::ProtocolRefused`], [`Refusal::BasisNotCovering`] for what was not asked for,
    /// [`Refusal::BasisWithdrawn`], [`Refusal::StatementInvalid`], [`Refusal::SignatureInvalid`],
    /// [`Refusal::RecipientUnavailable`], [`Refusal::NotFound`].
    pub async fn release_access(
        &self,
        caller: &Caller,
        name: &AccessName,
        requested: Requested,
        parcel: SealedParcel,
        salt: [u8; 32],
    ) -> Result<(Timestamp, Receipt), Refusal> {
        let (by, name) = (caller.clone(), name.clone());
        let sealed = Sealed { parcel, salt };
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            release::prepare(snapshot, &by, &name, &requested, &sealed)
        };
        self.perform_for(caller, "ReleaseAccess", prepare)
            .await?
            .single()
    }

    /// Opens what was released. Never remembered: a repeated call decides again and is a new entry.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for absent, not yet, over, or taken back: one answer, and the ledger records a denial.
    pub async fn open_access(
        &self,
        caller: &Caller,
        name: &AccessName,
    ) -> Result<(SealedParcel, Receipt), Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            of.owned_by(&by)?;
            release::prepare_opening(snapshot, &by, &of)
        };
        let refusal = match self.perform(prepare).await {
            // The receipt of its own entry is what lets a parcel out (invariant 8).
            Ok(done) => {
                let (withheld, receipt) = done.single()?;
                return Ok((withheld.0, receipt));
            }
            Err(refusal) => refusal,
        };
        let answer = match refusal {
            Refusal::Unavailable | Refusal::Overloaded | Refusal::Internal => return Err(refusal),
            Refusal::NotPermitted => Refusal::NotPermitted,
            _ => Refusal::NotFound,
        };
        let (agency, staff) = (caller.agency(), Some(caller.staff()));
        self.deny(agency, staff, "OpenAccess", refusal.reason())
            .await?;
        Err(answer)
    }

    /// One access, as its viewer sees it.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn access(&self, caller: &Caller, name: &AccessName) -> Result<AccessSeen, Refusal> {
        name.owned_by(caller)?;
        let (by, name) = (caller.clone(), name.clone());
        self.read(move |snapshot| {
            let view = AccessView::of_viewer(snapshot, &name, &by)?;
            view.seen(snapshot, &by, snapshot.now)
        })
        .await
    }

    /// A viewer's accesses, in the order made.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn accesses(
        &self,
        caller: &Caller,
        viewer: &AgencyId,
        page: Page,
    ) -> Result<Paged<AccessSeen>, Refusal> {
        own(caller, viewer)?;
        let (by, viewer) = (caller.clone(), viewer.clone());
        self.read(move |snapshot| {
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read("accesses", &viewer, &page.token)?;
            let prefix = key::of_agency(&viewer);
            let rows =
                snapshot.scan(Table::AccessList, &prefix, after.as_deref(), page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, stored) in rows.into_iter().take(page.size) {
                let listed = AccessListRecord::from_stored(&stored)?;
                let id: AccessId = records::word(Table::AccessList, &listed.access)?;
                let record = snapshot.peek::<AccessRecord>(&key::access(id))?;
                let record = record.ok_or_else(|| records::corrupt(Table::AccessList))?;
                let view = AccessView::parse(id, record)?;
                items.push(view.seen(snapshot, &by, snapshot.now)?);
                if more {
                    next = tokens.make("accesses", &viewer, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }
}
