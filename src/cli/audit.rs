//! `safeconduct audit`: verify, openings, replay, review, questions, export and report, on a live router or an exported
//! folder.

mod acts;
mod bundle;
mod cannot;
mod copy;
pub mod drive;
pub mod export;
pub mod folder;
mod freshness;
mod live;
mod page;
mod print;
mod receipt;
mod report_command;
mod review;
mod run;
pub mod state;
mod watermark;

use crate::audit::Level;
use crate::audit::source::AuditSource;
use crate::cli::home::TRUST;
use crate::client::audit::LiveSource;
use crate::ledger::checkpoint::parse_any;
use crate::ledger::note::{NoteError, NoteVerifier, unverified_text};
pub use cannot::CannotCheck;
use clap::{Args, Subcommand, ValueEnum};
use folder::FolderSource;
pub use freshness::{Eyes, LookFor};
use live::Live;
pub use run::{Outcome, Run, check};
use state::StateFile;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Check the log from outside, on a live router or an exported folder.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct AuditCommand {
    #[command(subcommand)]
    action: Action,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything that this level checks is as it must be
  1  something is not; each finding is printed with its index and reason
  2  it could not be checked: the source or the command line failed, or what
     was asked is beyond your mandate
  3  nothing is wrong by itself, but there was no saved state and so nothing
     was verified against the past; with --state the next run will be
review gives 1 while a finding has no confirmed disposition; acts and dispose
give 0 when they did what was asked.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Recompute every hash and check signatures, times and the past
    Verify {
        #[command(flatten)]
        check: Check,
        /// Check only the checkpoint's signature and a proof that it continues the saved one; needs no mandate
        #[arg(long)]
        checkpoint_only: bool,
    },
    /// Verify, and open every commitment
    Openings {
        #[command(flatten)]
        check: Check,
    },
    /// Verify, open, and decide every act and every disclosure again
    Replay {
        #[command(flatten)]
        check: Check,
    },
    Watermark(watermark::WatermarkArgs),
    /// Ask who did what, when and by which right
    Acts(Box<acts::ActsArgs>),
    /// Look for what a person should look at again; 1 while a finding has no confirmed disposition
    Review(Box<review::ReviewArgs>),
    /// Say what a finding of the review comes to, or confirm what somebody else said
    Dispose(Box<review::DisposeArgs>),
    /// Write the log into a folder that can be audited offline
    Export {
        #[command(flatten)]
        source: SourceArgs,
        /// Folder to write, or an earlier export of this log, which is continued
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Leave the openings out: the folder can be verified, not replayed
        #[arg(long)]
        no_openings: bool,
    },
    /// Verify one receipt, offline: what it proves and what not
    Receipt(receipt::ReceiptArgs),
    Report(report_command::ReportCommand),
    ReportCheck(report_command::ReportCheckCommand),
}

impl Action {
    /// Whether a live router answers it to national bodies only.
    const fn reads_the_whole_log(&self) -> bool {
        match self {
            Self::Verify {
                checkpoint_only, ..
            } => !*checkpoint_only,
            Self::Openings { .. }
            | Self::Replay { .. }
            | Self::Watermark(_)
            | Self::Export { .. }
            | Self::Report(_) => true,
            Self::Acts(_)
            | Self::Review(_)
            | Self::Dispose(_)
            | Self::Receipt(_)
            | Self::ReportCheck(_) => false,
        }
    }
}

/// The auditor's pseudonym in every command, unless another is given.
const STAFF: &str = "auditor";

/// Where the log is.
#[derive(Debug, Clone, Args)]
struct SourceArgs {
    /// An exported folder
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "router",
        conflicts_with = "router"
    )]
    folder: Option<PathBuf>,
    /// A live router, as https://host:port
    #[arg(long, value_name = "URL", requires = "identity")]
    router: Option<String>,
    /// Folder with the auditor's certificates and keys, for a live router
    #[arg(long, value_name = "DIR", requires = "router")]
    identity: Option<PathBuf>,
    /// Folder with log.vkey, administrators.pem and roots.pem, and perhaps a policy; trust/ in --identity if not given
    #[arg(long, value_name = "DIR", conflicts_with = "folder")]
    trust: Option<PathBuf>,
    /// Name in the router's certificate, if it is not the host
    #[arg(long, value_name = "NAME", conflicts_with = "folder")]
    server_name: Option<String>,
    /// The auditor's pseudonym, as it will stand in the log
    #[arg(long, value_name = "NAME", default_value = STAFF)]
    staff: String,
}

