//! Erasure: content keys are destroyed, and a tombstone says of which entries.
//!
//! The engine destroys the keys in the batch that holds the tombstone. Decision openings stay: an auditor still sees
//! that something was disclosed, and that it is gone.

use super::Refusal;
use super::offer::view::{OfferView, stages};
use super::sequencer::EntryDraft;
use super::snapshot::Snapshot;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::Stage;
use crate::storage::engine::{Table, Write};
use crate::storage::records::key;
use crate::storage::records::parcel::ParcelRecord;
use std::collections::BTreeSet;

/// The entries whose content one change destroys. They get one entry together, so that what a receipt shows of the
/// log's growth does not count them.
#[derive(Debug, Default)]
#[must_use = "erased content needs its tombstone"]
pub(super) struct Tombstone(BTreeSet<u64>);

impl Tombstone {
    /// Notes the entry that carried the content, by one more than its index; zero for none.
    pub(super) fn note(&mut self, entry: u64) {
        self.0.extend(entry.checked_sub(1));
    }

    /// Notes the entry that carried the parcel of one stage.
    pub(super) fn of_parcel(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        offer: OfferId,
        stage: Stage,
    ) -> Result<(), Refusal> {
        let parcel = snapshot.get::<ParcelRecord>(key::parcel(offer, stage))?;
        self.note(parcel.map_or(0, |parcel| parcel.entry));
        Ok(())
    }

    /// The writes that destroy the content of every parcel of `offer`.
    pub(super) fn erase_parcels(
        &mut self,
        snapshot: &mut Snapshot<'_>,
        offer: &OfferView,
    ) -> Result<Vec<Write>, Refusal> {
        let mut writes = Vec::new();
        for stage in stages(&offer.record.deposited) {
            self.of_parcel(snapshot, offer.id, stage)?;
            writes.push(Write::Erase {
                table: Table::ParcelContent,
                key: key::parcel(offer.id, stage),
            });
        }
        Ok(writes)
    }

    /// Puts the tombstone behind the entries of the acts that erase; nothing when nothing was erased.
    pub(super) fn add_to(self, entries: &mut Vec<EntryDraft>) {
        if !self.0.is_empty() {
            entries.push(EntryDraft::erased(self.0.into_iter().collect()));
        }
    }
}
