//! A report to hand to a court or a board: what was checked and found, a page of it, and a signature over both.
//!
//! ```text
//! report.json     everything, for programs
//! report.html     the same for people: one file, no script, prints on A4
//! checkpoint      the log's own signed statement of its size and root
//! digests.json    SHA-256 of the three, who made the report and when
//! signature.jws   compact JWS over digests.json by the auditor's certified signing key; absent if nobody signed
//! ```

use super::folder::read_plain;
use crate::client::trust::TrustAnchors;
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::envelope::jws::{self, Header, KeyReference, Unverified};
use crate::envelope::keys::{AgencySigner, VerifyingKey, b64u, sha256};
use crate::identity::certificate::CertificateError;
use crate::identity::signing_chain::Revocation;
use crate::ledger::note::NoteVerifier;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// `typ` of the signature.
const TYP: &str = "audit-report+jwt";

/// The report for programs.
pub(super) const REPORT: &str = "report.json";
/// The report for people.
pub(super) const PAGE: &str = "report.html";
/// The log's checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// Digests of the others.
pub(super) const DIGESTS: &str = "digests.json";
/// The signature over the digests.
pub(super) const SIGNATURE: &str = "signature.jws";

/// Longest file of a report, in bytes: some hundred thousand findings.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Digests {
    /// Base64url SHA-256 of each file.
    files: BTreeMap<String, String>,
    /// The auditor's agency; none for a report that nobody signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// When the report was made, in milliseconds.
    issued_ms: i64,
}

impl Digests {
    pub(super) fn of(files: &[(&str, &[u8])], iss: Option<&AgencyId>, issued: Timestamp) -> Self {
        Self {
            files: files
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), b64u(&sha256(bytes))))
                .collect(),
            iss: iss.map(ToString::to_string),
            issued_ms: issued.millis(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("digests are strings and a number")
    }

    fn sign(&self, signer: &dyn AgencySigner) -> Result<Vec<u8>, jws::JwsError> {
        let header = Header {
            typ: TYP.to_owned(),
            key: KeyReference::Chain(signer.certificate_chain().to_vec()),
        };
        jws::sign(&header, self, signer)
    }
}

/// Makes the folder of a report, which is empty or not there, and writes into it what is gone again at once.
pub(super) fn prepare(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        return Err(io::Error::other("it is not empty"));
    }
    let probe = folder.join("probe");
    File::create_new(&probe)?;
    fs::remove_file(probe)
}

/// Writes the report's files into `folder`, which is empty or not there; the digests and the signature last.
pub(super) fn write(
    folder: &Path,
    files: &[(&str, &[u8])],
    digests: &Digests,
    signer: Option<&dyn AgencySigner>,
) -> io::Result<()> {
    prepare(folder)?;
    let put = |name: &str, bytes: &[u8]| -> io::Result<()> {
        let mut file = File::create_new(folder.join(name))?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    for (name, bytes) in files {
        put(name, bytes)?;
    }
    put(DIGESTS, &digests.bytes())?;
    if let Some(signer) = signer {
        put(SIGNATURE, &digests.sign(signer).map_err(io::Error::other)?)?;
    }
    File::open(folder)?.sync_all()
}

/// Who stands behind a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signed {
    /// Nobody.
    Nobody,
    /// The key of a certificate, which nobody has vouched for here.
    Unpinned {
        agency: String,
        /// Base64url SHA-256 of the certificate.
        certificate: String,
    },
    /// An agency whose certificate leads to a pinned root.
    Agency(String),
}

/// What a check of a report showed.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) signed: Signed,
    pub(super) issued: Timestamp,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) violations: u64,
    /// Whether the log's key is the pinned one.
    pub(super) pinned: bool,
    /// The witnesses whose cosignatures its auditor saw, and when they signed.
    pub(super) witnesses: Vec<(String, Timestamp)>,
    /// Findings of its review without a confirmed disposition.
    pub(super) unsettled: u64,
    /// The certificates that the signature brings, the signer's first.
    pub(super) chain: Vec<Vec<u8>>,
    /// What revocation lists say of them; none if nobody asked.
    pub(super) revocation: Option<Result<Revocation, CertificateError>>,
}

