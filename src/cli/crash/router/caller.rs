//! One call, once: no retries of the client's own, so that a campaign knows what was sent and what was answered.

use std::time::Duration;

use tonic::{Code, Status};

use crate::client::agency::Desk;
use crate::client::error::{Reason, Refused};
use crate::client::log::Known;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::Stage;
use crate::proto::v1;
use crate::proto::v1::attachment_service_client::AttachmentServiceClient;
use crate::proto::v1::basis_service_client::BasisServiceClient;
use crate::proto::v1::offer_service_client::OfferServiceClient;
use crate::proto::v1::place_service_client::PlaceServiceClient;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

use crate::client::words;

/// How long a call may take: past this nobody knows what became of it.
const CALL_MAX: Duration = Duration::from_secs(20);

/// How often a request is sent to a router that does not answer it.
const ATTEMPTS_MAX: u32 = 12;

/// How long after the first attempt; longer after each.
const PAUSE: Duration = Duration::from_millis(10);

/// A request with a request id: sent again, it has the same answer and no second effect (invariant 6).
#[derive(Debug, Clone)]
pub enum Request {
    /// `RecordBasis`.
    RecordBasis(v1::RecordBasisRequest),
    /// `WithdrawBasis`.
    WithdrawBasis(v1::WithdrawBasisRequest),
    /// `CreateReferral`.
    Create(v1::CreateReferralRequest),
    /// `DepositParcel`.
    Deposit(v1::DepositParcelRequest),
    /// `AcknowledgeOffer`.
    Acknowledge(v1::AcknowledgeOfferRequest),
    /// `HoldPlaces`.
    Hold(v1::HoldPlacesRequest),
    /// `AcceptOffer`.
    Accept(v1::AcceptOfferRequest),
    /// `DeclineOffer`.
    Decline(v1::DeclineOfferRequest),
    /// `CheckIn`.
    CheckIn(v1::CheckInRequest),
    /// `CompleteOffer`.
    Complete(v1::CompleteOfferRequest),
    /// `UpdatePool`.
    UpdatePool(v1::UpdatePoolRequest),
    /// `CheckOut`.
    CheckOut(v1::CheckOutRequest),
    /// `FinishPreparing`.
    FinishPreparing(v1::FinishPreparingRequest),
}

/// What an answer says that must never change.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// Names that the router gave.
    pub names: Vec<String>,
    /// Receipts.
    pub receipts: Vec<v1::Receipt>,
}

impl Reply {
    fn new(names: Vec<String>, receipts: impl IntoIterator<Item = v1::Receipt>) -> Self {
        let receipts = receipts.into_iter().collect();
        Self { names, receipts }
    }

    /// Whether both name the same things and the same entries; proofs and checkpoints may be newer.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let entries = |reply: &Self| -> Vec<_> {
            let receipts = reply.receipts.iter();
            receipts
                .map(|of| {
                    (
                        of.index,
                        of.entry.clone(),
                        of.nonce.clone(),
                        of.decision.clone(),
                    )
                })
                .collect()
        };
        self.names == other.names && entries(self) == entries(other)
    }
}

/// Why there is no reply.
#[derive(Debug, Clone)]
pub enum NoReply {
    /// The router said no: nothing happened.
    Refused(Reason),
    /// Nobody knows: the router was away, or went away.
    Lost(String),
    /// This side could not make the request.
    NotSent(String),
}

impl std::fmt::Display for NoReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Lost(why) => write!(f, "no answer: {why}"),
            Self::NotSent(why) => write!(f, "not sent: {why}"),
        }
    }
}

impl From<Status> for NoReply {
    fn from(status: Status) -> Self {
        let refused = Refused::from_status(&status);
        match status.code() {
            Code::Unavailable
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::ResourceExhausted => {
                Self::Lost(format!("{:?} {}", status.code(), refused.reason))
            }
            _ => Self::Refused(refused.reason),
        }
    }
}

