//! The original loss never rises.

use super::*;

/// What a comparison of losses may be off by.
#[derive(Clone, Copy, PartialEq)]
enum Allowance {
    /// Nothing: only decreases by more than 1e-5 of the loss are accepted, and networks with moderate weights round by 1e-6.
    Nothing,
    /// The roundings of both values.
    Rounding,
}

/// Sweeps, checks the law after each, and returns `F` before and after all of them.
#[track_caller]
fn assert_law(problem: Problem, config: ExactConfig, allowance: Allowance, what: &str) -> [f64; 2] {
    let mut run = Run::new(problem, config);
    let mut before = run.state();
    let first = before.reported;
    for sweep in 0..12 {
        let report = run.sweep();
        let after = run.state();
        let what = format!("{what}, sweep {sweep}: {report:?}");
        let rounding = match allowance {
            Allowance::Nothing => 0.0,
            Allowance::Rounding => before.roundings[0] + after.roundings[0],
        };
        for [old, new] in [
            [before.reported, after.reported],
            [before.exact, after.exact],
        ] {
            assert!(new <= old + rounding, "{what}: {old} to {new}");
        }
        let error = (after.reported - after.exact).abs();
        assert!(
            error <= after.roundings[0],
            "{what}: F reported with an error of {error}"
        );
        let bound = after.certificate + after.roundings[0] + after.roundings[1];
        assert!(
            after.reported <= bound,
            "{what}: {} above {bound}",
            after.reported
        );
        let is_fit = report.candidate().is_some();
        let took = is_fit || report.is_quasi_newton();
        if !report.is_in_batches() {
            assert_eq!(took, report.accepted() == 1, "{what}");
        }
        assert!(report.accepted() <= 1 && report.accepted() + report.rejected() >= 1);
        if report.accepted() == 0 {
            assert!(same(&before.problem, &after.problem), "{what}: moved");
        } else if allowance == Allowance::Nothing {
            assert!(after.reported < before.reported, "{what}: nothing gained");
        }
        before = after;
    }
    [first, before.reported]
}

#[test]
fn twelve_sweeps_over_dense_networks_of_any_depth_never_raise_the_original_loss() {
    for hidden in 0..=6 {
        for (seed, &activation) in (60..).zip(Activation::CONTINUOUS) {
            let what = format!("{hidden} hidden stages, {activation}");
            let mut shape = Shape::moderate(activation, seed);
            let scale = shape.weight_scales[0];
            shape.samples = 12;
            shape.widths = [vec![5], vec![6; hidden], vec![4]].concat();
            shape.activations = vec![activation; hidden];
            shape.weight_scales = vec![scale; hidden + 1];
            let (problem, config) = (shape.problem(), ExactConfig::default());
            let method = Exact::new(config, &problem.network()).unwrap();
            assert_eq!(method.objective(), Objective::ORIGINAL.descending());
            let [first, last] = assert_law(problem, config, Allowance::Nothing, &what);
            assert!(last < 0.5 * first, "{what}: no progress, {first} to {last}");
        }
    }
}

#[test]
fn twelve_sweeps_over_mixed_networks_never_raise_the_original_loss() {
    for &activation in Activation::CONTINUOUS {
        for (k, shape) in moderate(activation, 31).into_iter().enumerate() {
            let what = format!("{activation}, network {k}");
            let (problem, config) = (shape.problem(), ExactConfig::default());
            let [first, last] = assert_law(problem, config, Allowance::Nothing, &what);
            assert!(
                last < 0.01 * first,
                "{what}: no progress, {first} to {last}"
            );
        }
    }
}

#[test]
fn a_start_in_batches_keeps_the_law_and_goes_over_into_fits() {
    for &activation in Activation::CONTINUOUS {
        for (k, shape) in moderate(activation, 33).into_iter().enumerate() {
            let what = format!("{activation}, network {k}");
            let config = ExactConfig {
                batch_sweeps: Some(5),
                ..ExactConfig::default()
            };
            let [first, last] = assert_law(shape.problem(), config, Allowance::Nothing, &what);
            assert!(last < 0.1 * first, "{what}: no progress, {first} to {last}");
        }
    }
}

