//! What the log shows to the world: its checkpoint, under the eyes of witnesses, its hash tiles and its entry bundles.
//!
//! Acts are acknowledged without any witness: a checkpoint is durable before it is signed, and witnesses are asked
//! afterwards, so that none of them can slow or stop a referral. What is handed out as *the* checkpoint waits for them,
//! if the settings say so.

mod witnessing;

pub use witnessing::{Trouble, WitnessLine, WitnessReply};

use super::flood::Costly;
use super::receipt::broken;
use super::sequencer::Published;
use super::snapshot::{Prepared, Snapshot};
use super::{Exchange, Refusal};
use crate::domain::id::AgencyId;
use crate::identity::authorization::{reads_bundles, reads_hashes};
use crate::ledger::cosignature::CosignatureVerifier;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::ledger::layout;
use crate::ledger::note::SIGNATURES_MAX;
use crate::ledger::tree::TILE_WIDTH;
use crate::storage::engine::Table;
use crate::storage::records::key;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

pub use crate::ledger::layout::Resource;

/// Most witnesses of one log: with the log's own signature they fill a note.
pub const WITNESSES_MAX: usize = SIGNATURES_MAX - 1;

/// How long a caller waits for witnesses to cosign what is newest: longer than they take while the log is busy.
const COSIGNED_WAIT: Duration = Duration::from_secs(3);

/// Hashes in a full tile.
const WIDTH: u64 = TILE_WIDTH as u64;

/// What to do with checkpoints that too few witnesses have cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Hand them out, and say so loudly: who relies on them relies on the operator alone.
    Open,
    /// Withhold them.
    Closed,
}

/// Under whose eyes checkpoints are handed out.
#[derive(Debug, Clone)]
pub struct WitnessRules {
    witnesses: Vec<CosignatureVerifier>,
    required: usize,
    missing: WhenMissing,
}

/// Why witnesses cannot be configured so, and how to mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWitnesses {
    /// A key.
    #[error("write each witness's verifier key as `safeconduct witness init` prints it")]
    Key,
    /// The same key twice.
    #[error("name each witness once: the same key twice would count as two")]
    Twice,
    /// More than [`WITNESSES_MAX`].
    #[error("name 15 witnesses at most: more signatures than 16 are not read by everybody")]
    TooMany,
    /// More required than there are.
    #[error("require at most as many witnesses as are named")]
    Required,
    /// Withholding without asking for anybody.
    #[error("require one witness or more, or write when_missing = \"open\"")]
    ClosedToNobody,
}

impl WitnessRules {
    /// From the settings.
    ///
    /// # Errors
    ///
    /// [`BadWitnesses`].
    pub fn new(
        vkeys: &[String],
        required: usize,
        missing: WhenMissing,
    ) -> Result<Self, BadWitnesses> {
        let mut witnesses: Vec<CosignatureVerifier> = Vec::new();
        for vkey in vkeys {
            let verifier = CosignatureVerifier::parse(vkey).map_err(|_| BadWitnesses::Key)?;
            if witnesses
                .iter()
                .any(|known| known.public_key() == verifier.public_key())
            {
                return Err(BadWitnesses::Twice);
            }
            witnesses.push(verifier);
        }
        if witnesses.len() > WITNESSES_MAX {
            return Err(BadWitnesses::TooMany);
        }
        if required > witnesses.len() {
            return Err(BadWitnesses::Required);
        }
        if required == 0 && missing == WhenMissing::Closed {
            return Err(BadWitnesses::ClosedToNobody);
        }
        Ok(Self {
            witnesses,
            required,
            missing,
        })
    }
}

/// How publication stands, for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublicationStatus {
    /// Witnesses named in the settings.
    pub witnesses: usize,
    /// Of them, those who cosigned in the last round.
    pub cosigning: usize,
    /// Whether they were enough; true without witnesses.
    pub quorum: bool,
    /// Size of the newest checkpoint that enough of them cosigned.
    pub cosigned_size: u64,
    /// Witnesses who say that the log was rewound or forked.
    pub accusing: usize,
}

/// A checkpoint that enough witnesses have cosigned, and the log as it was.
#[derive(Debug, Clone)]
struct Cosigned {
    note: Arc<str>,
    published: Arc<Published>,
}

