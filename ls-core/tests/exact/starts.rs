//! A start in batches that is stopped and goes on, also around epochs that are taken back.

use super::*;

/// Losses to the bit after each sweep, and whether the sweep was an epoch that was taken back after one that was not.
fn losses(problem: &Problem, config: ExactConfig, is_stopped: bool) -> Vec<(u64, bool)> {
    let mut run = Run::new(problem.clone(), config);
    let mut has_moved = false;
    let sweep = |_| {
        if is_stopped {
            let state = run.method.save().unwrap();
            run.method = Exact::new(config, &run.model.network).unwrap();
            run.method.restore(state).unwrap();
        }
        let report = run.sweep();
        let is_taken_back = report.is_in_batches() && report.accepted() == 0 && has_moved;
        has_moved |= report.accepted() > 0;
        (run.state().reported.to_bits(), is_taken_back)
    };
    (0..50).map(sweep).collect()
}

#[test]
fn a_start_that_is_stopped_after_each_sweep_goes_on_to_the_bit() {
    let config = ExactConfig {
        batch_sweeps: Some(40),
        ..ExactConfig::default()
    };
    let mut taken_back = 0;
    for activation in [Activation::Tanh, Activation::Relu, Activation::Sigmoid] {
        for (k, shape) in moderate(activation, 36).into_iter().enumerate() {
            let problem = shape.problem();
            let whole = losses(&problem, config, false);
            let stopped = losses(&problem, config, true);
            assert_eq!(whole, stopped, "{activation}, network {k}");
            taken_back += whole.iter().filter(|(_, is_taken_back)| *is_taken_back).count();
        }
    }
    assert!(taken_back > 0, "no epoch was taken back");
}
