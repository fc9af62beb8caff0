//! A forwarded parcel against what it passes on: the same disclosures, from the source that it says.

use super::statement::{LabelledDigest, ParcelStatement};
use crate::domain::forward::{Granted, Onward, covers};
use crate::domain::id::AgencyId;
use crate::domain::label::LabelSet;

/// A parcel that does not rest on what it should. Safe to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parcel is not what its original source let pass on")]
pub struct NotPassedOn;

/// Checks `child` with its opened `labels` against its ancestors' statements, the nearest first, each with its
/// signature verified: `original` sealed the last.
///
/// # Errors
///
/// [`NotPassedOn`] unless every statement is the parent that the one before names, was for who passed it on, lets it be
/// passed on there, and lists every disclosure.
pub fn check(
    child: &ParcelStatement,
    labels: &[LabelledDigest],
    ancestors: &[ParcelStatement],
    original: &AgencyId,
) -> Result<(), NotPassedOn> {
    let set: LabelSet = labels.iter().map(|item| item.label).collect();
    let mut holders: Vec<AgencyId> = (ancestors.iter().rev())
        .map(|ancestor| ancestor.claims().issuer.clone())
        .collect();
    holders.push(child.claims().issuer.clone());
    let mut below = child;
    for ancestor in ancestors {
        let (above, claims) = (ancestor.claims(), below.claims());
        let granted = Granted {
            recipients: &above.forward.recipients,
            hops: above.forward.hops,
            labels: set,
        };
        let onward = Onward {
            holders: &holders,
            recipient: &claims.recipient,
            granted: Granted {
                recipients: &claims.forward.recipients,
                hops: claims.forward.hops,
                labels: set,
            },
        };
        let listed = |item: &LabelledDigest| above.digests.binary_search(&item.digest).is_ok();
        let rests = claims.parent.as_ref() == Some(ancestor.digest())
            && above.recipient == claims.issuer
            && labels.iter().all(listed);
        if !rests || covers(&granted, &onward).is_err() {
            return Err(NotPassedOn);
        }
        below = ancestor;
        holders.pop();
    }
    let ends = below.claims().parent.is_none() && below.claims().issuer == *original;
    if ends && !ancestors.is_empty() {
        Ok(())
    } else {
        Err(NotPassedOn)
    }
}