/// What to check against, and how to say it.
#[derive(Debug, Clone, Args)]
struct Check {
    #[command(flatten)]
    source: SourceArgs,
    /// Your saved state: key and last checkpoint. Made if missing; kept up to date
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The log's verifier key, from a place you trust
    #[arg(long, value_name = "KEY")]
    vkey: Option<String>,
    /// Read a router's log from its first entry, also what the saved state says was verified before; a folder always is
    #[arg(long)]
    from_start: bool,
    /// Keep a copy of a live router's log here, bring it up to date, and check that
    #[arg(
        long,
        value_name = "DIR",
        requires = "router",
        conflicts_with = "folder"
    )]
    mirror: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    freshness: freshness::FreshnessArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl AuditCommand {
    /// Runs it on a runtime of its own; prints on standard output.
    #[must_use]
    pub fn start(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.run()),
            Err(error) => {
                eprintln!("safeconduct: could not check: {error}");
                ExitCode::from(2)
            }
        }
    }

    /// Runs it; prints on standard output.
    pub async fn run(self) -> ExitCode {
        let whole = self.action.reads_the_whole_log();
        let result = match self.action {
            Action::Verify {
                check,
                checkpoint_only: true,
            } => check.run(None).await,
            Action::Verify { check, .. } => check.run(Some(Level::Verify)).await,
            Action::Openings { check } => check.run(Some(Level::Openings)).await,
            Action::Replay { check } => check.run(Some(Level::Replay)).await,
            Action::Watermark(args) => args.run().await,
            Action::Acts(acts) => acts.run().await,
            Action::Review(review) => review.run().await,
            Action::Dispose(said) => said.run().await,
            Action::Export {
                source,
                to,
                no_openings,
            } => source.export(to, !no_openings).await,
            Action::Receipt(receipt) => receipt.run().map_err(CannotCheck::from),
            Action::Report(report) => report.run().await,
            Action::ReportCheck(check) => check.run(),
        };
        match result {
            Ok(code) => ExitCode::from(code),
            Err(error) => {
                let said = format!("could not check: {}", error.explained(whole));
                eprintln!("{}", print::wrapped("safeconduct: ", &said));
                ExitCode::from(2)
            }
        }
    }
}

impl Check {
    async fn run(self, level: Option<Level>) -> Result<u8, CannotCheck> {
        let outcome = self.outcome(level).await?;
        let text = match self.output {
            Output::Text => print::text(&outcome),
            Output::Json => print::json(&outcome),
        };
        outcome.keep()?;
        println!("{text}");
        Ok(outcome.exit_code())
    }

    /// Whose word is asked for.
    fn look_for(&self) -> Result<LookFor, CannotCheck> {
        self.freshness.look_for(self.source.pinned().as_deref())
    }

    async fn outcome(&self, level: Option<Level>) -> Result<Outcome, CannotCheck> {
        match self.source.open()? {
            Opened::Folder(mut folder) => {
                let vkey = self.key(None)?;
                self.check(&mut folder, level, vkey).await
            }
            Opened::Live(mut live, pinned) => {
                let vkey = self.key(Some(pinned))?;
                match self.mirror.as_ref().filter(|_| level.is_some()) {
                    Some(mirror) => self.mirrored(&mut *live, mirror, level, vkey).await,
                    None => self.check(&mut *live, level, vkey).await,
                }
            }
        }
    }

    /// The source, with a mirror brought up to date and in the router's place if there is one, and the key pinned.
    async fn opened(&self) -> Result<(Opened, Option<NoteVerifier>), CannotCheck> {
        let opened = self.source.open()?;
        let (Opened::Live(mut live, pinned), Some(mirror)) = (opened, &self.mirror) else {
            return Ok((self.source.open()?, None));
        };
        let verifier = self.key(Some(pinned))?.ok_or(CannotCheck::NoKey)?;
        let how = export::Update {
            verifier: Some(&verifier),
            openings: true,
        };
        let updated =
            export::update(&mut *live, mirror, how, &drive::Progress::on_terminal()).await?;
        if !updated.adopted {
            return Err(CannotCheck::NotContinued);
        }
        Ok((
            Opened::Folder(FolderSource::new(mirror.clone())),
            Some(verifier),
        ))
    }

    /// The name of the log, as its source says it: which certificate a report is signed with depends on it, and nothing
    /// else.
    async fn origin(&self) -> Result<String, CannotCheck> {
        match self.source.open()? {
            Opened::Live(_, pinned) => Ok(pinned.name().to_owned()),
            Opened::Folder(mut folder) => {
                let note = folder.checkpoint().await?.note;
                let named = parse_any(unverified_text(&note).unwrap_or_default());
                Ok(named.map(|named| named.origin).unwrap_or_default())
            }
        }
    }

