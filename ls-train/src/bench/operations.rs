//! Floating-point operations and bytes of a pass, by formula.
//!
//! Stage `l` multiplies `R = N p` rows of `d_in` features by a kernel of `d_out` columns, where `N` is the number of samples and `p` the
//! number of rows of one sample: 1, or the positions of a convolution. A product of an `m × k` by a `k × n` matrix is `2 m k n`
//! operations. Biases, activations and pooling are not counted, nor are stages without the affine view. Bytes are those of the arrays of
//! the products, each read or written once, which no program can undercut where the arrays do not fit into a cache.

use core::ops::Add;

use ls_core::network::Network;
use ls_core::stage::AffineStage;

/// Bytes of an f64, in which systems are solved whatever the precision.
const DOUBLE: u64 = 8;

/// Sizes of an affine stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageSize {
    /// Whether the stage is the first, whose input needs no gradient.
    pub is_first: bool,
    /// `p`, the number of rows of one sample.
    pub rows_per_sample: usize,
    /// `d_in`.
    pub inputs: usize,
    /// `d_out`.
    pub outputs: usize,
}

impl StageSize {
    /// Returns the sizes of all stages with an affine view.
    pub fn all(network: &Network) -> Vec<Self> {
        let stages = network.stages().iter().enumerate();
        let sizes = stages.filter_map(|(l, stage)| Some(Self::new(l == 0, stage.affine()?)));
        sizes.collect()
    }

    fn new(is_first: bool, stage: &dyn AffineStage) -> Self {
        let [inputs, outputs] = stage.coefficients().kernel.dims();
        Self {
            is_first,
            rows_per_sample: stage.rows_per_sample(),
            inputs,
            outputs,
        }
    }
}

/// Operations and bytes of some work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Multiplications and additions.
    pub flops: u64,
    /// Bytes read and written, at least.
    pub bytes: u64,
}

impl Add for Operations {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl Operations {
    /// A forward pass: `Σ_l 2 R d_in d_out` operations; inputs, kernel and outputs are `R d_in + d_in d_out + R d_out` numbers of
    /// `width` bytes.
    pub fn forward(stages: &[StageSize], samples: usize, width: u64) -> Self {
        sum(stages, |stage| {
            product(rows(stage, samples), stage.inputs, stage.outputs, width)
        })
    }

    /// A forward pass and a backward pass behind it: three products of equal size at each stage, one to the outputs, one from their
    /// gradients to the kernel and one to the inputs. The first stage needs no gradient of its inputs:
    /// `Σ_l 6 R d_in d_out - 2 R d_in d_out` of the first.
    pub fn forward_and_backward(stages: &[StageSize], samples: usize, width: u64) -> Self {
        let backward = sum(stages, |stage| {
            let one = product(rows(stage, samples), stage.inputs, stage.outputs, width);
            if stage.is_first { one } else { one + one }
        });
        Self::forward(stages, samples, width) + backward
    }

    /// The Gram matrices `AᵀA` of the inputs of all stages: `Σ_l 2 M d_in²` operations without use of the symmetry, for `M = R` rows, of
    /// a convolution at most `most`. The rows are read and the matrix is written: `M d_in + d_in²` numbers.
    pub fn gram(stages: &[StageSize], samples: usize, most: usize, width: u64) -> Self {
        sum(stages, |stage| {
            let d = stage.inputs as u64;
            let all = rows(stage, samples);
            let rows = match stage.rows_per_sample {
                1 => all,
                _ => all.min(most as u64),
            };
            Self {
                flops: 2 * rows * d * d,
                bytes: width * (rows * d + d * d),
            }
        })
    }

