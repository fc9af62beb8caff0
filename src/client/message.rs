//! Messages between the parties of an offer.

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::parcel::{from_proto, to_proto};
use super::random::SystemRandom;
use super::session::request_id;
use super::words;
use crate::domain::basis::Basis;
use crate::domain::id::{AgencyId, BasisChainId, OfferId};
use crate::domain::label::{Label, LabelSet};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::{MessageCode, Purpose, Stage};
use crate::envelope::disclosure::Field;
use crate::envelope::jws::digest_from_b64u;
use crate::envelope::keys::sha256;
use crate::envelope::open::{Expected, OpenedParcel, open_message};
use crate::envelope::seal::{ParcelDraft, seal_reply};
use crate::envelope::statement::Forward;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::message_service_client::MessageServiceClient;

/// Where a reply's words stand in the record.
const STATEMENT_PATH: &str = "statement.text";

/// The header of a message; no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// Number within the offer.
    pub number: u32,
    /// Who posted it.
    pub sender: AgencyId,
    /// When, to the quarter of an hour.
    pub time: Option<Timestamp>,
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

impl Desk {
    /// Sends a code: covered by the offer itself, and seen by the router.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` more than 90 days after the offer's end.
    pub async fn post_code(&self, offer: OfferId, code: MessageCode) -> Result<u32, ClientError> {
        let request = v1::PostMessageRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            code: words::message_code_number(code),
            ..v1::PostMessageRequest::default()
        };
        self.post(offer, request).await
    }

    /// Tells the recipient something more, of the stage that the offer has reached: the gate is asked, the fields are
    /// sealed to the recipient alone.
    ///
    /// # Errors
    ///
    /// As [`Desk::seal`] and any call.
    pub async fn post_message(
        &self,
        offer: OfferId,
        basis: &Basis,
        purpose: Purpose,
        stage: Stage,
        fields: Vec<Field>,
    ) -> Result<u32, ClientError> {
        let sealed = self.seal_for_message(offer, basis, purpose, stage, fields)?;
        let request = v1::PostMessageRequest {
            offer: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            code: 0,
            parcel: Some(to_proto(sealed.parcel)),
            basis_chain: basis.chain.to_string(),
            basis_salt: sealed.basis_salt.to_vec(),
        };
        self.post(offer, request).await
    }

    /// Answers the source about the person in the recipient's own words; the person has to have agreed to that.
    ///
    /// # Errors
    ///
    /// As any call; `BASIS_NOT_ALLOWED` when the person did not agree, whatever the cause.
    pub async fn reply(
        &self,
        offer: &super::recipient::OfferView,
        stage: Stage,
        text: &str,
    ) -> Result<u32, ClientError> {
        let now = self.now();
        let directory = self.agency().directory()?;
        let label: Label = "STATEMENT/WHOLE"
            .parse()
            .map_err(|_| ClientError::Reply("a label"))?;
        let key = directory.sealing_key(&offer.source, now)?;
        let draft = ParcelDraft {
            source: self.agency().id(),
            recipient: &offer.source,
            key,
            purpose: offer.purpose,
            stage,
            // Not looked at: who replies does not know the chain.
            chain: BasisChainId::from_random([0; 16]),
            now,
            until: key.validity().until,
            forward: Forward::default(),
            supersedes: None,
            parent: None,
            fields: vec![Field {
                path: STATEMENT_PATH.to_owned(),
                label,
                value: text.into(),
            }],
            carried: Vec::new(),
        };
        let signer = self.agency().keys().signer();
        let sealed = seal_reply(offer.id, draft, signer, &mut SystemRandom)?;
        let request = v1::PostMessageRequest {
            offer: words::offer_name(self.agency().id(), offer.id),
            request_id: request_id(),
            parcel: Some(to_proto(sealed.parcel)),
            ..v1::PostMessageRequest::default()
        };
        self.post(offer.id, request).await
    }

    async fn post(
        &self,
        offer: OfferId,
        request: v1::PostMessageRequest,
    ) -> Result<u32, ClientError> {
        let statement = request
            .parcel
            .as_ref()
            .map(|parcel| parcel.statement.clone());
        let (reply, known) = self
            .call(request, |channel, request| async move {
                MessageServiceClient::new(channel)
                    .post_message(request)
                    .await
            })
            .await?;
        let proven: Proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| match decision {
            Decision::MessagePosted {
                offer: named,
                number,
                sealed,
                reply: answered,
                ..
            } => {
                let sealed = sealed.as_ref().map(|sealed| &sealed.statement);
                let answered = answered.as_ref().map(|reply| &reply.statement);
                let told = sealed.or(answered).map(String::as_bytes);
                *named == offer.to_string()
                    && *number == reply.number
                    && told == statement.as_deref()
            }
            _ => false,
        })?;
        Ok(reply.number)
    }

    /// The headers of an offer's messages, in the order posted.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn messages(&self, offer: OfferId) -> Result<Vec<MessageView>, ClientError> {
        let request = v1::ListMessagesRequest {
            offer: words::offer_name(self.agency().id(), offer),
        };
        let (reply, _) = self
            .call(request, |channel, request| async move {
                MessageServiceClient::new(channel)
                    .list_messages(request)
                    .await
            })
            .await?;
        let read = |message: v1::Message| {
            let label = |label: &v1::Label| {
                let (category, form) = (words::category(label.category)?, words::form(label.form)?);
                Label::new(category, form).ok()
            };
            Ok(MessageView {
                number: message.number,
                sender: words::agency_of(&message.sender)?,
                time: message.time.as_ref().and_then(words::from_proto_time),
                code: words::message_code(message.code),
                stage: words::stage(message.stage),
                labels: message.labels.iter().filter_map(label).collect(),
                bytes: message.size_bytes,
                opened: message.opened,
            })
        };
        reply.messages.into_iter().map(read).collect()
    }

    /// Opens a sealed message of the other party: receipt, signature, seal and labels are checked before a field is
    /// handed out.
    ///
    /// # Errors
    ///
    /// As [`Desk::open`]; here nothing raises an alarm by itself.
    pub async fn open_message(
        &self,
        offer: OfferId,
        purpose: Purpose,
        message: &MessageView,
    ) -> Result<OpenedParcel, ClientError> {
        let request = v1::OpenMessageRequest {
            offer: words::offer_name(self.agency().id(), offer),
            number: message.number,
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                MessageServiceClient::new(channel)
                    .open_message(request)
                    .await
            })
            .await?;
        let parcel = reply.parcel.ok_or(ClientError::Reply("no message"))?;
        let statement_digest = sha256(&parcel.statement);
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        proven.expect(|decision| match decision {
            Decision::MessageOpened {
                offer: named,
                number,
                statement_hash,
                ..
            } => {
                *named == offer.to_string()
                    && *number == message.number
                    && digest_from_b64u(statement_hash) == Some(statement_digest)
            }
            _ => false,
        })?;
        let parcel = from_proto(parcel)?;
        let sender = self
            .signing_key_behind(&parcel.statement, &message.sender)
            .await?;
        let expected = Expected {
            recipient: self.agency().id(),
            purpose,
            stage: message.stage.ok_or(ClientError::Reply("a stage"))?,
            now: self.now(),
            skew: super::recipient::SKEW,
        };
        let seen = |parcel: &_| self.agency().seen_parcel(parcel);
        let keys = self.agency().keys();
        let opened = open_message(&parcel, &sender, offer, &expected, keys, &seen)?;
        let claims = opened.statement.claims();
        self.agency()
            .remember_parcel(claims.parcel, *opened.statement.signed_digest());
        Ok(opened)
    }
}
