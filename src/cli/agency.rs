//! `safeconduct agency`: joins, and shows what an agency sees, from its folder.

use super::agency_checkpoint;
use super::exit::{Failure, ended};
use super::facts;
use super::home::{CallerArgs, mended, told};
use super::in_runtime;
use super::text::{minute, wrapped};
use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::keys::{AgencyKeys, KeyRotation};
use crate::client::notice::Notices;
use crate::client::watch::Doorbell;
use crate::domain::directory::AgencyFacts;
use crate::domain::id::CaseHandle;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::StaffRole;
use crate::envelope::keys::AgencySigner;
use crate::ledger::checkpoint::parse_any;
use crate::ledger::note::unverified_text;
use crate::ledger::receipt_file::ReceiptFile;
use crate::proto::v1::EventKind;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, interval_at};

mod directory;
mod disclosures;
mod receipts;
mod resubmit;
mod status;

/// How often the directory is looked at although nothing rang: as often as the router digests it.
const EPOCH: Duration = Duration::from_secs(60 * 60);

/// Shown under `agency compare --help`.
const COMPARE_CODES: &str = "\
Exit codes:
   0  one log: what they were shown and what we were shown continue each other
   1  two logs, or the router cannot prove one: keep both files, they are the
      evidence; or it did not answer, as standard error says
   2  the command line is wrong
  78  the file holds no checkpoint of this log, or a folder cannot be used";

/// Shown under `agency receipts --help`.
const RECEIPTS_CODES: &str = "\
Exit codes:
   0  every kept receipt of the present log proves its entry; each line says
      whether witnesses vouch for it, or will be asked again the next time;
      those of a log that has ended are counted and kept
   1  a receipt of the present log was changed since it was kept, or the
      router did not answer or contradicts what was seen; standard error says
      which
   2  the command line is wrong
  78  the settings or the folder cannot be used";

/// Join as an agency, and see what it sees.
#[derive(Debug, Args)]
pub struct AgencyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Publish the agency's keys and facts, the first time and whenever one of them changes
    ///
    /// Run it daily by a timer: it does nothing until a key is due, a certificate was renewed or the facts changed.
    Join {
        #[command(flatten)]
        caller: CallerArgs,
        /// What the agency says of itself (deploy/facts.toml)
        #[arg(long, value_name = "FILE", required_unless_present = "no_facts")]
        facts: Option<PathBuf>,
        /// Say nothing: for an operator or an auditor, which offers nothing
        #[arg(long, conflicts_with = "facts")]
        no_facts: bool,
    },
    /// Print the directory, verified, with what each member reports or requires
    Directory {
        #[command(flatten)]
        caller: CallerArgs,
    },
    /// Print a line for each doorbell, until interrupted
    Watch {
        #[command(flatten)]
        caller: CallerArgs,
        /// Run a program at each ring, once a minute at most, so that a phone can ring
        ///
        /// Without arguments and without a shell. It finds how many rings there were in SAFECONDUCT_NOTICE, as in
        /// "1 new item", and nothing else: look at the desk for what they were.
        #[arg(long, value_name = "PROGRAM")]
        notify_command: Option<PathBuf>,
    },
    /// Print who was told what of one case, when and by which right: a sheet for the person who asks
    Disclosures {
        #[command(flatten)]
        caller: CallerArgs,
        /// The agency's random handle of the case
        #[arg(long, value_name = "HANDLE")]
        case: CaseHandle,
        /// How to print it
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t = disclosures::Output::Text)]
        output: disclosures::Output,
    },
    /// Find out whether another party is shown the same log, by its `checkpoint` file
    ///
    /// Two agencies that send each other this file notice a router that shows each of them a log of its own.
    #[command(after_help = COMPARE_CODES)]
    Compare {
        #[command(flatten)]
        caller: CallerArgs,
        /// The other party's checkpoint, as it stands in its folder, in a receipt or in an auditor's saved state
        checkpoint: PathBuf,
    },
    /// Bring again what this agency signed, after the router was restored from a backup and its log succeeded
    ///
    /// Put the operator's new folder in place of trust/ first. Nothing that this agency sealed is disclosed before this
    /// is done; with the old folder nothing is sent. Doing it again confirms nothing, and compares again.
    Resubmit {
        #[command(flatten)]
        caller: CallerArgs,
    },
    /// Verify the receipts kept in the agency's folder, and have witnesses vouch for them
    ///
    /// With trust/policy, a receipt that its witnesses had not seen yet is proved again under a checkpoint that they
    /// cosigned. Run it daily by a timer.
    #[command(after_help = RECEIPTS_CODES)]
    Receipts {
        #[command(flatten)]
        caller: CallerArgs,
    },
    /// Look at this agency's keys, certificates and connection
    Status {
        #[command(flatten)]
        caller: CallerArgs,
    },
}