#[test]
fn on_a_path_the_decay_falls_and_the_penalized_loss_never_rises() {
    for batch_sweeps in [0, 3] {
        let config = ExactConfig {
            path: true,
            batch_sweeps: Some(batch_sweeps),
            ..ExactConfig::default()
        };
        let problem = moderate(Activation::Tanh, 35)[0].problem();
        let mut run = Run::new(problem, config);
        assert!(run.method.objective().descends);
        let (mut loss, mut decay) = (f64::INFINITY, f64::INFINITY);
        let mut decays = Vec::new();
        for sweep in 0..90 {
            let report = run.sweep();
            let found = report.penalized_loss().unwrap();
            // At a new decay the loss is summed again, in f32.
            assert!(
                found <= loss * (1.0 + 1e-6),
                "sweep {sweep}: {loss} to {found}"
            );
            let own = report.number(&WEIGHT_DECAY).unwrap();
            assert!(own <= decay);
            (loss, decay) = (found, own);
            decays.push(own);
        }
        decays.dedup();
        assert_eq!(decays.len(), 12);
    }
}

#[test]
fn a_first_epoch_that_gains_little_is_taken_back_and_ends_the_start() {
    // At a small loss, steps that divide by the size of the gradient are far too long.
    let mut trained = Run::new(
        moderate(Activation::Tanh, 34)[0].problem(),
        ExactConfig::default(),
    );
    for _ in 0..20 {
        trained.sweep();
    }
    let config = ExactConfig {
        batch_sweeps: Some(5),
        ..ExactConfig::default()
    };
    let mut run = Run::new(trained.problem(), config);
    let before = run.problem();
    let report = run.sweep();
    assert!(
        report.is_in_batches() && report.accepted() == 0,
        "{report:?}"
    );
    assert!(same(&before, &run.problem()), "moved");
    assert!(!run.sweep().is_in_batches());
}

#[test]
fn a_few_patches_in_the_gram_matrices_keep_the_law() {
    for (activation, k) in [(Activation::Tanh, 0), (Activation::Relu, 1)] {
        let what = format!("{activation}, network {k}");
        let mut shape = moderate(activation, 32)[k].clone();
        shape.samples = 8;
        // Fewer patches than a kernel has entries: without its ridge such a Gram matrix could not be inverted.
        let config = |gram_rows| ExactConfig {
            gram_rows,
            chunk: Some(5),
            ..ExactConfig::default()
        };
        assert_law(shape.problem(), config(5), Allowance::Nothing, &what);
        let after = |gram_rows| {
            let mut run = Run::new(shape.problem(), config(gram_rows));
            run.sweep();
            run.problem()
        };
        assert!(!same(&after(5), &after(1 << 14)), "{what}: all were taken");
        // 8 samples of at most 56 positions.
        assert!(same(&after(8 * 56), &after(1 << 14)), "{what}");
    }
}

fn configs() -> impl Strategy<Value = ExactConfig> {
    let scalings: Vec<_> = Scaling::VARIANTS
        .iter()
        .copied()
        .map(Some)
        .chain([None])
        .collect();
    let storages = vec![Storage::Stored, Storage::Recomputed];
    let (chunks, gram_rows) = (vec![None, Some(1), Some(2)], vec![3, 1 << 14]);
    let dampings = vec![None, None, Some(1e-9), Some(1e6)];
    let choices = (select(scalings), select(storages), select(chunks));
    (choices, select(gram_rows), select(dampings)).prop_map(
        |((scaling, storage, chunk), gram_rows, damping)| ExactConfig {
            scaling,
            storage,
            chunk,
            gram_rows,
            damping,
            ..ExactConfig::default()
        },
    )
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn no_network_however_badly_scaled_sees_its_original_loss_rise(
        shape in shapes(1..=5, 0..=6, -3.0..1.5),
        config in configs(),
    ) {
        assert_law(shape.problem(), config, Allowance::Rounding, "random network");
    }
}