fn read(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, String> {
    let path = folder.join(name);
    match read_plain(&path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}

/// Checks a report offline. The error names the file that is wrong.
pub(super) fn check(folder: &Path, trust: Option<&TrustAnchors>) -> Result<Checked, String> {
    let known = [REPORT, PAGE, CHECKPOINT];
    let given =
        fs::read_dir(folder).map_err(|error| format!("the folder cannot be read: {error}"))?;
    for item in given {
        let name = item.map_err(|error| error.to_string())?.file_name();
        let name = name.to_string_lossy();
        if !known.contains(&&*name) && name != DIGESTS && name != SIGNATURE {
            return Err(
                "the folder has a file that is not of a report: take it out, it is not covered"
                    .into(),
            );
        }
    }
    let need = |name: &str| read(folder, name)?.ok_or_else(|| format!("{name} is missing"));
    let bytes = need(DIGESTS)?;
    let unreadable = || format!("{DIGESTS} is not as a report has it");
    let digests: Digests = serde_json::from_slice(&bytes).map_err(|_| unreadable())?;
    let issued = Timestamp::from_millis(digests.issued_ms).ok_or_else(unreadable)?;
    if digests.bytes() != bytes
        || digests.files.keys().ne({
            let mut names = known;
            names.sort_unstable();
            names
        })
    {
        return Err(unreadable());
    }
    let (mut signed, chain) = signed(read(folder, SIGNATURE)?, &bytes, &digests)?;
    for name in known {
        if digests.files.get(name) != Some(&b64u(&sha256(&need(name)?))) {
            return Err(format!("{name} is not the file whose digest was taken"));
        }
    }
    let report: Value =
        serde_json::from_slice(&need(REPORT)?).map_err(|_| format!("{REPORT} is not JSON"))?;
    let text = |member: &str| {
        report
            .get(member)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let number = |member: &str| report.get(member).and_then(Value::as_u64);
    let said_by = text("made_by");
    let said_at = report.get("made_at_ms").and_then(Value::as_i64);
    if said_by != digests.iss || said_at != Some(digests.issued_ms) {
        return Err(format!(
            "{DIGESTS} and {REPORT} name another auditor or time"
        ));
    }
    let incomplete = || format!("{REPORT} lacks what every report has");
    let key = text("key").ok_or_else(incomplete)?;
    let size = number("size").ok_or_else(incomplete)?;
    let verifier = NoteVerifier::parse(&key).map_err(|_| incomplete())?;
    let note =
        String::from_utf8(need(CHECKPOINT)?).map_err(|_| format!("{CHECKPOINT} is damaged"))?;
    let violations = number("violations").ok_or_else(incomplete)?;
    match verifier.verify(&note) {
        Ok(checkpoint)
            if checkpoint.size != size || Some(checkpoint.root.base64()) != text("root") =>
        {
            return Err(format!(
                "{CHECKPOINT} is not the one that {REPORT} is about"
            ));
        }
        // A report may be about a checkpoint that is not to be believed; then it says so.
        Err(error) if violations == 0 => return Err(format!("{CHECKPOINT}: {error}")),
        _ => {}
    }
    let pinned = match trust {
        Some(trust) if trust.log_key != key => return Err(other_log(&verifier, trust)),
        trust => trust.is_some(),
    };
    if let (Some(trust), Signed::Unpinned { agency, .. }) = (trust, &signed) {
        let id: Option<AgencyId> = agency.parse().ok();
        if !id.is_some_and(|id| trust.certifies_chain(&chain, &id, issued)) {
            return Err(format!(
                "{SIGNATURE}: the certificate does not lead from this agency to a pinned root"
            ));
        }
        signed = Signed::Agency(agency.clone());
    }
    let witnesses = report.get("witnesses").and_then(Value::as_array);
    let witnesses = witnesses.into_iter().flatten().map(witness);
    let witnesses: Option<Vec<_>> = witnesses.collect();
    let unsettled = report.pointer("/review/unsettled").and_then(Value::as_u64);
    Ok(Checked {
        witnesses: witnesses.ok_or_else(incomplete)?,
        unsettled: unsettled.unwrap_or(0),
        signed,
        issued,
        origin: verifier.name().to_owned(),
        size,
        violations,
        pinned,
        chain,
        revocation: None,
    })
}

/// A report on another log than the pinned one.
fn other_log(log: &NoteVerifier, trust: &TrustAnchors) -> String {
    let pinned = NoteVerifier::parse(&trust.log_key);
    match pinned.as_ref().map(NoteVerifier::name) {
        Ok(pinned) if pinned != log.name() => format!(
            "{REPORT} is about another log than the one you pinned: {}, and you pinned {pinned}",
            shown(log.name())
        ),
        _ => format!("{REPORT} is about a log with another key than the one you pinned"),
    }
}

/// A name that nobody vouched for, as far as it may be printed.
fn shown(name: &str) -> &str {
    let visible = name.bytes().all(|byte| byte.is_ascii_graphic());
    if visible {
        name
    } else {
        "one whose name cannot be shown"
    }
}

/// A witness's name, which stood in a policy, and when it signed.
fn witness(one: &Value) -> Option<(String, Timestamp)> {
    let name = one.get("name")?.as_str()?;
    let at = Timestamp::from_millis(one.get("time_ms")?.as_i64()?)?;
    Some((shown(name).to_owned(), at))
}

/// Who signed, with the certificates that the signature brings and nobody has compared yet.
fn signed(
    token: Option<Vec<u8>>,
    bytes: &[u8],
    digests: &Digests,
) -> Result<(Signed, Vec<Vec<u8>>), String> {
    let (token, agency) = match (token, &digests.iss) {
        (None, None) => return Ok((Signed::Nobody, Vec::new())),
        (Some(token), Some(agency)) => (token, agency.clone()),
        (None, Some(_)) => {
            return Err(format!(
                "{SIGNATURE} is missing, and {DIGESTS} names who signed"
            ));
        }
        (Some(_), None) => {
            return Err(format!(
                "{SIGNATURE} is there, and {DIGESTS} names nobody who signed"
            ));
        }
    };
    let wrong = |error: &dyn std::fmt::Display| format!("{SIGNATURE}: {error}");
    // Before anything of it is printed: whoever made the report may have written anything there.
    let _: AgencyId = agency
        .parse()
        .map_err(|_| wrong(&"the agency's name is not one"))?;
    let token = Unverified::parse(&token).map_err(|error| wrong(&error))?;
    let KeyReference::Chain(chain) = token.header().key.clone() else {
        return Err(wrong(&"it brings no certificate"));
    };
    let leaf = chain.first().cloned().unwrap_or_default();
    let key = VerifyingKey::from_certificate(&leaf).map_err(|error| wrong(&error))?;
    let verified = token.verify(&key, TYP).map_err(|error| wrong(&error))?;
    if verified.payload != bytes {
        return Err(format!("{DIGESTS} is not what {SIGNATURE} signs"));
    }
    let certificate = b64u(&sha256(&leaf));
    let signed = Signed::Unpinned {
        agency,
        certificate,
    };
    Ok((signed, chain))
}
