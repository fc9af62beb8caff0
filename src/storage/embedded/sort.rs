//! Sorts the rows of a whole index with little memory, so that a rebuild puts them into sled in ascending order: at
//! random it would read and write each page of a large index many times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::index::Applied;
use super::payload::Row;

/// Rows in memory at once; each takes about 130 bytes.
const ROWS_MAX: usize = 150_000;

/// Length of a row that says: forgotten.
const FORGOTTEN: u8 = u8::MAX;

/// A key and its row; empty: forgotten.
type Line = (Vec<u8>, Vec<u8>);

/// Key, run and row of a line that is next in its run.
type Head = (Vec<u8>, Reverse<usize>, Vec<u8>);

/// Collects changes in the order they happened; gives each key's last row, in the order of keys.
pub(super) struct Sorter {
    /// Where runs that do not fit into memory go. They have no name there, and so leave nothing behind.
    folder: PathBuf,
    rows_max: usize,
    rows: Vec<(Vec<u8>, Option<Row>)>,
    runs: Vec<File>,
}

impl Sorter {
    pub(super) fn new(folder: PathBuf) -> Sorter {
        Sorter {
            folder,
            rows_max: ROWS_MAX,
            rows: Vec::new(),
            runs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, applied: &Applied) -> io::Result<()> {
        for change in &applied.changes {
            let row = change.location.map(|location| location.encode());
            self.rows.push((change.key.clone(), row));
        }
        if self.rows.len() >= self.rows_max {
            self.spill()?;
        }
        Ok(())
    }

    /// Writes what is in memory as a run of its own.
    fn spill(&mut self) -> io::Result<()> {
        let path = self.folder.join("index.run");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)?;
        std::fs::remove_file(&path)?;
        // Stable: of equal keys the last stays the last.
        self.rows.sort_by(|a, b| a.0.cmp(&b.0));
        let mut out = BufWriter::with_capacity(1 << 16, file);
        let mut rows = self.rows.drain(..).peekable();
        while let Some((key, row)) = rows.next() {
            if rows.peek().is_some_and(|(next, _)| *next == key) {
                continue;
            }
            let length = u16::try_from(key.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_be_bytes())?;
            out.write_all(&key)?;
            let bytes = row.as_ref().map_or(&[][..], Row::as_bytes);
            let length = u8::try_from(bytes.len()).map_err(io::Error::other)?;
            out.write_all(&[row.map_or(FORGOTTEN, |_| length)])?;
            out.write_all(bytes)?;
        }
        drop(rows);
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// The rows that are left, in the order of their keys.
    pub(super) fn merged(mut self) -> io::Result<Merged> {
        self.spill()?;
        let runs = self.runs.into_iter();
        let mut merged = Merged {
            runs: runs
                .map(|file| BufReader::with_capacity(1 << 16, file))
                .collect(),
            heads: BinaryHeap::new(),
        };
        for run in 0..merged.runs.len() {
            merged.refill(run)?;
        }
        Ok(merged)
    }
}

/// See [`Sorter::merged`].
pub(super) struct Merged {
    runs: Vec<BufReader<File>>,
    /// The next line of each run: the least key first, of equal keys that of the newest run.
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merged {
    fn refill(&mut self, run: usize) -> io::Result<()> {
        if let Some(reader) = self.runs.get_mut(run)
            && let Some((key, row)) = read_line(reader)?
        {
            self.heads.push(Reverse((key, Reverse(run), row)));
        }
        Ok(())
    }

    /// The next row.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some(Reverse((key, Reverse(run), row))) = self.heads.pop() {
            self.refill(run)?;
            while let Some(Reverse((_, Reverse(older), _))) = self
                .heads
                .peek()
                .filter(|Reverse((next, _, _))| *next == key)
            {
                let older = *older;
                self.heads.pop();
                self.refill(older)?;
            }
            if !row.is_empty() {
                return Ok(Some((key, row)));
            }
        }
        Ok(None)
    }
}

fn read_line(reader: &mut impl Read) -> io::Result<Option<Line>> {
    let mut length = [0; 2];
    match reader.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let mut key = vec![0; usize::from(u16::from_be_bytes(length))];
    reader.read_exact(&mut key)?;
    let mut length = [0; 1];
    reader.read_exact(&mut length)?;
    let [length] = length;
    let mut row = vec![
        0;
        if length == FORGOTTEN {
            0
        } else {
            usize::from(length)
        }
    ];
    reader.read_exact(&mut row)?;
    Ok(Some((key, row)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::payload::{Kept, Location};
    use super::*;
    use proptest::prelude::*;

    fn location(version: u64) -> Location {
        Location {
            version,
            segment: 1,
            offset: 64,
            bytes: 5,
            crc: 7,
            kept: Kept::Plain,
            slot: 0,
        }
    }

    proptest! {
        #[test]
        fn the_last_row_of_each_key_comes_in_the_order_of_keys(
            changes in proptest::collection::vec((proptest::collection::vec(0_u8..4, 1..4), any::<bool>()), 0..200),
            rows_max in 1_usize..40,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(folder.path().to_owned());
            sorter.rows_max = rows_max;
            let mut expected = BTreeMap::new();
            for (version, (key, is_there)) in (1..).zip(changes) {
                let row = is_there.then(|| location(version).encode());
                expected.insert(key.clone(), row);
                sorter.rows.push((key, row));
                if sorter.rows.len() >= rows_max {
                    sorter.spill().unwrap();
                }
            }
            let mut merged = sorter.merged().unwrap();
            let mut found = Vec::new();
            while let Some(line) = merged.next().unwrap() {
                found.push(line);
            }
            let expected: Vec<Line> = expected
                .into_iter()
                .filter_map(|(key, row)| Some((key, row?.as_bytes().to_vec())))
                .collect();
            prop_assert_eq!(found, expected);
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
