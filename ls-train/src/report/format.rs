//! Numbers as the report writes them.

use indicatif::HumanCount;

/// Formats a loss in about five significant digits, short enough for a card.
pub(super) fn loss(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let decimals = if value.abs() < 100.0 { 4 } else { 1 };
    format!("{value:.decimals$}")
}

/// Formats a share, 0 to 1, in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.2}\u{202f}%", 100.0 * share)
}

/// Formats a duration in seconds.
pub(super) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1}")
}

/// Formats a count with commas between thousands.
pub(super) fn count(count: usize) -> String {
    HumanCount(count as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_keep_their_order_of_magnitude() {
        let cases = [
            (0.0, "0.0000"),
            (2.312_59, "2.3126"),
            (648.09, "648.1"),
            (2.4231e-5, "2.423e-5"),
        ];
        for (value, expected) in cases {
            assert_eq!(loss(value), expected);
        }
        assert_eq!(loss(f64::INFINITY), "inf");
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
