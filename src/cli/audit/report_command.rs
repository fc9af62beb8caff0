//! `safeconduct audit report` and `audit report-check`.

use super::bundle::{self, Checked, Digests, Signed};
use super::folder::FolderSource;
use super::print::{self, wrapped};
use super::review::{self, Found};
use super::{CannotCheck, Check, Opened, Outcome, Output, page};
use crate::audit::Level;
use crate::cli::key_file::refuse_open;
use crate::cli::text::minute;
use crate::client::connect::certificates;
use crate::client::keys::KeyFiles;
use crate::client::trust::{DOMAIN_FILE, TrustAnchors};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::envelope::keys::{AgencySigner, CertifiedSigner};
use crate::identity::certificate::CertifiedAgency;
use crate::identity::signing_chain::Revocation;
use crate::ledger::note::NoteVerifier;
use clap::{Args, ValueEnum};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateRevocationListDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Check the log, and write a report to hand on: for a board, an authority, a court
#[derive(Debug, Args)]
pub(super) struct ReportCommand {
    #[command(flatten)]
    check: Check,
    /// How deep to check
    #[arg(long, value_enum, default_value_t = Depth::Replay)]
    level: Depth,
    /// Folder to write; must be empty or not exist
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Sign with the signing key in this folder of certificates and keys; --identity if not given
    #[arg(long, value_name = "DIR")]
    sign_with: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Depth {
    Verify,
    Openings,
    Replay,
}

/// Check a report that somebody handed to you, offline
///
/// Exit codes: 0 signed by an agency under the roots you pinned, and unchanged; 1 changed, the file is named;
/// 2 it could not be checked; 3 unchanged, but nobody signed it or nothing vouches for who did, such as a certificate
/// that was revoked
#[derive(Debug, Args)]
pub(super) struct ReportCheckCommand {
    /// The report's folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder with log.vkey, administrators.pem and roots.pem, as `router trust` writes it
    #[arg(long, value_name = "DIR")]
    trust: Option<PathBuf>,
    /// Revocation lists of the signer's authority, as `ca revoke` and `ca crl` write them (crl.pem)
    #[arg(long, value_name = "FILE", requires = "trust")]
    revoked: Option<PathBuf>,
}

/// Who signs a report.
pub(super) struct Auditor {
    agency: AgencyId,
    signer: CertifiedSigner,
}

impl Auditor {
    /// From a folder as `ca issue agency` writes it; `origin` is the log's, which is the trust domain unless the folder
    /// names another, as after a succession.
    pub(super) fn read(folder: &Path, origin: &str) -> Result<Self, CannotCheck> {
        fn unusable(error: impl std::fmt::Display) -> CannotCheck {
            CannotCheck::Report(format!("the report cannot be signed: {error}"))
        }
        let files = KeyFiles::in_folder(folder);
        refuse_open(&files.signing_key).map_err(unusable)?;
        let tls = certificates(&files.tls_certificate).map_err(unusable)?;
        let leaf = tls.first().map(|leaf| leaf.as_ref()).unwrap_or_default();
        let domain = [folder.join("trust"), folder.to_owned()];
        let mut domain = domain.iter().map(|trust| trust.join(DOMAIN_FILE));
        let domain = domain.find_map(|file| std::fs::read_to_string(file).ok());
        let domain = domain.as_deref().map_or(origin, str::trim_end);
        let certified = CertifiedAgency::from_verified_leaf(leaf, domain).map_err(unusable)?;
        let chain = certificates(&files.signing_certificate).map_err(unusable)?;
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        let key = PrivateKeyDer::from_pem_file(&files.signing_key).map_err(unusable)?;
        let signer = CertifiedSigner::new(key.secret_der(), chain).map_err(unusable)?;
        Ok(Self {
            agency: certified.agency().clone(),
            signer,
        })
    }
}

/// What a review adds to a report.
pub(super) enum Reviewed {
    /// The level does not open the entries.
    NotAsked,
    /// It could not be made: why.
    Not(String),
    /// What a person should look at.
    Found(Vec<Found>),
}

impl Reviewed {
    fn of(review: Option<Result<Vec<Found>, CannotCheck>>) -> Self {
        match review {
            None => Self::NotAsked,
            Some(Err(error)) => Self::Not(error.to_string()),
            Some(Ok(found)) => Self::Found(found),
        }
    }

    /// What is found and not settled, in one sentence; none where nothing is open.
    pub(super) fn open(&self) -> Option<String> {
        let Self::Found(found) = self else {
            return None;
        };
        let open = |(_, said): &&Found| !review::is_settled(said.as_ref());
        let open = found.iter().filter(open).count();
        (open > 0).then(|| {
            format!("{open} finding(s) of the review without a disposition that a second person confirmed")
        })
    }