    /// The Cholesky factors of these matrices bordered by a row for the bias: `Σ_l n³/3` operations in f64 for `n = d_in + 1`, rounded
    /// down. The matrix is read and the factor is written: `2 n²` numbers of 8 bytes.
    pub fn factor(stages: &[StageSize]) -> Self {
        sum(stages, |stage| {
            let n = stage.inputs as u64 + 1;
            Self {
                flops: n.pow(3) / 3,
                bytes: DOUBLE * 2 * n * n,
            }
        })
    }
}

fn rows(stage: &StageSize, samples: usize) -> u64 {
    (samples * stage.rows_per_sample) as u64
}

fn product(rows: u64, inputs: usize, outputs: usize, width: u64) -> Operations {
    let (inputs, outputs) = (inputs as u64, outputs as u64);
    Operations {
        flops: 2 * rows * inputs * outputs,
        bytes: width * (rows * inputs + inputs * outputs + rows * outputs),
    }
}

fn sum(stages: &[StageSize], of: impl Fn(&StageSize) -> Operations) -> Operations {
    stages.iter().map(of).fold(Operations::default(), Add::add)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use ls_core::model::{CnnConfig, MlpConfig, ModelConfig};
    use ls_core::shape::FeatureShape;
    use ls_core::stage::Activation;

    use super::*;

    fn counted(flops: u64, bytes: u64) -> Operations {
        Operations { flops, bytes }
    }

    /// Stages 3 to 5 and 5 to 2 on 7 samples of f32, counted by hand.
    #[test]
    fn a_dense_network_is_counted_as_by_hand() {
        let config = MlpConfig::new(vec![5], Activation::Relu);
        let network = config.init(FeatureShape::Flat(3), 2, 1, &Device::flex());
        let sizes = StageSize::all(&network.unwrap());
        // 105 and 70 pairs of a multiplication and an addition; 21 + 15 + 35 and 35 + 10 + 14 numbers.
        let forward = Operations::forward(&sizes, 7, 4);
        assert_eq!(forward, counted(350, 4 * (71 + 59)));
        // The first stage one product more, the second two more.
        let both = Operations::forward_and_backward(&sizes, 7, 4);
        assert_eq!(both, counted(350 + 210 + 280, 4 * (71 + 59 + 71 + 59 + 59)));
        // 7·9 and 7·25 pairs; 21 + 9 and 35 + 25 numbers.
        let gram = Operations::gram(&sizes, 7, 1, 4);
        assert_eq!(gram, counted(476, 4 * 90));
        // 4³/3 = 21.3 and 6³/3 = 72; 2·16 and 2·36 numbers of eight bytes.
        assert_eq!(Operations::factor(&sizes), counted(93, 8 * 104));
        // Twice as many bytes in f64, and as many operations.
        let double = Operations::forward(&sizes, 7, 8);
        assert_eq!(double, counted(350, 2 * forward.bytes));
    }

    /// An image of 6×6 has 16 positions of 3×3 patches with 16 channels, then 4 positions of 144 numbers with 32 channels, of which
    /// pooling leaves one; the dense stages take 32 to 64 to 10.
    #[test]
    fn a_convolution_multiplies_a_row_for_each_position() {
        let model = ModelConfig::Cnn(CnnConfig::new(Activation::Relu));
        let image = FeatureShape::Image {
            channels: 1,
            height: 6,
            width: 6,
        };
        let network = model.init(image, 10, 1, &Device::flex()).unwrap();
        let sizes = StageSize::all(&network);
        let positions: Vec<_> = sizes.iter().map(|size| size.rows_per_sample).collect();
        assert_eq!(positions, [16, 4, 1, 1]);
        let pairs = 16 * 9 * 16 + 4 * 144 * 32 + 32 * 64 + 64 * 10;
        assert_eq!(Operations::forward(&sizes, 2, 4).flops, 2 * 2 * pairs);
        // At most five rows of the convolutions, all two of the others.
        let pairs = 5 * 9 * 9 + 5 * 144 * 144 + 2 * 32 * 32 + 2 * 64 * 64;
        assert_eq!(Operations::gram(&sizes, 2, 5, 4).flops, 2 * pairs);
    }
}
