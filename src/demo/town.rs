//! The town: a certificate authority, a router process and connected agencies, in one folder.
//!
//! Nothing here is pretended: the router is the program itself in a process of its own, agencies reach it over mutual
//! TLS, and two administrators sign every enrolment. A [`simulated`] town differs in one thing: its router is served
//! within this process, so that one clock can be handed to everybody and days pass in moments.

pub mod authority;
mod files;
pub mod members;
pub mod router;
pub mod simulated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::client::agency::{Agency, Desk};
use crate::client::connect::{ConnectError, RouterAddress};
use crate::client::error::ClientError;
use crate::client::keys::{AgencyKeys, KeyFileError};
use crate::client::log::{LogStateError, LogView};
use crate::client::retry::RetryPolicy;
use crate::client::session::{Clock, system_clock};
use crate::client::trust::TrustAnchors;
use crate::domain::id::AgencyId;
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::envelope::keys::{KeyError, KeyPairSigner, Signer};
use crate::identity::authority::AuthorityError;

use authority::TownAuthority;
pub use files::key_files;
use files::{administrator, make_folder, pin};
use members::MemberSpec;
use router::RouterProcess;

/// The trust domain and log origin of the town.
pub const ORIGIN: &str = "safeconduct.example";
/// The agency that the administrators call as.
pub const OPERATOR: &str = "operator";

/// Folder of an agency's receipts beside its checkpoint, as the program has it.
const RECEIPTS: &str = "receipts";

/// The shipped protocol.
const PROTOCOL: &str = include_str!("../../deploy/protocol.toml");

