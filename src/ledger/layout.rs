//! How a log is laid out for reading: paths of tiles and entry bundles, and the bundles' bytes.
//!
//! # Source
//!
//! <https://c2sp.org/tlog-tiles>.

use super::entry::ENTRY_BYTES_MAX;
use super::hash::Hash;
use super::tree::TILE_WIDTH;

/// Where the checkpoint is.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// Bytes of one hash.
const HASH_BYTES: usize = 32;

/// An index in groups of three digits, all but the last marked: `x001/x234/067`.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1_000);
    let mut rest = index / 1_000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1_000);
        rest /= 1_000;
    }
    path
}

/// The suffix of a partial tile; none for a full one.
fn partial(width: usize) -> String {
    if width == TILE_WIDTH {
        String::new()
    } else {
        format!(".p/{width}")
    }
}

/// The path of hash tile `index` of `level`, `width` hashes wide.
#[must_use]
pub fn tile_path(level: u8, index: u64, width: usize) -> String {
    format!("tile/{level}/{}{}", index_path(index), partial(width))
}

/// The path of entry bundle `index` of `width` entries.
#[must_use]
pub fn entries_path(index: u64, width: usize) -> String {
    format!("tile/entries/{}{}", index_path(index), partial(width))
}

/// The path of the openings of entry bundle `index`; ours, not C2SP's.
#[must_use]
pub fn openings_path(index: u64) -> String {
    format!("openings/{}.jsonl", index_path(index))
}

/// What a path of the layout names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// The checkpoint.
    Checkpoint,
    /// A hash tile, `width` hashes wide.
    Tile {
        /// Level, 0 for leaves, at most [`LEVEL_MAX`].
        level: u8,
        /// Index within the level.
        index: u64,
        /// 1 to [`TILE_WIDTH`].
        width: usize,
    },
    /// A bundle of `width` entries.
    Entries {
        /// Index.
        index: u64,
        /// 1 to [`TILE_WIDTH`].
        width: usize,
    },
}

/// Highest level that a path may name.
pub const LEVEL_MAX: u8 = 63;

/// Longest path that is looked at, in bytes: a level, an index of twenty digits in groups, and a width.
const PATH_BYTES_MAX: usize = 64;

impl Resource {
    /// What `path`, without a leading slash, names; `None` unless it is written exactly as the layout writes it.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        if path == CHECKPOINT_PATH {
            return Some(Self::Checkpoint);
        }
        if path.len() > PATH_BYTES_MAX {
            return None;
        }
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let digits: String = index.chars().filter(char::is_ascii_digit).collect();
        let index: u64 = digits.parse().ok()?;
        let resource = if kind == "entries" {
            Self::Entries { index, width }
        } else {
            let level = kind.parse().ok().filter(|level| *level <= LEVEL_MAX)?;
            Self::Tile {
                level,
                index,
                width,
            }
        };
        // Whatever was read loosely, such as a sign, a zero too many or a missing group, is not written so.
        ((1..=TILE_WIDTH).contains(&width) && resource.path() == path).then_some(resource)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> String {
        match *self {
            Self::Checkpoint => CHECKPOINT_PATH.to_owned(),
            Self::Tile {
                level,
                index,
                width,
            } => tile_path(level, index, width),
            Self::Entries { index, width } => entries_path(index, width),
        }
    }
}

/// The bytes of a hash tile.
#[must_use]
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The hashes of a tile; `None` unless it holds whole ones, at least one and at most [`TILE_WIDTH`].
#[must_use]
pub fn decode_tile(bytes: &[u8]) -> Option<Vec<Hash>> {
    let hashes = bytes
        .chunks(HASH_BYTES)
        .map(Hash::from_slice)
        .collect::<Option<Vec<_>>>()?;
    (1..=TILE_WIDTH).contains(&hashes.len()).then_some(hashes)
}

/// The bytes of an entry bundle: each entry behind its length in 16 bits.
///
/// `None` if an entry is longer than [`ENTRY_BYTES_MAX`].
#[must_use]
pub fn encode_bundle<B: AsRef<[u8]>>(entries: &[B]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries.iter().map(AsRef::as_ref) {
        let length = u16::try_from(entry.len()).ok()?;
        debug_assert!(entry.len() <= ENTRY_BYTES_MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle; `None` if it is cut short or holds none or too many.
#[must_use]
pub fn decode_bundle(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        rest = after;
    }
    (1..=TILE_WIDTH).contains(&entries.len()).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        assert_eq!(tile_path(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile_path(2, 0, 3), "tile/2/000.p/3");
        assert_eq!(entries_path(1_000, 255), "tile/entries/x001/000.p/255");
        assert_eq!(openings_path(999), "openings/999.jsonl");
        let theirs = tlog_tiles::Tile::new(8, 1, 12_345, 256, false).path();
        assert_eq!(
            format!(
                "tile/8{}",
                tile_path(1, 12_345, 256).strip_prefix("tile").unwrap()
            ),
            theirs
        );
    }

    #[test]
    fn only_paths_as_the_specification_writes_them_name_anything() {
        assert_eq!(Resource::parse("checkpoint"), Some(Resource::Checkpoint));
        let tile = Resource::Tile {
            level: 0,
            index: 1_234_067,
            width: 256,
        };
        assert_eq!(Resource::parse("tile/0/x001/x234/067"), Some(tile));
        let entries = Resource::Entries { index: 0, width: 1 };
        assert_eq!(Resource::parse("tile/entries/000.p/1"), Some(entries));
        for path in [
            "",
            "/checkpoint",
            "checkpoint/",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/+0/000",
            "tile/64/000",
            "tile/-1/000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x1/000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/1/2",
            "tile/0/000.p/",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/entries/",
            "tile/data/000",
            "tile/8/0/000",
        ] {
            assert_eq!(Resource::parse(path), None, "{path}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn every_path_that_is_written_is_read(level in 0u8..=63, index in any::<u64>(), width in 1usize..=256) {
            for resource in [Resource::Tile { level, index, width }, Resource::Entries { index, width }] {
                prop_assert_eq!(Resource::parse(&resource.path()), Some(resource));
            }
        }

        #[test]
        fn any_path_is_read_or_refused(path in "(tile|entries|/|x?[0-9]{1,4}|[.]p|[a-z+-]){0,9}") {
            if let Some(resource) = Resource::parse(&path) {
                prop_assert_eq!(resource.path(), path);
            }
        }

        #[test]
        fn bundles_read_back(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..256)) {
            let bytes = encode_bundle(&entries).unwrap();
            prop_assert_eq!(decode_bundle(&bytes).unwrap(), entries);
            prop_assert!(decode_bundle(&bytes[..bytes.len() - 1]).is_none_or(|cut| cut.len() < 256));
        }

        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Some(entries) = decode_bundle(&bytes) {
                prop_assert_eq!(encode_bundle(&entries).unwrap(), bytes.clone());
            }
            if let Some(hashes) = decode_tile(&bytes) {
                prop_assert_eq!(encode_tile(&hashes), bytes);
            }
        }
    }
}
