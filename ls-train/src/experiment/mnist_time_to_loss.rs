//! Training time to a loss of 0.02 on all of MNIST, in mini-batches.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::digits;
use super::{Budget, Case, Contender, Experiment};
use crate::config::{BackpropConfig, BatchSize, MethodConfig, OptimizerName, RunConfig, Schedule};

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "mnist-time-to-loss",
    about: "784-100-100-10 on MNIST in batches: seconds to a training loss of 0.02; needs --data-dir",
    seconds: 0.0,
    cases,
};

fn cases() -> Vec<Case> {
    let mut base = digits(&[100, 100], Activation::Relu, Init::Kaiming);
    base.data.dataset = Source::MNIST.name().into();
    let exact = |epochs| {
        let contender = Contender::foof(&base, 250).within(Budget::Sweeps);
        lasting(contender, &[epochs])
    };
    let named = |name: &str, contender: Contender| Contender {
        name: name.into(),
        ..contender
    };
    let contenders = vec![
        named("foof", exact(3)),
        named("foof, longer", exact(6)),
        baseline("sgd, batches", &base, OptimizerName::Sgd, &[0.03, 0.1, 0.2]),
        baseline(
            "adam, batches",
            &base,
            OptimizerName::Adam,
            &[1e-3, 2e-3, 4e-3],
        ),
    ];
    vec![Case::new("mnist", contenders).with_targets([0.02])]
}

/// Makes a baseline with a setting for every schedule, rate, batch size and number of epochs.
fn baseline(name: &str, base: &RunConfig, optimizer: OptimizerName, rates: &[f64]) -> Contender {
    let mut settings = Vec::new();
    for schedule in [Schedule::Constant, Schedule::Linear] {
        for &learning_rate in rates {
            for samples in [100, 200] {
                let config = RunConfig {
                    method: MethodConfig::Backprop(BackpropConfig {
                        optimizer: optimizer.into(),
                        learning_rate: Some(learning_rate),
                        schedule,
                        ..BackpropConfig::default()
                    })
                    .into(),
                    batch_size: BatchSize::Samples(samples),
                    ..base.clone()
                };
                let text = format!("rate {learning_rate} {}, {samples}", schedule.name());
                settings.push((text, config));
            }
        }
    }
    let contender = Contender {
        name: name.into(),
        settings,
        budget: Budget::Sweeps,
        seeds: u64::MAX,
        widens: true,
    };
    lasting(contender, &[4, 6, 9])
}

/// Repeats every setting for each number of epochs, as a rate that falls to zero depends on that number.
fn lasting(contender: Contender, epochs: &[usize]) -> Contender {
    let with = |(text, config): &(String, RunConfig), sweeps| {
        let config = RunConfig {
            sweeps,
            ..config.clone()
        };
        let text = match text.as_str() {
            "-" => format!("{sweeps} epochs"),
            text => format!("{text}, {sweeps} epochs"),
        };
        (text, config)
    };
    let settings = contender.settings.iter();
    let settings = settings.flat_map(|setting| epochs.iter().map(move |&n| with(setting, n)));
    Contender {
        settings: settings.collect(),
        ..contender
    }
}
