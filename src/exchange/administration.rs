//! What administrators do: enrol, publish, reinstate with two signatures; suspend with one.

use super::basis::{statement_refusal, text};
use super::directory::digest::count_change;
use super::sequencer::{Change, EntryDraft};
use super::snapshot::{Prepared, Snapshot, remembered};
use super::{Exchange, Receipt, Refusal, Requested, SKEW};
use crate::domain::id::{AgencyId, ProposalId};
use crate::domain::protocol::Protocol;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::act::{Act, ActBody, Approval, act_digest, act_identity, claimed_kid};
use crate::envelope::error::StatementError;
use crate::envelope::verify::VerifyingKey;
use crate::identity::caller::Caller;
use crate::identity::signing_chain::TrustStore;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::Write;
use crate::storage::records::agency::AgencyRecord;
use crate::storage::records::log::{CounterRecord, ProposalRecord, ProtocolRecord};
use crate::storage::records::{Record, key};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use std::sync::Arc;
use std::time::Duration;

/// How long a proposal awaits its approval, and how old a signature may be.
pub const PROPOSAL_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longest act, in bytes.
pub const ACT_BYTES_MAX: usize = 256 * 1024;

fn invalid(error: StatementError) -> Refusal {
    statement_refusal(error, Refusal::InvalidField("act"))
}

/// The pinned administrator that a token says it is signed by.
fn signer<'a>(snapshot: &Snapshot<'a>, token: &[u8]) -> Result<&'a VerifyingKey, Refusal> {
    let kid = claimed_kid(token).map_err(|_| Refusal::SignatureInvalid)?;
    let mut pinned = snapshot.shared.administrators.iter();
    pinned
        .find(|key| key.spki_kid() == kid)
        .ok_or(Refusal::SignatureInvalid)
}

fn act(snapshot: &Snapshot<'_>, token: &[u8]) -> Result<Act, Refusal> {
    if token.len() > ACT_BYTES_MAX {
        return Err(Refusal::InvalidField("act"));
    }
    let act = Act::parse(token, signer(snapshot, token)?).map_err(invalid)?;
    let fresh = act.issued <= snapshot.now.plus(SKEW)
        && act.issued.plus(PROPOSAL_LIFE) > snapshot.now
        && act.origin == snapshot.shared.origin;
    if fresh {
        Ok(act)
    } else {
        Err(Refusal::InvalidField("act"))
    }
}

/// Whether the act could take effect now; what it would need is relied on.
fn check(snapshot: &mut Snapshot<'_>, body: &ActBody) -> Result<(), Refusal> {
    const BAD: Refusal = Refusal::InvalidField("act");
    match body {
        ActBody::Enrol {
            agency,
            kind,
            parent,
        } => {
            if parent.as_ref() == Some(agency)
                || *kind == AgencyKind::NonMember
                || agency.is_outside()
            {
                return Err(BAD);
            }
            if let Some(parent) = parent {
                snapshot.agency(parent)?.ok_or(BAD)?;
            }
            snapshot.agency(agency)?;
            Ok(())
        }
        ActBody::PublishProtocol { version, toml } => {
            let protocol = Protocol::parse(toml).map_err(|_| BAD)?;
            let current = snapshot.get::<CounterRecord>(key::PROTOCOL.to_vec())?;
            let current = current.unwrap_or_default().number;
            if protocol.version() == *version && *version > current {
                Ok(())
            } else {
                Err(BAD)
            }
        }
        ActBody::Reinstate { agency } => snapshot.agency(agency)?.map(|_| ()).ok_or(BAD),
        ActBody::Suspend { .. } => Err(BAD),
    }
}

/// That the act did not take effect before, and the write that keeps it so.
///
/// The directory shows both signatures of an enrolment to every member: an act that could be proposed again would
/// widen access again without an administrator, as after a suspension.
fn spend(snapshot: &mut Snapshot<'_>, token: &[u8]) -> Result<Write, Refusal> {
    let act = act_identity(token).map_err(|_| Refusal::InvalidField("act"))?;
    let row = key::spent(&act);
    match snapshot.get::<CounterRecord>(row.clone())? {
        None => Ok(CounterRecord { number: 1 }.put(row)),
        Some(_) => Err(Refusal::ReferralState),
    }
}

