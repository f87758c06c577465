//! Norms of convolutions, bounded from above.

use core::f64::consts::PI;
use core::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use super::norm::{Norm, differentiate, frobenius, root_of_norm};
use super::read::to_f64;
use crate::Result;
use crate::batch::index_tensor;

/// Squarings at each frequency. Only the largest norm over all frequencies counts, so a few percent at one of them are small
/// beside the slack of the circle.
const SQUARINGS: usize = 4;

/// Frequencies on an axis for each cell that the kernel reaches beyond its first. The first number that keeps the work
/// within [`LARGEST`] is taken; the gaps between the frequencies cost 0.9 %, 3.5 % or 15 % on each axis, and nothing on
/// images that need no more.
const DENSITIES: [usize; 3] = [12, 6, 3];

/// Most real numbers in the transforms at all frequencies together.
const LARGEST: usize = 1 << 20;

/// The action of a kernel on the features of a stage.
#[derive(Clone, Debug)]
pub enum Operator {
    /// Multiplication by the kernel as a matrix.
    Matrix,
    /// Convolution with an image.
    Convolution(Arc<ConvolutionNorm>),
}

impl Operator {
    /// Returns an upper bound of the operator's norm for the kernel `[d_in, d_out]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value(&self, norm: Norm, kernel: Tensor<2>) -> Result<f64> {
        match self {
            Self::Matrix => norm.value(kernel),
            Self::Convolution(convolution) => convolution.value(norm, kernel),
        }
    }

    /// Returns the bound and its derivative in the kernel, `[d_in, d_out]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value_and_gradient(&self, norm: Norm, kernel: Tensor<2>) -> Result<(f64, Tensor<2>)> {
        match self {
            Self::Matrix => norm.value_and_gradient(kernel),
            Self::Convolution(convolution) => convolution.value_and_gradient(norm, kernel),
        }
    }
}

/// Sizes of a convolution with square kernels and zero padding.
#[derive(Clone, Copy, Debug)]
pub struct ConvolutionSizes {
    /// `c_in`.
    pub inputs: usize,
    /// `c_out`.
    pub outputs: usize,
    /// Side `k` of the kernel.
    pub kernel: usize,
    /// Stride `s`.
    pub stride: usize,
    /// Zero padding `p` on each side.
    pub padding: usize,
    /// Height and width of the input.
    pub image: [usize; 2],
    /// Height and width of the output.
    pub positions: [usize; 2],
}

/// Upper bounds of the norm of a convolution on images of one size, for any kernel `W`, `[c_in k², c_out]`.
///
/// *By patches*: `‖T‖ ≤ √(m_y m_x) ‖W‖`, since no pixel enters more than `m_y m_x` patches; `m ≤ ⌈k/s⌉` on each axis.
///
/// *By frequencies*: `‖T‖ ≤ max_ω ‖Σ_a w_a e^{-i ω a}‖₂`. Pixel `q` of the padded image is phase `q mod s` of cell `q div s`,
/// and tap `i` of the kernel is phase `i mod s` of cell `a = i div s`: the convolution has stride 1 on cells with `c_in s²`
/// channels, and output `o` meets cell `b` by tap `b - o`. On a circle of `n` cells it would meet it by all taps `a` with
/// `a - b + o` a multiple of `n`, which are no more when `n` exceeds every `|a - b + o|`. Then `T` is the circular
/// convolution with some rows and columns left out, and its norm at most the circular one's: the largest at the
/// frequencies `2π j/n`.
///
/// *Fewer frequencies*: for unit vectors `u`, `v` the function `|uᴴ F(ω) v|²` is a trigonometric polynomial of degree `g` on an
/// axis where the taps span `g + 1` cells. At a distance `δ` from its maximum it is at least `cos²(g δ/2)` of that (M. Riesz),
/// and some `j` of `n > g` has `δ ≤ π/n`. So the largest over the `n` frequencies, divided by `cos(g π/(2n))` on each axis,
/// bounds the norm on images of any size.
#[derive(Clone, Debug)]
pub struct ConvolutionNorm {
    overlap: f64,
    frequencies: Option<Frequencies>,
}

