//! What a house's bell rang, up to now.

use std::time::Duration;

use tokio::time::timeout;
use tonic::{Status, Streaming};

use crate::client::agency::Desk;
use crate::client::error::{ClientError, Refused};
use crate::client::words;
use crate::domain::id::OfferId;
use crate::proto::v1;
use crate::proto::v1::event_service_client::EventServiceClient;

/// How long a bell that has rung may take to be heard, in real time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Hears everything that was rung before it asks, which a stream left open does not promise: the surge acts in steps
/// of a clock that waits for nobody.
#[derive(Debug)]
pub struct Bells {
    desk: Desk,
    heard: String,
}

impl Bells {
    /// Listens from now on.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn of(desk: Desk) -> Result<Self, ClientError> {
        let mut bells = Self {
            desk,
            heard: String::new(),
        };
        bells.heard = bells.latest().await?;
        Ok(bells)
    }

    /// Offers that were new since it was asked last.
    ///
    /// # Errors
    ///
    /// As any call.
    pub async fn new_offers(&mut self) -> Result<Vec<OfferId>, ClientError> {
        let latest = self.latest().await?;
        if latest == self.heard {
            return Ok(Vec::new());
        }
        let mut stream = self.listen(&self.heard).await?;
        let mut found = Vec::new();
        while self.heard != latest {
            let Some(event) = next(&mut stream).await? else {
                return Err(ClientError::Reply("the stream ended early"));
            };
            if event.kind() == v1::EventKind::OfferReceived {
                let agency = self.desk.agency().id();
                found.push(words::own_id(&event.resource, agency, "offers")?);
            }
            self.heard = event.resume_token;
        }
        Ok(found)
    }

    /// Where the doorbells stand: a fresh stream says so at once.
    async fn latest(&self) -> Result<String, ClientError> {
        let mut stream = self.listen("").await?;
        let first = next(&mut stream).await?;
        first
            .map(|event| event.resume_token)
            .ok_or(ClientError::Reply("no heartbeat"))
    }

    async fn listen(&self, from: &str) -> Result<Streaming<v1::WatchResponse>, ClientError> {
        let session = self.desk.agency().session();
        let message = v1::WatchRequest {
            parent: session.name(),
            resume_token: from.to_owned(),
        };
        let request = session.request(Some(self.desk.staff()), message, 0, None)?;
        let mut client = EventServiceClient::new(session.channel());
        Ok(client.watch(request).await.map_err(refused)?.into_inner())
    }
}

async fn next(
    stream: &mut Streaming<v1::WatchResponse>,
) -> Result<Option<v1::WatchResponse>, ClientError> {
    let message = timeout(PATIENCE, stream.message()).await;
    message
        .map_err(|_| ClientError::Reply("a bell was not heard"))?
        .map_err(refused)
}

fn refused(status: Status) -> ClientError {
    Refused::from_status(&status).into()
}
