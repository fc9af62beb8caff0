//! The ledger after the races, entry by entry: no disclosure after its withdrawal, no second
//! acceptance, no place twice.

use std::collections::{HashMap, HashSet};

use super::cast::Cast;
use super::{Tally, broken};
use crate::audit::source::SealedOpening;
use crate::audit::{Audit, Level};
use crate::cli::crash::CrashError;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Opening;
use crate::ledger::note::NoteVerifier;
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;

/// Entries asked for at a time.
const PAGE: i32 = 1_000;

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// Chain of each offer's parcel.
    chains: HashMap<String, String>,
    withdrawn: HashMap<String, u64>,
    /// Referral of each offer.
    referrals: HashMap<String, String>,
    accepted: HashSet<String>,
}

/// Reads everything as the ombudsperson, checks the order by index, and decides everything again.
pub(super) async fn check(cast: &Cast, tally: &mut Tally) -> Result<(), CrashError> {
    let mut seen = Seen::default();
    let mut audit = Audit::new(Level::Replay, None);
    let mut start = 0;
    let checkpoint = checkpoint(cast).await?;
    let end = checkpoint.size;
    while start < end {
        let entries = entries(cast, start).await?;
        let openings = openings(cast, start, entries.len()).await?;
        for (entry, opening) in entries.iter().zip(&openings) {
            if start >= end {
                break;
            }
            let sealed = (!opening.decision.is_empty()).then(|| SealedOpening {
                index: opening.index,
                nonce: opening.nonce.clone(),
                decision: opening.decision.clone(),
            });
            let _ = audit.feed(entry, sealed.as_ref());
            if sealed.is_some() {
                let opening = Opening::parse(&opening.nonce, &opening.decision);
                seen.take(start, &opening.map_err(broken)?.decision, tally)?;
            }
            start += 1;
        }
    }
    tally.entries = start;
    let report = audit.finish(&checkpoint);
    match report.violations().next() {
        Some(finding) => Err(broken(finding)),
        None => Ok(()),
    }
}

async fn checkpoint(cast: &Cast) -> Result<Checkpoint, CrashError> {
    let session = cast.ombud.agency().session();
    let reply = session
        .call(
            cast.ombud.staff(),
            v1::GetCheckpointRequest {},
            |channel, request| async move {
                AuditServiceClient::new(channel)
                    .get_checkpoint(request)
                    .await
            },
        )
        .await
        .map_err(broken)?;
    let trusted = &cast.ombud.agency().trust().log_key;
    let verifier = NoteVerifier::parse(trusted).map_err(broken)?;
    verifier.verify(&reply.checkpoint).map_err(broken)
}

async fn entries(cast: &Cast, start: u64) -> Result<Vec<Vec<u8>>, CrashError> {
    let session = cast.ombud.agency().session();
    let page = v1::ListEntriesRequest {
        start,
        page_size: PAGE,
    };
    let reply = session
        .call(cast.ombud.staff(), page, |channel, request| async move {
            AuditServiceClient::new(channel).list_entries(request).await
        })
        .await
        .map_err(broken)?;
    if reply.entries.is_empty() {
        return Err(broken("the log ends before its checkpoint says"));
    }
    Ok(reply.entries)
}

async fn openings(cast: &Cast, start: u64, count: usize) -> Result<Vec<v1::Opening>, CrashError> {
    let session = cast.ombud.agency().session();
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let page = v1::ReadOpeningsRequest {
            start: start + all.len() as u64,
            page_size: PAGE,
        };
        let reply = session
            .call(cast.ombud.staff(), page, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .read_openings(request)
                    .await
            })
            .await
            .map_err(broken)?;
        if reply.openings.is_empty() {
            return Err(broken("openings are missing"));
        }
        all.extend(reply.openings);
    }
    Ok(all)
}

impl Seen {
    fn take(
        &mut self,
        index: u64,
        decision: &Decision,
        tally: &mut Tally,
    ) -> Result<(), CrashError> {
        match decision {
            Decision::Offered {
                offer,
                referral,
                deposits,
                ..
            } => {
                let chain = deposits.first().map(|deposit| deposit.chain.clone());
                let chain = chain.ok_or_else(|| broken("an offer without a parcel"))?;
                self.chains.insert(offer.clone(), chain);
                self.referrals.insert(offer.clone(), referral.clone());
            }
            Decision::BasisWithdrawn { statement, .. } => {
                tally.withdrawals += 1;
                self.withdrawn.insert(chain_of(statement)?, index);
            }
            Decision::Opened { offer, .. } => {
                tally.disclosures += 1;
                let chain = self.chains.get(offer);
                let withdrawn = chain.and_then(|chain| self.withdrawn.get(chain));
                if let Some(at) = withdrawn {
                    return Err(broken(format!(
                        "entry {index} discloses after the withdrawal at {at}"
                    )));
                }
            }
            Decision::OfferMoved { offer, to, .. } if to == "ACCEPTED" => {
                let referral = self.referrals.get(offer).cloned().unwrap_or_default();
                if !self.accepted.insert(referral) {
                    return Err(broken(format!("entry {index} is a second acceptance")));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// The chain that a withdrawal names; its signature is the replay's to check.
fn chain_of(statement: &str) -> Result<String, CrashError> {
    let claims = statement.split('.').nth(1).unwrap_or_default();
    let claims = data_encoding::BASE64URL_NOPAD
        .decode(claims.as_bytes())
        .map_err(broken)?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).map_err(broken)?;
    let id = claims.get("id").and_then(serde_json::Value::as_str);
    id.map(str::to_owned)
        .ok_or_else(|| broken("a withdrawal without a chain"))
}
