//! What a sweep over a split in shards sends between its home and the devices, and how long it takes.

use super::ExactConfig;
use crate::method::chunks::default_chunk;
use crate::network::Network;
use crate::objective::{CHUNK as REPORT_CHUNK, sample_sum_count};

/// Bytes of the messages that name the operations on a chunk in one stage, in a sweep of one trial with its report: counted on dense
/// networks.
const MESSAGE_BYTES: u64 = 12_000;

/// The numbers of one stage that cross the network, and its operations. A number has the bytes of the precision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StageTraffic {
    /// Entries of `W_l` and `b_l`.
    pub coefficients: u64,
    /// Entries of the sums of a backward pass: `Âᵀ G` of the first stage, `(d_0 + 1) d_1`, and `Gᵀ G` of a hidden one, `d_l²`.
    pub backward: u64,
    /// Entries of the sums of a fit, those of the first stage being known: `Âᵀ(u* - Â V)` and the Gram matrix,
    /// `(d_{l-1} + 1) d_l + d_{l-1}² + d_{l-1}`.
    pub fit: u64,
    /// Entries of the metric `M_l` of the output side, `d_l²`.
    pub metric: u64,
    /// Sums that a backward pass and a trial wait for, one after the other.
    pub waits: [u64; 2],
    /// Operations of a forward pass of all samples, two for each entry of a product's sums: those of a sweep are about
    /// `4 + 3 t` times as many with `t` trials.
    pub operations: f64,
    /// Operations of the Gram matrix of a trial.
    pub gram_operations: f64,
    /// Operations of the small systems of a trial, which are solved at home.
    pub solve_operations: f64,
}

/// The traffic of one sweep of fits of [`Exact`](super::Exact) over a split in shards, stage by stage.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepTraffic {
    /// The stages in order. One without the affine view, which moves by gradients, counts for its parameters alone.
    pub stages: Vec<StageTraffic>,
    /// Sums over groups of at most 32 samples that stand for one number of each training sample.
    pub sample_sums: u64,
    /// The same of the test samples.
    pub test_sample_sums: u64,
    /// Chunks of the training samples.
    pub chunks: u64,
}

/// Returns the sums over groups of samples in chunks.
fn sums(samples: u64, chunk: usize) -> u64 {
    let (samples, chunk) = (samples as usize, chunk.max(1));
    let whole = samples / chunk * sample_sum_count(chunk);
    (whole + sample_sum_count(samples % chunk)) as u64
}

impl SweepTraffic {
    /// Counts the numbers of a sweep of a network over training and test samples.
    pub fn of(network: &Network, [samples, test_samples]: [u64; 2], config: &ExactConfig) -> Self {
        let chunk = config.chunk.unwrap_or_else(|| default_chunk(network));
        let gram_rows = config.gram_rows as u64;
        let last = network.hidden();
        let stages = network.stages().iter().enumerate().map(|(l, stage)| {
            let Some(stage) = stage.affine() else {
                return StageTraffic::default();
            };
            let [d_in, d_out] = stage.coefficients().kernel.dims().map(|d| d as u64);
            let per_sample = stage.rows_per_sample() as u64;
            let rows = samples * per_sample;
            let kept = if per_sample == 1 {
                rows
            } else {
                rows.min(gram_rows)
            };
            let (is_first, is_hidden) = (l == 0, l < last);
            let coefficients = (d_in + 1) * d_out;
            let metric = if is_hidden { d_out * d_out } else { 0 };
            StageTraffic {
                coefficients,
                backward: metric + if is_first { coefficients } else { 0 },
                fit: if is_first {
                    0
                } else {
                    coefficients + d_in * d_in + d_in
                },
                metric: if is_first { 0 } else { metric },
                waits: [
                    2 * u64::from(is_first) + u64::from(is_hidden),
                    4 * u64::from(!is_first),
                ],
                operations: 2.0 * (rows * d_in * d_out) as f64,
                gram_operations: if is_first {
                    0.0
                } else {
                    2.0 * (kept * d_in * d_in) as f64
                },
                solve_operations: (d_in as f64).powi(3) / 3.0 + 2.0 * (d_in * d_in * d_out) as f64,
            }
        });
        Self {
            stages: stages.collect(),
            sample_sums: sums(samples, chunk),
            test_sample_sums: sums(test_samples, REPORT_CHUNK),
            chunks: samples.div_ceil(chunk.max(1) as u64),
        }
    }

    /// Returns about the bytes of the messages that name the operations of a sweep of one trial; they leave home beside the numbers.
    pub fn message_bytes(&self) -> u64 {
        self.chunks * self.stages.len() as u64 * MESSAGE_BYTES
    }

    fn sum(&self, of: impl Fn(&StageTraffic) -> u64) -> u64 {
        self.stages.iter().map(of).sum()
    }

    /// Returns the numbers that come home in a sweep with so many trials: each of `devices` sends its sums, and every group of samples has
    /// a loss in each trial, and in the report loss, hits, a term of every stage, and the certificate. With `G` groups:
    ///
    /// `devices (Σ backward + trials Σ fit) + (trials + L + 3) G + 2 G_test`.
    pub fn home(&self, devices: u64, trials: u64) -> u64 {
        let stages = self.stages.len() as u64;
        let sums = self.sum(|own| own.backward) + trials * self.sum(|own| own.fit);
        devices * sums + (trials + stages + 3) * self.sample_sums + 2 * self.test_sample_sums
    }