impl ConvolutionNorm {
    /// Prepares the numbers that do not depend on the kernel.
    pub fn new(sizes: &ConvolutionSizes) -> Self {
        let axis = |i: usize| Axis::new(sizes, sizes.image[i], sizes.positions[i]);
        let axes = [axis(0), axis(1)];
        let overlap = axes.iter().map(|axis| axis.overlap as f64).product::<f64>();
        Self {
            overlap: overlap.sqrt(),
            frequencies: Frequencies::new(sizes, &axes),
        }
    }

    fn value(&self, norm: Norm, kernel: Tensor<2>) -> Result<f64> {
        Ok(self.smaller(norm, kernel)?.0)
    }

    fn value_and_gradient(&self, norm: Norm, kernel: Tensor<2>) -> Result<(f64, Tensor<2>)> {
        let (value, attained) = self.smaller(norm, kernel.clone())?;
        let (_, gradient) = differentiate(kernel, |leaf| match attained {
            // The other frequencies do not matter for the derivative.
            Some((frequencies, at)) => frequencies.bounds(leaf, at..at + 1),
            None => norm.bound(leaf) * self.overlap,
        });
        Ok((value, gradient))
    }

    /// Returns the smaller bound, with the frequency that attains it where it is the bound by frequencies.
    fn smaller(
        &self,
        norm: Norm,
        kernel: Tensor<2>,
    ) -> Result<(f64, Option<(&Frequencies, usize)>)> {
        let patches = self.overlap * norm.value(kernel.clone())?;
        let (Norm::Frequency, Some(frequencies)) = (norm, &self.frequencies) else {
            return Ok((patches, None));
        };
        // Leaves the device: the constant is kept on the host, and its derivative is taken at one frequency alone.
        let bounds = to_f64(frequencies.bounds(kernel, 0..frequencies.count))?;
        let largest = bounds.into_iter().enumerate();
        // A bound that is not finite counts as largest.
        Ok(match largest.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
            Some((at, value)) if value < patches => (value, Some((frequencies, at))),
            _ => (patches, None),
        })
    }
}

/// The taps of a kernel and the pixels that they meet on one axis.
struct Axis {
    /// Most outputs that one pixel contributes to; 1 if no pixel is ever met, so that bounds stay positive.
    overlap: usize,
    /// Taps that meet a pixel somewhere; others only meet padding.
    taps: Vec<usize>,
    /// Cells of these taps.
    cells: Range<usize>,
    /// Least number of cells of a circle on which no tap meets a pixel that it does not meet on the line.
    circle: usize,
}

impl Axis {
    fn new(sizes: &ConvolutionSizes, side: usize, positions: usize) -> Self {
        let ConvolutionSizes {
            kernel,
            stride,
            padding,
            ..
        } = *sizes;
        let mut outputs_of = vec![0; side];
        let mut meetings = Vec::new();
        for output in 0..positions {
            // Taps before and behind these lie on the padding.
            let start = output * stride;
            let taps =
                padding.saturating_sub(start)..kernel.min((padding + side).saturating_sub(start));
            for tap in taps {
                outputs_of[start + tap - padding] += 1;
                meetings.push((output, tap));
            }
        }
        let extent = |of: fn(&(usize, usize), usize) -> usize| {
            let values = || meetings.iter().map(|meeting| of(meeting, stride));
            (values().min().unwrap_or(0), values().max().unwrap_or(0))
        };
        let outputs = extent(|&(output, _), _| output);
        let cells = extent(|&(_, tap), stride| tap / stride);
        let pixels = extent(|&(output, tap), stride| output + tap / stride);
        let mut taps: Vec<usize> = meetings.iter().map(|&(_, tap)| tap).collect();
        taps.sort_unstable();
        taps.dedup();
        Self {
            overlap: outputs_of.into_iter().max().unwrap_or(1).max(1),
            taps,
            cells: cells.0..cells.1 + 1,
            circle: 1 + (cells.1 + outputs.1 - pixels.0).max(pixels.1 - outputs.0 - cells.0),
        }
    }

