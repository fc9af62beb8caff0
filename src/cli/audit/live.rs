//! A live router as a source.
//!
//! The auditor's folder is as `safeconduct ca issue agency` writes it (`tls.pem`, `tls.key`, `signing.pem`,
//! `signing.key`), with `keys/` for what the agency makes itself and `trust/` for what it pinned by hand.

use crate::audit::source::SourceError;
use crate::client::agency::Agency;
use crate::client::audit::LiveSource;
use crate::client::connect::{RouterAddress, certificates};
use crate::client::keys::{AgencyKeys, KeyFiles};
use crate::client::log::LogView;
use crate::client::staff::Staff;
use crate::client::trust::TrustAnchors;
use crate::domain::vocabulary::StaffRole;
use crate::identity::certificate::CertifiedAgency;
use crate::ledger::note::NoteVerifier;
use std::path::{Path, PathBuf};

/// Who audits, and where.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// As `https://host:port`.
    pub(super) url: String,
    /// The auditor's folder.
    pub(super) identity: PathBuf,
    /// What was pinned; `trust` in the auditor's folder if none.
    pub(super) trust: Option<PathBuf>,
    /// The name in the router's certificate; the host if none.
    pub(super) server_name: Option<String>,
    /// The auditor's pseudonym.
    pub(super) staff: String,
}

fn unusable(error: impl std::fmt::Display) -> SourceError {
    SourceError::Unavailable(error.to_string())
}

/// Host and port of `https://host:port`; an IPv6 address stands in brackets.
fn address(url: &str, server_name: Option<&str>) -> Option<RouterAddress> {
    let authority = url.strip_prefix("https://")?;
    let (host, port) = authority
        .strip_suffix('/')
        .unwrap_or(authority)
        .rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let port = port.parse().ok()?;
    let server_name = server_name.unwrap_or(host).to_owned();
    (!host.is_empty()).then(|| RouterAddress {
        host: host.to_owned(),
        port,
        server_name,
    })
}

impl Live {
    /// Opens a session, and gives the log's key as it was pinned.
    pub(super) fn open(&self) -> Result<(LiveSource, NoteVerifier), SourceError> {
        let wrong = || SourceError::Unavailable("--router is https://host:port".into());
        let router = address(&self.url, self.server_name.as_deref()).ok_or_else(wrong)?;
        let at = |name: &str| self.identity.join(name);
        let folder = self.trust.clone().unwrap_or_else(|| at("trust"));
        let trust = TrustAnchors::read(Path::new(&folder)).map_err(unusable)?;
        let verifier = NoteVerifier::parse(&trust.log_key).map_err(unusable)?;
        let files = KeyFiles {
            tls_certificate: at("tls.pem"),
            tls_key: at("tls.key"),
            signing_certificate: at("signing.pem"),
            signing_key: at("signing.key"),
            own: at("keys"),
        };
        let chain = certificates(&files.tls_certificate).map_err(unusable)?;
        let leaf = chain
            .first()
            .ok_or_else(|| unusable("tls.pem holds no certificate"))?;
        let certified =
            CertifiedAgency::from_verified_leaf(leaf, &trust.origin).map_err(unusable)?;
        let keys = AgencyKeys::load(certified.agency().clone(), &files).map_err(unusable)?;
        let log = LogView::in_memory(&trust.log_key).map_err(unusable)?;
        let agency = Agency::connect(keys, &router, trust, log).map_err(unusable)?;
        let pseudonym = self.staff.parse().map_err(unusable)?;
        let staff = Staff {
            pseudonym,
            role: StaffRole::Auditor,
        };
        Ok((LiveSource::new(agency.session().clone(), staff), verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_routers_address_is_an_https_url_with_a_port() {
        let parsed = |url| address(url, None).map(|a| (a.host, a.port, a.server_name));
        let expected = |host: &str| Some((host.to_owned(), 7443, host.to_owned()));
        assert_eq!(
            parsed("https://router.example:7443"),
            expected("router.example")
        );
        assert_eq!(parsed("https://[::1]:7443/"), expected("::1"));
        for bad in [
            "http://a:1",
            "https://a",
            "https://:1",
            "https://a:x",
            "https://a:70000",
            "",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        let named = address("https://10.0.0.1:1", Some("router.example")).unwrap();
        assert_eq!(named.server_name, "router.example");
    }

    #[test]
    fn a_folder_without_pins_is_refused_before_anything_is_sent() {
        let folder = tempfile::TempDir::new().unwrap();
        let live = Live {
            url: "https://127.0.0.1:1".into(),
            identity: folder.path().into(),
            trust: None,
            server_name: None,
            staff: "a1".into(),
        };
        let error = live.open().err().unwrap().to_string();
        assert!(error.contains("log.vkey"), "{error}");
    }
}
