//! The signed act on its way from one administrator to the other, and what it says in plain words.

use crate::cli::exit::Failure;
use crate::cli::home::{mended, told};
use crate::cli::protocol::opened_for;
use crate::cli::text::{minute, wrapped};
use crate::client::agency::Desk;
use crate::client::trust::TrustAnchors;
use crate::domain::id::ProposalId;
use crate::domain::protocol::Protocol;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::act::{Act, ActBody, claimed_kid};
use crate::envelope::keys::{VerifyingKey, sha256};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

/// Longest file: an act is 256 KiB at most.
const FILE_BYTES_MAX: u64 = 512 * 1024;

/// What is in the file. Nothing in it is secret, and nothing of it is believed but the signature.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    proposal: String,
    act: String,
}

/// A proposal's name and its act, as signed.
#[derive(Debug)]
pub(super) struct Handover {
    proposal: ProposalId,
    act: String,
}

fn unusable(file: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::Settings(mended(&format!("{}: {why}", file.display())))
}

fn not_believed(why: &str) -> Failure {
    Failure::Refused(mended(&format!(
        "{why}: approve nothing, and ask the other administrator by phone"
    )))
}

/// Makes the file, which must not exist.
pub(super) fn create(file: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create_new(true).open(file);
    made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => unusable(
            file,
            "it is there already, and nothing was sent: give --act-out a new name, or remove the file if its act is \
             done with",
        ),
        _ => unusable(file, error),
    })
}

impl Handover {
    pub(super) fn new(proposal: ProposalId, act: &[u8]) -> Result<Self, Failure> {
        let act = String::from_utf8(act.to_vec()).map_err(Failure::refused)?;
        Ok(Self { proposal, act })
    }

    pub(super) fn write(&self, mut out: File, file: &Path) -> Result<(), Failure> {
        let written = Written {
            proposal: self.proposal.to_string(),
            act: self.act.clone(),
        };
        let json = serde_json::to_string_pretty(&written).map_err(Failure::refused)?;
        writeln!(out, "{json}")
            .and_then(|()| out.sync_all())
            .map_err(|error| unusable(file, error))
    }

    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let length = std::fs::metadata(file).map_err(|error| unusable(file, error))?;
        if length.len() > FILE_BYTES_MAX {
            return Err(unusable(file, "too long to be a signed act"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unusable(file, error))?;
        let wrong = "not a file that `administrator propose --act-out` wrote: ask for it again";
        let written: Written = serde_json::from_str(&text).map_err(|_| unusable(file, wrong))?;
        let proposal = written
            .proposal
            .parse()
            .map_err(|_| unusable(file, wrong))?;
        Ok(Self {
            proposal,
            act: written.act,
        })
    }

    pub(super) const fn proposal(&self) -> ProposalId {
        self.proposal
    }

    pub(super) const fn act(&self) -> &[u8] {
        self.act.as_bytes()
    }

    /// Which pinned administrator says that they signed it.
    pub(super) fn proposer<'a>(
        &self,
        trust: &'a TrustAnchors,
    ) -> Result<&'a VerifyingKey, Failure> {
        let kid = claimed_kid(self.act()).ok();
        let key = kid.and_then(|kid| trust.administrator(&kid));
        key.ok_or_else(|| not_believed("the act is not signed by a pinned administrator"))
    }

    /// The act, once its signature and its router were checked.
    pub(super) fn checked(&self, trust: &TrustAnchors) -> Result<Act, Failure> {
        let proposer = self.proposer(trust)?;
        let act = Act::parse(self.act(), proposer)
            .map_err(|_| not_believed("the act's signature does not hold"))?;
        if act.origin != trust.origin {
            return Err(not_believed("the act is for another router"));
        }
        Ok(act)
    }

    /// The act, in plain words: what a protocol changes is told against `in_force`.
    pub(super) fn told(
        &self,
        trust: &TrustAnchors,
        in_force: Option<&Protocol>,
    ) -> Result<String, Failure> {
        let act = self.checked(trust)?;
        let mut text = wrapped("", &in_words(&act.body));
        if let ActBody::PublishProtocol { toml, .. } = &act.body {
            text.push('\n');
            text.push_str(&changes(toml, in_force)?);
        }
        let signed = format!(
            "Signed {} with key {}.",
            minute(act.issued),
            self.proposer(trust)?.spki_kid()
        );
        Ok(format!("{text}\n{}", wrapped("", &signed)))
    }
}

/// The protocol in force, which a proposed one is told against; none where this router has none yet.
///
/// One that cannot be read is an error: told against another, a change looks like a different one.
pub(super) async fn in_force(desk: &Desk) -> Result<Option<Arc<Protocol>>, Failure> {
    desk.protocol_in_force().await.map_err(|error| {
        let why = told(error);
        Failure::Refused(mended(&format!(
            "the protocol in force cannot be read, so nothing can be compared with it and nothing was sent: {why}"
        )))
    })
}

