//! What the operator counts: methods, codes, times. No agency, no name, nothing of any request (invariant 23).

use crate::exchange::publication::PublicationStatus;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Mutex;
use std::time::Duration;

/// Upper bounds of the latency buckets, in seconds: from one `fdatasync` to the request's cap.
const BUCKETS: [f64; 11] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodCode {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Why {
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WhatStatus {
    what: &'static str,
    status: u16,
}

/// The router's counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<MethodCode, Counter>,
    seconds: Family<Method, Histogram, fn() -> Histogram>,
    authentication_failures: Family<Why, Counter>,
    panics: Counter,
    requests_in_hand: Gauge,
    streams: Gauge,
    serving: Gauge,
    connections: Gauge,
    lists_expire: Gauge,
    published: Family<WhatStatus, Counter>,
    witnesses: Gauge,
    witnesses_cosigning: Gauge,
    witnesses_accusing: Gauge,
    witness_quorum: Gauge,
    cosigned_size: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("safeconduct");
        let requests = Family::default();
        let seconds: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let authentication_failures = Family::default();
        let panics = Counter::default();
        let requests_in_hand = Gauge::default();
        let streams = Gauge::default();
        let serving = Gauge::default();
        let connections = Gauge::default();
        let lists_expire = Gauge::default();
        registry.register("requests", "Requests answered", requests.clone());
        registry.register(
            "request_seconds",
            "Time from a request's headers to its reply's headers",
            seconds.clone(),
        );
        registry.register(
            "authentication_failures",
            "Requests and handshakes from nobody known",
            authentication_failures.clone(),
        );
        registry.register("panics", "Handlers that panicked", panics.clone());
        registry.register(
            "requests_in_hand",
            "Requests not yet answered",
            requests_in_hand.clone(),
        );
        registry.register("streams", "Open doorbell streams", streams.clone());
        registry.register(
            "serving",
            "1 while the router takes requests",
            serving.clone(),
        );
        registry.register("connections", "Open connections", connections.clone());
        registry.register(
            "revocation_lists_expire_seconds",
            "When nobody can connect any more unless the lists are renewed, Unix time",
            lists_expire.clone(),
        );
        let published = Family::default();
        let [witnesses, witnesses_cosigning, witnesses_accusing] =
            [(); 3].map(|()| Gauge::default());
        let [witness_quorum, cosigned_size] = [(); 2].map(|()| Gauge::default());
        registry.register(
            "published",
            "Checkpoints, tiles and entry bundles asked for over HTTPS",
            published.clone(),
        );
        for (name, help, gauge) in [
            ("witnesses", "Witnesses in the settings", &witnesses),
            (
                "witnesses_cosigning",
                "Witnesses who cosigned the last checkpoint",
                &witnesses_cosigning,
            ),
            (
                "witnesses_accusing",
                "Witnesses who say that the log was rewound or forked: stop the router",
                &witnesses_accusing,
            ),
            (
                "witness_quorum",
                "1 while enough witnesses cosign",
                &witness_quorum,
            ),
            (
                "cosigned_size",
                "Entries under the last checkpoint that enough witnesses cosigned",
                &cosigned_size,
            ),
        ] {
            registry.register(name, help, gauge.clone());
        }
        Self {
            registry: Mutex::new(registry),
            requests,
            seconds,
            authentication_failures,
            panics,
            requests_in_hand,
            streams,
            serving,
            connections,
            lists_expire,
            published,
            witnesses,
            witnesses_cosigning,
            witnesses_accusing,
            witness_quorum,
            cosigned_size,
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, method: &'static str, code: tonic::Code, took: Duration) {
        let code = code_name(code);
        self.requests
            .get_or_create(&MethodCode { method, code })
            .inc();
        self.seconds
            .get_or_create(&Method { method })
            .observe(took.as_secs_f64());
    }

    /// Nobody known was behind a request or a handshake.
    pub fn authentication_failed(&self, why: &'static str) {
        self.authentication_failures
            .get_or_create(&Why { why })
            .inc();
    }

    /// A handler panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// A request came in; it is in hand until the guard is dropped.
    #[must_use]
    pub fn request_in_hand(&self) -> Counted {
        Counted::new(&self.requests_in_hand)
    }

    /// A stream was opened; it is open until the guard is dropped.
    #[must_use]
    pub fn stream(&self) -> Counted {
        Counted::new(&self.streams)
    }

    /// Whether the router takes requests.
    pub fn set_serving(&self, serving: bool) {
        self.serving.set(serving.into());
    }

    /// How many connections are open.
    pub fn set_connections(&self, connections: usize) {
        self.connections
            .set(i64::try_from(connections).unwrap_or(i64::MAX));
    }

    /// When the first of the revocation lists in use ends, Unix time in seconds.
    pub fn set_lists_expire(&self, seconds: i64) {
        self.lists_expire.set(seconds);
    }

    /// A reader asked for a part of the log.
    pub fn published(&self, what: &'static str, status: u16) {
        self.published
            .get_or_create(&WhatStatus { what, status })
            .inc();
    }

    /// How publication stands.
    pub fn set_publication(&self, status: &PublicationStatus) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.witnesses.set(count(status.witnesses));
        self.witnesses_cosigning.set(count(status.cosigning));
        self.witnesses_accusing.set(count(status.accusing));
        self.witness_quorum.set(status.quorum.into());
        let size = i64::try_from(status.cosigned_size).unwrap_or(i64::MAX);
        self.cosigned_size.set(size);
    }

    /// The Prometheus text format.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A poisoned registry is still readable: registering is over before anybody reads.
        let registry = self
            .registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        encode(&mut text, &registry).expect("writing to a string does not fail");
        text
    }
}

/// Counts one in a gauge while it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A status code's canonical name.
#[must_use]
pub const fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_prints_and_guards_give_back() {
        let metrics = Metrics::default();
        metrics.answered("/a/B", tonic::Code::NotFound, Duration::from_millis(3));
        metrics.authentication_failed("no token came");
        let stream = metrics.stream();
        let text = metrics.text();
        assert!(
            text.contains(r#"safeconduct_requests_total{method="/a/B",code="NOT_FOUND"} 1"#),
            "{text}"
        );
        assert!(text.contains("safeconduct_streams 1"), "{text}");
        drop(stream);
        assert!(metrics.text().contains("safeconduct_streams 0"));
    }
}
