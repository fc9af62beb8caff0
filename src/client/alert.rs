//! What a human of this agency must look at.

use super::agency::Desk;
use super::error::ClientError;
use super::log::Proven;
use super::session::request_id;
use super::words;
use crate::domain::id::{AgencyId, AlertId};
use crate::domain::time::Timestamp;
use crate::domain::vocabulary::AlertKind;
use crate::ledger::decision::Decision;
use crate::proto::v1;
use crate::proto::v1::alert_service_client::AlertServiceClient;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertView {
    /// Its id.
    pub id: AlertId,
    /// Why a human must look.
    pub kind: AlertKind,
    /// This agency's own resource that it is about; empty for none.
    pub about: String,
    /// Agency that caused it, where this one may know.
    pub by: Option<AgencyId>,
    /// Coded words, separated by slashes.
    pub code: String,
    /// When, to the minute.
    pub raised: Option<Timestamp>,
    /// Whether somebody here has taken it.
    pub acknowledged: bool,
}

impl Desk {
    /// Every alert of this agency, in the order raised.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn alerts(&self) -> Result<Vec<AlertView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = v1::ListAlertsRequest {
                parent: words::agency_name(self.agency().id()),
                page_size: 100,
                page_token,
            };
            let (reply, _) = self
                .call(request, |channel, request| async move {
                    AlertServiceClient::new(channel).list_alerts(request).await
                })
                .await?;
            for alert in reply.alerts {
                found.push(self.read_alert(alert)?);
            }
            page_token = reply.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn read_alert(&self, alert: v1::Alert) -> Result<AlertView, ClientError> {
        let by = (!alert.by.is_empty()).then(|| words::agency_of(&alert.by));
        Ok(AlertView {
            id: words::own_id(&alert.name, self.agency().id(), "alerts")?,
            kind: words::alert_kind(alert.kind).ok_or(ClientError::Reply("an alert's kind"))?,
            by: by.transpose()?,
            raised: alert.create_time.as_ref().and_then(words::from_proto_time),
            about: alert.about,
            code: alert.code,
            acknowledged: alert.acknowledged,
        })
    }

    /// Takes an alert: somebody here looks at it, and it goes no further.
    ///
    /// # Errors
    ///
    /// As any call; `STATE` when somebody has taken it before.
    pub async fn acknowledge_alert(&self, alert: AlertId) -> Result<Proven, ClientError> {
        let request = v1::AcknowledgeAlertRequest {
            name: words::alert_name(self.agency().id(), alert),
            request_id: request_id(),
        };
        let (reply, known) = self
            .call(request, |channel, request| async move {
                AlertServiceClient::new(channel)
                    .acknowledge_alert(request)
                    .await
            })
            .await?;
        let proven = self.prove(reply.receipt.as_ref(), known).await?;
        Ok(proven.expect(|decision| {
            matches!(decision, Decision::AlertAcknowledged { alert: named, .. }
                if *named == alert.to_string())
        })?)
    }
}