fn in_words(body: &ActBody) -> String {
    match body {
        ActBody::Enrol {
            agency,
            kind,
            parent,
        } => {
            let under = parent.as_ref().map_or_else(
                || "under no authority".to_owned(),
                |parent| format!("as a unit of {parent}"),
            );
            format!(
                "Enrol {agency} as {kind}, {under}. {} If it is a member already, this replaces its kind and its \
                 parent.",
                consequence(*kind)
            )
        }
        ActBody::PublishProtocol { version, toml } => format!(
            "Publish version {version} of the protocol for every member; SHA-256 of the file {}.",
            data_encoding::HEXLOWER.encode(&sha256(toml.as_bytes()))
        ),
        ActBody::Reinstate { agency } => {
            format!("Reinstate {agency}: it sends and receives again, with the keys that it had.")
        }
        ActBody::Suspend { agency } => {
            format!("Suspend {agency}: it neither sends nor receives.")
        }
    }
}

/// What the kind opens up, beyond being a member.
const fn consequence(kind: AgencyKind) -> &'static str {
    match kind {
        AgencyKind::Operator => "It may administer this router, and reads nothing of any case.",
        AgencyKind::DataProtectionAuthority | AgencyKind::Ombudsperson => {
            "It may read the openings of every entry of the log: who asked whom for what, never content."
        }
        AgencyKind::Police
        | AgencyKind::BorderPolice
        | AgencyKind::Prosecution
        | AgencyKind::AsylumService => {
            "It sees the directory without the shelters, and receives what the protocol lets this kind have."
        }
        _ => {
            "It sees the directory as this kind does, and receives what the protocol lets this kind have."
        }
    }
}

/// What the protocol changes against the one in force, and how long decisions can be opened under it.
fn changes(toml: &str, in_force: Option<&Protocol>) -> Result<String, Failure> {
    let proposed = Protocol::parse(toml)
        .map_err(|_| not_believed("the proposed protocol is not one that this program reads"))?;
    let (diff, against) = match in_force {
        Some(in_force) => (
            in_force.diff(&proposed),
            format!("Against version {}, which is in force:", in_force.version()),
        ),
        None => (
            Protocol::shipped().diff(&proposed),
            "Against the shipped one: this router has none in force yet.".to_owned(),
        ),
    };
    let changed = match diff.trim_end() {
        "" => "It allows the same.",
        changed => changed,
    };
    Ok(format!(
        "{against}\n{changed}\nUnder it, {}.",
        opened_for(&proposed)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_act_is_said_with_what_it_opens_up() {
        let enrol = |kind, parent: Option<&str>| {
            in_words(&ActBody::Enrol {
                agency: "house1".parse().unwrap(),
                kind,
                parent: parent.map(|parent| parent.parse().unwrap()),
            })
        };
        let shelter = enrol(AgencyKind::Shelter, None);
        assert!(shelter.starts_with("Enrol house1 as SHELTER, under no authority."));
        assert!(enrol(AgencyKind::Police, Some("moi")).contains("as a unit of moi"));
        assert!(enrol(AgencyKind::Ombudsperson, None).contains("every entry"));
        assert!(enrol(AgencyKind::Operator, None).contains("may administer"));
    }

    #[test]
    fn a_protocol_is_told_against_the_one_in_force_and_with_its_retention() {
        let shipped = crate::domain::protocol::SHIPPED;
        let after = |version: u64, days: u32| {
            let version = format!("\nversion = {version}\n");
            let days = format!("retention_days = {days}\n");
            shipped
                .replace("\nversion = 1\n", &version)
                .replace("retention_days = 1830\n", &days)
        };
        let second = Protocol::parse(&after(2, 400)).unwrap();
        let told = changes(&after(3, 2000), Some(&second)).unwrap();
        assert!(told.starts_with("Against version 2, which is in force:\nLENGTHENED"));
        assert!(told.contains("400 -> 2000 days\n"), "{told}");
        assert!(told.ends_with("decisions can be opened for 2000 days."));
        let told = changes(shipped, None).unwrap();
        assert!(
            told.starts_with(
                "Against the shipped one: this router has none in force yet.\nIt allows the same."
            ),
            "{told}"
        );
        assert!(told.ends_with("decisions can be opened for 1830 days."));
    }

    #[test]
    fn a_file_that_is_no_act_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("act.json");
        std::fs::write(&file, "{}").unwrap();
        let error = Handover::read(&file).unwrap_err();
        assert_eq!(error.code(), 78);
        assert!(error.to_string().contains("act-out"), "{error}");
    }

    #[test]
    fn what_is_written_is_read_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("act.json");
        let proposal = ProposalId::from_random([7; 16]);
        let handover = Handover::new(proposal, b"a.b.c").unwrap();
        handover.write(create(&file).unwrap(), &file).unwrap();
        let read = Handover::read(&file).unwrap();
        assert_eq!((read.proposal(), read.act()), (proposal, &b"a.b.c"[..]));
        let error = create(&file).unwrap_err().to_string();
        assert!(error.contains("act.json: it is there already"), "{error}");
        assert!(error.contains("give --act-out a new name"), "{error}");
    }
}
