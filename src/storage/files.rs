//! Attachments' files: sealed chunks, each encrypted once more under the attachment's own content key.
//!
//! The key stands in the store and is erased there; the file without it is noise, and unlinked when somebody comes by.
//! A block says which file and which place it belongs to, so that what a crash left half-written is told from what is
//! whole by opening it: nothing about progress needs to be committed. Nonces are random, since a block that was never
//! acknowledged is written again.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{Context, SHA256};
use data_encoding::HEXLOWER;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Free space that files must leave for the journal and the rest, in bytes.
const KEEP_FREE_BYTES: u64 = 64 << 20;

/// Chunks between two looks at the free space, 1 MiB: uploads that were begun when there was room, or that go on after
/// it went, do not fill the disk together.
const ROOM_EVERY: u32 = 16;

/// Bytes of the tag.
const TAG_BYTES: usize = 16;

/// The folder of attachments' files.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    /// Free space to leave, in bytes.
    keep_free: u64,
}

/// Bytes that a block is longer than its chunk: the nonce before it and the tag behind.
pub const BLOCK_EXTRA_BYTES: usize = NONCE_LEN + TAG_BYTES;

/// A file's blocks: how long each is, and under which key.
pub struct Blocks {
    file: File,
    name: String,
    cipher: LessSafeKey,
    /// Bytes of a block before it is encrypted.
    chunk_bytes: usize,
}

/// A file being written.
pub struct Upload {
    files: Files,
    blocks: Blocks,
    digest: Context,
    count: u32,
}

fn corrupt() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl Files {
    /// The files in `folder`, which is made when the first one is.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            keep_free: KEEP_FREE_BYTES,
        }
    }

    fn path(&self, id: &[u8]) -> PathBuf {
        self.folder.join(HEXLOWER.encode(id))
    }

    /// Whether a file of `bytes` may be begun; the disk keeps room for what must always be recorded.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn has_room(&self, bytes: u64) -> io::Result<bool> {
        self.make_folder()?;
        let space = rustix::fs::statvfs(&self.folder)?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        Ok(free >= bytes.saturating_add(self.keep_free))
    }

    fn make_folder(&self) -> io::Result<()> {
        let made = DirBuilder::new().mode(0o700).create(&self.folder);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Ok(()) => sync_folder(self.folder.parent().unwrap_or(Path::new("."))),
            Err(error) => Err(error),
        }
    }

    /// Goes on with the file of `id`, or begins it: what is whole from the start on is kept, the rest cut off.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn upload(&self, id: &[u8], key: &[u8; 32], chunk_bytes: usize) -> io::Result<Upload> {
        self.make_folder()?;
        let path = self.path(id);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        // Also for one that is there: whoever made it may have been killed before its name was durable.
        sync_folder(&self.folder)?;
        let blocks = Blocks::new(file, id, key, chunk_bytes)?;
        let (count, digest) = blocks.whole()?;
        blocks.file.set_len(blocks.offset(count))?;
        Ok(Upload {
            files: self.clone(),
            blocks,
            digest,
            count,
        })
    }

    /// How many chunks of the file of `id` are whole; zero when there is none.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn kept(&self, id: &[u8], key: &[u8; 32], chunk_bytes: usize) -> io::Result<u32> {
        match self.blocks(id, key, chunk_bytes) {
            Ok(blocks) => Ok(blocks.whole()?.0),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The file of `id`, to read.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn blocks(&self, id: &[u8], key: &[u8; 32], chunk_bytes: usize) -> io::Result<Blocks> {
        let file = File::open(self.path(id))?;
        Blocks::new(file, id, key, chunk_bytes)
    }

    /// Unlinks the file of `id`; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn remove(&self, id: &[u8]) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The ids of all files.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn ids(&self) -> io::Result<Vec<Vec<u8>>> {
        let items = match fs::read_dir(&self.folder) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for item in items {
            let name = item?.file_name();
            // What is not one of ours is left alone.
            ids.extend(HEXLOWER.decode(name.as_encoded_bytes()));
        }
        Ok(ids)
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

impl Blocks {
    fn new(file: File, id: &[u8], key: &[u8; 32], chunk_bytes: usize) -> io::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| corrupt())?;
        Ok(Self {
            file,
            name: HEXLOWER.encode(id),
            cipher: LessSafeKey::new(key),
            chunk_bytes,
        })
    }

    fn block_bytes(&self) -> usize {
        self.chunk_bytes + BLOCK_EXTRA_BYTES
    }

    fn offset(&self, number: u32) -> u64 {
        u64::from(number) * self.block_bytes() as u64
    }

    fn aad(&self, number: u32) -> Aad<Vec<u8>> {
        let mut aad = b"safeconduct/v1/file\0".to_vec();
        aad.extend_from_slice(self.name.as_bytes());
        aad.extend_from_slice(&number.to_be_bytes());
        Aad::from(aad)
    }

    /// The chunk at `number`; `None` past the end of the file.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for one that is not whole.
    pub fn read(&self, number: u32) -> io::Result<Option<Vec<u8>>> {
        let mut block = vec![0; self.block_bytes()];
        match self.file.read_exact_at(&mut block, self.offset(number)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let (nonce, sealed) = block
            .split_first_chunk_mut::<NONCE_LEN>()
            .ok_or_else(corrupt)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.cipher.open_in_place(nonce, self.aad(number), sealed);
        let chunk = opened.map_err(|_| corrupt())?.to_vec();
        Ok(Some(chunk))
    }

    /// How many chunks from the start on are whole, and their digest so far.
    fn whole(&self) -> io::Result<(u32, Context)> {
        let mut digest = Context::new(&SHA256);
        for number in 0.. {
            match self.read(number) {
                Ok(Some(chunk)) => digest.update(&chunk),
                Ok(None) => return Ok((number, digest)),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    return Ok((number, digest));
                }
                Err(error) => return Err(error),
            }
        }
        Err(corrupt())
    }

    fn write(&self, number: u32, chunk: &[u8]) -> io::Result<()> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| io::Error::other("no randomness"))?;
        let mut block = Vec::with_capacity(self.block_bytes());
        block.extend_from_slice(&nonce);
        block.extend_from_slice(chunk);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let content = block.get_mut(NONCE_LEN..).ok_or_else(corrupt)?;
        let sealed = (self.cipher).seal_in_place_separate_tag(nonce, self.aad(number), content);
        let tag = sealed.map_err(|_| io::Error::other("encryption failed"))?;
        block.extend_from_slice(tag.as_ref());
        self.file.write_all_at(&block, self.offset(number))
    }
}

