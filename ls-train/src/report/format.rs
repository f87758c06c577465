//! Numbers as the report writes them.

use indicatif::HumanCount;

/// Formats a share, 0 to 1, in percent.
pub(super) fn percent(share: f64) -> String {
    format!("{}\u{202f}%", crate::format::percent(share))
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
    fn counts_have_commas_and_shares_a_sign() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.98108), "98.11\u{202f}%");
    }
}
