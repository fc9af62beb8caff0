//! Bases: recording a chain's next statement, and looking at one's own.

use super::aftermath::{Follows, follow};
use super::snapshot::{Prepared, Snapshot, own, remembered};
use super::{BasisName, Exchange, Page, Paged, Receipt, Refusal, Requested, SKEW};
use crate::domain::basis::{Basis, is_dutiful};
use crate::domain::gate;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::basis_statement::BasisStatement;
use crate::envelope::error::StatementError;
use crate::envelope::jws::JwsError;
use crate::envelope::verify::{SigningKey, VerifyingKey};
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::engine::Table;
use crate::storage::records::agency::Signer;
use crate::storage::records::basis::{BasisRecord, CaseBasisRecord, CaseRecord};
use crate::storage::records::{self, Record, key};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Most chains in one case.
pub const CHAINS_PER_CASE_MAX: u32 = 64;

/// Longest basis statement, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 16 * 1024;

/// Parsed bases kept in memory.
const CACHED_MAX: usize = 1_024;

/// Where a chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasisState {
    /// In force, or still to begin.
    Active,
    /// Withdrawn.
    Withdrawn,
    /// Past its last period.
    Expired,
}

/// The head of one chain, as its source sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasisHead {
    /// Name.
    pub name: BasisName,
    /// Sequence number of the head.
    pub sequence: u64,
    /// State.
    pub state: BasisState,
    /// Head statement.
    pub statement: Vec<u8>,
}

/// Parsed heads, by source, chain and the version of the record: an old version is never asked for again.
pub(super) struct BasisCache(Cache<(AgencyId, BasisChainId, u64), Arc<Basis>>);

impl Default for BasisCache {
    fn default() -> Self {
        Self(Cache::new(CACHED_MAX))
    }
}

/// The head of a chain as the gate takes it.
pub(super) struct Head {
    pub(super) record: BasisRecord,
    /// None for a withdrawal.
    pub(super) basis: Option<Arc<Basis>>,
    /// Whether the person stopped the case after the head was recorded.
    pub(super) paused: bool,
}

impl Head {
    /// For the gate: a withdrawal stays one, also in a case that is paused.
    pub(super) fn gate(&self) -> gate::BasisHead<'_> {
        match &self.basis {
            None => gate::BasisHead::Withdrawn,
            Some(_) if self.paused => gate::BasisHead::Paused,
            Some(basis) => gate::BasisHead::InForce(basis),
        }
    }
}

/// What is wrong with a signed statement, as a refusal.
pub(super) fn statement_refusal(error: StatementError, otherwise: Refusal) -> Refusal {
    match error {
        StatementError::Jws(JwsError::Signature | JwsError::Key(_) | JwsError::Algorithm)
        | StatementError::Issuer => Refusal::SignatureInvalid,
        _ => otherwise,
    }
}

impl Snapshot<'_> {
    /// The head of a chain, parsed; relies on its case too, whose pauses stop it.
    pub(super) fn basis(
        &mut self,
        source: &AgencyId,
        chain: BasisChainId,
    ) -> Result<Option<Head>, Refusal> {
        let found = self.versioned::<BasisRecord>(key::basis(source, chain))?;
        let Some((record, version)) = found else {
            return Ok(None);
        };
        let case = self.case(source, records::word(Table::Basis, &record.case)?)?;
        let paused = case.is_some_and(|case| record.pauses < case.pauses);
        let head = |record, basis| {
            Some(Head {
                record,
                basis,
                paused,
            })
        };
        if record.withdrawn {
            return Ok(head(record, None));
        }
        let cache = &self.shared.bases.0;
        let known = (source.clone(), chain, version);
        if let Some(basis) = cache.get(&known) {
            return Ok(head(record, Some(basis)));
        }
        let basis = Arc::new(parse_head(source, &record)?);
        cache.insert(known, Arc::clone(&basis));
        Ok(head(record, Some(basis)))
    }

    /// Notes the case, whose version every change of any of its bases moves.
    pub(super) fn case(
        &mut self,
        source: &AgencyId,
        case: CaseHandle,
    ) -> Result<Option<CaseRecord>, Refusal> {
        self.get(key::case(source, case))
    }
}