    fn key(&self, pinned: Option<NoteVerifier>) -> Result<Option<NoteVerifier>, CannotCheck> {
        let vkey = self.vkey.as_deref().map(NoteVerifier::parse).transpose();
        let vkey = vkey.map_err(|_: NoteError| CannotCheck::Key)?;
        match (vkey, pinned) {
            (Some(vkey), Some(pinned)) if vkey != pinned => Err(CannotCheck::OtherKey),
            (vkey, pinned) => Ok(vkey.or(pinned)),
        }
    }

    async fn check<S: AuditSource>(
        &self,
        source: &mut S,
        level: Option<Level>,
        vkey: Option<NoteVerifier>,
    ) -> Result<Outcome, CannotCheck> {
        let run = Run {
            level,
            file: self.state.clone().map(StateFile::new),
            vkey,
            // A folder may have been changed, or made by somebody else, since it was looked at; reading it is cheap.
            resume: !self.from_start && self.source.folder.is_none(),
            look_for: self.look_for()?,
        };
        run.look(source, &drive::Progress::on_terminal()).await
    }

    /// Brings the mirror up to date, and checks that; a log that the mirror does not continue is not taken into it.
    async fn mirrored<S: AuditSource>(
        &self,
        live: &mut S,
        mirror: &Path,
        level: Option<Level>,
        vkey: Option<NoteVerifier>,
    ) -> Result<Outcome, CannotCheck> {
        let verifier = vkey.ok_or(CannotCheck::NoKey)?;
        if let Some(policy) = self.look_for()?.policy {
            policy.require_about(&verifier)?;
        }
        let how = export::Update {
            verifier: Some(&verifier),
            openings: true,
        };
        let updated = export::update(live, mirror, how, &drive::Progress::on_terminal()).await?;
        let mut folder = FolderSource::new(mirror.to_owned());
        let past = (updated.before > 0).then_some(updated.before);
        let mirror = Some((mirror.to_owned(), updated.size - updated.before));
        if updated.adopted {
            let mut outcome = self.check(&mut folder, level, Some(verifier)).await?;
            outcome.past = outcome.past.or(past);
            outcome.mirror = mirror;
            return Ok(outcome);
        }
        Ok(Outcome {
            level,
            origin: verifier.name().to_owned(),
            key: verifier.vkey(),
            pinned: true,
            past,
            past_saved: None,
            eyes: Eyes::default(),
            size: updated.size,
            report: updated.report,
            saved: None,
            note: String::new(),
            mirror,
        })
    }
}

/// A source, and the log's key if it was pinned beside it.
enum Opened {
    Folder(FolderSource),
    Live(Box<LiveSource>, NoteVerifier),
}

impl SourceArgs {
    /// The folder of what was pinned, for a live router.
    fn pinned(&self) -> Option<PathBuf> {
        let trust = self.identity.as_ref().map(|home| home.join(TRUST));
        self.trust
            .clone()
            .or(trust)
            .filter(|_| self.router.is_some())
    }

    fn open(&self) -> Result<Opened, CannotCheck> {
        if let Some(folder) = &self.folder {
            return Ok(Opened::Folder(FolderSource::new(folder.clone())));
        }
        let (Some(url), Some(identity)) = (self.router.clone(), self.identity.clone()) else {
            return Err(CannotCheck::NoSource);
        };
        let (trust, server_name) = (self.trust.clone(), self.server_name.clone());
        let live = Live {
            url,
            identity,
            trust,
            server_name,
            staff: self.staff.clone(),
        };
        let (source, pinned) = live.open()?;
        Ok(Opened::Live(Box::new(source), pinned))
    }

    async fn export(self, to: PathBuf, openings: bool) -> Result<u8, CannotCheck> {
        let progress = drive::Progress::on_terminal();
        let how = export::Update {
            verifier: None,
            openings,
        };
        let updated = match self.open()? {
            Opened::Folder(mut folder) => export::update(&mut folder, &to, how, &progress).await?,
            Opened::Live(mut live, _) => export::update(&mut *live, &to, how, &progress).await?,
        };
        let (size, new) = (updated.size, updated.size - updated.before);
        if updated.adopted {
            println!("{} has {size} entries, {new} of them new.", to.display());
        } else {
            println!("{} was left as it was, with {size} entries:", to.display());
        }
        for finding in updated.report.violations() {
            let text = format!("{} {finding}", finding.problem.code());
            println!("{}", print::wrapped(" !! ", &text));
        }
        println!("This was a copy, not an audit: run `safeconduct audit verify --folder`.");
        Ok(u8::from(updated.report.violations().next().is_some()))
    }
}

#[cfg(test)]
mod tests;
