//! Messages: codes and sealed words between the two parties of an offer, each through the gate.
//!
//! A code tells nothing of the person and is covered by the offer itself. A sealed message from the source is decided
//! as a parcel of the stage that the offer has reached; one from the recipient needs the person's yes to words going
//! back. Both are decided again at the opening.

mod saying;

pub(super) use saying::chains;

use super::agencies::AgencyView;
use super::amendment::over;
use super::basis::{statement_refusal, text};
use super::event::EventKind;
use super::offer::view::OfferView;
use super::opening::{Disclosure, Withheld};
use super::parcel::{label_decision, label_record, labels_of_records};
use super::person::{CaseOf, Told, disclosed, released};
use super::sequencer::Doorbell;
use super::snapshot::{Prepared, Snapshot, remembered};
use super::{Exchange, OfferName, Receipt, Refusal, Requested};
use crate::domain::gate::Permit;
use crate::domain::id::{AgencyId, BasisChainId};
use crate::domain::label::LabelSet;
use crate::domain::message::{AFTER_END, MESSAGES_PER_SIDE_MAX};
use crate::domain::time::{Period, Timestamp};
use crate::domain::vocabulary::{DisclosureKind, MessageCode, Stage};
use crate::envelope::statement::{MessageStatement, SealedParcel};
use crate::identity::caller::Caller;
use crate::ledger::decision::{Decision, Deposited, Replied};
use crate::ledger::hash;
use crate::storage::engine::Table;
use crate::storage::records::message::{MessageContentRecord, MessageRecord};
use crate::storage::records::offer::OfferRecord;
use crate::storage::records::{self, Record, key};
use data_encoding::BASE64URL_NOPAD;
use saying::{permit_reply, permit_sealed, verify};
use std::time::Duration;

const TABLE: Table = Table::Message;

/// Step of a message's time, as of every time that both parties see.
const COARSE: Duration = Duration::from_secs(15 * 60);

/// What a party says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A code.
    Code(MessageCode),
    /// A sealed message of the source, with its chain and what opens the commitment to it.
    Sealed(SealedParcel, BasisChainId, [u8; 32]),
    /// A sealed message of the recipient.
    Reply(SealedParcel),
}

/// The header of a message; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Number within the offer.
    pub number: u32,
    /// Who posted it.
    pub sender: AgencyId,
    /// When, to the quarter of an hour.
    pub time: Timestamp,
    /// The code, unless sealed.
    pub code: Option<MessageCode>,
    /// The stage, when sealed.
    pub stage: Option<Stage>,
    /// Labels, when sealed.
    pub labels: LabelSet,
    /// Bytes, when sealed.
    pub bytes: u32,
    /// Whether the other party opened it.
    pub opened: bool,
}

/// A sealed message as it is kept.
fn record_of(
    message: &MessageStatement,
    parcel: &SealedParcel,
    chain: Option<BasisChainId>,
) -> (MessageRecord, MessageContentRecord) {
    let claims = message.statement().claims();
    let record = MessageRecord {
        statement: parcel.statement.clone(),
        labels: parcel.labels.iter().map(label_record).collect(),
        parcel: claims.parcel.to_string(),
        chain: chain.map(|chain| chain.to_string()).unwrap_or_default(),
        expires: claims.expires.millis(),
        stage: claims.stage.name().to_owned(),
        bytes: u32::try_from(parcel.byte_size()).unwrap_or(u32::MAX),
        ..MessageRecord::default()
    };
    let content = MessageContentRecord {
        encapsulated_key: parcel.enc.clone(),
        wrapped_key: parcel.wrapped.clone(),
        fields: parcel.fields.clone(),
    };
    (record, content)
}

/// What a message adds to a change.
struct Admitted {
    record: MessageRecord,
    content: Option<MessageContentRecord>,
    validity: Option<Period>,
    code: Option<String>,
    sealed: Option<Deposited>,
    reply: Option<Replied>,
}

