//! One agency's side of everything: its keys, its connection, its mirror, its view of the log.
//!
//! ```no_run
//! # async fn example(keys: safeconduct::client::keys::AgencyKeys,
//! #     trust: safeconduct::client::trust::TrustAnchors,
//! #     router: safeconduct::client::connect::RouterAddress)
//! #     -> Result<(), Box<dyn std::error::Error>> {
//! use safeconduct::client::agency::Agency;
//! use safeconduct::client::log::LogView;
//! use safeconduct::domain::vocabulary::{Stage, StaffRole};
//!
//! let log = LogView::open(&trust.log_key, "checkpoint".into())?;
//! let house = Agency::connect(keys, &router, trust, log)?;
//! let intake = house.desk("w7", StaffRole::Intake)?;
//! intake.mirror().await?;
//! for offer in intake.offers().await? {
//!     let parcel = intake.open(&offer, Stage::Triage).await?;
//!     println!("{} fields to decide on", parcel.fields.len());
//!     intake.accept(offer.id, None).await?;
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::connect::{ConnectError, RouterAddress, channel};
use super::directory::{Directory, DirectoryError, Own, Witnessed};
use super::error::{ClientError, Reason};
use super::keys::AgencyKeys;
use super::keys::KeyFileError;
use super::log::{Known, LogView, Proven};
use super::retry::RetryPolicy;
use super::session::{Clock, Session, system_clock};
use super::staff::{Staff, TokenMint};
use super::trust::TrustAnchors;
use crate::domain::id::{AgencyId, BadId, OfferId, ParcelId};
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{StaffRole, Stage};
use crate::envelope::act::{Act, ActBody, Approval, act_digest, claimed_kid};
use crate::envelope::bundle::KeyBundle;
use crate::envelope::statement::Forward;
use crate::ledger::entry::EntryBody;
use crate::proto::v1;
use crate::proto::v1::directory_service_client::DirectoryServiceClient;

/// Parcel ids remembered, to tell a replay under another statement from a lawful retry.
const SEEN_PARCELS_MAX: usize = 100_000;

/// Largest directory taken: it has no pages, and every member's key bundle is in it.
const DIRECTORY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// One agency, connected. Cheap to clone; every clone is the same agency.
#[derive(Debug, Clone)]
pub struct Agency {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keys: AgencyKeys,
    trust: TrustAnchors,
    session: Session,
    directory: RwLock<Option<Arc<Directory>>>,
    protocol: RwLock<Option<Arc<Protocol>>>,
    seen: Mutex<HashMap<ParcelId, [u8; 32]>>,
    held: Mutex<HashMap<(OfferId, Stage), ParcelId>>,
    /// Number of the newest digest that was proved and alarmed about: no earlier one silences that.
    alarmed: AtomicU64,
}

/// One member of staff at their agency's desk: what they do, the agency does under their pseudonym and role.
#[derive(Debug, Clone)]
pub struct Desk {
    agency: Agency,
    staff: Staff,
    forward: Forward,
}

impl Agency {
    /// An agency at the router, by the system's clock. Connects when first used.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the address or a key cannot be used.
    pub fn connect(
        keys: AgencyKeys,
        router: &RouterAddress,
        trust: TrustAnchors,
        log: LogView,
    ) -> Result<Self, ConnectError> {
        Self::connect_at(
            keys,
            router,
            trust,
            log,
            system_clock(),
            RetryPolicy::default(),
        )
    }

