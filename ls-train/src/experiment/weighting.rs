//! Weights of the residuals, `η`, passes and restarts of `alternating`.

use ls_core::linalg::Norm;
use ls_core::objective::Weighting;
use ls_core::stage::{Activation, Init};

use super::base::{alternating, digits, with_method};
use super::{Case, Contender, Experiment};
use crate::config::AlternatingConfig;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "weighting",
    about: "fixed, Frobenius and spectral weights, η, passes and restarts of alternating minimization, on the digits",
    seconds: 8.0,
    cases,
};

fn cases() -> Vec<Case> {
    [
        ("relu-2x128", vec![128; 2], Activation::Relu),
        ("tanh-6x64", vec![64; 6], Activation::Tanh),
        ("sigmoid-6x64", vec![64; 6], Activation::Sigmoid),
    ]
    .into_iter()
    .map(|(name, hidden, activation)| {
        let base = digits(&hidden, activation, Init::Kaiming);
        let weighted = |weighting| AlternatingConfig {
            weighting,
            ..alternating(1)
        };
        let adaptive = |norm, eta| weighted(Weighting::SelfAdaptive { norm, eta });
        let passes = |auxiliary_passes, weight_passes| AlternatingConfig {
            auxiliary_passes,
            ..alternating(weight_passes)
        };
        let without_restart = AlternatingConfig {
            restart: false,
            ..alternating(1)
        };
        let contenders = [
            ("spectral, η = 1", adaptive(Norm::Spectral, 1.0)),
            ("spectral, η = 0.3", adaptive(Norm::Spectral, 0.3)),
            ("spectral, η = 3", adaptive(Norm::Spectral, 3.0)),
            ("Frobenius, η = 1", adaptive(Norm::Frobenius, 1.0)),
            ("fixed, ω = 1", weighted(Weighting::Fixed { omega: 1.0 })),
            (
                "fixed, ω = 0.01",
                weighted(Weighting::Fixed { omega: 0.01 }),
            ),
            ("2 auxiliary passes", passes(2, 1)),
            ("3 weight passes", passes(1, 3)),
            ("no restart", without_restart),
        ];
        let contender = |(name, settings)| Contender::fixed(name, with_method(&base, settings));
        Case::new(name, contenders.into_iter().map(contender).collect())
    })
    .collect()
}
