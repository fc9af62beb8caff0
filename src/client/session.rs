//! One agency's authenticated calls: token, deadline, known log size and retries on every request.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use super::error::ClientError;
use super::log::{Gap, Known, LogView, LogViolation, Proven};
use super::retry::RetryPolicy;
use super::staff::{Staff, TokenMint};
use crate::domain::id::AgencyId;
use crate::domain::time::Timestamp;
use crate::proto::v1;
use crate::proto::v1::audit_service_client::AuditServiceClient;

/// Request header that names the log size whose extension the reply should prove.
pub const KNOWN_SIZE: &str = "safeconduct-known-size";

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The system's clock; the epoch when it stands before that.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis())
            .ok()
            .and_then(Timestamp::from_millis)
            .unwrap_or(Timestamp::MAX)
    })
}

/// A connection of one agency, good for every member of its staff.
#[derive(Clone)]
pub struct Session {
    agency: AgencyId,
    channel: Channel,
    mint: Arc<TokenMint>,
    log: Arc<LogView>,
    policy: RetryPolicy,
    clock: Clock,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("agency", &self.agency)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session over `channel`.
    #[must_use]
    pub fn new(
        agency: AgencyId,
        channel: Channel,
        mint: TokenMint,
        log: Arc<LogView>,
        clock: Clock,
    ) -> Self {
        Self {
            agency,
            channel,
            mint: Arc::new(mint),
            log,
            policy: RetryPolicy::default(),
            clock,
        }
    }

    /// The same session with another retry policy.
    #[must_use]
    pub fn with_policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// The agency.
    #[must_use]
    pub const fn agency(&self) -> &AgencyId {
        &self.agency
    }

    /// `agencies/{agency}`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("agencies/{}", self.agency)
    }

    /// What the clock says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// What this agency has seen of the log.
    #[must_use]
    pub fn log(&self) -> &LogView {
        &self.log
    }

    /// The channel, for calls that go around this session's retries.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// `message` as `staff` would send it: token, known log size, deadline. Without staff, the certificate alone
    /// speaks: enough for an agency's first key bundle, which brings the staff-token key.
    ///
    /// # Errors
    ///
    /// [`ClientError::Token`] when the staff-token key cannot sign.
    pub fn request<Q>(
        &self,
        staff: Option<&Staff>,
        message: Q,
        known_size: u64,
        deadline: Option<Duration>,
    ) -> Result<Request<Q>, ClientError> {
        let mut request = Request::new(message);
        if let Some(staff) = staff {
            let token = self.mint.token(staff, self.now())?;
            let bearer: MetadataValue<Ascii> = format!("Bearer {token}")
                .parse()
                .expect("a compact JWS is visible ASCII");
            request.metadata_mut().insert("authorization", bearer);
        }
        if known_size > 0 {
            request.metadata_mut().insert(KNOWN_SIZE, known_size.into());
        }
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        Ok(request)
    }

    /// Calls `method` as `staff` with `message`, again and again as the policy says.
    ///
    /// # Errors
    ///
    /// As [`RetryPolicy::run`].
    pub async fn call<Q, R, F, Fut>(
        &self,
        staff: &Staff,
        message: Q,
        method: F,
    ) -> Result<R, ClientError>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        Ok(self.call_known(Some(staff), message, method).await?.0)
    }

    /// As [`Session::call`], with the log size that the request named, for [`Session::prove`].
    ///
    /// # Errors
    ///
    /// As [`RetryPolicy::run`].
    pub async fn call_known<Q, R, F, Fut>(
        &self,
        staff: Option<&Staff>,
        message: Q,
        method: F,
    ) -> Result<(R, Known), ClientError>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> Fut,
        Fut: Future<Output = Result<Response<R>, Status>>,
    {
        // Minted before the first attempt, so that a key that cannot sign is not taken for a refusal.
        if let Some(staff) = staff {
            self.mint.token(staff, self.now())?;
        }
        let known = self.log.known();
        let reply = self
            .policy
            .run(|left| {
                let request = self.request(staff, message.clone(), known.size, Some(left));
                let reply = request.map(|request| method(self.channel.clone(), request));
                async move {
                    match reply {
                        Ok(reply) => reply.await.map(Response::into_inner),
                        Err(_) => Err(Status::internal("the staff-token key cannot sign")),
                    }
                }
            })
            .await?;
        Ok((reply, known))
    }

    /// Verifies a reply's receipt, asking for a further consistency proof where replies overtook each other.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] when the log contradicts itself; otherwise as [`Session::call`].
    pub async fn prove(
        &self,
        staff: &Staff,
        receipt: Option<&v1::Receipt>,
        known: Known,
    ) -> Result<Proven, ClientError> {
        let (proven, gap) = self.log.take(receipt, known)?;
        if let (Some(receipt), Some(gap)) = (receipt, gap) {
            self.close(staff, Some(gap), &receipt.checkpoint).await?;
            self.log.keep(&proven);
        }
        Ok(proven)
    }

    /// Asks for the proofs that tie the checkpoint in `note` to what was seen before.
    async fn close(
        &self,
        staff: &Staff,
        mut gap: Option<Gap>,
        note: &str,
    ) -> Result<(), ClientError> {
        while let Some(open) = gap {
            let proof = self.prove_gap(staff, open).await?;
            gap = self.log.close(open, &proof, note)?;
        }
        Ok(())
    }

    /// What the router shows for one checkpoint continuing another.
    async fn prove_gap(&self, staff: &Staff, gap: Gap) -> Result<Vec<Vec<u8>>, ClientError> {
        let sizes = v1::ProveConsistencyRequest {
            old_size: gap.old.0,
            new_size: gap.new.0,
        };
        let reply = self
            .call(staff, sizes, |channel, request| async move {
                AuditServiceClient::new(channel)
                    .prove_consistency(request)
                    .await
            })
            .await
            .map_err(rewound)?;
        Ok(reply.proof)
    }

    /// The latest checkpoint that the router shows, believed: signed, and one log with what was seen before.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] when it is not; otherwise as [`Session::call`].
    pub async fn checkpoint(&self, staff: &Staff) -> Result<String, ClientError> {
        let known = self.log.known();
        let reply = self
            .call(
                staff,
                v1::GetCheckpointRequest {},
                |channel, request| async move {
                    AuditServiceClient::new(channel)
                        .get_checkpoint(request)
                        .await
                },
            )
            .await?;
        let gap = self.log.take_checkpoint_since(&reply.checkpoint, known)?;
        self.close(staff, gap, &reply.checkpoint).await?;
        Ok(reply.checkpoint)
    }

    /// Whether another party was shown the same log as this one, by the checkpoint that it kept.
    ///
    /// # Errors
    ///
    /// [`ClientError::Log`] when it was not, or the router cannot prove it; otherwise as [`Session::call`].
    pub async fn compare(&self, staff: &Staff, note: &str) -> Result<(), ClientError> {
        self.checkpoint(staff).await?;
        if let Some(gap) = self.log.compare(note)? {
            gap.closes(&self.prove_gap(staff, gap).await?)?;
        }
        Ok(())
    }
}

/// A router that has fewer entries than it signed before cannot prove anything about them.
fn rewound(error: ClientError) -> ClientError {
    match error {
        ClientError::Refused(refused) if refused.code == Code::OutOfRange => {
            LogViolation::Rewound.into()
        }
        other => other,
    }
}

/// A fresh request id (AIP-155), ordered by time: the router keeps requests of one hour together, and it knows when
/// each came anyway.
#[must_use]
pub fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
