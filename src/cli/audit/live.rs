//! A live router as a source.
//!
//! The auditor's folder is an agency's, as [`crate::cli::home`] describes it. The checkpoint that an audit relies on
//! is in its own saved state, so none is kept here.

use crate::audit::source::SourceError;
use crate::cli::home::{self, Checkpoints};
use crate::client::audit::LiveSource;
use crate::client::staff::Staff;
use crate::domain::vocabulary::StaffRole;
use crate::ledger::note::NoteVerifier;
use std::path::PathBuf;

/// Who audits, and where.
#[derive(Debug, Clone)]
pub(super) struct Live {
    /// As `https://host:port`.
    pub(super) url: String,
    /// The auditor's folder.
    pub(super) identity: PathBuf,
    /// What was pinned; `trust` in the auditor's folder if none.
    pub(super) trust: Option<PathBuf>,
    /// The name in the router's certificate; the host if none.
    pub(super) server_name: Option<String>,
    /// The auditor's pseudonym.
    pub(super) staff: String,
}

fn unusable(error: impl std::fmt::Display) -> SourceError {
    SourceError::Unavailable(error.to_string())
}

impl Live {
    /// Opens a session, and gives the log's key as it was pinned.
    pub(super) fn open(&self) -> Result<(LiveSource, NoteVerifier), SourceError> {
        let agency = home::open(
            &self.url,
            &self.identity,
            self.trust.as_deref(),
            self.server_name.as_deref(),
            Checkpoints::InMemory,
        )
        .map_err(unusable)?;
        let verifier = NoteVerifier::parse(&agency.trust().log_key).map_err(unusable)?;
        let pseudonym = self.staff.parse().map_err(unusable)?;
        let staff = Staff {
            pseudonym,
            role: StaffRole::Auditor,
        };
        Ok((LiveSource::new(agency.session().clone(), staff), verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_pins_is_refused_before_anything_is_sent() {
        let folder = tempfile::TempDir::new().unwrap();
        let live = Live {
            url: "https://127.0.0.1:1".into(),
            identity: folder.path().into(),
            trust: None,
            server_name: None,
            staff: "a1".into(),
        };
        let error = live.open().err().unwrap().to_string();
        assert!(error.contains("log.vkey"), "{error}");
    }
}
