//! The authority's folder, and the folders it issues into.
//!
//! ```text
//! ca/            0700
//!   root.pem     trusted by everybody         root.key     0600, may be kept elsewhere
//!   issuing.pem  issues the leaves            issuing.key  0600
//!   index.json   issued and revoked: losing it loses the revocations
//!   crl.pem      both revocation lists        lock
//! my-agency/     0700
//!   tls.pem  tls.key  signing.pem  signing.key  roots.pem
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::domain::id::AgencyId;
use crate::identity::authority::{
    Authority, AuthorityError, Index, IssuedLeaf, Keep, RevocationLists,
};

/// Mode of files that anybody may read.
pub(super) const PUBLIC: u32 = 0o644;
/// Mode of keys.
const SECRET: u32 = 0o600;

/// Why a folder could not be used. Says how to mend it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error(
        "{0} exists already and is not empty: nothing is overwritten, so choose another folder"
    )]
    Exists(PathBuf),
    #[error(
        "{0} holds no authority: make one with `safeconduct ca --dir DIR init --trust-domain NAME`"
    )]
    Missing(PathBuf),
    #[error("{0} was written by a newer or a different program: use that one")]
    Format(PathBuf),
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
    #[error(
        "the root key is not in the folder, and there is no list of the root's to keep: bring root.key once"
    )]
    RootList,
    #[error(
        "not a serial number: give the hexadecimal digits that `issue` printed, or see index.json"
    )]
    Serial,
    #[error("no certificate in force to revoke: see index.json for what was issued")]
    NothingToRevoke,
    #[error("{0} holds no certificate that this authority could issue again")]
    NotOurs(PathBuf),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    let path = path.to_owned();
    move |error| FolderError::Io { path, error }
}

