//! Times as clients write them: RFC 3339, with any offset.

use std::time::{Duration, SystemTime};

/// The time a text names, if it is one: `2026-01-02T03:04:05.678Z`, `2026-01-02T05:04:05+02:00`.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.to_ascii_uppercase();
    if text.ends_with('Z') {
        return humantime::parse_rfc3339(&text).ok();
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    // humantime reads over letters that stand after the seconds.
    if !local.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let (ahead, offset) = match offset.split_at_checked(1)? {
        ("+", offset) => (true, offset),
        ("-", offset) => (false, offset),
        _ => return None,
    };
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (two_digits(hours, 23)?, two_digits(minutes, 59)?);
    let offset = Duration::from_secs(3600 * hours + 60 * minutes);
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    if ahead { local.checked_sub(offset) } else { local.checked_add(offset) }
}

fn two_digits(text: &str, most: u64) -> Option<u64> {
    let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| plain && *number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_many_spellings() {
        let moment = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_250);
        for text in [
            "2026-01-02T03:04:05.25Z",
            "2026-01-02t03:04:05.250z",
            "2026-01-02T05:34:05.25+02:30",
            "2026-01-01T22:04:05.250000-05:00",
            "2026-01-02T03:04:05.25+00:00",
        ] {
            assert_eq!(parse_time(text), Some(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            ":",
            "Z",
            "+00:00",
            "2026-01-02",
            "12:00",
            "2026-01-02T03:04:05",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05+2:00",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05 02:00",
            "éééé+02:00",
            "2026-01-02T03:04:05Z+00:00",
            "2026-01-02T03:04:05+é:0",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_time(&text);
        }
    }
}
