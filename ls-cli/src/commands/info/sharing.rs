//! The time of a sweep of `exact` over many devices, predicted from one of them.

use std::path::Path;

use burn::tensor::Device;
use ls_core::method::{ExactConfig, Link, SweepTraffic};
use ls_core::network::Network;
use ls_train::config::RunConfig;

use crate::device::{DeviceSet, rate};
use crate::failure::Failure;
use crate::ui::format::{bytes, count};

/// Numbers of devices of the prediction.
const DEVICES: [u64; 10] = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Gigabits per second of its networks.
const GIGABITS: [u64; 3] = [1, 10, 100];

/// Seconds of a question and its answer in a local network.
const ROUND_TRIP: f64 = 1e-4;

/// Bytes of a number of f32.
const NUMBER_BYTES: u64 = 4;

/// Most sweeps accept their first trial.
const TRIALS: u64 = 1;

/// A prediction as a program reads it.
#[derive(Debug, serde::Serialize)]
pub(super) struct Sharing {
    device: String,
    /// Measured operations per second in products of matrices: of the first device, and at home.
    rates: [f64; 2],
    samples: usize,
    stages: Vec<StageBytes>,
    sweeps: Vec<Sweep>,
}

/// Bytes of the sums that every device sends home for a stage.
#[derive(Debug, serde::Serialize)]
struct StageBytes {
    backward: u64,
    trial: u64,
}

/// A sweep over so many devices.
#[derive(Debug, serde::Serialize)]
struct Sweep {
    devices: u64,
    /// Bytes that come home and that leave it.
    home_bytes: u64,
    out_bytes: u64,
    solve_seconds: f64,
    /// Whole seconds at 1, 10 and 100 Gbit/s.
    seconds: Vec<f64>,
}

impl Sharing {
    /// Measures the rate of the first of the named devices, and predicts a sweep over many like it.
    ///
    /// # Errors
    /// As [`DeviceSet::open`], and those of the devices.
    pub(super) fn predict(
        name: &str,
        token: Option<&Path>,
        network: &Network,
        [samples, test_samples]: [usize; 2],
    ) -> Result<Self, Failure> {
        let mut config = RunConfig {
            device: name.into(),
            ..RunConfig::default()
        };
        let devices = DeviceSet::open(&mut config, token, false)?;
        let first = match &devices.shards {
            Some(shards) => &shards.devices()[0],
            None => &devices.home.device,
        };
        let [device_rate, home_rate] = [rate(first)?, rate(&Device::flex())?];
        let numbers = [samples, test_samples].map(|count| count as u64);
        let traffic = SweepTraffic::of(network, numbers, &ExactConfig::default());
        let link = |gigabits: u64| Link {
            device_rate,
            home_rate,
            bits_per_second: gigabits as f64 * 1e9,
            round_trip: ROUND_TRIP,
            number_bytes: NUMBER_BYTES,
        };
        let sweep = |devices: u64| {
            let seconds = |gigabits| traffic.seconds(devices, TRIALS, &link(gigabits));
            Sweep {
                devices,
                home_bytes: traffic.home(devices, TRIALS) * NUMBER_BYTES,
                out_bytes: traffic.out(devices, TRIALS) * NUMBER_BYTES + traffic.message_bytes(),
                solve_seconds: seconds(1).solve,
                seconds: GIGABITS.map(|gigabits| seconds(gigabits).total()).to_vec(),
            }
        };
        let stages = traffic.stages.iter().map(|stage| StageBytes {
            backward: stage.backward * NUMBER_BYTES,
            trial: stage.fit * NUMBER_BYTES,
        });
        Ok(Self {
            device: name.into(),
            rates: [device_rate, home_rate],
            samples,
            stages: stages.collect(),
            sweeps: DEVICES.map(sweep).into(),
        })
    }

    /// The prediction for a person.
    pub(super) fn table(&self) -> String {
        let [device, home] = self.rates.map(|rate| rate / 1e9);
        let mut text = format!(
            "\nmethod `exact` over several devices, predicted for {} samples in full batch, f32 and one trial a sweep, from products of \
             {device:.0} GFLOP/s on\n{} and {home:.0} GFLOP/s at home, and round trips of 0.1 ms\n\n",
            count(self.samples),
            self.device
        );
        text += "stage  sums of a device: backward pass, and each trial\n";
        for (l, stage) in self.stages.iter().enumerate() {
            let [backward, trial] = [stage.backward, stage.trial].map(bytes);
            text += &format!("{:>5}  {backward:>23}{trial:>16}\n", l + 1);
        }
        text += &format!(
            "\n{:>7}{:>14}{:>14}{:>11}{:>13}{:>13}{:>13}\n",
            "devices",
            "home receives",
            "home sends",
            "solves",
            "1 Gbit/s",
            "10 Gbit/s",
            "100 Gbit/s"
        );
        for sweep in &self.sweeps {
            let [home, out] = [sweep.home_bytes, sweep.out_bytes].map(bytes);
            let solves = format!("{:.2} s", sweep.solve_seconds);
            text += &format!("{:>7}{home:>14}{out:>14}{solves:>11}", sweep.devices);
            for seconds in &sweep.seconds {
                text += &format!("{:>13}", format!("{seconds:.2} s"));
            }
            text.push('\n');
        }
        text
    }
}
