//! What a backup says of itself, in one small file that is written last: without it there is no backup.

use crate::domain::time::Timestamp;
use data_encoding::HEXLOWER;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Its file, in the folder of a backup.
pub(super) const FILE: &str = "backup";

const FIRST_LINE: &str = "safeconduct backup";

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Manifest {
    /// The store's id.
    pub(in crate::cli) store: [u8; 16],
    /// When the copy was begun.
    pub(in crate::cli) taken: Timestamp,
    /// Entries of the log; zero in a folder that holds a keyring alone.
    pub(in crate::cli) entries: u64,
    /// Root over them, base64.
    pub(in crate::cli) root: String,
    /// Where the keyring is in this folder: when the folder must be gone.
    pub(in crate::cli) delete_by: Option<Timestamp>,
}

impl Manifest {
    fn text(&self) -> String {
        let store = HEXLOWER.encode(&self.store);
        let delete_by = self
            .delete_by
            .map_or_else(|| "-".to_owned(), |at| at.millis().to_string());
        let text = format!(
            "{FIRST_LINE}\nstore {store}\ntaken {}\nentries {}\nroot {}\ndelete-by {delete_by}\n",
            self.taken.millis(),
            self.entries,
            self.root
        );
        let crc = crc32fast::hash(text.as_bytes());
        format!("{text}check {crc:08x}\n")
    }

    /// Writes it, durably.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(FILE))?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()?;
        std::fs::File::open(folder)?.sync_all()
    }

    /// Reads it; none when the folder holds none, or a damaged one.
    pub(in crate::cli) fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let store = field("safeconduct").filter(|rest| *rest == "backup");
        store?;
        let time = |text: &str| Timestamp::from_millis(text.parse().ok()?);
        let manifest = Self {
            store: HEXLOWER
                .decode(field("store")?.as_bytes())
                .ok()?
                .try_into()
                .ok()?,
            taken: time(field("taken")?)?,
            entries: field("entries")?.parse().ok()?,
            root: field("root")?.to_owned(),
            delete_by: match field("delete-by")? {
                "-" => None,
                at => Some(time(at)?),
            },
        };
        (manifest.text() == text).then_some(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant 11: a flipped bit is refused.
    #[test]
    fn a_manifest_reads_back_and_a_changed_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let time = |seconds| Timestamp::from_seconds(seconds).unwrap();
        let manifest = Manifest {
            store: [7; 16],
            taken: time(1_800_000_000),
            entries: 12,
            root: "cm9vdA==".into(),
            delete_by: Some(time(1_800_600_000)),
        };
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()), Some(manifest));
        let file = folder.path().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("entries 12", "entries 13")).unwrap();
        assert_eq!(Manifest::read(folder.path()), None);
    }
}
