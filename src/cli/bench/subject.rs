//! What is measured: one source, one recipient, and calls made straight through the generated client, so that
//! the client's own checks do not compete with the router for the processor.

use std::sync::Arc;
use std::time::Duration;

use tonic::transport::Channel;

use super::echo::{EchoReply, EchoRequest, PATH};
use crate::client::agency::Desk;
use crate::client::connect::{ConnectError, channel};
use crate::client::error::ClientError;
use crate::client::random::SystemRandom;
use crate::client::session::request_id;
use crate::client::source::{Ask, BasisDraft, Candidate, PreparedReferral};
use crate::demo::town::{Town, TownError};
use crate::domain::basis::{Allow, Basis};
use crate::domain::id::CaseHandle;
use crate::domain::label::{Label, LabelSet};
use crate::domain::random::Random;
use crate::domain::vocabulary::{
    Asked, BasisKind, Category, ChildTold, Form, GivenBy, InterpreterClass, Purpose, StaffRole,
    Stage, Urgency,
};
use crate::envelope::disclosure::Field;
use crate::proto::v1;
use crate::proto::v1::offer_service_client::OfferServiceClient;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

/// Sealed fields of each triage parcel.
pub const FIELDS: usize = 12;

/// Calls in flight on one connection: the limit that the listener sets.
const IN_FLIGHT_PER_CONNECTION: usize = 32;

/// How long a call may take: past this something is broken.
const CALL_MAX: Duration = Duration::from_secs(30);

/// What a bench cannot go on after.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The town.
    #[error(transparent)]
    Town(#[from] TownError),
    /// A client.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A measured call was refused.
    #[error("a measured call failed: {0}")]
    Call(String),
    /// A file or process.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

impl From<tonic::Status> for BenchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(format!("{:?} {}", status.code(), status.message()))
    }
}

/// The source `alpha` and the recipient `house1` of a town, with a basis between them.
pub struct Subject {
    source: Desk,
    recipient: Desk,
    basis: Basis,
    case: CaseHandle,
}

impl Subject {
    /// Mirrors the directory on both sides and records a basis.
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    pub async fn prepare(town: &Town) -> Result<Self, BenchError> {
        let source = town.desk("alpha", "bench-source", StaffRole::Caseworker)?;
        let recipient = town.desk("house1", "bench-intake", StaffRole::Intake)?;
        source.mirror().await?;
        recipient.mirror().await?;
        let case = CaseHandle::from_random(SystemRandom.array());
        let now = source.now();
        let mut labels = LabelSet::EMPTY;
        triage_labels().for_each(|label| labels.insert_up_to(label));
        let basis = source
            .record_basis(BasisDraft {
                case,
                recipient: recipient.agency().id().clone(),
                kind: BasisKind::Consent,
                allows: vec![Allow {
                    purposes: vec![Purpose::SafeAccommodation],
                    labels,
                    asked: Asked::Bundle,
                    until: now.plus(Duration::from_secs(20 * 86_400)),
                    reply: false,
                }],
                given_by: GivenBy::Itself,
                asked_alone: true,
                interpreter: InterpreterClass::Telephone,
                child_told: ChildTold::NotApplicable,
                for_child: Default::default(),
                evidence: SystemRandom.array(),
            })
            .await?;
        Ok(Self {
            source,
            recipient,
            basis,
            case,
        })
    }

    /// One referral with one offer and a triage parcel of [`FIELDS`] fields, sealed, not sent.
    ///
    /// # Errors
    ///
    /// [`BenchError::Client`].
    pub fn sealed(&self) -> Result<PreparedReferral, BenchError> {
        let ask = Ask {
            case: self.case,
            purpose: Purpose::SafeAccommodation,
            // No clock rings while it is measured.
            urgency: Urgency::Normal,
            decide_by: self.source.now().plus(Duration::from_secs(2 * 86_400)),
        };
        let fields = triage_labels()
            .cycle()
            .take(FIELDS)
            .enumerate()
            .map(|(number, label)| Field {
                path: format!("bench.field_{number}"),
                label,
                value: serde_json::Value::from("a value of the usual length"),
            })
            .collect();
        let candidate = Candidate {
            basis: &self.basis,
            parcels: vec![(Stage::Triage, fields)],
        };
        Ok(self.source.prepare_referral(&ask, &[candidate])?)
    }

