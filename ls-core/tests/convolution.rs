//! Convolutions, pooling and skip connections against loops in f64, and their bounds against exact norms.
//!
//! `LAYERSEP_PROPTEST_CASES` sets the number of random geometries, 300 by default.

mod common;

use burn::tensor::Tensor;
use common::differences::slope_at;
use common::geometry::Geometry;
use common::mixed::{fitted, random_layer};
use common::reference::{Layer, Matrix, difference, dot, norm, slope};
use common::{Random, assert_close, cases, image, rows, tensor};
use ls_core::linalg::Norm;
use ls_core::stage::{Activation, AffineStage, ConvolutionConfig, Pooling, StageConfig};
use proptest::prelude::*;

const IDENTITY: ConvolutionConfig = ConvolutionConfig {
    channels: 1,
    kernel: 1,
    stride: 1,
    padding: 0,
    activation: Activation::Identity,
    pooling: None,
};

/// Kernel 1 to 5, stride 1 to 3, padding 0 to 2, channels 1 to 4, sides 1 to 9, windows of 1 to 3 or none; residual stages
/// one time in four.
fn random_stage(random: &mut Random, activation: Activation, scale: f64) -> (Layer, [usize; 3]) {
    let mut from = |least: usize, most: usize| least + random.below(most - least + 1);
    let input = [from(1, 4), from(1, 9), from(1, 9)];
    let size = from(1, 3);
    let config = if from(1, 4) == 1 {
        StageConfig::ResidualConvolution {
            kernel: 2 * from(0, 2) + 1,
            activation,
        }
    } else {
        StageConfig::Convolution(ConvolutionConfig {
            channels: from(1, 4),
            kernel: from(1, 5),
            stride: from(1, 3),
            padding: from(0, 2),
            activation,
            pooling: match from(1, 3) {
                1 => None,
                2 => Some(Pooling::Max { size }),
                _ => Some(Pooling::Average { size }),
            },
        })
    };
    let config = fitted(&config, image(input));
    (random_layer(&config, image(input), scale, random), input)
}

/// `[rows, c_out]` of the library from `[c_out, positions]` of the reference, and back by swapping the sizes.
fn swapped(u: &[f64], channels: usize) -> Matrix {
    let positions = u.len() / channels;
    let row = |p: usize| (0..channels).map(|c| u[c * positions + p]).collect();
    (0..positions).map(row).collect()
}

fn view(stage: &ls_core::stage::AnyStage) -> &dyn AffineStage {
    stage.affine().expect("convolutions are affine")
}

proptest! {
    #![proptest_config(cases(300))]

    /// Both ways of computing a stage lie within the rounding of the reference, so they equal each other, too.
    #[test]
    fn patches_times_coefficients_give_what_the_convolution_gives(seed in any::<u64>()) {
        for activation in Activation::ALL {
            let mut random = Random::new(seed);
            let (layer, input) = random_stage(&mut random, activation, 1.0);
            let stage = layer.stage();
            prop_assert_eq!(stage.input_shape(), image(input));
            let samples = 2;
            let inputs = random.matrix([samples, image(input).features()], 1.0);
            let x = tensor(&inputs);
            let patches = view(&stage).rows(x.clone());
            prop_assert_eq!(patches.dims()[1], layer.kernel.len());
            let u = view(&stage).coefficients().apply(patches);
            let by_patches = rows(view(&stage).post(u.clone(), &x));
            let (linear, _) = view(&stage).linearize_post(u, &x);
            let (both, _) = stage.linearize(x.clone());
            let found = [rows(stage.forward(x)), by_patches, rows(linear), rows(both)];
            for (n, h) in inputs.iter().enumerate() {
                let expected = layer.forward(h);
                prop_assert_eq!(stage.output_shape().features(), expected.len());
                for (way, found) in found.iter().enumerate() {
                    let error = norm(&difference(&found[n], &expected));
                    let rounding = layer.rounding(h);
                    prop_assert!(error <= rounding, "way {way}, {layer:?}: {error} > {rounding}");
                }
            }
        }
    }
}

#[track_caller]
fn assert_same(found: &[f64], expected: &[f64], what: &str) {
    let error = norm(&difference(found, expected));
    // f32 sums of some hundred terms; a gradient that vanishes must do so on both sides.
    let scale = norm(expected).max(1e-3);
    assert!(error <= 2e-5 * scale, "{what}: off by {error} of {scale}");
}

