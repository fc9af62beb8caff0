//! The register of agencies and the protocol in force, parsed once and kept until they change.

use super::Refusal;
use crate::domain::id::AgencyId;
use crate::domain::protocol::Protocol;
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{AgencyKind, DeclaredCapacity};
use crate::envelope::bundle::KeyBundle;
use crate::envelope::jws::{KeyReference, Unverified};
use crate::envelope::verify::{SigningKey, VerifyingKey};
use crate::identity::caller::Enrolled;
use crate::identity::signing_chain::{TrustStore, verify_signing_chain};
use crate::identity::staff_key::{StaffKey, StaffKeys};
use crate::storage::engine::{Engine, Table};
use crate::storage::records::agency::{AgencyRecord, Signer};
use crate::storage::records::log::{CounterRecord, ProtocolRecord};
use crate::storage::records::{self, Record, key};
use rustls::pki_types::CertificateDer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// Certificates that an agency may still sign with: those of its current and its last few bundles.
pub const SIGNERS_KEPT: usize = 4;

/// An agency as enrolled, its bundle and keys parsed.
#[derive(Debug)]
pub struct AgencyView {
    /// The agency.
    pub id: AgencyId,
    /// Version of the record.
    pub version: u64,
    /// The record.
    pub record: AgencyRecord,
    /// Kind.
    pub kind: AgencyKind,
    /// Parent authority.
    pub parent: Option<AgencyId>,
    /// Declared capacity.
    pub capacity: Option<(DeclaredCapacity, Timestamp)>,
    /// Current key bundle.
    pub bundle: Option<KeyBundle>,
    /// What its callers are authenticated by.
    pub enrolled: Arc<Enrolled>,
    signers: Vec<StandingSigner>,
}

/// A certificate that an agency may still sign with.
#[derive(Debug)]
pub struct StandingSigner {
    key: SigningKey,
    not_after: Timestamp,
    chain: Vec<Vec<u8>>,
    /// The trust store that last vouched for the chain: its lists do not name it.
    vouched: Mutex<Weak<TrustStore>>,
}

impl StandingSigner {
    fn parse(id: &AgencyId, signer: &Signer) -> Result<Self, Refusal> {
        const TABLE: Table = Table::Agency;
        let key =
            VerifyingKey::from_sec1(&signer.public_key).map_err(|_| records::corrupt(TABLE))?;
        Ok(Self {
            key: SigningKey {
                agency: id.clone(),
                key,
                fingerprint: records::fixed(TABLE, &signer.fingerprint)?,
            },
            not_after: records::time(TABLE, signer.not_after)?,
            chain: signer.chain.clone(),
            vouched: Mutex::default(),
        })
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> &[u8; 32] {
        &self.key.fingerprint
    }

    /// The certificate and its issuers, DER, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// Whether the authority still vouches for the certificate at `now`: its lists may have come to name it since it
    /// was published. Remembered for as long as the same roots and lists are in use.
    fn is_vouched_for(&self, trust: &Arc<TrustStore>, now: Timestamp, origin: &str) -> bool {
        if now > self.not_after {
            return false;
        }
        let lock = || self.vouched.lock().unwrap_or_else(PoisonError::into_inner);
        if lock()
            .upgrade()
            .is_some_and(|last| Arc::ptr_eq(&last, trust))
        {
            return true;
        }
        let Some((leaf, intermediates)) = self.chain.split_first() else {
            return false;
        };
        let intermediates: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let vouched = verify_signing_chain(leaf, &intermediates, trust, now, origin)
            .is_ok_and(|certificate| *certificate.agency() == self.key.agency);
        if vouched {
            *lock() = Arc::downgrade(trust);
        }
        vouched
    }
}

impl AgencyView {
    fn parse(id: &AgencyId, version: u64, record: AgencyRecord) -> Result<Self, Refusal> {
        const TABLE: Table = Table::Agency;
        let bundle = if record.bundle.is_empty() {
            None
        } else {
            let bundle = KeyBundle::parse(&record.bundle).map_err(|_| records::corrupt(TABLE))?;
            Some(bundle)
        };
        let jwks = bundle.as_ref().map(staff_keys).transpose()?;
        let kind = records::word(TABLE, &record.kind)?;
        let signers = record.signers.iter();
        let signers: Result<_, _> = signers
            .map(|signer| StandingSigner::parse(id, signer))
            .collect();
        let capacity = match records::optional(TABLE, &record.capacity)? {
            Some(capacity) => Some((capacity, records::time(TABLE, record.capacity_time)?)),
            None => None,
        };
        Ok(Self {
            id: id.clone(),
            version,
            kind,
            parent: records::optional(TABLE, &record.parent)?,
            capacity,
            enrolled: Arc::new(Enrolled {
                kind,
                suspended: record.suspended,
                jwks,
            }),
            bundle,
            signers: signers?,
            record,
        })
    }

    /// Every certificate that the agency may still sign with, newest first.
    #[must_use]
    pub fn signers(&self) -> &[StandingSigner] {
        &self.signers
    }

