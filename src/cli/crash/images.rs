//! Crash images: an ext4 file system in a file is copied right after an acknowledgement, while mounted, and the copy is
//! mounted and opened. What the store had not synced is in the page cache only, and so not in the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::kills::{Tally, Watched, broken};
use super::workload::{Dice, Model, options};
use super::{ChildCommand, CrashError};
use crate::storage::embedded::EmbeddedEngine;

/// Size of the file system in bytes: small, so that copying it takes a moment only.
const IMAGE_BYTES: u64 = 96 << 20;

/// A mounted image; unmounted when dropped.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(image: &Path, at: PathBuf) -> Result<Mount, CrashError> {
        fs::create_dir_all(&at)?;
        let done = quiet(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(image)
                .arg(&at),
        );
        if done {
            Ok(Mount(at))
        } else {
            Err(CrashError::Skipped("needs root and loop devices"))
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that was just killed may hold it for a moment: detach it then.
        if !quiet(Command::new("umount").arg(&self.0)) {
            quiet(Command::new("umount").arg("--lazy").arg(&self.0));
        }
    }
}

pub(super) fn quiet(command: &mut Command) -> bool {
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The last acknowledgement of a stopped child, once its pipe is empty.
fn settled(watched: &Watched) -> u64 {
    let mut last = watched.acknowledged();
    loop {
        std::thread::sleep(Duration::from_millis(10));
        let now = watched.acknowledged();
        if now == last {
            return last;
        }
        last = now;
    }
}

/// Makes `count` copies in `folder`, one after the other, and checks each.
///
/// # Errors
///
/// [`CrashError::Skipped`] without root or loop devices; [`CrashError::Broken`] at the first bad copy.
pub fn run(
    folder: &Path,
    count: u32,
    seed: u64,
    child: &ChildCommand,
) -> Result<Tally, CrashError> {
    if !rustix::process::geteuid().is_root() {
        return Err(CrashError::Skipped("needs root and loop devices"));
    }
    let mut tally = Tally::default();
    for round in 1..=count {
        let mut dice = Dice::new(seed, u64::from(round) << 41);
        let seed = dice.roll(u64::MAX);
        let acknowledged = one(folder, seed, &mut dice, child).map_err(|error| match error {
            CrashError::Broken(what) => CrashError::Broken(format!("image {round}: {what}")),
            other => other,
        })?;
        tally.rounds = round;
        tally.acknowledged += acknowledged;
    }
    Ok(tally)
}

fn one(folder: &Path, seed: u64, dice: &mut Dice, child: &ChildCommand) -> Result<u64, CrashError> {
    let (image, copied) = (folder.join("image"), folder.join("copy"));
    let _ = fs::remove_file(&image);
    fs::File::create(&image)?.set_len(IMAGE_BYTES)?;
    if !quiet(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image)) {
        return Err(CrashError::Skipped("needs root and loop devices"));
    }
    let mounted = Mount::new(&image, folder.join("mounted"))?;
    let dir = mounted.0.join("data");
    let mut watched = Watched::start(child(&dir, seed, u64::MAX)?)?;
    watched.wait_for(1 + dice.roll(400))?;
    // Held still for the moment of the copy, so that it shows one instant.
    let process = Pid::from_child(&watched.child);
    kill_process(process, Signal::STOP).map_err(std::io::Error::from)?;
    waitpid(Some(process), WaitOptions::UNTRACED).map_err(std::io::Error::from)?;
    fs::copy(&image, &copied)?;
    let acknowledged = settled(&watched);
    watched.kill()?;
    drop(mounted);

    let mounted = Mount::new(&copied, folder.join("mounted-copy"))?;
    let dir = mounted.0.join("data");
    let engine = EmbeddedEngine::open(&dir, options()).map_err(broken)?;
    if !engine.opening().rebuilt {
        return Err(CrashError::Broken(
            "the index of another mount was believed".to_owned(),
        ));
    }
    let mut model = Model::new(seed);
    model.advance(acknowledged);
    model.check(&engine, acknowledged)?;
    drop(engine);
    Ok(acknowledged)
}
