//! The exchange itself: how a log is begun, how a store is taken up again, and how an operation runs.

use super::acts::Readers;
use super::agencies::Register;
use super::attachment::{Attachments, unlink_erased};
use super::clock::{Clock, Watched};
use super::denial::Denials;
use super::directory::DirectoryCache;
use super::event::Hub;
use super::flood::{Failures, Rates};
use super::publication::Publication;
use super::receipt::{Done, Receipt};
use super::sequencer::{Change, Committed, Listener, Published};
use super::sequencer::{Sequencer, State, SubmitError};
use super::slip::Attempts;
use super::snapshot::{Prepared, Snapshot};
use super::token::Tokens;
use super::{Refusal, basis::BasisCache};
use crate::domain::id::AgencyId;
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::verify::VerifyingKey;
use crate::identity::caller::Caller;
use crate::identity::certificate::is_trust_domain;
use crate::identity::signing_chain::TrustStore;
use crate::ledger::decision::Decision;
use crate::ledger::entry::{Actor, Entry, Opening};
use crate::ledger::hash;
use crate::ledger::note::NoteSigner;
use crate::ledger::tree::Edge;
use crate::storage::engine::{Batch, Engine, StorageError, Table};
use crate::storage::files::Files;
use crate::storage::records::agency::AgencyRecord;
use crate::storage::records::log::{CounterRecord, LogRecord, OpeningRecord};
use crate::storage::records::{Record, key};
use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// How often a change is prepared again after losing a race, before the caller hears that it is not possible now.
const ATTEMPTS_MAX: usize = 8;

/// Operations that may be prepared at one moment; more wait, within their deadline.
const PREPARING_MAX: usize = 64;

/// What `router init` pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialise {
    /// Log origin, which is also the trust domain; the signer's name.
    pub origin: String,
    /// Public keys (SubjectPublicKeyInfo PEM) of the first two administrators.
    pub administrators: [String; 2],
    /// Certificate authorities (PEM) that agencies' signing chains end in.
    pub roots: String,
    /// The operator, enrolled from the start so that administrators have an agency to call as.
    pub operator: AgencyId,
}

/// What an exchange needs besides its store.
pub struct Settings {
    /// Signs checkpoints; its name is the log's origin.
    pub signer: NoteSigner,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub random: Box<dyn Random + Send>,
    /// How long an operation may take before it is [`Refusal::Unavailable`].
    pub deadline: Duration,
}

/// Why an exchange does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A log was begun here already; there is never a second one.
    #[error("the store is not empty")]
    NotEmpty,
    /// No log was begun here.
    #[error("the store is empty: run init first")]
    Empty,
    /// The store belongs to another log than the signer.
    #[error("the store belongs to another log")]
    OtherLog,
    /// Something to be pinned is not well-formed.
    #[error("the {0} cannot be pinned")]
    Invalid(&'static str),
    /// The store does not prove what it says.
    #[error("the store cannot be taken up: {0}")]
    Recovery(#[from] super::sequencer::RecoveryError),
    /// The store did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No thread, or the first commit failed.
    #[error("the exchange cannot start")]
    Failed,
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// What preparations and streams share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) register: Arc<Register>,
    pub(super) clock: Arc<Watched>,
    pub(super) hub: Arc<Hub>,
    pub(super) tokens: Tokens,
    pub(super) bases: BasisCache,
    pub(super) directory: DirectoryCache,
    pub(super) attachments: Attachments,
    pub(super) denials: Denials,
    pub(super) readers: Arc<Readers>,
    pub(super) codes: Attempts,
    pub(super) rates: Rates,
    pub(super) failures: Failures,
    pub(super) origin: String,
    /// As [`LogRecord::succession`]: a log is succeeded only while nobody runs it.
    pub(super) succession: u64,
    pub(super) administrators: Vec<VerifyingKey>,
    pub(super) roots: String,
    pub(super) trust: ArcSwap<TrustStore>,
    random: Mutex<Box<dyn Random + Send>>,
    preparing: Semaphore,
}

impl Shared {
    /// Fresh random bytes.
    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fill(&mut bytes);
        bytes
    }
}

