//! What an operation sees while it is prepared, and the versions that it relied on.

use super::agencies::{AgencyView, ProtocolView};
use super::request::Requested;
use super::sequencer::{Change, EntryDraft, Read};
use super::start::Shared;
use super::{Refusal, name};
use crate::domain::id::AgencyId;
use crate::domain::protocol::Protocol;
use crate::domain::time::{Period, Timestamp};
use crate::envelope::verify::SigningKey;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::ledger::entry::Actor;
use crate::storage::engine::{Stored, Table};
use crate::storage::records::place::PoolRecord;
use crate::storage::records::request::{RequestDayRecord, RequestRecord};
use crate::storage::records::{self, Record, key};
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

/// A day, the bucket of remembered requests.
pub(super) const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// What an operation sees while it is prepared. Notes the version of everything that it gives out.
pub(super) struct Snapshot<'a> {
    pub(super) shared: &'a Shared,
    /// The time of the preparation; the batch's own time is checked against the change's validity.
    pub(super) now: Timestamp,
    since: u64,
    reads: Vec<Read>,
    /// What was relied on by the changes given so far: a refusal after that rests on it as well.
    given: Vec<Read>,
    /// When something that the change found open ends by itself.
    until: Option<Timestamp>,
    /// Entries whose content the change erases.
    pub(super) erased: BTreeSet<u64>,
    /// Pools as the change being prepared leaves them: a group's members move in the same pool one after another.
    pub(super) pools: HashMap<Vec<u8>, PoolRecord>,
}

/// The outcome of a preparation.
#[expect(
    clippy::large_enum_variant,
    reason = "made once a request and taken apart at once; a box would be one more allocation each"
)]
pub(super) enum Prepared<T> {
    /// A change to submit, the answer if it is committed, and which of its entries the caller gets receipts of.
    New(Change, T, Vec<usize>),
    /// A remembered request: the same answer, and the leaf indexes of its receipts.
    Again(T, Vec<u64>),
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(shared: &'a Shared) -> Result<Self, Refusal> {
        // The number is taken before anything is read: what is read is at least that new.
        let since = shared.engine.head().batches;
        let now = shared.clock.now().map_err(|_| Refusal::Unavailable)?;
        Ok(Self {
            shared,
            now,
            since,
            reads: Vec::new(),
            given: Vec::new(),
            until: None,
            erased: BTreeSet::new(),
            pools: HashMap::new(),
        })
    }

    fn note(&mut self, table: Table, key: Vec<u8>, version: u64) {
        let known = |read: &Read| read.table == table && read.key == key;
        if !self.reads.iter().any(known) {
            self.reads.push(Read {
                table,
                key,
                version,
            });
        }
    }

    /// A record that the change will rely on.
    pub(super) fn get<R: Record>(&mut self, key: Vec<u8>) -> Result<Option<R>, Refusal> {
        let stored = self.shared.engine.get(R::TABLE, &key)?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let record = stored.as_ref().map(R::from_stored).transpose()?;
        self.note(R::TABLE, key, version);
        Ok(record)
    }

    /// A record and the number of the batch that wrote it.
    pub(super) fn versioned<R: Record>(
        &mut self,
        key: Vec<u8>,
    ) -> Result<Option<(R, u64)>, Refusal> {
        let stored = self.shared.engine.get(R::TABLE, &key)?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let record = stored.as_ref().map(R::from_stored).transpose()?;
        self.note(R::TABLE, key, version);
        Ok(record.map(|record| (record, version)))
    }

    /// A record that the change does not rely on.
    pub(super) fn peek<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Refusal> {
        let stored = self.shared.engine.get(R::TABLE, key)?;
        Ok(stored.as_ref().map(R::from_stored).transpose()?)
    }

