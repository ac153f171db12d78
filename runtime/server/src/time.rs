//! Times as text, RFC 3339.

use jiff::Timestamp;

/// No valid time is longer: a date, a time with nanoseconds and an offset.
const TIME_BYTES_MAX: usize = 40;

/// Parses an RFC 3339 time. The library accepts more than RFC 3339 does, so
/// the shape is checked before.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    is_rfc3339_shaped(text.as_bytes())
        .then(|| text.parse().ok())
        .flatten()
}

/// `YYYY-MM-DDThh:mm:ss`, perhaps a fraction, then `Z` or `+hh:mm`.
fn is_rfc3339_shaped(text: &[u8]) -> bool {
    let follows = |shape: &[u8], text: &[u8]| {
        shape.len() == text.len()
            && shape
                .iter()
                .zip(text)
                .all(|(expected, given)| match expected {
                    b'0' => given.is_ascii_digit(),
                    b'+' => matches!(given, b'+' | b'-'),
                    letter => given.eq_ignore_ascii_case(letter),
                })
    };
    let Some((head, mut rest)) = text.split_at_checked(19) else {
        return false;
    };
    if text.len() > TIME_BYTES_MAX || !follows(b"0000-00-00T00:00:00", head) {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 {
            return false;
        }
        rest = &fraction[digits..];
    }
    follows(b"Z", rest) || follows(b"+00:00", rest)
}

/// A moment in microseconds since 1970 as RFC 3339, in UTC.
pub(crate) fn format_us(micros: u64) -> String {
    i64::try_from(micros)
        .ok()
        .and_then(|micros| Timestamp::from_microsecond(micros).ok())
        .unwrap_or(Timestamp::MAX)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rfc_3339() {
        for (text, good) in [
            ("2026-01-01T00:00:00Z", true),
            ("2026-01-01t00:00:00z", true),
            ("2026-01-01T00:00:00.123456789+01:30", true),
            ("2026-01-01T00:00:00", false),
            ("2026-01-01 00:00:00Z", false),
            ("2026-01-01T00:00Z", false),
            ("2026-13-01T00:00:00Z", false),
            ("2026-02-30T00:00:00Z", false),
            ("2026-01-01T00:00:00.Z", false),
            ("2026-01-01T00:00:00+0100", false),
            ("2026-01-01T00:00:00Z[UTC]", false),
            ("", false),
            ("é026-01-01T00:00:00Z", false),
        ] {
            assert_eq!(parse(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn moments_are_written_as_rfc_3339() {
        let text = format_us(1_767_225_600_500_000);
        assert_eq!(text, "2026-01-01T00:00:00.5Z");
        assert!(parse(&text).is_some());
        assert!(parse(&format_us(u64::MAX)).is_some());
    }
}
