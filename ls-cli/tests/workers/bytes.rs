//! The bytes of a sweep, counted on the way.

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

/// A run of fits, whose traffic per sweep is the difference of two runs: they agree in the sweeps that both have.
#[test]
fn the_counted_bytes_of_a_sweep_are_those_of_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let workers = Worker::several(2);
    let proxies = [0, 1].map(|i| Proxy::new(&workers[i]));
    let devices = format!("{},{}", proxies[0].name, proxies[1].name);
    let mut counted = Vec::new();
    for sweeps in ["2", "6"] {
        let settings = [
            "--hidden",
            "100,80",
            "--sweeps",
            sweeps,
            "--history",
            "0",
            "--set",
            "method.chunk=500",
        ];
        train(folder, sweeps, &devices, &settings);
        let parts = proxies.each_ref().map(Proxy::take);
        counted.push([0, 1].map(|i| parts[0][i] + parts[1][i]));
    }
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
    let [found_home, found_out] = [0, 1].map(|way| counted[1][way] - counted[0][way]);
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
