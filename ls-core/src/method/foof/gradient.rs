//! The gradient of one stage on a batch, from its rows, or from sums over the pieces of the batch.

use burn::tensor::{Slice, Tensor};

use super::moments::Directions;
use crate::linalg::Covariance;

/// The rows of a batch that second moments are computed from: every k-th, where there are far more than they need.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling {
    every: usize,
    /// The first one.
    start: usize,
    kept: usize,
}

impl Sampling {
    /// Keeps so many of the rows of a batch, from another one in each, if there are twice as many or more; all of them otherwise.
    pub(super) fn of(rows: usize, kept: usize, batches: usize) -> Self {
        match rows / kept {
            0 | 1 => Self {
                every: 1,
                start: 0,
                kept: rows,
            },
            every => Self {
                every,
                start: batches % every,
                kept,
            },
        }
    }

    /// Returns those of consecutive rows, the first of which is row `from` of the batch; `None` if there are none among them.
    fn sampled(self, rows: &Tensor<2>, from: usize) -> Option<Tensor<2>> {
        let count = rows.dims()[0];
        let place = |row: usize| row.saturating_sub(self.start).div_ceil(self.every);
        let (first, end) = (place(from), place(from + count).min(self.kept));
        if first >= end {
            return None;
        }
        if self.every == 1 {
            return Some(rows.clone());
        }
        let [first, last] = [first, end - 1].map(|i| self.start + i * self.every - from);
        let step = isize::try_from(self.every).unwrap_or(isize::MAX);
        Some(
            rows.clone()
                .slice(Slice::from_range_stepped(first..=last, step)),
        )
    }
}

/// Which second moments a stage takes in of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Those of the inputs; `None` where they are known well enough.
    pub inputs: Option<Sampling>,
    /// Those of the gradients; `None` for wide outputs.
    pub outputs: Option<Sampling>,
}

/// The gradient of the coefficients of a stage on a batch, with the second moments of its two factors.
pub(super) struct Gradient {
    pub factors: Factors,
    /// Samples of the batch.
    pub samples: f64,
    /// Whether the inputs are the samples themselves.
    pub is_data: bool,
}

/// The factors of a gradient.
#[expect(clippy::large_enum_variant, reason = "there is one per stage and step")]
pub(super) enum Factors {
    /// The rows of the inputs, `[m, d_in]`, and the gradients of the losses by the outputs of each, `[m, d_out]`.
    Rows([Tensor<2>; 2]),
    /// Sums over them.
    Sums(RowSums),
}

impl Gradient {
    /// Rows of the batch, and the widths of inputs and outputs.
    pub(super) fn dims(&self) -> [usize; 3] {
        match &self.factors {
            Factors::Rows([inputs, outputs]) => {
                let [rows, width] = inputs.dims();
                [rows, width, outputs.dims()[1]]
            }
            Factors::Sums(sums) => {
                let [width, outputs] = sums.kernel.dims();
                [sums.rows, width, outputs]
            }
        }
    }

    /// Mean and scatter of the inputs.
    pub(super) fn covariance(&self, sampling: Sampling) -> Option<Covariance> {
        match &self.factors {
            Factors::Rows([inputs, _]) => sampling.sampled(inputs, 0).map(Covariance::from_rows),
            Factors::Sums(sums) => sums.inputs.clone(),
        }
    }

    /// `Gᵀ G / m` of the sampled rows.
    pub(super) fn output_moment(&self, sampling: Sampling) -> Option<Tensor<2>> {
        match &self.factors {
            Factors::Rows([_, outputs]) => {
                let outputs = sampling.sampled(outputs, 0)?;
                let rows = outputs.dims()[0] as f64;
                Some(outputs.clone().transpose().matmul(outputs) / rows)
            }
            Factors::Sums(sums) => {
                let (moment, rows) = sums.outputs.clone()?;
                Some(moment / rows)
            }
        }
    }

