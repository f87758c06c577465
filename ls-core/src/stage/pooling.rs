//! Non-overlapping pooling after a convolution's activation.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

/// Pooling over `size × size` windows that do not overlap; rows and columns that fill no window are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Pooling {
    /// Largest entry of each window; Lipschitz constant 1.
    #[strum(to_string = "max {size}")]
    Max {
        /// Side of a window.
        size: usize,
    },
    /// Mean of each window; Lipschitz constant `1/√q` over `q` entries.
    #[strum(to_string = "average {size}")]
    Average {
        /// Side of a window.
        size: usize,
    },
}

impl Pooling {
    /// Returns the side of a window.
    pub fn size(self) -> usize {
        match self {
            Self::Max { size } | Self::Average { size } => size,
        }
    }

    /// Returns the Lipschitz constant in the 2-norm.
    pub fn lipschitz(self) -> f64 {
        match self {
            Self::Max { .. } => 1.0,
            Self::Average { size } => 1.0 / size as f64,
        }
    }

    /// Pools images `[samples, height, width, channels]`.
    pub fn apply(self, images: Tensor<4>) -> Tensor<4> {
        self.pooled(&self.places(images))
    }

    /// Pools images as [`apply`](Self::apply) does, and returns the map that pulls a cotangent of the result back to them. Several largest
    /// entries of one window share its cotangent evenly, which gives a subgradient.
    pub fn linearize(self, images: Tensor<4>) -> (Tensor<4>, impl FnOnce(Tensor<4>) -> Tensor<4>) {
        let dims = images.dims();
        let places = self.places(images);
        let pooled = self.pooled(&places);
        let output = pooled.clone();
        let pull_back = move |cotangent: Tensor<4>| {
            let shares = match self {
                Self::Max { .. } => max_shares(&places, &pooled, cotangent),
                Self::Average { .. } => {
                    let count = places.len();
                    vec![cotangent / count as f64; count]
                }
            };
            self.spread(shares, dims)
        };
        (output, pull_back)
    }

    /// Returns the entries of each place of a window in all windows, `size²` tensors `[samples, rows, columns, channels]`. After this one
    /// copy all that follows runs over consecutive entries.
    fn places(self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let size = self.size();
        let [samples, height, width, channels] = images.dims();
        let (rows, columns) = (height / size, width / size);
        let places = images
            .narrow(1, 0, rows * size)
            .narrow(2, 0, columns * size)
            .reshape([samples, rows, size, columns, size, channels])
            .permute([2, 4, 0, 1, 3, 5])
            .reshape([size * size, samples, rows, columns, channels]);
        let place = |i| places.clone().narrow(0, i, 1).squeeze_dim(0);
        (0..size * size).map(place).collect()
    }

    fn pooled(self, places: &[Tensor<4>]) -> Tensor<4> {
        let (first, others) = (places[0].clone(), places[1..].iter().cloned());
        match self {
            Self::Max { .. } => others.fold(first, Tensor::max_pair),
            Self::Average { .. } => {
                others.fold(first, |sum, place| sum + place) / places.len() as f64
            }
        }
    }

    /// The inverse of [`places`](Self::places); rows and columns that fill no window are zero.
    fn spread(
        self,
        places: Vec<Tensor<4>>,
        [samples, height, width, channels]: [usize; 4],
    ) -> Tensor<4> {
        let size = self.size();
        let (rows, columns) = (height / size, width / size);
        let places: Tensor<5> = Tensor::stack(places, 0);
        let covered = places
            .reshape([size, size, samples, rows, columns, channels])
            .permute([2, 3, 0, 4, 1, 5])
            .reshape([samples, rows * size, columns * size, channels]);
        let beside = [samples, rows * size, width - columns * size, channels];
        let below = [samples, height - rows * size, width, channels];
        with_zeros(with_zeros(covered, beside, 2), below, 1)
    }
}

/// The shares of a cotangent of the largest entries of windows, place by place.
fn max_shares(places: &[Tensor<4>], pooled: &Tensor<4>, cotangent: Tensor<4>) -> Vec<Tensor<4>> {
    let is_largest = |place: &Tensor<4>| place.clone().equal(pooled.clone()).float();
    let mut largest: Vec<_> = places.iter().map(is_largest).collect();
    let count = largest.iter().cloned().reduce(|count, own| count + own);
    let Some(count) = count else { return largest };
    let share = cotangent / count;
    for own in &mut largest {
        *own = own.clone() * share.clone();
    }
    largest
}

/// Appends zeros of a shape along a dimension.
fn with_zeros(images: Tensor<4>, zeros: [usize; 4], dimension: usize) -> Tensor<4> {
    if zeros[dimension] == 0 {
        return images;
    }
    let zeros = Tensor::zeros(zeros, &images.device());
    Tensor::cat(vec![images, zeros], dimension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// An image of three rows and five columns, of two channels, the second of them the first with the opposite sign.
    fn image() -> Tensor<4> {
        let plane = [
            [1.0, 2.0, 7.0, 7.0, 9.0],
            [4.0, 3.0, 0.0, 7.0, 9.0],
            [9.0, 9.0, 9.0, 9.0, 9.0],
        ];
        let plane = Tensor::<2>::from_data(plane, &Device::flex()).reshape([1, 3, 5, 1]);
        Tensor::cat(vec![plane.clone(), -plane], 3)
    }

    fn values(images: Tensor<4>) -> Vec<f32> {
        images.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn windows_are_pooled_channel_by_channel_and_what_fills_none_is_left_out() {
        let pool = |pooling: Pooling| values(pooling.apply(image()));
        assert_eq!(pool(Pooling::Max { size: 2 }), [4.0, -1.0, 7.0, 0.0]);
        assert_eq!(pool(Pooling::Average { size: 2 }), [2.5, -2.5, 5.25, -5.25]);
        assert_eq!(pool(Pooling::Max { size: 3 }), [9.0, 0.0]);
    }

    #[test]
    fn a_cotangent_goes_to_the_largest_entries_in_equal_shares_or_to_all() {
        let pull = |pooling: Pooling| {
            let (_, pull_back) = pooling.linearize(image());
            let cotangent = [[[[3.0, 0.0], [6.0, 0.0]]]];
            let pulled = pull_back(Tensor::from_data(cotangent, &Device::flex()));
            values(pulled.narrow(3, 0, 1))
        };
        let zero = [0.0; 5];
        let largest = [[0.0, 0.0, 2.0, 2.0, 0.0], [3.0, 0.0, 0.0, 2.0, 0.0], zero];
        assert_eq!(pull(Pooling::Max { size: 2 }), largest.concat());
        let all = [0.75, 0.75, 1.5, 1.5, 0.0];
        assert_eq!(
            pull(Pooling::Average { size: 2 }),
            [all, all, zero].concat()
        );
    }
}