/// An authority's folder, locked against a second command.
pub(super) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes an empty one.
    pub(super) fn create(dir: &Path) -> Result<Self, FolderError> {
        create_empty(dir)?;
        Self::lock(dir)
    }

    /// Where it is.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens one and loads its authority.
    pub(super) fn open(dir: &Path) -> Result<(Self, Authority), FolderError> {
        let index = dir.join("index.json");
        if !index.exists() {
            return Err(FolderError::Missing(dir.to_owned()));
        }
        let folder = Self::lock(dir)?;
        let read = |name: &str| {
            let path = dir.join(name);
            fs::read_to_string(&path).map_err(at(&path))
        };
        let parsed: Option<Index> = serde_json::from_str(&read("index.json")?).ok();
        let parsed = parsed
            .filter(Index::is_understood)
            .ok_or(FolderError::Format(index))?;
        let root_key_pem = match fs::read_to_string(dir.join("root.key")) {
            Ok(key) => Some(Zeroizing::new(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(&dir.join("root.key"))(error)),
        };
        let authority = Authority::restore(Keep {
            root_pem: read("root.pem")?,
            root_key_pem,
            issuing_pem: read("issuing.pem")?,
            issuing_key_pem: Zeroizing::new(read("issuing.key")?),
            index: parsed,
        })?;
        Ok((folder, authority))
    }

    fn lock(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.join("lock");
        let mut options = OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .mode(SECRET);
        let lock = lock.open(&path).map_err(at(&path))?;
        lock.lock().map_err(at(&path))?;
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// Writes a new authority; the index last, since it is what makes the folder one.
    pub(super) fn save_all(&self, authority: &Authority) -> Result<(), FolderError> {
        let keep = authority.keep();
        if let Some(key) = &keep.root_key_pem {
            replace(&self.dir.join("root.key"), key.as_bytes(), SECRET)?;
        }
        let issuing_key = keep.issuing_key_pem.as_bytes();
        replace(&self.dir.join("issuing.key"), issuing_key, SECRET)?;
        replace(&self.dir.join("root.pem"), keep.root_pem.as_bytes(), PUBLIC)?;
        replace(
            &self.dir.join("issuing.pem"),
            keep.issuing_pem.as_bytes(),
            PUBLIC,
        )?;
        self.save_index(authority)
    }

    pub(super) fn save_index(&self, authority: &Authority) -> Result<(), FolderError> {
        let json =
            serde_json::to_vec_pretty(authority.index()).map_err(|_| AuthorityError::State)?;
        replace(&self.dir.join("index.json"), &json, PUBLIC)
    }

    /// Writes both lists into one file; while the root key is away, the root's list is kept from before.
    pub(super) fn save_lists(&self, lists: &RevocationLists) -> Result<PathBuf, FolderError> {
        const END: &str = "-----END X509 CRL-----\n";
        let path = self.dir.join("crl.pem");
        let root = match &lists.root_pem {
            Some(root) => root.clone(),
            None => {
                let before = fs::read_to_string(&path).map_err(|_| FolderError::RootList)?;
                let end = before.find(END).ok_or(FolderError::RootList)? + END.len();
                before.get(..end).ok_or(FolderError::RootList)?.to_owned()
            }
        };
        replace(
            &path,
            format!("{root}{}", lists.issuing_pem).as_bytes(),
            PUBLIC,
        )?;
        Ok(path)
    }
}

/// A folder that certificates are issued into.
pub(super) struct OutFolder(PathBuf);

impl OutFolder {
    pub(super) fn create(dir: &Path) -> Result<Self, FolderError> {
        create_empty(dir)?;
        Ok(Self(dir.to_owned()))
    }

    pub(super) fn open(dir: &Path) -> Result<Self, FolderError> {
        if dir.join("tls.pem").exists() {
            Ok(Self(dir.to_owned()))
        } else {
            Err(FolderError::NotOurs(dir.to_owned()))
        }
    }

    pub(super) fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
        replace(&self.0.join(name), bytes, mode)
    }

    /// Key, then certificate. A reader between the two sees a pair that does not fit, and keeps what it has.
    pub(super) fn write_pair(&self, name: &str, leaf: &IssuedLeaf) -> Result<(), FolderError> {
        self.write(&format!("{name}.key"), leaf.key_pem.as_bytes(), SECRET)?;
        self.write(&format!("{name}.pem"), leaf.chain_pem.as_bytes(), PUBLIC)
    }
}

/// Whom a folder's certificates stand for.
pub(super) enum Whose {
    Agency(AgencyId),
    Router(Vec<String>),
}

/// Reads whom the TLS certificate in `dir` stands for.
pub(super) fn whose(dir: &Path, trust_domain: &str) -> Result<Whose, FolderError> {
    let not_ours = || FolderError::NotOurs(dir.to_owned());
    let der = CertificateDer::from_pem_file(dir.join("tls.pem")).map_err(|_| not_ours())?;
    let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| not_ours())?;
    let names = certificate.subject_alternative_name();
    let names = names.ok().flatten().ok_or_else(not_ours)?;
    let prefix = format!("spiffe://{trust_domain}/agency/");
    if let [GeneralName::URI(uri)] = names.value.general_names.as_slice() {
        let id = uri.strip_prefix(&prefix).and_then(|id| id.parse().ok());
        return id.map(Whose::Agency).ok_or_else(not_ours);
    }
    let names = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => ip(bytes),
        _ => None,
    });
    let names: Option<Vec<_>> = names.collect();
    names.map(Whose::Router).ok_or_else(not_ours)
}

fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

fn create_empty(dir: &Path) -> Result<(), FolderError> {
    if let Ok(mut entries) = fs::read_dir(dir) {
        return match entries.next() {
            None => Ok(()),
            Some(_) => Err(FolderError::Exists(dir.to_owned())),
        };
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(at(dir))
}

/// Replaces a file as a whole: a crash leaves the old one or the new one, on disk and not only in memory.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FolderError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let write = || -> io::Result<()> {
        // A leftover of a crash might have another mode.
        let _ = fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(at(path))
}
