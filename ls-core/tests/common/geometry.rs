//! Convolutions and pooling of the reference: loops over positions, windows and entries of a patch.

use super::reference::{Matrix, dot};
use ls_core::stage::{ConvolutionConfig, Pooling};

/// What a stage does besides its affine map and its activation; nothing for a dense stage.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// Of a convolution.
    pub(crate) geometry: Option<Geometry>,
    /// Whether the input is added to the output.
    pub(crate) skip: bool,
}

/// A convolution and the images that it meets; the activation in `config` is not read.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) config: ConvolutionConfig,
    /// Channels, height, width.
    pub(crate) input: [usize; 3],
}

impl Geometry {
    /// Channels, height and width between convolution and pooling.
    pub(crate) fn between(&self) -> [usize; 3] {
        let [_, height, width] = self.input;
        let ConvolutionConfig {
            channels,
            kernel,
            stride,
            padding,
            ..
        } = self.config;
        let side = |side: usize| (side + 2 * padding - kernel) / stride + 1;
        [channels, side(height), side(width)]
    }

    /// Channels, height and width of the output.
    pub(crate) fn output(&self) -> [usize; 3] {
        let [channels, height, width] = self.between();
        let size = self.config.pooling.map_or(1, Pooling::size);
        [channels, height / size, width / size]
    }

    /// `u` in the order channel, row, column, for a kernel `[c_in k², c_out]`.
    pub(crate) fn convolve(&self, kernel: &Matrix, bias: &[f64], image: &[f64]) -> Vec<f64> {
        let [channels, height, width] = self.between();
        let mut u = Vec::with_capacity(channels * height * width);
        let patches: Matrix = grid(height, width)
            .map(|(y, x)| self.patch(image, y, x))
            .collect();
        for (channel, bias) in bias.iter().enumerate() {
            let column: Vec<f64> = kernel.iter().map(|row| row[channel]).collect();
            u.extend(patches.iter().map(|patch| dot(patch, &column) + bias));
        }
        u
    }

    /// What the kernel meets at one position, in the order channel, row, column; zeros outside the image.
    fn patch(&self, image: &[f64], y: usize, x: usize) -> Vec<f64> {
        let [channels, height, width] = self.input;
        let ConvolutionConfig {
            kernel,
            stride,
            padding,
            ..
        } = self.config;
        let mut patch = Vec::with_capacity(channels * kernel * kernel);
        for channel in 0..channels {
            for (i, j) in grid(kernel, kernel) {
                let row = (y * stride + i).wrapping_sub(padding);
                let column = (x * stride + j).wrapping_sub(padding);
                patch.push(if row < height && column < width {
                    image[(channel * height + row) * width + column]
                } else {
                    0.0
                });
            }
        }
        patch
    }

    /// Pools `v`, images in the order channel, row, column.
    pub(crate) fn pool(&self, v: &[f64]) -> Vec<f64> {
        let Some(pooling) = self.config.pooling else {
            return v.to_vec();
        };
        let size = pooling.size();
        let [_, height, width] = self.between();
        let [channels, rows, columns] = self.output();
        let mut pooled = Vec::new();
        for channel in 0..channels {
            for (y, x) in grid(rows, columns) {
                let window = grid(size, size).map(|(i, j)| {
                    let (row, column) = (y * size + i, x * size + j);
                    v[(channel * height + row) * width + column]
                });
                pooled.push(match pooling {
                    Pooling::Max { .. } => window.fold(f64::NEG_INFINITY, f64::max),
                    Pooling::Average { .. } => window.sum::<f64>() / (size * size) as f64,
                });
            }
        }
        pooled
    }

    /// The convolution written out, without bias: a matrix `[c_in H W, c_out positions]`.
    pub(crate) fn written_out(&self, kernel: &Matrix) -> Matrix {
        let [inputs, height, width] = self.input;
        let [channels, rows, columns] = self.between();
        let side = self.config.kernel;
        let mut matrix = vec![vec![0.0; channels * rows * columns]; inputs * height * width];
        for (position, (y, x)) in grid(rows, columns).enumerate() {
            for (tap, (i, j)) in grid(side, side).enumerate() {
                let row = (y * self.config.stride + i).wrapping_sub(self.config.padding);
                let column = (x * self.config.stride + j).wrapping_sub(self.config.padding);
                if row >= height || column >= width {
                    continue;
                }
                for (input, output) in grid(inputs, channels) {
                    let pixel = (input * height + row) * width + column;
                    matrix[pixel][output * rows * columns + position] =
                        kernel[input * side * side + tap][output];
                }
            }
        }
        matrix
    }

    /// The largest number of patches that a pixel enters, rooted, times what pooling contributes.
    pub(crate) fn lipschitz_factor(&self) -> f64 {
        let ConvolutionConfig {
            kernel,
            stride,
            padding,
            ..
        } = self.config;
        let [_, height, width] = self.input;
        let [_, rows, columns] = self.between();
        let overlap = |side: usize, positions: usize| {
            let enters = |pixel: usize, o: usize| {
                (o * stride..o * stride + kernel).contains(&(pixel + padding))
            };
            let patches = |pixel| (0..positions).filter(|&o| enters(pixel, o)).count();
            (0..side).map(patches).max().unwrap_or(0).max(1) as f64
        };
        let overlap = (overlap(height, rows) * overlap(width, columns)).sqrt();
        match self.config.pooling {
            Some(Pooling::Average { size }) => overlap / size as f64,
            _ => overlap,
        }
    }
}

fn grid(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |i| (0..columns).map(move |j| (i, j)))
}
