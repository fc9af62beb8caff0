//! The register of open connections, so that a revocation reaches them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

use super::limits::CONNECTIONS_PER_AGENCY_MAX;
use super::tls::ReloadingTls;
use crate::identity::certificate::CertifiedAgency;

/// One open connection.
struct Open {
    certified: CertifiedAgency,
    chain: Vec<CertificateDer<'static>>,
    cut: CancellationToken,
}

#[derive(Default)]
struct Register {
    next: u64,
    open: HashMap<u64, Open>,
}

/// All open connections.
#[derive(Default)]
pub(super) struct Live(Mutex<Register>);

impl Live {
    fn register(&self) -> std::sync::MutexGuard<'_, Register> {
        // Nothing in here can panic halfway through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.register().open.len()
    }

    /// Enters a connection; `None` when its agency has too many.
    pub(super) fn enter(
        &self,
        tls: &Arc<ReloadingTls>,
        certified: CertifiedAgency,
        chain: Vec<CertificateDer<'static>>,
    ) -> Option<LiveGuard> {
        let mut register = self.register();
        let of_agency = register
            .open
            .values()
            .filter(|open| open.certified.agency() == certified.agency())
            .count();
        if of_agency >= CONNECTIONS_PER_AGENCY_MAX {
            return None;
        }
        let id = register.next;
        register.next += 1;
        let cut = CancellationToken::new();
        register.open.insert(
            id,
            Open {
                certified: certified.clone(),
                chain,
                cut: cut.clone(),
            },
        );
        drop(register);
        Some(LiveGuard {
            id,
            certified,
            cut,
            tls: Arc::clone(tls),
        })
    }

    /// Cuts every connection of which `lost` says so.
    pub(super) fn cut(
        &self,
        mut lost: impl FnMut(&CertifiedAgency, &[CertificateDer<'static>]) -> bool,
    ) {
        for open in self.register().open.values() {
            if !open.cut.is_cancelled() && lost(&open.certified, &open.chain) {
                tracing::warn!(agency = %open.certified.agency(), "connection cut");
                open.cut.cancel();
            }
        }
    }

    fn leave(&self, id: u64) {
        self.register().open.remove(&id);
    }
}

/// A connection's place in the register, given back when dropped.
pub(super) struct LiveGuard {
    id: u64,
    pub(super) certified: CertifiedAgency,
    pub(super) cut: CancellationToken,
    pub(super) tls: Arc<ReloadingTls>,
}

impl Drop for LiveGuard {
    fn drop(&mut self) {
        self.tls.live().leave(self.id);
    }
}
