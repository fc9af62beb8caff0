//! Locks that keep a second process out of a folder.

use std::fs::{File, TryLockError};
use std::time::Duration;

/// How often a lock is tried before its holder is believed to be at work.
pub(super) const ATTEMPTS_MAX: u32 = 20;

/// How long between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// Locks `file` for as long as it stays open.
///
/// A process that its last holder has just started holds the file too, until it runs its own program: so a lock that
/// is taken is tried again, for a tenth of a second.
///
/// # Errors
///
/// [`TryLockError::WouldBlock`] while somebody else is at work.
pub fn hold(file: &File) -> Result<(), TryLockError> {
    for _ in 1..ATTEMPTS_MAX {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            decided => return decided,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_a_child_still_holds_for_a_moment_is_had() {
        let folder = tempfile::tempdir().unwrap();
        let first = File::open(folder.path()).unwrap();
        hold(&first).unwrap();
        let second = File::open(folder.path()).unwrap();
        assert!(matches!(hold(&second), Err(TryLockError::WouldBlock)));
        // As a fork would: the same open file, in other hands.
        let inherited = first.try_clone().unwrap();
        drop(first);
        let holding = std::thread::spawn(move || drop(inherited));
        hold(&second).unwrap();
        holding.join().unwrap();
    }
}
