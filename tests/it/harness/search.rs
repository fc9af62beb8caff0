//! Looking for bytes where they may not be.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The first needle that is found, with where.
pub fn search(places: &[(String, Vec<u8>)], needles: &[Vec<u8>]) -> Option<String> {
    // One pass over each place: needles by their first eight bytes.
    let mut by_head: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for needle in needles {
        by_head.entry(&needle[..8]).or_default().push(needle);
    }
    for (name, bytes) in places {
        for (at, head) in bytes.windows(8).enumerate() {
            let Some(candidates) = by_head.get(head) else {
                continue;
            };
            if let Some(needle) = candidates
                .iter()
                .find(|needle| bytes[at..].starts_with(needle))
            {
                return Some(format!(
                    "{} in {name} at {at}",
                    String::from_utf8_lossy(needle)
                ));
            }
        }
    }
    None
}
