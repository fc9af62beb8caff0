//! `safeconduct administrator`: what widens access, by two people with a key each; what narrows it, by one.
//!
//! The router never gives a proposal back. The first administrator hands the signed act to the second in a file; the
//! second reads from it, in plain words, exactly the bytes that the approval will name.

use super::exit::{Failure, ended};
use super::home::{CallerArgs, agency_id, mended, told};
use super::in_runtime;
use super::text::wrapped;
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::domain::id::AgencyId;
use crate::domain::protocol::Protocol;
use crate::domain::vocabulary::{AgencyKind, StaffRole};
use crate::envelope::act::ActBody;
use crate::envelope::keys::{KeyPairSigner, Signer};
use clap::{Args, Subcommand};
use handover::Handover;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

mod handover;
mod key;

/// Administer the members: two people, a key each.
#[derive(Debug, Args)]
pub struct AdministratorCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an administrator's key: FILE, which its owner keeps, and FILE.pub for `router init`
    Key {
        /// New file for the private key
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Propose what takes two: the act waits 7 days for the other administrator
    Propose {
        #[command(subcommand)]
        what: Propose,
    },
    /// Show what the other administrator signed, and sign it too; then it takes effect
    Approve {
        #[command(flatten)]
        by: By,
        /// The file that the other administrator's `propose --act-out` wrote
        #[arg(long, value_name = "FILE")]
        act: PathBuf,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Cut an agency off at once; one administrator suffices
    Suspend {
        #[command(flatten)]
        by: By,
        /// The agency
        #[arg(long, value_name = "ID", value_parser = agency_id)]
        agency: AgencyId,
    },
}

#[derive(Debug, Subcommand)]
enum Propose {
    /// Make an agency a member, or change its kind or its parent
    Enrol {
        #[command(flatten)]
        to: To,
        /// The agency: [a-z0-9-]{1,63}, as in its certificate
        #[arg(long, value_name = "ID", value_parser = agency_id)]
        agency: AgencyId,
        /// What it is
        #[arg(long, value_name = "KIND", value_parser = kind)]
        kind: AgencyKind,
        /// Authority that it is a unit of; it must be a member
        #[arg(long, value_name = "ID", value_parser = agency_id)]
        parent: Option<AgencyId>,
    },
    /// Publish a version of the information-sharing protocol
    Protocol {
        #[command(flatten)]
        to: To,
        /// The protocol (deploy/protocol.toml)
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Let a suspended agency come back
    Reinstate {
        #[command(flatten)]
        to: To,
        /// The agency
        #[arg(long, value_name = "ID", value_parser = agency_id)]
        agency: AgencyId,
    },
}

/// Who administers, and with which key.
#[derive(Debug, Clone, Args)]
struct By {
    #[command(flatten)]
    caller: CallerArgs,
    /// The administrator's private key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

#[derive(Debug, Clone, Args)]
struct To {
    #[command(flatten)]
    by: By,
    /// New file for the signed act, to hand to the other administrator
    #[arg(long, value_name = "FILE")]
    act_out: PathBuf,
}

fn kind(word: &str) -> Result<AgencyKind, String> {
    let kinds = || {
        AgencyKind::ALL
            .iter()
            .filter(|kind| **kind != AgencyKind::NonMember)
    };
    let found = kinds().find(|kind| kind.name() == word).copied();
    found.ok_or_else(|| {
        let words: Vec<&str> = kinds().map(|kind| kind.name()).collect();
        format!("write one of\n{}", wrapped("  ", &words.join(", ")))
    })
}

impl AdministratorCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        in_runtime(async {
            ended(match self.action {
                Action::Key { out } => key::make(&out),
                Action::Propose { what } => propose(what).await,
                Action::Approve { by, act, yes } => approve(&by, &act, yes).await,
                Action::Suspend { by, agency } => suspend(&by, &agency).await,
            })
        })
    }
}

impl By {
    /// The operator's desk and the administrator's key, which must be one that this router's agencies trust.
    fn sit(&self) -> Result<(Desk, KeyPairSigner), Failure> {
        let signer = key::read(&self.key)?;
        let desk = self.caller.desk(StaffRole::Administrator)?;
        let agency = desk.agency();
        let kid = signer.verifying_key().spki_kid();
        if agency.trust().administrator(&kid).is_none() {
            let text = format!(
                "{} is not one of the keys that `router init` pinned: use the key whose .pub file was given \
                 there, or the trust folder of this router",
                self.key.display()
            );
            return Err(Failure::Settings(mended(&text)));
        }
        if agency.keys().published_bundle().is_none() {
            let text = "the operator has not joined: run `safeconduct agency join --no-facts` with the same \
                        --router and --identity first";
            return Err(Failure::Refused(mended(text)));
        }
        Ok((desk, signer))
    }
}

async fn propose(what: Propose) -> Result<(), Failure> {
    let (to, body) = match what {
        Propose::Enrol {
            to,
            agency,
            kind,
            parent,
        } => {
            if parent.as_ref() == Some(&agency) {
                let text = "--parent is another agency than --agency".into();
                return Err(Failure::Refused(text));
            }
            let body = ActBody::Enrol {
                agency,
                kind,
                parent,
            };
            (to, body)
        }
        Propose::Protocol { to, file } => (to, protocol(&file)?),
        Propose::Reinstate { to, agency } => (to, ActBody::Reinstate { agency }),
    };
    let (desk, signer) = to.by.sit()?;
    let in_force = match body {
        ActBody::PublishProtocol { .. } => handover::in_force(&desk).await?,
        _ => None,
    };
    // Made before anything is sent: an act that cannot be handed over cannot be approved either.
    let file = handover::create(&to.act_out)?;
    let sent = desk.propose(body, &signer).await;
    let (proposal, act) = sent.map_err(|error| {
        let _ = std::fs::remove_file(&to.act_out);
        told(error)
    })?;
    let handover = Handover::new(proposal, &act)?;
    handover.write(file, &to.act_out)?;
    let trust = desk.agency().trust();
    println!("{}", handover.told(trust, in_force.as_deref())?);
    println!("signed and proposed; proposal {proposal}");
    let next = format!(
        "Next: hand {0} to the other administrator, who runs `safeconduct administrator approve --act {0}` \
         within 7 days. Until then nothing changes.",
        to.act_out.display()
    );
    println!("{}", wrapped("", &next));
    Ok(())
}

fn protocol(file: &Path) -> Result<ActBody, Failure> {
    let shown = file.display();
    let toml = std::fs::read_to_string(file)
        .map_err(|error| Failure::Settings(mended(&format!("{shown}: {error}"))))?;
    let parsed = Protocol::parse(&toml).map_err(|error| {
        let text = format!("{shown}: {error}; `safeconduct protocol check {shown}` shows the line");
        Failure::Settings(mended(&text))
    })?;
    Ok(ActBody::PublishProtocol {
        version: parsed.version(),
        toml,
    })
}

async fn approve(by: &By, file: &Path, yes: bool) -> Result<(), Failure> {
    let (desk, signer) = by.sit()?;
    let handover = Handover::read(file)?;
    let trust = desk.agency().trust();
    let proposer = handover.proposer(trust)?;
    if proposer == signer.verifying_key() {
        let text = "this key signed the proposal: the other administrator approves it";
        return Err(Failure::Refused(mended(text)));
    }
    let in_force = if let ActBody::PublishProtocol { .. } = handover.checked(trust)?.body {
        handover::in_force(&desk).await?
    } else {
        // Anything but a log that contradicts itself says nothing of this act.
        if let Err(error @ ClientError::Log(_)) = desk.mirror().await {
            return Err(told(error));
        }
        None
    };
    println!("{}", handover.told(trust, in_force.as_deref())?);
    if !yes && !asked()? {
        return Err(Failure::Refused("not approved; nothing was sent".into()));
    }
    let proven = desk
        .approve(handover.proposal(), handover.act(), &signer)
        .await
        .map_err(told)?;
    println!("approved and in effect; entry {} of the log", proven.index);
    Ok(())
}

fn asked() -> Result<bool, Failure> {
    print!("Approve it? Type yes: ");
    std::io::stdout().flush().map_err(Failure::refused)?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Failure::refused)?;
    Ok(answer.trim() == "yes")
}

async fn suspend(by: &By, agency: &AgencyId) -> Result<(), Failure> {
    let (desk, signer) = by.sit()?;
    let proven = desk.suspend(agency, &signer).await.map_err(told)?;
    let text = format!(
        "suspended {agency}: it neither sends nor receives from here on; entry {} of the log",
        proven.index
    );
    println!("{}", wrapped("", &text));
    let next = "Next: `safeconduct ca revoke` if its keys are in other hands. Two administrators can reinstate it.";
    println!("{}", wrapped("", next));
    Ok(())
}
