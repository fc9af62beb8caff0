//! Attacks over real sockets, against a health service behind the real listener.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Status, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::service_fn;
use zeroize::Zeroizing;

use super::{Listener, Peer, SocketAddr};
use crate::domain::time::Timestamp;
use crate::grpc::limits::{CONNECTIONS_PER_AGENCY_MAX, configure};
use crate::grpc::tls::{Material, Now, PeerInvalid, ReloadingTls, TlsError};
use crate::identity::authority::{
    Authority, IssuedLeaf, LeafProfile, RevocationLists, RevocationReason, Usage,
};
use crate::identity::testing::{Counter, DAY, TRUST_DOMAIN, authority, client_profile, issue, now};

/// A router's listener with a health service, its authority, its clock and its "files".
struct Town {
    authority: Authority,
    material: Arc<Mutex<Material>>,
    clock: Arc<AtomicI64>,
    tls: Arc<ReloadingTls>,
    address: SocketAddr,
    last_peer: Arc<Mutex<Option<Peer>>>,
    stop: CancellationToken,
    seed: u64,
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn pem(lists: &RevocationLists) -> Vec<u8> {
    let root = lists.root_pem.as_deref().unwrap_or_default();
    format!("{root}{}", lists.issuing_pem).into_bytes()
}

fn clock_of(clock: &Arc<AtomicI64>) -> Now {
    let clock = Arc::clone(clock);
    Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)).unwrap())
}

fn material(authority: &mut Authority) -> Material {
    let names = ["localhost".to_owned()];
    let server = authority.issue_router(&names, now(), 90 * DAY, &mut Counter(7));
    let server = server.unwrap();
    Material {
        chain: server.chain_pem.clone().into_bytes(),
        key: Zeroizing::new(server.key_pem.as_bytes().to_vec()),
        roots: authority.root_pem().as_bytes().to_vec(),
        lists: pem(&authority.revocation_lists(now(), 7 * DAY).unwrap()),
    }
}

impl Town {
    async fn new() -> Self {
        let mut authority = authority();
        let material = Arc::new(Mutex::new(material(&mut authority)));
        let clock = Arc::new(AtomicI64::new(now().millis()));
        let source = Arc::clone(&material);
        let read = move || Ok(source.lock().unwrap().clone());
        let tls = ReloadingTls::start(read, TRUST_DOMAIN, clock_of(&clock)).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any, Arc::clone(&tls)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let last_peer = Arc::new(Mutex::new(None));
        let stop = CancellationToken::new();

        let (reporter, service) = tonic_health::server::health_reporter();
        drop(reporter);
        let (seen, time) = (Arc::clone(&last_peer), clock_of(&clock));
        let check = move |request: Request<()>| {
            let peer = request.extensions().get::<Peer>().cloned();
            let peer = peer.ok_or_else(|| Status::internal("no peer"))?;
            let valid = peer.still_valid(time());
            *seen.lock().unwrap() = Some(peer);
            valid.map_err(|_| Status::unauthenticated(""))?;
            Ok(request)
        };
        let service = tonic::service::interceptor::InterceptedService::new(service, check);
        let stopped = stop.clone().cancelled_owned();
        tokio::spawn(
            configure(Server::builder())
                .add_service(service)
                .serve_with_incoming_shutdown(listener.incoming(), stopped),
        );
        Self {
            authority,
            material,
            clock,
            tls,
            address,
            last_peer,
            stop,
            seed: 0,
        }
    }

    fn issue(&mut self, change: impl FnOnce(&mut LeafProfile)) -> IssuedLeaf {
        let mut profile = client_profile("ngo-a");
        change(&mut profile);
        self.seed += 1;
        issue(&mut self.authority, &profile, self.seed)
    }

    fn config(&self, leaf: Option<&IssuedLeaf>) -> ClientConfig {
        self.config_with(leaf, &[&rustls::version::TLS13])
    }

