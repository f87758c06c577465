//! Method `exact`: the original loss never rises, whatever the network, its weights and the settings.
//!
//! Losses are those that the method reports and those that the f64 reference finds at the weights that it left.
//! `LAYERSEP_PROPTEST_CASES` sets the number of random networks.

#[path = "../common/mod.rs"]
mod common;
mod extremes;
mod law;
mod other_batches;
mod pull_backs;
mod starts;
mod storage;

use burn::tensor::Device;
use common::differences::slope_at;
use common::mixed::{moderate, random_layer, shapes};
use common::reference::{EPSILON, Layer, Matrix, Problem, difference, dot, norm, reach};
use common::report::Report;
use common::{Random, Shape, cases, image, rows, tensor};
use ls_core::Error;
use ls_core::batch::Batch;
use ls_core::figure::Figures;
use ls_core::linalg::Norm;
use ls_core::method::{
    Exact, ExactConfig, Form, Method, Objective, Scaling, Separated, Storage, WEIGHT_DECAY,
};
use ls_core::objective::{ReportWeighting, Weighting};
use ls_core::shards::Shards;
use ls_core::stage::{
    Activation, AnyStage, ConvolutionConfig, DenseConfig, Pooling, ResidualConvolutionConfig,
    ResidualDenseConfig, StageConfig,
};
use proptest::prelude::*;
use proptest::sample::select;
use strum::VariantArray;

/// The weighting of the reports.
const WEIGHTING: Weighting = Weighting::SelfAdaptive {
    norm: Norm::Spectral,
    eta: 1.0,
};

/// A few units in the last place of the sums that a report is made of.
const DIGITS: f64 = 16.0 * EPSILON;

/// A problem with the method that trains it.
struct Run {
    problem: Problem,
    model: Separated,
    batch: Batch,
    method: Exact,
}

impl Run {
    fn new(problem: Problem, config: ExactConfig) -> Self {
        let (model, batch) = (problem.model(), problem.batch());
        let method = Exact::new(config, &model.network).unwrap();
        Self {
            problem,
            model,
            batch,
            method,
        }
    }

    fn sweep(&mut self) -> Figures {
        self.method.sweep(&mut self.model, &self.batch).unwrap()
    }

    fn problem(&self) -> Problem {
        self.problem.at(&self.model)
    }

    fn state(&mut self) -> State {
        let found = self.method.measure(&mut self.model, &self.batch).unwrap();
        let certificate = found.separated.unwrap().certificate_mean.unwrap();
        let problem = self.problem();
        State {
            reported: found.original_loss_mean,
            exact: problem.original_mean(),
            certificate,
            roundings: roundings(&problem),
            problem,
        }
    }
}

/// A network between two sweeps.
struct State {
    problem: Problem,
    /// `F` as the method reports it, and in f64.
    reported: f64,
    exact: f64,
    certificate: f64,
    roundings: [f64; 2],
}

/// How far f32 evaluations of `F`, and of `C`, may lie from the exact ones: the rounding of a stage is one more residual, so
/// the growth factors say how far it carries.
fn roundings(problem: &Problem) -> [f64; 2] {
    let growth = problem.library_weights(WEIGHTING).growth.unwrap();
    let spread = |ce: f64, d: f64, by: f64| reach(ce, d + by) - reach(ce, d - by) + DIGITS * ce;
    let samples: Vec<[f64; 2]> = (0..problem.inputs.len())
        .map(|n| {
            let [forward, separated] = problem.distance_roundings(n, &growth);
            let d = problem.distance(n, &growth);
            let head = problem.head_loss(n);
            let digits = DIGITS * reach(head, d);
            [
                spread(problem.original(n), 0.0, forward),
                spread(head, d, separated) + digits,
            ]
        })
        .collect();
    [0, 1].map(|i| problem.mean(|n| samples[n][i]))
}

/// Whether two networks agree in all bits of their weights.
fn same(a: &Problem, b: &Problem) -> bool {
    let bits = |problem: &Problem| -> Vec<u64> {
        let layers = problem.layers.iter().flat_map(Layer::bordered);
        layers.flatten().map(f64::to_bits).collect()
    };
    bits(a) == bits(b)
}