    /// `count` sealed referrals, made on every processor.
    ///
    /// # Errors
    ///
    /// [`BenchError::Client`].
    pub fn sealed_many(&self, count: usize) -> Result<Vec<v1::CreateReferralRequest>, BenchError> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|worker| {
                    scope.spawn(move || {
                        (worker..count)
                            .step_by(threads)
                            .map(|_| self.sealed().map(PreparedReferral::into_request))
                            .collect::<Result<Vec<_>, _>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(count);
            for worker in workers {
                match worker.join() {
                    Ok(sealed) => all.extend(sealed?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(all)
        })
    }

    /// `count` referrals of one sealed parcel, each a request of its own: to the router as good as sealed anew, and
    /// quicker to make, for filling a store.
    ///
    /// # Errors
    ///
    /// [`BenchError::Client`].
    pub fn copies(&self, count: usize) -> Result<Vec<v1::CreateReferralRequest>, BenchError> {
        let sealed = self.sealed()?.into_request();
        let copy = |_| v1::CreateReferralRequest {
            request_id: request_id(),
            ..sealed.clone()
        };
        Ok((0..count).map(copy).collect())
    }

    /// Connections enough for `in_flight` calls of the source.
    ///
    /// # Errors
    ///
    /// [`BenchError::Connect`].
    pub fn source_calls(&self, town: &Town, in_flight: usize) -> Result<Calls, BenchError> {
        Calls::connect(&self.source, town.address(), in_flight)
    }

    /// Connections enough for `in_flight` calls of the recipient.
    ///
    /// # Errors
    ///
    /// [`BenchError::Connect`].
    pub fn recipient_calls(&self, town: &Town, in_flight: usize) -> Result<Calls, BenchError> {
        Calls::connect(&self.recipient, town.address(), in_flight)
    }

    /// Connections of the source to an echo at `port`.
    ///
    /// # Errors
    ///
    /// [`BenchError::Connect`].
    pub fn echo_calls(
        &self,
        town: &Town,
        port: u16,
        in_flight: usize,
    ) -> Result<Calls, BenchError> {
        let mut address = town.address();
        address.port = port;
        Calls::connect(&self.source, address, in_flight)
    }

    /// The recipient's name of an offer that the source calls `name`.
    #[must_use]
    pub fn recipients_name(&self, name: &str) -> String {
        let id = name.rsplit('/').next().unwrap_or_default();
        format!("agencies/{}/offers/{id}", self.recipient.agency().id())
    }
}

/// Labels that the shipped protocol shows a shelter at triage.
fn triage_labels() -> impl Iterator<Item = Label> + Clone {
    [
        (Category::Language, Form::Whole),
        (Category::PlacementNeeds, Form::Whole),
        (Category::Age, Form::Band),
        (Category::CareNeeds, Form::Coded),
        (Category::Threat, Form::Coded),
        (Category::Family, Form::Counts),
    ]
    .into_iter()
    .filter_map(|(category, form)| Label::new(category, form).ok())
}

/// Connections of one desk, used in turn.
#[derive(Clone)]
pub struct Calls {
    channels: Arc<Vec<Channel>>,
    desk: Desk,
}

impl Calls {
    fn connect(
        desk: &Desk,
        address: crate::client::connect::RouterAddress,
        in_flight: usize,
    ) -> Result<Self, BenchError> {
        let agency = desk.agency();
        let channels = (0..in_flight.div_ceil(IN_FLIGHT_PER_CONNECTION))
            .map(|_| channel(&address, &agency.trust().roots, agency.keys().tls()))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            channels: Arc::new(channels),
            desk: desk.clone(),
        })
    }

    fn channel(&self, worker: usize) -> Channel {
        self.channels[worker % self.channels.len()].clone()
    }

    fn request<Q>(&self, message: Q) -> Result<tonic::Request<Q>, BenchError> {
        let session = self.desk.agency().session();
        Ok(session.request(Some(self.desk.staff()), message, 0, Some(CALL_MAX))?)
    }

    /// `CreateReferral`; returns the source's name of the offer.
    ///
    /// # Errors
    ///
    /// [`BenchError::Call`].
    pub async fn create(
        &self,
        worker: usize,
        message: v1::CreateReferralRequest,
    ) -> Result<String, BenchError> {
        let mut client = ReferralServiceClient::new(self.channel(worker));
        let reply = client
            .create_referral(self.request(message)?)
            .await?
            .into_inner();
        let mut offers = reply.offers;
        offers
            .pop()
            .ok_or_else(|| BenchError::Call("no offer in the reply".into()))
    }

    /// `OpenParcel` of the triage stage.
    ///
    /// # Errors
    ///
    /// [`BenchError::Call`].
    pub async fn open(&self, worker: usize, name: String) -> Result<(), BenchError> {
        let message = v1::OpenParcelRequest {
            name,
            stage: v1::Stage::Triage.into(),
        };
        let mut client = OfferServiceClient::new(self.channel(worker));
        client.open_parcel(self.request(message)?).await?;
        Ok(())
    }

    /// One echo, with the same headers as any other call.
    ///
    /// # Errors
    ///
    /// [`BenchError::Call`].
    pub async fn echo(&self, worker: usize, message: EchoRequest) -> Result<(), BenchError> {
        let mut grpc = tonic::client::Grpc::new(self.channel(worker));
        grpc.ready()
            .await
            .map_err(|error| BenchError::Call(error.to_string()))?;
        let codec = tonic_prost::ProstCodec::<EchoRequest, EchoReply>::default();
        let path = http::uri::PathAndQuery::from_static(PATH);
        grpc.unary(self.request(message)?, path, codec).await?;
        Ok(())
    }
}
