//! A start in batches that is stopped and goes on.

use super::*;

/// Losses to the bit after each sweep.
fn losses(problem: &Problem, config: ExactConfig, is_stopped: bool) -> Vec<u64> {
    let mut run = Run::new(problem.clone(), config);
    let sweep = |_| {
        if is_stopped {
            let state = run.method.save().unwrap();
            run.method = Exact::new(config, &run.model.network).unwrap();
            run.method.restore(state).unwrap();
        }
        run.sweep();
        run.state().reported.to_bits()
    };
    (0..12).map(sweep).collect()
}

#[test]
fn a_start_that_is_stopped_after_each_sweep_goes_on_to_the_bit() {
    let config = ExactConfig {
        batch_sweeps: Some(6),
        ..ExactConfig::default()
    };
    for activation in [Activation::Tanh, Activation::Relu] {
        for (k, shape) in moderate(activation, 36).into_iter().enumerate() {
            let problem = shape.problem();
            let whole = losses(&problem, config, false);
            let stopped = losses(&problem, config, true);
            assert_eq!(whole, stopped, "{activation}, network {k}");
        }
    }
}