    /// `(A - ā)ᵀ G`, or `Aᵀ G` of data, and `1ᵀ G`, with outputs in the coordinates of `Q`.
    pub(super) fn rotated(self, directions: &Directions, mean: &Tensor<2>) -> [Tensor<2>; 2] {
        let (samples, is_data) = (self.samples, self.is_data);
        match self.factors {
            Factors::Rows([inputs, outputs]) => {
                let outputs = directions.rotated(outputs / samples);
                let bias = outputs.clone().sum_dim(0);
                let kernel = match is_data {
                    // Data come standardised, with a mean of the size of their variation: moments take it off smaller arrays.
                    true => inputs.transpose().matmul(outputs),
                    // Outputs of deep stages may vary by 1e-4 of their mean, whose product would leave few digits.
                    false => (inputs - mean.clone()).transpose().matmul(outputs),
                };
                [kernel, bias]
            }
            Factors::Sums(sums) => {
                let RowSums { kernel, bias, .. } = sums.about(mean);
                [kernel, bias].map(|sum| directions.rotated(sum / samples))
            }
        }
    }
}

/// Sums over rows of inputs `A` and gradients `G`.
#[derive(Clone)]
pub(super) struct RowSums {
    rows: usize,
    /// `(A - c)ᵀ G`, `[d_in, d_out]`.
    kernel: Tensor<2>,
    /// `1ᵀ G`, `[1, d_out]`.
    bias: Tensor<2>,
    /// `c`, `[1, d_in]`: the mean of the rows, so that no digits cancel; `None` for zero.
    centre: Option<Tensor<2>>,
    /// Mean and scatter of the sampled rows of `A`.
    inputs: Option<Covariance>,
    /// `Gᵀ G` of the sampled rows, and their number.
    outputs: Option<(Tensor<2>, f64)>,
}

impl RowSums {
    /// Sums over rows, the first of which is row `from` of the batch.
    pub(super) fn new(
        [inputs, outputs]: [Tensor<2>; 2],
        wanted: Wanted,
        from: usize,
        is_data: bool,
    ) -> Self {
        let centre = (!is_data).then(|| inputs.clone().mean_dim(0));
        let sampled = |sampling: Option<Sampling>, rows: &Tensor<2>| sampling?.sampled(rows, from);
        let own = sampled(wanted.inputs, &inputs).map(Covariance::from_rows);
        let moment = sampled(wanted.outputs, &outputs).map(|rows| {
            let count = rows.dims()[0] as f64;
            (rows.clone().transpose().matmul(rows), count)
        });
        let rows = inputs.dims()[0];
        let centred = match &centre {
            Some(centre) => inputs - centre.clone(),
            None => inputs,
        };
        Self {
            rows,
            kernel: centred.transpose().matmul(outputs.clone()),
            bias: outputs.sum_dim(0),
            centre,
            inputs: own,
            outputs: moment,
        }
    }

    /// The same about another centre.
    fn about(self, centre: &Tensor<2>) -> Self {
        let Some(own) = self.centre else { return self };
        let shift = (own - centre.clone()).transpose();
        Self {
            kernel: self.kernel + shift.matmul(self.bias.clone()),
            centre: Some(centre.clone()),
            ..self
        }
    }

    /// The sums over the rows of both.
    pub(super) fn plus(self, other: Self) -> Self {
        let other = match &self.centre {
            Some(centre) => other.about(centre),
            None => other,
        };
        Self {
            rows: self.rows + other.rows,
            kernel: self.kernel + other.kernel,
            bias: self.bias + other.bias,
            centre: self.centre,
            inputs: both(self.inputs, other.inputs, Covariance::plus),
            outputs: both(self.outputs, other.outputs, |(own, rows), (sum, more)| {
                (own + sum, rows + more)
            }),
        }
    }