    fn config_with(
        &self,
        leaf: Option<&IssuedLeaf>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.root_pem().as_bytes());
        roots.add(root.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Fixed))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match leaf {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
                let chain = vec![leaf.certificate.clone(), leaf.issuer.clone()];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }

    async fn client(&self, config: ClientConfig) -> Result<HealthClient<Channel>, Status> {
        let connector = TlsConnector::from(Arc::new(config));
        let address = self.address;
        let connect = service_fn(move |_| {
            let connector = connector.clone();
            async move {
                let tcp = TcpStream::connect(address).await?;
                let name = ServerName::try_from("localhost").unwrap();
                Ok::<_, io::Error>(TokioIo::new(connector.connect(name, tcp).await?))
            }
        });
        Endpoint::from_static("http://localhost")
            .connect_with_connector(connect)
            .await
            .map(HealthClient::new)
            .map_err(|error| Status::unavailable(error.to_string()))
    }

    async fn call(&self, config: ClientConfig) -> Result<HealthClient<Channel>, Status> {
        let work = async {
            let mut client = self.client(config).await?;
            client.check(HealthCheckRequest::default()).await?;
            Ok(client)
        };
        in_time(work).await
    }

    async fn stream(
        &self,
        leaf: &IssuedLeaf,
    ) -> (HealthClient<Channel>, Streaming<HealthCheckResponse>) {
        let mut client = self.call(self.config(Some(leaf))).await.unwrap();
        let watch = client.watch(HealthCheckRequest::default());
        let mut stream = in_time(watch).await.unwrap().into_inner();
        assert!(in_time(stream.message()).await.unwrap().is_some());
        (client, stream)
    }

    /// As an operator would: revoke, make lists, bring them over.
    fn revoke(&mut self, leaf: &IssuedLeaf) {
        let reason = RevocationReason::KeyCompromise;
        let at = (clock_of(&self.clock))();
        self.authority.revoke(&leaf.serial, reason, at).unwrap();
        self.bring_lists();
    }

    fn bring_lists(&mut self) {
        let at = (clock_of(&self.clock))();
        let lists = self.authority.revocation_lists(at, 7 * DAY).unwrap();
        self.material.lock().unwrap().lists = pem(&lists);
    }

    fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).unwrap();
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    fn last_peer(&self) -> Peer {
        self.last_peer.lock().unwrap().clone().unwrap()
    }
}

/// The clients' clock stands still, so that only the router's judgement is tested.
#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(now().seconds()).unwrap();
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// A refusal must come by itself, and at once.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(4);
    tokio::time::timeout(limit, work).await.expect("in time")
}

#[tokio::test]
async fn a_right_certificate_is_let_in_over_a_post_quantum_exchange() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    town.call(town.config(Some(&leaf))).await.unwrap();
    let peer = town.last_peer();
    assert_eq!(peer.certified.agency().as_str(), "ngo-a");
    assert_eq!(peer.certified.serial(), &leaf.serial);
    assert_eq!(peer.group, Some("X25519MLKEM768"));
    assert_eq!(peer.still_valid(now()), Ok(()));
    let late = now().plus(91 * DAY);
    assert_eq!(peer.still_valid(late), Err(PeerInvalid::Expired));
    let stale = now().plus(8 * DAY);
    assert_eq!(peer.still_valid(stale), Err(PeerInvalid::StaleLists));
}

#[tokio::test]
async fn strangers_are_refused() {
    let mut town = Town::new().await;
    assert!(
        town.call(town.config(None)).await.is_err(),
        "no certificate"
    );
    let foreign = issue(&mut authority(), &client_profile("ngo-a"), 1);
    let foreign = town.call(town.config(Some(&foreign))).await;
    assert!(foreign.is_err(), "another authority");

    type Change = fn(&mut LeafProfile);
    let changes: [(&str, Change); 9] = [
        ("expired", |profile| {
            profile.not_after = now().minus(DAY / 2)
        }),
        ("not yet valid", |profile| {
            profile.not_before = now().plus(DAY)
        }),
        ("server usage only", |profile| {
            profile.usages = vec![Usage::Server]
        }),
        ("signing certificate", |profile| {
            profile.usages = vec![Usage::Signing]
        }),
        ("no usage", |profile| profile.usages.clear()),
        ("no name", |profile| profile.uris.clear()),
        ("two names", |profile| {
            profile
                .uris
                .push("spiffe://safeconduct.example/agency/ngo-b".to_owned());
        }),
        ("a DNS name as well", |profile| {
            profile.dns.push("ngo-a.example".to_owned())
        }),
        ("another trust domain", |profile| {
            profile.uris = vec!["spiffe://other.example/agency/ngo-a".to_owned()];
        }),
    ];
    for (what, change) in changes {
        let leaf = town.issue(change);
        let result = town.call(town.config(Some(&leaf))).await;
        assert!(result.is_err(), "{what}");
    }
    // None of them reached a service.
    assert!(town.last_peer.lock().unwrap().is_none());
}

#[tokio::test]
async fn older_tls_and_a_connection_without_h2_are_refused() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    let old = town.config_with(Some(&leaf), &[&rustls::version::TLS12]);
    assert!(town.call(old).await.is_err(), "TLS 1.2");
    for protocols in [vec![], vec![b"http/1.1".to_vec()]] {
        let mut config = town.config(Some(&leaf));
        config.alpn_protocols = protocols;
        assert!(town.call(config).await.is_err(), "no h2");
    }
    assert!(town.last_peer.lock().unwrap().is_none());
}

#[tokio::test]
async fn no_session_is_resumed() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    let connector = TlsConnector::from(Arc::new(town.config(Some(&leaf))));
    for _ in 0..2 {
        let tcp = TcpStream::connect(town.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = in_time(connector.connect(name, tcp)).await.unwrap();
        assert_eq!(
            stream.get_ref().1.handshake_kind(),
            Some(HandshakeKind::Full)
        );
        // A ticket would come before the server's first frame: wait for that, so that it would be kept.
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        stream.write_all(preface).await.unwrap();
        in_time(stream.read_u8()).await.unwrap();
    }
}

