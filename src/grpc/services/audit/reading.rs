//! One open stream of acts.

use super::act;
use crate::exchange::Exchange;
use crate::exchange::acts::Reading;
use crate::grpc::listener::Peer;
use crate::grpc::status;
use crate::proto::v1 as proto;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// Longest life of a stream: below a connection's. A reader goes on from the index that it was told last.
const STREAM_AGE_MAX: Duration = Duration::from_secs(14 * 60);

/// How long a reader may take none at all.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// One stream and its reader.
pub(super) struct Answering {
    pub(super) exchange: Arc<Exchange>,
    pub(super) peer: Peer,
    pub(super) drain: CancellationToken,
    pub(super) runs: mpsc::Sender<Result<proto::ReadActsResponse, Status>>,
}

impl Answering {
    /// Answers until the end, or until the reader goes, the router drains, the certificate is revoked or the stream is
    /// old.
    pub(super) async fn answer(&self, reading: Reading) {
        let aged = tokio::time::sleep(STREAM_AGE_MAX);
        tokio::select! {
            biased;
            () = self.runs.closed() => {}
            () = self.peer.revoked.cancelled() => {
                let _ = self.runs.try_send(Err(status::AUTHENTICATION_FAILED.into()));
            }
            () = self.drain.cancelled() => {}
            () = aged => {}
            () = self.send_all(reading) => {}
        }
    }

    async fn send_all(&self, mut reading: Reading) {
        loop {
            let run = match self.still_valid() {
                Ok(()) => reading.next(&self.exchange).await.map_err(Status::from),
                Err(refused) => Err(refused),
            };
            let last = run.is_err() || reading.is_over();
            let message = run.map(|run| proto::ReadActsResponse {
                acts: run.acts.into_iter().map(act).collect(),
                next_index: run.next,
                end_index: run.end,
            });
            let sent = tokio::time::timeout(READER_PATIENCE, self.runs.send(message)).await;
            if last || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// The token was checked at the start; the certificate is at each run, and membership with the mandate (invariants
    /// 13, 19).
    fn still_valid(&self) -> Result<(), Status> {
        self.peer
            .still_valid(self.exchange.now())
            .map_err(|_| status::AUTHENTICATION_FAILED.into())
    }
}
