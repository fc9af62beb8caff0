//! A router in this process with agencies that connect to it over real mutual TLS.

use crate::client::connect::{ClientIdentity, RouterAddress, channel};
use crate::client::random::SystemRandom;
use crate::domain::directory::AgencyFacts;
use crate::domain::id::AgencyId;
use crate::domain::random::Random;
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::envelope::act::{Act, ActBody, Approval, act_digest};
use crate::envelope::bundle::{KeyBundleDraft, SealingPublicKey};
use crate::envelope::keys::{CertifiedSigner, KeyPairSigner, Signer, VerifyingKey};
use crate::exchange::clock::SystemClock;
use crate::exchange::{Exchange, Initialise, Settings};
use crate::grpc::listener::Listener;
use crate::grpc::server::{ServeError, Serving};
use crate::grpc::tls::{Material, ReloadingTls, system_now};
use crate::identity::authority::{AgencyIdentity, Authority};
use crate::identity::mint::{StaffKeyPair, TokenMinter};
use crate::ledger::note::NoteSigner;
use crate::proto::v1 as proto;
use crate::storage::memory::MemoryEngine;
use proto::administration_service_client::AdministrationServiceClient;
use proto::directory_service_client::DirectoryServiceClient;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;

pub const ORIGIN: &str = "safeconduct.example";
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// A running router, its authority and its administrators.
pub struct Town {
    pub authority: Authority,
    pub operator: Desk,
    pub stop: CancellationToken,
    pub ended: JoinHandle<Result<(), ServeError>>,
    pub engine: Arc<MemoryEngine>,
    material: Arc<Mutex<Material>>,
    address: SocketAddr,
    administrators: [KeyPairSigner; 2],
}

/// One agency's connection and keys.
pub struct Desk {
    pub agency: AgencyId,
    pub channel: Channel,
    pub identity: AgencyIdentity,
    minter: TokenMinter,
}

/// Requests that the router has in hand at a time.
pub const REQUESTS_MAX: usize = 64;

impl Town {
    pub async fn begin() -> Self {
        let now = system_now()();
        let mut authority =
            Authority::create(ORIGIN, now, &mut SystemRandom).expect("an authority");
        let server = authority
            .issue_router(&["localhost".into()], now, WEEK, &mut SystemRandom)
            .expect("a server certificate");
        let material = Material {
            chain: server.chain_pem.clone().into_bytes(),
            key: zeroize::Zeroizing::new(server.key_pem.as_bytes().to_vec()),
            roots: authority.root_pem().as_bytes().to_vec(),
            lists: lists(&mut authority, now),
        };
        let material = Arc::new(Mutex::new(material));
        let (source, listed) = (material.clone(), material.clone());
        let tls = ReloadingTls::start(
            move || Ok(source.lock().expect("not poisoned").clone()),
            ORIGIN,
            system_now(),
        )
        .expect("usable material");

        let administrators = [(); 2].map(|()| KeyPairSigner::generate().expect("a key").0);
        let engine = Arc::new(MemoryEngine::new());
        let exchange = exchange(engine.clone(), &authority, &administrators);
        let listener = Listener::bind("127.0.0.1:0".parse().expect("an address"), tls.clone())
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let serving = Serving {
            exchange,
            tls,
            listener,
            admin: None,
            requests_max: REQUESTS_MAX,
            reload_interval: Duration::from_millis(50),
            drain: Duration::from_secs(5),
            revocation_lists: Arc::new(move || ders(&listed.lock().expect("not poisoned").lists)),
            stop: stop.clone(),
            publishing: None,
            witnesses: Vec::new(),
        };
        let ended = tokio::spawn(serving.serve());
        let operator = desk(&mut authority, "operator", address);
        let town = Self {
            authority,
            operator,
            stop,
            ended,
            engine,
            material,
            address,
            administrators,
        };
        town.operator.publish_first_bundle().await;
        town
    }

    /// Certifies an agency that is not enrolled.
    pub fn stranger(&mut self, id: &str) -> Desk {
        desk(&mut self.authority, id, self.address)
    }

    /// Certifies and enrols an agency, and publishes its first bundle.
    pub async fn member(&mut self, id: &str, kind: AgencyKind) -> Desk {
        let desk = self.stranger(id);
        self.enrol(&desk.agency, kind).await;
        desk.publish_first_bundle().await;
        desk
    }

    pub async fn enrol(&self, agency: &AgencyId, kind: AgencyKind) {
        let issued = now();
        let act = Act {
            issued,
            origin: ORIGIN.into(),
            body: ActBody::Enrol {
                agency: agency.clone(),
                kind,
                parent: None,
            },
        };
        let act = act.sign(&self.administrators[0]).expect("signed");
        let approval = Approval {
            issued,
            act: act_digest(&act),
        };
        let approval = approval.sign(&self.administrators[1]).expect("signed");
        let mut client = AdministrationServiceClient::new(self.operator.channel.clone());
        let request_id = request_id();
        let proposed = client
            .propose(
                self.operator
                    .administrator(proto::ProposeRequest { request_id, act }),
            )
            .await
            .expect("proposed");
        let approved = proto::ApproveRequest {
            name: proposed.into_inner().name,
            request_id: self::request_id(),
            approval,
        };
        client
            .approve(self.operator.administrator(approved))
            .await
            .expect("approved");
    }