    /// The key that `token` says it is signed with, if it is a current or recent one of this agency whose certificate
    /// `trust` vouches for at `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`] otherwise.
    pub fn signer_of(
        &self,
        token: &[u8],
        now: Timestamp,
        (trust, origin): (&Arc<TrustStore>, &str),
    ) -> Result<&SigningKey, Refusal> {
        let unverified = Unverified::parse(token).map_err(|_| Refusal::SignatureInvalid)?;
        let KeyReference::Fingerprint(fingerprint) = unverified.header().key else {
            return Err(Refusal::SignatureInvalid);
        };
        self.signers
            .iter()
            .find(|signer| *signer.fingerprint() == fingerprint)
            .filter(|signer| signer.is_vouched_for(trust, now, origin))
            .map(|signer| &signer.key)
            .ok_or(Refusal::SignatureInvalid)
    }

    /// The bundle, if the agency may be asked at `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal::RecipientUnavailable`] when it is suspended, or has no bundle that stands.
    pub fn available(&self, now: Timestamp) -> Result<&KeyBundle, Refusal> {
        self.bundle
            .as_ref()
            .filter(|bundle| !self.record.suspended && bundle.stands(now, super::SKEW))
            .ok_or(Refusal::RecipientUnavailable)
    }
}

fn staff_keys(bundle: &KeyBundle) -> Result<StaffKeys, Refusal> {
    let keys = bundle.content().staff_keys.iter();
    let keys: Result<Vec<StaffKey>, _> =
        keys.map(|key| StaffKey::from_point(*key.sec1())).collect();
    let keys = keys.map_err(|_| records::corrupt(Table::Agency))?;
    Ok(StaffKeys::new(bundle.content().seq, keys))
}

/// The protocol in force.
#[derive(Debug)]
pub struct ProtocolView {
    /// Version of the record that says which one is in force.
    pub version: u64,
    /// The protocol; none before the first is published.
    pub protocol: Option<Protocol>,
}

#[derive(Default)]
struct Kept {
    /// Counts what was forgotten: who began to load before that must not keep what it loaded.
    generation: u64,
    agencies: HashMap<AgencyId, Arc<AgencyView>>,
    protocol: Option<Arc<ProtocolView>>,
}

/// What is kept of the register. Bounded by the number of enrolled agencies.
pub struct Register {
    engine: Arc<dyn Engine>,
    kept: RwLock<Kept>,
}

impl Register {
    /// Of one store.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            kept: RwLock::default(),
        }
    }

    /// An agency, if it is enrolled.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is corrupt.
    pub fn agency(&self, id: &AgencyId) -> Result<Option<Arc<AgencyView>>, Refusal> {
        let generation = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(view) = kept.agencies.get(id) {
                return Ok(Some(Arc::clone(view)));
            }
            kept.generation
        };
        let Some(stored) = self.engine.get(Table::Agency, &key::agency(id))? else {
            return Ok(None);
        };
        let record = AgencyRecord::from_stored(&stored)?;
        let view = Arc::new(AgencyView::parse(id, stored.version, record)?);
        self.keep(generation, |kept| {
            kept.agencies.insert(id.clone(), Arc::clone(&view));
        });
        Ok(Some(view))
    }

    /// Every agency, by id.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is corrupt.
    pub fn agencies(&self) -> Result<Vec<Arc<AgencyView>>, Refusal> {
        let mut all = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self
                .engine
                .scan(Table::Agency, b"", after.as_deref(), 256)?;
            let Some((last, _)) = page.last() else {
                return Ok(all);
            };
            after = Some(last.clone());
            for (key, _) in page {
                let id = std::str::from_utf8(&key).unwrap_or_default();
                let id: AgencyId = records::word(Table::Agency, id)?;
                all.extend(self.agency(&id)?);
            }
        }
    }

    /// The protocol in force.
    ///
    /// # Errors
    ///
    /// [`Refusal::Internal`] when the store is corrupt.
    pub fn protocol(&self) -> Result<Arc<ProtocolView>, Refusal> {
        let generation = {
            let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(view) = &kept.protocol {
                return Ok(Arc::clone(view));
            }
            kept.generation
        };
        let view = match self.engine.get(Table::Meta, key::PROTOCOL)? {
            None => ProtocolView {
                version: 0,
                protocol: None,
            },
            Some(stored) => {
                let number = CounterRecord::from_stored(&stored)?.number;
                let record = self.engine.get(Table::Protocol, &key::index(number))?;
                let record = record.ok_or_else(|| records::corrupt(Table::Protocol))?;
                let toml = ProtocolRecord::from_stored(&record)?.toml;
                let protocol =
                    Protocol::parse(&toml).map_err(|_| records::corrupt(Table::Protocol))?;
                ProtocolView {
                    version: stored.version,
                    protocol: Some(protocol),
                }
            }
        };
        let view = Arc::new(view);
        self.keep(generation, |kept| kept.protocol = Some(Arc::clone(&view)));
        Ok(view)
    }

    /// Forgets what these keys say.
    pub fn forget<'a>(&self, written: impl Iterator<Item = (Table, &'a [u8])>) {
        let relevant: Vec<(Table, &[u8])> = written
            .filter(|(table, _)| matches!(table, Table::Agency | Table::Meta))
            .collect();
        if relevant.is_empty() {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.generation += 1;
        for (table, key) in relevant {
            if table == Table::Agency {
                kept.agencies.retain(|id, _| key::agency(id) != key);
            } else if key == key::PROTOCOL {
                kept.protocol = None;
            }
        }
    }

    fn keep(&self, generation: u64, insert: impl FnOnce(&mut Kept)) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.generation == generation {
            insert(&mut kept);
        }
    }
}
