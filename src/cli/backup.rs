//! `safeconduct backup`: a copy of a store that may be in use.

pub(super) mod manifest;

use super::exit::{Failure, ended};
use super::home::mended;
use super::text::{minute, wrapped};
use crate::config::RouterConfig;
use crate::domain::time::Timestamp;
use crate::grpc::tls::system_now;
use crate::ledger::hash::{Hash, leaf};
use crate::ledger::tree::Edge;
use crate::storage::embedded::backup::{self, Step};
use crate::storage::embedded::{OpenError, Options};
use clap::Args;
use manifest::Manifest;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Copy a router's store, while it runs or not
///
/// The copy is verified from beginning to end before it is called a backup. It does not hold the log's signing key,
/// certificates or settings: keep those apart. Whoever has the keyring can read all that is not erased, and all that
/// was erased since the copy was made: give it a folder of its own with --keyring-to, and delete that in time.
#[derive(Debug, Args)]
pub struct BackupCommand {
    /// Settings (deploy/router.toml)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// New folder for the copy
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// New folder for the keyring, to be kept for a short time and apart from the rest
    #[arg(long, value_name = "DIR")]
    keyring_to: Option<PathBuf>,
}

impl BackupCommand {
    /// Does it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        ended(self.copy())
    }

    fn copy(&self) -> Result<(), Failure> {
        let config = RouterConfig::read(&self.config).map_err(Failure::settings)?;
        let taken = system_now()();
        let keyring = self.keyring_to.as_deref();
        for folder in [Some(self.to.as_path()), keyring].into_iter().flatten() {
            require_new(folder)?;
        }
        let copied = backup::copy(
            &config.data_directory,
            &self.to,
            keyring,
            &Options::default(),
        )
        .map_err(|error| failed(&config.data_directory, &error))?;
        let keys = keyring.unwrap_or(&self.to);
        let walked = walk(&self.to, keys, &[]).map_err(|error| {
            let text = format!(
                "{}: the copy is not whole: {error}; delete it and run this again, and if that fails run \
                 `safeconduct check` with the router stopped",
                self.to.display()
            );
            Failure::Refused(mended(&text))
        })?;
        let days = config.ledger.keyring_backup_days;
        let delete_by = taken.plus(DAY * days);
        let manifest = Manifest {
            store: copied.store,
            taken,
            entries: walked.size,
            root: walked.root.base64(),
            delete_by: keyring.is_none().then_some(delete_by),
        };
        let written = manifest.write(&self.to);
        written.map_err(|error| Failure::Refused(format!("{}: {error}", self.to.display())))?;
        if let Some(keyring) = keyring {
            let manifest = Manifest {
                entries: 0,
                root: String::new(),
                delete_by: Some(delete_by),
                ..manifest
            };
            let written = manifest.write(keyring);
            written.map_err(|error| Failure::Refused(format!("{}: {error}", keyring.display())))?;
        }
        let text = format!(
            "copied and verified {} entries of the log in {} batches, {} files of attachments, to {}",
            walked.size,
            copied.batches,
            copied.attachments,
            self.to.display()
        );
        println!("{}", wrapped("", &text));
        println!("root {}", walked.root.base64());
        let text = format!(
            "Delete {} by {} ({days} days): until it is gone, what is erased meanwhile can be read with it.",
            keys.display(),
            minute(delete_by)
        );
        println!("{}", wrapped("", &text));
        println!("The log's signing key is not in it: keep that apart.");
        Ok(())
    }
}

/// That a copy would be written over nothing.
fn require_new(folder: &Path) -> Result<(), Failure> {
    let used = std::fs::read_dir(folder).is_ok_and(|mut items| items.next().is_some());
    if used {
        let text = format!(
            "{} is not empty, and a copy is never written over anything: give --to and --keyring-to new folders",
            folder.display()
        );
        return Err(Failure::Refused(mended(&text)));
    }
    Ok(())
}

fn failed(folder: &Path, error: &OpenError) -> Failure {
    let mend = match error {
        OpenError::Missing => "there is nothing to copy: is data_directory right?",
        _ => "what was copied so far is no backup: delete it",
    };
    Failure::Refused(mended(&format!("{}: {error}; {mend}", folder.display())))
}

/// What a walk through a copy showed.
pub(super) struct Walked {
    /// Entries of the log.
    pub(super) size: u64,
    /// Root over them.
    pub(super) root: Hash,
    /// Roots at the sizes asked for; none for those past its end.
    pub(super) roots: Vec<Option<Hash>>,
}

/// Verifies a copy: every frame, value and key, and the tree over the entries against every root that the journal
/// names.
pub(super) fn walk(folder: &Path, keyring: &Path, sizes: &[u64]) -> Result<Walked, OpenError> {
    let mut edge = Edge::new();
    let mut roots = vec![None; sizes.len()];
    let mut note = |edge: &Edge| {
        for (size, root) in sizes.iter().zip(&mut roots) {
            if *size == edge.size() {
                *root = Some(edge.root());
            }
        }
    };
    note(&edge);
    backup::walk(folder, keyring, &mut |step| {
        match step {
            Step::Entry(entry) => {
                let _ = edge.append(leaf(entry));
                note(&edge);
            }
            Step::Batch(head)
                if (edge.size(), edge.root().as_bytes()) != (head.size, &head.root) =>
            {
                let text = format!(
                    "the entries do not lead to the root of batch {}",
                    head.batches
                );
                return Err(OpenError::Corrupt(text));
            }
            Step::Batch(_) => {}
        }
        Ok(())
    })?;
    Ok(Walked {
        size: edge.size(),
        root: edge.root(),
        roots,
    })
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    system_now()()
}
