//! Convolutions, pooling and skip connections against loops in f64, and their bounds against exact norms.
//!
//! `LAYERSEP_PROPTEST_CASES` sets the number of random geometries, 300 by default.

mod common;

use burn::tensor::Tensor;
use common::differences::slope_at;
use common::geometry::Geometry;
use common::mixed::{fitted, random_layer};
use common::reference::{Layer, Matrix, difference, dot, norm, slope, transpose};
use common::{Random, assert_close, cases, image, rows, single, tensor};
use ls_core::linalg::Norm;
use ls_core::stage::{
    Activation, AffineStage, ConvolutionConfig, Pooling, ResidualConvolutionConfig,
    ResidualDenseConfig, StageConfig,
};
use proptest::prelude::*;
use proptest::sample::select;

const IDENTITY: ConvolutionConfig = ConvolutionConfig::new(1, 1, Activation::Identity);

/// Kernel 1 to 5, stride 1 to 3, padding 0 to 2, channels 1 to 4, sides 1 to 9, windows of 1 to 3 or none; residual stages
/// one time in four.
fn random_stage(random: &mut Random, activation: Activation, scale: f64) -> (Layer, [usize; 3]) {
    let mut from = |least: usize, most: usize| least + random.below(most - least + 1);
    let input = [from(1, 4), from(1, 9), from(1, 9)];
    let size = from(1, 3);
    let config = if from(1, 4) == 1 {
        StageConfig::ResidualConvolution(ResidualConvolutionConfig {
            kernel: 2 * from(0, 2) + 1,
            activation,
        })
    } else {
        StageConfig::Convolution(ConvolutionConfig {
            stride: from(1, 3),
            padding: from(0, 2),
            pooling: match from(1, 3) {
                1 => None,
                2 => Some(Pooling::Max { size }),
                _ => Some(Pooling::Average { size }),
            },
            ..ConvolutionConfig::new(from(1, 4), from(1, 5), activation)
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
        for &activation in Activation::CONTINUOUS {
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
    for (seed, activation) in (0..42).zip(Activation::CONTINUOUS.iter().copied().cycle()) {
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

/// A convolution without activation and pooling, its kernel Gaussian, cut to what fits the image.
fn gaussian(
    config: ConvolutionConfig,
    input: [usize; 3],
    random: &mut Random,
) -> (Layer, Geometry) {
    let config = fitted(&StageConfig::Convolution(config), image(input));
    let layer = random_layer(&config, image(input), 1.0, random);
    let geometry = layer.layout.geometry.clone().expect("a convolution");
    (layer, geometry)
}

fn bound(layer: &Layer, norm: Norm) -> f64 {
    let form = layer.stage().lipschitz().expect("a bound");
    form.value(norm).expect("flex does not fail")
}

#[test]
fn reference_written_out_as_a_matrix_gives_what_its_loops_give() {
    for seed in 0..30 {
        let mut random = Random::new(2000 + seed);
        let (mut layer, input) = random_stage(&mut random, Activation::Identity, 1.0);
        layer.bias.fill(0.0);
        let geometry = layer.layout.geometry.clone().expect("a convolution");
        let h = random.matrix([1, image(input).features()], 1.0).concat();
        let columns = transpose(&geometry.written_out(&layer.kernel));
        let found: Vec<f64> = columns.iter().map(|column| dot(column, &h)).collect();
        let expected = layer.pre(&h);
        // Sums of at most 100 products in f64, in another order.
        assert!(norm(&difference(&found, &expected)) <= 1e-13 * norm(&expected).max(1.0));
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// Kernel 1 to 5, stride 1 to 3, padding 0 to 2, channels 1 to 8, sides 1 to 12.
    #[test]
    fn convolution_bound_is_never_below_the_exact_norm_and_at_most_three_times_above(
        seed in any::<u64>(),
        [kernel, stride, padding] in [1..=5_usize, 1..=3, 0..=2],
        [channels, inputs] in [1..=8_usize, 1..=8],
        [height, width] in [1..=12_usize, 1..=12],
    ) {
        let config = ConvolutionConfig { channels, kernel, stride, padding, ..IDENTITY };
        let (layer, geometry) = gaussian(config, [inputs, height, width], &mut Random::new(seed));
        let exact = exact_norm(&geometry.written_out(&layer.kernel));
        let frequency = bound(&layer, Norm::Frequency);
        // The allowances for rounding in f32 are in the bounds; 1e-12 is what f64 may lack in the exact norm.
        prop_assert!(frequency >= exact * (1.0 - 1e-12), "{layer:?}: {frequency} < {exact}");
        prop_assert!(frequency <= bound(&layer, Norm::Spectral));
        prop_assert!(bound(&layer, Norm::Spectral) <= bound(&layer, Norm::Frobenius) * (1.0 + 1e-6));
        // Where no patch meets a pixel the norm is zero, and so is no bound.
        prop_assert!(exact == 0.0 || frequency <= 3.0 * exact, "{layer:?}: {frequency}, {exact}");
    }

    #[test]
    fn lipschitz_constant_of_a_convolution_is_never_below_slopes_times_the_exact_norm(
        seed in any::<u64>(),
        activation in select(Activation::CONTINUOUS.to_vec()),
    ) {
        let (mut layer, _) = random_stage(&mut Random::new(seed), activation, 1.0);
        let skip = f64::from(u8::from(core::mem::take(&mut layer.layout.skip)));
        let geometry = layer.layout.geometry.clone().expect("a convolution");
        let slopes = slope(activation) * geometry.config.pooling.map_or(1.0, Pooling::lipschitz);
        let exact = slopes * exact_norm(&geometry.written_out(&layer.kernel));
        let [plain, frequency] = [Norm::Spectral, Norm::Frequency].map(|norm| bound(&layer, norm));
        prop_assert!(frequency >= exact * (1.0 - 1e-12), "{layer:?}: {frequency} < {exact}");
        // What the formula says, up to the Gram iteration's slack.
        let formula = layer.lipschitz(Norm::Spectral);
        prop_assert!((1.0 - 1e-12..1.02).contains(&(plain / formula)), "{plain}, {formula}");
        layer.layout.skip = skip == 1.0;
        let error = bound(&layer, Norm::Frequency) - (skip + frequency);
        prop_assert!(error.abs() <= 1e-12 * (skip + frequency));
    }
}

/// Interference is what the patch bound cannot see: a kernel of ones adds up everywhere, one that alternates does so at the
/// highest frequency, a wave in between, and one along a diagonal nowhere near the other diagonal.
#[test]
fn frequency_bound_is_nearly_exact_for_waves_in_all_directions() {
    let config = ConvolutionConfig {
        channels: 1,
        kernel: 5,
        padding: 1,
        ..IDENTITY
    };
    let (mut layer, geometry) = gaussian(config, [1, 18, 18], &mut Random::new(1));
    for [y, x] in [
        [0.0, 0.0],
        [1.0, 0.0],
        [0.0, 2.5],
        [3.0, 3.0],
        [1.2, 1.2],
        [1.2, -1.2],
    ] {
        let wave = |i: usize| f64::from((y * (i / 5) as f64 + x * (i % 5) as f64).cos() as f32);
        layer.kernel = (0..25).map(|i| vec![wave(i)]).collect();
        let exact = exact_norm(&geometry.written_out(&layer.kernel));
        let ratio = bound(&layer, Norm::Frequency) / exact;
        // A wave loses a few percent at the border of the image; the other diagonal has half of its amplitude.
        assert!((1.0..1.15).contains(&ratio), "{y}, {x}: {ratio}");
    }
}

/// `|F(ω)|²` of the taps 1, w, -1/2 is largest where `cos ω = w/4`, here halfway between two of 24 frequencies: 0.7 % more than
/// at either, while the border of a long line takes less than 0.1 %.
#[test]
fn frequency_bound_allows_for_what_lies_between_frequencies() {
    let angle = core::f64::consts::PI * 11.0 / 24.0;
    let taps = [1.0, single(4.0 * angle.cos()), -0.5];
    let config = ConvolutionConfig {
        kernel: 3,
        padding: 1,
        ..IDENTITY
    };
    for input in [[1, 1, 144], [1, 144, 1]] {
        let (mut layer, geometry) = gaussian(config, input, &mut Random::new(1));
        // Of the other taps none meets a pixel.
        let along = |i: usize| if input[1] == 1 { 3 + i } else { 3 * i + 1 };
        (0..3).for_each(|i| layer.kernel[along(i)] = vec![taps[i]]);
        let exact = exact_norm(&geometry.written_out(&layer.kernel));
        let ratio = bound(&layer, Norm::Frequency) / exact;
        assert!((1.0..1.01).contains(&ratio), "{input:?}: {ratio}");
    }
}

/// Images so large that fewer frequencies are taken than a torus of their size has, along one axis and along both.
#[test]
fn frequency_bound_is_within_a_few_percent_on_a_large_image() {
    let line = |stride| ([5, stride, 2], [2, 1, 144], 3);
    let cases = [line(1), line(2), line(3), ([2, 1, 0], [1, 20, 21], 2)];
    for (seed, ([kernel, stride, padding], input, channels)) in (0..).zip(cases) {
        let config = ConvolutionConfig {
            channels,
            kernel,
            stride,
            padding,
            ..IDENTITY
        };
        let (layer, geometry) = gaussian(config, input, &mut Random::new(seed));
        let exact = exact_norm(&geometry.written_out(&layer.kernel));
        let ratio = bound(&layer, Norm::Frequency) / exact;
        // 1.7 % for what lies between the frequencies, some for the border and for the Gram iteration.
        assert!((1.0..1.06).contains(&ratio), "{config:?}: {ratio}");
    }
}

#[test]
fn bound_of_a_kernel_of_one_pixel_is_the_matrix_norm() {
    for (seed, padding) in [(1, 0), (2, 1), (3, 2)] {
        let config = ConvolutionConfig {
            channels: 5,
            padding,
            ..IDENTITY
        };
        let (layer, _) = gaussian(config, [7, 6, 4], &mut Random::new(seed));
        let exact = exact_norm(&layer.kernel);
        // The Schatten norm's slack after eight squarings.
        let found = bound(&layer, Norm::Frequency);
        assert_close(found, exact, 1e-3, 0.0, "one pixel");
    }
}

/// Central differences of an f32 bound: half its digits are lost to the step, and the maximum may switch its frequency in
/// between, which would show as a gradient that is far off.
#[test]
fn gradient_of_the_bound_is_what_differences_find() {
    for (seed, [kernel, stride, padding, side]) in (0..).zip([
        [3, 1, 1, 8],
        [3, 2, 0, 9],
        [5, 1, 2, 6],
        [2, 3, 1, 7],
        [3, 1, 2, 2],
        [1, 1, 0, 3],
    ]) {
        for norm_kind in [Norm::Frequency, Norm::Spectral, Norm::Frobenius] {
            let mut random = Random::new(5000 + seed);
            let config = ConvolutionConfig {
                channels: 3,
                kernel,
                stride,
                padding,
                ..IDENTITY
            };
            let (layer, _) = gaussian(config, [2, side, side], &mut random);
            let form = layer.stage().lipschitz().expect("a bound");
            let (value, gradient) = form
                .value_and_gradient(norm_kind)
                .expect("flex does not fail");
            assert_eq!(value, bound(&layer, norm_kind));
            let gradient = rows(gradient).concat();
            // Homogeneous of degree one.
            let euler = dot(&gradient, &layer.kernel.concat());
            assert_close(euler, value, 1e-4, 0.0, "Euler");
            for _ in 0..4 {
                let direction = random.matrix([layer.kernel.len(), 3], 1.0);
                let size = norm(&direction.concat());
                let at = |t: f64| {
                    let mut moved = layer.clone();
                    for (row, by) in moved.kernel.iter_mut().zip(&direction) {
                        row.iter_mut().zip(by).for_each(|(w, d)| *w += t * d / size);
                    }
                    bound(&moved, norm_kind)
                };
                let step = 1e-2;
                let found = dot(&gradient, &direction.concat()) / size;
                let expected = (at(step) - at(-step)) / (2.0 * step);
                assert_close(
                    found,
                    expected,
                    0.02,
                    0.05 * norm(&gradient),
                    &format!("{layer:?}"),
                );
            }
        }
    }
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
            let images = tensor(&vec![h.to_vec()]).reshape([1, height, width, 1]);
            let pooled: Tensor<4> = largest.apply(images);
            let features = pooled.dims()[1] * pooled.dims()[2];
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
    for (seed, activation) in (0..70).zip(Activation::CONTINUOUS.iter().copied().cycle()) {
        let mut random = Random::new(3000 + seed);
        let input = image([2, 4, 3]);
        let config = if seed % 2 == 0 {
            StageConfig::ResidualDense(ResidualDenseConfig { activation })
        } else {
            StageConfig::ResidualConvolution(ResidualConvolutionConfig {
                kernel: 3,
                activation,
            })
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
        for norm_kind in [Norm::Frequency, Norm::Spectral, Norm::Frobenius] {
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