    /// The same sums with other copies of their arrays, which `copy` gives for each in a fixed order.
    pub(super) fn map(self, copy: &mut impl FnMut(Tensor<2>) -> Tensor<2>) -> Self {
        Self {
            rows: self.rows,
            kernel: copy(self.kernel),
            bias: copy(self.bias),
            centre: self.centre.map(&mut *copy),
            inputs: self.inputs.map(|own| {
                let (scatter, mean) = own.arrays();
                let [scatter, mean] = [scatter, mean.unsqueeze()].map(&mut *copy);
                Covariance::from_arrays(scatter, mean.squeeze_dim(0), own.rows())
            }),
            outputs: self.outputs.map(|(moment, rows)| (copy(moment), rows)),
        }
    }
}

fn both<T>(one: Option<T>, other: Option<T>, plus: impl FnOnce(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(plus(one, other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::linalg::to_f64;

    const ROWS: usize = 103;

    fn random(dims: [usize; 2]) -> Tensor<2> {
        Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    /// The sums of three parts of the rows, one of them too small for a sampled row.
    fn of_parts(factors: &[Tensor<2>; 2], wanted: Wanted, is_data: bool) -> RowSums {
        let parts = [0..40, 40..41, 41..ROWS].map(|part| {
            let rows = factors
                .each_ref()
                .map(|own| own.clone().slice([part.clone()]));
            RowSums::new(rows, wanted, part.start, is_data)
        });
        parts.into_iter().reduce(RowSums::plus).unwrap()
    }

    fn assert_close(found: Tensor<2>, expected: Tensor<2>, what: &str) {
        let size = expected.clone().abs().max().into_scalar::<f64>();
        let error = (found - expected).abs().max().into_scalar::<f64>() / size;
        // Sums of a hundred products in f32 in another order, about means of 100.
        assert!(error < 1e-5, "{what}: {error:e}");
    }

    /// Inputs of deep stages vary little about a mean.
    #[test]
    fn sums_of_parts_are_those_of_all_rows() {
        Device::flex().seed(12);
        let outputs = random([ROWS, 3]);
        for (is_data, mean) in [(true, 0.0), (false, 100.0)] {
            for kept in [200, 20] {
                let sampling = Sampling::of(ROWS, kept, 3);
                let wanted = Wanted {
                    inputs: Some(sampling),
                    outputs: Some(sampling),
                };
                let factors = [random([ROWS, 5]) + mean, outputs.clone()];
                let gradient = |factors| Gradient {
                    factors,
                    samples: 7.0,
                    is_data,
                };
                let sums = gradient(Factors::Sums(of_parts(&factors, wanted, is_data)));
                let rows = gradient(Factors::Rows(factors));
                assert_eq!(sums.dims(), rows.dims());
                let [own, all] = [&sums, &rows].map(|own| own.covariance(sampling).unwrap());
                assert_eq!(own.rows(), all.rows());
                let ((scatter, mean), (all_scatter, _)) = (own.arrays(), all.arrays());
                assert_close(scatter, all_scatter, "scatter");
                let [own, all] = [&sums, &rows].map(|own| own.output_moment(sampling).unwrap());
                assert_close(own, all, "second moment");
                let directions = Directions {
                    input: random([5, 5]),
                    output: Some(random([3, 3])),
                };
                let mean = mean.unsqueeze();
                let [own, bias] = sums.rotated(&directions, &mean);
                let [all, all_bias] = rows.rotated(&directions, &mean);
                assert_close(own, all, "gradient");
                assert_close(bias, all_bias, "its bias");
            }
        }
    }

    #[test]
    fn every_kth_row_is_kept_wherever_a_part_begins() {
        let rows = Tensor::<1>::from_floats([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &Device::flex());
        let rows: Tensor<2> = rows.unsqueeze_dim(1);
        let sampling = Sampling::of(23, 7, 2);
        let kept = |from| {
            sampling
                .sampled(&rows, from)
                .map(|own| to_f64(own).unwrap())
        };
        // Of 23 rows 2, 5, …, 20.
        assert_eq!(kept(0).unwrap(), [2.0, 5.0]);
        assert_eq!(kept(5).unwrap(), [0.0, 3.0, 6.0]);
        assert_eq!(kept(18).unwrap(), [2.0]);
        assert!(kept(21).is_none());
    }
}
