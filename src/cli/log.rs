//! Where log lines go: standard error, and never with anything of a request in them.

use crate::config::{Log, LogFormat};
use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterExt, FilterFn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Libraries log frames, headers and keys below this level; ours log codes and ids only (invariant 23).
const LIBRARY_LEVEL_MAX: tracing::Level = tracing::Level::INFO;

/// Begins to log as `log` says; only the first call of a process counts.
///
/// The filter was parsed with the settings; should it not parse, `info` stands.
pub fn begin(log: &Log) {
    let levels = log
        .filter
        .parse::<EnvFilter>()
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = levels.and(FilterFn::new(permitted));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    // An error means that a subscriber is there already, as in tests.
    let _ = tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init();
}

fn permitted(line: &Metadata<'_>) -> bool {
    is_permitted(line.target(), *line.level())
}

fn is_permitted(target: &str, level: tracing::Level) -> bool {
    let ours = target == "safeconduct" || target.starts_with("safeconduct::");
    ours || level <= LIBRARY_LEVEL_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_stay_at_info_whatever_is_asked_for() {
        assert!(is_permitted("safeconduct::grpc::door", Level::TRACE));
        assert!(is_permitted("h2::codec", Level::INFO));
        assert!(is_permitted("h2::codec", Level::ERROR));
        assert!(!is_permitted("h2::codec", Level::DEBUG));
        assert!(!is_permitted("rustls::conn", Level::TRACE));
        assert!(!is_permitted("safeconduct_not_ours", Level::DEBUG));
    }
}
