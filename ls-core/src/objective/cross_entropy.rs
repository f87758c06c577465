//! Softmax cross-entropy of single samples, accurate down to the smallest losses.
//!
//! `ce(z, y) = log Σ_j e^{z_j} - z_y = softplus(t)` with the log-odds against the true class,
//! `t = log Σ_{j≠y} e^{z_j - z_y}`. In this form no digits cancel: a loss of 1e-9 keeps all of its digits in f32, where
//! `logsumexp(z) - z_y` would return 0. [`per_sample`] evaluates it on a device, [`sample_loss`] on the host.

use burn::tensor::{Bool, Int, Tensor, activation};

/// Takes the place of -∞, which would make differences of infinities possible.
const EXCLUDED: f64 = -1e30;

/// Returns `ce(z_n, y_n)`, `[samples]`, for logits `[samples, K]` and labels `[samples]`.
pub fn per_sample(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let (t, _) = log_odds_against(logits, labels);
    softplus(t)
}

/// `log (1 + e^t)` of `[samples, 1]`.
fn softplus(t: Tensor<2>) -> Tensor<1> {
    let tail = (t.clone().abs() * -1.0).exp().log1p();
    (t.clamp_min(0.0) + tail).squeeze_dim(1)
}

/// Returns `ce(z, y)` for one sample whose logits are on the host, with a relative error of a few units of f64's rounding.
///
/// # Panics
/// When `label` is no index of `logits`.
pub fn sample_loss(logits: &[f64], label: usize) -> f64 {
    let own = logits[label];
    let others = logits.iter().enumerate().filter(|&(j, _)| j != label);
    let margins: Vec<f64> = others.map(|(_, z)| z - own).collect();
    if margins.iter().any(|margin| margin.is_nan()) {
        // The maximum below would pass over it.
        return f64::NAN;
    }
    let largest = margins.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        // Without any other class the loss is zero, without the own class infinite; differences of infinities would be NaN.
        return largest.max(0.0);
    }
    let sum: f64 = margins.iter().map(|margin| (margin - largest).exp()).sum();
    let t = largest + sum.ln();
    t.max(0.0) + (-t.abs()).exp().ln_1p()
}

