//! Crash images of a router's store: it lives on an ext4 file system in a file, which is copied right after an
//! acknowledgement; the router then goes on from the copy. What was not synced was in the page
//! cache only, and so is not
//! in the copy.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::check::Checker;
use super::diary::Diary;
use super::load::Cast;
use super::{broken, town};
use crate::cli::crash::CrashError;
use crate::cli::crash::images::{Mount, quiet};
use crate::cli::crash::workload::Dice;
use crate::demo::town::Town;

/// Size of the file system in bytes: room for some segments and for what the store keeps free. Mostly holes.
const IMAGE_BYTES: u64 = 768 << 20;

/// A town whose store is on a file system of its own.
pub(super) struct MountedTown {
    /// The town.
    pub(super) town: Town,
    mount: Option<Mount>,
    store: PathBuf,
}

impl MountedTown {
    /// Makes the file system in `folder`, of so many bytes, and the town on it.
    pub(super) async fn begin(
        binary: &Path,
        folder: &Path,
        bytes: u64,
    ) -> Result<Self, CrashError> {
        if !rustix::process::geteuid().is_root() {
            return Err(CrashError::Skipped("needs root and loop devices"));
        }
        let image = image(folder);
        std::fs::File::create(&image)?.set_len(bytes)?;
        if !quiet(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)) {
            return Err(CrashError::Skipped("needs mkfs.ext4"));
        }
        let store = folder.join("town/router/store");
        let mount = Mount::new(&image, store.clone())?;
        let _ = std::fs::remove_dir(store.join("lost+found"));
        let town = town(binary, &folder.join("town")).await?;
        let mount = Some(mount);
        Ok(Self { town, mount, store })
    }

    /// Puts another file system in the place of this one; the router must have ended.
    fn go_on_from(&mut self, folder: &Path, copy: &Path) -> Result<(), CrashError> {
        drop(self.mount.take());
        std::fs::rename(copy, image(folder))?;
        self.mount = Some(Mount::new(&image(folder), self.store.clone())?);
        Ok(())
    }
}

impl Drop for MountedTown {
    fn drop(&mut self) {
        // It holds files of the file system, which is unmounted next.
        self.town.router().kill();
    }
}

fn image(folder: &Path) -> PathBuf {
    folder.join("image")
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Copies opened.
    pub images: u32,
    /// Requests and disclosures acknowledged before a copy, none of which was lost.
    pub acknowledged: usize,
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{0} of {0} images opened with everything acknowledged: {1} operations, 0 lost",
            self.images, self.acknowledged
        )
    }
}

/// Makes `count` copies in `folder`, one after the other, and goes on from each.
///
/// # Errors
///
/// [`CrashError::Skipped`] without root or loop devices; [`CrashError::Broken`] with the copy's number.
pub async fn run(
    binary: &Path,
    folder: &Path,
    count: u32,
    seed: u64,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Tally, CrashError> {
    let mut mounted = MountedTown::begin(binary, folder, IMAGE_BYTES).await?;
    let cast = Cast::of(&mounted.town, Arc::new(Diary::default()))
        .await
        .map_err(broken)?;
    let made = cast.make_pools().await;
    made.map_err(|no| CrashError::Broken(format!("pools: {no}")))?;
    let mut checker = Checker::of(&mounted.town)?;
    for number in 1..=count {
        let mut dice = Dice::new(seed, u64::from(number) << 41);
        let one = one(folder, &mut mounted, &cast, &mut dice).await;
        let named = |error| match error {
            CrashError::Broken(what) => CrashError::Broken(format!("image {number}: {what}")),
            other => other,
        };
        one.map_err(named)?;
        checker.check(&cast, &mut dice, 40).await.map_err(named)?;
        if number % 10 == 0 {
            tell(&format!("{number} of {count} images"));
        }
    }
    checker.nothing_twice(&cast).await?;
    checker.audit(&mounted.town).await?;
    let pages = cast.diary().pages();
    let acknowledged = pages.acknowledged.len() + pages.opened.len();
    Ok(Tally {
        images: count,
        acknowledged,
    })
}

/// Load, a copy at some moment, and a router started on the copy.
async fn one(
    folder: &Path,
    mounted: &mut MountedTown,
    cast: &Cast,
    dice: &mut Dice,
) -> Result<(), CrashError> {
    let stop = Arc::new(AtomicBool::new(false));
    let seed = dice.roll(u64::MAX);
    let workers: Vec<_> = (0..12)
        .map(|worker| {
            let (cast, stop) = (cast.clone(), Arc::clone(&stop));
            let dice = Dice::new(seed, worker);
            tokio::spawn(async move { cast.live(dice, &stop).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_micros(20_000 + dice.roll(500_000))).await;
    next_acknowledgement(cast).await;
    // Held still for the moment of the copy, so that it shows one instant.
    let pid = mounted
        .town
        .router()
        .pid()
        .and_then(|pid| i32::try_from(pid).ok());
    let Some(process) = pid.and_then(Pid::from_raw) else {
        return Err(CrashError::Broken("the router does not run".to_owned()));
    };
    kill_process(process, Signal::STOP).map_err(std::io::Error::from)?;
    waitpid(Some(process), WaitOptions::UNTRACED).map_err(std::io::Error::from)?;
    stop.store(true, Ordering::Relaxed);
    let copy = folder.join("copy");
    let copied = quiet(
        Command::new("cp")
            .args(["--sparse=always", "--"])
            .arg(image(folder))
            .arg(&copy),
    );
    if !copied {
        return Err(CrashError::Broken("the image cannot be copied".to_owned()));
    }
    // What it had answered has arrived by now; the rest is never answered.
    mounted.town.router().kill();
    for worker in workers {
        worker
            .await
            .map_err(|error| CrashError::Broken(format!("an agency: {error}")))?;
    }
    mounted.go_on_from(folder, &copy)?;
    mounted.town.router().start().map_err(broken)
}

/// Waits for one more acknowledgement, at most a second.
async fn next_acknowledgement(cast: &Cast) {
    let count = || {
        let pages = cast.diary().pages();
        pages.acknowledged.len() + pages.opened.len()
    };
    let before = count();
    for _ in 0..1_000 {
        if count() > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
