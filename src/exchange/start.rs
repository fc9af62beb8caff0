//! The exchange itself: how a log is begun, and how a store is taken up again.

use super::Refusal;
use super::clock::Clock;
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::ledger::note::NoteSigner;
use crate::storage::engine::Engine;
use std::sync::Arc;
use std::time::Duration;

/// What `router init` pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialise {
    /// Log origin, which is also the trust domain; the signer's name.
    pub origin: String,
    /// Public keys (SubjectPublicKeyInfo PEM) of the first two administrators.
    pub administrators: [String; 2],
    /// Certificate authorities (PEM) that agencies' signing chains end in.
    pub roots: String,
    /// Agencies enrolled from the start, so that the administrators have an operator to call as.
    pub operator: crate::domain::id::AgencyId,
}

/// What an exchange needs besides its store.
pub struct Settings {
    /// Signs checkpoints; its name is the log's origin.
    pub signer: NoteSigner,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Box<dyn Random + Send>,
    /// How long an operation may take before it is `Unavailable`.
    pub deadline: Duration,
}

/// The referral exchange over one store.
pub struct Exchange {
    _private: (),
}

impl Exchange {
    /// Begins a log in an empty store. Never a second time.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for what cannot be pinned, [`Refusal::Unavailable`] when the store is not empty or fails.
    pub fn initialise(
        _engine: &dyn Engine,
        _settings: &mut Settings,
        _initialise: &Initialise,
    ) -> Result<(), Refusal> {
        todo!()
    }

    /// Takes up a store: rebuilds the edge of the tree, proves it against the store's root, starts the sequencer,
    /// finishes pending erasures.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is empty, foreign or does not prove; the cause is in the log.
    pub fn open(_engine: Arc<dyn Engine>, _settings: Settings) -> Result<Arc<Self>, Refusal> {
        todo!()
    }

    /// The log's origin, which is also the trust domain.
    #[must_use]
    pub fn origin(&self) -> &str {
        todo!()
    }

    /// The wall time as the exchange sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        todo!()
    }

    /// Certificate authorities (PEM) pinned at the start.
    #[must_use]
    pub fn roots(&self) -> &str {
        todo!()
    }

    /// Turns to `true` once nothing more can be committed: the process must exit.
    #[must_use]
    pub fn fatal(&self) -> tokio::sync::watch::Receiver<bool> {
        todo!()
    }

    /// Ticks, digests, lapses and sweeps until the exchange is dropped; run it as a task.
    pub async fn keep_house(self: Arc<Self>) {
        todo!()
    }
}
