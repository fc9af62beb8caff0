//! The police unit: everything that it can observe, before and after.
//!
//! It is given more than it could ever have: the very ids of the referral, the offer and the basis that exist
//! afterwards. What it gets back is compared with what ids that never existed got before (R3, invariant 22).

use prost::Message;
use tonic::{Code, Request, Response, Status};

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::session::request_id;
use crate::client::watch::Doorbell;
use crate::client::words;
use crate::demo::narrate::Stop;
use crate::domain::id::{BasisChainId, OfferId, ReferralId};
use crate::domain::random::Random;
use crate::domain::vocabulary::{StaffRole, Stage};
use crate::proto::v1;
use crate::proto::v1::basis_service_client::BasisServiceClient;
use crate::proto::v1::directory_service_client::DirectoryServiceClient;
use crate::proto::v1::offer_service_client::OfferServiceClient;
use crate::proto::v1::place_service_client::PlaceServiceClient;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

use super::Story;
use super::bed::Samira;
use super::doctor::Farid;
use crate::client::random::SystemRandom;

/// Ids that the unit asks for.
#[derive(Clone, Copy)]
struct Probe {
    offer: OfferId,
    referral: ReferralId,
    chain: BasisChainId,
}

/// One observation: the method, and status with all details or the reply's bytes.
type Observed = (&'static str, String);

/// What the unit observed before anything happened, with the place in its stream of doorbells.
pub(super) struct Before {
    observed: Vec<Observed>,
    bells: tokio::task::JoinHandle<Vec<Doorbell>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Story {
    pub(super) async fn police_before(&mut self) -> Result<Before, Stop> {
        let atu = self.desk("moi-atu", "inspector-3", StaffRole::Supervisor)?;
        let never = Probe {
            offer: OfferId::from_random(SystemRandom.array()),
            referral: ReferralId::from_random(SystemRandom.array()),
            chain: BasisChainId::from_random(SystemRandom.array()),
        };
        let observed = observe(&atu, never).await;
        let observed = self
            .narrator
            .quietly("the police unit looks around", observed)?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let bells = tokio::spawn(listen(atu, stopped));
        Ok(Before {
            observed,
            bells,
            stop,
        })
    }

    pub(super) async fn police_after(
        &mut self,
        before: &Before,
        samira: &Samira,
        farid: &Farid,
    ) -> Result<(), Stop> {
        self.narrator.act("The police unit looks, and cannot tell");
        let atu = self.desk("moi-atu", "inspector-3", StaffRole::Supervisor)?;
        let probes = [
            (
                samira.sent.referral,
                samira.house1,
                samira.bases.first().map(|basis| basis.chain),
            ),
            (
                farid.medic.referral,
                farid.medic_offer,
                Some(farid.medic_basis.chain),
            ),
        ];
        let mut differs = Vec::new();
        let mut calls = 0;
        for (referral, offer, chain) in probes {
            let Some(chain) = chain else { continue };
            let observed = observe(
                &atu,
                Probe {
                    offer,
                    referral,
                    chain,
                },
            )
            .await;
            let observed = self
                .narrator
                .quietly("the police unit looks around", observed)?;
            calls = observed.len();
            let pairs = before.observed.iter().zip(&observed);
            differs.extend(pairs.filter(|(old, new)| old != new).map(|(_, new)| new.0));
        }
        self.narrator.step(
            &format!(
                "moi-atu makes {calls} calls with the true ids of both referrals: every byte is what ids \
                 that never existed got before."
            ),
            differs.is_empty() && calls > 0,
            Some(format!("differs: {}", differs.join(", "))),
        );
        Ok(())
    }

    /// What the unit's doorbell stream said while everything happened.
    pub(super) async fn police_bells(&mut self, before: Before) {
        let _ = before.stop.send(());
        let rung = before.bells.await.unwrap_or_default();
        let rings = rung
            .iter()
            .filter(|bell| matches!(bell, Doorbell::Ring { .. }))
            .count();
        self.narrator.check(
            "Its doorbell stream stayed silent through all of it.",
            rings == 0,
        );
    }
}

/// Listens until told to stop; the directory's own changes concern everyone and are left out.
async fn listen(desk: Desk, mut stopped: tokio::sync::oneshot::Receiver<()>) -> Vec<Doorbell> {
    let mut doorbells = desk.watch(String::new());
    let mut heard = Vec::new();
    loop {
        tokio::select! {
            bell = doorbells.next() => match bell {
                Ok(Doorbell::Ring { kind: v1::EventKind::DirectoryChanged, .. }) => {}
                Ok(bell) => heard.push(bell),
                Err(_) => return heard,
            },
            _ = &mut stopped => return heard,
        }
    }
}

/// Every RPC that a police unit may call, with these ids under its own name and under another's.
async fn observe(desk: &Desk, probe: Probe) -> Result<Vec<Observed>, ClientError> {
    let own = desk.agency().id().clone();
    let other = "house1".parse().map_err(|_| ClientError::Reply("an id"))?;
    let parent = words::agency_name(&own);
    let ask = Asking { desk };
    let mut seen = Vec::new();

    macro_rules! ask {
        ($client:ident.$method:ident, $message:expr) => {
            let channel = desk.agency().session().channel();
            let answer = $client::new(channel).$method(ask.request($message)?).await;
            seen.push((stringify!($method), told(answer)));
        };
    }
    ask!(
        OfferServiceClient.list_offers,
        v1::ListOffersRequest {
            parent: parent.clone(),
            ..Default::default()
        }
    );
    for viewer in [&own, &other] {
        let name = words::offer_name(viewer, probe.offer);
        ask!(
            OfferServiceClient.get_offer,
            v1::GetOfferRequest { name: name.clone() }
        );
        for stage in [Stage::Triage, Stage::Accepted] {
            let (name, stage) = (name.clone(), words::stage_number(stage));
            ask!(
                OfferServiceClient.open_parcel,
                v1::OpenParcelRequest { name, stage }
            );
        }
        let again = request_id();
        ask!(
            OfferServiceClient.acknowledge_offer,
            v1::AcknowledgeOfferRequest {
                name,
                request_id: again
            }
        );
        let name = words::referral_name(viewer, probe.referral);
        ask!(
            ReferralServiceClient.get_referral,
            v1::GetReferralRequest { name }
        );
        let name = words::basis_name(viewer, probe.chain);
        ask!(BasisServiceClient.get_basis, v1::GetBasisRequest { name });
    }
    ask!(
        ReferralServiceClient.list_referrals,
        v1::ListReferralsRequest {
            parent: parent.clone(),
            ..Default::default()
        }
    );
    ask!(
        BasisServiceClient.list_bases,
        v1::ListBasesRequest {
            parent: parent.clone(),
            ..Default::default()
        }
    );
    ask!(
        PlaceServiceClient.list_pools,
        v1::ListPoolsRequest {
            parent: parent.clone()
        }
    );
    let others = words::agency_name(&other);
    ask!(
        PlaceServiceClient.list_pools,
        v1::ListPoolsRequest {
            parent: others.clone()
        }
    );

    let channel = desk.agency().session().channel();
    let mut client = DirectoryServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let whole = client
        .get_directory(ask.request(v1::GetDirectoryRequest { known_digest: 0 })?)
        .await;
    seen.push((
        "get_directory",
        told(whole.map(|reply| without_digest(reply.into_inner()))),
    ));
    let one = client
        .get_agency(ask.request(v1::GetAgencyRequest { name: others })?)
        .await;
    let one = one.map(|reply| v1::GetDirectoryResponse {
        agencies: reply.into_inner().agency.into_iter().collect(),
        digest: None,
    });
    seen.push(("get_agency", told(one.map(without_digest))));
    ask!(
        DirectoryServiceClient.get_protocol,
        v1::GetProtocolRequest { version: 0 }
    );
    Ok(seen)
}

struct Asking<'a> {
    desk: &'a Desk,
}

impl Asking<'_> {
    fn request<Q>(&self, message: Q) -> Result<Request<Q>, ClientError> {
        let deadline = Some(std::time::Duration::from_secs(10));
        self.desk
            .agency()
            .session()
            .request(Some(self.desk.staff()), message, 0, deadline)
    }
}

/// The log's position, size, root and proofs are everyone's, and move with everything (invariant 22's listed set).
fn without_digest(mut reply: v1::GetDirectoryResponse) -> Response<v1::GetDirectoryResponse> {
    reply.digest = None;
    for agency in &mut reply.agencies {
        agency.digest_index = 0;
        agency.digest_proof.clear();
    }
    Response::new(reply)
}

/// A status with its text and details, or a reply, byte for byte.
fn told<R: Message>(answer: Result<Response<R>, Status>) -> String {
    let (code, text, bytes) = match &answer {
        Ok(reply) => (Code::Ok, "", reply.get_ref().encode_to_vec()),
        Err(status) => (status.code(), status.message(), status.details().to_vec()),
    };
    format!("{code:?} {text} {}", data_encoding::HEXLOWER.encode(&bytes))
}
