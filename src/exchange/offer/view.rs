//! An offer as it stands now, parsed: shared by everything that looks at or moves one.

use crate::domain::gate::stage_open;
use crate::domain::id::{AgencyId, CaseHandle, OfferId, ReferralId};
use crate::domain::offer::{NotAllowed, OfferCommand};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{OfferNotice, OfferState, Purpose, Stage, Urgency};
use crate::exchange::snapshot::Snapshot;
use crate::exchange::{OfferName, Refusal};
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::{self, Record, key};

const TABLE: Table = Table::Offer;

/// An offer as it stands at one moment. One that ran out of time has lapsed, whether or not that is written down yet.
pub(in crate::exchange) struct OfferView {
    pub(in crate::exchange) id: OfferId,
    pub(in crate::exchange) source: AgencyId,
    pub(in crate::exchange) recipient: AgencyId,
    pub(in crate::exchange) referral: ReferralId,
    pub(in crate::exchange) case: CaseHandle,
    pub(in crate::exchange) purpose: Purpose,
    pub(in crate::exchange) urgency: Urgency,
    pub(in crate::exchange) decide_by: Timestamp,
    pub(in crate::exchange) state: OfferState,
    pub(in crate::exchange) record: OfferRecord,
}

impl OfferView {
    /// Parses a record.
    pub(in crate::exchange) fn parse(
        id: OfferId,
        record: OfferRecord,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let decide_by = records::time(TABLE, record.decide_by)?;
        let written: OfferState = records::word(TABLE, &record.state)?;
        let state = if written.can_lapse() && decide_by <= now {
            OfferState::Lapsed
        } else {
            written
        };
        Ok(Self {
            id,
            source: records::word(TABLE, &record.source)?,
            recipient: records::word(TABLE, &record.recipient)?,
            referral: records::word(TABLE, &record.referral)?,
            case: records::word(TABLE, &record.case)?,
            purpose: records::word(TABLE, &record.purpose)?,
            urgency: records::word(TABLE, &record.urgency)?,
            decide_by,
            state,
            record,
        })
    }

    /// An offer that the change will rely on.
    pub(in crate::exchange) fn load(
        snapshot: &mut Snapshot<'_>,
        id: OfferId,
    ) -> Result<Option<Self>, Refusal> {
        let record = snapshot.get::<OfferRecord>(key::offer(id))?;
        let now = snapshot.now;
        record
            .map(|record| Self::parse(id, record, now))
            .transpose()
    }

    /// The offer under its recipient's name.
    pub(in crate::exchange) fn of_recipient(
        snapshot: &mut Snapshot<'_>,
        name: &OfferName,
    ) -> Result<Self, Refusal> {
        let offer = Self::load(snapshot, name.offer)?;
        offer
            .filter(|offer| offer.recipient == name.agency)
            .ok_or(Refusal::NotFound)
    }

    /// The offer under its source's name.
    pub(in crate::exchange) fn of_source(
        snapshot: &mut Snapshot<'_>,
        name: &OfferName,
    ) -> Result<Self, Refusal> {
        let offer = Self::load(snapshot, name.offer)?;
        offer
            .filter(|offer| offer.source == name.agency)
            .ok_or(Refusal::NotFound)
    }

    /// The source's name of it.
    pub(in crate::exchange) fn source_name(&self) -> OfferName {
        OfferName {
            agency: self.source.clone(),
            offer: self.id,
        }
    }

    /// The recipient's name of it.
    pub(in crate::exchange) fn recipient_name(&self) -> OfferName {
        OfferName {
            agency: self.recipient.clone(),
            offer: self.id,
        }
    }

    /// Moves the offer; gives the state before.
    pub(in crate::exchange) fn apply(
        &mut self,
        command: &OfferCommand,
    ) -> Result<OfferState, Refusal> {
        let before = self.state;
        let to = before.apply(command).map_err(|error| match error {
            NotAllowed::Lapsed => Refusal::Lapsed,
            NotAllowed::From { from } => Refusal::State(from),
        })?;
        self.state = to;
        self.record.state = to.name().to_owned();
        Ok(before)
    }

    /// Notes that the recipient opened a stage; `false` when it had before.
    pub(in crate::exchange) fn mark_opened(&mut self, stage: Stage) -> bool {
        mark(&mut self.record.opened, stage)
    }

    /// Notes that a stage was deposited; `false` when it had been before.
    pub(in crate::exchange) fn mark_deposited(&mut self, stage: Stage) -> bool {
        mark(&mut self.record.deposited, stage)
    }

    /// What has been said to the recipient, each once, in the vocabulary's order.
    pub(in crate::exchange) fn notices(&self) -> Result<Vec<OfferNotice>, Refusal> {
        let said = self.record.notices.iter();
        let mut notices = said
            .map(|notice| records::word(TABLE, notice))
            .collect::<Result<Vec<OfferNotice>, _>>()?;
        notices.sort_unstable();
        Ok(notices)
    }

    /// Says `notice` to the recipient; `false` when it had been said.
    pub(in crate::exchange) fn tell(&mut self, notice: OfferNotice) -> bool {
        let said = &mut self.record.notices;
        if said.iter().any(|other| other == notice.name()) {
            return false;
        }
        said.push(notice.name().to_owned());
        true
    }

    /// The write that keeps the offer; `moved` when its state changed.
    pub(in crate::exchange) fn put(&mut self, now: Timestamp, moved: bool) -> Write {
        if moved {
            self.record.updated = now.millis();
        }
        self.record.put(key::offer(self.id))
    }

    /// The writes that destroy the content of every parcel of the offer.
    pub(in crate::exchange) fn erase_parcels(&self) -> Vec<Write> {
        let deposited = stages(&self.record.deposited);
        let erase = |stage| Write::Erase {
            table: Table::ParcelContent,
            key: key::parcel(self.id, stage),
        };
        deposited.into_iter().map(erase).collect()
    }

    /// Stages that a parcel is deposited for and that the state opens.
    pub(in crate::exchange) fn openable(&self) -> Vec<Stage> {
        let mut open = stages(&self.record.deposited);
        open.retain(|&stage| stage_open(self.state, stage));
        open
    }

    /// Places held, if the hold still runs, or taken.
    pub(in crate::exchange) fn places(&self, now: Timestamp) -> u32 {
        let held = self.record.hold_until != 0;
        let over = held && self.record.hold_until <= now.millis();
        if over || self.state.is_terminal() {
            0
        } else {
            self.record.places
        }
    }
}

fn mark(stages: &mut Vec<u32>, stage: Stage) -> bool {
    let number = u32::from(key::stage(stage));
    if stages.contains(&number) {
        return false;
    }
    stages.push(number);
    true
}

/// Stages by their numbers in keys.
pub(in crate::exchange) fn stages(numbers: &[u32]) -> Vec<Stage> {
    let has = |stage: Stage| numbers.contains(&u32::from(key::stage(stage)));
    Stage::ALL
        .iter()
        .copied()
        .filter(|&stage| has(stage))
        .collect()
}