    /// Returns the number of frequencies, at most `density` for each cell beyond the first, and the factor for the gaps between them.
    fn sampled(&self, density: usize) -> (usize, f64) {
        let degree = self.cells.len() - 1;
        let side = (density * degree).max(1);
        if self.circle <= side {
            (self.circle, 1.0)
        } else {
            (side, 1.0 / (PI * degree as f64 / (2 * side) as f64).cos())
        }
    }
}

/// The frequencies at which a kernel is transformed, half of them: a real kernel has equal norms at `ω` and `-ω`.
#[derive(Clone)]
struct Frequencies {
    count: usize,
    /// `cos ω·a` and `sin ω·a`, `[count, 2, cells]`.
    waves: Vec<f32>,
    /// Rows of the kernel, `[cells, c_in s²]`; the row behind the last stands for zeros.
    taps: Vec<usize>,
    /// Number of cells.
    cells: usize,
    /// Channels of a cell, `c_in s²`, and `c_out`.
    size: [usize; 2],
    /// Factor for the gaps between the frequencies.
    between: f64,
}

impl Frequencies {
    /// Returns the frequencies of a convolution; `None` when no tap meets a pixel, or when the transforms would be too large.
    fn new(sizes: &ConvolutionSizes, axes: &[Axis; 2]) -> Option<Self> {
        let phases = sizes.stride.min(sizes.kernel);
        let size = [sizes.inputs * phases * phases, sizes.outputs];
        let [rows, columns] = axes;
        let cells = rows.cells.len() * columns.cells.len();
        if rows.taps.is_empty() || columns.taps.is_empty() {
            return None;
        }
        let (sides, between) = DENSITIES.into_iter().find_map(|density| {
            let ((height, y), (width, x)) = (rows.sampled(density), columns.sampled(density));
            let numbers = (height * width).checked_mul(size[0] * size[1] + cells)?;
            (numbers <= LARGEST).then_some(([height, width], y * x))
        })?;
        let waves = waves(sides, [rows.cells.len(), columns.cells.len()]);
        Some(Self {
            count: waves.len() / (2 * cells),
            waves,
            taps: taps_of_cells(sizes, axes, phases),
            cells,
            size,
            between,
        })
    }

    /// Returns upper bounds of `‖F(ω)‖₂` at a range of the frequencies, each with the allowances that make their maximum a bound
    /// of `‖T‖`; differentiable.
    ///
    /// Rounding of the Gram iteration is allowed for as in [`Norm::bound`]. Before it, sums of `t` products with rounded waves
    /// err by at most `t ε Σ_a |w_a| ≤ t^{3/2} ε √(Σ_a |w_a|²)`, hence `F(ω)` by `t^{3/2} ε ‖W‖_F` at every frequency. That is
    /// small where `F` is largest, since the mean of `‖F(ω)‖_F²` is `‖W‖_F²`.
    ///
    /// # Shapes
    /// `kernel`: `[c_in k², c_out]`; returns `[range]`.
    fn bounds(&self, kernel: Tensor<2>, range: Range<usize>) -> Tensor<1> {
        let frobenius = frobenius(kernel.clone());
        let [re, im] = self.transforms(kernel / frobenius.clone().unsqueeze(), range);
        // The Gram matrix `FᴴF` as the half `[Re, -Im]` of the real matrix `[[Re, -Im], [Im, Re]]`.
        let half = Tensor::cat(vec![re.clone(), im.clone()], 1);
        let gram = half.transpose().matmul(complex(re, im.neg()));
        let square = |half: Tensor<3>| {
            let side = half.dims()[1];
            let (re, im) = (
                half.clone().narrow(2, 0, side),
                half.clone().narrow(2, side, side),
            );
            half.matmul(complex(re, im))
        };
        let [rows, columns] = self.size;
        let sums = 1.0 + 2.0 * rows.max(columns) as f32 * f32::EPSILON;
        let waves = (self.cells as f32).powf(1.5) * f32::EPSILON;
        let relative = root_of_norm(gram, SQUARINGS, square) * sums + waves;
        relative * frobenius * self.between
    }

