//! Numbers, names and times as people read them.

use std::time::Duration;

use maud::{Markup, html};

use super::facts::{Facts, Token};

/// Atomic units as coins, without trailing zeros; as they are where the decimals are not known.
pub(super) fn amount(atomic: &str, token: Option<&Token>) -> String {
    let decimals = token.and_then(|token| token.decimals);
    let (Some(token), Some(decimals)) = (token, decimals) else {
        return format!("{atomic} atomic units");
    };
    let places = usize::from(decimals);
    let digits = format!("{atomic:0>width$}", width = places + 1);
    let (whole, part) = digits.split_at(digits.len() - places);
    let part = part.trim_end_matches('0');
    let point = if part.is_empty() { "" } else { "." };
    format!("{whole}{point}{part} {}", token.symbol)
}

/// The ends of a long name.
pub(super) fn short(name: &str) -> String {
    let head = if name.starts_with("0x") { 6 } else { 4 };
    match (name.get(..head), name.len().checked_sub(4)) {
        (Some(start), Some(from)) if name.len() > head + 5 && name.is_ascii() => {
            format!("{start}…{}", &name[from..])
        }
        _ => name.to_owned(),
    }
}

/// A short name that shows all of it when pointed at, linked to the explorer where there is one.
pub(super) fn linked(facts: &Facts, network: &str, kind: &str, id: &str) -> Markup {
    let Some(url) = facts.explore(network, kind, id) else {
        return html! { span class="mono" title=(id) { (short(id)) } };
    };
    html! { a class="mono" href=(url) title=(id) rel="noopener noreferrer" { (short(id)) } }
}

/// 12,345.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and its unit.
pub(super) fn latency(took: Duration) -> (String, &'static str) {
    let millis = took.as_millis();
    if millis < 1000 {
        (millis.to_string(), "ms")
    } else {
        (format!("{}.{}", millis / 1000, millis % 1000 / 100), "s")
    }
}

/// The two largest units of a long time.
pub(super) fn long(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// How long ago, in one unit.
pub(super) fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// Unix milliseconds as the calendar has them, UTC: `2026-11-21T06:12:33Z`.
pub(super) fn iso(at: i64) -> String {
    let (days, second) = (at.div_euclid(86_400_000), at.rem_euclid(86_400_000) / 1000);
    // Days since 1 March of the year 0, in eras of 400 years: leap days come last.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same for reading.
pub(super) fn moment(at: i64) -> Markup {
    let iso = iso(at);
    let text = iso.replace('T', " ").replace('Z', " UTC");
    html! { time datetime=(iso) { (text) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_their_decimals_and_no_more() {
        let token = |decimals| Token {
            address: "0x1".to_owned(),
            symbol: "USDC".to_owned(),
            decimals,
        };
        for (atomic, decimals, text) in [
            ("2500", Some(6), "0.0025 USDC"),
            ("1000000", Some(6), "1 USDC"),
            ("1234567", Some(6), "1.234567 USDC"),
            ("0", Some(6), "0 USDC"),
            ("7", Some(0), "7 USDC"),
            (
                "340282366920938463463374607431768211456",
                Some(18),
                "340282366920938463463.374607431768211456 USDC",
            ),
            ("2500", None, "2500 atomic units"),
        ] {
            assert_eq!(amount(atomic, Some(&token(decimals))), text);
        }
        assert_eq!(amount("5", None), "5 atomic units");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (at, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (1_795_241_553_123, "2026-11-21T06:12:33Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(iso(at), text);
        }
    }

    #[test]
    fn names_are_shortened_where_they_are_long() {
        for (name, text) in [
            ("0x036CbD53842c5426634e7929541eC2318f3dCF7e", "0x036C…CF7e"),
            ("4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", "4zMM…ncDU"),
            ("short", "short"),
            ("ééééééééééééééé", "ééééééééééééééé"),
        ] {
            assert_eq!(short(name), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
    }
}
