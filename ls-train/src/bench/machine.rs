//! The machine, and its rate of matrix products.

use std::fs;

use burn::tensor::{Device, Tensor, TensorData};
use ls_core::device::runs_on_host;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::timer::Timer;
use crate::Result;
use crate::config::Precision;

/// What the seconds of a measurement depend on beside the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor, or `unknown`.
    pub processor: String,
    /// Number of threads that work on the chunks of a pass.
    pub threads: usize,
    /// Operating system and architecture, such as `linux x86_64`.
    pub system: String,
    /// Version of the library.
    pub version: String,
    /// `release`, or `debug` for a build with checks, which is slower.
    pub build: String,
    /// Name of the device.
    pub device: String,
    /// Numbers that the device computes in.
    pub precision: Precision,
}

impl Machine {
    /// Describes this machine.
    pub fn this(device: &str, precision: Precision) -> Self {
        let build = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        Self {
            processor: processor(),
            threads: rayon::current_num_threads(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            version: env!("CARGO_PKG_VERSION").into(),
            build: build.into(),
            device: device.into(),
            precision,
        }
    }
}

/// Reads the model of the processor where the system has `/proc/cpuinfo`.
fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    model_name(&text).unwrap_or_else(|| "unknown".into())
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let mut pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, name) = pairs.find(|(key, _)| key.trim() == "model name")?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.into())
}

/// Side of the matrices on a processor, and on an accelerator, which small ones would leave idle.
const SIDES: [usize; 2] = [1024, 4096];

/// Measurements of the rate, each after one that does not count.
const REPEATS: usize = 4;

/// Returns the rate of products of square matrices on a device in its own precision, in operations per second: `2 n³` over the least
/// seconds of several. On a processor the rows of the product are also dealt to all threads, as passes deal their samples, and the faster
/// way counts.
///
/// # Errors
/// Errors of the device.
pub(super) fn matrix_rate(timer: &Timer<'_>) -> Result<f64> {
    let [host, accelerator] = SIDES;
    let is_host = runs_on_host(timer.device);
    let side = if is_host { host } else { accelerator };
    let timer = Timer {
        repeats: REPEATS,
        ..*timer
    };
    let matrix = matrix(side, timer.device);
    let mut seconds = timer
        .time(|| Ok(matrix.clone().matmul(matrix.clone())))?
        .min;
    if is_host {
        let rows = matrix.clone().chunk(rayon::current_num_threads(), 0);
        let dealt = timer.time(|| {
            let parts = rows
                .par_iter()
                .map(|rows| rows.clone().matmul(matrix.clone()));
            Ok(parts.collect::<Vec<_>>())
        })?;
        seconds = seconds.min(dealt.min);
    }
    Ok(2.0 * (side as f64).powi(3) / seconds)
}

fn matrix(side: usize, device: &Device) -> Tensor<2> {
    // Entries do not matter, as long as they are no zeros or denormal numbers.
    let entry = |i: usize| 0.5 + (i % 17) as f32 / 17.0;
    let entries: Vec<f32> = (0..side * side).map(entry).collect();
    Tensor::from_data(TensorData::new(entries, [side, side]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_first_that_the_system_lists() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2: 1 GHz\n\nmodel name\t: another\n";
        assert_eq!(model_name(text).as_deref(), Some("A CPU @ 2: 1 GHz"));
        // As on machines that name no model.
        assert_eq!(model_name("processor : 0\nmodel name :\n"), None);
        assert_eq!(model_name(""), None);
    }
}