    /// Returns `Σ_a w_a cos ω·a` and `Σ_a w_a sin ω·a` with the smaller of the two sizes last, each `[range, larger, smaller]`.
    fn transforms(&self, kernel: Tensor<2>, range: Range<usize>) -> [Tensor<3>; 2] {
        let device = kernel.device();
        let [rows, columns] = self.size;
        let stride = 2 * self.cells;
        let waves = self.waves[range.start * stride..range.end * stride].to_vec();
        let waves = TensorData::new(waves, [2 * range.len(), self.cells]);
        let waves: Tensor<2> = Tensor::from_data(waves, &device);
        let zeros = Tensor::zeros([1, columns], &device);
        let cells = Tensor::cat(vec![kernel, zeros], 0)
            .select(0, index_tensor(&self.taps, &device))
            .reshape([self.cells, rows * columns]);
        let parts = waves
            .matmul(cells)
            .reshape([range.len(), 2 * rows, columns]);
        [0, rows].map(|start| {
            let part = parts.clone().narrow(1, start, rows);
            if rows < columns {
                part.transpose()
            } else {
                part
            }
        })
    }
}

/// Returns `[[Re, -Im], [Im, Re]]` from `Re` and `-Im`, `[count, m, n]` each.
fn complex(re: Tensor<3>, minus_im: Tensor<3>) -> Tensor<3> {
    let above = Tensor::cat(vec![re.clone(), minus_im.clone()], 2);
    let below = Tensor::cat(vec![minus_im.neg(), re], 2);
    Tensor::cat(vec![above, below], 1)
}

/// Returns `cos ω·a` and `sin ω·a` at half of the frequencies `2π (j/height, l/width)`, `[count, 2, cells]`.
fn waves([height, width]: [usize; 2], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut waves = Vec::new();
    for (j, l) in grid(height, width) {
        let opposite = ((height - j) % height, (width - l) % width);
        if opposite < (j, l) {
            continue;
        }
        let turns = |(a, b): (usize, usize)| {
            (a * j % height) as f64 / height as f64 + (b * l % width) as f64 / width as f64
        };
        let angles = || grid(rows, columns).map(|cell| 2.0 * PI * turns(cell));
        waves.extend(angles().map(|angle| angle.cos() as f32));
        waves.extend(angles().map(|angle| angle.sin() as f32));
    }
    waves
}

/// Returns the rows of the kernel by cells and the phases within them, `[cells, c_in phases²]`.
fn taps_of_cells(sizes: &ConvolutionSizes, axes: &[Axis; 2], phases: usize) -> Vec<usize> {
    let (side, stride) = (sizes.kernel, sizes.stride);
    let [rows, columns] = axes;
    let nothing = sizes.inputs * side * side;
    let mut taps = Vec::new();
    for a in rows.cells.clone() {
        for b in columns.cells.clone() {
            for channel in 0..sizes.inputs {
                for (alpha, beta) in grid(phases, phases) {
                    let (i, j) = (a * stride + alpha, b * stride + beta);
                    let meets = rows.taps.contains(&i) && columns.taps.contains(&j);
                    let row = (channel * side + i) * side + j;
                    taps.push(if meets { row } else { nothing });
                }
            }
        }
    }
    taps
}

fn grid(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |i| (0..columns).map(move |j| (i, j)))
}

impl core::fmt::Debug for Frequencies {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The waves would fill pages.
        f.debug_struct("Frequencies")
            .field("count", &self.count)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
