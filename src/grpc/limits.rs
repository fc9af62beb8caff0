//! Every number of the public listener, with its unit and reason.
//!
//! Set by hand, since the libraries' defaults leave several of them off.

use std::time::Duration;

use tonic::transport::Server;

/// Open connections: a desk or a case system each, and room for a country's members; about 64 KiB each.
pub const CONNECTIONS_MAX: usize = 1024;

/// Open connections of one agency: its desks and its system. One member must not take everybody's places.
pub const CONNECTIONS_PER_AGENCY_MAX: usize = 64;

/// Handshakes at a time: each costs an ECDSA verification and an ML-KEM encapsulation.
pub const HANDSHAKES_MAX: usize = 128;

/// Handshakes of one network address at a time: a quarter of all, so that one address cannot take every turn. Agencies
/// behind one address wait for each other, some milliseconds each.
pub const HANDSHAKES_PER_ADDRESS_MAX: usize = HANDSHAKES_MAX / 4;

/// Connections of one network address that are shaking hands or wait to; more are closed at once. A quarter of all
/// connections: what nobody has recognised yet must not keep out those who are.
pub const UNKNOWN_PER_ADDRESS_MAX: usize = CONNECTIONS_MAX / 4;

/// Of all requests that may be in hand, the share of one agency: one in this many.
pub const AGENCY_SHARE: usize = 4;

/// Time for a handshake, TCP accept to verified certificate: three round trips of a bad satellite link.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Streams of one connection: 16 watches and as many calls as a desk has staff.
pub const STREAMS_MAX: u32 = 64;

/// Calls of one connection at a time; the rest wait.
pub const CALLS_PER_CONNECTION_MAX: usize = 32;

/// Header list in bytes: a token is under 4 KiB.
pub const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;

/// Message in bytes, either way: the largest sealed parcels, not attachments.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// How much of a refused request is read before the refusal: all of any but the largest parcels.
pub const REFUSED_BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a refusal waits for the end of the request: a round trip of a bad satellite link. Bodies follow at once.
pub const REFUSED_BODY_TIME_MAX: Duration = Duration::from_secs(1);

/// Resets that we caused and keep state for, a connection (rapid reset, CVE-2023-44487 and its kin).
pub const LOCAL_ERROR_RESETS_MAX: usize = 128;

/// Resets by the peer of streams not yet accepted, a connection.
pub const PENDING_RESETS_MAX: usize = 20;

/// Idle time to the next keep-alive ping: under the common 60 s of NAT boxes.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Time for the answer to a ping.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Age at which a connection is told to go away: spreads load after a restart, renews keys.
///
/// The library's grace after it stays unset: it would close hard, without GOAWAY.
pub const CONNECTION_AGE_MAX: Duration = Duration::from_secs(15 * 60);

/// Time to a call's response headers; streams have their own limits.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How often certificates, keys and revocation lists are looked at: a twelfth of the 60 s in which a revocation
/// must have taken effect (invariant 19).
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Sets all limits that the server itself keeps; message sizes are set on each service.
#[must_use]
pub fn configure(server: Server) -> Server {
    server
        .max_concurrent_streams(STREAMS_MAX)
        .concurrency_limit_per_connection(CALLS_PER_CONNECTION_MAX)
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .http2_max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS_MAX))
        .http2_max_pending_accept_reset_streams(Some(PENDING_RESETS_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(CONNECTION_AGE_MAX)
        .timeout(CALL_TIMEOUT)
}
