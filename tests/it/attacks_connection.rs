//! Who does not get a connection, and who loses one (invariants 18 and 19).

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use safeconduct::client::connect::{ClientIdentity, channel_with, tls_config};
use safeconduct::client::random::SystemRandom;
use safeconduct::client::session::system_clock;
use safeconduct::demo::town::ORIGIN;
use safeconduct::domain::vocabulary::StaffRole;
use safeconduct::identity::authority::{Authority, IssuedLeaf, LeafProfile, Usage};
use safeconduct::identity::certificate::agency_uri;
use safeconduct::proto::v1;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Status;

use crate::harness::frames::Frames;
use crate::harness::scene::DAY;
use crate::harness::wire::Wire;
use crate::harness::{World, own, run, shared_town, world};

/// A revocation must have taken effect within this.
const REVOKED_WITHIN: Duration = Duration::from_secs(20);

const CHECKPOINT: &str = "AuditService/GetCheckpoint";

/// What the authority would issue to `agency`.
fn profile(agency: &str) -> LeafProfile {
    let now = system_clock()();
    LeafProfile {
        uris: vec![agency_uri(ORIGIN, &agency.parse().unwrap())],
        dns: Vec::new(),
        ips: Vec::new(),
        common_name: agency.to_owned(),
        usages: vec![Usage::Client],
        not_before: now.minus(DAY),
        not_after: now.plus(30 * DAY),
    }
}

fn identity(leaf: &IssuedLeaf) -> ClientIdentity {
    let chain = CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    ClientIdentity::new(chain, key).unwrap()
}

/// A call over TLS settings of one's own, with a token that is right in itself.
async fn call(world: &World, config: ClientConfig) -> Result<Vec<u8>, Status> {
    let right = world.wire("thief", StaffRole::Caseworker);
    let channel = channel_with(&world.address, config).unwrap();
    let wire = Wire::bare(channel).with_token(right.token());
    wire.raw(CHECKPOINT, Vec::new()).await
}

/// The handshake itself must fail: the router says no word of HTTP/2, and nothing of why.
async fn no_connection(world: &World, config: ClientConfig) {
    let name = ServerName::try_from(world.address.server_name.clone()).unwrap();
    let target = (world.address.host.as_str(), world.address.port);
    let stream = TcpStream::connect(target).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config.clone()));
    // In TLS 1.3 the client learns of the refusal of its certificate with the first read.
    if let Ok(mut stream) = connector.connect(name, stream).await {
        let mut byte = [0];
        let read = timeout(Duration::from_secs(10), stream.read(&mut byte)).await;
        let read = read.expect("a refused connection does not stay open");
        assert!(
            read.is_err() || read.is_ok_and(|count| count == 0),
            "the router spoke"
        );
    }
    assert!(call(world, config).await.is_err());
}

async fn refused_certificate(change: impl FnOnce(&mut LeafProfile)) {
    let world = world().await;
    let mut profile = profile("thief");
    change(&mut profile);
    let leaf = shared_town().await.authority().issue(&profile).unwrap();
    let config = tls_config(&world.trust.roots, Some(&identity(&leaf))).unwrap();
    no_connection(world, config).await;
}

#[test]
fn a_right_certificate_connects() {
    run(async {
        let world = world().await;
        let own = world.wire("thief", StaffRole::Caseworker);
        own.raw(CHECKPOINT, Vec::new()).await.unwrap();
    });
}

#[test]
fn nobody_connects_without_a_certificate() {
    run(async {
        let world = world().await;
        no_connection(world, tls_config(&world.trust.roots, None).unwrap()).await;
    });
}

#[test]
fn a_certificate_of_another_authority_does_not_connect() {
    run(async {
        let world = world().await;
        let now = system_clock()();
        let mut other = Authority::create(ORIGIN, now, &mut SystemRandom).unwrap();
        let leaf = other.issue(&profile("thief"), &mut SystemRandom).unwrap();
        let config = tls_config(&world.trust.roots, Some(&identity(&leaf))).unwrap();
        no_connection(world, config).await;
    });
}

#[test]
fn an_expired_certificate_does_not_connect() {
    run(refused_certificate(|profile| {
        profile.not_before = profile.not_before.minus(2 * DAY);
        profile.not_after = system_clock()().minus(DAY);
    }));
}

#[test]
fn a_certificate_not_yet_valid_does_not_connect() {
    run(refused_certificate(|profile| {
        profile.not_before = system_clock()().plus(DAY);
    }));
}

#[test]
fn a_servers_certificate_does_not_connect_as_a_client() {
    run(refused_certificate(|profile| {
        profile.usages = vec![Usage::Server]
    }));
}

#[test]
fn a_signing_certificate_does_not_connect() {
    run(refused_certificate(|profile| {
        profile.usages = vec![Usage::Signing]
    }));
}

#[test]
fn a_certificate_without_extended_key_usage_does_not_connect() {
    run(refused_certificate(|profile| profile.usages.clear()));
}

#[test]
fn a_certificate_with_two_names_does_not_connect() {
    run(refused_certificate(|profile| {
        let second = agency_uri(ORIGIN, &"alpha".parse().unwrap());
        profile.uris.push(second);
    }));
}

