//! One state of the TLS material, understood and ready for use.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{ClockOf, Material, Now, TlsError, Verifier, unix_time};
use crate::domain::time::Timestamp;
use crate::identity::certificate::{CertificateError, Serial};
use crate::identity::signing_chain::TrustStore;

/// The one application protocol: gRPC is HTTP/2.
pub(in crate::grpc) const ALPN: &[u8] = b"h2";

/// The one application protocol of readers: HTTP/1.1.
const PUBLICATION_ALPN: &[u8] = b"http/1.1";

/// When one issuer's list was made and when it ends.
#[derive(Debug, Clone, Copy)]
struct ListTimes {
    this_update: Timestamp,
    next_update: Timestamp,
}

/// Material in use.
pub(super) struct Current {
    digest: [u8; 32],
    config: Arc<ServerConfig>,
    /// For readers of tiles, who may come without a certificate.
    publication: Arc<ServerConfig>,
    verifier: Verifier,
    trust: Arc<TrustStore>,
    /// By the issuer's name, DER.
    lists: HashMap<Vec<u8>, ListTimes>,
    revoked: HashSet<Serial>,
    /// The lists themselves, DER, sorted.
    ders: Vec<Vec<u8>>,
    certificate_expires: Timestamp,
}

impl Current {
    pub(super) fn new(material: &Material, now: &Now) -> Result<Self, TlsError> {
        let roots = certificates(&material.roots).map_err(|()| TlsError::Roots)?;
        let chain = certificates(&material.chain).map_err(|()| TlsError::Certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(&material.key).map_err(|_| TlsError::Certificate)?;
        let certificate_expires = chain.first().and_then(|leaf| expires(leaf));
        let lists = CertificateRevocationListDer::pem_slice_iter(&material.lists)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TlsError::Lists)?;
        if lists.is_empty() {
            return Err(TlsError::NoLists);
        }
        let mut times = HashMap::new();
        let mut revoked = HashSet::new();
        for list in &lists {
            let (issuer, its_times) = read_list(list, &mut revoked).ok_or(TlsError::Lists)?;
            if its_times.next_update <= now() {
                return Err(TlsError::StaleLists);
            }
            if times.insert(issuer, its_times).is_some() {
                return Err(TlsError::Lists);
            }
        }
        let mut ders: Vec<_> = lists.iter().map(|list| list.to_vec()).collect();
        ders.sort();
        let trust = TrustStore::new(&roots)
            .map_err(|_| TlsError::Roots)?
            .with_revocation_lists(&lists)
            .map_err(|_| TlsError::Lists)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(|_| TlsError::Roots)?;
        }
        let store = Arc::new(store);
        let builder = || {
            let provider = Arc::clone(&provider);
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&store), provider)
                .with_crls(lists.clone())
                .enforce_revocation_expiration()
        };
        let verifier = builder().build().map_err(|_| TlsError::Lists)?;
        let optional = builder().allow_unauthenticated().build();
        let optional = optional.map_err(|_| TlsError::Lists)?;
        let server = |verifier: &Verifier, protocol: &[u8]| -> Result<ServerConfig, TlsError> {
            let clock = Arc::new(ClockOf(Arc::clone(now)));
            let mut config = ServerConfig::builder_with_details(Arc::clone(&provider), clock)
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(|_| TlsError::Certificate)?
                .with_client_cert_verifier(Arc::clone(verifier))
                .with_single_cert(chain.clone(), key.clone_key())
                .map_err(|_| TlsError::Certificate)?;
            config.alpn_protocols = vec![protocol.to_vec()];
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
            Ok(config)
        };
        let config = server(&verifier, ALPN)?;
        let publication = server(&optional, PUBLICATION_ALPN)?;
        Ok(Self {
            digest: digest(material),
            config: Arc::new(config),
            publication: Arc::new(publication),
            verifier,
            trust: Arc::new(trust),
            lists: times,
            revoked,
            ders,
            certificate_expires: certificate_expires.ok_or(TlsError::Certificate)?,
        })
    }

    pub(super) fn is_from(&self, material: &Material) -> bool {
        self.digest == digest(material)
    }

    /// Whether no issuer's list is older than, or missing against, what `old` had.
    pub(super) fn follows(&self, old: &Self) -> bool {
        old.lists.iter().all(|(issuer, then)| {
            self.lists
                .get(issuer)
                .is_some_and(|now| now.this_update >= then.this_update)
        })
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn publication(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.publication)
    }

    pub(super) fn trust(&self) -> Arc<TrustStore> {
        Arc::clone(&self.trust)
    }

    pub(super) fn lists(&self) -> Vec<Vec<u8>> {
        self.ders.clone()
    }

    /// When the first list ends; the epoch if there were none, which [`Current::new`] refuses.
    pub(super) fn lists_expire(&self) -> Timestamp {
        let ends = self.lists.values().map(|times| times.next_update);
        ends.min()
            .unwrap_or_else(|| Timestamp::MAX.minus(std::time::Duration::MAX))
    }

    pub(super) fn lists_half_aged(&self, now: Timestamp) -> bool {
        self.lists.values().any(|times| {
            let (start, end) = (times.this_update.millis(), times.next_update.millis());
            now.millis() > start + (end - start) / 2
        })
    }

    pub(super) const fn certificate_expires(&self) -> Timestamp {
        self.certificate_expires
    }

    /// Whether any list names `serial`: serials are random, so one of another issuer's is not met by chance.
    pub(super) fn lists_name(&self, serial: &Serial) -> bool {
        self.revoked.contains(serial)
    }

    /// Runs the handshake's own check of a client's chain again.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        let (leaf, issuers) = chain.split_first().ok_or(CertificateError::Untrusted)?;
        self.verifier
            .verify_client_cert(leaf, issuers, unix_time(now))
            .map(|_| ())
            .map_err(|_| CertificateError::Untrusted)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ()> {
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| ())?;
    if certificates.is_empty() {
        return Err(());
    }
    Ok(certificates)
}

fn expires(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_seconds(certificate.validity().not_after.timestamp())
}

/// A list's issuer and times; its serials go into `revoked`.
fn read_list(der: &[u8], revoked: &mut HashSet<Serial>) -> Option<(Vec<u8>, ListTimes)> {
    let (_, list) = CertificateRevocationList::from_der(der).ok()?;
    let times = ListTimes {
        this_update: Timestamp::from_seconds(list.last_update().timestamp())?,
        next_update: Timestamp::from_seconds(list.next_update()?.timestamp())?,
    };
    revoked.extend(
        list.iter_revoked_certificates()
            .map(|one| Serial::from_der_integer(one.raw_serial())),
    );
    Some((list.issuer().as_raw().to_vec(), times))
}

fn digest(material: &Material) -> [u8; 32] {
    let parts: [&[u8]; 4] = [
        &material.chain,
        &material.key,
        &material.roots,
        &material.lists,
    ];
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        &zeroize::Zeroizing::new(crate::domain::transcript::transcript(&parts)),
    );
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    out
}