fn record_of(snapshot: &mut Snapshot<'_>, agency: &AgencyId) -> Result<AgencyRecord, Refusal> {
    let view = snapshot.agency(agency)?;
    Ok(view.map(|view| view.record.clone()).unwrap_or_default())
}

/// What an approved act writes, and whether the directory changes by it.
fn effect(
    snapshot: &mut Snapshot<'_>,
    body: ActBody,
    proposal: &[u8],
    approval: &[u8],
) -> Result<Vec<Write>, Refusal> {
    check(snapshot, &body)?;
    Ok(match body {
        ActBody::Enrol {
            agency,
            kind,
            parent,
        } => {
            let mut record = record_of(snapshot, &agency)?;
            record.kind = kind.name().to_owned();
            record.parent = parent.map(|parent| parent.to_string()).unwrap_or_default();
            record.proposal = proposal.to_vec();
            record.approval = approval.to_vec();
            vec![record.put(key::agency(&agency))]
        }
        ActBody::PublishProtocol { version, toml } => {
            let record = ProtocolRecord {
                toml,
                proposal: proposal.to_vec(),
                approval: approval.to_vec(),
            };
            let current = CounterRecord { number: version };
            let writes = vec![
                record.put(key::index(version)),
                current.put(key::PROTOCOL.to_vec()),
            ];
            writes
        }
        ActBody::Reinstate { agency } => {
            let mut record = record_of(snapshot, &agency)?;
            record.suspended = false;
            vec![record.put(key::agency(&agency))]
        }
        ActBody::Suspend { .. } => return Err(Refusal::InvalidField("act")),
    })
}

