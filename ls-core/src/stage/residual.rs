//! Residual stages: a skip connection around one stage, or around several that follow each other.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Activation, AffineStage, Lipschitz, PullBack, Stage};
use crate::linalg::Affine;
use crate::shape::FeatureShape;
use crate::{Error, Result};

/// A stage `g` on the way around which a skip connection leads. Where the connection `x` leads around several stages, it travels beside
/// their activations `a`, and each of them is a stage of its own:
///
/// | place of `g` | `f` | Lipschitz constant |
/// | --- | --- | --- |
/// | [`Only`](ResidualPlace::Only) | `x ↦ x + g(x)` | `1 + K_g` |
/// | [`First`](ResidualPlace::First) | `x ↦ (x, g(x))` | at most `1 + K_g`, as `√(1 + K_g²)` is |
/// | [`Inner`](ResidualPlace::Inner) | `(x, a) ↦ (x, g(a))` | at most `1 + K_g`, as `max(1, K_g)` is |
/// | [`Last`](ResidualPlace::Last) | `(x, a) ↦ x + g(a)` | at most `1 + K_g`, as `√(1 + K_g²)` is |
#[derive(Module, Debug)]
pub struct Residual<S> {
    inner: S,
    #[module(skip)]
    place: ResidualPlace,
}

/// Place of a stage under a skip connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResidualPlace {
    /// The connection leads around this stage alone.
    Only,
    /// The first of several stages.
    First,
    /// Neither the first nor the last.
    Inner {
        /// Features of `x`.
        skipped: usize,
    },
    /// The last of several stages.
    Last {
        /// Features of `x`.
        skipped: usize,
    },
}

impl ResidualPlace {
    /// Returns `x` and `a`.
    fn split(self, input: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        match self {
            Self::Only | Self::First => (input.clone(), input),
            Self::Inner { skipped } | Self::Last { skipped } => cut(input, skipped),
        }
    }

    /// Returns the output for `x` and `g(a)`.
    fn output(self, x: Tensor<2>, g: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Only | Self::Last { .. } => x + g,
            Self::First | Self::Inner { .. } => Tensor::cat(vec![x, g], 1),
        }
    }

    /// Returns the cotangents of `x` and of `g(a)`, which has so many features, for one of the output.
    fn split_cotangent(self, cotangent: Tensor<2>, features: usize) -> (Tensor<2>, Tensor<2>) {
        match self {
            Self::Only | Self::Last { .. } => (cotangent.clone(), cotangent),
            Self::First | Self::Inner { .. } => {
                let skipped = cotangent.dims()[1] - features;
                cut(cotangent, skipped)
            }
        }
    }

    /// Returns the cotangent of the input for those of `x` and `a`.
    fn input_cotangent(self, x: Tensor<2>, a: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Only | Self::First => x + a,
            Self::Inner { .. } | Self::Last { .. } => Tensor::cat(vec![x, a], 1),
        }
    }
}

/// Cuts `[samples, features]` behind so many features.
fn cut(both: Tensor<2>, at: usize) -> (Tensor<2>, Tensor<2>) {
    let behind = both.dims()[1] - at;
    (both.clone().narrow(1, 0, at), both.narrow(1, at, behind))
}

impl<S: AffineStage> Residual<S> {
    /// Wraps a stage that keeps the shape of its input.
    ///
    /// # Errors
    /// [`Error::ShapeMismatch`] when the shapes of its inputs and outputs differ.
    pub fn new(inner: S) -> Result<Self> {
        check_sum(inner.input_shape(), inner.output_shape())?;
        Ok(Self::at(ResidualPlace::Only, inner))
    }

    /// Puts a stage into a place under a skip connection; the sum `x + g(a)` must exist.
    pub(super) fn at(place: ResidualPlace, inner: S) -> Self {
        Self { inner, place }
    }
}

/// Checks that `x` and `g(a)` can be added.
///
/// # Errors
/// [`Error::ShapeMismatch`] when their shapes differ.
pub(super) fn check_sum(x: FeatureShape, g: FeatureShape) -> Result<()> {
    if x == g {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        what: format!("outputs of a residual stage on {x} inputs, which give {g}"),
        expected: x.features(),
        found: g.features(),
    })
}

impl<S: AffineStage> Stage for Residual<S> {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let (x, a) = self.place.split(input);
        self.place.output(x, self.inner.forward(a))
    }

    fn input_shape(&self) -> FeatureShape {
        let own = self.inner.input_shape();
        match self.place {
            ResidualPlace::Only | ResidualPlace::First => own,
            ResidualPlace::Inner { skipped } | ResidualPlace::Last { skipped } => {
                FeatureShape::Flat(skipped + own.features())
            }
        }
    }

    fn output_shape(&self) -> FeatureShape {
        let own = self.inner.output_shape();
        let beside = match self.place {
            ResidualPlace::Only | ResidualPlace::Last { .. } => return own,
            ResidualPlace::First => self.inner.input_shape().features(),
            ResidualPlace::Inner { skipped } => skipped,
        };
        FeatureShape::Flat(beside + own.features())
    }

    fn lipschitz(&self) -> Option<Lipschitz> {
        let inner = self.inner.lipschitz()?;
        Some(Lipschitz {
            offset: 1.0 + inner.offset,
            ..inner
        })
    }

    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        let place = self.place;
        let (x, a) = place.split(input);
        let (g, pull_back) = self.inner.linearize(a);
        let features = g.dims()[1];
        let around = move |cotangent: Tensor<2>| {
            let (x, g) = place.split_cotangent(cotangent, features);
            place.input_cotangent(x, pull_back(g))
        };
        (place.output(x, g), Box::new(around))
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        Some(self)
    }

    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        Some(self)
    }
}

impl<S: AffineStage> AffineStage for Residual<S> {
    fn coefficients(&self) -> Affine {
        self.inner.coefficients()
    }

    fn set_coefficients(&mut self, coefficients: Affine) {
        self.inner.set_coefficients(coefficients);
    }

    fn rows(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.rows(self.place.split(input).1)
    }

    fn rows_per_sample(&self) -> usize {
        self.inner.rows_per_sample()
    }

    fn has_binary_weights(&self) -> bool {
        self.inner.has_binary_weights()
    }

    fn post(&self, u: Tensor<2>, input: &Tensor<2>) -> Tensor<2> {
        let (x, a) = self.place.split(input.clone());
        self.place.output(x, self.inner.post(u, &a))
    }

    fn entrywise_activation(&self) -> Option<Activation> {
        self.inner.entrywise_activation()
    }

    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2> {
        let features = self.inner.output_shape().features();
        let (x, g) = self.place.split_cotangent(output_cotangent, features);
        let a = self.inner.pull_to_input(u_cotangent, g);
        self.place.input_cotangent(x, a)
    }

    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        self.inner.pytorch_weight_shape()
    }

    fn linearize_post(&self, u: Tensor<2>, input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        let place = self.place;
        let (x, a) = place.split(input.clone());
        let (g, pull_back) = self.inner.linearize_post(u, &a);
        let features = g.dims()[1];
        let to_pre_activations =
            move |cotangent| pull_back(place.split_cotangent(cotangent, features).1);
        (place.output(x, g), Box::new(to_pre_activations))
    }
}
