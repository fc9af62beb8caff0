//! What widens access: two administrators, two signatures, each by its own key.

use crate::domain::id::{AgencyId, ProposalId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AgencyKind;
use crate::envelope::act::{Act, ActBody, Approval, act_digest};
use crate::envelope::keys::Signer;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::administration_service_client::AdministrationServiceClient;

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::session::request_id;

impl Desk {
    fn sign_act(&self, body: ActBody, signer: &dyn Signer) -> Result<Vec<u8>, ClientError> {
        let issued = whole_seconds(self.now());
        let origin = self.agency().trust().origin.clone();
        Ok(Act {
            issued,
            origin,
            body,
        }
        .sign(signer)?)
    }

    /// Proposes an act under one administrator's signature; gives the proposal's id and the act, for the other
    /// administrator to read before signing.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn propose(
        &self,
        body: ActBody,
        signer: &dyn Signer,
    ) -> Result<(ProposalId, Vec<u8>), ClientError> {
        let act = self.sign_act(body, signer)?;
        let request = v1::ProposeRequest {
            request_id: request_id(),
            act: act.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                AdministrationServiceClient::new(channel)
                    .propose(request)
                    .await
            })
            .await?;
        let proposal: ProposalId = reply
            .name
            .strip_prefix("proposals/")
            .and_then(|id| id.parse().ok())
            .ok_or(ClientError::Reply("a proposal's name"))?;
        self.prove(reply.receipt.as_ref(), known)
            .await?
            .expect(|decision| {
                matches!(decision, Decision::Proposed { proposal: named, statement }
                if *named == proposal.to_string() && statement.as_bytes() == act)
            })?;
        Ok((proposal, act))
    }

    /// Approves a proposed act under the other administrator's signature.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn approve(
        &self,
        proposal: ProposalId,
        act: &[u8],
        signer: &dyn Signer,
    ) -> Result<Proven, ClientError> {
        let approval = Approval {
            issued: whole_seconds(self.now()),
            act: act_digest(act),
        };
        let approval = approval.sign(signer)?;
        let request = v1::ApproveRequest {
            name: format!("proposals/{proposal}"),
            request_id: request_id(),
            approval: approval.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                AdministrationServiceClient::new(channel)
                    .approve(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::Approved { statement, approval: told, .. }
                if statement.as_bytes() == act && told.as_bytes() == approval)
        })?)
    }

    /// Enrols an agency: proposed by the first administrator, approved by the second.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn enrol(
        &self,
        agency: &AgencyId,
        kind: AgencyKind,
        parent: Option<&AgencyId>,
        administrators: [&dyn Signer; 2],
    ) -> Result<Proven, ClientError> {
        let [first, second] = administrators;
        let body = ActBody::Enrol {
            agency: agency.clone(),
            kind,
            parent: parent.cloned(),
        };
        let (proposal, act) = self.propose(body, first).await?;
        self.approve(proposal, &act, second).await
    }

    /// Publishes a version of the members' protocol.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn publish_protocol(
        &self,
        version: u64,
        toml: &str,
        administrators: [&dyn Signer; 2],
    ) -> Result<Proven, ClientError> {
        let [first, second] = administrators;
        let body = ActBody::PublishProtocol {
            version,
            toml: toml.to_owned(),
        };
        let (proposal, act) = self.propose(body, first).await?;
        self.approve(proposal, &act, second).await
    }

    /// Suspends an agency at once, under one signature.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn suspend(
        &self,
        agency: &AgencyId,
        signer: &dyn Signer,
    ) -> Result<Proven, ClientError> {
        let act = self.sign_act(
            ActBody::Suspend {
                agency: agency.clone(),
            },
            signer,
        )?;
        let request = v1::SuspendAgencyRequest {
            request_id: request_id(),
            act: act.clone(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                AdministrationServiceClient::new(channel)
                    .suspend_agency(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::Suspended { statement } if statement.as_bytes() == act)
        })?)
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds()).unwrap_or(at)
}