/// Differences with a step of 1e-5 in f64 are exact to about 1e-9 away from kinks; fixed seeds stay away from them.
#[test]
fn pull_backs_to_input_and_to_pre_activations_are_what_differences_find() {
    let mut zero = 0;
    for (seed, activation) in (0..42).zip(Activation::ALL.into_iter().cycle()) {
        let mut random = Random::new(1000 + seed);
        let (layer, input) = random_stage(&mut random, activation, 0.5);
        let stage = layer.stage();
        let what = format!("seed {seed}, {layer:?}");
        let h = random.matrix([1, image(input).features()], 1.0);
        let outputs = stage.output_shape().features();
        let cotangent = random.matrix([1, outputs], 1.0);

        let (_, pull_back) = stage.linearize(tensor(&h));
        let found = rows(pull_back(tensor(&cotangent))).concat();
        let value = |h: &Vec<f64>| dot(&cotangent[0], &layer.forward(h));
        let expected: Vec<f64> = (0..h[0].len())
            .map(|i| slope_at(&h[0], value, |h| &mut h[i]))
            .collect();
        assert_same(&found, &expected, &what);

        // At pre-activations of their own, so that no two in a window are equal.
        let channels = layer.bias.len();
        let u = random.matrix([1, layer.pre(&h[0]).len()], 1.0).concat();
        let (_, pull_back) =
            view(&stage).linearize_post(tensor(&swapped(&u, channels)), &tensor(&h));
        let found = rows(pull_back(tensor(&cotangent)));
        let value = |u: &Vec<f64>| dot(&cotangent[0], &layer.post(u, &h[0]));
        let expected: Vec<f64> = (0..u.len())
            .map(|i| slope_at(&u, value, |u| &mut u[i]))
            .collect();
        assert_same(
            &found.concat(),
            &swapped(&expected, channels).concat(),
            &what,
        );
        zero += usize::from(norm(&expected) == 0.0);
    }
    assert!(zero < 8, "{zero} of 42 gradients vanish");
}

/// The linear map `map` of images of `features` numbers as a matrix, `[features, outputs]`.
fn written_out(features: usize, map: impl Fn(&[f64]) -> Vec<f64>) -> Matrix {
    let row = |i: usize| {
        let mut unit = vec![0.0; features];
        unit[i] = 1.0;
        map(&unit)
    };
    (0..features).map(row).collect()
}

/// Largest singular value, in f64.
fn exact_norm(matrix: &Matrix) -> f64 {
    let matrix = faer::Mat::from_fn(matrix.len(), matrix[0].len(), |i, j| matrix[i][j]);
    let values = matrix.singular_values().expect("converges");
    values.first().copied().unwrap_or(0.0)
}

#[test]
fn convolution_bound_is_never_below_the_exact_operator_norm() {
    for seed in 0..70 {
        let mut random = Random::new(2000 + seed);
        let activation = Activation::ALL[seed as usize % 7];
        let (mut layer, input) = random_stage(&mut random, activation, 1.0);
        layer.layout.skip = false;
        let geometry = layer.layout.geometry.clone().expect("a convolution");
        let zero = vec![0.0; layer.bias.len()];
        let matrix = written_out(image(input).features(), |h| {
            geometry.convolve(&layer.kernel, &zero, h)
        });
        let exact = exact_norm(&matrix);
        let pooling = geometry.config.pooling.map_or(1.0, Pooling::lipschitz);
        let bound = |layer: &Layer| {
            let form = layer.stage().lipschitz().expect("a bound");
            form.value(Norm::Spectral).unwrap()
        };
        let found = bound(&layer);
        let least = slope(activation) * pooling * exact;
        assert!(
            found >= least * (1.0 - 1e-12),
            "{layer:?}: {found} < {least}"
        );
    }
}

/// How much the overlap of patches is overrated, without slopes and pooling, where patches overlap fully.
#[test]
fn convolution_bound_is_at_most_three_times_the_exact_norm_of_gaussian_kernels() {
    let mut largest = [0.0_f64; 6];
    for seed in 0..10 {
        let mut random = Random::new(4000 + seed);
        let kernel = 1 + seed as usize % 5;
        let config = ConvolutionConfig {
            channels: 1 + random.below(4),
            kernel,
            padding: kernel / 2,
            ..IDENTITY
        };
        let input = [1, 11, 11];
        let layer = random_layer(
            &StageConfig::Convolution(config),
            image(input),
            1.0,
            &mut random,
        );
        let geometry = Geometry { config, input };
        let zero = vec![0.0; config.channels];
        let matrix = written_out(121, |h| geometry.convolve(&layer.kernel, &zero, h));
        let bound = layer.stage().lipschitz().expect("a bound");
        let ratio = bound.value(Norm::Spectral).unwrap() / exact_norm(&matrix);
        assert!(ratio >= 1.0 - 1e-12, "{layer:?}: {ratio}");
        assert!(ratio <= 3.0, "{layer:?}: {ratio}");
        largest[kernel] = largest[kernel].max(ratio);
    }
    // The bound of a 1×1 kernel is exact up to the Schatten norm's excess; larger kernels are tested in earnest.
    assert!(largest[1] < 1.01 && largest[5] > 1.5, "{largest:?}");
}

