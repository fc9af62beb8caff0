//! The recipient's side of a correction.

use crate::client::agency::Desk;
use crate::client::error::ClientError;
use crate::client::log::Proven;
use crate::client::session::request_id;
use crate::client::words;
use crate::domain::id::OfferId;
use crate::domain::vocabulary::Stage;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::offer_service_client::OfferServiceClient;

impl Desk {
    /// Confirms a correction that was opened: one tap, and the source knows that nobody works with what was wrong.
    ///
    /// # Errors
    ///
    /// As any call; `NOT_FOUND` before the correction was opened.
    pub async fn confirm_amendment(
        &self,
        offer: OfferId,
        stage: Stage,
    ) -> Result<Proven, ClientError> {
        let request = v1::ConfirmAmendmentRequest {
            name: words::offer_name(self.agency().id(), offer),
            request_id: request_id(),
            stage: words::stage_number(stage),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                OfferServiceClient::new(channel)
                    .confirm_amendment(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::AmendmentConfirmed { offer: named, stage: at, .. }
                if *named == offer.to_string() && at == stage.name())
        })?)
    }
}