/// Returns `∂ce_n/∂z_n = softmax(z_n) - e_{y_n}`, `[samples, K]`; not divided by the number of samples.
pub fn gradient(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<2> {
    let truth = truth_mask(labels, logits.dims()[1]);
    let (t, others) = log_odds_against(logits, labels);
    gradient_at(t, others, truth)
}

/// Returns the gradient of `(1-ε) ce(z_n, y_n) + ε/K Σ_k ce(z_n, k)`, `softmax(z_n) - (1-ε) e_{y_n} - ε/K`, `[samples, K]`: the cross-entropy
/// with label smoothing (Szegedy et al. 2016).
pub fn smoothed_gradient(logits: Tensor<2>, labels: &Tensor<1, Int>, smoothing: f64) -> Tensor<2> {
    let classes = logits.dims()[1];
    let sharp = gradient(logits, labels);
    if smoothing == 0.0 {
        return sharp;
    }
    sharp.clone() + one_hot(labels, &sharp) * smoothing - smoothing / classes as f64
}

/// Returns [`per_sample`] and [`gradient`] for about the price of one of them.
pub fn value_and_gradient(logits: Tensor<2>, labels: &Tensor<1, Int>) -> (Tensor<1>, Tensor<2>) {
    let truth = truth_mask(labels, logits.dims()[1]);
    let (t, others) = log_odds_against(logits, labels);
    (softplus(t.clone()), gradient_at(t, others, truth))
}

fn gradient_at(t: Tensor<2>, others: Tensor<2>, truth: Tensor<2, Bool>) -> Tensor<2> {
    // 1 - p_y = σ(t); the other classes share it.
    let wrong = activation::sigmoid(t);
    let shared = others * wrong.clone();
    let [rows, columns] = shared.dims();
    shared.mask_where(truth, wrong.neg().expand([rows, columns]))
}

/// Steps of Newton's method in [`proximal`].
const NEWTON_STEPS: usize = 12;

/// Returns minimizers of `ce(v, y_n) + c/2 ‖v - p_n‖²`, `[samples, K]`, for points `p` of that shape and `c > 0`: the proximal operator.
///
/// Newton's method begins at `start`. Where its step does not lower the value of a sample, the sample moves by `1/(c + 1/2)` along its
/// gradient, which does since the cross-entropy has a curvature of at most `1/2`: no sample ends above its start.
pub fn proximal(
    points: &Tensor<2>,
    labels: &Tensor<1, Int>,
    c: f64,
    start: Tensor<2>,
) -> Tensor<2> {
    let truth = one_hot(labels, points);
    let penalty = |offset: Tensor<2>| -> Tensor<1> {
        (offset.clone() * offset).sum_dim(1).squeeze_dim(1) * (c / 2.0)
    };
    let mut v = start;
    for _ in 0..NEWTON_STEPS {
        let offset = v.clone() - points.clone();
        let (loss, slope) = value_and_gradient(v.clone(), labels);
        let value = loss + penalty(offset.clone());
        let gradient = slope.clone() + offset * c;
        let newton = v.clone() - newton_direction(slope + truth.clone(), c, gradient.clone());
        let safe = v - gradient / (c + 0.5);
        let lowered = per_sample(newton.clone(), labels) + penalty(newton.clone() - points.clone());
        let is_lower = lowered.lower(value).unsqueeze_dim::<2>(1);
        v = safe.mask_where(is_lower.expand(newton.dims()), newton);
    }
    v
}

/// Returns `e_{y_n}`, `[samples, K]`, in the precision of some logits of that shape.
pub fn one_hot(labels: &Tensor<1, Int>, logits: &Tensor<2>) -> Tensor<2> {
    let truth = truth_mask(labels, logits.dims()[1]).float();
    truth.cast(logits.dtype())
}

/// Returns `(diag π - ππᵀ + c I)⁻¹ g` for each row, by the formula of Sherman and Morrison.
fn newton_direction(probabilities: Tensor<2>, c: f64, gradient: Tensor<2>) -> Tensor<2> {
    let diagonal = probabilities.clone() + c;
    let scaled = gradient / diagonal.clone();
    let shares = probabilities.clone() / diagonal;
    // 1 - Σ π²/(π + c) without its cancellation.
    let rest = (shares.clone() * c).sum_dim(1);
    let along = (probabilities * scaled.clone()).sum_dim(1);
    scaled + shares * (along / rest)
}

/// Returns 1 where the largest logit is that of the label, else 0, `[samples]`.
pub fn correct(logits: Tensor<2>, labels: &Tensor<1, Int>) -> Tensor<1> {
    let predicted: Tensor<1, Int> = logits.argmax(1).squeeze_dim(1);
    predicted.equal(labels.clone()).float()
}

/// Returns `t`, `[samples, 1]`, and the softmax over the wrong classes alone, `[samples, K]`.
fn log_odds_against(logits: Tensor<2>, labels: &Tensor<1, Int>) -> (Tensor<2>, Tensor<2>) {
    let own = logits.clone().gather(1, labels.clone().unsqueeze_dim(1));
    let classes = logits.dims()[1];
    let margins = (logits - own).mask_fill(truth_mask(labels, classes), EXCLUDED);
    let largest = margins.clone().max_dim(1);
    let exponentials = (margins - largest.clone()).exp();
    let sum = exponentials.clone().sum_dim(1);
    (largest + sum.clone().log(), exponentials / sum)
}

fn truth_mask(labels: &Tensor<1, Int>, classes: usize) -> Tensor<2, Bool> {
    let classes = Tensor::<1, Int>::arange(0..classes as i64, &labels.device());
    let [samples] = labels.dims();
    let [count] = classes.dims();
    // Views, where copies would take as long as the comparison.
    let column = labels.clone().unsqueeze_dim::<2>(1);
    column
        .expand([samples, count])
        .equal(classes.unsqueeze::<2>().expand([samples, count]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::to_f64;
    use burn::tensor::Device;

    fn logits(rows: &[[f32; 3]]) -> Tensor<2> {
        let values: Vec<f32> = rows.iter().flatten().copied().collect();
        Tensor::from_data(
            burn::tensor::TensorData::new(values, [rows.len(), 3]),
            &Device::flex(),
        )
    }

    fn label(y: i64, samples: usize) -> Tensor<1, Int> {
        Tensor::full([samples], y, &Device::flex())
    }

    #[test]
    fn small_and_huge_losses_keep_their_digits() {
        let z = logits(&[[20.0, 0.0, 0.0], [0.0, 1e6, 0.0], [0.0, 0.0, 0.0]]);
        let found = to_f64(per_sample(z, &label(0, 3))).unwrap();
        let expected = [(2.0 * (-20.0_f64).exp()).ln_1p(), 1e6, 3.0_f64.ln()];
        for (found, expected) in found.iter().zip(expected) {
            // A handful of f32 operations.
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
        }
    }

    /// Expected values were computed with 60 digits.
    #[test]
    fn losses_on_the_host_agree_with_high_precision_at_every_size() {
        let cases: [(&[f64], usize, f64); 9] = [
            (&[0.0, 0.0, 0.0], 0, 1.098_612_288_668_109_7),
            (&[3.0, 7.5, -1.25, 2.0], 2, 8.765_237_545_995_407),
            (&[0.0, 1e6, 0.0], 0, 1e6),
            (&[1000.0, -1000.0, 999.0], 2, 1.313_261_687_518_222_8),
            (&[-700.0, 5.0, -2.0], 1, 9.114_664_537_742_447e-4),
            (&[20.0, 0.0, 0.0], 0, 4.122_307_236_380_407e-9),
            (&[40.0, 1.5, -3.25, 0.5], 0, 2.620_888_142_987_062_5e-17),
            (&[100.0, 0.0], 0, 3.720_075_976_020_836e-44),
            (&[0.25], 0, 0.0),
        ];
        for (logits, label, expected) in cases {
            let found = sample_loss(logits, label);
            // An argument `t` of the exponential makes its rounding, `|t| ε`, relative: 100 ε at most.
            let tolerance = 100.0 * f64::EPSILON * expected;
            assert!((found - expected).abs() <= tolerance, "{found} {expected}");
        }
        // Less than any positive number of f64, and classes that are impossible.
        assert_eq!(sample_loss(&[1000.0, 0.0], 0), 0.0);
        assert_eq!(sample_loss(&[1.0, f64::NEG_INFINITY], 0), 0.0);
        assert_eq!(sample_loss(&[1.0, f64::NEG_INFINITY], 1), f64::INFINITY);
        for label in 0..2 {
            assert!(sample_loss(&[f64::NAN, 1.0], label).is_nan());
        }
    }

    #[test]
    fn the_smoothed_gradient_is_that_of_the_smoothed_loss() {
        let (z, smoothing, step) = ([0.3_f64, -1.2, 2.0], 0.1, 1e-5);
        let loss = |z: &[f64]| {
            let all: f64 = (0..3).map(|k| sample_loss(z, k)).sum();
            (1.0 - smoothing) * sample_loss(z, 1) + smoothing / 3.0 * all
        };
        let found = smoothed_gradient(logits(&[[0.3, -1.2, 2.0]]), &label(1, 1), smoothing);
        for (j, found) in to_f64(found).unwrap().iter().enumerate() {
            let at = |by: f64| {
                let mut moved = z;
                moved[j] += by;
                loss(&moved)
            };
            let expected = (at(step) - at(-step)) / (2.0 * step);
            // f32 on one side, a central difference on the other.
            assert!((found - expected).abs() < 1e-6, "{j}: {found} {expected}");
        }
    }

    #[test]
    fn gradient_is_softmax_minus_the_true_class() {
        let z = [0.3_f64, -1.2, 2.0];
        let sum: f64 = z.iter().map(|v| v.exp()).sum();
        let found = to_f64(gradient(logits(&[[0.3, -1.2, 2.0]]), &label(1, 1))).unwrap();
        for (j, found) in found.iter().enumerate() {
            let expected = z[j].exp() / sum - f64::from(u8::from(j == 1));
            assert!((found - expected).abs() < 1e-7, "{j}: {found} {expected}");
        }
    }

    #[test]
    fn a_proximal_point_is_stationary_and_lies_no_higher_than_its_start() {
        for (c, tolerance) in [(1e-3, 1e-5), (1.0, 1e-6), (50.0, 1e-4)] {
            let points = logits(&[[0.0, 3.0, -1.0], [-40.0, 0.0, 40.0], [8.0, 0.0, 0.0]]);
            let labels = label(0, 3);
            let start = logits(&[[0.0; 3]; 3]);
            let found = proximal(&points, &labels, c, start.clone());
            let value = |v: &Tensor<2>| {
                let offset = v.clone() - points.clone();
                let penalty = (offset.clone() * offset).sum_dim(1).squeeze_dim(1) * (c / 2.0);
                to_f64(per_sample(v.clone(), &labels) + penalty).unwrap()
            };
            for (after, before) in value(&found).iter().zip(value(&start)) {
                assert!(*after <= before * (1.0 + 1e-6), "{c}: {before} to {after}");
            }
            let slope = gradient(found.clone(), &labels) + (found - points.clone()) * c;
            // The rounding of logits of up to 40 in f32, times c.
            let error: f32 = slope.abs().max().into_scalar();
            assert!(f64::from(error) < tolerance, "{c}: {error}");
        }
    }
}
