//! `AuditService`: proofs for everyone, openings for those with a mandate.

use super::Services;
use crate::domain::vocabulary::{AccessFinding, ReviewRule};
use crate::exchange::Page;
use crate::exchange::acts::{ACTS_MAX, About, Question, SeenAct, event_named};
use crate::exchange::audit::RUN_MAX;
use crate::exchange::disposition::Said;
use crate::grpc::call::Call;
use crate::grpc::convert;
use crate::grpc::fields::Fields;
use crate::grpc::listener::Peer;
use crate::grpc::status;
use crate::proto::v1 as proto;
use proto::act_filter::About as AboutField;
use proto::audit_service_server::AuditService;
use reading::Answering;
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

mod reading;

/// Entries or openings of a reply when the request does not say.
const RUN_DEFAULT: usize = 256;

/// Acts of a page when the request does not say.
const PAGE_DEFAULT: usize = 100;

/// Most events named in one question.
const EVENTS_MAX: usize = 32;

/// Runs that wait for a slow reader: one, so that a stream keeps little in memory.
const WAITING_MAX: usize = 1;

#[tonic::async_trait]
impl AuditService for Services {
    async fn get_checkpoint(
        &self,
        request: Request<proto::GetCheckpointRequest>,
    ) -> Result<Response<proto::GetCheckpointResponse>, Status> {
        let (_, _) = Call::of(request)?;
        Ok(Response::new(proto::GetCheckpointResponse {
            checkpoint: self.exchange.checkpoint().await?.to_string(),
            verifier_key: self.exchange.verifier_key().to_owned(),
        }))
    }

    async fn list_entries(
        &self,
        request: Request<proto::ListEntriesRequest>,
    ) -> Result<Response<proto::ListEntriesResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let count = fields.page_size(message.page_size, RUN_DEFAULT, RUN_MAX);
        let (count,) = fields.all((count,))?;
        let entries = self
            .exchange
            .entries(call.caller(), message.start, count)
            .await?;
        Ok(Response::new(proto::ListEntriesResponse { entries }))
    }

    async fn read_openings(
        &self,
        request: Request<proto::ReadOpeningsRequest>,
    ) -> Result<Response<proto::ReadOpeningsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let count = fields.page_size(message.page_size, RUN_DEFAULT, RUN_MAX);
        let (count,) = fields.all((count,))?;
        let openings = self
            .exchange
            .openings(call.caller(), message.start, count)
            .await?;
        let openings = openings
            .into_iter()
            .map(|opening| proto::Opening {
                index: opening.index,
                nonce: opening.nonce,
                decision: opening.decision,
            })
            .collect();
        Ok(Response::new(proto::ReadOpeningsResponse { openings }))
    }

    async fn prove_inclusion(
        &self,
        request: Request<proto::ProveInclusionRequest>,
    ) -> Result<Response<proto::ProveInclusionResponse>, Status> {
        let (_, message) = Call::of(request)?;
        let proof = self
            .exchange
            .prove_inclusion(message.index, message.size)
            .await?;
        let proof = convert::hashes(proof.iter().map(|hash| hash.as_bytes()));
        Ok(Response::new(proto::ProveInclusionResponse { proof }))
    }

    async fn prove_consistency(
        &self,
        request: Request<proto::ProveConsistencyRequest>,
    ) -> Result<Response<proto::ProveConsistencyResponse>, Status> {
        let (_, message) = Call::of(request)?;
        let proof = self
            .exchange
            .prove_consistency(message.old_size, message.new_size)
            .await?;
        let proof = convert::hashes(proof.iter().map(|hash| hash.as_bytes()));
        Ok(Response::new(proto::ProveConsistencyResponse { proof }))
    }

    async fn record_watermark(
        &self,
        request: Request<proto::RecordWatermarkRequest>,
    ) -> Result<Response<proto::RecordWatermarkResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let statement = fields.bytes(
            "statement",
            message.statement,
            convert::STATEMENT_BYTES_MAX,
            "must be a statement of at most 16 KiB",
        );
        let (requested, parent, statement) = fields.all((requested, parent, statement))?;
        let receipt = self
            .exchange
            .record_watermark(call.caller(), &parent, requested, statement)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RecordWatermarkResponse { receipt }))
    }

    type ReadActsStream =
        Pin<Box<dyn Stream<Item = Result<proto::ReadActsResponse, Status>> + Send + 'static>>;

    async fn read_acts(
        &self,
        request: Request<proto::ReadActsRequest>,
    ) -> Result<Response<Self::ReadActsStream>, Status> {
        let peer = request
            .extensions()
            .get::<Peer>()
            .cloned()
            .ok_or_else(|| status::internal(&"a connection without a peer"))?;
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let question = question(&mut fields, message.filter);
        let (question,) = fields.all((question,))?;
        let reading = self
            .exchange
            .read_acts(call.caller(), question, message.start)
            .await?;
        let (runs, stream) = mpsc::channel(WAITING_MAX);
        let answering = Answering {
            exchange: self.exchange.clone(),
            peer,
            drain: self.drain.clone(),
            runs,
        };
        let open = self.metrics.stream();
        tokio::spawn(async move {
            let _open = open;
            answering.answer(reading).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn list_acts(
        &self,
        request: Request<proto::ListActsRequest>,
    ) -> Result<Response<proto::ListActsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let question = question(&mut fields, message.filter);
        let size = fields.page_size(message.page_size, PAGE_DEFAULT, ACTS_MAX);
        let (question, size) = fields.all((question, size))?;
        let token = message.page_token;
        let page = self
            .exchange
            .list_acts(call.caller(), question, message.start, Page { size, token })
            .await?;
        Ok(Response::new(proto::ListActsResponse {
            acts: page.acts.into_iter().map(act).collect(),
            next_page_token: page.token,
            next_index: page.next,
        }))
    }

    async fn record_disposition(
        &self,
        request: Request<proto::RecordDispositionRequest>,
    ) -> Result<Response<proto::RecordDispositionResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let said = said(&mut fields, message.rule, message.index, message.finding);
        let (requested, said) = fields.all((requested, said))?;
        let receipt = self
            .exchange
            .record_disposition(call.caller(), said, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RecordDispositionResponse { receipt }))
    }

    async fn confirm_disposition(
        &self,
        request: Request<proto::ConfirmDispositionRequest>,
    ) -> Result<Response<proto::ConfirmDispositionResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let said = said(&mut fields, message.rule, message.index, message.finding);
        let (requested, said) = fields.all((requested, said))?;
        let receipt = self
            .exchange
            .confirm_disposition(call.caller(), said, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::ConfirmDispositionResponse { receipt }))
    }
}

