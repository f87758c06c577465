//! Numbers for people.

use core::time::Duration;

use indicatif::{HumanBytes, HumanCount, HumanDuration};

/// Formats a number of bytes, such as `1.50 GiB`.
pub(crate) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// Formats a number of things, such as `60,000`.
pub(crate) fn count(count: usize) -> String {
    HumanCount(count as u64).to_string()
}

/// Formats a rough duration, such as `12 seconds` or `3 minutes`.
pub(crate) fn duration(duration: Duration) -> String {
    HumanDuration(duration).to_string()
}

/// Formats a loss: with five decimals where these show enough of it, else with four significant digits.
pub(crate) fn loss(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        format!("{value:.3e}")
    } else {
        format!("{value:.5}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_every_size_show_significant_digits() {
        assert_eq!(loss(0.0), "0.00000");
        assert_eq!(loss(1.25), "1.25000");
        assert_eq!(loss(2.5e-7), "2.500e-7");
        assert_eq!(loss(-3e6), "-3.000e6");
    }

    #[test]
    fn bytes_counts_and_durations_have_their_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(bytes(3 << 30), "3.00 GiB");
        assert_eq!(count(60_000), "60,000");
        assert_eq!(duration(Duration::from_secs(12)), "12 seconds");
    }
}