    /// Rows under a prefix; not relied on.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, Stored)>, Refusal> {
        Ok(self.shared.engine.scan(table, prefix, after, limit)?)
    }

    /// An agency that the change will rely on.
    pub(super) fn agency(&mut self, id: &AgencyId) -> Result<Option<Arc<AgencyView>>, Refusal> {
        let view = self.shared.register.agency(id)?;
        let version = view.as_ref().map_or(0, |view| view.version);
        self.note(Table::Agency, key::agency(id), version);
        Ok(view)
    }

    /// The key of `agency` that `token` says it is signed with, if the authority vouches for its certificate now.
    ///
    /// # Errors
    ///
    /// [`Refusal::SignatureInvalid`] otherwise, also for a certificate that was revoked since it was published.
    pub(super) fn signer_of<'v>(
        &self,
        agency: &'v AgencyView,
        token: &[u8],
    ) -> Result<&'v SigningKey, Refusal> {
        let trust = self.shared.trust.load();
        agency.signer_of(token, self.now, (&trust, &self.shared.origin))
    }

    /// The caller's own agency, which must not have been suspended since it was recognised.
    pub(super) fn own_agency(&mut self, caller: &Caller) -> Result<Arc<AgencyView>, Refusal> {
        let view = self.agency(caller.agency())?;
        view.filter(|view| !view.record.suspended)
            .ok_or(Refusal::NotPermitted)
    }

    /// The protocol in force, which the change will rely on.
    pub(super) fn protocol(&mut self) -> Result<Arc<ProtocolView>, Refusal> {
        let view = self.shared.register.protocol()?;
        self.note(Table::Meta, key::PROTOCOL.to_vec(), view.version);
        Ok(view)
    }

    /// Whether something that was read has changed since: then what was found rests on no one moment.
    ///
    /// Rows are read one by one while others commit. A change is held against its reads by the sequencer; a refusal is
    /// never submitted, so it is held against them here: a copy of a request that its twin overtook is not refused for
    /// what its twin did (invariant 6), nor anybody for half of what somebody else did (invariant 5).
    pub(super) fn is_overtaken(&self) -> Result<bool, Refusal> {
        for read in self.given.iter().chain(&self.reads) {
            let stored = self.shared.engine.get(read.table, &read.key)?;
            if stored.map_or(0, |stored| stored.version) != read.version {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that the change counts only before `until`: what it found open ends then by itself, with nothing written.
    ///
    /// Before the snapshot gives its change.
    pub(super) fn counts_before(&mut self, until: Timestamp) {
        self.until = Some(self.until.map_or(until, |before| before.min(until)));
    }

    /// The change so far: nothing but what it relied on, until when, and whose content it erases.
    pub(super) fn change(&mut self) -> Change {
        self.given.extend_from_slice(&self.reads);
        let before = |until| Period {
            until,
            ..Period::ALWAYS
        };
        Change {
            since: self.since,
            reads: std::mem::take(&mut self.reads),
            validity: self.until.take().map(before),
            erased: std::mem::take(&mut self.erased).into_iter().collect(),
            ..Change::default()
        }
    }

    /// An entry by `actor`.
    pub(super) fn entry(&self, actor: Actor, decision: Decision) -> EntryDraft {
        EntryDraft::decided(actor, self.shared.random(), decision)
    }

    /// An entry by the caller's agency.
    pub(super) fn entry_by(&self, caller: &Caller, decision: Decision) -> EntryDraft {
        self.entry(Actor::Agency(caller.agency().clone()), decision)
    }

    /// The remembered request, if this one was committed before.
    ///
    /// # Errors
    ///
    /// [`Refusal::RequestIdReused`] when its body was another.
    pub(super) fn recall(
        &mut self,
        agency: &AgencyId,
        requested: &Requested,
    ) -> Result<Option<RequestRecord>, Refusal> {
        match self.get::<RequestRecord>(key::request(agency, requested.id))? {
            Some(record) if record.body == requested.body => Ok(Some(record)),
            Some(_) => Err(Refusal::RequestIdReused),
            None => Ok(None),
        }
    }

    /// Remembers the request with the change: its names, and the leaf indexes of the entries at `shown`.
    pub(super) fn remember(
        &self,
        change: &mut Change,
        agency: &AgencyId,
        requested: &Requested,
        names: Vec<String>,
        shown: &[usize],
        time: i64,
    ) {
        let request = key::request(agency, requested.id);
        let body = requested.body.to_vec();
        let shown = shown.to_vec();
        change.late.push(Box::new(move |placed| {
            let indexes = shown.iter().map(|&at| placed.first + at as u64).collect();
            let record = RequestRecord {
                body,
                names,
                indexes,
                time,
            };
            let day = u32::try_from(placed.at.millis() / DAY_MILLIS).unwrap_or(u32::MAX);
            let day = RequestDayRecord {}.put(key::request_day(day, &request));
            vec![record.put(request), day]
        }));
    }
}

impl ProtocolView {
    /// The protocol.
    ///
    /// # Errors
    ///
    /// [`Refusal::ProtocolRefused`] when none is published: what nobody agreed to is not allowed.
    pub(super) fn in_force(&self) -> Result<&Protocol, Refusal> {
        let none = crate::domain::label::LabelSet::EMPTY;
        self.protocol.as_ref().ok_or(Refusal::ProtocolRefused(none))
    }
}

/// The name that a remembered request gave at `at`.
pub(super) fn remembered<T: std::str::FromStr>(
    record: &RequestRecord,
    at: usize,
) -> Result<T, Refusal> {
    let text = record.names.get(at).ok_or(Refusal::Internal)?;
    Ok(records::word(Table::Request, text)?)
}

pub(super) use name::own;
