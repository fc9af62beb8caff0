//! `safeconduct restore`: a store made of a backup, proved against what others know of the log.

use super::backup::manifest::Manifest;
use super::backup::{Walked, now, walk};
use super::exit::{Failure, ended};
use super::home::mended;
use super::router::settings;
use super::text::{minute, wrapped};
use super::{agency_checkpoint, key_file};
use crate::config::RouterConfig;
use crate::exchange::Exchange;
use crate::exchange::succession::Succession;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::{NoteSigner, NoteVerifier};
use crate::storage::embedded::{EmbeddedEngine, OpenError, Options, backup};
use crate::storage::engine::Engine;
use crate::storage::records::log::LogRecord;
use crate::storage::records::{Record, key};
use clap::{ArgGroup, Args};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Make a store of a backup, in an empty folder
///
/// First the backup is verified, and compared with the newest checkpoints of the log that others keep: agencies in
/// their folders, auditors in their state, witnesses. If it is behind one of them, what came after it is lost,
/// withdrawals among it: then the log does not go on as if nothing had happened. With --succeed it goes on under a new
/// name and key that everybody hears of, and discloses nothing of an agency before that has resubmitted what it signed
/// since.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("known").required(true).args(["checkpoints", "unwitnessed"]))]
pub struct RestoreCommand {
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The keyring's copy, if it was kept apart
    #[arg(long, value_name = "DIR")]
    keyring_from: Option<PathBuf>,
    /// Settings (deploy/router.toml); its `data_directory` must be empty or absent
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A checkpoint of the log that somebody else kept: a signed note, an agency's `checkpoint` or an auditor's state;
    /// may be given several times
    #[arg(long = "checkpoint", value_name = "FILE")]
    checkpoints: Vec<PathBuf>,
    /// Restore without any: nobody can tell then whether entries are lost, and what was withdrawn since the backup may
    /// be disclosed again
    #[arg(long)]
    unwitnessed: bool,
    /// Go on under the name `ledger.origin` and a new key, made in `ledger.signing_key_file`
    #[arg(long, requires = "log_key")]
    succeed: bool,
    /// The old log's verifier key, as the agencies have pinned it (trust/log.vkey)
    #[arg(long, value_name = "KEY")]
    log_key: Option<String>,
    /// Use a copy of the keyring that should have been deleted: what was erased since it was made comes back
    #[arg(long)]
    expired_keyring: bool,
}

fn refused(text: &str) -> Failure {
    Failure::Refused(mended(text))
}

/// How a backup stands to what others know.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Nobody else's checkpoint was given.
    Unknown,
    /// It has every entry of every checkpoint.
    Whole(Checkpoint),
    /// It lacks entries that somebody has seen.
    Behind(Checkpoint),
}