/// Invariant 19.
#[tokio::test]
async fn a_revocation_cuts_the_open_connection_and_refuses_new_ones() {
    let mut town = Town::new().await;
    let (thief, honest) = (town.issue(|_| ()), town.issue(|_| ()));
    let (mut client, mut stream) = town.stream(&thief).await;
    let peer = town.last_peer();
    let (mut other, _other_stream) = town.stream(&honest).await;

    town.revoke(&thief);
    assert!(town.tls.reload().unwrap());
    assert!(in_time(stream.message()).await.is_err(), "the open stream");
    assert_eq!(peer.still_valid(now()), Err(PeerInvalid::Revoked));
    let again = in_time(client.check(HealthCheckRequest::default())).await;
    assert!(again.is_err(), "the open connection");
    let new = town.call(town.config(Some(&thief))).await;
    assert!(new.is_err(), "a new connection");

    in_time(other.check(HealthCheckRequest::default()))
        .await
        .unwrap();
    town.call(town.config(Some(&honest))).await.unwrap();
}

#[tokio::test]
async fn lists_past_their_end_let_nobody_in_and_nobody_stay() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    let (_client, mut stream) = town.stream(&leaf).await;
    assert!(!town.tls.status().lists_half_aged);
    town.pass(4 * DAY);
    assert!(town.tls.status().lists_half_aged);
    assert!(!town.tls.reload().unwrap());
    town.call(town.config(Some(&leaf))).await.unwrap();

    town.pass(4 * DAY);
    assert!(!town.tls.reload().unwrap());
    assert!(in_time(stream.message()).await.is_err(), "the open stream");
    assert!(town.call(town.config(Some(&leaf))).await.is_err());

    town.bring_lists();
    assert!(town.tls.reload().unwrap());
    town.call(town.config(Some(&leaf))).await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_loses_its_open_connection() {
    let mut town = Town::new().await;
    let leaf = town.issue(|profile| profile.not_after = now().plus(DAY));
    let (_client, mut stream) = town.stream(&leaf).await;
    town.pass(2 * DAY);
    town.tls.reload().unwrap();
    assert!(in_time(stream.message()).await.is_err());
}

#[tokio::test]
async fn a_reload_that_fails_keeps_what_was_there() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    let (mut client, _stream) = town.stream(&leaf).await;
    let before = town.material.lock().unwrap().clone();
    town.pass(DAY);
    town.bring_lists();
    town.tls.reload().unwrap();

    let theirs = material(&mut authority());
    type Change = Box<dyn FnOnce(&mut Material)>;
    let changes: [(&str, Change); 6] = [
        ("older lists", Box::new(move |material| *material = before)),
        ("no lists", Box::new(|material| material.lists.clear())),
        (
            "cut lists",
            Box::new(|material| material.lists.truncate(300)),
        ),
        ("no roots", Box::new(|material| material.roots.clear())),
        (
            "another key",
            Box::new(move |material| material.key = theirs.key),
        ),
        ("no chain", Box::new(|material| material.chain.clear())),
    ];
    let good = town.material.lock().unwrap().clone();
    let lists = town.tls.revocation_lists();
    for (what, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        *town.material.lock().unwrap() = bad;
        assert!(town.tls.reload().is_err(), "{what}");
        assert!(town.tls.status().reload_failed, "{what}");
        assert_eq!(town.tls.revocation_lists(), lists, "{what}");
        in_time(client.check(HealthCheckRequest::default()))
            .await
            .unwrap();
    }
    *town.material.lock().unwrap() = good;
    assert!(!town.tls.reload().unwrap());
    assert!(!town.tls.status().reload_failed);
}

#[tokio::test]
async fn one_agency_cannot_take_every_place() {
    let mut town = Town::new().await;
    let leaf = town.issue(|_| ());
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_PER_AGENCY_MAX {
        held.push(town.call(town.config(Some(&leaf))).await.unwrap());
    }
    assert_eq!(town.tls.status().connections, CONNECTIONS_PER_AGENCY_MAX);
    assert!(town.call(town.config(Some(&leaf))).await.is_err());
    let other = town.issue(|profile| {
        profile.uris = vec!["spiffe://safeconduct.example/agency/ngo-b".to_owned()];
    });
    town.call(town.config(Some(&other))).await.unwrap();
}

#[test]
fn a_listener_without_fresh_lists_does_not_start() {
    let good = material(&mut authority());
    let start = |lists: Vec<u8>, at: Timestamp| {
        let mut material = good.clone();
        material.lists = lists;
        let now: Now = Arc::new(move || at);
        ReloadingTls::start(move || Ok(material.clone()), TRUST_DOMAIN, now).unwrap_err()
    };
    assert!(matches!(start(Vec::new(), now()), TlsError::NoLists));
    let stale = start(good.lists.clone(), now().plus(8 * DAY));
    assert!(matches!(stale, TlsError::StaleLists));
    let twice = start([good.lists.clone(), good.lists.clone()].concat(), now());
    assert!(matches!(twice, TlsError::Lists));
}
