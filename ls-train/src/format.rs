//! Numbers for people: one form for losses and their kin everywhere.

/// Returns a number in at most seven characters or in scientific form: five decimals below ten, two above, three digits and an
/// exponent for sizes that would lose theirs.
///
/// ```
/// use ls_train::format::number;
///
/// assert_eq!(number(0.00822), "0.00822");
/// assert_eq!(number(474.891), "474.89");
/// assert_eq!(number(2.378e-5), "2.378e-5");
/// ```
pub fn number(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let decimals = if value.abs() >= 10.0 { 2 } else { 5 };
    format!("{value:.decimals$}")
}

/// Returns a number as a person would type it, with all of its digits.
///
/// ```
/// use ls_train::format::typed;
///
/// assert_eq!(typed(-0.5), "-0.5");
/// assert_eq!(typed(1e300), "1e300");
/// ```
pub fn typed(value: f64) -> String {
    if value == 0.0 || (1e-4..1e7).contains(&value.abs()) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}

/// Returns a share, 0 to 1, in percent without its sign.
///
/// ```
/// assert_eq!(ls_train::format::percent(0.98108), "98.11");
/// ```
pub fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}