fn admit(
    snapshot: &mut Snapshot<'_>,
    offer: &OfferView,
    own: &AgencyView,
    said: &Said,
) -> Result<Admitted, Refusal> {
    let labels = |parcel: &SealedParcel| parcel.labels.iter().map(label_decision).collect();
    match said {
        Said::Code(code) => {
            let code = code.name().to_owned();
            let record = MessageRecord {
                code: code.clone(),
                ..MessageRecord::default()
            };
            Ok(Admitted {
                record,
                content: None,
                validity: None,
                code: Some(code),
                sealed: None,
                reply: None,
            })
        }
        Said::Sealed(parcel, chain, salt) => {
            if own.id != offer.source {
                return Err(Refusal::InvalidField("basis_chain"));
            }
            if !offer.record.forwards.is_empty() {
                // Who passes on says what it was told, in parcels that name where it came from.
                return Err(Refusal::State(offer.state));
            }
            let message = verify(snapshot, offer, own, &offer.recipient, parcel)?;
            let statement = message.statement();
            statement
                .check_basis(salt, chain)
                .map_err(|error| statement_refusal(error, Refusal::StatementInvalid))?;
            let claims = statement.claims();
            let reader = snapshot.agency(&offer.recipient)?;
            let reader = reader.ok_or(Refusal::RecipientUnavailable)?;
            let (permit, _) = permit_sealed(
                snapshot,
                offer,
                &reader,
                claims.stage,
                parcel.label_set(),
                *chain,
            )?;
            let (record, content) = record_of(&message, parcel, Some(*chain));
            let sealed = Deposited {
                parcel: record.parcel.clone(),
                stage: record.stage.clone(),
                statement: text(&parcel.statement)?,
                labels: labels(parcel),
                chain: record.chain.clone(),
                salt: BASE64URL_NOPAD.encode(salt),
                protocol: permit.protocol(),
                gate: permit.gate(),
            };
            Ok(Admitted {
                validity: Some(until(&permit, &record)?),
                record,
                content: Some(content),
                code: None,
                sealed: Some(sealed),
                reply: None,
            })
        }
        Said::Reply(parcel) => {
            if own.id != offer.recipient {
                return Err(Refusal::InvalidField("basis_chain"));
            }
            let message = verify(snapshot, offer, own, &offer.source, parcel)?;
            message
                .check_reply()
                .map_err(|error| statement_refusal(error, Refusal::StatementInvalid))?;
            let (permit, _) = permit_reply(snapshot, offer, own, parcel.label_set())?;
            let (record, content) = record_of(&message, parcel, None);
            let reply = Replied {
                parcel: record.parcel.clone(),
                stage: record.stage.clone(),
                statement: text(&parcel.statement)?,
                labels: labels(parcel),
                protocol: permit.protocol(),
                gate: permit.gate(),
            };
            Ok(Admitted {
                validity: Some(until(&permit, &record)?),
                record,
                content: Some(content),
                code: None,
                sealed: None,
                reply: Some(reply),
            })
        }
    }
}

fn until(permit: &Permit, record: &MessageRecord) -> Result<Period, Refusal> {
    Ok(permit.validity().intersection(&Period {
        from: permit.validity().from,
        until: records::time(TABLE, record.expires)?,
    }))
}

/// When the offer ended, if it has.
fn ended(offer: &OfferView) -> Result<Option<Timestamp>, Refusal> {
    if !offer.state.is_terminal() {
        return Ok(None);
    }
    let moved = records::time(Table::Offer, offer.record.updated)?;
    // A lapse that is not written down yet happened at the time to decide by.
    Ok(Some(moved.max(offer.decide_by.min(moved.plus(AFTER_END)))))
}