fn parse_head(source: &AgencyId, record: &BasisRecord) -> Result<Basis, Refusal> {
    let corrupt = || records::corrupt(Table::Basis);
    let signer = record.signer.as_ref().ok_or_else(corrupt)?;
    let signing = SigningKey {
        agency: source.clone(),
        key: VerifyingKey::from_sec1(&signer.public_key).map_err(|_| corrupt())?,
        fingerprint: records::fixed(Table::Basis, &signer.fingerprint)?,
    };
    let parsed = BasisStatement::parse(&record.statement, &signing).map_err(|_| corrupt())?;
    Ok(parsed.basis)
}

fn head_of(
    source: &AgencyId,
    chain: BasisChainId,
    record: BasisRecord,
    now: Timestamp,
) -> Result<BasisHead, Refusal> {
    let state = if record.withdrawn {
        BasisState::Withdrawn
    } else if parse_head(source, &record)?.expires() <= now {
        BasisState::Expired
    } else {
        BasisState::Active
    };
    Ok(BasisHead {
        name: BasisName {
            agency: source.clone(),
            chain,
        },
        sequence: record.sequence,
        state,
        statement: record.statement,
    })
}

/// The chain id at the end of a key.
pub(super) fn chain_of(key: &[u8]) -> Result<BasisChainId, Refusal> {
    let tail = key.len().checked_sub(16).and_then(|at| key.get(at..));
    let bytes = tail.and_then(|tail| tail.try_into().ok());
    bytes
        .map(BasisChainId::from_random)
        .ok_or_else(|| records::corrupt(Table::Basis).into())
}

