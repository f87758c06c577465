//! Bytes, counts and durations for people. Losses and shares have the form of [`ls_train::format`].

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_counts_and_durations_have_their_units() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.50 KiB");
        assert_eq!(bytes(3 << 30), "3.00 GiB");
        assert_eq!(count(60_000), "60,000");
        assert_eq!(duration(Duration::from_secs(12)), "12 seconds");
    }
}
