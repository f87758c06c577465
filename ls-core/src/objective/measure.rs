//! The figures of a report, over a whole split.

use burn::tensor::{Device, Tensor};

use super::output_loss::square_norms;
use super::{KAPPA, Weights, cross_entropy};
use crate::auxiliary::AuxiliaryStore;
use crate::batch::Batch;
use crate::linalg::to_f64;
use crate::network::{Network, Replicas};
use crate::shards::{OnDevice, for_each_chunk, joined};
use crate::{Error, NoLipschitzConstant, Result};

/// Number of samples in one chunk of a report; bounds the memory of the forward pass.
const CHUNK: usize = 8192;

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

/// The separated terms of single samples.
#[derive(Clone, Debug, Default)]
pub struct SampleTerms {
    /// `ce(ẑ_n, y_n)`.
    pub head_loss: Vec<f64>,
    /// `r_{l,n}²`, one vector per hidden stage.
    pub residual_squares: Vec<Vec<f64>>,
}

impl SampleTerms {
    /// Returns separated loss, certificate and residuals of these samples, summed in f64.
    ///
    /// `C = 1/N Σ_n min(ce(ẑ_n) + √2 d_n, (√ce(ẑ_n) + κ d_n)²)` with `d_n = Σ_l Π_l r_{l,n}`.
    pub fn figures(&self, weights: &Weights) -> SeparatedFigures {
        let residual_square_means: Vec<f64> = self
            .residual_squares
            .iter()
            .map(|squares| mean(squares))
            .collect();
        let penalty: f64 = weights
            .omega
            .iter()
            .zip(&residual_square_means)
            .map(|(&omega, &residual)| scaled(omega, residual))
            .sum();
        let certificate = weights.growth.as_ref().ok().map(|growth| {
            let bounds = self.head_loss.iter().enumerate().map(|(n, &head)| {
                let distance = growth
                    .iter()
                    .zip(&self.residual_squares)
                    .map(|(&growth, squares)| scaled(growth, squares[n].sqrt()))
                    .sum::<f64>();
                // (√ce + κ d)² expanded, so that it is never below ce by a rounding of its root.
                let linear = core::f64::consts::SQRT_2 * distance;
                let square = KAPPA * distance * (2.0 * head.sqrt() + KAPPA * distance);
                head + linear.min(square)
            });
            mean(&bounds.collect::<Vec<_>>())
        });
        SeparatedFigures {
            separated_loss_mean: weights.head * mean(&self.head_loss) + penalty,
            certificate_mean: certificate,
            no_certificate: weights.growth.as_ref().err().cloned(),
            residual_square_means,
        }
    }
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

/// Returns the rows of a table with a column for each sample.
fn rows(table: Tensor<2>) -> Result<Vec<Vec<f64>>> {
    let samples = table.dims()[1];
    // Leaves the device once per report: the certificate mixes all stages sample by sample, in f64.
    let values = to_f64(table)?;
    Ok(values.chunks(samples.max(1)).map(<[f64]>::to_vec).collect())
}

/// The figures of some samples, a column for each, still on the device.
pub(crate) struct SampleFigures(Tensor<2>);

impl SampleFigures {
    /// Cross-entropies of a plain forward pass, 1 for each correct sample and 0 for the others, and the separated terms: the head's losses,
    /// then each stage's `r²`; none of a split without auxiliary variables.
    pub(crate) fn new(losses: Tensor<1>, correct: Tensor<1>, terms: Vec<Tensor<1>>) -> Self {
        let rows = [losses, correct].into_iter().chain(terms);
        Self(Tensor::stack(rows.collect(), 0))
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
    let home = split.inputs.device();
    let chunks = split.chunks_on_shards(CHUNK);
    let replicas = Replicas::new(network, home.clone());
    let figures = |chunk: &Batch| {
        let device = chunk.inputs.device();
        let network = replicas.on(&device);
        let logits = network.forward(chunk.inputs.clone());
        let terms = auxiliary.map_or_else(Vec::new, |(store, _)| {
            let values = store.gather(&chunk.selection).into_iter();
            let values: Vec<_> = values.map(|value| value.on(&device)).collect();
            term_rows(&network, &values, chunk)
        });
        let losses = cross_entropy::per_sample(logits.clone(), &chunk.labels);
        let correct = cross_entropy::correct(logits, &chunk.labels);
        SampleFigures::new(losses, correct, terms)
    };
    let mut found = Vec::with_capacity(chunks.len());
    if split.is_sharded() {
        let devices = chunks.iter().map(|chunk| chunk.inputs.device());
        let devices: Vec<_> = devices.collect();
        for_each_chunk(&devices, |c| Ok(figures(&chunks[c])), |own| found.push(own))?;
    } else {
        found.extend(chunks.iter().map(figures));
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
        let tables: Vec<_> = chunks
            .into_iter()
            .map(|SampleFigures(table)| table)
            .collect();
        let figures = match tables.is_empty() {
            true => Vec::new(),
            false => rows(joined(tables, 1, home))?,
        };
        let mut figures = figures.into_iter();
        let mut next = || figures.next().unwrap_or_default();
        let (losses, correct, head_loss) = (next(), next(), next());
        let terms = SampleTerms {
            head_loss,
            residual_squares: figures.collect(),
        };
        let measurement = Self {
            samples: losses.len(),
            original_loss_mean: mean(&losses),
            accuracy: mean(&correct),
            separated: weights.map(|weights| terms.figures(weights)),
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

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
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