    /// Returns the numbers that leave home: weights for the sweep and the reports of both splits, coefficients and metrics of every trial,
    /// and the sums so far for every device but the first, which adds its own to them:
    ///
    /// `devices ((trials + 3) Σ coefficients + trials Σ metric) + (devices - 1) (Σ backward + trials Σ fit)`.
    pub fn out(&self, devices: u64, trials: u64) -> u64 {
        let coefficients = (trials + 3) * self.sum(|own| own.coefficients);
        let metrics = trials * self.sum(|own| own.metric);
        let sums = self.sum(|own| own.backward) + trials * self.sum(|own| own.fit);
        devices * (coefficients + metrics) + devices.saturating_sub(1) * sums
    }

    /// Predicts the seconds of a sweep.
    pub fn seconds(&self, devices: u64, trials: u64, link: &Link) -> SweepSeconds {
        let operations = |of: fn(&StageTraffic) -> f64| self.stages.iter().map(of).sum::<f64>();
        let t = trials as f64;
        let products = operations(|own| own.operations) * (4.0 + 3.0 * t)
            + operations(|own| own.gram_operations) * t;
        let waits = self.sum(|own| own.waits[0]) + trials * self.sum(|own| own.waits[1]);
        let numbers = self.home(devices, trials) + self.out(devices, trials);
        let bytes = numbers * link.number_bytes + self.message_bytes();
        SweepSeconds {
            compute: products / (devices as f64 * link.device_rate),
            solve: operations(|own| own.solve_operations) * t / link.home_rate,
            transfer: 8.0 * bytes as f64 / link.bits_per_second
                + (devices * waits) as f64 * link.round_trip,
        }
    }
}

/// How fast devices compute, and the network between them and their home.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Operations per second of one device.
    pub device_rate: f64,
    /// Operations per second at home.
    pub home_rate: f64,
    /// Bits per second into home and out of it.
    pub bits_per_second: f64,
    /// Seconds of a question and its answer.
    pub round_trip: f64,
    /// Bytes of a number.
    pub number_bytes: u64,
}

/// The parts of the time of a sweep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepSeconds {
    /// Products over samples, on all devices at the same time.
    pub compute: f64,
    /// Small systems at home.
    pub solve: f64,
    /// All numbers over the link of home, and the waits for sums, which pass from device to device.
    pub transfer: f64,
}

impl SweepSeconds {
    /// Returns the sum: the parts follow each other.
    pub fn total(&self) -> f64 {
        self.compute + self.solve + self.transfer
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::model::MlpConfig;
    use crate::shape::FeatureShape;
    use crate::stage::Activation;

    fn network() -> Network {
        let mlp = MlpConfig::new(vec![5, 4], Activation::Relu);
        mlp.init(FeatureShape::Flat(7), 3, 1, &Device::flex())
            .unwrap()
    }

    #[test]
    fn the_formula_of_a_dense_network_is_that_of_its_widths() {
        let traffic = SweepTraffic::of(&network(), [100, 10], &ExactConfig::default());
        let backward = 8 * 5 + 5 * 5 + 4 * 4;
        let fits = (6 * 4 + 30) + (5 * 3 + 20);
        assert_eq!(
            traffic.home(2, 3),
            // Four groups of at most 32 of the 100 samples, and one of the ten.
            2 * (backward + 3 * fits) + (3 + 3 + 3) * 4 + 2
        );
        let weights = 8 * 5 + 6 * 4 + 5 * 3;
        let sent = 2 * (6 * weights + 3 * 16) + backward + 3 * fits;
        assert_eq!(traffic.out(2, 3), sent);
    }

    #[test]
    fn two_devices_send_home_less_than_two_megabytes_in_a_sweep_over_mnist() {
        let mlp = MlpConfig::new(vec![100, 100], Activation::Relu);
        let network = mlp.init(FeatureShape::Flat(784), 10, 1, &Device::flex());
        let traffic =
            SweepTraffic::of(&network.unwrap(), [60_000, 10_000], &ExactConfig::default());
        for (trials, megabytes) in [(1, 1.09), (2, 1.35)] {
            let bytes = 4.0 * traffic.home(2, trials) as f64;
            assert!((bytes / 1e6 - megabytes).abs() < 0.01, "{bytes}");
        }
    }

    #[test]
    fn more_devices_compute_faster_and_transfer_more() {
        let traffic = SweepTraffic::of(&network(), [60_000, 10_000], &ExactConfig::default());
        let link = Link {
            device_rate: 1e11,
            home_rate: 1e11,
            bits_per_second: 1e9,
            round_trip: 1e-4,
            number_bytes: 4,
        };
        let [few, many] = [2, 64].map(|devices| traffic.seconds(devices, 1, &link));
        assert!((few.compute / many.compute - 32.0).abs() < 1e-9);
        assert!(many.transfer > few.transfer);
        assert_eq!(many.solve, few.solve);
    }
}