#[test]
fn lipschitz_constants_of_pooling_are_the_exact_ones() {
    for (size, sides) in [(1, [2, 3]), (2, [5, 4]), (3, [7, 6])] {
        let [height, width] = sides;
        let count = height * width;
        let mut geometry = Geometry {
            config: IDENTITY,
            input: [1, height, width],
        };
        let average = Pooling::Average { size };
        geometry.config.pooling = Some(average);
        let matrix = written_out(count, |h| geometry.pool(h));
        // Windows do not overlap, so the exact norm is 1/√q in all digits of f64.
        assert_close(
            average.lipschitz(),
            exact_norm(&matrix),
            1e-14,
            0.0,
            "average",
        );

        // The largest entry of a window moves alone: the constant 1 is attained, and random pairs never exceed it.
        let largest = Pooling::Max { size };
        geometry.config.pooling = Some(largest);
        let pooled = |h: &[f64]| {
            let images = tensor(&vec![h.to_vec()]).reshape([1, 1, height, width]);
            let pooled: Tensor<4> = largest.apply(images);
            let features = pooled.dims()[2] * pooled.dims()[3];
            rows(pooled.reshape([1, features])).concat()
        };
        let mut random = Random::new(7);
        for _ in 0..20 {
            let pair = random.matrix([2, count], 1.0);
            let quotient = norm(&difference(&pooled(&pair[0]), &pooled(&pair[1])))
                / norm(&difference(&pair[0], &pair[1]));
            // Subtractions of f32 numbers in f64 are exact; norms keep all but the last digits.
            assert!(
                quotient <= largest.lipschitz() * (1.0 + 1e-14),
                "{quotient}"
            );
            let reference = geometry.pool(&pair[0]);
            assert_eq!(
                pooled(&pair[0]),
                reference,
                "the largest entries themselves"
            );
            let mut raised = pair[0].clone();
            raised[0] = 8.0;
            let mut higher = raised.clone();
            higher[0] = 9.0;
            let change = norm(&difference(&pooled(&higher), &pooled(&raised)));
            assert_eq!(change, largest.lipschitz(), "attained");
        }
    }
}

/// With a residual stage near `a + W a` and `W` nearly symmetric and positive the quotient comes close to `1 + K_g`.
#[test]
fn residual_bound_is_never_below_a_difference_quotient() {
    let mut closest = 0.0_f64;
    for (seed, activation) in (0..70).zip(Activation::ALL.into_iter().cycle()) {
        let mut random = Random::new(3000 + seed);
        let input = image([2, 4, 3]);
        let config = if seed % 2 == 0 {
            StageConfig::ResidualDense { activation }
        } else {
            StageConfig::ResidualConvolution {
                kernel: 3,
                activation,
            }
        };
        let mut layer = random_layer(&config, input, 0.5, &mut random);
        if seed % 4 == 0 {
            // Rank one and positive: `W = v vᵀ` stretches `v` by the whole bound.
            let v: Vec<f64> = random.matrix([1, 24], 0.5)[0]
                .iter()
                .map(|v| v.abs())
                .collect();
            layer.kernel = v
                .iter()
                .map(|a| v.iter().map(|b| a * b).collect())
                .collect();
        }
        for norm_kind in [Norm::Spectral, Norm::Frobenius] {
            let form = layer.stage().lipschitz().expect("a bound");
            assert_eq!(form.offset, 1.0);
            let bound = form.value(norm_kind).unwrap();
            for _ in 0..20 {
                let point = random.matrix([1, 24], 1.0).concat();
                let along_kernel: Vec<f64> = layer.kernel.iter().take(24).map(|r| r[0]).collect();
                let step = if layer.layout.geometry.is_none() {
                    along_kernel
                } else {
                    random.matrix([1, 24], 1.0).concat()
                };
                let other: Vec<f64> = point.iter().zip(&step).map(|(p, s)| p + s).collect();
                let change = difference(&layer.forward(&other), &layer.forward(&point));
                let quotient = norm(&change) / norm(&difference(&other, &point));
                assert!(quotient <= bound * (1.0 + 1e-12), "{quotient} > {bound}");
                closest = closest.max(quotient / bound);
            }
        }
    }
    assert!(closest > 0.99, "no pair comes near its bound: {closest}");
}
