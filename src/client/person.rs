//! What a person may ask: who was told, when, what, and by which right (R22); and a complaint, which may hold what was
//! released and nothing more.

mod complaint;
pub mod plain;

pub use complaint::Complaint;

use super::agency::Desk;
use super::error::ClientError;
use super::words;
use crate::domain::id::{AgencyId, BasisChainId, CaseHandle, OfferId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{
    Asked, BasisKind, DisclosureKind, InterpreterClass, Purpose, Stage,
};
use crate::proto::v1;
use crate::proto::v1::person_service_client::PersonServiceClient;

/// One thing that was told of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisclosureView {
    /// In which way.
    pub kind: DisclosureKind,
    /// When, to the minute.
    pub time: Timestamp,
    /// Who told: this agency, or who passed it on.
    pub by: AgencyId,
    /// Who was told.
    pub recipient: AgencyId,
    /// For what.
    pub purpose: Option<Purpose>,
    /// From which stage on.
    pub stage: Option<Stage>,
    /// What kinds of things.
    pub labels: LabelSet,
    /// By which right; none where the basis is another agency's.
    pub ground: Option<GroundView>,
    /// This agency's own offer.
    pub offer: Option<OfferId>,
    /// Index of the entry in the ledger.
    pub index: u64,
}

/// By which right something was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroundView {
    /// Kind.
    pub kind: BasisKind,
    /// Chain.
    pub chain: BasisChainId,
    /// How the labels were asked for: by themselves, if every one was; otherwise with the bundle.
    pub asked: Asked,
    /// Those that were asked for by themselves.
    pub specific: LabelSet,
    /// Whether the person was asked alone.
    pub asked_alone: bool,
    /// Who interpreted.
    pub interpreter: InterpreterClass,
}

impl Desk {
    /// Everything that was told of a case, in the order of the ledger, by this agency and by those who passed it on.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn disclosures(&self, case: CaseHandle) -> Result<Vec<DisclosureView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListDisclosuresRequest {
                parent: words::agency_name(self.agency().id()),
                case_handle: case.to_string(),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    PersonServiceClient::new(channel)
                        .list_disclosures(request)
                        .await
                })
                .await?;
            for disclosure in reply.disclosures {
                found.push(self.read_disclosure(disclosure)?);
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn read_disclosure(&self, told: v1::Disclosure) -> Result<DisclosureView, ClientError> {
        const BAD: ClientError = ClientError::Reply("a disclosure");
        let label = |label: &v1::DisclosureLabel| {
            let label = words::category(label.category).zip(words::form(label.form));
            label.and_then(|(category, form)| Label::new(category, form).ok())
        };
        let labels: Option<LabelSet> = told.labels.iter().map(label).collect();
        let specific: Option<LabelSet> = told.specific_labels.iter().map(label).collect();
        let own = self.agency().id();
        let ground = if told.ground.is_empty() {
            None
        } else {
            Some(GroundView {
                kind: told.ground.parse().map_err(|_| BAD)?,
                chain: words::own_id(&told.basis, own, "bases")?,
                asked: told.asked.parse().map_err(|_| BAD)?,
                specific: specific.ok_or(BAD)?,
                asked_alone: told.asked_alone,
                interpreter: told.interpreter.parse().map_err(|_| BAD)?,
            })
        };
        let offer = match told.offer.as_str() {
            "" => None,
            name => Some(words::own_id(name, own, "offers")?),
        };
        let time = told.time.as_ref().and_then(words::from_proto_time);
        Ok(DisclosureView {
            kind: words::disclosure_kind(told.kind).ok_or(BAD)?,
            time: time.ok_or(BAD)?,
            by: words::agency_of(&told.discloser)?,
            recipient: words::agency_of(&told.recipient)?,
            purpose: words::purpose(told.purpose),
            stage: words::stage(told.stage),
            labels: labels.ok_or(BAD)?,
            ground,
            offer,
            index: told.index,
        })
    }
}
