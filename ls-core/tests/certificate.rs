//! The report of the methods that move the weights alone: `F ≤ C ≤ S ≤ (1+η) F` at every sweep, and no influence on the weights.
//!
//! `LAYERSEP_PROPTEST_CASES` sets the number of random networks, 2,000 by default.

mod common;

use common::mixed::{MixedShape, moderate, shapes};
use common::reference::{EPSILON, Problem, ROUNDING_OF_BOUNDS, reach};
use common::sweeps::{Values, sweep};
use common::{Shape, assert_close, cases};
use ls_core::batch::{Batch, Selection};
use ls_core::linalg::{Norm, to_f64};
use ls_core::method::{Exact, ExactConfig, Foof, FoofConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::objective::{ReportWeighting, Weighting};
use ls_core::stage::Activation;
use proptest::prelude::*;
use proptest::sample::select;

const NORMS: [Norm; 3] = [Norm::Spectral, Norm::Frobenius, Norm::Frequency];

fn exact(network: &Network, weighting: Weighting) -> Box<dyn Method> {
    let config = ExactConfig {
        weighting: ReportWeighting(weighting),
        ..ExactConfig::default()
    };
    Box::new(Exact::new(config, network).unwrap())
}

fn foof(network: &Network, weighting: Weighting) -> Box<dyn Method> {
    let config = FoofConfig {
        weighting: ReportWeighting(weighting),
        ..FoofConfig::default()
    };
    Box::new(Foof::new(config, network, None).unwrap())
}

/// The figures of a report, and whether any variable left the feasible point.
struct Found {
    original: f64,
    certificate: f64,
    separated: f64,
    has_moved: bool,
}

fn measured(method: &dyn Method, model: &mut Separated, batch: &Batch) -> Found {
    let measured = method.measure(model, batch).unwrap();
    let figures = measured.separated.unwrap();
    let residuals = figures.residual_square_means;
    assert!(
        residuals.iter().all(|r| r.is_finite()),
        "residuals {residuals:?}"
    );
    Found {
        original: measured.original_loss_mean,
        certificate: figures.certificate_mean.unwrap(),
        separated: figures.separated_loss_mean,
        has_moved: residuals.iter().any(|&r| r > 0.0),
    }
}

/// How far f32 may lead a report beyond the law.
struct Allowance {
    /// Of `F` above `C`: the logits `z` and `ẑ` carry the rounding of all stages, also where they should be equal.
    below: f64,
    /// Of `S` above `(1+η) F`, as a share of it: the blocks are accepted on sums of two f32 terms, each with three roundings, and both
    /// sums over 32 samples have ten.
    above: f64,
}

impl Allowance {
    fn at(problem: &Problem, norm: Norm) -> Self {
        let growth = problem.weights(norm, 1.0).growth.unwrap();
        let spread = problem.mean(|n| {
            let [plain, separated] = problem.distance_roundings(n, &growth);
            let (loss, head) = (problem.original(n), problem.head_loss(n));
            let by = plain + separated;
            reach(loss, by) - loss + 16.0 * EPSILON * (loss + head)
        });
        Self {
            below: spread,
            above: 4.0 * EPSILON * (problem.hidden() + 1) as f64 + 10.0 * EPSILON,
        }
    }
}

#[track_caller]
fn assert_law(found: &Found, eta: f64, allowance: &Allowance, what: &str) {
    let Found {
        original: f,
        certificate: c,
        separated: s,
        ..
    } = *found;
    assert!(f <= c + allowance.below, "{what}: F {f} above C {c}");
    assert!(
        c <= s * (1.0 + ROUNDING_OF_BOUNDS),
        "{what}: C {c} above S {s}"
    );
    let highest = (1.0 + eta) * f * (1.0 + allowance.above);
    assert!(s <= highest, "{what}: S {s} above {highest}");
}

/// Sweeps and holds every report, that of the start too, to the law. Returns how many of them had moved variables.
fn run(problem: &Problem, method: &mut dyn Method, weighting: Weighting, what: &str) -> usize {
    let Weighting::SelfAdaptive { norm, eta } = weighting else {
        panic!("the law belongs to self-adaptive weights");
    };
    let batch = problem.batch();
    let mut model = Separated::feasible(problem.network(), &batch);
    let size = (method.name() == "foof").then_some(problem.inputs.len().div_ceil(2).max(2));
    let mut moved = 0;
    for k in 0..5 {
        let found = measured(method, &mut model, &batch);
        let now = problem.at(&model);
        let allowance = Allowance::at(&now, norm);
        assert_law(&found, eta, &allowance, &format!("{what}, sweep {k}"));
        moved += usize::from(found.has_moved);
        sweep(method, &mut model, &batch, size);
    }
    moved
}

/// Dense networks of 1 to 30 hidden stages and one of 100, convolutions with pooling, skips; both methods, all norms and activations.
#[test]
fn the_law_holds_at_every_sweep_of_any_depth_activation_and_norm() {
    let mut moved = 0;
    for (k, &activation) in Activation::CONTINUOUS.iter().enumerate() {
        let mut problems: Vec<_> = [1, 2, 10, 30]
            .map(|hidden| dense(activation, hidden))
            .into();
        problems.extend(moderate(activation, 51).iter().map(MixedShape::problem));
        if k == 0 {
            problems.push(dense(activation, 100));
        }
        for (i, problem) in problems.iter().enumerate() {
            let norm = NORMS[(k + i) % NORMS.len()];
            let weighting = Weighting::SelfAdaptive {
                norm,
                eta: [0.01, 0.1, 1.0][i % 3],
            };
            for init in [exact, foof] {
                let mut method = init(&problem.network(), weighting);
                let what = format!("{}, {activation}, problem {i}, {norm:?}", method.name());
                moved += run(problem, method.as_mut(), weighting, &what);
            }
        }
    }
    // Without this the law would hold for a report that does nothing.
    assert!(
        moved > 300,
        "variables left the feasible point in {moved} of 430 reports only"
    );
}

fn dense(activation: Activation, hidden: usize) -> Problem {
    let mut shape = Shape::moderate(activation, 7);
    let scale = shape.weight_scales[0];
    shape.samples = 12;
    shape.widths = [vec![5], vec![6; hidden], vec![4]].concat();
    shape.activations = vec![activation; hidden];
    shape.weight_scales = vec![scale; hidden + 1];
    shape.problem()
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn the_law_holds_for_random_networks_however_badly_scaled(
        shape in shapes(1..=4, 1..=6, -3.0..1.5),
        norm in select(NORMS.to_vec()),
        eta in 0.01..2.0_f64,
    ) {
        let problem = shape.problem();
        let weighting = Weighting::SelfAdaptive { norm, eta };
        let network = problem.network();
        let batch = problem.batch();
        let mut model = Separated::feasible(network.clone(), &batch);
        let found = measured(exact(&network, weighting).as_ref(), &mut model, &batch);
        let allowance = Allowance::at(&problem.at(&model), norm);
        assert_law(&found, eta, &allowance, "random network");
    }
}

/// Growth factors of 40 stages with constants of 1e3 are beyond f32, those of 150 beyond f64.
#[test]
fn variables_stay_where_the_weights_of_their_residuals_are_beyond_all_numbers() {
    for hidden in [40, 150] {
        let mut shape = Shape::moderate(Activation::Tanh, 8);
        shape.widths = [vec![5], vec![6; hidden], vec![4]].concat();
        shape.activations = vec![Activation::Tanh; hidden];
        shape.weight_scales = vec![300.0; hidden + 1];
        let problem = shape.problem();
        let weighting = Weighting::SelfAdaptive {
            norm: Norm::Spectral,
            eta: 1.0,
        };
        let weights = problem.library_weights(weighting);
        let limit = if hidden == 40 {
            f32::MAX.into()
        } else {
            f64::MAX
        };
        assert!(
            weights.omega[0] > limit,
            "the weight is {}",
            weights.omega[0]
        );
        let mut method = exact(&problem.network(), weighting);
        let batch = problem.batch();
        let mut model = Separated::feasible(problem.network(), &batch);
        let before = first_variable(&model);
        let found = measured(method.as_ref(), &mut model, &batch);
        assert_eq!(first_variable(&model), before);
        let [f, s] = [found.original, found.separated];
        assert!(
            f <= found.certificate && s <= 2.0 * f * (1.0 + 1e-6),
            "{f} {s}"
        );
        // And nothing of it keeps the method from training.
        method.sweep(&mut model, &batch).unwrap();
        let after = measured(method.as_ref(), &mut model, &batch);
        assert!(after.original <= f, "{f} to {}", after.original);
    }
}

fn first_variable(model: &Separated) -> Vec<f64> {
    to_f64(model.auxiliary.gather(&Selection::All).remove(0)).unwrap()
}

#[test]
fn reports_do_not_change_the_path_of_the_weights_by_a_bit() {
    let problem = moderate(Activation::Tanh, 52)[0].problem();
    for init in [exact, foof] {
        let path = |reports: bool, eta: f64| {
            let norm = Norm::Spectral;
            let mut method = init(&problem.network(), Weighting::SelfAdaptive { norm, eta });
            let batch = problem.batch();
            let mut model = match reports {
                true => Separated::feasible(problem.network(), &batch),
                false => Separated::new(problem.network()),
            };
            let size = (method.name() == "foof").then_some(5);
            let path = (0..8).map(|_| {
                sweep(method.as_mut(), &mut model, &batch, size);
                if reports {
                    measured(method.as_ref(), &mut model, &batch);
                }
                Values::read(&model.network)
            });
            path.collect::<Vec<_>>()
        };
        let without = path(false, 0.1);
        assert!(without[0] != without[7], "nothing moved");
        assert!(without == path(true, 0.1), "reports moved the weights");
        assert!(without == path(true, 1.0), "η moved the weights");
    }
}

/// `exact` reports at the pre-activations that its sweep has kept, but only where they are those of the network.
#[test]
fn reports_at_kept_pre_activations_are_those_of_a_forward_pass() {
    let weighting = Weighting::SelfAdaptive {
        norm: Norm::Spectral,
        eta: 0.1,
    };
    for activation in [Activation::Relu, Activation::Gelu] {
        let problem = dense(activation, 3);
        let batch = problem.batch();
        let mut model = Separated::feasible(problem.network(), &batch);
        let mut method = exact(&problem.network(), weighting);
        let kept = |method: &dyn Method, model: &mut Separated| {
            let found = measured(method, model, &batch);
            let fresh = exact(&model.network, weighting);
            (found, measured(fresh.as_ref(), model, &batch))
        };
        for sweep in 0..3 {
            method.sweep(&mut model, &batch).unwrap();
            let (found, expected) = kept(method.as_ref(), &mut model);
            let pairs = [
                (found.original, expected.original),
                (found.certificate, expected.certificate),
                (found.separated, expected.separated),
            ];
            for (found, expected) in pairs {
                assert_close(
                    found,
                    expected,
                    1e-5,
                    0.0,
                    &format!("{activation}, {sweep}"),
                );
            }
        }
        // Somebody else has moved the weights of the first stage.
        *model.network.stage_mut(0) = problem.network().stages()[0].clone();
        let (found, expected) = kept(method.as_ref(), &mut model);
        assert_close(
            found.original,
            expected.original,
            1e-5,
            0.0,
            "other weights",
        );
    }
}
