//! The figures of a report, over a whole split.

use burn::tensor::{Device, Tensor};

use super::output_loss::square_norms;
use super::sample_sums::sample_sums;
use super::{KAPPA, Weights, cross_entropy};
use crate::auxiliary::AuxiliaryStore;
use crate::batch::Batch;
use crate::linalg::to_f64;
use crate::network::{Network, Replicas};
use crate::shards::{OnDevice, for_each_chunk, joined};
use crate::{Error, NoLipschitzConstant, Result};

/// Number of samples in one chunk of a report; bounds the memory of the forward pass.
pub(crate) const CHUNK: usize = 8192;

/// Figures of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Number of samples `N`.
    pub samples: usize,
    /// `F = 1/N Σ_n ce(z_n, y_n)`, by a plain forward pass.
    pub original_loss_mean: f64,
    /// Share of samples whose largest logit is the label's, 0 to 1.
    pub accuracy: f64,
    /// Figures of the auxiliary variables; `None` for a method without any and for a test split.
    pub separated: Option<SeparatedFigures>,
}

/// Figures that need auxiliary variables.
#[derive(Clone, Debug, PartialEq)]
pub struct SeparatedFigures {
    /// `S = head · 1/N Σ ce(ẑ_n) + Σ_l ω_l 1/N Σ r²`.
    pub separated_loss_mean: f64,
    /// `C ≥ F`; `None` when a stage behind the first has no Lipschitz constant.
    pub certificate_mean: Option<f64>,
    /// The reason why there is no certificate; `None` when there is one.
    pub no_certificate: Option<NoLipschitzConstant>,
    /// `1/N Σ_n r_{l,n}²` for each hidden stage, in squared activation units.
    pub residual_square_means: Vec<f64>,
}

impl SeparatedFigures {
    /// Takes the means over samples of the separated terms: of the head's losses, of each stage's `r²`, and of the certificate where there
    /// is one.
    fn new(mut means: impl Iterator<Item = f64>, weights: &Weights) -> Self {
        let head_loss_mean = means.next().unwrap_or(f64::NAN);
        let residual_square_means: Vec<f64> = means.by_ref().take(weights.omega.len()).collect();
        let pairs = weights.omega.iter().zip(&residual_square_means);
        let penalty: f64 = pairs
            .map(|(&omega, &residual)| scaled(omega, residual))
            .sum();
        Self {
            separated_loss_mean: weights.head * head_loss_mean + penalty,
            certificate_mean: means.next(),
            no_certificate: weights.growth.as_ref().err().cloned(),
            residual_square_means,
        }
    }
}

/// The separated terms of single samples.
#[derive(Clone, Debug, Default)]
pub struct SampleTerms {
    /// `ce(ẑ_n, y_n)`.
    pub head_loss: Vec<f64>,
    /// `r_{l,n}²`, one vector per hidden stage.
    pub residual_squares: Vec<Vec<f64>>,
}

/// Returns the separated terms of a batch for given auxiliary variables, `[samples, d_l]` each.
///
/// # Errors
/// [`Error::Device`] when the device failed.
pub fn sample_terms(
    network: &Network,
    auxiliary: &[Tensor<2>],
    batch: &Batch,
) -> Result<SampleTerms> {
    let terms = rows(Tensor::stack(term_rows(network, auxiliary, batch), 0))?;
    let mut terms = terms.into_iter();
    Ok(SampleTerms {
        head_loss: terms.next().unwrap_or_default(),
        residual_squares: terms.collect(),
    })
}

/// Returns the separated terms of a batch, `[samples]` each and still on the device: the head's losses, then each stage's `r²`.
fn term_rows(network: &Network, auxiliary: &[Tensor<2>], batch: &Batch) -> Vec<Tensor<1>> {
    let mut previous = batch.inputs.clone();
    let mut residual_squares = Vec::with_capacity(auxiliary.len());
    for (stage, value) in network.stages().iter().zip(auxiliary) {
        residual_squares.push(square_norms(value.clone() - stage.forward(previous)));
        previous = value.clone();
    }
    let logits = network.stages()[network.hidden()].forward(previous);
    let head_loss = cross_entropy::per_sample(logits, &batch.labels);
    core::iter::once(head_loss)
        .chain(residual_squares)
        .collect()
}

