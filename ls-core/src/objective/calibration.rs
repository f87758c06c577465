//! The loss of a network whose logits are scaled as suits a split best.

use super::Measurement;
use super::measure::measure_with;
use crate::Result;
use crate::batch::Batch;
use crate::linalg::to_f64;
use crate::network::Network;

/// Steps of Newton's method, or of the search for a bracket, at most.
const STEPS: usize = 100;

/// Relative change of `β` that ends the search. The loss is flat at its minimum, so that its own error is about the square.
const TOLERANCE: f64 = 1e-7;

/// Largest `β`: a split without a mistake has no minimum, and its loss falls to zero.
const LARGEST_SCALE: f64 = 1e6;

/// Returns `min_{β ≥ 0} 1/N Σ_n ce(β z_n, y_n)` over a split, in nats: the mean cross-entropy after temperature scaling (Guo et al. 2017)
/// on that very split.
///
/// A network that separates its training samples grows ever surer of itself, and then loses more on each mistake, whether or not it makes
/// more of them. This figure is free of that, and unlike the accuracy it tells networks apart that make equally many mistakes. It is not a
/// number where a logit is not finite.
///
/// # Errors
/// As [`measure`](super::measure).
pub fn calibrated_loss(network: &Network, split: &Batch) -> Result<f64> {
    Ok(measure_calibrated(network, split)?.1)
}

/// Returns the figures of a split and its [`calibrated_loss`], by one forward pass.
///
/// # Errors
/// As [`measure`](super::measure).
pub(crate) fn measure_calibrated(network: &Network, split: &Batch) -> Result<(Measurement, f64)> {
    let classes = network.classes();
    let mut margins = Vec::new();
    let measurement = measure_with(network, None, split, |(logits, chunk)| {
        let own = logits
            .clone()
            .gather(1, chunk.labels.clone().unsqueeze_dim(1));
        let dims = logits.dims();
        margins.push(to_f64(logits - own.expand(dims)));
    })?;
    let margins = margins.into_iter().collect::<Result<Vec<_>>>()?.concat();
    let rows: Vec<_> = margins.chunks(classes).collect();
    Ok((measurement, least_loss(&rows)))
}

/// The minimum over `β ≥ 0` of the mean of `log Σ_j e^{β d_j}` over rows of margins `d_j = z_j - z_y`, a convex function.
fn least_loss(rows: &[&[f64]]) -> f64 {
    let [at_zero, slope, _] = value_and_derivatives(rows, 0.0);
    if slope.is_nan() || slope >= 0.0 {
        return at_zero;
    }
    let (mut low, mut high) = (0.0, LARGEST_SCALE);
    let mut scale: f64 = 1.0;
    let mut least = at_zero;
    for _ in 0..STEPS {
        let [value, slope, curvature] = value_and_derivatives(rows, scale);
        least = least.min(value);
        match slope > 0.0 {
            true => high = scale,
            false => low = scale,
        }
        let newton = scale - slope / curvature;
        let within = newton > low && newton < high.min(4.0 * scale);
        let next = match (within, high < LARGEST_SCALE) {
            (true, _) => newton,
            (false, true) => 0.5 * (low + high),
            (false, false) => (4.0 * scale).min(LARGEST_SCALE),
        };
        if (next - scale).abs() <= TOLERANCE * scale {
            break;
        }
        scale = next;
    }
    least
}

/// The mean of `log Σ_j e^{β d_j}` and its first two derivatives by `β`.
fn value_and_derivatives(rows: &[&[f64]], scale: f64) -> [f64; 3] {
    let mut sums = [0.0; 3];
    for row in rows {
        // The own class has the margin 0, so that the largest is 0 or more.
        let largest = row.iter().copied().fold(0.0, f64::max);
        let weights = row.iter().map(|d| ((d - largest) * scale).exp());
        let mut moments = [0.0; 3];
        for (d, weight) in row.iter().zip(weights) {
            moments[0] += weight;
            moments[1] += weight * d;
            moments[2] += weight * d * d;
        }
        let mean = moments[1] / moments[0];
        sums[0] += scale * largest + moments[0].ln();
        sums[1] += mean;
        sums[2] += moments[2] / moments[0] - mean * mean;
    }
    sums.map(|sum| sum / rows.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Margins of logits whose labels are 0, 1, 2, 0, …, times a factor.
    fn margins(logits: &[[f64; 3]], factor: f64) -> Vec<[f64; 3]> {
        let rows = logits.iter().enumerate();
        rows.map(|(n, row)| row.map(|z| factor * (z - row[n % 3])))
            .collect()
    }

    fn rows(margins: &[[f64; 3]]) -> Vec<&[f64]> {
        margins.iter().map(<[f64; 3]>::as_slice).collect()
    }

    #[test]
    fn the_minimum_is_that_of_a_fine_grid_whatever_the_scale_of_the_logits() {
        let logits = [
            [2.0, 0.5, -1.0],
            [0.3, 0.1, 0.2],
            [-1.0, 0.0, 1.5],
            [0.2, 0.9, 0.1],
        ];
        let own = margins(&logits, 1.0);
        let grid = (1..40_000).map(|i| value_and_derivatives(&rows(&own), 1e-3 * f64::from(i))[0]);
        let expected = grid.fold(f64::INFINITY, f64::min);
        for factor in [1e-3, 1.0, 50.0] {
            // The grid is 1e-3 wide: a second derivative below 1 makes it exact to 1e-6.
            let found = least_loss(&rows(&margins(&logits, factor)));
            assert!(found <= expected + 1e-12 && found > expected - 1e-6);
        }
    }

    #[test]
    fn no_mistake_gives_no_loss_and_wrong_logits_are_worth_a_guess() {
        let right = margins(&[[5.0, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 3.0]], 1.0);
        assert!(least_loss(&rows(&right)) < 1e-12);
        let wrong = margins(&[[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]], 1.0);
        // One logarithm.
        assert!((least_loss(&rows(&wrong)) - 3f64.ln()).abs() < 1e-15);
    }
}