fn prepare_propose(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<ProposalId>, Refusal> {
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    let act = act(snapshot, token)?;
    spend(snapshot, token)?;
    check(snapshot, &act.body)?;
    let id = ProposalId::from_random(snapshot.shared.random());
    let record = ProposalRecord {
        act: token.to_vec(),
        time: snapshot.now.millis(),
        done: false,
    };
    let mut change = snapshot.change();
    change.writes.push(record.put(key::proposal(id)));
    let decision = Decision::Proposed {
        proposal: id.to_string(),
        statement: text(token)?,
    };
    change.entries.push(snapshot.entry(Actor::Admin, decision));
    let names = vec![id.to_string()];
    snapshot.remember(&mut change, caller.agency(), requested, names, &[0], 0);
    Ok(Prepared::New(change, id, vec![0]))
}

fn prepare_approve(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    id: ProposalId,
    token: &[u8],
) -> Result<Prepared<()>, Refusal> {
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let row = key::proposal(id);
    let proposal = snapshot.get::<ProposalRecord>(row.clone())?;
    let mut proposal = proposal.ok_or(Refusal::NotFound)?;
    if proposal.done {
        return Err(Refusal::ReferralState);
    }
    let approver = signer(snapshot, token)?;
    let approval = Approval::parse(token, approver)
        .map_err(|error| statement_refusal(error, Refusal::InvalidField("approval")))?;
    let fresh = approval.issued <= snapshot.now.plus(SKEW)
        && approval.issued.plus(PROPOSAL_LIFE) > snapshot.now;
    if approval.act != act_digest(&proposal.act) || !fresh {
        return Err(Refusal::InvalidField("approval"));
    }
    if signer(snapshot, &proposal.act)? == approver {
        // Two signatures by one hand are one.
        return Err(Refusal::ReferralState);
    }
    let act = act(snapshot, &proposal.act)?;
    let spent = spend(snapshot, &proposal.act)?;
    let writes = effect(snapshot, act.body, &proposal.act, token)?;
    let decision = Decision::Approved {
        proposal: id.to_string(),
        statement: text(&proposal.act)?,
        approval: text(token)?,
    };
    proposal.done = true;
    let mut change = snapshot.change();
    change.writes = writes;
    change.writes.push(proposal.put(row));
    change.writes.push(spent);
    count_change(&mut change);
    change.entries.push(snapshot.entry(Actor::Admin, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

fn prepare_suspend(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<()>, Refusal> {
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    let ActBody::Suspend { agency } = act(snapshot, token)?.body else {
        return Err(Refusal::InvalidField("act"));
    };
    let spent = spend(snapshot, token)?;
    let view = snapshot.agency(&agency)?.ok_or(Refusal::NotFound)?;
    let mut record = view.record.clone();
    record.suspended = true;
    let mut change = snapshot.change();
    change.writes.push(record.put(key::agency(&agency)));
    change.writes.push(spent);
    count_change(&mut change);
    let decision = Decision::Suspended {
        statement: text(token)?,
    };
    change.entries.push(snapshot.entry(Actor::Admin, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Proposes one signed act.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`]; [`Refusal::ReferralState`] when the act took effect
    /// before.
    pub async fn propose(
        &self,
        caller: &Caller,
        requested: Requested,
        act: Vec<u8>,
    ) -> Result<(ProposalId, Receipt), Refusal> {
        let by = caller.clone();
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare_propose(snapshot, &by, &requested, &act);
        self.perform_for(caller, "Propose", step).await?.single()
    }

    /// Approves a proposal with the other administrator's signature; it takes effect.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`];
    /// [`Refusal::ReferralState`] when the act took effect before, or the same administrator signed both.
    pub async fn approve(
        &self,
        caller: &Caller,
        requested: Requested,
        proposal: ProposalId,
        approval: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let by = caller.clone();
        let step = move |snapshot: &mut Snapshot<'_>| {
            prepare_approve(snapshot, &by, &requested, proposal, &approval)
        };
        let done = self.perform_for(caller, "Approve", step).await?;
        self.publish_digest(false).await?;
        Ok(done.single()?.1)
    }

    /// Suspends one agency at once, by one signature.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::InvalidField`]; [`Refusal::ReferralState`]
    /// when the act took effect before.
    pub async fn suspend_agency(
        &self,
        caller: &Caller,
        requested: Requested,
        act: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let by = caller.clone();
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare_suspend(snapshot, &by, &requested, &act);
        let done = self.perform_for(caller, "SuspendAgency", step).await?;
        self.publish_digest(false).await?;
        Ok(done.single()?.1)
    }

    /// Records that certificate revocation lists were loaded (SHA-256 of each, base64url).
    ///
    /// # Errors
    ///
    /// [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn revocations_loaded(&self, lists: Vec<String>) -> Result<Receipt, Refusal> {
        let decision = Decision::RevocationsLoaded { lists };
        let entry = EntryDraft::decided(Actor::Router, self.shared.random(), decision);
        let change = Change {
            entries: vec![entry],
            ..Change::default()
        };
        let mut receipts = self.submit(change).await?.receipts(&[0])?;
        receipts.pop().ok_or(Refusal::Internal)
    }

    /// Takes certificate revocation lists (DER, one of every issuer) into use for agencies' signing chains.
    ///
    /// From here on a signing chain without a current list for each of its issuers is refused.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for what is no list; then those before stay in use.
    pub fn trust_revocation_lists(&self, lists: &[Vec<u8>]) -> Result<(), Refusal> {
        const BAD: Refusal = Refusal::InvalidField("revocation_list");
        let roots: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(self.shared.roots.as_bytes()).collect();
        let trust = TrustStore::new(&roots.map_err(|_| Refusal::Internal)?)
            .map_err(|_| Refusal::Internal)?;
        let ders: Vec<CertificateRevocationListDer<'_>> = lists
            .iter()
            .map(|list| CertificateRevocationListDer::from(list.as_slice()))
            .collect();
        let trust = trust.with_revocation_lists(&ders).map_err(|_| BAD)?;
        self.shared.trust.store(Arc::new(trust));
        Ok(())
    }
}
