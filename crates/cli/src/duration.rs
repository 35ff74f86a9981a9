//! Lifetimes as people write them: `90s`, `15m`, `1h`, `7d`, `1h30m`.

use std::time::Duration;

/// Parses whole numbers with the units `s`, `m`, `h`, `d` and `w`, from large to small, each at most once.
///
/// # Errors
///
/// What was expected, for any other text and for nothing at all (`0s`).
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and a unit, such as `90s`, `15m`, `1h` or `7d`".to_owned();
    let mut rest = text;
    let mut total_seconds = 0_u64;
    let mut largest_allowed = u64::MAX;
    while !rest.is_empty() {
        let n_digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, after) = rest.split_at_checked(n_digits).ok_or_else(wrong)?;
        let unit = after.chars().next().ok_or_else(wrong)?;
        let unit_seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 24 * 3600,
            'w' => 7 * 24 * 3600,
            _ => return Err(wrong()),
        };
        if unit_seconds >= largest_allowed {
            return Err(wrong());
        }
        largest_allowed = unit_seconds;
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let seconds = number.checked_mul(unit_seconds).ok_or_else(wrong)?;
        total_seconds = total_seconds.checked_add(seconds).ok_or_else(wrong)?;
        rest = after.strip_prefix(unit).unwrap_or_default();
    }
    if total_seconds == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(total_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let check = |text: &str, seconds: u64| assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        check("90s", 90);
        check("15m", 900);
        check("1h", 3600);
        check("7d", 604_800);
        check("2w", 1_209_600);
        check("1h30m", 5400);
        check("1d0h1s", 86_401);
    }

    #[test]
    fn durations_refused() {
        for text in
            ["", "0s", "0", "90", "h", "1 h", "-1h", "+1h", "1.5h", "1y", "30m1h", "1h1h", "1H", "٣h", "99999999999999999999s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{}w", u64::MAX)).is_err());
    }
}
