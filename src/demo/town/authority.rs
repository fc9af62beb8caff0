//! The town's certificate authority, its files and its revocation lists.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::keys::KeyFiles;
use crate::client::random::SystemRandom;
use crate::client::session::{Clock, system_clock};
use crate::domain::id::AgencyId;
use crate::identity::authority::{
    Authority, CRL_LIFETIME, IssuedLeaf, LEAF_LIFETIME, LeafProfile, RevocationReason,
};
use crate::identity::certificate::Serial;

use super::TownError;
use super::files::{io, key_files, make_folder, write, write_private};

/// The authority.
pub struct TownAuthority {
    authority: Authority,
    folder: PathBuf,
    issued: Vec<(AgencyId, Serial)>,
    clock: Clock,
}

impl std::fmt::Debug for TownAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TownAuthority")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl TownAuthority {
    /// A new authority; its roots and lists are written to `folder`, its keys stay in memory.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn create(folder: &Path, trust_domain: &str) -> Result<Self, TownError> {
        make_folder(folder)?;
        let clock = system_clock();
        let now = clock();
        let authority = Authority::create(trust_domain, now, &mut SystemRandom)?;
        write(&folder.join("root.pem"), authority.root_pem().as_bytes())?;
        let mut town = Self {
            authority,
            folder: folder.to_owned(),
            issued: Vec::new(),
            clock,
        };
        town.publish_lists()?;
        Ok(town)
    }

    /// From now on certificates and lists are dated by this clock.
    pub fn date_by(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The root, PEM.
    #[must_use]
    pub fn root_pem(&self) -> &str {
        self.authority.root_pem()
    }

    /// The root's file.
    #[must_use]
    pub fn root_file(&self) -> PathBuf {
        self.folder.join("root.pem")
    }

    /// The revocation lists' file: one list per authority.
    #[must_use]
    pub fn lists_file(&self) -> PathBuf {
        self.folder.join("crl.pem")
    }

    /// The authority itself, for certificates of any shape.
    pub const fn inner(&mut self) -> &mut Authority {
        &mut self.authority
    }

    /// Issues a TLS and a signing certificate into `home`.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn issue_agency(&mut self, agency: &AgencyId, home: &Path) -> Result<KeyFiles, TownError> {
        let now = (self.clock)();
        let issued = self
            .authority
            .issue_agency(agency, now, LEAF_LIFETIME, &mut SystemRandom)?;
        let files = key_files(home);
        write(&files.tls_certificate, issued.tls.chain_pem.as_bytes())?;
        write_private(&files.tls_key, issued.tls.key_pem.as_bytes())?;
        write(
            &files.signing_certificate,
            issued.signing.chain_pem.as_bytes(),
        )?;
        write_private(&files.signing_key, issued.signing.key_pem.as_bytes())?;
        self.issued.push((agency.clone(), issued.tls.serial));
        self.issued.push((agency.clone(), issued.signing.serial));
        Ok(files)
    }

    /// Issues the router's server certificate.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn issue_router(&mut self, names: &[String]) -> Result<IssuedLeaf, TownError> {
        let now = (self.clock)();
        Ok(self
            .authority
            .issue_router(names, now, LEAF_LIFETIME, &mut SystemRandom)?)
    }

    /// Issues a certificate of any shape.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn issue(&mut self, profile: &LeafProfile) -> Result<IssuedLeaf, TownError> {
        Ok(self.authority.issue(profile, &mut SystemRandom)?)
    }

    /// Revokes every certificate of an agency and publishes the lists.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn revoke_agency(&mut self, agency: &AgencyId) -> Result<(), TownError> {
        let serials: Vec<Serial> = self
            .issued
            .iter()
            .filter(|(of, _)| of == agency)
            .map(|(_, serial)| serial.clone())
            .collect();
        for serial in serials {
            self.revoke(&serial)?;
        }
        self.publish_lists()
    }

    /// Revokes one certificate; takes effect with [`TownAuthority::publish_lists`].
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn revoke(&mut self, serial: &Serial) -> Result<(), TownError> {
        let now = (self.clock)();
        Ok(self
            .authority
            .revoke(serial, RevocationReason::KeyCompromise, now)?)
    }

    /// Writes fresh lists where the router looks for them, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn publish_lists(&mut self) -> Result<(), TownError> {
        self.publish_lists_for(CRL_LIFETIME)
    }

    /// As [`TownAuthority::publish_lists`], with lists that count for `lifetime` only.
    ///
    /// # Errors
    ///
    /// [`TownError`].
    pub fn publish_lists_for(&mut self, lifetime: Duration) -> Result<(), TownError> {
        let lists = self.authority.revocation_lists((self.clock)(), lifetime)?;
        let both = format!(
            "{}{}",
            lists.root_pem.unwrap_or_default(),
            lists.issuing_pem
        );
        let temporary = self.folder.join("crl.new");
        write(&temporary, both.as_bytes())?;
        std::fs::rename(&temporary, self.lists_file()).map_err(|cause| io(&temporary, cause))
    }
}