/// The town could not be built or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum TownError {
    /// A file.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The router process.
    #[error("the router process: {0}")]
    Router(String),
    /// The certificate authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A key.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A signer.
    #[error(transparent)]
    Signer(#[from] KeyError),
    /// A saved checkpoint.
    #[error(transparent)]
    Log(#[from] LogStateError),
    /// No such agency in this town.
    #[error("no agency of this name in the town")]
    NoSuchAgency,
    /// Not an id.
    #[error(transparent)]
    Id(#[from] crate::domain::id::BadId),
}

/// How to build a town.
#[derive(Debug, Clone)]
pub struct TownOptions {
    /// The program; its `router` subcommand is the router.
    pub binary: PathBuf,
    /// Folder to build in, made if it is not there; must be empty.
    pub folder: PathBuf,
    /// The agencies, besides the operator.
    pub members: Vec<MemberSpec>,
    /// Levels of the router's own log.
    pub log_filter: String,
    /// How patient the agencies are.
    pub policy: RetryPolicy,
    /// The router's `[limits]`, line by line.
    pub limits: String,
    /// Whether the router publishes its log, and what stands under `[publication]` besides the address.
    pub publication: Option<String>,
    /// Whether agencies keep their receipts, as the program does: a file for each act.
    pub receipts: bool,
}

/// A town lives through a busy day in a minute: its rates are no measure.
const FAST: &str = "openings_per_minute = 1000000\n\
                    alarms_per_minute = 1000000\n\
                    audits_per_minute = 1000000\n";

impl TownOptions {
    /// A town of the demo's members.
    #[must_use]
    pub fn new(binary: PathBuf, folder: PathBuf) -> Self {
        Self {
            binary,
            folder,
            members: members::all(),
            log_filter: "info".into(),
            policy: RetryPolicy::default(),
            limits: FAST.into(),
            publication: None,
            receipts: false,
        }
    }
}

/// What every agency of a town connects to.
pub trait Reachable {
    /// Where it is.
    fn address(&self) -> RouterAddress;
}

/// A running town. The router ends with it.
pub struct Town<R = RouterProcess> {
    folder: PathBuf,
    policy: RetryPolicy,
    receipts: bool,
    clock: Clock,
    authority: TownAuthority,
    router: R,
    trust: TrustAnchors,
    administrators: [KeyPairSigner; 2],
    agencies: BTreeMap<String, Agency>,
}

impl<R> std::fmt::Debug for Town<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Town")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl Town {
    /// Builds the town in an empty folder: authority, administrators, `router init`, router, enrolments, keys.
    ///
    /// # Errors
    ///
    /// [`TownError`] at the first thing that fails.
    pub async fn start(options: TownOptions) -> Result<Self, TownError> {
        let mut town = Self::begin(&options)?;
        town.settle(&options.members, PROTOCOL).await?;
        Ok(town)
    }

    /// The first half of [`Town::start`]: authority, administrators, `router init` and the router process.
    ///
    /// # Errors
    ///
    /// [`TownError`] at the first thing that fails.
    pub fn begin(options: &TownOptions) -> Result<Self, TownError> {
        let folder = options.folder.clone();
        make_folder(&folder)?;
        let mut authority = TownAuthority::create(&folder.join("ca"), ORIGIN)?;
        let administrators = [administrator(&folder, 1)?, administrator(&folder, 2)?];
        let mut router = RouterProcess::create(options, &authority)?;
        router.initialise(&mut authority, &folder)?;
        let trust = pin(&folder, &authority, &administrators, router.log_key())?;
        let agencies = BTreeMap::new();
        let policy = options.policy;
        Ok(Self {
            folder,
            policy,
            receipts: options.receipts,
            clock: system_clock(),
            authority,
            router,
            trust,
            administrators,
            agencies,
        })
    }

    /// The router process, to be killed, stopped and started.
    pub const fn router(&mut self) -> &mut RouterProcess {
        &mut self.router
    }

    /// Kills the router and starts it again on the same store and address.
    ///
    /// # Errors
    ///
    /// [`TownError::Router`].
    pub fn restart(&mut self) -> Result<(), TownError> {
        self.router.kill();
        self.router.start()
    }
}

impl<R: Reachable> Town<R> {
    /// Everything after the router's first start: operator, protocol, enrolments, keys.
    async fn settle(&mut self, members: &[MemberSpec], protocol: &str) -> Result<(), TownError> {
        self.open_operator().await?;
        self.publish(protocol).await?;
        for member in members {
            self.enrol(member).await?;
        }
        for member in members {
            self.join(member).await?;
        }
        Ok(())
    }

    /// The operator's certificate, keys and first bundle.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn open_operator(&mut self) -> Result<(), TownError> {
        let operator = MemberSpec::new(OPERATOR, AgencyKind::Operator);
        self.join(&operator).await
    }

    /// Publishes the shipped protocol under both administrators' signatures.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn publish_protocol(&self) -> Result<(), TownError> {
        self.publish(PROTOCOL).await
    }

    async fn publish(&self, protocol: &str) -> Result<(), TownError> {
        self.administrator_desk()?
            .publish_protocol(1, protocol, self.signers())
            .await?;
        Ok(())
    }

    /// Enrols a member under both administrators' signatures.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn enrol(&self, member: &MemberSpec) -> Result<(), TownError> {
        let agency: AgencyId = member.id.parse()?;
        let parent = member.parent.map(str::parse).transpose()?;
        self.administrator_desk()?
            .enrol(&agency, member.kind, parent.as_ref(), self.signers())
            .await?;
        Ok(())
    }

    /// Gives a member its certificates, connects it and publishes its first key bundle.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub async fn join(&mut self, member: &MemberSpec) -> Result<(), TownError> {
        let id: AgencyId = member.id.parse()?;
        let home = self.home(member.id);
        make_folder(&home)?;
        let files = self.authority.issue_agency(&id, &home)?;
        let keys = AgencyKeys::load(id, &files)?;
        let agency = self.connect(keys, &home.join("checkpoint"))?;
        agency
            .desk("desk", StaffRole::Administrator)?
            .publish_keys(member.facts.clone())
            .await?;
        self.agencies.insert(member.id.to_owned(), agency);
        Ok(())
    }

    /// Connects an agency with these keys; its last checkpoint is kept in `checkpoint`.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn connect(&self, keys: AgencyKeys, checkpoint: &Path) -> Result<Agency, TownError> {
        let mut log = LogView::open(&self.trust.log_key, checkpoint.to_owned())?;
        if self.receipts {
            log = log.keeping_receipts(checkpoint.with_file_name(RECEIPTS))?;
        }
        let (address, trust) = (self.address(), self.trust.clone());
        Ok(Agency::connect_at(
            keys,
            &address,
            trust,
            log,
            self.clock.clone(),
            self.policy,
        )?)
    }

    /// The same keys in other hands: a thief's copy of an agency, with this much patience.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn impostor(&self, id: &str, policy: RetryPolicy) -> Result<Agency, TownError> {
        let keys = AgencyKeys::load(id.parse()?, &key_files(&self.home(id)))?;
        let log = LogView::in_memory(&self.trust.log_key)?;
        let (address, trust) = (self.address(), self.trust.clone());
        Ok(Agency::connect_at(
            keys,
            &address,
            trust,
            log,
            self.clock.clone(),
            policy,
        )?)
    }

    /// One agency of the town.
    ///
    /// # Errors
    ///
    /// [`TownError::NoSuchAgency`].
    pub fn agency(&self, id: &str) -> Result<&Agency, TownError> {
        self.agencies.get(id).ok_or(TownError::NoSuchAgency)
    }

    /// A member of staff of one agency.
    ///
    /// # Errors
    ///
    /// [`TownError::NoSuchAgency`], [`TownError::Id`].
    pub fn desk(&self, id: &str, pseudonym: &str, role: StaffRole) -> Result<Desk, TownError> {
        Ok(self.agency(id)?.desk(pseudonym, role)?)
    }

    fn administrator_desk(&self) -> Result<Desk, TownError> {
        self.desk(OPERATOR, "administrator", StaffRole::Administrator)
    }

    /// Both administrators.
    #[must_use]
    pub fn signers(&self) -> [&dyn Signer; 2] {
        let [first, second] = &self.administrators;
        [first, second]
    }

    /// Where the router is.
    #[must_use]
    pub fn address(&self) -> RouterAddress {
        self.router.address()
    }

    /// What every agency pinned.
    #[must_use]
    pub const fn trust(&self) -> &TrustAnchors {
        &self.trust
    }

    /// The certificate authority, to issue hostile certificates and revoke good ones.
    pub const fn authority(&mut self) -> &mut TownAuthority {
        &mut self.authority
    }

    /// Everything is in here.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// An agency's own folder.
    #[must_use]
    pub fn home(&self, id: &str) -> PathBuf {
        self.folder.join("agencies").join(id)
    }
}