impl RestoreCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ended(self.restore())
    }

    fn restore(&self) -> Result<(), Failure> {
        let config = RouterConfig::read(&self.config).map_err(Failure::settings)?;
        let keyring = self.keyring_from.as_deref().unwrap_or(&self.from);
        self.require_whole(keyring)?;
        let old = self.old_key(&config)?;
        let known = self.known(&old)?;
        let sizes: Vec<u64> = known.iter().map(|checkpoint| checkpoint.size).collect();
        let walked = walk(&self.from, keyring, &sizes).map_err(|error| {
            refused(&format!(
                "{}: {error}; nothing was restored: take another backup",
                self.from.display()
            ))
        })?;
        println!("verified {} entries of the backup", walked.size);
        let standing = standing(known, &walked)?;
        self.require_lawful(&standing, walked.size)?;
        let signer = self.new_signer(&config, &old)?;
        let target = &config.data_directory;
        backup::install(&self.from, keyring, target, &Options::default())
            .map_err(|error| failed(target, &error))?;
        let options = Options {
            rebuild: true,
            ..Options::default()
        };
        let engine =
            EmbeddedEngine::open(target, options).map_err(|error| failed(target, &error))?;
        let engine: Arc<dyn Engine> = Arc::new(engine);
        let log = engine.get(LogRecord::TABLE, key::LOG);
        let log = log.map_err(Failure::refused)?;
        let log = log.as_ref().map(LogRecord::from_stored).transpose();
        let log = log.map_err(Failure::refused)?;
        let named = log.as_ref().map(LogRecord::log_origin).unwrap_or_default();
        if named != old.name() {
            let _ = std::fs::remove_dir_all(target);
            let text = format!(
                "the backup is of the log {named}, and the key given is of {}; nothing was restored",
                old.name()
            );
            return Err(refused(&text));
        }
        match (&standing, signer) {
            (_, Some(signer)) => self.go_on(&engine, signer, &old, &standing),
            (Standing::Whole(known), None) => {
                let text = format!(
                    "restored {} entries to {}: all {} that the newest checkpoint given knows of are there. What may \
                     have come after that checkpoint nobody can tell: if any agency has a newer one, compare it before \
                     you start the router.",
                    walked.size,
                    target.display(),
                    known.size
                );
                println!("{}", wrapped("", &text));
                say_what_it_is_worth(&standing);
                Ok(())
            }
            _ => {
                let text = format!(
                    "RESTORED WITHOUT A WITNESS: {} entries to {}. Nobody can tell whether entries are lost. What \
                     people took back since the backup may be disclosed again, and agencies that saw more will say \
                     that the log was rewound.",
                    walked.size,
                    target.display()
                );
                println!("{}", wrapped("", &text));
                say_what_it_is_worth(&standing);
                Ok(())
            }
        }
    }

    /// That the folders are finished backups of one store, and that the keyring may still be used.
    fn require_whole(&self, keyring: &Path) -> Result<(), Failure> {
        let read = |folder: &Path| {
            Manifest::read(folder).ok_or_else(|| {
                refused(&format!(
                    "{} is no finished backup: its file `backup` is missing or damaged",
                    folder.display()
                ))
            })
        };
        let (manifest, keys) = (read(&self.from)?, read(keyring)?);
        if manifest.store != keys.store {
            return Err(refused("the keyring is of another store than the backup"));
        }
        let Some(delete_by) = keys.delete_by else {
            return Err(refused(
                "the keyring was kept apart: name its folder with --keyring-from",
            ));
        };
        println!("the backup was made on {}", minute(manifest.taken));
        if delete_by <= now() && !self.expired_keyring {
            let text = format!(
                "{} was to be deleted by {}: what was erased since it was made would come back. Use a newer copy of \
                 the keyring; if there is none, --expired-keyring, and have every erasure since then done again",
                keyring.display(),
                minute(delete_by)
            );
            return Err(refused(&text));
        }
        Ok(())
    }

    fn old_key(&self, config: &RouterConfig) -> Result<NoteVerifier, Failure> {
        let text = match &self.log_key {
            Some(text) => text.clone(),
            None => key_file::read(&config.ledger.signing_key_file, config.log_origin())
                .map_err(Failure::settings)?
                .vkey(),
        };
        NoteVerifier::parse(&text).map_err(|_| {
            refused("--log-key is not a verifier key, as in an agency's trust/log.vkey")
        })
    }

    /// The checkpoints given, each signed by the old log.
    fn known(&self, old: &NoteVerifier) -> Result<Vec<Checkpoint>, Failure> {
        let read = |file: &PathBuf| {
            let bad = |why: String| refused(&format!("{}: {why}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
            let note = agency_checkpoint(&text);
            old.verify(&note).map_err(|error| {
                bad(format!(
                    "{error}: it must be a checkpoint signed by {}",
                    old.name()
                ))
            })
        };
        self.checkpoints.iter().map(read).collect()
    }

    fn require_lawful(&self, standing: &Standing, size: u64) -> Result<(), Failure> {
        match (standing, self.succeed) {
            (Standing::Behind(known), false) => {
                let text = format!(
                    "the backup is behind: it has {size} entries, and somebody has seen {} of this log. The log cannot \
                     go on as if these had never been: nothing was restored. Look for a newer backup, or a newer copy \
                     of the journal on the broken disk. If there is none, set ledger.origin to a new name, move the \
                     old signing key away, and run this again with --succeed --log-key and the old verifier key",
                    known.size
                );
                Err(refused(&text))
            }
            (Standing::Whole(_), true) => Err(refused(
                "the backup has every entry that the checkpoints know of: the log goes on as it is, without --succeed",
            )),
            _ => Ok(()),
        }
    }

    /// The new key, made in the file of the settings; none when the log goes on as it is.
    fn new_signer(
        &self,
        config: &RouterConfig,
        old: &NoteVerifier,
    ) -> Result<Option<NoteSigner>, Failure> {
        if !self.succeed {
            return Ok(None);
        }
        let (file, origin) = (&config.ledger.signing_key_file, config.log_origin());
        if origin == old.name() {
            return Err(Failure::Settings(mended(
                "set ledger.origin to a new name for the log, such as 2.safeconduct.example: the old one has ended",
            )));
        }
        let signer = if file.exists() {
            key_file::read(file, origin)
        } else {
            key_file::create(file, origin)
        };
        let signer = signer.map_err(Failure::settings)?;
        let of_key = |vkey: &str| vkey.rsplit('+').next().map(str::to_owned);
        if of_key(&signer.vkey()) == of_key(&old.vkey()) {
            return Err(Failure::Settings(mended(&format!(
                "{} is the old log's key: move it away, and a new one is made",
                file.display()
            ))));
        }
        Ok(Some(signer))
    }

    fn go_on(
        &self,
        engine: &Arc<dyn Engine>,
        signer: NoteSigner,
        old: &NoteVerifier,
        standing: &Standing,
    ) -> Result<(), Failure> {
        let vkey = signer.vkey();
        let witnessed = match standing {
            Standing::Unknown => None,
            Standing::Whole(known) | Standing::Behind(known) => Some(known.clone()),
        };
        let lost = witnessed.as_ref().map(|known| known.size);
        let succession = Succession {
            of_key: old.vkey(),
            witnessed,
        };
        let index = Exchange::succeed(engine, &mut settings(signer), &succession)
            .map_err(Failure::refused)?;
        let lost = lost.map_or_else(
            || "an unknown number of".to_owned(),
            |known| known.saturating_sub(index).to_string(),
        );
        let text = format!(
            "restored {index} entries; {lost} entries of the old log are lost. The log goes on as entry {index}, under \
             a new name and key:"
        );
        println!("{}", wrapped("", &text));
        println!("vkey {vkey}");
        println!();
        say_what_it_is_worth(standing);
        println!();
        let text = "Next: `safeconduct router trust`, and give the new folder to every agency and auditor, with the \
                    old log's last checkpoint; have the key compared by phone. Then `safeconduct router run`. Nothing \
                    of an agency is disclosed before it has run `safeconduct agency resubmit`.";
        println!("{}", wrapped("", text));
        Ok(())
    }
}

/// What a restore shows and what not, and what must never be done with one.
fn say_what_it_is_worth(standing: &Standing) {
    println!(
        "{}",
        match standing {
            Standing::Unknown => "Proved: that the backup is whole, and nothing else.",
            Standing::Whole(_) | Standing::Behind(_) => {
                "Proved: entries up to the newest checkpoint given. Not: the rows beside them."
            }
        }
    );
    println!("In a drill never `router run` it beside the true router: all would see a fork.");
}

/// Compares a verified backup with the checkpoints of others.
fn standing(known: Vec<Checkpoint>, walked: &Walked) -> Result<Standing, Failure> {
    for (checkpoint, root) in known.iter().zip(&walked.roots) {
        if root.is_some_and(|root| root != checkpoint.root) {
            let text = format!(
                "the backup and the checkpoint of {} entries are not of one log: it was forked or rewritten. Keep \
                 both, and call the auditors; nothing was restored",
                checkpoint.size
            );
            return Err(refused(&text));
        }
    }
    let newest = known.into_iter().max_by_key(|checkpoint| checkpoint.size);
    Ok(match newest {
        None => Standing::Unknown,
        Some(known) if known.size > walked.size => Standing::Behind(known),
        Some(known) => Standing::Whole(known),
    })
}

fn failed(target: &Path, error: &OpenError) -> Failure {
    let mend = match error {
        OpenError::NotEmpty => {
            "restore only makes a store in an empty folder; never restore over one"
        }
        OpenError::Locked => "is a router running there?",
        _ => "remove the folder before you try again",
    };
    Failure::Refused(mended(&format!("{}: {error}; {mend}", target.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::hash::{EMPTY_ROOT, Hash};

    fn checkpoint(size: u64, byte: u8) -> Checkpoint {
        Checkpoint {
            origin: "log.example".into(),
            size,
            root: Hash::from_bytes([byte; 32]),
        }
    }

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        restore: RestoreCommand,
    }

    #[test]
    fn who_names_no_witness_is_told_of_both_ways() {
        use clap::Parser as _;
        let line = ["restore", "--from", "a", "--config", "b"];
        let error = Program::try_parse_from(line).err().unwrap().to_string();
        for wanted in ["--checkpoint <FILE>", "--unwitnessed"] {
            assert!(error.contains(wanted), "{error}");
        }
        let two = ["--checkpoint", "c", "--checkpoint", "d"];
        let given = Program::try_parse_from(line.into_iter().chain(two)).unwrap();
        assert_eq!(given.restore.checkpoints.len(), 2);
    }

    #[test]
    fn a_backup_is_judged_by_the_newest_checkpoint_and_refused_by_any_fork() {
        let walked = |roots| Walked {
            size: 10,
            root: EMPTY_ROOT,
            roots,
        };
        let (early, late) = (checkpoint(5, 1), checkpoint(11, 2));
        let root = |byte| Some(Hash::from_bytes([byte; 32]));
        let judge = |known, roots| standing(known, &walked(roots)).ok();
        assert_eq!(judge(vec![], vec![]), Some(Standing::Unknown));
        let whole = Some(Standing::Whole(early.clone()));
        assert_eq!(judge(vec![early.clone()], vec![root(1)]), whole);
        let behind = Some(Standing::Behind(late.clone()));
        let both = vec![early.clone(), late];
        assert_eq!(judge(both, vec![root(1), None]), behind);
        assert_eq!(judge(vec![early], vec![root(9)]), None);
    }
}
