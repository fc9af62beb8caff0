//! Succession: a log that was restored from a backup behind what was witnessed goes on under a new origin and key.
//!
//! The tree goes on over the same entries, and the first new one says so. What sources signed after the backup is not
//! known to the router any more, withdrawals among them: so nothing of a source is disclosed before it has resubmitted
//! its newer statements and said that it has.

use super::sequencer::{StoredTiles, restored};
use super::snapshot::{Prepared, Snapshot, own};
use super::{Exchange, Receipt, Refusal, Requested, Settings, StartError};
use crate::domain::id::AgencyId;
use crate::identity::caller::Caller;
use crate::identity::certificate::is_trust_domain;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, Opening};
use crate::ledger::hash;
use crate::storage::engine::{Batch, Engine, Table, Write};
use crate::storage::records::log::{ConfirmationRecord, LogRecord, OpeningRecord};
use crate::storage::records::{Record, key};
use std::sync::Arc;

/// The log that is succeeded, as it was last known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// The old log's verifier key.
    pub of_key: String,
    /// Its last checkpoint that is known; none when nobody kept one.
    pub witnessed: Option<Checkpoint>,
}

impl Snapshot<'_> {
    /// That `source` has resubmitted what it signed since the backup, if the log was succeeded. The change relies on
    /// it.
    ///
    /// # Errors
    ///
    /// [`Refusal::SuccessionPending`].
    pub(super) fn confirmed(&mut self, source: &AgencyId) -> Result<(), Refusal> {
        let succession = self.shared.succession;
        if succession == 0 {
            return Ok(());
        }
        let record = self.get::<ConfirmationRecord>(key::of_agency(source))?;
        if record.is_some_and(|record| record.succession >= succession) {
            Ok(())
        } else {
            Err(Refusal::SuccessionPending)
        }
    }
}

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    source: &AgencyId,
    requested: &Requested,
) -> Result<Prepared<()>, Refusal> {
    own(caller, source)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(source, requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let succession = snapshot.shared.succession;
    let index = succession.checked_sub(1).ok_or(Refusal::NoSuccession)?;
    if snapshot.confirmed(source).is_ok() {
        return Err(Refusal::NoSuccession);
    }
    let mut change = snapshot.change();
    let record = ConfirmationRecord { succession };
    change.writes.push(record.put(key::of_agency(source)));
    let decision = Decision::SuccessionConfirmed {
        succession: index,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, source, requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Records that a source has resubmitted what it signed since the backup: its parcels may be opened again.
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSuccession`] when there was none, or the source has confirmed it.
    pub async fn confirm_succession(
        &self,
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
    ) -> Result<Receipt, Refusal> {
        let (by, source) = (caller.clone(), source.clone());
        let step = move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, &source, &requested);
        let done = self.perform_for(caller, "ConfirmSuccession", step).await?;
        Ok(done.single()?.1)
    }

    /// Has the log in a store go on under the signer's name, with an entry that says what it succeeds. While nobody
    /// runs it; gives the index of the entry.
    ///
    /// # Errors
    ///
    /// [`StartError`]; then the store is as it was.
    pub fn succeed(
        engine: &Arc<dyn Engine>,
        settings: &mut Settings,
        of: &Succession,
    ) -> Result<u64, StartError> {
        let stored = engine.get(Table::Meta, key::LOG)?;
        let mut log = LogRecord::from_stored(&stored.ok_or(StartError::Empty)?)?;
        let origin = settings.signer.name().to_owned();
        if !is_trust_domain(&origin) || origin == log.log_origin() {
            return Err(StartError::Invalid("new origin"));
        }
        let (mut edge, _, last) = restored(engine)?;
        let index = edge.size();
        let mut nonce = [0; 32];
        settings.random.fill(&mut nonce);
        let decision = Decision::Succeeded {
            origin: origin.clone(),
            of: log.log_origin().to_owned(),
            of_key: of.of_key.clone(),
            witnessed: of.witnessed.as_ref().map_or(0, |known| known.size),
            root: of
                .witnessed
                .as_ref()
                .map(|known| known.root.base64url())
                .unwrap_or_default(),
            restored: index,
        };
        let opening = Opening { nonce, decision };
        let at = settings.clock.wall().max(last);
        let entry = Entry::committed(Actor::Router, at, &opening);
        let entry = entry.encode().map_err(|_| StartError::Failed)?;
        let filled = edge.append(hash::leaf(&entry));
        let tiles = filled.iter().map(StoredTiles::put);
        let mut writes: Vec<Write> = tiles.collect();
        let opening = OpeningRecord {
            nonce: nonce.to_vec(),
            decision: opening.decision_bytes(),
        };
        log.log_origin = origin;
        log.succession = index + 1;
        writes.push(opening.put_as(key::index(index), true));
        writes.push(log.put(key::LOG.to_vec()));
        let batch = Batch {
            entries: vec![entry],
            writes,
            root: *edge.root().as_bytes(),
            previous_checkpoint: Vec::new(),
            urgent: false,
        };
        engine.commit(&batch)?;
        Ok(index)
    }
}
