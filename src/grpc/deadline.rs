//! How long a request may take: the caller's `grpc-timeout`, at most our own cap.

use std::time::Duration;

/// Longest that any one request may take, until its reply's headers; streams get their own clocks after that.
///
/// One second below [`super::limits::CALL_TIMEOUT`], so that the refusal is ours and has its `ErrorInfo`.
pub const REQUEST_SECONDS_MAX: u64 = 29;

/// How much before the caller's deadline the refusal leaves, so that it arrives, with its `ErrorInfo`.
const MARGIN_MAX: Duration = Duration::from_millis(50);

/// The time that a request has, from its headers.
///
/// A caller that sends no deadline, or one that does not parse, gets the cap.
#[must_use]
pub fn allowed(headers: &http::HeaderMap) -> Duration {
    let cap = Duration::from_secs(REQUEST_SECONDS_MAX);
    headers
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok())
        .and_then(parse)
        .map_or(cap, |sent| {
            sent.saturating_sub(MARGIN_MAX.min(sent / 20)).min(cap)
        })
}

/// At most eight digits and a unit (gRPC over HTTP/2, "Timeout").
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(number.saturating_mul(60))),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_parse_strictly() {
        assert_eq!(parse("1S"), Some(Duration::from_secs(1)));
        assert_eq!(
            parse("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        for bad in ["", "S", "1", "-1S", "+1S", "1.5S", "999999999S", "1s", "1é"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_cap_holds_whatever_is_sent() {
        let cap = Duration::from_secs(REQUEST_SECONDS_MAX);
        let mut headers = http::HeaderMap::new();
        assert_eq!(allowed(&headers), cap);
        headers.insert("grpc-timeout", http::HeaderValue::from_static("9H"));
        assert_eq!(allowed(&headers), cap);
        headers.insert("grpc-timeout", http::HeaderValue::from_static("nonsense"));
        assert_eq!(allowed(&headers), cap);
        headers.insert("grpc-timeout", http::HeaderValue::from_static("1S"));
        assert_eq!(allowed(&headers), Duration::from_millis(950));
        headers.insert("grpc-timeout", http::HeaderValue::from_static("10m"));
        assert_eq!(allowed(&headers), Duration::from_micros(9_500));
    }
}
