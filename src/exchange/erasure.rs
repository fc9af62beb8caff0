//! Erasure: content keys are destroyed, and a tombstone says of which entries.
//!
//! The engine destroys the keys in the batch that holds the tombstone. Decision openings stay: an auditor still sees
//! that something was disclosed, and that it is gone. What a recipient has opened lies with the recipient: it is asked,
//! and answers.

use super::Refusal;
use super::alert::{Alert, raise};
use super::event::EventKind;
use super::offer::view::{OfferView, stages};
use super::person::{CaseOf, Told, disclosed};
use super::sequencer::{Change, Doorbell};
use super::snapshot::Snapshot;
use crate::domain::erasure::may_answer;
use crate::domain::id::OfferId;
use crate::domain::label::LabelSet;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AlertKind, DisclosureKind, ErasureAnswer, Stage};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::{Table, Write};
use crate::storage::records::attachment::{AttachmentKeyRecord, AttachmentRecord};
use crate::storage::records::message::{MessageContentRecord, MessageRecord};
use crate::storage::records::parcel::ParcelRecord;
use crate::storage::records::{self, key};
use std::time::Duration;

impl Snapshot<'_> {
    /// Notes that content is erased with the change: that of the entry, by one more than its index; zero for none.
    ///
    /// Before the snapshot gives its change. All that a change erases gets one tombstone behind its entries, so that
    /// what a receipt shows of the log's growth does not count it.
    pub(super) fn note_erased(&mut self, entry: u64) {
        self.erased.extend(entry.checked_sub(1));
    }

    /// Notes that the content of one stage's parcel is erased or replaced.
    pub(super) fn erase_parcel(&mut self, offer: OfferId, stage: Stage) -> Result<(), Refusal> {
        let parcel = self.get::<ParcelRecord>(key::parcel(offer, stage))?;
        self.note_erased(parcel.map_or(0, |parcel| parcel.entry));
        Ok(())
    }

    /// The writes that destroy the content of every parcel, message and attachment of `offer`.
    pub(super) fn erase_parcels(&mut self, offer: &OfferView) -> Result<Vec<Write>, Refusal> {
        let mut writes = Vec::new();
        for stage in stages(&offer.record.deposited) {
            self.erase_parcel(offer.id, stage)?;
            writes.push(Write::Erase {
                table: Table::ParcelContent,
                key: key::parcel(offer.id, stage),
            });
        }
        writes.extend(self.erase_said(offer)?);
        Ok(writes)
    }

    /// The writes that destroy the content of every message and attachment of `offer`, noting the entries of those that
    /// are still there.
    pub(super) fn erase_said(&mut self, offer: &OfferView) -> Result<Vec<Write>, Refusal> {
        for number in 1..=offer.record.messages {
            let at = key::message(offer.id, number);
            if self.peek::<MessageContentRecord>(&at)?.is_some() {
                let record = self.peek::<MessageRecord>(&at)?;
                self.note_erased(record.map_or(0, |record| record.entry));
            }
        }
        for attachment in &offer.record.attachments {
            let at = [offer.id.as_bytes().as_slice(), attachment].concat();
            let kept = self.peek::<AttachmentKeyRecord>(&at)?.is_some();
            let record = self.peek::<AttachmentRecord>(&at)?;
            // What was never whole has no entry.
            if let Some(record) = record.filter(|record| kept && record.complete) {
                self.note_erased(record.index + 1);
            }
        }
        let messages = offer.erase_messages();
        Ok(messages.chain(offer.erase_attachments()).collect())
    }

    /// Whether the change will have a tombstone.
    pub(super) fn erases(&self) -> bool {
        !self.erased.is_empty()
    }
}

/// How long a recipient may take to say what it did when it was asked to erase; then the source is alerted.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(72 * 60 * 60);

/// A recipient says what it did when it was asked to erase.
pub(super) fn answer(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    mut offer: OfferView,
    answer: ErasureAnswer,
) -> Result<Change, Refusal> {
    let before = records::optional(Table::Offer, &offer.record.erasure)?;
    if offer.record.erasure_asked == 0 || !may_answer(answer, offer.state, before) {
        return Err(Refusal::State(offer.state));
    }
    answer.name().clone_into(&mut offer.record.erasure);
    let mut change = snapshot.change();
    change.writes.push(offer.put(snapshot.now, false));
    let decision = Decision::ErasureAnswered {
        offer: offer.id.to_string(),
        answer: answer.name().to_owned(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let of = CaseOf {
        source: offer.source.clone(),
        case: offer.case,
    };
    let told = Told {
        kind: match answer {
            ErasureAnswer::Erased => DisclosureKind::Erased,
            ErasureAnswer::KeptLegalDuty => DisclosureKind::KeptByLaw,
            ErasureAnswer::KeptInCareOwnConsent => DisclosureKind::KeptInCare,
        },
        by: &offer.source,
        recipient: &offer.recipient,
        purpose: Some(offer.purpose),
        stage: None,
        labels: LabelSet::EMPTY,
        basis: None,
        offer: Some(offer.id),
    };
    disclosed(&mut change, 0, &of, &told);
    change.doorbells.push(Doorbell {
        agency: offer.source.clone(),
        resource: offer.source_name().to_string(),
        kind: EventKind::Erasure,
    });
    Ok(change)
}

/// The time to answer is over: the source is alerted, unless there is an answer, or it was asked again since.
pub(super) fn due(
    snapshot: &mut Snapshot<'_>,
    at: Timestamp,
    id: OfferId,
) -> Result<Option<Change>, Refusal> {
    let offer = OfferView::load(snapshot, id)?;
    let offer = offer.ok_or_else(|| records::corrupt(Table::Deadline))?;
    let asked = records::time(Table::Offer, offer.record.erasure_asked)?;
    // It answered, and was told more since: that is a question of its own.
    let over = offer.record.erasure_asked == 0 || !offer.record.erasure.is_empty();
    if over || asked.plus(ANSWER_WITHIN) > at {
        return Ok(None);
    }
    let mut change = snapshot.change();
    let alert = Alert {
        kind: AlertKind::ErasureUnanswered,
        about: offer.source_name().to_string(),
        by: Some(offer.recipient.clone()),
        code: String::new(),
    };
    raise(snapshot, &mut change, &offer.source, alert);
    Ok(Some(change))
}
