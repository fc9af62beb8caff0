//! Denials are recorded, up to a cap an agency and hour, and then counted.

use super::{Exchange, Refusal};
use crate::domain::id::{AgencyId, StaffPseudonym};

/// Denial entries an agency may cause in one hour; more are only counted.
///
/// Without a cap one member could fill the disk with its own refusals.
pub const DENIALS_PER_HOUR_MAX: u32 = 60;

impl Exchange {
    /// Records that a caller was refused, durable before the refusal is answered.
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`] when the ledger cannot be written: then that is the answer.
    pub async fn deny(
        &self,
        _agency: &AgencyId,
        _staff: Option<&StaffPseudonym>,
        _method: &str,
        _reason: &str,
    ) -> Result<(), Refusal> {
        todo!()
    }
}
