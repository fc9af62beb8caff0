//! An agency's folder, and the router that it talks to: what every command that calls the router shares.
//!
//! ```text
//! my-agency/                     0700
//!   tls.pem tls.key  signing.pem signing.key  roots.pem    as `safeconduct ca issue agency` writes them
//!   trust/      log.vkey administrators.pem roots.pem      as `safeconduct router trust` writes them
//!               policy      yours to add: the witnesses that must have seen the log before anything is sealed
//!   keys/       made here: sealing keys, staff-token key, the last bundle; losing it loses what was sealed
//!   receipts/   one file for each act that the log proved to us; `safeconduct audit receipt` verifies them offline
//!               logs.vkey   the keys of the logs pinned so far: receipts of one that has ended are verified by them
//!   checkpoint  the last one seen of the log: keep it, it is the evidence if the log is ever rewritten
//!   checkpoint.lock  held while that is replaced, since a watch, a timer and a desk may share the folder
//! ```

use super::exit::Failure;
use super::key_file;
use super::text::wrapped;
use crate::client::agency::{Agency, Desk};
use crate::client::connect::{RouterAddress, certificates};
use crate::client::error::{ClientError, Reason};
use crate::client::keys::{AgencyKeys, KeyFiles};
use crate::client::log::LogView;
use crate::client::trust::TrustAnchors;
use crate::domain::id::{AgencyId, StaffPseudonym};
use crate::domain::vocabulary::StaffRole;
use crate::identity::certificate::CertifiedAgency;
use clap::Args;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use tonic::Code;

/// Folder of what was pinned, in an agency's folder.
pub(super) const TRUST: &str = "trust";
/// File of the last checkpoint, in an agency's folder.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// Folder of receipts, in an agency's folder.
pub(super) const RECEIPTS: &str = "receipts";

/// Who calls, and whom.
#[derive(Debug, Clone, Args)]
pub(super) struct CallerArgs {
    /// The router, as https://host:port
    #[arg(long, value_name = "URL")]
    pub(super) router: String,
    /// The agency's folder, as `ca issue agency` wrote it, with trust/ in it
    #[arg(long, value_name = "DIR")]
    pub(super) identity: PathBuf,
    /// Folder with log.vkey, administrators.pem and roots.pem; trust/ in
    /// --identity if not given
    #[arg(long, value_name = "DIR")]
    pub(super) trust: Option<PathBuf>,
    /// Name in the router's certificate, if it is not the host
    #[arg(long, value_name = "NAME")]
    pub(super) server_name: Option<String>,
    /// Pseudonym of who does it, as it will stand in the log
    #[arg(long, value_name = "NAME", default_value = "staff")]
    pub(super) staff: StaffPseudonym,
}

/// Whether the checkpoint is kept in the agency's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkpoints {
    Kept,
    InMemory,
}

/// Why an agency's folder cannot be used, and how to mend it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HomeError(String);

impl HomeError {
    fn because(why: impl Display, mend: &str) -> Self {
        Self(format!("{why}; {mend}"))
    }
}

/// Host and port of `https://host:port`; an IPv6 address stands in brackets.
pub(super) fn address(url: &str, server_name: Option<&str>) -> Option<RouterAddress> {
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

/// The agency of a folder, not connected yet.
pub(super) fn open(
    url: &str,
    identity: &Path,
    trust: Option<&Path>,
    server_name: Option<&str>,
    checkpoints: Checkpoints,
) -> Result<Agency, HomeError> {
    const ISSUE: &str = "--identity is the folder that `safeconduct ca issue agency` wrote";
    let router = address(url, server_name)
        .ok_or_else(|| HomeError("--router is https://host:port".into()))?;
    if !identity.is_dir() {
        let why = format!("{}: there is no such folder", identity.display());
        return Err(HomeError::because(why, ISSUE));
    }
    let pinned = trust.map_or_else(|| identity.join(TRUST), Path::to_owned);
    let trust = TrustAnchors::read(&pinned).map_err(|error| {
        let mend = "put the folder there that `safeconduct router trust` wrote for this router";
        HomeError::because(error, mend)
    })?;
    let files = KeyFiles::in_folder(identity);
    let chain =
        certificates(&files.tls_certificate).map_err(|error| HomeError::because(error, ISSUE))?;
    let leaf = chain.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
    let certified = CertifiedAgency::from_verified_leaf(leaf, &trust.origin).map_err(|error| {
        let mend = "tls.pem is an agency's certificate of this router's trust domain";
        HomeError::because(error, mend)
    })?;
    for key in [&files.tls_key, &files.signing_key] {
        key_file::refuse_open(key).map_err(|error| HomeError(error.to_string()))?;
    }
    let keys = AgencyKeys::load(certified.agency().clone(), &files)
        .map_err(|error| HomeError::because(error, ISSUE))?;
    let log = match checkpoints {
        Checkpoints::Kept => LogView::open(&trust.log_key, identity.join(CHECKPOINT))
            .and_then(|log| log.keeping_receipts(identity.join(RECEIPTS))),
        Checkpoints::InMemory => LogView::in_memory(&trust.log_key),
    };
    let log = log.map_err(|error| HomeError(error.to_string()))?;
    Agency::connect(keys, &router, trust, log)
        .map_err(|error| HomeError::because(error, "renew it with `safeconduct ca renew`"))
}

impl CallerArgs {
    /// The agency, with its checkpoint kept.
    pub(super) fn agency(&self) -> Result<Agency, Failure> {
        let (trust, server_name) = (self.trust.as_deref(), self.server_name.as_deref());
        open(
            &self.router,
            &self.identity,
            trust,
            server_name,
            Checkpoints::Kept,
        )
        .map_err(|error| Failure::Settings(mended(&error.to_string())))
    }

    /// Who sits at the agency's desk.
    pub(super) fn desk(&self, role: StaffRole) -> Result<Desk, Failure> {
        let agency = self.agency()?;
        agency
            .desk(self.staff.as_str(), role)
            .map_err(Failure::settings)
    }
}

/// An agency's id on the command line.
pub(super) fn agency_id(word: &str) -> Result<AgencyId, &'static str> {
    word.parse()
        .map_err(|_| "write 1 to 63 of a-z, 0-9 and -, as in the agency's certificate")
}

