//! The person's card: a code that stops their case anywhere, and lets another agency ask to go on with it.

use std::sync::LazyLock;

use tokio::sync::Semaphore;

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::random::SystemRandom;
use super::session::request_id;
use super::words;
use crate::domain::code::Code;
use crate::domain::id::{AgencyId, CaseHandle, ResumeId};
use crate::domain::vocabulary::{Purpose, ResumeAnswer};
use crate::envelope::slip::{VALUE_BYTES, value};
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::slip_service_client::SlipServiceClient;

/// Values computed at one moment in one process: each takes 64 MiB.
const COMPUTING_MAX: usize = 2;

static COMPUTING: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(COMPUTING_MAX));

/// A request to go on with a case, as its viewer sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeView {
    /// Its id.
    pub resume: ResumeId,
    /// Whether the source has answered: all that the agency that asked learns.
    pub answered: bool,
    /// What the source sees besides.
    pub asked: Option<ResumeAsked>,
}

/// What a source sees of a request to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumeAsked {
    /// Who asks.
    pub by: AgencyId,
    /// Its own handle of the case.
    pub case: CaseHandle,
    /// For what, if it was said.
    pub purposes: Vec<Purpose>,
    /// Its own answer.
    pub answer: Option<ResumeAnswer>,
}

impl Desk {
    /// A fresh code for a slip.
    #[must_use]
    pub fn new_code(&self) -> Code {
        Code::generate(&mut SystemRandom)
    }

    /// What the router knows of a code. Takes a good part of a second; two at a time.
    async fn code_value(&self, code: &Code) -> Result<[u8; VALUE_BYTES], ClientError> {
        const FAILED: ClientError = ClientError::Reply("a code's value");
        let _slot = COMPUTING.acquire().await.map_err(|_| FAILED)?;
        let (code, origin) = (code.clone(), self.agency().trust().origin.clone());
        let computed = tokio::task::spawn_blocking(move || value(&code, &origin));
        computed.await.map_err(|_| FAILED)
    }

    /// Registers the code on the slip of a case. One that the case had before, on a slip that was lost, stops nothing
    /// any more.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `NOT_FOUND` for a case without any basis; otherwise as any call.
    pub async fn register_code(
        &self,
        case: CaseHandle,
        code: &Code,
    ) -> Result<Proven, ClientError> {
        let request = v1::RegisterCodeRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            case_handle: case.to_string(),
            value: self.code_value(code).await?.to_vec(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                SlipServiceClient::new(channel).register_code(request).await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::CodeRegistered { case: named, .. } if *named == case.to_string())
        })?)
    }

    /// Stops the case of a code, with the person present. The router answers the same whatever the code: say that it is
    /// passed on, not that it was right.
    ///
    /// # Errors
    ///
    /// [`ClientError::Refused`] with `TOO_OFTEN`, whatever the code; otherwise as any call.
    pub async fn withdraw_by_code(&self, code: &Code) -> Result<(), ClientError> {
        let request = v1::WithdrawByCodeRequest {
            parent: words::agency_name(self.agency().id()),
            value: self.code_value(code).await?.to_vec(),
        };
        self.call(request, |channel, request| async move {
            SlipServiceClient::new(channel)
                .withdraw_by_code(request)
                .await
        })
        .await?;
        Ok(())
    }

    /// Asks the first source of a code to go on with the person here, with the person present.
    ///
    /// # Errors
    ///
    /// As [`Desk::withdraw_by_code`].
    pub async fn request_resume(
        &self,
        code: &Code,
        purposes: &[Purpose],
    ) -> Result<ResumeId, ClientError> {
        let request = v1::RequestResumeRequest {
            parent: words::agency_name(self.agency().id()),
            request_id: request_id(),
            value: self.code_value(code).await?.to_vec(),
            purposes: purposes
                .iter()
                .copied()
                .map(words::purpose_number)
                .collect(),
        };
        let (reply, _) = self
            .call(request, |channel, request| async move {
                SlipServiceClient::new(channel)
                    .request_resume(request)
                    .await
            })
            .await?;
        words::own_id(&reply.name, self.agency().id(), "resumes")
    }

    /// A request to go on, asked by this agency or of it.
    ///
    /// # Errors
    ///
    /// As any call; `NOT_FOUND` after 30 days.
    pub async fn resume_request(&self, resume: ResumeId) -> Result<ResumeView, ClientError> {
        let name = words::resume_name(self.agency().id(), resume);
        let (reply, _) = self
            .call(
                v1::GetResumeRequest { name },
                |channel, request| async move {
                    SlipServiceClient::new(channel).get_resume(request).await
                },
            )
            .await?;
        let seen = reply.resume.ok_or(ClientError::Reply("no request"))?;
        let asked = if seen.asker.is_empty() {
            None
        } else {
            let case = seen.case_handle.parse();
            Some(ResumeAsked {
                by: words::agency_of(&seen.asker)?,
                case: case.map_err(|_| ClientError::Reply("a case handle"))?,
                purposes: (seen.purposes.into_iter())
                    .filter_map(words::purpose)
                    .collect(),
                answer: words::resume_answer(seen.answer),
            })
        };
        Ok(ResumeView {
            resume,
            answered: seen.answered,
            asked,
        })
    }

    /// Answers a request to go on. After agreeing, refer the person to the agency that asked, as to any other.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when it was answered before.
    pub async fn answer_resume(
        &self,
        resume: ResumeId,
        answer: ResumeAnswer,
    ) -> Result<Proven, ClientError> {
        let request = v1::AnswerResumeRequest {
            name: words::resume_name(self.agency().id(), resume),
            request_id: request_id(),
            answer: words::resume_answer_number(answer),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                SlipServiceClient::new(channel).answer_resume(request).await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::ResumeAnswered { resume: named, answer: said, .. }
                if *named == resume.to_string() && said == answer.name())
        })?)
    }
}
