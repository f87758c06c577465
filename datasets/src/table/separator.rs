//! The character between the values of a table.

/// Characters that separate values, with their names; of equally frequent ones the earlier counts, since a comma may be a decimal
/// point.
const SEPARATORS: [(u8, &str); 3] = [(b'\t', "tabs"), (b';', "semicolons"), (b',', "commas")];

/// Returns the most frequent separator of the first line, outside quotes; a comma if there is none.
pub(super) fn separator(text: &[u8]) -> u8 {
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut is_quoted = false;
    let lines = text.split(|&byte| byte == b'\n' || byte == b'\r');
    let first = lines.into_iter().find(|line| !line.trim_ascii().is_empty());
    for &byte in first.unwrap_or_default() {
        is_quoted ^= byte == b'"';
        let at = SEPARATORS.iter().position(|&(own, _)| own == byte);
        if let Some(at) = at.filter(|_| !is_quoted) {
            counts[at] += 1;
        }
    }
    let mut found = (b',', 0);
    for ((separator, _), count) in SEPARATORS.into_iter().zip(counts) {
        if count > found.1 {
            found = (separator, count);
        }
    }
    found.0
}

/// Returns the name of a separator.
pub(super) fn name(separator: u8) -> &'static str {
    let found = SEPARATORS.iter().find(|&&(own, _)| own == separator);
    found.map_or("commas", |&(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_separator_outside_quotes_counts() {
        for (text, expected) in [
            ("a,b,c", b','),
            ("a;b;c", b';'),
            ("\r\n\na\tb,c\td", b'\t'),
            ("\"a;b;c\",1", b','),
            ("1;0,5;0,3", b';'),
            ("alone", b','),
            ("", b','),
        ] {
            assert_eq!(separator(text.as_bytes()), expected, "{text:?}");
        }
    }
}