/// The state of publication, a part of the exchange.
pub(super) struct Publication {
    rules: OnceLock<WitnessRules>,
    cosigned: watch::Sender<Option<Cosigned>>,
    /// Whether the last round brought enough cosignatures; true before the first.
    holding: AtomicBool,
    cosigning: AtomicUsize,
    accusing: AtomicUsize,
    /// Largest size shown to readers of tiles, so that it never goes back while witnesses come and go.
    shown: AtomicU64,
}

impl Default for Publication {
    fn default() -> Self {
        Self {
            rules: OnceLock::new(),
            cosigned: watch::Sender::new(None),
            holding: AtomicBool::new(true),
            cosigning: AtomicUsize::new(0),
            accusing: AtomicUsize::new(0),
            shown: AtomicU64::new(0),
        }
    }
}

/// What readers of tiles are shown.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The checkpoint.
    pub note: Arc<str>,
    published: Arc<Published>,
}

impl Shown {
    fn size(&self) -> u64 {
        self.published.edge.size()
    }

    /// Whether the tree shown has so many hashes at this place of this level.
    fn has(&self, level: u8, index: u64, width: usize) -> bool {
        let count = self.size().checked_shr(8 * u32::from(level)).unwrap_or(0);
        index
            .checked_mul(WIDTH)
            .and_then(|start| start.checked_add(width as u64))
            .is_some_and(|end| end <= count)
    }
}

impl Exchange {
    /// Sets the witnesses, once, before anybody is served.
    pub fn publish_under(&self, rules: WitnessRules) {
        // A second call would be a mistake of ours; the first rules stand.
        let _ = self.publication.rules.set(rules);
    }

    /// The checkpoint for a caller: the newest one, cosigned if there are witnesses.
    ///
    /// It is never older than anything that the caller was shown before it asked. While witnesses answer, that means to
    /// wait for them a moment.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`] when too few witnesses have cosigned it and such checkpoints are withheld.
    pub async fn checkpoint(&self) -> Result<Arc<str>, Refusal> {
        let newest = self.sequencer.published();
        let Some(rules) = self.publication.rules.get() else {
            return Ok(Arc::clone(&newest.checkpoint));
        };
        let size = newest.edge.size();
        let open = rules.missing == WhenMissing::Open;
        let wait = if open && !self.publication.holding.load(Ordering::Relaxed) {
            Duration::ZERO
        } else {
            COSIGNED_WAIT
        };
        let mut cosigned = self.publication.cosigned.subscribe();
        let reached = cosigned.wait_for(|cosigned| {
            cosigned
                .as_ref()
                .is_some_and(|cosigned| cosigned.published.edge.size() >= size)
        });
        match tokio::time::timeout(wait, reached).await {
            Ok(Ok(cosigned)) => cosigned
                .as_ref()
                .map(|cosigned| Arc::clone(&cosigned.note))
                .ok_or(Refusal::Internal),
            _ if open => Ok(Arc::clone(&newest.checkpoint)),
            _ => Err(Refusal::Unavailable),
        }
    }

    /// What readers of tiles are shown now; `None` while nothing may be.
    #[must_use]
    pub fn shown(&self) -> Option<Shown> {
        let publication = &self.publication;
        let newest = || {
            let published = self.sequencer.published();
            let note = Arc::clone(&published.checkpoint);
            Some(Shown { note, published }).filter(|shown| shown.size() > 0)
        };
        let Some(rules) = publication.rules.get() else {
            return newest();
        };
        let cosigned = publication.cosigned.borrow().clone();
        let cosigned = cosigned.map(|cosigned| Shown {
            note: cosigned.note,
            published: cosigned.published,
        });
        if rules.missing == WhenMissing::Closed {
            return cosigned;
        }
        let before = publication.shown.load(Ordering::Relaxed);
        let holding = publication.holding.load(Ordering::Relaxed);
        let shown = cosigned
            .filter(|shown| holding && shown.size() >= before)
            .or_else(newest)?;
        publication.shown.fetch_max(shown.size(), Ordering::Relaxed);
        Some(shown)
    }