fn prepare_post(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    requested: &Requested,
    said: &Said,
) -> Result<Prepared<u32>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    if let Some(record) = snapshot.recall(caller.agency(), requested)? {
        return Ok(Prepared::Again(remembered(&record, 0)?, record.indexes));
    }
    let mut offer = OfferView::of_party(snapshot, name)?;
    if offer.record.asked == 0 {
        // Whoever was not asked hears of nothing.
        return Err(Refusal::State(offer.state));
    }
    if ended(&offer)?.is_some_and(|end| end.plus(AFTER_END) <= snapshot.now) {
        return Err(over(offer.state));
    }
    let from_source = own.id == offer.source;
    let of_recipient = offer.record.messages_of_recipient;
    let own_so_far = if from_source {
        offer.record.messages.saturating_sub(of_recipient)
    } else {
        of_recipient
    };
    if own_so_far >= MESSAGES_PER_SIDE_MAX {
        return Err(Refusal::TooMany);
    }
    snapshot.case(&offer.source, offer.case)?;
    let admitted = admit(snapshot, &offer, &own, said)?;
    let number = offer.record.messages + 1;
    offer.record.messages = number;
    if !from_source {
        offer.record.messages_of_recipient += 1;
    }
    let record = MessageRecord {
        from_source,
        time: snapshot.now.millis(),
        ..admitted.record
    };
    let decision = Decision::MessagePosted {
        offer: offer.id.to_string(),
        number,
        code: admitted.code,
        sealed: admitted.sealed,
        reply: admitted.reply,
        staff: caller.staff().as_str().to_owned(),
    };
    let at = key::message(offer.id, number);
    let mut change = snapshot.change();
    if let Some(validity) = admitted.validity {
        change.within(validity);
        if offer.state.can_lapse() {
            change.within(Period {
                from: validity.from,
                until: offer.decide_by,
            });
        }
    }
    change.entries.push(snapshot.entry_by(caller, decision));
    let content = admitted.content.as_ref();
    let writes = content.map(|content| content.put(at.clone()));
    change.writes.extend(writes);
    if content.is_some() {
        let mut record = record;
        change.late.push(Box::new(move |placed| {
            record.entry = placed.first + 1;
            vec![record.put(at)]
        }));
    } else {
        change.writes.push(record.put(at));
    }
    change.writes.push(offer.put(snapshot.now, false));
    let other = if from_source {
        offer.recipient_name()
    } else {
        offer.source_name()
    };
    change.doorbells.push(Doorbell {
        agency: other.agency.clone(),
        resource: other.to_string(),
        kind: EventKind::Message,
    });
    let names = vec![number.to_string()];
    snapshot.remember(&mut change, caller.agency(), requested, names, &[0], 0);
    Ok(Prepared::New(change, number, vec![0]))
}

fn prepare_open(
    snapshot: &mut Snapshot<'_>,
    caller: &Caller,
    name: &OfferName,
    number: u32,
) -> Result<Prepared<Withheld>, Refusal> {
    name.owned_by(caller)?;
    let own = snapshot.own_agency(caller)?;
    let mut offer = OfferView::of_party(snapshot, name)?;
    let at = key::message(offer.id, number);
    // The same reads whatever is missing, as for a parcel.
    let record = snapshot.get::<MessageRecord>(at.clone())?;
    let content = snapshot.peek::<MessageContentRecord>(&at)?;
    let mut record = record.ok_or(Refusal::NotFound)?;
    let content = content.ok_or(Refusal::NotFound)?;
    let from_source = record.from_source;
    if from_source == (own.id == offer.source) || offer.is_paused() {
        return Err(Refusal::NotFound);
    }
    snapshot.confirmed(&offer.source)?;
    snapshot.case(&offer.source, offer.case)?;
    let labels = labels_of_records(TABLE, &record.labels)?;
    let set: LabelSet = labels.iter().map(|label| label.label).collect();
    let (permit, basis) = if from_source {
        let stage = records::word(TABLE, &record.stage)?;
        let chain = records::word(TABLE, &record.chain)?;
        permit_sealed(snapshot, &offer, &own, stage, set, chain)?
    } else {
        let replier = snapshot.agency(&offer.recipient)?;
        let replier = replier.ok_or(Refusal::NotFound)?;
        permit_reply(snapshot, &offer, &replier, set)?
    };
    if records::time(TABLE, record.expires)? <= snapshot.now {
        return Err(Refusal::NotFound);
    }
    let mut change = snapshot.change();
    change.within(until(&permit, &record)?);
    if offer.state.can_lapse() {
        change.within(Period {
            from: permit.validity().from,
            until: offer.decide_by,
        });
    }
    let decision = Decision::MessageOpened {
        offer: offer.id.to_string(),
        number,
        parcel: record.parcel.clone(),
        statement_hash: hash::sha256(&[&record.statement]).base64url(),
        protocol: permit.protocol(),
        gate: permit.gate(),
        staff: caller.staff().as_str().to_owned(),
    };
    change.entries.push(snapshot.entry_by(caller, decision));
    let of = CaseOf {
        source: offer.source.clone(),
        case: offer.case,
    };
    let (by, recipient) = if from_source {
        (&offer.source, &offer.recipient)
    } else {
        (&offer.recipient, &offer.source)
    };
    let told = Told {
        kind: DisclosureKind::Message,
        by,
        recipient,
        purpose: Some(offer.purpose),
        stage: records::optional(TABLE, &record.stage)?,
        labels: set,
        basis: basis.as_deref(),
        offer: Some(offer.id),
    };
    disclosed(&mut change, 0, &of, &told);
    if from_source {
        released(&mut change, &of, set);
        let first = offer.mark_told();
        if offer.told_again() || first {
            change.writes.push(offer.put(snapshot.now, false));
        }
    }
    if !record.opened {
        record.opened = true;
        change.writes.push(record.put(at));
    }
    let parcel = SealedParcel {
        statement: record.statement,
        enc: content.encapsulated_key,
        wrapped: content.wrapped_key,
        labels,
        fields: content.fields,
    };
    Ok(Prepared::New(
        change,
        Withheld {
            parcel,
            ancestors: Vec::new(),
        },
        vec![0],
    ))
}

