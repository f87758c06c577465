//! Results of measurements, and their file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::operations::Operations;
use crate::experiment::Spread;
use crate::{Error, Result, files};

/// What the field `format` of a file holds.
const FORMAT: &str = "layersep-bench";

/// Version of the file.
const SCHEMA: u32 = 1;

/// The measurements of one network on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    /// `layersep-bench`, which tells the file from others.
    format: String,
    /// Version of the file.
    schema: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// The architecture in short.
    pub network: String,
    /// Name of the data set.
    pub data: String,
    /// Number of training samples.
    pub samples: usize,
    /// Rate of products of square matrices on the device in its precision, in operations per second.
    pub matrix_rate: f64,
    /// The measurements.
    pub timings: Vec<Timing>,
    /// Sweeps that failed.
    pub skipped: Vec<Skipped>,
}

/// The seconds of one piece of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Name, such as `forward` or `exact@full`.
    pub name: String,
    /// Number of measurements.
    pub repeats: usize,
    /// Median and range of the seconds.
    pub seconds: Spread,
    /// Floating-point operations by formula; `None` for sweeps, whose number of passes varies.
    pub flops: Option<u64>,
    /// Bytes read and written, at least.
    pub bytes: Option<u64>,
    /// Operations per second of the median, as a share of the rate of matrix products.
    pub share: Option<f64>,
}

impl Timing {
    pub(super) fn new(name: impl Into<String>, repeats: usize, seconds: Spread) -> Self {
        Self {
            name: name.into(),
            repeats,
            seconds,
            flops: None,
            bytes: None,
            share: None,
        }
    }

    /// Adds counted operations.
    pub(super) fn counted(self, operations: Operations) -> Self {
        Self {
            flops: Some(operations.flops),
            bytes: Some(operations.bytes),
            ..self
        }
    }

    /// Adds the share of a rate, where operations are counted.
    fn with_share(self, rate: f64) -> Self {
        let share = |flops| flops as f64 / self.seconds.median / rate;
        Self {
            share: self.flops.map(share),
            ..self
        }
    }
}

/// A measurement that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// The reason in one line.
    pub reason: String,
}

/// The fields that tell a report from other files.
#[derive(Deserialize)]
struct Signature {
    format: String,
    schema: u32,
}

impl BenchReport {
    /// A report without measurements.
    pub(super) fn new(machine: Machine, network: String, data: &str, samples: usize) -> Self {
        Self {
            format: FORMAT.into(),
            schema: SCHEMA,
            machine,
            network,
            data: data.into(),
            samples,
            matrix_rate: 0.0,
            timings: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Takes a rate, and the shares of it.
    pub(super) fn with_rate(self, rate: f64) -> Self {
        let timings = self.timings.into_iter();
        Self {
            matrix_rate: rate,
            timings: timings.map(|timing| timing.with_share(rate)).collect(),
            ..self
        }
    }

    /// Reads a report from a JSON file.
    ///
    /// # Errors
    /// [`Error::File`] for a file that is none, or of another version.
    pub fn read(path: &Path) -> Result<Self> {
        let failed = |reason: String| Error::file("read", path, reason);
        let text = files::read_text(path).map_err(|error| failed(error.to_string()))?;
        let foreign = |error| failed(format!("it is no report of `layersep bench`: {error}"));
        let found: Signature = serde_json::from_str(&text).map_err(foreign)?;
        if found.format != FORMAT {
            return Err(failed(format!(
                "it is no report of `layersep bench`: its format is `{}`",
                found.format
            )));
        }
        if found.schema != SCHEMA {
            return Err(failed(format!(
                "it has schema version {}, and this program reads version {SCHEMA}",
                found.schema
            )));
        }
        serde_json::from_str(&text).map_err(foreign)
    }

    /// Writes the report as JSON.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Error::file("write", path, error))?;
        files::write(path, (text + "\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Precision;

    fn report() -> BenchReport {
        let machine = Machine::this("flex", Precision::F32);
        let mut report = BenchReport::new(machine, "mlp 64-8-10 relu".into(), "digits", 100);
        let seconds = Spread {
            median: 0.5,
            min: 0.25,
            max: 1.0 / 3.0 + 0.5,
        };
        let operations = Operations {
            flops: 1_000_000_000,
            bytes: 12,
        };
        report.timings = vec![
            Timing::new("forward", 9, seconds).counted(operations),
            Timing::new("exact@full", 9, seconds),
        ];
        report.with_rate(4e9)
    }

    #[test]
    fn a_share_is_the_rate_of_the_operations_over_that_of_the_machine() {
        // 1e9 operations in 0.5 s are 2e9 per second.
        assert_eq!(report().timings[0].share, Some(0.5));
        assert_eq!(report().timings[1].share, None);
    }

    #[test]
    fn a_report_is_read_as_it_was_written_and_other_files_are_refused_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench.json");
        report().write(&path).unwrap();
        assert_eq!(BenchReport::read(&path).unwrap(), report());
        let text = fs::read_to_string(&path).unwrap();
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            let message = BenchReport::read(&path).unwrap_err().to_string();
            assert_eq!(message.lines().count(), 1, "{message}");
            message
        };
        assert!(refused("").contains("no report of `layersep bench`"));
        assert!(refused("{\"sweeps\": 3}").contains("missing field `format`"));
        assert!(refused(&text.replace(FORMAT, "another")).contains("its format is `another`"));
        assert!(refused(&text.replace("\"schema\": 1", "\"schema\": 2")).contains("version 2"));
        assert!(refused(&text.replace("median", "mean")).contains("missing field `median`"));
    }
}