/// Returns the rows of a table.
fn rows(table: Tensor<2>) -> Result<Vec<Vec<f64>>> {
    let columns = table.dims()[1];
    let values = to_f64(table)?;
    Ok(values.chunks(columns.max(1)).map(<[f64]>::to_vec).collect())
}

/// Returns the terms of the certificate, `[samples]`: `min(ce(ẑ_n) + √2 d_n, (√ce(ẑ_n) + κ d_n)²)` with `d_n = Σ_l Π_l r_{l,n}`.
fn certificates(head: &Tensor<1>, residual_squares: &[Tensor<1>], growth: &[f64]) -> Tensor<1> {
    let residuals = growth.iter().zip(residual_squares);
    let distance = residuals.fold(head.zeros_like(), |distance, (&growth, square)| {
        let residual = square.clone().sqrt();
        // Factors of very deep networks may be infinite; where nothing has moved they count for nothing.
        let unmoved = residual.clone().equal_elem(0.0);
        distance + (residual * growth).mask_fill(unmoved, 0.0)
    });
    // (√ce + κ d)² expanded, so that it is never below ce by a rounding of its root.
    let linear = distance.clone() * core::f64::consts::SQRT_2;
    let reach = distance * KAPPA;
    let square = reach.clone() * (head.clone().sqrt() * 2.0 + reach);
    head.clone() + linear.min_pair(square)
}

/// The figures of some samples, still on the device: sums over small groups of them, which are a small part of what a network between
/// devices would carry otherwise.
pub(crate) struct SampleFigures {
    samples: usize,
    sums: Tensor<2>,
}

impl SampleFigures {
    /// Takes cross-entropies of a plain forward pass, 1 for each correct sample and 0 for the others, and of a split with auxiliary
    /// variables the separated terms, the head's losses and then each stage's `r²`, with their weights.
    pub(crate) fn new(
        losses: Tensor<1>,
        correct: Tensor<1>,
        separated: Option<(Vec<Tensor<1>>, &Weights)>,
    ) -> Self {
        let samples = losses.dims()[0];
        let mut rows = vec![losses, correct];
        if let Some((terms, weights)) = separated {
            let growth = weights.growth.as_ref().ok();
            let certified = growth
                .zip(terms.split_first())
                .map(|(growth, (head, squares))| certificates(head, squares, growth));
            rows.extend(terms);
            rows.extend(certified);
        }
        let sums = sample_sums(Tensor::stack(rows, 0));
        Self { samples, sums }
    }
}

/// Measures a whole split: original loss and accuracy by a plain forward pass, and with auxiliary variables also the
/// separated loss and the certificate.
///
/// # Errors
/// [`Error::NotFinite`] when the original or the separated loss is not a finite number, [`Error::Device`] when the device
/// failed.
pub fn measure(
    network: &Network,
    auxiliary: Option<(&AuxiliaryStore, &Weights)>,
    split: &Batch,
) -> Result<Measurement> {
    measure_with(network, auxiliary, split, |_| ())
}

