//! The pull-backs that targets come from, against differences.

use super::*;

/// Every kind of stage, with what strides leave over at the end of an image and windows leave over of the positions.
fn single_stages() -> Vec<StageConfig> {
    let mut stages = Vec::new();
    let mut activations = Activation::CONTINUOUS.iter().copied().cycle();
    let mut next = || activations.next().expect("a cycle");
    for kernel in 1..=4 {
        for stride in 1..=3 {
            for padding in 0..=2 {
                let pooling = match stages.len() % 3 {
                    0 => None,
                    1 => Some(Pooling::Max { size: 2 }),
                    _ => Some(Pooling::Average { size: 2 }),
                };
                stages.push(StageConfig::Convolution(ConvolutionConfig {
                    stride,
                    padding,
                    pooling,
                    ..ConvolutionConfig::new(2, kernel, next())
                }));
            }
        }
    }
    for &activation in Activation::CONTINUOUS {
        stages.push(StageConfig::Dense(DenseConfig::new(5, activation)));
        stages.push(StageConfig::ResidualDense(ResidualDenseConfig {
            activation,
        }));
        stages.push(StageConfig::ResidualConvolution(
            ResidualConvolutionConfig {
                kernel: 3,
                activation,
            },
        ));
    }
    stages
}

/// `x -> post(V rows(x))` pulled back in the two steps of a sweep.
fn pulled_back(stage: &AnyStage, inputs: &Matrix, cotangents: &Matrix) -> Matrix {
    let view = stage.affine().expect("all stages here are affine");
    let (x, cotangent) = (tensor(inputs), tensor(cotangents));
    let u = view.coefficients().apply(view.rows(x.clone()));
    let (_, to_pre_activations) = view.linearize_post(u, &x);
    rows(view.pull_to_input(to_pre_activations(cotangent.clone()), cotangent))
}

/// Differences with a step of 1e-5 in f64 are exact to about 1e-9 away from kinks, and fixed seeds stay away from them.
#[test]
fn two_step_pull_backs_to_the_input_are_what_differences_find() {
    // Sides that no stride above 1 divides.
    let input = [2, 6, 5];
    let mut zero = 0;
    for (seed, config) in (0..).zip(single_stages()) {
        let mut random = Random::new(5000 + seed);
        let layer: Layer = random_layer(&config, image(input), 0.5, &mut random);
        let stage = layer.stage();
        let inputs = random.matrix([2, image(input).features()], 1.0);
        let cotangents = random.matrix([2, stage.output_shape().features()], 1.0);
        let found = pulled_back(&stage, &inputs, &cotangents);
        for (n, x) in inputs.iter().enumerate() {
            let value = |x: &Vec<f64>| dot(&cotangents[n], &layer.forward(x));
            let expected: Vec<f64> = (0..x.len())
                .map(|i| slope_at(x, value, |x| &mut x[i]))
                .collect();
            let error = norm(&difference(&found[n], &expected));
            // f32 sums of some dozen terms: a few 1e-7 of the whole, and 1e-7 of the cotangents for the slopes of the
            // activations where these are small.
            let scale = norm(&expected);
            assert!(
                error <= 2e-6 * scale.max(0.1),
                "{config:?}: off by {error} of {scale}"
            );
            zero += usize::from(scale == 0.0);
        }
    }
    assert!(zero < 6, "{zero} of 114 pull-backs vanish");
}