/// Forgets and rings after each batch.
struct AfterCommit {
    register: Arc<Register>,
    hub: Arc<Hub>,
    engine: Arc<dyn Engine>,
    files: Files,
}

impl Listener for AfterCommit {
    fn committed(
        &self,
        written: &mut dyn Iterator<Item = (Table, &[u8])>,
        rung: &mut dyn Iterator<Item = (&AgencyId, u64)>,
    ) {
        let mut directory = false;
        let mut attachments: Vec<Vec<u8>> = Vec::new();
        self.register.forget(written.inspect(|(table, key)| {
            if *table == Table::AttachmentKey {
                attachments.push(key.to_vec());
            }
            directory |= *table == Table::Agency
                || (*table == Table::Meta && (*key == key::PROTOCOL || *key == key::DIGEST));
        }));
        if directory {
            self.hub.ring_directory();
        }
        for (agency, number) in rung {
            self.hub.ring(agency, number);
        }
        for row in attachments {
            // The key is gone for good before its file is; a file that stays is noise, and swept.
            if matches!(self.engine.get(Table::AttachmentKey, &row), Ok(None)) {
                unlink_erased(&self.files, &row);
            }
        }
    }
}

/// The referral exchange over one store.
pub struct Exchange {
    pub(super) shared: Arc<Shared>,
    pub(super) sequencer: Sequencer,
    verifier_key: String,
    deadline: Duration,
    /// Held by whoever does what is due.
    pub(super) due: tokio::sync::Mutex<()>,
    pub(super) publication: Publication,
}

fn administrator(pem: &str) -> Result<VerifyingKey, StartError> {
    const BAD: StartError = StartError::Invalid("administrator's key");
    let (kind, der) = <(SectionKind, Vec<u8>)>::from_pem_slice(pem.as_bytes()).map_err(|_| BAD)?;
    if kind != SectionKind::PublicKey {
        return Err(BAD);
    }
    VerifyingKey::from_spki(&der).map_err(|_| BAD)
}

fn trust(roots: &str) -> Result<TrustStore, StartError> {
    const BAD: StartError = StartError::Invalid("certificate authority");
    let ders: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(roots.as_bytes()).collect();
    let ders = ders.map_err(|_| BAD)?;
    if ders.is_empty() {
        return Err(BAD);
    }
    TrustStore::new(&ders).map_err(|_| BAD)
}

impl Exchange {
    /// Begins a log in an empty store. Never a second time.
    ///
    /// # Errors
    ///
    /// [`StartError`]; then the store is as it was.
    pub fn initialise(
        engine: &dyn Engine,
        settings: &mut Settings,
        pinned: &Initialise,
    ) -> Result<(), StartError> {
        if engine.head().batches != 0 {
            return Err(StartError::NotEmpty);
        }
        if !is_trust_domain(&pinned.origin) || settings.signer.name() != pinned.origin {
            return Err(StartError::Invalid("origin"));
        }
        let [first, second] = &pinned.administrators;
        if administrator(first)? == administrator(second)? {
            return Err(StartError::Invalid("same administrator twice"));
        }
        trust(&pinned.roots)?;
        let (mut nonce, mut token_key) = ([0; 32], vec![0; 32]);
        settings.random.fill(&mut nonce);
        settings.random.fill(&mut token_key);
        let log = LogRecord {
            origin: pinned.origin.clone(),
            administrators: pinned.administrators.to_vec(),
            roots: pinned.roots.clone(),
            token_key,
            ..LogRecord::default()
        };
        let operator = AgencyRecord {
            kind: AgencyKind::Operator.name().to_owned(),
            ..AgencyRecord::default()
        };
        let decision = Decision::Initialised {
            origin: pinned.origin.clone(),
            administrators: pinned.administrators.to_vec(),
            roots: pinned.roots.clone(),
            operator: pinned.operator.to_string(),
        };
        let opening = Opening { nonce, decision };
        let entry = Entry::committed(Actor::Router, settings.clock.wall(), &opening);
        let entry = entry.encode().map_err(|_| StartError::Failed)?;
        let mut edge = Edge::new();
        // One entry fills no tile.
        let _ = edge.append(hash::leaf(&entry));
        let opening = OpeningRecord {
            nonce: nonce.to_vec(),
            decision: opening.decision_bytes(),
        };
        let batch = Batch {
            entries: vec![entry],
            writes: vec![
                opening.put_as(key::index(0), true),
                log.put(key::LOG.to_vec()),
                operator.put(key::agency(&pinned.operator)),
                CounterRecord { number: 1 }.put(key::DIRECTORY.to_vec()),
            ],
            root: *edge.root().as_bytes(),
            previous_checkpoint: Vec::new(),
            urgent: false,
        };
        engine.commit(&batch)?;
        Ok(())
    }