/// An error in 80 columns, as `safeconduct: …` shows it.
pub(super) fn mended(text: &str) -> String {
    wrapped("safeconduct: ", text)
        .trim_start_matches("safeconduct: ")
        .to_owned()
}

/// What the router or the SDK said, and what to do about it.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn told(error: ClientError) -> Failure {
    let mend = match (error.reason(), &error) {
        (Some(Reason::AuthenticationFailed), _) => {
            "it does not know this caller: is the agency enrolled and not suspended, has it joined \
             (`safeconduct agency join`), are its certificates in force, is this machine's clock right, or is this \
             a folder without the `keys/` that it published with?"
        }
        (Some(Reason::NotPermitted), _) => {
            "this agency may not do that: only an operator's folder administers, and a first key bundle is \
             published once, from the folder that is then kept"
        }
        (Some(Reason::NotFound), _) => {
            "there is nothing of that name, or not for this agency; before the administrators have published \
             a protocol there is no directory either"
        }
        (Some(Reason::InvalidField), _) => {
            "the router does not take it as written: an agency or a parent that is not enrolled, an agency \
             under itself, a protocol version that is not higher than the one in force, or an act older \
             than 7 days"
        }
        (Some(Reason::SignatureInvalid), _) => {
            "the signature is not one of those it trusts: an administrator's key that `router init` did not \
             pin, or a certificate that is revoked or of another authority"
        }
        (Some(Reason::State), _) => {
            "it was done already, or both signatures are of the same administrator"
        }
        (Some(Reason::NeedsSecondPerson), _) => {
            "somebody else of this agency must: they run it again with another --staff NAME"
        }
        (Some(Reason::KeyBundleInvalid), _) => {
            "the bundle does not follow the one that the router has: is keys/ the agency's only copy, or an \
             old backup?"
        }
        (Some(Reason::Unknown), ClientError::Refused(refused))
            if refused.code == Code::Unavailable =>
        {
            let text = "the router cannot be reached: is it running, is --router its address, and does a \
                        firewall let this machine through?";
            return Failure::Refused(mended(text));
        }
        (Some(Reason::Unknown), ClientError::Refused(refused)) => {
            return Failure::Refused(mended(unexplained(refused.code)));
        }
        (_, ClientError::NoAnswer) => {
            "is the router busy or stuck (its /healthz says), or does it refuse this certificate: of another \
             authority, revoked, ended? It is not known whether anything was done: look before doing it again"
        }
        // It says by itself what to give.
        (_, ClientError::Handshake(said)) if said.contains("give --server-name ") => {
            return Failure::Refused(mended(&error.to_string()));
        }
        (_, ClientError::Handshake(_)) => {
            "is the certificate in force and of the router's authority, are the router's revocation lists \
             fresh (`safeconduct check` on its machine), is --server-name in its certificate, is \
             trust/roots.pem its authority's?"
        }
        _ => return Failure::Refused(mended(&error.to_string())),
    };
    Failure::Refused(mended(&format!("{error}; {mend}")))
}

/// What a refusal without a known reason means.
const fn unexplained(code: Code) -> &'static str {
    match code {
        Code::Unknown | Code::Cancelled | Code::Internal | Code::Unavailable | Code::Aborted => {
            "the connection was cut without an answer: most often the certificate is revoked or has ended; ask the \
             authority"
        }
        _ => {
            "the router refused, and this program does not know the reason: is the router of another version, or is \
             something else listening at --router?"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::error::Refused;

    #[test]
    fn a_refusal_without_a_reason_is_never_called_unknown() {
        for code in [
            Code::Unknown,
            Code::Internal,
            Code::Unavailable,
            Code::Unimplemented,
        ] {
            let refused = Refused {
                code,
                reason: Reason::Unknown,
                fields: Vec::new(),
                retry_after: None,
                facts: Default::default(),
            };
            let said = told(ClientError::Refused(refused)).to_string();
            assert!(!said.contains("UNKNOWN"), "{code:?}: {said}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_first() {
        let nowhere = Path::new("/nowhere/my-agency");
        let error = open(
            "https://127.0.0.1:1",
            nowhere,
            None,
            None,
            Checkpoints::InMemory,
        );
        let error = error.err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/my-agency: "), "{error}");
    }

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
    fn a_folder_without_pins_says_where_to_get_them() {
        let folder = tempfile::TempDir::new().unwrap();
        let error = open(
            "https://127.0.0.1:1",
            folder.path(),
            None,
            None,
            Checkpoints::InMemory,
        );
        let error = error.err().unwrap().to_string();
        assert!(error.contains("log.vkey"), "{error}");
        assert!(error.contains("router trust"), "{error}");
    }
}