    /// As [`Agency::connect`], with another clock and another patience.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] when the address or a key cannot be used.
    pub fn connect_at(
        keys: AgencyKeys,
        router: &RouterAddress,
        trust: TrustAnchors,
        log: LogView,
        clock: Clock,
        policy: RetryPolicy,
    ) -> Result<Self, ConnectError> {
        let channel = channel(router, &trust.roots, keys.tls())?;
        let mint = TokenMint::new(
            keys.agency().clone(),
            trust.origin.clone(),
            keys.tls().fingerprint(),
            keys.staff_pkcs8(),
        )
        .map_err(|error| ConnectError::File {
            what: "staff-token key",
            path: "the key folder".into(),
            why: error.to_string(),
        })?;
        let session = Session::new(keys.agency().clone(), channel, mint, Arc::new(log), clock)
            .with_policy(policy);
        let inner = Inner {
            keys,
            trust,
            session,
            directory: RwLock::default(),
            protocol: RwLock::default(),
            seen: Mutex::default(),
            held: Mutex::default(),
            alarmed: AtomicU64::new(0),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The agency's id.
    #[must_use]
    pub fn id(&self) -> &AgencyId {
        self.inner.keys.agency()
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &AgencyKeys {
        &self.inner.keys
    }

    /// What it pinned.
    #[must_use]
    pub fn trust(&self) -> &TrustAnchors {
        &self.inner.trust
    }

    /// Its calls.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.inner.session
    }

    /// What it has seen of the log.
    #[must_use]
    pub fn log(&self) -> &LogView {
        self.inner.session.log()
    }

    /// A member of staff, by a pseudonym that only this agency resolves.
    ///
    /// # Errors
    ///
    /// [`BadId`] on a pseudonym that is not 1 to 64 visible ASCII characters.
    pub fn desk(&self, pseudonym: &str, role: StaffRole) -> Result<Desk, BadId> {
        let staff = Staff {
            pseudonym: pseudonym.parse()?,
            role,
        };
        Ok(Desk {
            agency: self.clone(),
            staff,
            forward: Forward::default(),
        })
    }

    /// The mirror as last verified.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Stale`] before the first [`Desk::mirror`].
    pub fn directory(&self) -> Result<Arc<Directory>, DirectoryError> {
        let directory = self
            .inner
            .directory
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        directory.clone().ok_or(DirectoryError::Stale)
    }

    /// The protocol in force as last verified.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::Stale`] before the first [`Desk::mirror`].
    pub fn protocol(&self) -> Result<Arc<Protocol>, DirectoryError> {
        let protocol = self
            .inner
            .protocol
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        protocol.clone().ok_or(DirectoryError::Stale)
    }

    /// The statement under which a parcel id came before.
    pub(super) fn seen_parcel(&self, parcel: &ParcelId) -> Option<[u8; 32]> {
        let seen = self
            .inner
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.get(parcel).copied()
    }

    /// The parcel of a stage that was opened last.
    pub(super) fn held_parcel(&self, at: &(OfferId, Stage)) -> Option<ParcelId> {
        let held = &self.inner.held;
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(at).copied()
    }

    pub(super) fn remember_held(&self, at: (OfferId, Stage), parcel: ParcelId) {
        let held = &self.inner.held;
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() < SEEN_PARCELS_MAX || held.contains_key(&at) {
            held.insert(at, parcel);
        }
    }

    pub(super) fn remember_parcel(&self, parcel: ParcelId, statement: [u8; 32]) {
        let mut seen = self
            .inner
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if seen.len() < SEEN_PARCELS_MAX {
            seen.entry(parcel).or_insert(statement);
        }
    }
}

impl Desk {
    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &Agency {
        &self.agency
    }

    /// Who sits here.
    #[must_use]
    pub const fn staff(&self) -> &Staff {
        &self.staff
    }

    /// The same desk for what the person lets recipients pass on: everything that it seals may go to these agencies.
    ///
    /// The list stands in the clear in each parcel's statement: put nobody on it whom its recipient must not know of.
    #[must_use]
    pub fn forwarding(&self, forward: Forward) -> Self {
        Self {
            forward,
            ..self.clone()
        }
    }

    /// To whom what this desk seals may be passed on; nobody, unless [`Desk::forwarding`] says so.
    #[must_use]
    pub const fn forward_list(&self) -> &Forward {
        &self.forward
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.agency.session().now()
    }

    /// Calls one RPC; the second part is what [`Desk::prove`] needs.
    pub(super) async fn call<Q, R, F, Fut>(
        &self,
        message: Q,
        method: F,
    ) -> Result<(R, Known), ClientError>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        self.agency
            .session()
            .call_known(Some(&self.staff), message, method)
            .await
    }

    /// Verifies a receipt.
    pub(super) async fn prove(
        &self,
        receipt: Option<&v1::Receipt>,
        known: Known,
    ) -> Result<Proven, ClientError> {
        self.agency
            .session()
            .prove(&self.staff, receipt, known)
            .await
    }

    /// Mirrors the directory and the protocol in force, verifying every record.
    ///
    /// # Errors
    ///
    /// [`ClientError::Directory`] when a record, a signature or a proof does not hold: nothing of it is used then.
    pub async fn mirror(&self) -> Result<Arc<Directory>, ClientError> {
        let directory = self.mirror_directory().await?;
        // Kept only together with its protocol: nothing is sealed by a newer directory and what was replaced before it.
        if let Err(error) = self.mirror_protocol(directory.protocol_version()).await {
            if let ClientError::Directory(alarm) = &error {
                self.alarm(alarm, Some(directory.number()));
            }
            return Err(error);
        }
        Ok(self.keep(directory))
    }

    /// The protocol in force, fetched and verified; none only where the router says that there is none yet, and the
    /// proved digest of its directory names none either.
    ///
    /// # Errors
    ///
    /// As [`Desk::mirror`].
    pub async fn protocol_in_force(&self) -> Result<Option<Arc<Protocol>>, ClientError> {
        match self.mirror().await {
            Ok(_) => Ok(Some(self.agency.protocol()?)),
            Err(error) => {
                let said = error.reason() == Some(Reason::NotFound);
                let none_yet = said
                    && self.agency.protocol().is_err()
                    && self.mirror_directory().await?.protocol_version() == 0;
                none_yet.then_some(None).ok_or(error)
            }
        }
    }

    fn keep(&self, directory: Directory) -> Arc<Directory> {
        let directory = Arc::new(directory);
        let mirror = &self.agency.inner.directory;
        *mirror.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&directory));
        directory
    }

    /// Remembers what an honest router cannot show, if it is that, and the digest by which it was shown.
    fn alarm(&self, alarm: &DirectoryError, number: Option<u64>) {
        if !alarm.is_alarm() {
            return;
        }
        if let Some(number) = number {
            let alarmed = &self.agency.inner.alarmed;
            alarmed.fetch_max(number, Ordering::Relaxed);
        }
        if let Ok(previous) = self.agency.directory() {
            self.keep(previous.alarmed(alarm.clone()));
        }
    }

    /// The directory as the router shows it, verified and not kept yet.
    async fn mirror_directory(&self) -> Result<Directory, ClientError> {
        let previous = self.agency.directory().ok();
        let known_digest = previous.as_ref().map_or(0, |directory| directory.number());
        let (reply, proven) = self.fetch_directory(known_digest).await?;
        let keys = self.agency.keys();
        let verify = |bundle: Option<[u8; 32]>, certificates: &[[u8; 32]]| {
            let own = Own {
                agency: self.agency.id(),
                bundle: bundle.as_ref(),
                certificates,
            };
            Directory::verify(
                &reply,
                &proven.entry,
                previous.as_deref(),
                self.agency.trust(),
                own,
                self.now(),
            )
        };
        let mut verified = verify(keys.published(), &keys.published_certificates());
        if matches!(verified, Err(DirectoryError::NotOurs)) {
            // Another program of this agency may have published since, or be about to hear that it has. What is on its
            // way is read first: it is forgotten only once the other file names it.
            let sent = keys.sent()?;
            keys.read_again()?;
            verified = verify(keys.published(), &keys.published_certificates());
            if let (Err(DirectoryError::NotOurs), Some(sent)) = (&verified, sent) {
                let sent = KeyBundle::parse(&sent.token).map_err(KeyFileError::from)?;
                let mut certificates = keys.published_certificates();
                certificates.push(sent.signing_key().fingerprint);
                verified = verify(Some(*sent.digest()), &certificates);
            }
        }
        let alarmed = &self.agency.inner.alarmed;
        let verified = verified.and_then(|directory| {
            let goes_back = directory.number() < alarmed.load(Ordering::Relaxed);
            (!goes_back)
                .then_some(directory)
                .ok_or(DirectoryError::Digest)
        });
        match verified {
            Ok(directory) => {
                let said = self.ask_witnesses().await?;
                let directory = directory.witnessed(said, previous.as_deref());
                if directory.was_late() {
                    tracing::warn!(
                        made = directory.proven_at().millis(),
                        "the directory digest is late: the router makes one every hour; call the operator"
                    );
                }
                Ok(directory)
            }
            Err(alarm) => {
                let number = match proven.entry.body {
                    EntryBody::Digest { number, .. } => Some(number),
                    _ => None,
                };
                self.alarm(&alarm, number);
                Err(alarm.into())
            }
        }
    }

    /// The directory as the router shows it, with its digest's entry, which is proved.
    pub(super) async fn fetch_directory(
        &self,
        known_digest: u64,
    ) -> Result<(v1::GetDirectoryResponse, Proven), ClientError> {
        let (reply, known) = self
            .call(
                v1::GetDirectoryRequest { known_digest },
                |channel, request| async move {
                    DirectoryServiceClient::new(channel)
                        .max_decoding_message_size(DIRECTORY_BYTES_MAX)
                        .get_directory(request)
                        .await
                },
            )
            .await?;
        let digest = reply
            .digest
            .as_ref()
            .ok_or(DirectoryError::Malformed("no digest"))?;
        let proven = self.prove(digest.receipt.as_ref(), known).await?;
        Ok((reply, proven))
    }

    /// Whether the pinned policy's witnesses vouch for the log as it is shown now, with all that was proved in it.
    async fn ask_witnesses(&self) -> Result<Witnessed, ClientError> {
        let policy = self.agency.trust().policy.as_ref();
        let Some(policy) = policy.filter(|policy| !policy.asks_nobody()) else {
            return Ok(Witnessed::NotAsked);
        };
        let session = self.agency.session();
        // A router that withholds what too few cosigned says that it cannot answer now.
        let note = match session.checkpoint(&self.staff).await {
            Err(ClientError::Refused(refused)) if refused.code == Code::Unavailable => {
                return Ok(Witnessed::Missing);
            }
            note => note?,
        };
        let cosigned = policy.check_by(session.log().verifier(), &note);
        let vouched = cosigned.ok().and_then(|cosigned| cosigned.vouched);
        if vouched.is_none() {
            tracing::warn!(
                "too few witnesses vouch for the log: nothing new is sealed by its directory"
            );
        }
        Ok(vouched.map_or(Witnessed::Missing, Witnessed::At))
    }

    /// Fetches the protocol in force and verifies its two signatures.
    ///
    /// One that was replaced is signed as well: the directory's digest tells a program that starts anew.
    async fn mirror_protocol(&self, digested: u64) -> Result<(), ClientError> {
        let version = |protocol: Arc<Protocol>| protocol.version();
        let before = self.agency.protocol().map_or(0, version).max(digested);
        let (reply, _) = self
            .call(
                v1::GetProtocolRequest { version: 0 },
                |channel, request| async move {
                    DirectoryServiceClient::new(channel)
                        .get_protocol(request)
                        .await
                },
            )
            .await?;
        if reply.version < before {
            return Err(DirectoryError::OldProtocol.into());
        }
        if reply.version <= self.agency.protocol().map_or(0, version) {
            return Ok(());
        }
        let toml = verify_protocol(&reply, self.agency.trust())
            .ok_or(DirectoryError::Malformed("the protocol's signatures"))?;
        let protocol = Protocol::parse(&toml)
            .ok()
            .filter(|protocol| protocol.version() == reply.version)
            .ok_or(DirectoryError::Malformed("the protocol"))?;
        let mirror = &self.agency.inner.protocol;
        let mut held = mirror.write().unwrap_or_else(PoisonError::into_inner);
        if held
            .as_ref()
            .is_none_or(|held| held.version() < protocol.version())
        {
            *held = Some(Arc::new(protocol));
        }
        Ok(())
    }
}

/// The protocol's text, if one pinned administrator proposed it and another approved.
fn verify_protocol(reply: &v1::GetProtocolResponse, trust: &TrustAnchors) -> Option<String> {
    let proposer = trust.administrator(&claimed_kid(&reply.proposal).ok()?)?;
    let approver = trust.administrator(&claimed_kid(&reply.approval).ok()?)?;
    let act = Act::parse(&reply.proposal, proposer).ok()?;
    let approval = Approval::parse(&reply.approval, approver).ok()?;
    let ActBody::PublishProtocol { version, toml } = act.body else {
        return None;
    };
    let holds = proposer != approver
        && act.origin == trust.origin
        && approval.act == act_digest(&reply.proposal)
        && version == reply.version
        && toml.as_bytes() == reply.toml;
    holds.then_some(toml)
}