    fn json(&self) -> Value {
        match self {
            Self::NotAsked => Value::Null,
            Self::Not(why) => json!({ "not_made": why }),
            Self::Found(found) => {
                let open = found
                    .iter()
                    .filter(|(_, said)| !review::is_settled(said.as_ref()));
                json!({
                    "findings": found.iter().map(review::finding_json).collect::<Vec<_>>(),
                    "unsettled": open.count(),
                })
            }
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or_default();
    Timestamp::from_millis(millis)
        .unwrap_or_else(|| Timestamp::from_seconds(0).expect("zero is a time"))
}

impl ReportCommand {
    pub(super) async fn run(self) -> Result<u8, CannotCheck> {
        let level = match self.level {
            Depth::Verify => Level::Verify,
            Depth::Openings => Level::Openings,
            Depth::Replay => Level::Replay,
        };
        // What can fail by itself fails before an audit that may take long.
        let signs = self
            .sign_with
            .as_ref()
            .or(self.check.source.identity.as_ref());
        let auditor = match signs {
            Some(folder) => Some(Auditor::read(folder, &self.check.origin().await?)?),
            None => None,
        };
        let unusable = |error| CannotCheck::Write(self.to.display().to_string(), error);
        bundle::prepare(&self.to).map_err(unusable)?;
        let outcome = self.check.outcome(Some(level)).await?;
        let review = match level {
            Level::Verify => None,
            // A mirror was just brought up to date: what is reviewed is what was checked.
            _ => Some(match &self.check.mirror {
                Some(mirror) => {
                    let folder = FolderSource::new(mirror.clone());
                    review::found(Opened::Folder(folder), &outcome).await
                }
                None => review::found(self.check.source.open()?, &outcome).await,
            }),
        };
        let review = Reviewed::of(review);
        write(&outcome, &review, &self.to, auditor.as_ref(), now())?;
        outcome.keep()?;
        let mut said = Vec::new();
        if let Some(open) = review.open() {
            said.push(wrapped("  ?  ", &open));
        }
        let by = match &auditor {
            Some(auditor) => format!("signed by {}", auditor.agency),
            None => "NOT SIGNED: --sign-with names the folder of a signing key".into(),
        };
        said.push(wrapped(
            "",
            &format!("Report in {}, {by}.", self.to.display()),
        ));
        let said = said.join("\n");
        match self.check.output {
            Output::Text => println!("{}\n{said}", print::text(&outcome)),
            // Standard output is for the program that asked.
            Output::Json => {
                println!("{}", print::json(&outcome));
                eprintln!("{said}");
            }
        }
        Ok(outcome.exit_code())
    }
}

/// Writes the report on `outcome` into `folder`.
pub(super) fn write(
    outcome: &Outcome,
    review: &Reviewed,
    folder: &Path,
    auditor: Option<&Auditor>,
    now: Timestamp,
) -> Result<(), CannotCheck> {
    let agency = auditor.map(|auditor| &auditor.agency);
    let mut report = report(outcome, agency, now);
    if let Value::Object(members) = &mut report {
        members.insert("review".into(), review.json());
    }
    let json = format!("{report:#}\n");
    let page = page::html(outcome, review, &report, agency, now);
    let files: [(&str, &[u8]); 3] = [
        (bundle::REPORT, json.as_bytes()),
        (bundle::PAGE, page.as_bytes()),
        (bundle::CHECKPOINT, outcome.note.as_bytes()),
    ];
    let digests = Digests::of(&files, agency, now);
    let signer = auditor.map(|auditor| &auditor.signer as &dyn AgencySigner);
    bundle::write(folder, &files, &digests, signer)
        .map_err(|error| CannotCheck::Write(folder.display().to_string(), error))
}

/// The lines of signatures under a checkpoint that are not the log's own: name and key id, not verified.
pub(super) fn others(outcome: &Outcome) -> Vec<String> {
    let lines = outcome
        .note
        .lines()
        .filter_map(|line| line.strip_prefix("\u{2014} "));
    lines
        .filter_map(|line| line.split_once(' ').map(|(name, _)| name.to_owned()))
        .filter(|name| *name != outcome.origin)
        .collect()
}

fn report(outcome: &Outcome, agency: Option<&AgencyId>, now: Timestamp) -> Value {
    let mut report = print::value(outcome);
    let checkpoint = NoteVerifier::parse(&outcome.key)
        .and_then(|verifier| verifier.verify(&outcome.note))
        .ok();
    let more = json!({
        "format": "safeconduct/audit-report/1",
        "made_at_ms": now.millis(),
        "made_by": agency.map(ToString::to_string),
        "tool": { "name": "safeconduct", "version": env!("CARGO_PKG_VERSION") },
        "root": checkpoint.map(|checkpoint| checkpoint.root.base64()),
        "other_signatures": others(outcome),
        "shown": print::shown(outcome),
        "violations": outcome.report.violations().count(),
        "notices": outcome.report.notices().count(),
    });
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    report
}

impl ReportCheckCommand {
    pub(super) fn run(&self) -> Result<u8, CannotCheck> {
        if !self.folder.is_dir() {
            let folder = self.folder.display();
            return Err(CannotCheck::Report(format!(
                "{folder}: there is no such folder"
            )));
        }
        let trust = self.trust.as_deref().map(TrustAnchors::read).transpose();
        let trust = trust.map_err(|error| CannotCheck::Report(error.to_string()))?;
        match bundle::check(&self.folder, trust.as_ref()) {
            Ok(mut checked) => {
                if let (Some(file), Some(trust)) = (&self.revoked, &trust) {
                    let lists = lists(file)?;
                    let found = trust.revocation(&checked.chain, &lists, checked.issued);
                    checked.revocation = Some(found);
                }
                let (code, text) = said(&checked, now());
                println!("{text}");
                Ok(code)
            }
            Err(what) => {
                println!("{}", wrapped("  !! ", &what));
                println!("Result: refused. This is not the report that was made.");
                Ok(1)
            }
        }
    }
}

/// The revocation lists in a file.
fn lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, CannotCheck> {
    let unusable = |why: &str| CannotCheck::Report(format!("{}: {why}", file.display()));
    let lists = CertificateRevocationListDer::pem_file_iter(file);
    let lists = lists.and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match lists {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        Ok(_) => Err(unusable("it holds no revocation list (PEM)")),
        Err(error) => Err(unusable(&error.to_string())),
    }
}

/// What revocation lists say of who signed, with its mark, and whether that still vouches.
fn revocation(checked: &Checked, now: Timestamp) -> Option<(bool, &'static str, String)> {
    let found = match (&checked.signed, &checked.revocation) {
        (Signed::Nobody, _) => return None,
        (_, None) => {
            let text = "whether its certificate was revoked was NOT CHECKED: --revoked names the lists of its \
                        authority (crl.pem)";
            return Some((true, "   - ", text.to_owned()));
        }
        (_, Some(found)) => found,
    };
    Some(match found {
        // Only what is in force now: a list that has ended knows of no later revocation, and that the report is older
        // than it is the word of whoever has the key.
        Ok(Revocation::Clear { made, until }) if *until > now => (
            true,
            "  ok ",
            format!(
                "its certificate is on no revocation list of {}",
                minute(*made)
            ),
        ),
        Ok(Revocation::Clear { made, until }) => (
            false,
            "  ?  ",
            format!(
                "the revocation lists are of {} and say nothing of it after {}: WHETHER ITS CERTIFICATE WAS REVOKED \
                 SINCE IS NOT KNOWN; get newer lists from the authority, or if the certificate itself has ended, \
                 have the agency sign it anew",
                minute(*made),
                minute(*until)
            ),
        ),
        Ok(Revocation::Revoked(at)) => {
            let at = at.map(|at| format!(" on {}", minute(at)));
            let at = at.unwrap_or_else(|| ", or one of its issuers' was".to_owned());
            (
                false,
                "  !! ",
                format!(
                    "ITS CERTIFICATE WAS REVOKED{at}. When it was made a report says by its own word, so nothing shows \
                     that it was signed before: have the agency sign it anew"
                ),
            )
        }
        Err(error) => (
            false,
            "  ?  ",
            format!("whether its certificate was revoked could not be checked: {error}"),
        ),
    })
}

/// What a report that was not changed is worth `now`, with the exit code.
pub(super) fn said(checked: &Checked, now: Timestamp) -> (u8, String) {
    let mut lines = vec![wrapped(
        "",
        &format!(
            "Report on {}, {} entries, made {}: {} violation(s).",
            checked.origin,
            checked.size,
            minute(checked.issued),
            checked.violations
        ),
    )];
    let (mut code, who) = match &checked.signed {
        Signed::Nobody => (
            3,
            "NOBODY SIGNED IT: its files fit together, and anybody can have made them".into(),
        ),
        Signed::Unpinned {
            agency,
            certificate,
        } => (
            3,
            format!(
                "signed by somebody who says to be {agency}, with the key of certificate {certificate}; NOTHING HERE \
                 VOUCHES FOR IT: give --trust, or compare that digest"
            ),
        ),
        Signed::Agency(agency) => (
            0,
            format!("signed by {agency}, under a root that you pinned"),
        ),
    };
    let mark = if code == 0 { "  ok " } else { "  ?  " };
    lines.push(wrapped(mark, &who));
    if let Some((vouches, mark, text)) = revocation(checked, now) {
        lines.push(wrapped(mark, &text));
        if !vouches {
            code = 3;
        }
    }
    if checked.pinned {
        lines.push(wrapped("  ok ", "about the log whose key you pinned"));
    }
    for (name, at) in &checked.witnesses {
        let said = format!(
            "its auditor saw the cosignature of witness {name} of {}",
            minute(*at)
        );
        lines.push(wrapped("     ", &said));
    }
    if checked.witnesses.is_empty() {
        lines.push(wrapped(
            "   - ",
            "no witness vouches in it that others are shown the same log",
        ));
    }
    if checked.unsettled > 0 {
        let said = format!(
            "{} finding(s) of its review without a disposition that a second person confirmed: see report.html",
            checked.unsettled
        );
        lines.push(wrapped("  ?  ", &said));
    }
    lines.push("Result: unchanged since it was made. What it says is its auditor's word.".into());
    (code, lines.join("\n"))
}
