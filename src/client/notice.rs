//! Notices outside the desk, so that a phone can ring: how many things are new, and nothing else.
//!
//! A notice leaves the agency's own machines by whatever the program sends it with, so it says nothing of what
//! happened, to whom, or who asked. A burst of rings is one notice: their rhythm would tell of a case as well.

use super::watch::Doorbell;
use crate::proto::v1::EventKind;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// The environment variable that holds the notice's text.
pub const NOTICE_VARIABLE: &str = "SAFECONDUCT_NOTICE";

/// At most one notice in this time, in seconds; rings in between are counted for the next.
pub const NOTICE_EVERY: Duration = Duration::from_secs(60);

/// How long the program may take before it is ended: the next notice must not wait for it.
pub const PROGRAM_TIME_MAX: Duration = Duration::from_secs(30);

/// Why a notice was not given. Its rings are counted for the next one.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// The program cannot be run.
    #[error("the program cannot be run: {0}")]
    Program(#[from] std::io::Error),
    /// The program said that it failed.
    #[error("the program failed")]
    Failed,
    /// The program took too long and was ended.
    #[error("the program took longer than 30 seconds")]
    TooSlow,
}

/// Runs a program when the doorbell rings, at most once in [`NOTICE_EVERY`].
#[derive(Debug)]
pub struct Notices {
    program: PathBuf,
    new: u32,
    next: Instant,
    /// How many rings the program that runs was told of, and how it ends.
    running: Option<(u32, JoinHandle<Result<(), NoticeError>>)>,
}

impl Notices {
    /// Notices by this program, without arguments and without a shell.
    #[must_use]
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            new: 0,
            next: Instant::now(),
            running: None,
        }
    }

    /// Counts a ring. That the directory changed is nothing for a phone; that rings may have been missed is.
    pub fn rung(&mut self, ring: &Doorbell) {
        let quiet = matches!(
            ring,
            Doorbell::Ring {
                kind: EventKind::DirectoryChanged,
                ..
            }
        );
        if !quiet {
            self.new = self.new.saturating_add(1);
        }
    }

    /// Counts something else that somebody must look at.
    pub const fn alarmed(&mut self) {
        self.new = self.new.saturating_add(1);
    }

    /// Waits until there is something new and a notice may be given, and gives it. Safe to cancel: a program that runs
    /// goes on, and the next call hears how it ended.
    ///
    /// # Errors
    ///
    /// [`NoticeError`]; nothing is lost but time.
    pub async fn give_next(&mut self) -> Result<(), NoticeError> {
        if self.running.is_none() {
            if self.new == 0 {
                std::future::pending::<()>().await;
            }
            sleep_until(self.next).await;
            // Also for one that fails: a program that cannot run is not run in a loop.
            self.next = Instant::now() + NOTICE_EVERY;
            let new = std::mem::take(&mut self.new);
            let given = tokio::spawn(give(self.program.clone(), new));
            self.running = Some((new, given));
        }
        let Some((new, given)) = &mut self.running else {
            return Ok(());
        };
        let ended = given.await.unwrap_or(Err(NoticeError::Failed));
        if ended.is_err() {
            self.new = self.new.saturating_add(*new);
        }
        self.running = None;
        ended
    }
}

async fn give(program: PathBuf, new: u32) -> Result<(), NoticeError> {
    let mut child = Command::new(program)
        .env(NOTICE_VARIABLE, text(new))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let Ok(status) = timeout(PROGRAM_TIME_MAX, child.wait()).await else {
        return Err(NoticeError::TooSlow);
    };
    if status?.success() {
        Ok(())
    } else {
        Err(NoticeError::Failed)
    }
}

/// All that a notice says.
fn text(new: u32) -> String {
    match new {
        1 => "1 new item".to_owned(),
        new => format!("{new} new items"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn ring(kind: EventKind) -> Doorbell {
        Doorbell::Ring {
            kind,
            resource: "agencies/house1/offers/secret".to_owned(),
        }
    }

    fn program(folder: &std::path::Path, lines: &str) -> PathBuf {
        let path = folder.join("notify");
        std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).expect("written");
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&path, mode).expect("executable");
        path
    }

    #[tokio::test]
    async fn a_notice_says_how_many_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        let lines = format!("echo \"$SAFECONDUCT_NOTICE $# $*\" >> {}", out.display());
        let mut notices = Notices::new(program(folder.path(), &lines));
        notices.rung(&ring(EventKind::OfferReceived));
        notices.rung(&ring(EventKind::DirectoryChanged));
        notices.give_next().await.expect("given");
        assert_eq!(
            std::fs::read_to_string(&out).expect("read"),
            "1 new item 0 \n"
        );
    }

    #[tokio::test]
    async fn a_burst_is_one_notice_and_a_failure_is_counted_for_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut notices = Notices::new(program(folder.path(), "exit 3"));
        for _ in 0..3 {
            notices.rung(&ring(EventKind::OfferReceived));
        }
        let failed = notices.give_next().await;
        assert!(matches!(failed, Err(NoticeError::Failed)));
        assert_eq!(
            (notices.new, text(notices.new).as_str()),
            (3, "3 new items")
        );
        // The next may not come before its minute.
        assert!(notices.next > Instant::now());
        notices.program = folder.path().join("not-there");
        notices.next = Instant::now();
        let failed = notices.give_next().await;
        assert!(matches!(failed, Err(NoticeError::Program(_))));
    }
}
