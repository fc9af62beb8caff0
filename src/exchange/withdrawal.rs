//! Withdrawal: it can always be recorded, and nothing is disclosed under the chain afterwards.
//!
//! Two steps. The first batch makes the withdrawal the head of its chain: from then on nothing is deposited or opened
//! under it (invariants 12, 13), so that what there is to clean up cannot grow. The second step closes what is
//! undecided and destroys the content keys ([`super::aftermath`]). In between nobody accepts what is about to close.
//!
//! Three separate questions: to stop sharing, to ask the recipient to erase, and to leave. The second and third can be
//! asked without the first, and after it.

use super::aftermath::{Follows, follow};
use super::basis::{STATEMENT_BYTES_MAX, statement_refusal, text};
use super::snapshot::{Prepared, Snapshot};
use super::{BasisName, Exchange, Receipt, Refusal, Requested, SKEW};
use crate::envelope::withdrawal::Withdrawal;
use crate::identity::caller::Caller;
use crate::ledger::decision::Decision;
use crate::storage::records::basis::BasisRecord;
use crate::storage::records::{Record, key};

fn prepare(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &BasisName,
    requested: &Requested,
    token: &[u8],
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    if token.len() > STATEMENT_BYTES_MAX {
        return Err(Refusal::InvalidField("statement"));
    }
    let row = key::basis(&name.agency, name.chain);
    let head = snapshot.get::<BasisRecord>(row.clone())?;
    let mut head = head.ok_or(Refusal::NotFound)?;
    let signer = snapshot.signer_of(&own, token)?;
    let withdrawal = Withdrawal::parse(token, signer)
        .map_err(|error| statement_refusal(error, Refusal::InvalidField("statement")))?;
    let meant = withdrawal.chain == name.chain
        && withdrawal.recipient.as_str() == head.recipient
        && withdrawal.case.to_string() == head.case
        && withdrawal.issued <= snapshot.now.plus(SKEW);
    if !meant {
        return Err(Refusal::InvalidField("statement"));
    }
    if head.withdrawn {
        return Err(Refusal::BasisWithdrawn);
    }
    if head.sequence.checked_add(1) != Some(withdrawal.seq) {
        return Err(Refusal::BasisSequence);
    }
    let mut case = snapshot
        .case(&name.agency, withdrawal.case)?
        .unwrap_or_default();
    case.changes += 1;
    head.statement = token.to_vec();
    head.sequence = withdrawal.seq;
    head.withdrawn = true;
    let follows = Follows {
        close: true,
        erase: withdrawal.erase,
        leave: withdrawal.leave,
        pause: false,
    };
    let mark = follow(snapshot, name, follows)?;
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes.push(head.put(row));
    change
        .writes
        .push(case.put(key::case(&name.agency, withdrawal.case)));
    change.writes.push(mark);
    let decision = Decision::BasisWithdrawn {
        statement: text(token)?,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

/// What the person asks of a recipient besides, or without, a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wishes {
    /// To erase.
    pub erase: bool,
    /// To know that they leave the service.
    pub leave: bool,
}

fn prepare_ask(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &BasisName,
    requested: &Requested,
    wishes: Wishes,
) -> Result<Prepared<()>, Refusal> {
    name.owned_by(caller)?;
    snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again((), record.indexes));
    }
    if !wishes.erase && !wishes.leave {
        return Err(Refusal::InvalidField("erase"));
    }
    let head = snapshot.get::<BasisRecord>(key::basis(&name.agency, name.chain))?;
    head.ok_or(Refusal::NotFound)?;
    let follows = Follows {
        erase: wishes.erase,
        leave: wishes.leave,
        ..Follows::default()
    };
    let mark = follow(snapshot, name, follows)?;
    let mut change = snapshot.change();
    change.urgent = true;
    change.writes.push(mark);
    let decision = Decision::RecipientAsked {
        chain: name.chain.to_string(),
        erase: wishes.erase,
        leave: wishes.leave,
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    snapshot.remember(&mut change, caller.agency(), requested, Vec::new(), &[0], 0);
    Ok(Prepared::New(change, (), vec![0]))
}

impl Exchange {
    /// Withdraws one chain. When this answers, nothing under it can be opened and its parcels have no keys.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::SignatureInvalid`], [`Refusal::BasisSequence`], [`Refusal::BasisWithdrawn`].
    pub async fn withdraw_basis(
        &self,
        caller: &Caller,
        name: &BasisName,
        requested: Requested,
        statement: Vec<u8>,
    ) -> Result<Receipt, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare(snapshot, &by, &of, &requested, &statement);
        let done = self.perform_for(caller, "WithdrawBasis", step).await?;
        // Also for a remembered request: the clean-up may have been cut off by a restart.
        self.follow_up(name).await?;
        Ok(done.single()?.1)
    }

    /// Passes on what the person asks of the recipient: to erase, that they leave. Also after a withdrawal.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::InvalidField`] when nothing is asked.
    pub async fn ask_recipient(
        &self,
        caller: &Caller,
        name: &BasisName,
        requested: Requested,
        wishes: Wishes,
    ) -> Result<Receipt, Refusal> {
        let (by, of) = (caller.clone(), name.clone());
        let step =
            move |snapshot: &mut Snapshot<'_>| prepare_ask(snapshot, &by, &of, &requested, wishes);
        let done = self.perform_for(caller, "AskRecipient", step).await?;
        self.follow_up(name).await?;
        Ok(done.single()?.1)
    }
}
