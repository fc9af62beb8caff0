//! Handing over responsibility for a case, when the person agrees and the other side says yes.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::basis::Basis;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::TransferAnswer;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::offer_service_client::OfferServiceClient;
use crate::proto::v1::referral_service_client::ReferralServiceClient;

impl Desk {
    /// Asks the recipient of an accepted offer to become responsible, on a consent to ONWARD_REFERRAL that names it.
    ///
    /// # Errors
    ///
    /// As any call; `BASIS_NOT_ALLOWED` when the consent does not say so, `STATE` when it is not the time.
    pub async fn propose_transfer(
        &self,
        offer: OfferId,
        basis: &Basis,
    ) -> Result<Proven, ClientError> {
        let agency = self.agency().id();
        let request = v1::ProposeTransferRequest {
            offer: words::offer_name(agency, offer),
            request_id: request_id(),
            basis: words::basis_name(agency, basis.chain),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                ReferralServiceClient::new(channel)
                    .propose_transfer(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::TransferProposed { offer: named, chain, .. }
                if *named == offer.to_string() && *chain == basis.chain.to_string())
        })?)
    }

    /// Answers a proposed transfer; after ACCEPT this agency is responsible.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when none is proposed, or it cannot be accepted any more.
    pub async fn answer_transfer(
        &self,
        offer: OfferId,
        answer: TransferAnswer,
    ) -> Result<Proven, ClientError> {
        let request = v1::AnswerTransferRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            answer: words::transfer_answer_number(answer),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .answer_transfer(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::TransferAnswered { offer: named, answer: told, .. }
                if *named == offer.to_string() && told == answer.name())
        })?)
    }
}
