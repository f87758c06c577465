//! L-BFGS: what a sweep promises.

mod common;

use common::Shape;
use ls_core::batch::Batch;
use ls_core::method::{Lbfgs, LbfgsConfig, Method, Objective, Separated};
use ls_core::stage::Activation;

fn method() -> Lbfgs {
    Lbfgs::new(LbfgsConfig::default()).unwrap()
}

fn loss(method: &Lbfgs, model: &Separated, batch: &Batch) -> f64 {
    method
        .measure(&mut model.clone(), batch)
        .unwrap()
        .original_loss_mean
}

#[test]
fn the_loss_never_rises_for_any_activation() {
    for activation in [Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
        let problem = Shape::moderate(activation, 21).problem();
        let (mut model, batch) = (problem.model(), problem.batch());
        let mut method = method();
        assert_eq!(method.objective(), Objective::ORIGINAL.descending());
        let first = loss(&method, &model, &batch);
        let mut last = first;
        for sweep in 0..40 {
            method.sweep(&mut model, &batch).unwrap();
            let now = loss(&method, &model, &batch);
            // Search and report sum the losses of the same logits in f64.
            assert!(
                now <= last * (1.0 + 1e-12),
                "{activation}, {sweep}: {last} to {now}"
            );
            last = now;
        }
        assert!(last < 0.1 * first, "{activation}: {first} to {last}");
    }
}

#[test]
fn a_search_that_accepts_its_first_trial_evaluates_one_point() {
    let problem = Shape::moderate(Activation::Tanh, 22).problem();
    let (mut model, batch) = (problem.model(), problem.batch());
    let mut method = method();
    let evaluated = |method: &mut Lbfgs, model: &mut Separated| {
        let figures = method.sweep(model, &batch).unwrap();
        let figure = method.figures().remove(0);
        figures.number(&figure).unwrap()
    };
    let later: Vec<f64> = (0..20)
        .map(|_| evaluated(&mut method, &mut model))
        .collect();
    assert!(later.contains(&1.0), "{later:?}");
}