fn said(fields: &mut Fields, rule: i32, index: u64, finding: i32) -> Option<Said> {
    let rule = fields.word::<ReviewRule>("rule", rule);
    let finding = fields.word::<AccessFinding>("finding", finding);
    Some(Said {
        rule: rule?,
        index,
        finding: finding?,
    })
}

fn act(seen: SeenAct) -> proto::Act {
    proto::Act {
        index: seen.index,
        entry: seen.entry,
        nonce: seen.nonce,
        decision: seen.decision,
    }
}

/// The question of a filter; without one, about everything.
fn question(fields: &mut Fields, filter: Option<proto::ActFilter>) -> Option<Question> {
    let Some(filter) = filter else {
        return Some(Question::default());
    };
    fields.within("filter", |fields| {
        let about = about(fields, filter.about);
        let agency = if filter.agency.is_empty() {
            Some(None)
        } else {
            fields.agency("agency", &filter.agency).map(Some)
        };
        let staff = match (filter.staff.as_str(), filter.agency.as_str()) {
            ("", _) => Some(None),
            (_, "") => fields.wrong("staff", "must come with the agency that it is of"),
            (staff, _) => {
                let expected = "must be a pseudonym of 1 to 64 visible ASCII characters";
                fields.text("staff", staff, expected).map(Some)
            }
        };
        let classes = filter
            .classes
            .iter()
            .map(|class| fields.word("classes", *class))
            .collect::<Option<Vec<_>>>();
        let twice = |classes: &Vec<_>| {
            let mut seen = std::collections::HashSet::new();
            !classes.iter().all(|class| seen.insert(*class))
        };
        let classes = match classes {
            Some(classes) if twice(&classes) => {
                fields.wrong("classes", "must name each class once")
            }
            classes => classes,
        };
        let few = filter.events.len() <= EVENTS_MAX;
        let events = filter.events.iter().map(|event| event_named(event));
        let events = match events.collect::<Option<Vec<_>>>() {
            Some(events) if few => Some(events),
            _ => fields.wrong(
                "events",
                "must be at most 32 names of events as entries carry them",
            ),
        };
        let since = time(fields, "since", filter.since);
        let until = time(fields, "until", filter.until);
        Some(Question {
            about: about?,
            agency: agency?,
            staff: staff?,
            classes: classes?,
            events: events?,
            since: since?,
            until: until?,
        })
    })
}

fn about(fields: &mut Fields, about: Option<AboutField>) -> Option<Option<About>> {
    const ID: &str = "must be 26 characters of lower-case base32";
    let about = match about {
        None => return Some(None),
        Some(AboutField::Offer(id)) => fields.text("offer", &id, ID).map(About::Offer),
        Some(AboutField::Referral(id)) => fields.text("referral", &id, ID).map(About::Referral),
        Some(AboutField::CaseOf(id)) => fields.text("case_of", &id, ID).map(About::CaseOf),
        Some(AboutField::Basis(id)) => fields.text("basis", &id, ID).map(About::Basis),
    };
    about.map(Some)
}

fn time(
    fields: &mut Fields,
    path: &str,
    time: Option<prost_types::Timestamp>,
) -> Option<Option<crate::domain::time::Timestamp>> {
    match time {
        None => Some(None),
        time => fields.time(path, time).map(Some),
    }
}
