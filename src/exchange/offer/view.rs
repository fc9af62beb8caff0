//! An offer as it stands now, parsed: shared by everything that looks at or moves one.

use crate::domain::gate::stage_open;
use crate::domain::id::{AgencyId, CaseHandle, GroupId, OfferId, ReferralId};
use crate::domain::offer::{NotAllowed, OfferCommand};
use crate::domain::place::Party;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    ErasureAnswer, OfferNotice, OfferState, Purpose, Question, Stage, Urgency,
};
use crate::exchange::snapshot::Snapshot;
use crate::exchange::{OfferName, Refusal};
use crate::storage::engine::{Table, Write};
use crate::storage::records::offer::{OfferRecord, OpenedParcel};
use crate::storage::records::{self, Record, key};

const TABLE: Table = Table::Offer;

/// How often parcels of one offer are replaced or corrected, all stages together: a correction a day for two months.
/// Each rings the recipient, whose doorbells are kept up to a number.
const REPLACED_MAX: u32 = 64;

/// An offer as it stands at one moment. One that ran out of time has lapsed, whether or not that is written down yet.
#[derive(Clone)]
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

    /// The offer as it stood before it lapsed, if it did so after `since` and that is not written down yet.
    pub(in crate::exchange) fn lapsed_since(
        &self,
        since: Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        let written: OfferState = records::word(TABLE, &self.record.state)?;
        let lapsed = self.state == OfferState::Lapsed && written.can_lapse();
        Ok((lapsed && since < self.decide_by).then(|| Self {
            state: written,
            ..self.clone()
        }))
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
            // One whose turn has not come, or never came, is not there.
            .filter(|offer| offer.recipient == name.agency && offer.record.asked != 0)
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

    /// Has what follows count only while the offer has not lapsed: it found it open.
    pub(in crate::exchange) fn while_open(&self, snapshot: &mut Snapshot<'_>) {
        if self.state.can_lapse() {
            snapshot.counts_before(self.decide_by);
        }
    }

    /// Notes that the recipient opened a stage; `false` when it had before.
    pub(in crate::exchange) fn mark_opened(&mut self, stage: Stage) -> bool {
        mark(&mut self.record.opened, stage)
    }

    /// Notes which parcel of a stage was opened; `false` when it was noted before.
    pub(in crate::exchange) fn mark_parcel_opened(&mut self, stage: Stage, parcel: &str) -> bool {
        if self.opened_parcel(stage) == Some(parcel) {
            return false;
        }
        let number = u32::from(key::stage(stage));
        let opened = &mut self.record.opened_parcels;
        opened.retain(|opened| opened.stage != number);
        opened.push(OpenedParcel {
            stage: number,
            parcel: parcel.to_owned(),
        });
        true
    }

    /// Counts a parcel that is put in another's place.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooMany`] past [`REPLACED_MAX`].
    pub(in crate::exchange) fn count_replaced(&mut self) -> Result<(), Refusal> {
        if self.record.replaced >= REPLACED_MAX {
            return Err(Refusal::TooMany);
        }
        self.record.replaced += 1;
        Ok(())
    }

    /// Notes that the recipient read something that is no parcel of the offer; `false` when it had before.
    pub(in crate::exchange) fn mark_told(&mut self) -> bool {
        !std::mem::replace(&mut self.record.told, true)
    }

    /// Notes that the recipient is told something. One that had erased all has something again, which nobody has asked
    /// it to erase: what was asked and answered is over, and in the ledger. `false` when nothing of that changed.
    pub(in crate::exchange) fn told_again(&mut self) -> bool {
        let erased = self.record.erasure == ErasureAnswer::Erased.name();
        if erased {
            self.record.erasure.clear();
            self.record.erasure_asked = 0;
            self.untell(OfferNotice::PleaseErase);
        }
        erased
    }

    /// Whether the recipient has opened a parcel: only then can it have passed one on.
    pub(in crate::exchange) fn has_opened(&self) -> bool {
        !self.record.opened.is_empty()
    }

    /// Whether the recipient has anything that it could be asked to erase.
    pub(in crate::exchange) fn has_content(&self) -> bool {
        self.record.told || !self.record.opened.is_empty()
    }

    /// The parcel of a stage that was last opened.
    pub(in crate::exchange) fn opened_parcel(&self, stage: Stage) -> Option<&str> {
        let number = u32::from(key::stage(stage));
        let mut opened = self.record.opened_parcels.iter();
        let opened = opened.find(|opened| opened.stage == number)?;
        Some(&opened.parcel)
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

    /// Takes `notice` back; `false` when it had not been said.
    pub(in crate::exchange) fn untell(&mut self, notice: OfferNotice) -> bool {
        let before = self.record.notices.len();
        (self.record.notices).retain(|other| other != notice.name());
        self.record.notices.len() < before
    }

    /// What the recipient last asked for.
    pub(in crate::exchange) fn questions(&self) -> Result<Vec<Question>, Refusal> {
        let questions = self.record.questions.iter();
        let questions = questions.map(|question| records::word(TABLE, question));
        Ok(questions.collect::<Result<_, _>>()?)
    }

    /// The write that keeps the offer; `moved` when its state changed.
    pub(in crate::exchange) fn put(&mut self, now: Timestamp, moved: bool) -> Write {
        if moved {
            self.record.updated = now.millis();
        }
        self.record.put(key::offer(self.id))
    }

    /// Whether `agency` is its source, or a recipient that was asked: before its turn there is nothing to see.
    pub(in crate::exchange) fn is_party(&self, agency: &AgencyId) -> bool {
        self.source == *agency || (self.recipient == *agency && self.record.asked != 0)
    }

    /// The offer under a party's name.
    pub(in crate::exchange) fn of_party(
        snapshot: &mut Snapshot<'_>,
        name: &OfferName,
    ) -> Result<Self, Refusal> {
        let offer = Self::load(snapshot, name.offer)?;
        offer
            .filter(|offer| offer.is_party(&name.agency))
            .ok_or(Refusal::NotFound)
    }

    /// Whether nothing new may be told until the source has spoken with the person.
    pub(in crate::exchange) fn is_paused(&self) -> bool {
        let mut said = self.record.notices.iter();
        said.any(|notice| notice == OfferNotice::Paused.name())
    }

    /// The writes that destroy the content of every message of the offer.
    pub(in crate::exchange) fn erase_messages(&self) -> impl Iterator<Item = Write> + use<> {
        let offer = self.id;
        (1..=self.record.messages).map(move |number| Write::Erase {
            table: Table::MessageContent,
            key: key::message(offer, number),
        })
    }

    /// The writes that destroy the key of every attachment of the offer; the files go after them.
    pub(in crate::exchange) fn erase_attachments(&self) -> impl Iterator<Item = Write> {
        self.record
            .attachments
            .iter()
            .map(|attachment| Write::Erase {
                table: Table::AttachmentKey,
                key: [self.id.as_bytes().as_slice(), attachment].concat(),
            })
    }

    /// Stages that a parcel is deposited for and that the state opens.
    pub(in crate::exchange) fn openable(&self) -> Vec<Stage> {
        let mut open = stages(&self.record.deposited);
        open.retain(|&stage| stage_open(self.state, stage));
        open
    }

    /// The group that it came in, as its recipient knows it.
    pub(in crate::exchange) fn group(&self) -> Result<Option<GroupId>, Refusal> {
        Ok(records::optional(TABLE, &self.record.group)?)
    }

    /// With whom it may share a room: with its group, when that stays together.
    pub(in crate::exchange) fn party(&self) -> Result<Party, Refusal> {
        let group = self.group()?.filter(|_| self.record.together);
        Ok(group.map_or_else(|| Party::from(self.id), Party::from))
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