    /// Revokes all that `desk` has, and gives the router the new lists.
    pub fn revoke(&mut self, desk: &Desk) {
        let now = system_now()();
        let reason = crate::identity::authority::RevocationReason::KeyCompromise;
        self.authority
            .revoke(&desk.identity.tls.serial, reason, now)
            .expect("issued here");
        let lists = lists(&mut self.authority, now);
        self.material.lock().expect("not poisoned").lists = lists;
    }
}

impl Desk {
    /// A request with a token for `role`.
    pub fn request<M>(&self, role: StaffRole, message: M) -> Request<M> {
        let staff = "staff-1".parse().expect("a pseudonym");
        let token = self
            .minter
            .mint(&staff, role, system_now()(), Duration::from_secs(300))
            .expect("a token");
        with_token(message, &token)
    }

    pub fn administrator<M>(&self, message: M) -> Request<M> {
        self.request(StaffRole::Administrator, message)
    }

    pub async fn publish_first_bundle(&self) -> proto::Receipt {
        let request = proto::PublishKeyBundleRequest {
            name: format!("agencies/{}", self.agency),
            request_id: request_id(),
            key_bundle: self.bundle(),
        };
        DirectoryServiceClient::new(self.channel.clone())
            .publish_key_bundle(request)
            .await
            .expect("the certificate suffices for the first bundle")
            .into_inner()
            .receipt
            .expect("a receipt")
    }

    pub fn bundle(&self) -> Vec<u8> {
        let issued = now();
        let expires = issued.plus(WEEK);
        let mut key = vec![0; 1216];
        SystemRandom.fill(&mut key);
        let validity = Period {
            from: issued,
            until: expires,
        };
        let draft = KeyBundleDraft {
            agency: self.agency.clone(),
            seq: 1,
            prev: None,
            issued,
            expires,
            sealing_keys: vec![SealingPublicKey::new(key, validity).expect("a key's length")],
            staff_keys: vec![
                VerifyingKey::from_sec1(self.minter.public().point()).expect("a P-256 point"),
            ],
            facts: AgencyFacts::default(),
        };
        let signing = &self.identity.signing;
        let chain = vec![signing.certificate.to_vec(), signing.issuer.to_vec()];
        let signer = CertifiedSigner::new(&signing.key_pkcs8().expect("the key issued"), chain)
            .expect("a pair");
        draft.sign(&signer).expect("signed")
    }
}

pub fn with_token<M>(message: M, token: &str) -> Request<M> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).expect("ASCII");
    request.metadata_mut().insert("authorization", value);
    request
}

pub fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Whole seconds, as statements have them.
fn now() -> Timestamp {
    Timestamp::from_seconds(system_now()().seconds()).expect("a time")
}

fn lists(authority: &mut Authority, now: Timestamp) -> Vec<u8> {
    let lists = authority.revocation_lists(now, WEEK).expect("lists");
    let root = lists.root_pem.expect("the root key is here");
    format!("{root}{}", lists.issuing_pem).into_bytes()
}

fn ders(pem: &[u8]) -> Vec<Vec<u8>> {
    CertificateRevocationListDer::pem_slice_iter(pem)
        .map(|list| list.expect("PEM").to_vec())
        .collect()
}

fn exchange(
    engine: Arc<MemoryEngine>,
    authority: &Authority,
    administrators: &[KeyPairSigner; 2],
) -> Arc<Exchange> {
    let settings = || Settings {
        signer: NoteSigner::ed25519(ORIGIN, &[7; 32]).expect("a signer"),
        clock: Arc::new(SystemClock::new()),
        random: Box::new(SystemRandom),
        deadline: Duration::from_secs(10),
    };
    let pem = |key: &KeyPairSigner| {
        let body = data_encoding::BASE64.encode(&key.verifying_key().spki());
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    };
    let initialise = Initialise {
        origin: ORIGIN.into(),
        administrators: [pem(&administrators[0]), pem(&administrators[1])],
        roots: authority.root_pem().to_owned(),
        operator: "operator".parse().expect("an agency id"),
    };
    Exchange::initialise(&*engine, &mut settings(), &initialise).expect("an empty store");
    Exchange::open(engine, settings()).expect("a store just begun")
}

fn desk(authority: &mut Authority, id: &str, address: SocketAddr) -> Desk {
    let agency: AgencyId = id.parse().expect("an agency id");
    let identity = authority
        .issue_agency(&agency, system_now()(), WEEK, &mut SystemRandom)
        .expect("certificates");
    let chain = CertificateDer::pem_slice_iter(identity.tls.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(identity.tls.key_pem.as_bytes()).expect("PEM");
    let client = ClientIdentity::new(chain, key).expect("a pair");
    let fingerprint = *client.fingerprint();
    let roots = [CertificateDer::from_pem_slice(authority.root_pem().as_bytes()).expect("PEM")];
    let router = RouterAddress {
        host: address.ip().to_string(),
        port: address.port(),
        server_name: "localhost".into(),
    };
    let channel = channel(&router, &roots, &client).expect("usable settings");
    let key = StaffKeyPair::generate().expect("a key");
    let minter = TokenMinter::new(agency.clone(), ORIGIN.into(), fingerprint, key);
    Desk {
        agency,
        channel,
        identity,
        minter,
    }
}
