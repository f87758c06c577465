//! Tables in Markdown.

/// Formats a table from its header and its rows.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let line = |cells: [&str; N]| format!("| {} |\n", cells.join(" | "));
    let mut text = line(header) + &line(["---"; N]);
    for row in rows {
        text += &line(row.each_ref().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_per_row_below_its_header() {
        let rows = [[1, 2], [3, 4]].map(|row| row.map(|cell| cell.to_string()));
        let expected = "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n";
        assert_eq!(table(["a", "b"], rows), expected);
    }
}
