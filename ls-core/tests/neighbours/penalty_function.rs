//! `bcd`: no sweep raises the penalty function.

use ls_core::method::{BcdConfig, BcdLoss, Objective, ObjectiveLoss};
use ls_core::stage::Activation;

use crate::common::{Shape, mixed};
use crate::start;

#[test]
fn no_sweep_raises_the_penalty_function() {
    for &activation in Activation::CONTINUOUS {
        let images = mixed::moderate(activation, 5).map(|shape| shape.problem());
        let dense = Shape::moderate(activation, 14).problem();
        for (kind, problem) in images.into_iter().chain([dense]).enumerate() {
            for loss in [BcdLoss::Squared, BcdLoss::CrossEntropy] {
                let config = BcdConfig {
                    loss,
                    ..BcdConfig::default()
                };
                let batch = problem.batch();
                let (mut model, mut method) =
                    start(&config.into(), &problem.network(), &batch).unwrap();
                let Objective {
                    loss: ObjectiveLoss::Reported(figure),
                    descends: true,
                } = method.objective()
                else {
                    panic!("{:?}", method.objective());
                };
                let mut values = Vec::new();
                for _ in 0..12 {
                    let figures = method.sweep(&mut model, &batch).unwrap();
                    values.push(figures.number(&figure).unwrap());
                }
                // Sums of f32 terms of the size of the value.
                let falls = values
                    .windows(2)
                    .all(|pair| pair[1] <= pair[0] * (1.0 + 1e-5));
                assert!(falls, "{activation}, {kind}, {loss:?}: {values:?}");
                assert!(
                    values[11] < 0.95 * values[0],
                    "{activation}, {kind}: {values:?}"
                );
            }
        }
    }
}
