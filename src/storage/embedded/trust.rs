//! Whether the index may be believed.
//!
//! sled's `flush` is not an `fsync`: after a stop of the *machine* its files may hold anything, and
//! it opens some damaged
//! files with holes. So the index is looked at only when it was left by a clean stop, or when the kernel and the mount
//! are still the ones of its last write, so that nothing can have been lost beneath it. And then it is checked: by the
//! digest of its files after a clean stop, else row by row.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use rustix::fs::{AtFlags, StatxFlags};

use super::error::OpenError;
use super::frame::sha256;
use super::io::Io;

/// Since Linux 6.8: a mount id that is not used again.
const MOUNT_ID_UNIQUE: u32 = 0x4000;

const NAME: &str = "index.trust";

/// What is known of the index at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Flushed and synced by a clean stop; the digest of its files.
    Clean(String),
    /// Being written, under this kernel and mount.
    Open,
}

/// How far the index may be believed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not at all: it is made anew.
    None,
    /// Nothing was lost beneath it; its rows are checked, since a bit may have flipped.
    Rows,
    /// Its files are bit for bit those of a clean stop.
    Whole,
}

/// Digest of all files of the index, streaming.
pub(super) fn digest_files(index: &Path) -> std::io::Result<String> {
    let mut paths = vec![index.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = paths.pop() {
        for item in fs::read_dir(folder)? {
            let path = item?.path();
            if path.is_dir() {
                paths.push(path)
            } else {
                files.push(path)
            }
        }
    }
    files.sort();
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 64 << 10];
    for path in files {
        let name = path
            .strip_prefix(index)
            .unwrap_or(&path)
            .as_os_str()
            .as_encoded_bytes();
        context.update(&(name.len() as u64).to_be_bytes());
        context.update(name);
        let mut file = File::open(&path)?;
        context.update(&file.metadata()?.len().to_be_bytes());
        loop {
            let n = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else {
                break;
            };
            context.update(read);
        }
    }
    Ok(data_encoding::HEXLOWER.encode(context.finish().as_ref()))
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

/// How far the index in `folder` may be believed.
pub(super) fn of_index(folder: &Path, index: &Path) -> Trust {
    let Ok(text) = fs::read_to_string(folder.join(NAME)) else {
        return Trust::None;
    };
    let was = text.lines().nth(1).unwrap_or_default();
    if let Some(digest) = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("clean "))
    {
        if text != render(&State::Clean(digest.to_owned()), was) {
            return Trust::None;
        }
        let found = digest_files(index).ok();
        return if found.as_deref() == Some(digest) {
            Trust::Whole
        } else {
            Trust::Rows
        };
    }
    match moment(folder) {
        Some(now) if text == render(&State::Open, &now) => Trust::Rows,
        _ => Trust::None,
    }
}

/// Writes down what is known of the index from now on, durably.
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
        State::Clean(digest) => format!("clean {digest}"),
        State::Open => "open".to_owned(),
    };
    let text = format!("{state}\n{moment}\n");
    let check = data_encoding::HEXLOWER.encode(&sha256(text.as_bytes()));
    format!("{text}{check}\n")
}
