//! What `exact` keeps of a batch serves that batch alone.

use super::*;

/// A sweep over one batch and then one over other samples of the same network: the second is the first sweep of a fresh method
/// with the same controller, whether it sees other labels or other inputs.
#[test]
fn a_sweep_over_other_samples_starts_afresh() {
    let config = ExactConfig {
        step: Some(1.0),
        damping: Some(0.1),
        scaling: Some(Scaling::Rms),
        ..ExactConfig::default()
    };
    let problem = Shape::moderate(Activation::Tanh, 31).problem();
    let own = problem.batch();
    let turned = own.labels.clone().flip([0]);
    let labels = Batch::full(own.inputs.clone(), turned);
    let inputs = Batch::full(own.inputs.clone() * 0.5 + 0.1, own.labels.clone());
    for (other, what) in [(labels, "labels"), (inputs, "inputs")] {
        let mut run = Run::new(problem.clone(), config);
        run.sweep();
        let mut fresh = Exact::new(config, &run.model.network).unwrap();
        fresh.restore(run.method.save().unwrap()).unwrap();
        let mut model = run.model.clone();
        let expected = fresh.sweep(&mut model, &other).unwrap();
        let found = run.method.sweep(&mut run.model, &other).unwrap();
        assert_eq!(found, expected, "other {what}");
        let (found, expected) = (problem.at(&run.model), problem.at(&model));
        for (found, expected) in found.layers.iter().zip(&expected.layers) {
            assert_eq!(found.kernel, expected.kernel, "other {what}");
        }
    }
}

#[test]
fn a_part_of_a_split_is_refused_with_the_way_out() {
    let problem = Shape::moderate(Activation::Tanh, 32).problem();
    let mut run = Run::new(problem, ExactConfig::default());
    let part = run.batch.pick(0, &[0, 1, 2]);
    let refused = run.method.sweep(&mut run.model, &part).unwrap_err();
    let text = refused.to_string();
    assert!(
        text.contains("batch-size = 3") && text.contains("`foof`"),
        "{text}"
    );
}
