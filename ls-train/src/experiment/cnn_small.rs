//! The small convolutional network on 3,000 images of MNIST, against Adam for equal and for twice the time.

use ls_core::stage::Activation;
use ls_datasets::Source;

use super::base::{cnn, first_samples};
use super::{Budget, Case, Contender, Experiment};
use crate::config::{BatchSize, OptimizerName, RunConfig};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "cnn-small",
    about: "15 sweeps of exact on a CNN and 3,000 images of MNIST, against Adam at three rates; needs --data-dir",
    seconds: 0.0,
    cases,
};

/// Number of training samples.
const SAMPLES: usize = 3000;

fn cases() -> Vec<Case> {
    [Activation::Relu, Activation::Sigmoid]
        .into_iter()
        .map(|activation| {
            let base = RunConfig {
                sweeps: 15,
                ..first_samples(cnn(activation), Source::MNIST, SAMPLES)
            };
            let batches = RunConfig {
                batch_size: BatchSize::Samples(64),
                ..base.clone()
            };
            let adam = |name, times| {
                let rates = [1e-3, 3e-3, 1e-2];
                let adam = Contender::swept(name, &batches, OptimizerName::Adam, &rates);
                adam.within(Budget::Times(times)).once()
            };
            let contenders = vec![
                Contender::exact(&base).within(Budget::Sweeps),
                adam("adam, batches, as long", 1.0),
                adam("adam, batches, twice as long", 2.0),
            ];
            Case::new(activation.name(), contenders).with_targets([1e-2])
        })
        .collect()
}
