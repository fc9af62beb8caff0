//! Whether the index may be believed.
//!
//! sled's `flush` is not an `fsync`: after a stop of the *machine* its files may hold anything, and it opens some damaged
//! files with holes. So the index is looked at only when it was left by a clean stop, or when the kernel and the mount
//! are still the ones of its last write, so that nothing can have been lost beneath it. (And then it is checked whole.)

use std::fs::{self, File};
use std::path::Path;

use rustix::fs::{AtFlags, StatxFlags};

use super::error::OpenError;
use super::frame::sha256;
use super::io::Io;

/// Since Linux 6.8: a mount id that is not used again.
const MOUNT_ID_UNIQUE: u32 = 0x4000;

const NAME: &str = "index.trust";

/// What was known of the index when it was last written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Flushed and synced by a clean stop.
    Clean,
    /// Being written, under this kernel and mount.
    Open,
}

/// This boot of the kernel and this mount of `folder`; `None` when the system does not say.
fn moment(folder: &Path) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let handle = File::open(folder).ok()?;
    let flags = StatxFlags::MNT_ID | StatxFlags::from_bits_retain(MOUNT_ID_UNIQUE);
    let found = rustix::fs::statx(&handle, "", AtFlags::EMPTY_PATH, flags).ok()?;
    if found.stx_mask & flags.bits() == 0 {
        return None;
    }
    let (mount, major, minor) = (found.stx_mnt_id, found.stx_dev_major, found.stx_dev_minor);
    Some(format!("{} {mount} {major}:{minor}", boot.trim()))
}

/// Whether the index in `folder` may be opened at all.
pub(super) fn is_trusted(folder: &Path) -> bool {
    let Ok(text) = fs::read_to_string(folder.join(NAME)) else {
        return false;
    };
    let is = |state: &State, moment: &str| text == render(state, moment);
    let now = moment(folder);
    let was = text.lines().nth(1).unwrap_or_default();
    is(&State::Clean, was) || now.is_some_and(|now| is(&State::Open, &now))
}

/// Writes down what may be known of the index from now on, durably.
pub(super) fn record(io: &Io, folder: &Path, state: &State) -> Result<(), OpenError> {
    let text = render(
        state,
        &moment(folder).unwrap_or_else(|| "unknown".to_owned()),
    );
    let path = folder.join(NAME);
    io.publish(&path, |file| io.write_at(file, text.as_bytes(), 0))?;
    Ok(())
}

fn render(state: &State, moment: &str) -> String {
    let state = match state {
        State::Clean => "clean",
        State::Open if moment == "unknown" => "unknown",
        State::Open => "open",
    };
    let text = format!("{state}\n{moment}\n");
    let check = data_encoding::HEXLOWER.encode(&sha256(text.as_bytes()));
    format!("{text}{check}\n")
}