    /// How publication stands.
    #[must_use]
    pub fn publication_status(&self) -> PublicationStatus {
        let publication = &self.publication;
        let Some(rules) = publication.rules.get() else {
            return PublicationStatus {
                quorum: true,
                ..PublicationStatus::default()
            };
        };
        let cosigned = publication.cosigned.borrow();
        let size = cosigned
            .as_ref()
            .map_or(0, |cosigned| cosigned.published.edge.size());
        PublicationStatus {
            witnesses: rules.witnesses.len(),
            cosigning: publication.cosigning.load(Ordering::Relaxed),
            quorum: size > 0 && publication.holding.load(Ordering::Relaxed),
            cosigned_size: size,
            accusing: publication.accusing.load(Ordering::Relaxed),
        }
    }

    /// Whether an agency may read checkpoints and hash tiles that are for members: any that is enrolled.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`].
    pub fn may_read_hashes(&self, agency: &AgencyId) -> Result<bool, Refusal> {
        let enrolled = self.enrolled(agency)?;
        Ok(enrolled.is_some_and(|agency| !agency.suspended && reads_hashes(agency.kind)))
    }

    /// The bytes of a hash tile of the tree that is shown; `None` if it has no such tile.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`], and [`Refusal::Internal`] when a tile is lost.
    pub async fn hash_tile(
        &self,
        level: u8,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(shown) = self.shown().filter(|shown| shown.has(level, index, width)) else {
            return Ok(None);
        };
        self.read(move |_| {
            let published = &shown.published;
            let tiles = published.tiles.as_ref();
            let hashes = published.edge.tile(tiles, level, index, shown.size());
            let hashes = hashes.map_err(|error| broken(error.into()))?;
            let hashes = hashes.get(..width).ok_or(Refusal::Internal)?;
            Ok(Some(layout::encode_tile(hashes)))
        })
        .await
    }

    /// The bytes of an entry bundle, for an agency with a national mandate; `None` if the tree has no such bundle. The
    /// reading has an entry of its own, durable before the answer.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotPermitted`] for any other agency, recorded as a denial; [`Refusal::Unavailable`].
    pub async fn entry_bundle(
        &self,
        agency: &AgencyId,
        index: u64,
        width: usize,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        const METHOD: &str = "entry_bundle";
        let enrolled = self.enrolled(agency)?.filter(|agency| !agency.suspended);
        let Some(enrolled) = enrolled else {
            return Err(Refusal::NotPermitted);
        };
        if !reads_bundles(enrolled.kind) {
            let reason = Refusal::NotPermitted.reason();
            self.deny(agency, None, METHOD, reason).await?;
            return Err(Refusal::NotPermitted);
        }
        // Each is an entry: an auditor's program may fetch as fast as an auditor may ask.
        if !self.admit(agency, Costly::Audit) {
            return Err(Refusal::Overloaded);
        }
        if !self.shown().is_some_and(|shown| shown.has(0, index, width)) {
            return Ok(None);
        }
        let start = index * WIDTH;
        let agency = agency.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            // Looked at again, and relied on: the mandate must stand when the entry is written.
            let view = snapshot.agency(&agency)?;
            view.filter(|view| !view.record.suspended && reads_bundles(view.kind))
                .ok_or(Refusal::NotPermitted)?;
            let mut entries = Vec::with_capacity(width);
            for index in start..start + width as u64 {
                let key = key::index(index);
                let stored = snapshot.shared.engine.get(Table::Entry, &key)?;
                entries.push(stored.ok_or(Refusal::Internal)?.value);
            }
            let bytes = layout::encode_bundle(&entries).ok_or(Refusal::Internal)?;
            let decision = Decision::AuditRead {
                what: METHOD.to_owned(),
                start,
                count: width as u64,
                question: None,
                // By the agency's certificate: a mirror is a program, and no member of staff.
                staff: String::new(),
            };
            let mut change = snapshot.change();
            let actor = Actor::Agency(agency.clone());
            change.entries.push(snapshot.entry(actor, decision));
            Ok(Prepared::New(change, bytes, Vec::new()))
        };
        Ok(Some(self.perform(prepare).await?.value))
    }
}

#[cfg(test)]
mod tests;
