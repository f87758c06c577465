//! Results as text.

use core::time::Duration;

use ls_train::bench::{BenchComparison, BenchReport, Machine, Timing, TimingRatio};

use crate::ui::format::count;

/// Formats the measurements of a report.
pub(super) fn report(report: &BenchReport) -> String {
    let heads = ["", "median", "min", "max", "Gflop", "MB", "share"];
    let mut rows = vec![heads.map(String::from)];
    rows.extend(report.timings.iter().map(timing));
    format!(
        "{} on {} samples of {}\n{}\nmatrix products: {:.1} Gflop/s\n\n{}",
        report.network,
        count(report.samples),
        report.data,
        machine(&report.machine),
        report.matrix_rate / 1e9,
        aligned(&rows)
    )
}

/// Formats the ratios to an older report.
pub(super) fn ratios(found: &BenchComparison) -> String {
    let heads = ["", "old", "new", "new/old", "of minima", ""];
    let mut rows = vec![heads.map(String::from)];
    rows.extend(found.ratios.iter().map(ratio));
    let mut text = format!("\n{}", aligned(&rows));
    for (side, names) in [("new", &found.only_new), ("old", &found.only_old)] {
        if !names.is_empty() {
            text += &format!("only in the {side} results: {}\n", names.join(", "));
        }
    }
    text
}

/// Formats seconds with three digits and a fitting unit, such as `1.23 ms`.
pub(super) fn seconds(seconds: f64) -> String {
    let text = format!("{:.3?}", Duration::from_secs_f64(seconds.max(0.0)));
    let unit = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (value, unit) = text.split_at(unit);
    let value: f64 = value.parse().unwrap_or(f64::NAN);
    let decimals = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} threads, {}, {} in {}, layersep {} ({})",
        machine.processor,
        machine.threads,
        machine.system,
        machine.device,
        machine.precision.name(),
        machine.version,
        machine.build
    )
}

fn timing(timing: &Timing) -> [String; 7] {
    let spread = timing.seconds;
    let in_units = |number: Option<u64>, unit: f64, decimals: usize| {
        number.map_or("-".into(), |n| format!("{:.decimals$}", n as f64 / unit))
    };
    [
        timing.name.clone(),
        seconds(spread.median),
        seconds(spread.min),
        seconds(spread.max),
        in_units(timing.flops, 1e9, 3),
        in_units(timing.bytes, 1e6, 1),
        timing
            .share
            .map_or("-".into(), |share| format!("{:.1} %", 100.0 * share)),
    ]
}

fn ratio(ratio: &TimingRatio) -> [String; 6] {
    [
        ratio.name.clone(),
        seconds(ratio.old.median),
        seconds(ratio.new.median),
        format!("{:.3}", ratio.ratio),
        format!("{:.3}", ratio.ratio_of_minima),
        // Ranges that are apart prove nothing: another program may have run in one of the two.
        match ratio.ranges_overlap {
            true => "ranges overlap".into(),
            false => String::new(),
        },
    ]
}

/// Aligns the first column to the left and the others to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let mut text = String::new();
    for row in rows {
        let mut line = format!("{:<1$}", row[0], width(0));
        for (column, cell) in row.iter().enumerate().skip(1) {
            line += &format!("  {cell:>0$}", width(column));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_have_three_digits_and_a_unit() {
        assert_eq!(seconds(12.345), "12.3 s");
        assert_eq!(seconds(0.001_234), "1.23 ms");
        assert_eq!(seconds(0.000_345_6), "346 µs");
        assert_eq!(seconds(0.0), "0.00 ns");
    }

    #[test]
    fn columns_of_numbers_end_at_the_same_place() {
        let rows = [["", "µs", "x"], ["forward", "1", "22"]].map(|row| row.map(String::from));
        assert_eq!(aligned(&rows), "         µs   x\nforward   1  22\n");
    }
}