/// As [`measure`], and hands the logits of each chunk, in their order, to `see`.
pub(super) fn measure_with(
    network: &Network,
    auxiliary: Option<(&AuxiliaryStore, &Weights)>,
    split: &Batch,
    mut see: impl FnMut((Tensor<2>, &Batch)),
) -> Result<Measurement> {
    let home = split.inputs.device();
    let chunks = split.chunks_on_shards(CHUNK);
    let replicas = Replicas::new(network, home.clone());
    let figures = |chunk: &Batch| {
        let device = chunk.inputs.device();
        let network = replicas.on(&device);
        let logits = network.forward(chunk.inputs.clone());
        let separated = auxiliary.map(|(store, weights)| {
            let values = store.gather(&chunk.selection).into_iter();
            let values: Vec<_> = values.map(|value| value.on(&device)).collect();
            (term_rows(&network, &values, chunk), weights)
        });
        let losses = cross_entropy::per_sample(logits.clone(), &chunk.labels);
        let correct = cross_entropy::correct(logits.clone(), &chunk.labels);
        (SampleFigures::new(losses, correct, separated), logits)
    };
    let mut found = Vec::with_capacity(chunks.len());
    let mut add = |(own, logits)| {
        see((logits, &chunks[found.len()]));
        found.push(own);
    };
    if split.is_sharded() {
        let devices = chunks.iter().map(|chunk| chunk.inputs.device());
        let devices: Vec<_> = devices.collect();
        for_each_chunk(&devices, |c| Ok(figures(&chunks[c])), add)?;
    } else {
        chunks.iter().for_each(|chunk| add(figures(chunk)));
    }
    let weights = auxiliary.map(|(_, weights)| weights);
    Measurement::new(found, weights, &home)
}

impl Measurement {
    /// Sums up the figures of the chunks of a split, whose home is a device.
    ///
    /// # Errors
    /// As [`measure`].
    pub(crate) fn new(
        chunks: Vec<SampleFigures>,
        weights: Option<&Weights>,
        home: &Device,
    ) -> Result<Self> {
        let samples = chunks.iter().map(|chunk| chunk.samples).sum();
        let tables: Vec<_> = chunks.into_iter().map(|chunk| chunk.sums).collect();
        // Leaves the device once per report.
        let sums = match tables.is_empty() {
            true => Vec::new(),
            false => rows(joined(tables, 1, home))?,
        };
        let mut means = sums
            .iter()
            .map(|row| row.iter().sum::<f64>() / samples as f64);
        let mut next = || means.next().unwrap_or(f64::NAN);
        let measurement = Self {
            samples,
            original_loss_mean: next(),
            accuracy: next(),
            separated: weights.map(|weights| SeparatedFigures::new(means, weights)),
        };
        finite("original loss", measurement.original_loss_mean)?;
        if let Some(separated) = &measurement.separated {
            finite("separated loss", separated.separated_loss_mean)?;
        }
        Ok(measurement)
    }
}

/// A factor times a residual. Factors of very deep networks may be infinite; where nothing has moved they count for nothing.
fn scaled(factor: f64, residual: f64) -> f64 {
    if residual == 0.0 {
        0.0
    } else {
        factor * residual
    }
}

fn finite(quantity: &str, value: f64) -> Result<()> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(Error::NotFinite {
            quantity: quantity.into(),
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(values, &Device::flex())
    }

    #[test]
    fn certificates_keep_their_digits_at_losses_and_residuals_of_any_size() {
        let growth = [1e6, 3.0];
        let cases = [
            [1e-20, 1e-36, 1e-26],
            [1e-3, 0.0, 1e-12],
            [2.0, 1e-14, 0.5],
            [1e20, 1e20, 1e20],
        ];
        let column = |j: usize| tensor(&cases.map(|own| own[j] as f32));
        let found = certificates(&column(0), &[column(1), column(2)], &growth);
        for ([head, first, second], found) in cases.into_iter().zip(to_f64(found).unwrap()) {
            let distance = growth[0] * f64::sqrt(first) + growth[1] * f64::sqrt(second);
            let square = (head.sqrt() + KAPPA * distance).powi(2);
            let expected = square.min(head + core::f64::consts::SQRT_2 * distance);
            // A dozen roundings of f32.
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} {expected}");
            assert!(found >= f64::from(head as f32), "{found} below {head}");
        }
    }

    /// Growth factors of very deep networks exceed f32 and even f64.
    #[test]
    fn where_nothing_moved_factors_beyond_all_numbers_count_for_nothing() {
        let (head, squares) = (tensor(&[0.5, 0.5]), tensor(&[0.0, 1e-6]));
        for growth in [1e60, f64::INFINITY] {
            let found = certificates(&head, core::slice::from_ref(&squares), &[growth]);
            assert_eq!(to_f64(found).unwrap(), [0.5, f64::INFINITY]);
        }
    }
}