fn header(offer: &OfferView, number: u32, record: &MessageRecord) -> Result<Header, Refusal> {
    let sender = if record.from_source {
        offer.source.clone()
    } else {
        offer.recipient.clone()
    };
    let labels = labels_of_records(TABLE, &record.labels)?;
    Ok(Header {
        number,
        sender,
        time: records::time(TABLE, record.time)?.coarse(COARSE),
        code: records::optional(TABLE, &record.code)?,
        stage: records::optional(TABLE, &record.stage)?,
        labels: labels.iter().map(|label| label.label).collect(),
        bytes: record.bytes,
        opened: record.opened,
    })
}

impl Exchange {
    /// Posts one message; gives its number.
    ///
    /// # Errors
    ///
    /// The gate's refusals for a message of the source; [`Refusal::BasisNotAllowed`] for any reply that is not covered;
    /// [`Refusal::State`], [`Refusal::Lapsed`], [`Refusal::TooMany`], [`Refusal::NotFound`].
    pub async fn post_message(
        &self,
        caller: &Caller,
        offer: &OfferName,
        requested: Requested,
        said: Said,
    ) -> Result<(u32, Receipt), Refusal> {
        let (by, name) = (caller.clone(), offer.clone());
        let prepare = move |snapshot: &mut Snapshot<'_>| {
            prepare_post(snapshot, &by, &name, &requested, &said)
        };
        self.perform_for(caller, "PostMessage", prepare)
            .await?
            .single()
    }

    /// The headers of an offer's messages, in the order posted.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`].
    pub async fn messages(
        &self,
        caller: &Caller,
        offer: &OfferName,
    ) -> Result<Vec<Header>, Refusal> {
        offer.owned_by(caller)?;
        let name = offer.clone();
        self.read(move |snapshot| {
            let record = snapshot.peek::<OfferRecord>(&key::offer(name.offer))?;
            let record = record.ok_or(Refusal::NotFound)?;
            let offer = OfferView::parse(name.offer, record, snapshot.now)?;
            if !offer.is_party(&name.agency) {
                return Err(Refusal::NotFound);
            }
            let mut headers = Vec::new();
            for number in 1..=offer.record.messages {
                let record = snapshot.peek::<MessageRecord>(&key::message(offer.id, number))?;
                let record = record.ok_or_else(|| records::corrupt(TABLE))?;
                headers.push(header(&offer, number, &record)?);
            }
            Ok(headers)
        })
        .await
    }

    /// Opens a sealed message of the other party. Never remembered: a repeated call runs the gate again.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] for absent, one's own, a code, withdrawn, expired, closed: one answer, and a denial.
    pub async fn open_message(
        &self,
        caller: &Caller,
        offer: &OfferName,
        number: u32,
    ) -> Result<Disclosure, Refusal> {
        let (by, name) = (caller.clone(), offer.clone());
        let step = move |snapshot: &mut Snapshot<'_>| prepare_open(snapshot, &by, &name, number);
        self.disclose(caller, "OpenMessage", step).await
    }
}