fn prepare_record(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<BasisName>, Refusal> {
    let source = caller.agency();
    if let Some(record) = snapshot.recall(source, requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    if token.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::InvalidField("statement"));
    }
    let own = snapshot.own_agency(caller)?;
    let signer = snapshot.signer_of(&own, token)?;
    let statement = BasisStatement::parse(token, signer)
        .map_err(|error| statement_refusal(error, Refusal::InvalidField("statement")))?;
    if statement.issued > snapshot.now.plus(SKEW) {
        return Err(Refusal::InvalidField("statement"));
    }
    let basis = statement.basis;
    let kind = if basis.recipient.is_outside() {
        AgencyKind::NonMember
    } else {
        let recipient = snapshot.agency(&basis.recipient)?;
        let recipient = recipient
            .filter(|recipient| super::directory::is_visible(caller.kind(), recipient))
            .ok_or(Refusal::RecipientUnavailable)?;
        recipient.kind
    };
    basis.check_bounds(kind).map_err(|_| Refusal::BasisBounds)?;

    let facts = own.bundle.as_ref().map(|bundle| &bundle.content().facts);
    let duties = facts.map_or(&[][..], |facts| &facts.reports_to);
    if !is_dutiful(basis.kind, duties, kind) {
        return Err(Refusal::NoDuty);
    }

    let chain_key = key::basis(source, basis.chain);
    let before = snapshot.get::<BasisRecord>(chain_key.clone())?;
    let mut case = snapshot.case(source, basis.case)?.unwrap_or_default();
    check_next(&basis, before.as_ref())?;
    // What was signed before the person stopped the case is no answer to that. Within one second nobody can tell.
    if case.pauses > 0 && statement.issued.seconds() < case.paused_at {
        return Err(Refusal::BasisPaused);
    }
    let name = BasisName {
        agency: source.clone(),
        chain: basis.chain,
    };
    // A statement that comes after the person stopped the case goes on with this chain.
    let stopped = |before: &BasisRecord| before.pauses < case.pauses;
    let lifted = if before.as_ref().is_some_and(stopped) {
        let follows = Follows {
            pause: true,
            ..Follows::default()
        };
        Some(follow(snapshot, &name, follows)?)
    } else {
        None
    };
    let mut change = snapshot.change();
    if before.is_none() {
        if case.chains >= CHAINS_PER_CASE_MAX {
            return Err(Refusal::TooMany);
        }
        case.chains += 1;
        let row = key::case_basis(source, basis.case, basis.chain);
        change.writes.push(CaseBasisRecord {}.put(row));
    }
    case.changes += 1;
    let record = BasisRecord {
        statement: token.to_vec(),
        sequence: basis.seq,
        withdrawn: false,
        recipient: basis.recipient.to_string(),
        case: basis.case.to_string(),
        signer: Some(Signer {
            fingerprint: signer.fingerprint.to_vec(),
            public_key: signer.key.sec1().to_vec(),
            not_after: 0,
            chain: Vec::new(),
        }),
        pauses: case.pauses,
    };
    change.writes.push(record.put(chain_key));
    change.writes.push(case.put(key::case(source, basis.case)));
    change
        .writes
        .extend(super::asking::clocks(&basis, snapshot.now));
    change.writes.extend(lifted);
    let decision = Decision::BasisRecorded {
        statement: text(token)?,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let names = vec![name.to_string()];
    snapshot.remember(&mut change, source, requested, names, &[0], 0);
    Ok(Prepared::New(change, name, vec![0]))
}

/// A compact JWS as text.
pub(super) fn text(token: &[u8]) -> Result<String, Refusal> {
    String::from_utf8(token.to_vec()).map_err(|_| Refusal::InvalidField("statement"))
}

fn check_next(basis: &Basis, before: Option<&BasisRecord>) -> Result<(), Refusal> {
    let Some(before) = before else {
        return if basis.seq == 1 {
            Ok(())
        } else {
            Err(Refusal::BasisSequence)
        };
    };
    if before.withdrawn {
        return Err(Refusal::BasisWithdrawn);
    }
    let fixed =
        before.recipient == basis.recipient.as_str() && before.case == basis.case.to_string();
    if fixed && before.sequence.checked_add(1) == Some(basis.seq) {
        Ok(())
    } else {
        Err(Refusal::BasisSequence)
    }
}

impl Exchange {
    /// Records one basis statement.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`], [`Refusal::BasisSequence`], [`Refusal::BasisBounds`],
    /// [`Refusal::BasisWithdrawn`], [`Refusal::RecipientUnavailable`], [`Refusal::TooMany`]; [`Refusal::BasisPaused`]
    /// when it was signed before the person stopped the case.
    pub async fn record_basis(
        &self,
        caller: &Caller,
        source: &AgencyId,
        requested: Requested,
        statement: Vec<u8>,
    ) -> Result<(BasisName, Receipt), Refusal> {
        let by = caller.clone();
        let source = source.clone();
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            own(&by, &source)?;
            prepare_record(snapshot, &by, &requested, &statement)
        };
        self.perform_for(caller, "RecordBasis", prepare)
            .await?
            .single()
    }

    /// One chain's head.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn basis(&self, caller: &Caller, name: &BasisName) -> Result<BasisHead, Refusal> {
        name.owned_by(caller)?;
        let name = name.clone();
        self.read(move |snapshot| {
            let row = key::basis(&name.agency, name.chain);
            let record = snapshot.peek::<BasisRecord>(&row)?;
            let record = record.ok_or(Refusal::NotFound)?;
            head_of(&name.agency, name.chain, record, snapshot.now)
        })
        .await
    }

    /// A source's chains, of one case or of all.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidField`] for a page token that is not ours.
    pub async fn bases(
        &self,
        caller: &Caller,
        source: &AgencyId,
        case: Option<CaseHandle>,
        page: Page,
    ) -> Result<Paged<BasisHead>, Refusal> {
        own(caller, source)?;
        let source = source.clone();
        self.read(move |snapshot| {
            let (table, prefix) = match case {
                Some(case) => (Table::CaseBasis, key::case(&source, case)),
                None => (Table::Basis, key::of_agency(&source)),
            };
            let list = if case.is_some() {
                "case-bases"
            } else {
                "bases"
            };
            let tokens = &snapshot.shared.tokens;
            let after = tokens.read(list, &source, &page.token)?;
            if after
                .as_ref()
                .is_some_and(|after| !after.starts_with(&prefix))
            {
                return Err(Refusal::InvalidField("page_token"));
            }
            let rows = snapshot.scan(table, &prefix, after.as_deref(), page.size + 1)?;
            let more = rows.len() > page.size;
            let mut items = Vec::with_capacity(page.size);
            let mut next = String::new();
            for (row, _) in rows.into_iter().take(page.size) {
                let chain = chain_of(&row)?;
                let record = snapshot.peek::<BasisRecord>(&key::basis(&source, chain))?;
                let record = record.ok_or_else(|| records::corrupt(Table::CaseBasis))?;
                items.push(head_of(&source, chain, record, snapshot.now)?);
                if more {
                    next = tokens.make(list, &source, &row);
                }
            }
            Ok(Paged { items, next })
        })
        .await
    }
}