impl AgencyCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        in_runtime(async {
            ended(match self.action {
                Action::Join { caller, facts, .. } => join(&caller, facts).await,
                Action::Directory { caller } => show_directory(&caller).await,
                Action::Disclosures {
                    caller,
                    case,
                    output,
                } => disclosures::show(&caller, case, output).await,
                Action::Watch {
                    caller,
                    notify_command,
                } => watch(&caller, notify_command).await,
                Action::Receipts { caller } => receipts::show(&caller).await,
                Action::Resubmit { caller } => resubmit::run(&caller).await,
                Action::Status { caller } => status::show(&caller).await,
                Action::Compare { caller, checkpoint } => compare(&caller, &checkpoint).await,
            })
        })
    }
}

/// Whether what stands in the directory is not what this folder would publish.
fn is_due(keys: &AgencyKeys, facts: &AgencyFacts, now: Timestamp) -> bool {
    let changed = keys.published_bundle().is_none_or(|bundle| {
        bundle.content().facts != *facts
            || bundle.signing_key().fingerprint != keys.signer().certificate_fingerprint()
    });
    changed || KeyRotation::is_due(keys, now)
}

async fn join(caller: &CallerArgs, facts: Option<PathBuf>) -> Result<(), Failure> {
    let facts = facts.map_or_else(|| Ok(AgencyFacts::default()), |file| facts::read(&file));
    let facts = facts.map_err(|error| Failure::Settings(mended(&error.to_string())))?;
    let desk = resubmit::desk(caller, StaffRole::Administrator)?;
    let keys = desk.agency().keys();
    let kept = keys.forget_ended(desk.now());
    kept.map_err(|error| Failure::Settings(mended(&error.to_string())))?;
    if !is_due(keys, &facts, desk.now()) {
        println!("nothing to publish: keys and facts are those in the directory");
        return Ok(());
    }
    let proven = desk.publish_keys(facts).await.map_err(told)?;
    let bundle = desk.agency().keys().published_bundle();
    let bundle = bundle.ok_or_else(|| Failure::refused("the published bundle was not kept"))?;
    let content = bundle.content();
    let text = format!(
        "published key bundle {} of {}; entry {} of the log, good until {}",
        content.seq,
        content.agency,
        proven.index,
        minute(content.expires)
    );
    println!("{}", wrapped("", &text));
    let next = "Next: back up the folder's keys/, and run this again daily by a timer; it publishes when \
                something is due.";
    println!("{}", wrapped("", next));
    Ok(())
}

async fn show_directory(caller: &CallerArgs) -> Result<(), Failure> {
    let desk = resubmit::desk(caller, StaffRole::Administrator)?;
    let mirrored = desk.mirror().await.map_err(told)?;
    let mut out = std::io::stdout().lock();
    directory::print(&mut out, &mirrored, desk.now()).map_err(Failure::refused)
}

