//! The bytes of a sweep, counted on the way.

use std::path::Path;

use burn::tensor::Device;
use ls_core::method::{ExactConfig, SweepTraffic};
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::Activation;

use crate::proxy::Proxy;
use crate::worker::Worker;
use crate::{history, train};

fn network() -> Network {
    let mlp = MlpConfig::new(vec![100, 80], Activation::Relu);
    let network = ModelConfig::Mlp(mlp);
    network
        .init(FeatureShape::Flat(64), 10, 1, &Device::flex())
        .unwrap()
}

/// Counts the bytes of four sweeps over two workers, towards home and out of it, as the difference of a run of 6 sweeps, which it leaves
/// as `6`, and one of 2: they agree in the sweeps that both have.
fn four_sweeps(folder: &Path, settings: &[&str]) -> [u64; 2] {
    let workers = Worker::several(2);
    let proxies = [0, 1].map(|i| Proxy::new(&workers[i]));
    let devices = format!("{},{}", proxies[0].name, proxies[1].name);
    let [few, many] = ["2", "6"].map(|sweeps| {
        let own = ["--hidden", "100,80", "--sweeps", sweeps];
        train(folder, sweeps, &devices, &[&own, settings].concat());
        let parts = proxies.each_ref().map(Proxy::take);
        [0, 1].map(|i| parts[0][i] + parts[1][i])
    });
    [0, 1].map(|way| many[way] - few[way])
}

#[test]
fn the_counted_bytes_of_a_sweep_are_those_of_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = ["--history", "0", "--set", "method.chunk=500"];
    let [found_home, found_out] = four_sweeps(folder, &settings);
    let rows = history(folder, "6");
    let column = |name: &str| rows[0].iter().position(|own| own == name).unwrap();
    let trials = |row: &Vec<String>| -> u64 {
        let own = ["accepted", "rejected"].map(|name| row[column(name)].parse::<u64>().unwrap());
        own.iter().sum()
    };
    let config = ExactConfig {
        chunk: Some(500),
        ..ExactConfig::default()
    };
    let traffic = SweepTraffic::of(&network(), [3823, 1797], &config);
    let of = |count: fn(&SweepTraffic, u64, u64) -> u64| -> u64 {
        let sweeps = rows[1..].iter().skip(3);
        sweeps.map(|row| 4 * count(&traffic, 2, trials(row))).sum()
    };
    let [home, out] = [of(SweepTraffic::home), of(SweepTraffic::out)];
    // Every answer has a head of some bytes: seen, 0.3 % of all.
    assert!(
        (home..home + home / 100).contains(&found_home),
        "{found_home} of {home} bytes"
    );
    // The messages of the operations are known roughly only: seen, 0.96 times as many as the formula says.
    let messages = (found_out - out) as f64 / (4 * traffic.message_bytes()) as f64;
    assert!(
        (0.5..2.0).contains(&messages),
        "{found_out} of {out} bytes, {messages} messages"
    );
}

/// Values and first lengths of the variables go out and come home with the pre-activations of the first layer, and the values go out again
/// for the report.
#[test]
fn the_counted_bytes_of_a_sweep_of_alternating_are_those_of_the_guide() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--method", "alternating"];
    let [found_home, found_out] = four_sweeps(folder.path(), &settings);
    let (samples, hidden) = (3823, 100 + 80);
    // Six rows of figures of the training split and two of the test split, in groups of 32.
    let sums = 6 * 120 + 2 * 57;
    let home = 4 * 4 * (samples * (hidden + 2 + 100) + sums);
    // Every answer has a head of some bytes: seen, 0.01 % of all.
    assert!(
        (home..home + home / 100).contains(&found_home),
        "{found_home} of {home} bytes"
    );
    // Two devices take part in the sweep, and one in each report: a split has a single chunk there.
    let weights = 65 * 100 + 101 * 80 + 81 * 10;
    let out = 4 * 4 * (samples * (2 * hidden + 2) + 4 * weights);
    // The names of the operations, for 15 parts and 3 stages.
    let messages = (found_out - out) / (4 * 15 * 3);
    // They depend on the version of Burn: seen, 19,504.
    assert!((10_000..40_000).contains(&messages), "{messages}");
}
