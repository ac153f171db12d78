//! What a tenant may send, told with every answer to events: the headers
//! `RateLimit-Policy` and `RateLimit` as in
//! draft-ietf-httpapi-ratelimit-headers-11, which are structured fields
//! (RFC 9651).
//!
//! The policy `events` is `events_burst` and `events_per_second`: its quota
//! `q` may be spread over its window `w`; `r` is what would be accepted at
//! once, and `t` how long that is to last. The policy `waiting` is
//! `waiting_events`, which has no window. The unit of both is the event: a
//! batch of a hundred takes a hundred.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use ringfence_engine::TenantAllowance;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The greatest integer of a structured field.
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// Adds both headers.
pub(crate) fn tell(response: &mut Response, allowance: &TenantAllowance) {
    let headers = response.headers_mut();
    let retry_after = headers.get(header::RETRY_AFTER);
    let retry_after_s = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    for (name, value) in [
        (POLICY, policy(allowance)),
        (STATE, state(allowance, retry_after_s)),
    ] {
        // It is made of digits and the like, so it always is one.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

fn integer(value: u64) -> u64 {
    value.min(INTEGER_MAX)
}

fn policy(allowance: &TenantAllowance) -> String {
    let rate = allowance.rate;
    format!(
        "\"events\";q={};w={}, \"waiting\";q={}",
        integer(rate.quota()),
        integer(rate.window_s()),
        integer(allowance.waiting_events)
    )
}

/// The end of the window is never after the time at which to try again.
fn state(allowance: &TenantAllowance, retry_after_s: Option<u64>) -> String {
    let seconds = allowance.events.seconds;
    let seconds = retry_after_s.map_or(seconds, |retry_after_s| seconds.min(retry_after_s));
    format!(
        "\"events\";r={};t={}, \"waiting\";r={}",
        integer(allowance.events.events),
        integer(seconds),
        integer(allowance.room_events)
    )
}

#[cfg(test)]
mod tests {
    use ringfence_engine::{Allowance, Rate};

    use super::*;
    use crate::problem::{Kind, Problem};
    use axum::response::IntoResponse;

    fn allowance() -> TenantAllowance {
        TenantAllowance {
            rate: Rate {
                per_second: 5_000,
                burst: 12_000,
            },
            events: Allowance {
                events: 11_900,
                seconds: 3,
            },
            waiting_events: 100_000,
            room_events: 99_900,
        }
    }

    #[test]
    fn what_a_client_is_told() {
        let mut response = "".into_response();
        tell(&mut response, &allowance());
        let header = |name| response.headers()[name].to_str().unwrap();
        assert_eq!(
            header("ratelimit-policy"),
            "\"events\";q=12000;w=3, \"waiting\";q=100000"
        );
        assert_eq!(
            header("ratelimit"),
            "\"events\";r=11900;t=3, \"waiting\";r=99900"
        );
    }

    #[test]
    fn the_window_ends_no_later_than_the_time_to_try_again() {
        let refused = Problem::new(Kind::TOO_FAST, "Too fast.").retry_after(2);
        let mut response = refused.into_response();
        tell(&mut response, &allowance());
        let state = response.headers()["ratelimit"].to_str().unwrap();
        assert!(state.starts_with("\"events\";r=11900;t=2, "), "{state}");
    }

    #[test]
    fn integers_are_those_of_structured_fields() {
        let large = TenantAllowance {
            waiting_events: u64::MAX,
            ..allowance()
        };
        assert!(policy(&large).ends_with("q=999999999999999"));
    }
}
