//! `AlertService`: what a human of the agency must look at.

use super::Services;
use crate::exchange::alert::AlertView;
use crate::grpc::call::Call;
use crate::grpc::fields::{self, Fields};
use crate::grpc::names;
use crate::grpc::words::Word;
use crate::proto::v1 as proto;
use proto::alert_service_server::AlertService;
use tonic::{Request, Response, Status};

#[tonic::async_trait]
impl AlertService for Services {
    async fn list_alerts(
        &self,
        request: Request<proto::ListAlertsRequest>,
    ) -> Result<Response<proto::ListAlertsResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let parent = fields.agency("parent", &message.parent);
        let page = fields.page(message.page_size, message.page_token);
        let (parent, page) = fields.all((parent, page))?;
        let alerts = self.exchange.alerts(call.caller(), &parent, page).await;
        let alerts = call.read(&self.exchange, alerts).await?;
        Ok(Response::new(proto::ListAlertsResponse {
            alerts: alerts.items.into_iter().map(view).collect(),
            next_page_token: alerts.next,
        }))
    }

    async fn acknowledge_alert(
        &self,
        request: Request<proto::AcknowledgeAlertRequest>,
    ) -> Result<Response<proto::AcknowledgeAlertResponse>, Status> {
        let (call, message) = Call::of(request)?;
        let mut fields = Fields::new();
        let requested = call.requested(&mut fields, &message, &message.request_id);
        let name = fields.alert("name", &message.name);
        let (requested, name) = fields.all((requested, name))?;
        let receipt = self
            .exchange
            .acknowledge_alert(call.caller(), &name, requested)
            .await?;
        let receipt = Some(call.receipt(&receipt)?);
        Ok(Response::new(proto::AcknowledgeAlertResponse { receipt }))
    }
}

fn view(alert: AlertView) -> proto::Alert {
    proto::Alert {
        name: alert.name.to_string(),
        kind: alert.kind.number(),
        about: alert.about,
        by: alert.by.as_ref().map(names::agency).unwrap_or_default(),
        code: alert.code,
        create_time: Some(fields::time(alert.raised)),
        acknowledged: alert.acknowledged,
    }
}
