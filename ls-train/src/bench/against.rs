//! A report against an older one.

use serde::Serialize;

use super::report::{BenchReport, Timing};
use crate::experiment::Spread;

/// The ratios of two reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchComparison {
    /// Measurements of both reports, in the order of the new one.
    pub ratios: Vec<TimingRatio>,
    /// Names of measurements that only the new report has.
    pub only_new: Vec<String>,
    /// Names of measurements that only the old report has.
    pub only_old: Vec<String>,
    /// What differs beside the program, each in words: then ratios say little about the program.
    pub differences: Vec<String>,
}

/// One measurement of both reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimingRatio {
    /// Name of the measurement.
    pub name: String,
    /// Seconds of the old report.
    pub old: Spread,
    /// Seconds of the new report.
    pub new: Spread,
    /// Ratio of the medians, new to old: below 1 the new one is faster.
    pub ratio: f64,
    /// Ratio of the least seconds, which other programs disturb least.
    pub ratio_of_minima: f64,
    /// Whether the ranges of the two have seconds in common, so that chance may explain the ratio.
    pub ranges_overlap: bool,
}

impl BenchComparison {
    /// Compares two reports by the names of their measurements.
    pub fn new(new: &BenchReport, old: &BenchReport) -> Self {
        let ratios = new.timings.iter().filter_map(|timing| {
            let before = find(old, &timing.name)?;
            Some(TimingRatio::new(timing, before))
        });
        Self {
            ratios: ratios.collect(),
            only_new: missing(new, old),
            only_old: missing(old, new),
            differences: differences(new, old),
        }
    }
}

impl TimingRatio {
    fn new(new: &Timing, old: &Timing) -> Self {
        let (old, seconds) = (old.seconds, new.seconds);
        Self {
            name: new.name.clone(),
            old,
            new: seconds,
            ratio: seconds.median / old.median,
            ratio_of_minima: seconds.min / old.min,
            ranges_overlap: seconds.min <= old.max && old.min <= seconds.max,
        }
    }
}

fn find<'a>(report: &'a BenchReport, name: &str) -> Option<&'a Timing> {
    report.timings.iter().find(|timing| timing.name == name)
}

/// Returns the names that `other` lacks.
fn missing(report: &BenchReport, other: &BenchReport) -> Vec<String> {
    let names = report.timings.iter().map(|timing| &timing.name);
    let missing = names.filter(|name| find(other, name).is_none());
    missing.cloned().collect()
}

fn differences(new: &BenchReport, old: &BenchReport) -> Vec<String> {
    let machines = |of: fn(&BenchReport) -> String| [of(old), of(new)];
    let facts: [(&str, [String; 2]); 8] = [
        ("processor", machines(|r| r.machine.processor.clone())),
        ("threads", machines(|r| r.machine.threads.to_string())),
        ("system", machines(|r| r.machine.system.clone())),
        ("build", machines(|r| r.machine.build.clone())),
        ("device", machines(|r| r.machine.device.clone())),
        ("precision", machines(|r| r.machine.precision.name().into())),
        ("network", machines(|r| r.network.clone())),
        (
            "data",
            machines(|r| format!("{} samples of {}", r.samples, r.data)),
        ),
    ];
    let differing = facts.into_iter().filter(|(_, [old, new])| old != new);
    differing
        .map(|(name, [old, new])| format!("{name}: {old} before, {new} now"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Machine;
    use crate::config::Precision;

    fn report(timings: &[(&str, [f64; 3])]) -> BenchReport {
        let machine = Machine::this("flex", Precision::F32);
        let mut report = BenchReport::new(machine, "mlp".into(), "digits", 100);
        let timing = |&(name, [min, median, max]): &(&str, [f64; 3])| {
            Timing::new(name, 3, Spread { median, min, max })
        };
        report.timings = timings.iter().map(timing).collect();
        report
    }

    #[test]
    fn ratios_are_new_to_old_and_names_of_one_side_are_listed() {
        let old = report(&[
            ("forward", [1.0, 2.0, 3.0]),
            ("gram", [5.0, 5.0, 5.0]),
            ("exact@full", [1.0, 1.0, 1.0]),
        ]);
        let new = report(&[
            ("foof@250", [1.0, 1.0, 1.0]),
            ("gram", [4.0, 4.0, 4.5]),
            ("forward", [3.0, 3.0, 4.0]),
        ]);
        let found = BenchComparison::new(&new, &old);
        let ratios = found.ratios.iter();
        let ratios: Vec<_> = ratios
            .map(|r| (r.name.as_str(), r.ratio, r.ranges_overlap))
            .collect();
        assert_eq!(ratios, [("gram", 0.8, false), ("forward", 1.5, true)]);
        assert_eq!(found.ratios[1].ratio_of_minima, 3.0);
        assert_eq!(found.only_new, ["foof@250"]);
        assert_eq!(found.only_old, ["exact@full"]);
        assert!(found.differences.is_empty());
    }

    #[test]
    fn another_machine_or_network_is_named_with_both_values() {
        let (old, mut new) = (report(&[]), report(&[]));
        new.machine.processor = "another CPU".into();
        new.machine.threads += 1;
        new.network = "cnn".into();
        let found = BenchComparison::new(&new, &old).differences;
        let (before, now) = (old.machine.threads, new.machine.threads);
        assert_eq!(
            found,
            [
                format!(
                    "processor: {} before, another CPU now",
                    old.machine.processor
                ),
                format!("threads: {before} before, {now} now"),
                "network: mlp before, cnn now".into(),
            ]
        );
    }
}
