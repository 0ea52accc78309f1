//! When a message is tried again, and when an endpoint is given up.

use std::time::{Duration, SystemTime};

/// Pauses after each failed attempt, in seconds; after the last the message is given up.
const PAUSES: &[u64] = &[5, 300, 1_800, 7_200, 18_000, 36_000, 36_000];

/// How long an endpoint may fail before it is given up: five days, in seconds.
pub(super) const FAILING: u64 = 5 * 24 * 60 * 60;

/// When a message is tried again after `attempts` failures, in Unix seconds; none when it is given
/// up.
///
/// `jitter` lengthens the pause by up to a fifth, 255 being all of it, so that what failed together
/// does not come back together. What the subscriber asked for, in seconds, is honoured from the
/// pause up to twice the pause.
#[must_use]
pub fn next_attempt(attempts: usize, now: u64, asked: Option<u64>, jitter: u8) -> Option<u64> {
    let pause = *PAUSES.get(attempts.checked_sub(1)?)?;
    let spread = pause * u64::from(jitter) / (5 * 255);
    let pause = match asked {
        Some(asked) => asked.clamp(pause, 2 * pause).max(pause + spread),
        None => pause + spread,
    };
    Some(now.saturating_add(pause))
}

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds, or a date, as seconds from
/// `now`. What is neither is as if it were not there.
pub(super) fn retry_after(value: &str, now: u64) -> Option<u64> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time.
        return Some(value.parse().unwrap_or(u64::MAX));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let at = at.duration_since(SystemTime::UNIX_EPOCH);
    Some(at.map_or(0, |at: Duration| at.as_secs().saturating_sub(now)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        assert_eq!(next_attempt(1, 100, None, 0), Some(105));
        assert_eq!(next_attempt(2, 100, None, 0), Some(400));
        assert_eq!(next_attempt(7, 100, None, 0), Some(36_100));
        assert_eq!(next_attempt(8, 100, None, 0), None);
        assert_eq!(next_attempt(0, 100, None, 0), None);
        assert_eq!(next_attempt(2, 100, None, 255), Some(460));
    }

    #[test]
    fn what_a_subscriber_asks_for_is_honoured_within_bounds() {
        for (asked, expected) in [(0, 300), (299, 300), (301, 301), (600, 600), (601, 600)] {
            let at = next_attempt(2, 0, Some(asked), 0);
            assert_eq!(at, Some(expected), "{asked}");
        }
        assert_eq!(next_attempt(2, 0, Some(u64::MAX), 255), Some(600));
        assert_eq!(next_attempt(9, 0, Some(1), 0), None);
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date() {
        let now = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT
        for (value, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            (" 5", None),
        ] {
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_next_attempt_is_later_and_within_twice_the_pause(
            attempts in 1_usize..8,
            now in 0_u64..1 << 40,
            asked: Option<u64>,
            jitter: u8,
        ) {
            let pause = PAUSES[attempts - 1];
            let at = next_attempt(attempts, now, asked, jitter).unwrap();
            prop_assert!((now + pause..=now + 2 * pause).contains(&at));
        }

        #[test]
        fn reading_a_retry_after_never_panics(value in "\\PC{0,40}", now: u64) {
            let _ = retry_after(&value, now);
        }
    }
}
