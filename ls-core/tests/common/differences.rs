//! Derivatives of the reference by central differences.

use super::reference::{Matrix, Problem, cross_entropy, difference};
use faer::linalg::solvers::Solve;
use ls_core::method::AlternatingConfig;
use ls_core::objective::{Weighting, Weights};
use ls_core::stage::AnyStage;
use ls_core::update::{GramStep, WeightBlock, WeightStep};

/// `μ` of the weight steps under test.
const DAMPING: f64 = 0.01;

/// The weight step under test; [`gram_direction`] is its reference.
pub(crate) const GRAM_STEP: GramStep = GramStep {
    damping: DAMPING,
    longest: f64::INFINITY,
};

/// Moves an affine stage by one weight step, with the preconditioner of the block's inputs.
pub(crate) fn gram_step(
    rule: GramStep,
    stage: &mut AnyStage,
    block: &WeightBlock,
    first: f64,
) -> WeightStep {
    let stage = stage.affine_mut().expect("all stages here are affine");
    let factor = rule.precondition(&*stage, block.input.clone()).unwrap();
    rule.update(stage, block, &factor, first).unwrap()
}

/// Whole sweeps by the same step: so many weight passes, with or without restarts.
pub(crate) fn line_search(
    weighting: Weighting,
    weight_passes: usize,
    restart: bool,
) -> AlternatingConfig {
    AlternatingConfig {
        weighting,
        weight_passes,
        restart,
        damping: Some(DAMPING),
        ..AlternatingConfig::default()
    }
}

/// Central difference of `f` along the number that `entry` points at.
pub(crate) fn slope_at<P: Clone>(
    point: &P,
    f: impl Fn(&P) -> f64,
    entry: impl Fn(&mut P) -> &mut f64,
) -> f64 {
    let step = 1e-5;
    let value = |by: f64| {
        let mut moved = point.clone();
        *entry(&mut moved) += by;
        f(&moved)
    };
    (value(step) - value(-step)) / (2.0 * step)
}

/// `∂f/∂[W_l; b_l]`.
pub(crate) fn weight_gradient(problem: &Problem, l: usize, f: impl Fn(&Problem) -> f64) -> Matrix {
    let bordered = problem.layers[l].bordered();
    let entry = |i: usize, j: usize| {
        slope_at(problem, &f, |p| {
            let layer = &mut p.layers[l];
            layer
                .kernel
                .get_mut(i)
                .map_or(&mut layer.bias[j], |row| &mut row[j])
        })
    };
    let row = |i: usize| (0..bordered[0].len()).map(|j| entry(i, j)).collect();
    (0..bordered.len()).map(row).collect()
}

/// `∂S_n/∂a_{l,n}` for all samples.
pub(crate) fn auxiliary_gradient(problem: &Problem, l: usize, weights: &Weights) -> Matrix {
    let row = |n: usize| {
        let entry = |i: usize| {
            let f = |p: &Problem| p.separated(n, weights);
            slope_at(problem, f, |p| &mut p.auxiliary[l][n][i])
        };
        (0..problem.auxiliary[l][n].len()).map(entry).collect()
    };
    (0..problem.inputs.len()).map(row).collect()
}

/// `∂ce_n/∂u_{l,n}` of the plain forward pass.
pub(crate) fn pre_activation_gradient(problem: &Problem, l: usize, n: usize) -> Vec<f64> {
    let outputs = problem.forward(n);
    let input = if l == 0 {
        &problem.inputs[n]
    } else {
        &outputs[l - 1]
    };
    let loss = |u: &Vec<f64>| {
        let h = problem.layers[l].post(u, input);
        let later = problem.layers[l + 1..].iter();
        cross_entropy(
            &later.fold(h, |h, layer| layer.forward(&h)),
            problem.labels[n],
        )
    };
    let u = problem.layers[l].pre(input);
    (0..u.len())
        .map(|i| slope_at(&u, loss, |u| &mut u[i]))
        .collect()
}

/// Exact weights at the problem's own weights, so that differences see the derivative of `ω`.
pub(crate) fn weights_of(problem: &Problem, weighting: Weighting) -> Weights {
    match weighting {
        Weighting::SelfAdaptive { norm, eta } => problem.weights(norm, eta),
        Weighting::Fixed { omega } => Weights {
            head: 1.0,
            growth: problem.weights(weighting.norm(), 1.0).growth,
            omega: vec![omega; problem.hidden()],
        },
    }
}

pub(crate) fn separated(problem: &Problem, weighting: Weighting) -> f64 {
    problem.separated_mean(&weights_of(problem, weighting))
}

/// The step that `GramStep` takes at length 1, by the formula and in f64: `-(ÂᵀÂ/N + μ tr/d I)⁻¹ ∇S / curvature`.
pub(crate) fn gram_direction(problem: &Problem, l: usize, weighting: Weighting) -> Matrix {
    let gradient = weight_gradient(problem, l, |p| separated(p, weighting));
    let row = |n: usize| [problem.input(l, n), &[1.0]].concat();
    let size = gradient.len();
    let entry = |i: usize, j: usize| problem.mean(|n| row(n)[i] * row(n)[j]);
    let ridge = DAMPING * (0..size).map(|i| entry(i, i)).sum::<f64>() / size as f64;
    let gram = faer::Mat::from_fn(size, size, |i, j| {
        entry(i, j) + if i == j { ridge } else { 0.0 }
    });
    let right = faer::Mat::from_fn(size, gradient[0].len(), |i, j| gradient[i][j]);
    let solution = gram.partial_piv_lu().solve(&right);
    let weights = weights_of(problem, weighting);
    let curvature = weights
        .omega
        .get(l)
        .map_or(0.5 * weights.head, |omega| 2.0 * omega);
    let entry = |i: usize, j: usize| -solution[(i, j)] / curvature;
    (0..size)
        .map(|i| (0..gradient[0].len()).map(|j| entry(i, j)).collect())
        .collect()
}

/// `[W; b]` of stage `l` after minus before.
pub(crate) fn weight_change(before: &Problem, after: &Problem, l: usize) -> Matrix {
    let pairs = after.layers[l]
        .bordered()
        .into_iter()
        .zip(before.layers[l].bordered());
    pairs
        .map(|(after, before)| difference(&after, &before))
        .collect()
}