/// A request to be sent now, with what its sender knew of the log.
pub(super) fn fresh<Q>(desk: &Desk, message: Q) -> Result<(tonic::Request<Q>, Known), NoReply> {
    let session = desk.agency().session();
    let known = session.log().known();
    session
        .request(Some(desk.staff()), message, known.size, Some(CALL_MAX))
        .map(|request| (request, known))
        .map_err(|error| NoReply::NotSent(error.to_string()))
}

/// Sends `request` as `desk`, once.
///
/// # Errors
///
/// [`NoReply`].
pub async fn send(desk: &Desk, request: Request) -> Result<(Reply, Known), NoReply> {
    let channel = desk.agency().session().channel();
    macro_rules! call {
        ($client:ident, $method:ident, $message:expr, $reply:ident => $made:expr) => {{
            let (request, known) = fresh(desk, $message)?;
            let $reply = $client::new(channel).$method(request).await?.into_inner();
            Ok(($made, known))
        }};
    }
    let none = Vec::new;
    match request {
        Request::RecordBasis(message) => call!(BasisServiceClient, record_basis, message, reply =>
            Reply::new(vec![reply.name], reply.receipt)),
        Request::WithdrawBasis(message) => {
            call!(BasisServiceClient, withdraw_basis, message, reply =>
            Reply::new(none(), reply.receipt))
        }
        Request::Create(message) => {
            call!(ReferralServiceClient, create_referral, message, reply => {
                let names = std::iter::once(reply.name).chain(reply.offers).collect();
                Reply::new(names, reply.receipts)
            })
        }
        Request::Deposit(message) => call!(ReferralServiceClient, deposit_parcel, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::Acknowledge(message) => {
            call!(OfferServiceClient, acknowledge_offer, message, reply =>
            Reply::new(none(), reply.receipt))
        }
        Request::Hold(message) => call!(OfferServiceClient, hold_places, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::Accept(message) => call!(OfferServiceClient, accept_offer, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::Decline(message) => call!(OfferServiceClient, decline_offer, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::CheckIn(message) => call!(OfferServiceClient, check_in, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::Complete(message) => call!(OfferServiceClient, complete_offer, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::UpdatePool(message) => call!(PlaceServiceClient, update_pool, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::CheckOut(message) => call!(OfferServiceClient, check_out, message, reply =>
            Reply::new(none(), reply.receipt)),
        Request::FinishPreparing(message) => {
            call!(PlaceServiceClient, finish_preparing, message, reply =>
            Reply::new(none(), reply.receipt))
        }
    }
}

/// Sends `request` as `desk` until it is answered: a router that is busy, or just started, asks to be asked again.
///
/// # Errors
///
/// [`NoReply`] as it was the last time.
pub async fn send_patiently(desk: &Desk, request: Request) -> Result<(Reply, Known), NoReply> {
    for attempt in 1..ATTEMPTS_MAX {
        match send(desk, request.clone()).await {
            Err(NoReply::Lost(_)) => tokio::time::sleep(PAUSE * attempt).await,
            answered => return answered,
        }
    }
    send(desk, request).await
}

/// Opens a parcel; each opening is an entry of its own, so there is no request id.
///
/// # Errors
///
/// [`NoReply`].
pub async fn open(
    desk: &Desk,
    offer: OfferId,
    stage: Stage,
) -> Result<(v1::OpenParcelResponse, Known), NoReply> {
    let message = v1::OpenParcelRequest {
        name: words::offer_name(desk.agency().id(), offer),
        stage: words::stage_number(stage),
    };
    let (request, known) = fresh(desk, message)?;
    let channel = desk.agency().session().channel();
    let reply = OfferServiceClient::new(channel)
        .open_parcel(request)
        .await?;
    Ok((reply.into_inner(), known))
}

/// Sends one stream of an upload, once.
///
/// # Errors
///
/// [`NoReply`].
pub async fn upload(
    desk: &Desk,
    parts: Vec<v1::UploadAttachmentRequest>,
) -> Result<(v1::UploadAttachmentResponse, Known), NoReply> {
    let (request, known) = fresh(desk, parts)?;
    let channel = desk.agency().session().channel();
    let reply = AttachmentServiceClient::new(channel)
        .upload_attachment(request.map(tokio_stream::iter))
        .await?;
    Ok((reply.into_inner(), known))
}