#[test]
fn a_certificate_without_a_name_does_not_connect() {
    run(refused_certificate(|profile| profile.uris.clear()));
}

#[test]
fn a_certificate_of_another_trust_domain_does_not_connect() {
    run(refused_certificate(|profile| {
        profile.uris = vec!["spiffe://elsewhere.example/agency/thief".to_owned()];
    }));
}

#[test]
fn tls_1_2_does_not_connect() {
    run(async {
        let world = world().await;
        let leaf = shared_town()
            .await
            .authority()
            .issue(&profile("thief"))
            .unwrap();
        no_connection(world, versioned(world, &leaf, &rustls::version::TLS12)).await;
    });
}

/// The control of the test above: the same settings with TLS 1.3 connect.
#[test]
fn the_same_settings_with_tls_1_3_connect() {
    run(async {
        let world = world().await;
        let leaf = shared_town()
            .await
            .authority()
            .issue(&profile("thief"))
            .unwrap();
        let config = versioned(world, &leaf, &rustls::version::TLS13);
        let channel = channel_with(&world.address, config).unwrap();
        // Without a token, but with an answer.
        let refused = Wire::bare(channel)
            .raw(CHECKPOINT, Vec::new())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    });
}

fn versioned(
    world: &World,
    leaf: &IssuedLeaf,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(world.trust.roots[0].clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = CertificateDer::pem_slice_iter(leaf.chain_pem.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Requests of one connection that are refused while their bodies are on the way; just below what it may have open.
const REFUSED_AT_ONCE: u32 = 60;

/// A refusal costs a connection nothing: whoever is refused often, and whose bodies come late, keeps it.
#[test]
fn a_connection_outlives_any_number_of_refusals() {
    run(async {
        let world = world().await;
        let keys = world.agency("thief").keys().tls();
        let mut config = tls_config(&world.trust.roots, Some(keys)).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from(world.address.server_name.clone()).unwrap();
        let target = (world.address.host.as_str(), world.address.port);
        let stream = TcpStream::connect(target).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut frames = Frames::begin(connector.connect(name, stream).await.unwrap()).await;
        let path = format!("/safeconduct.v1.{CHECKPOINT}");
        let mut streams = (1..).step_by(2);
        for _ in 0..8 {
            let streams: Vec<u32> = streams.by_ref().take(REFUSED_AT_ONCE as usize).collect();
            for stream in &streams {
                frames
                    .head(*stream, &world.address.server_name, &path)
                    .await;
            }
            // A router that answers before it has read the whole request has the time to do so.
            let mut ended = 0;
            for _ in 0..100 {
                ended += frames.settle().await;
            }
            for stream in &streams {
                frames.body(*stream).await;
            }
            while ended < streams.len() {
                ended += frames.settle().await;
            }
        }
    });
}

/// Invariants 13 and 19: new connections, open connections, and what is open on them.
#[test]
fn a_revoked_certificate_loses_its_connection_and_gets_no_other() {
    run(async {
        let world = world().await;
        let wire = world.wire("leaver", StaffRole::Intake);
        let watch = v1::WatchRequest {
            parent: "agencies/leaver".into(),
            resume_token: String::new(),
        };
        let mut stream = wire.stream("EventService/Watch", &watch).await.unwrap();
        assert!(
            stream.message().await.unwrap().is_some(),
            "a heartbeat comes at once"
        );
        wire.raw(CHECKPOINT, Vec::new()).await.unwrap();

        let agency = "leaver".parse().unwrap();
        shared_town()
            .await
            .authority()
            .revoke_agency(&agency)
            .unwrap();

        let ended = timeout(REVOKED_WITHIN, async {
            while let Ok(Some(_)) = stream.message().await {}
        });
        ended.await.expect("the open stream ends");
        assert!(
            wire.raw(CHECKPOINT, Vec::new()).await.is_err(),
            "the open connection"
        );
        let keys = world.agency("leaver").keys().tls();
        no_connection(world, tls_config(&world.trust.roots, Some(keys)).unwrap()).await;
        let other = world.wire("house2", StaffRole::Intake);
        other.raw(CHECKPOINT, Vec::new()).await.unwrap();
    });
}

/// Invariant 19: lists past their end let nobody in and nobody stay.
#[test]
fn stale_revocation_lists_fail_closed() {
    run(async {
        let mut own = own(&["alpha", "thief"], "info").await;
        let wire = own.world.wire("alpha", StaffRole::Caseworker);
        wire.raw(CHECKPOINT, Vec::new()).await.unwrap();
        own.town
            .authority()
            .publish_lists_for(Duration::from_secs(3))
            .unwrap();
        let refused = timeout(REVOKED_WITHIN, async {
            while wire.raw(CHECKPOINT, Vec::new()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        refused.await.expect("the open connection ends");
        let keys = own.world.agency("alpha").keys().tls();
        no_connection(
            &own.world,
            tls_config(&own.world.trust.roots, Some(keys)).unwrap(),
        )
        .await;

        own.town.authority().publish_lists().unwrap();
        let back = timeout(REVOKED_WITHIN, async {
            while wire.raw(CHECKPOINT, Vec::new()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        back.await.expect("fresh lists let everybody in again");
    });
}
