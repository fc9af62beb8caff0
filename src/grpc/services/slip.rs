//! `SlipService`: codes that stop a case, and requests to go on with one.

use super::Services;
use crate::domain::vocabulary::{Purpose, ResumeAnswer};
use crate::exchange::slip::{PURPOSES_MAX, Resume};
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::names;
use crate::grpc::words::{Word, number_or_zero};
use crate::proto::v1 as proto;
use proto::slip_service_server::SlipService;
use tonic::{Request, Response, Status};

const VALUE: &str = "must be 32 bytes";

#[tonic::async_trait]
impl SlipService for Services {
    async fn register_code(
        &self,
        request: Request<proto::RegisterCodeRequest>,
    ) -> Result<Response<proto::RegisterCodeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let case = fields.case_handle("case_handle", &message.case_handle);
        let value = fields.array("value", &message.value, VALUE);
        let (requested, parent, case, value) = fields.all((requested, parent, case, value))?;
        let receipt = self
            .exchange
            .register_code(call.caller(), &parent, requested, case, value)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::RegisterCodeResponse { receipt }))
    }

    async fn withdraw_by_code(
        &self,
        request: Request<proto::WithdrawByCodeRequest>,
    ) -> Result<Response<proto::WithdrawByCodeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let value = fields.array("value", &message.value, VALUE);
        let (parent, value) = fields.all((parent, value))?;
        self.exchange
            .withdraw_by_code(call.caller(), &parent, value)
            .await?;
        Ok(Response::new(proto::WithdrawByCodeResponse {}))
    }

    async fn request_resume(
        &self,
        request: Request<proto::RequestResumeRequest>,
    ) -> Result<Response<proto::RequestResumeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let parent = fields.agency("parent", &message.parent);
        let value = fields.array("value", &message.value, VALUE);
        let few = message.purposes.len() <= PURPOSES_MAX;
        let few = fields.when("purposes", few, "must be at most 8", ());
        let purposes = message.purposes.iter().enumerate();
        let purposes = purposes
            .map(|(at, &number)| fields.word::<Purpose>(&format!("purposes[{at}]"), number))
            .collect::<Vec<_>>();
        let purposes = purposes.into_iter().collect::<Option<Vec<_>>>();
        let (requested, parent, value, (), purposes) =
            fields.all((requested, parent, value, few, purposes))?;
        let name = self
            .exchange
            .request_resume(call.caller(), &parent, requested, value, purposes)
            .await?;
        let name = name.to_string();
        Ok(Response::new(proto::RequestResumeResponse { name }))
    }

    async fn get_resume(
        &self,
        request: Request<proto::GetResumeRequest>,
    ) -> Result<Response<proto::GetResumeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let name = fields.resume("name", &message.name);
        let (name,) = fields.all((name,))?;
        let resume = self.exchange.resume_request(call.caller(), &name).await;
        let resume = call.read(&self.exchange, resume).await?;
        let resume = Some(view(resume));
        Ok(Response::new(proto::GetResumeResponse { resume }))
    }

    async fn answer_resume(
        &self,
        request: Request<proto::AnswerResumeRequest>,
    ) -> Result<Response<proto::AnswerResumeResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.resume("name", &message.name);
        let answer = fields.word::<ResumeAnswer>("answer", message.answer);
        let (requested, name, answer) = fields.all((requested, name, answer))?;
        let receipt = self
            .exchange
            .answer_resume(call.caller(), &name, requested, answer)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AnswerResumeResponse { receipt }))
    }
}

fn view(resume: Resume) -> proto::Resume {
    let seen = proto::Resume {
        name: resume.name.to_string(),
        answered: resume.answered,
        ..proto::Resume::default()
    };
    let Some(asked) = resume.asked else {
        return seen;
    };
    proto::Resume {
        asker: names::agency(&asked.by),
        case_handle: asked.case.to_string(),
        purposes: asked.purposes.into_iter().map(Word::number).collect(),
        request_time: Some(fields::time(asked.at)),
        answer: number_or_zero(asked.answer),
        ..seen
    }
}