impl Upload {
    /// Chunks in the file.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Appends one chunk; durable only after [`Upload::sync`].
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] and what else the operating system refuses: the chunk is not there then.
    pub fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        let step = u64::from(ROOM_EVERY) * self.blocks.block_bytes() as u64;
        if self.count.is_multiple_of(ROOM_EVERY) && !self.files.has_room(step)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.blocks.write(self.count, chunk)?;
        self.digest.update(chunk);
        self.count += 1;
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    ///
    /// What the operating system refuses; then nothing appended since the last time may be relied on.
    pub fn sync(&self) -> io::Result<()> {
        self.blocks.file.sync_data()
    }

    /// SHA-256 of all chunks.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.digest.clone().finish().as_ref());
        bytes
    }

    /// Starts over.
    ///
    /// # Errors
    ///
    /// What the operating system refuses.
    pub fn clear(&mut self) -> io::Result<()> {
        self.blocks.file.set_len(0)?;
        self.digest = Context::new(&SHA256);
        self.count = 0;
        self.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 1024;

    /// Invariants 1, 11: what a crash left half-written, or what was changed, is told from what is whole.
    #[test]
    fn an_upload_goes_on_after_its_last_whole_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().join("attachments"));
        let (id, key) = ([7; 32], [1; 32]);
        assert_eq!(files.kept(&id, &key, CHUNK).unwrap(), 0);
        let mut upload = files.upload(&id, &key, CHUNK).unwrap();
        for byte in 0..3 {
            upload.append(&[byte; CHUNK]).unwrap();
        }
        upload.sync().unwrap();
        let path = files.path(&id);
        let mut bytes = fs::read(&path).unwrap();
        assert!(
            !bytes.windows(16).any(|window| window == [2; 16]),
            "nothing in the clear"
        );
        bytes.truncate(bytes.len() - 5);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(files.kept(&id, &key, CHUNK).unwrap(), 2);
        bytes[CHUNK / 2] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let mut upload = files.upload(&id, &key, CHUNK).unwrap();
        assert_eq!(
            upload.count(),
            0,
            "a changed chunk and all after it are sent again"
        );
        upload.append(&[9; CHUNK]).unwrap();
        let blocks = files.blocks(&id, &key, CHUNK).unwrap();
        assert_eq!(blocks.read(0).unwrap(), Some(vec![9; CHUNK]));
        assert_eq!(blocks.read(1).unwrap(), None);
        assert_eq!(
            files.kept(&id, &[2; 32], CHUNK).unwrap(),
            0,
            "another key opens nothing"
        );
        assert_eq!(files.ids().unwrap(), [id.to_vec()]);
        files.remove(&id).unwrap();
        files.remove(&id).unwrap();
        assert!(files.ids().unwrap().is_empty());
    }

    /// Invariant 28: uploads that were begun while there was room leave what must always be recorded its own.
    #[test]
    fn an_upload_stops_when_the_room_for_the_rest_would_go() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path().join("attachments"));
        let mut upload = files.upload(&[7; 32], &[1; 32], CHUNK).unwrap();
        upload.append(&[1; CHUNK]).unwrap();
        files.keep_free = u64::MAX;
        upload.files = files.clone();
        let mut kept = Ok(());
        while kept.is_ok() && upload.count() <= 2 * ROOM_EVERY {
            kept = upload.append(&[1; CHUNK]);
        }
        let refused = kept.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!(upload.count(), ROOM_EVERY, "no more than a step later");
        let mut late = files.upload(&[8; 32], &[1; 32], CHUNK).unwrap();
        assert!(late.append(&[1; CHUNK]).is_err(), "not even the first");
    }
}