    /// Takes up a store: rebuilds the edge of the tree, proves it against the store's root, and starts the sequencer.
    ///
    /// Pending erasures are finished by [`Exchange::resume`], before anybody is served.
    ///
    /// # Errors
    ///
    /// [`StartError`]; nothing is written.
    pub fn open(engine: Arc<dyn Engine>, settings: Settings) -> Result<Arc<Self>, StartError> {
        let stored = engine
            .get(Table::Meta, key::LOG)?
            .ok_or(StartError::Empty)?;
        let log = LogRecord::from_stored(&stored)?;
        if log.log_origin() != settings.signer.name() {
            return Err(StartError::OtherLog);
        }
        let administrators: Result<Vec<_>, _> = log
            .administrators
            .iter()
            .map(|pem| administrator(pem))
            .collect();
        let register = Arc::new(Register::new(Arc::clone(&engine)));
        let hub: Arc<Hub> = Arc::default();
        let clock = Arc::new(Watched::new(settings.clock));
        let files = Files::new(engine.attachments());
        let after = AfterCommit {
            register: Arc::clone(&register),
            hub: Arc::clone(&hub),
            engine: Arc::clone(&engine),
            files: files.clone(),
        };
        let verifier_key = settings.signer.vkey();
        let state = State::recover(
            Arc::clone(&engine),
            settings.signer,
            Arc::clone(&clock),
            Box::new(after),
        )?;
        let sequencer = Sequencer::start(state).map_err(|_| StartError::Failed)?;
        let shared = Arc::new(Shared {
            engine,
            register,
            clock,
            hub,
            tokens: Tokens::new(&log.token_key),
            bases: BasisCache::default(),
            directory: DirectoryCache::default(),
            attachments: Attachments::new(files),
            denials: Denials::default(),
            readers: Arc::default(),
            codes: Attempts::default(),
            rates: Rates::default(),
            failures: Failures::default(),
            administrators: administrators?,
            trust: ArcSwap::from_pointee(trust(&log.roots)?),
            origin: log.origin,
            succession: log.succession,
            roots: log.roots,
            random: Mutex::new(settings.random),
            preparing: Semaphore::new(PREPARING_MAX),
        });
        Ok(Arc::new(Self {
            shared,
            sequencer,
            verifier_key,
            deadline: settings.deadline,
            due: tokio::sync::Mutex::default(),
            publication: Publication::default(),
        }))
    }