async fn watch(caller: &CallerArgs, command: Option<PathBuf>) -> Result<(), Failure> {
    // A process: it hears that something changed and opens nothing.
    let desk = resubmit::desk(caller, StaffRole::Process)?;
    let mut doorbells = desk.watch(String::new());
    let mut notices = command.map(Notices::new);
    // Also while nothing rings: a router that stands still rings nobody.
    let mut epochs = interval_at(Instant::now() + EPOCH, EPOCH);
    loop {
        let ring = tokio::select! {
            ring = doorbells.next() => ring.map_err(told)?,
            () = due(notices.as_mut()) => continue,
            _ = epochs.tick() => {
                if must_be_looked_at(&desk).await && let Some(notices) = &mut notices {
                    notices.alarmed();
                }
                continue;
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        if let Some(notices) = &mut notices {
            notices.rung(&ring);
        }
        let epoch = matches!(&ring, Doorbell::Missed)
            || matches!(&ring, Doorbell::Ring { kind, .. } if *kind == EventKind::DirectoryChanged);
        if epoch
            && must_be_looked_at(&desk).await
            && let Some(notices) = &mut notices
        {
            notices.alarmed();
        }
        let line = match ring {
            Doorbell::Missed => "listening; look at what came before".to_owned(),
            Doorbell::Ring { kind, resource } => format!("{} {resource}", said(kind)),
        };
        // Whoever reads the lines may go away; that ends it without a fuss.
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
    }
}

/// Mirrors the directory, and looks whether what stands under this agency's own name is what it published, and how
/// fresh it is. Says on standard error what is not right; true for what somebody must look at now.
async fn must_be_looked_at(desk: &Desk) -> bool {
    let (said, urgent) = match desk.mirror().await {
        Ok(directory) if !directory.was_late() => return false,
        Ok(directory) => {
            let made = minute(directory.proven_at());
            let said = format!(
                "LATE: the newest directory digest is of {made}, and the router makes one every hour: call its operator"
            );
            (said, true)
        }
        Err(error) if error.is_alarm() => (format!("ALARM: {error}"), true),
        Err(error) => (
            format!("the directory could not be mirrored: {error}"),
            false,
        ),
    };
    eprintln!("{}", wrapped("safeconduct: ", &said));
    urgent
}

async fn compare(caller: &CallerArgs, checkpoint: &Path) -> Result<(), Failure> {
    let note = std::fs::read_to_string(checkpoint)
        .map_err(|error| Failure::Settings(format!("{}: {error}", checkpoint.display())))?;
    // A receipt ends in the checkpoint that it was made under.
    let note = match ReceiptFile::parse(&note) {
        Ok(receipt) => receipt.checkpoint,
        Err(_) => agency_checkpoint(&note),
    };
    let desk = resubmit::desk(caller, StaffRole::Administrator)?;
    let session = desk.agency().session();
    let named = match parse_any(unverified_text(&note).unwrap_or_default()) {
        Ok(checkpoint) => checkpoint.origin,
        Err(_) => {
            let mend = "it holds no checkpoint: give the other agency's `checkpoint` file, one of its receipts, or an \
                        auditor's saved state";
            return Err(Failure::Settings(format!(
                "{}: {mend}",
                checkpoint.display()
            )));
        }
    };
    if named != session.log().origin() {
        let mend =
            "it is of another log than the pinned one, and can say nothing about this router's";
        return Err(Failure::Settings(format!(
            "{}: {mend}",
            checkpoint.display()
        )));
    }
    session
        .compare(desk.staff(), &note)
        .await
        .map_err(|error| match error {
            ClientError::Log(violation) => Failure::Refused(mended(&format!(
                "{violation}; keep both files: together they are the evidence"
            ))),
            other => told(other),
        })?;
    println!("one log: what they were shown and what we were shown continue each other");
    Ok(())
}

/// Waits for the next notice to be due and gives it; for ever when none is asked for.
async fn due(notices: Option<&mut Notices>) {
    match notices {
        Some(notices) => {
            if let Err(error) = notices.give_next().await {
                // The line goes on: a phone that does not ring is no reason not to print.
                eprintln!("safeconduct: no notice was given: {error}");
            }
        }
        None => std::future::pending().await,
    }
}

const fn said(kind: EventKind) -> &'static str {
    match kind {
        EventKind::OfferReceived => "offer-received",
        EventKind::OfferChanged => "offer-changed",
        EventKind::ParcelReady => "parcel-ready",
        EventKind::Alarm => "alarm",
        EventKind::DirectoryChanged => "directory-changed",
        EventKind::Places => "places",
        EventKind::Reminder => "reminder",
        EventKind::Alert => "alert",
        EventKind::ResumeRequested => "resume-requested",
        EventKind::Erasure => "erasure",
        EventKind::Notice => "notice",
        EventKind::Access => "access",
        EventKind::Transfer => "transfer",
        EventKind::Message => "message",
        EventKind::Corrected => "corrected",
        EventKind::Heartbeat => "heartbeat",
        EventKind::Unspecified => "unknown",
    }
}