    /// The trust domain, which is also the log's origin unless it was succeeded.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.shared.origin
    }

    /// The log's verifier key.
    #[must_use]
    pub fn verifier_key(&self) -> &str {
        &self.verifier_key
    }

    /// The wall time as the exchange sees it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.wall()
    }

    /// Certificate authorities (PEM) pinned at the start.
    #[must_use]
    pub fn roots(&self) -> &str {
        &self.shared.roots
    }

    /// Turns to `true` once nothing more can be committed: the process must exit.
    #[must_use]
    pub fn fatal(&self) -> watch::Receiver<bool> {
        self.sequencer.fatal()
    }

    /// Runs `work` on a thread that may block, within the deadline.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.in_time(self.blocking(work)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Snapshot<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let shared = Arc::clone(&self.shared);
        let slot = self.shared.preparing.acquire().await;
        let _slot = slot.map_err(|_| Refusal::Unavailable)?;
        tokio::task::spawn_blocking(move || work(&mut Snapshot::new(&shared)?))
            .await
            .map_err(|_| Refusal::Internal)?
    }

    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        tokio::time::timeout(self.deadline, work)
            .await
            .unwrap_or(Err(Refusal::Unavailable))
    }

    /// Prepares, submits, and prepares again after a lost race; gives the receipts once all is durable.
    pub(super) async fn perform<T: Send + 'static>(
        &self,
        prepare: impl Fn(&mut Snapshot<'_>) -> Result<Prepared<T>, Refusal> + Send + Sync + 'static,
    ) -> Result<Done<T>, Refusal> {
        self.in_time(self.attempts(Arc::new(prepare))).await
    }

    /// As [`Exchange::perform`], and has the ledger record a denial before it is answered.
    pub(super) async fn perform_for<T: Send + 'static>(
        &self,
        caller: &Caller,
        method: &'static str,
        prepare: impl Fn(&mut Snapshot<'_>) -> Result<Prepared<T>, Refusal> + Send + Sync + 'static,
    ) -> Result<Done<T>, Refusal> {
        let attempts = self.attempts(Arc::new(prepare));
        self.in_time(async {
            match attempts.await {
                Err(refusal) if refusal.is_denial() => {
                    let (agency, staff) = (caller.agency(), Some(caller.staff()));
                    self.record_denial(agency, staff, method, refusal.reason())
                        .await?;
                    Err(refusal)
                }
                other => other,
            }
        })
        .await
    }

    async fn attempts<T, F>(&self, prepare: Arc<F>) -> Result<Done<T>, Refusal>
    where
        T: Send + 'static,
        F: Fn(&mut Snapshot<'_>) -> Result<Prepared<T>, Refusal> + Send + Sync + 'static,
    {
        for attempt in 1..=ATTEMPTS_MAX {
            let prepare = Arc::clone(&prepare);
            let prepared = self.blocking(move |snapshot| match prepare(snapshot) {
                // Looked at again; in a crowd the last refusal has to do.
                Err(_) if attempt < ATTEMPTS_MAX && snapshot.is_overtaken()? => Ok(None),
                other => other.map(Some),
            });
            let Some(prepared) = prepared.await? else {
                continue;
            };
            match prepared {
                Prepared::Again(value, indexes) => {
                    let receipts = self.receipts_again(indexes).await?;
                    return Ok(Done { value, receipts });
                }
                Prepared::New(change, value, shown) => match self.sequencer.submit(change).await {
                    Ok(committed) => {
                        let receipts = committed.receipts(&shown)?;
                        return Ok(Done { value, receipts });
                    }
                    Err(SubmitError::Stale | SubmitError::Expired) => {}
                    Err(error) => return Err(error.into()),
                },
            }
        }
        Err(Refusal::Unavailable)
    }

    /// Submits a change of the exchange's own.
    pub(super) async fn submit(&self, change: Change) -> Result<Committed, Refusal> {
        Ok(self.sequencer.submit(change).await?)
    }

    /// Receipts of entries that are in the store already, under the latest checkpoint.
    pub(super) async fn receipts_again(&self, indexes: Vec<u64>) -> Result<Vec<Receipt>, Refusal> {
        let last = indexes.iter().copied().max().unwrap_or(0);
        // An entry can be read a moment before the checkpoint over it is signed.
        let published = self.sequencer.published_past(last).await?;
        self.blocking(move |snapshot| {
            let receipt = |index| snapshot.shared.receipt(index, &published);
            indexes.into_iter().map(receipt).collect()
        })
        .await
    }
}

impl Shared {
    fn receipt(&self, index: u64, published: &Arc<Published>) -> Result<Receipt, Refusal> {
        let entry = self.engine.get(Table::Entry, &key::index(index))?;
        let entry = entry.ok_or(Refusal::Internal)?.value;
        let opening = match self.engine.get(Table::Opening, &key::index(index))? {
            None => None,
            Some(stored) => {
                let record = OpeningRecord::from_stored(&stored)?;
                let opening = Opening::parse(&record.nonce, &record.decision);
                Some(opening.map_err(|_| Refusal::Internal)?)
            }
        };
        Receipt::new(index, entry, opening, Arc::clone(published))
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Overloaded => Self::Overloaded,
            SubmitError::Stale | SubmitError::Expired | SubmitError::Unavailable => {
                Self::Unavailable
            }
            SubmitError::Invalid => Self::Internal,
        }
    }
}
