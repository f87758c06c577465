//! One layer of a separated network.
//!
//! A [`Stage`] maps `[samples, d_in]` to `[samples, d_out]`. Its further capabilities are methods with defaults: a Lipschitz constant,
//! and for stages that are affine before their activation the [`AffineStage`] view that preconditioned and exact weight updates
//! work on. [`AnyStage`] holds the stages that configuration files can name, and any other Burn module that implements [`Stage`].
//!
//! # Writing a stage
//!
//! A stage is a Burn module with a forward pass on rank 2 and two shapes. This one gates one linear layer by another:
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor, activation::sigmoid};
//! use ls_core::network::Network;
//! use ls_core::shape::FeatureShape;
//! use ls_core::stage::{Activation, AnyStage, Dense, Stage};
//!
//! #[derive(Module, Debug)]
//! struct Gated {
//!     value: Linear,
//!     gate: Linear,
//! }
//!
//! impl Stage for Gated {
//!     fn forward(&self, input: Tensor<2>) -> Tensor<2> {
//!         sigmoid(self.gate.forward(input.clone())) * self.value.forward(input)
//!     }
//!
//!     fn input_shape(&self) -> FeatureShape {
//!         FeatureShape::Flat(self.value.weight.dims()[0])
//!     }
//!
//!     fn output_shape(&self) -> FeatureShape {
//!         FeatureShape::Flat(self.value.weight.dims()[1])
//!     }
//! }
//!
//! # fn main() -> ls_core::Result<()> {
//! let device = Device::flex();
//! let gated = Gated {
//!     value: LinearConfig::new(4, 8).init(&device),
//!     gate: LinearConfig::new(4, 8).init(&device),
//! };
//! let head = LinearConfig::new(8, 3).init(&device);
//! let network = Network::new(vec![
//!     AnyStage::custom(gated),
//!     Dense::from_linear(&head, Activation::Identity).into(),
//! ])?;
//! assert_eq!(network.forward(Tensor::ones([5, 4], &device)).dims(), [5, 3]);
//! // The trained module can be taken out again.
//! assert!(network.stages()[0].downcast_ref::<Gated>().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! All else is optional. [`Stage::lipschitz`] keeps the certificate, where a bound is known. [`Stage::affine`], for a stage that is
//! affine before its activation, lets methods fit it; without the view, they move the stage along gradients. [`Stage::linearize`]
//! can be faster than the derivative that autodiff gives.
//!
//! # Adding a kind of stage that files can name
//!
//! A file `NAME.rs` holds the stage and its settings, which implement [`StageSettings`]; its `mod` line stands below, and a line in
//! `registry.rs` makes it a variant of [`StageConfig`] and [`AnyStage`].

mod activation;
mod conversion;
mod convolution;
mod custom;
mod dense;
mod erasure;
mod init;
mod normalization;
mod pooling;
mod registry;
mod residual;
mod residual_block;
mod residual_convolution;
mod residual_dense;
mod settings;

use burn::tensor::Tensor;

pub use activation::Activation;
pub use custom::CustomStage;
pub use init::Init;
pub use normalization::Normalization;
pub use pooling::Pooling;
pub use registry::*;
pub use residual::{Residual, ResidualPlace};
pub use settings::{StageLayout, StageSettings};

use crate::linalg::{Affine, Norm, Operator, binarized};
use crate::shape::FeatureShape;

/// One layer `h_l = f_l(h_{l-1})`.
///
/// Activations always have rank 2, `[samples, features]`; [`FeatureShape`] keeps the arrangement of the features.
///
/// The output of a sample must depend on that sample alone and be reproducible outside of training: methods evaluate samples in other
/// chunks than they train them in, and running statistics are not kept. This rules out batch normalization, but not layer or
/// group normalization. Dropout of a stage is on where batches or optimizers train it: in batches of `foof`, under the optimizers
/// of `alternating`, in `backprop`. It is off in full-batch sweeps of `exact` and in line searches, whose losses never rise.
pub trait Stage: Sync {
    /// Applies the stage: `[samples, d_in]` to `[samples, d_out]`.
    fn forward(&self, input: Tensor<2>) -> Tensor<2>;

    /// Returns the shape of one input sample.
    fn input_shape(&self) -> FeatureShape;

    /// Returns the shape of one output sample, of `d_out` features.
    fn output_shape(&self) -> FeatureShape;

    /// Returns a true upper bound `K_l` of the stage's Lipschitz constant in the 2-norm, or `None` (the default) when no bound is
    /// known. A network that has such a stage behind its first has neither a certificate nor self-adaptive weights.
    fn lipschitz(&self) -> Option<Lipschitz> {
        None
    }

    /// Returns the output at `input`, and the map that pulls a cotangent of the output, `[samples, d_out]`, back to the input,
    /// `[samples, d_in]`.
    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        autodiff(input, |leaf| self.forward(leaf))
    }

    /// Returns the affine view of a stage that is affine before its activation and has no other parameters.
    ///
    /// The methods `exact` and `alternating` move the coefficients alone, in steps that are made for them. A stage without the view
    /// still trains under every method, by gradients of all its parameters, and so does a partly frozen stage. A stage that is
    /// frozen as a whole ([`Module::no_grad`](burn::module::Module::no_grad)) does not move.
    fn affine(&self) -> Option<&dyn AffineStage> {
        None
    }

    /// Returns the affine view for writing coefficients. A stage has either both views or none.
    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        None
    }
}

/// `K(W) = offset + factor · ‖T_W‖₂` for the linear map `T_W` that the stage makes of its kernel `W`.
#[derive(Clone, Debug)]
pub struct Lipschitz {
    /// 0, or 1 for a stage with a skip connection.
    pub offset: f64,
    /// Product of the slopes of activation and pooling.
    pub factor: f64,
    /// `W`, `[d_in, d_out]`. It is on the autodiff tape where the stage is, so that the constant can be differentiated.
    pub kernel: Tensor<2>,
    /// The map from `W` to `T_W`.
    pub operator: Operator,
}

impl Lipschitz {
    /// Returns the constant, with `‖T_W‖₂` bounded in the given norm.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value(&self, norm: Norm) -> crate::Result<f64> {
        let bound = self.operator.value(norm, self.kernel.clone().inner())?;
        Ok(self.offset + self.factor * bound)
    }

    /// Returns the constant and its derivative in `W`, `[d_in, d_out]`.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value_and_gradient(&self, norm: Norm) -> crate::Result<(f64, Tensor<2>)> {
        let kernel = self.kernel.clone().inner();
        let (bound, gradient) = self.operator.value_and_gradient(norm, kernel)?;
        Ok((self.offset + self.factor * bound, gradient * self.factor))
    }
}

/// A stage `f(a) = post(Â V, a)` with `Â = [rows(a), 1]` and coefficients `V = [W; b]`.
///
/// For a dense stage the rows are the samples; for a convolution they are its patches.
pub trait AffineStage: Stage {
    /// Returns the coefficients `V`.
    fn coefficients(&self) -> Affine;

    /// Replaces the coefficients.
    fn set_coefficients(&mut self, coefficients: Affine);

    /// Returns the rows that the kernel multiplies, `[rows, d_in]`.
    fn rows(&self, input: Tensor<2>) -> Tensor<2>;

    /// Returns the number of rows of one sample: 1, or the positions of a convolution.
    fn rows_per_sample(&self) -> usize {
        1
    }

    /// Returns whether the kernel is used with one bit for each weight, as [`binarized`] gives it. Coefficients then hold `W`, whose signs
    /// and sizes make the binary kernel, and the stage is no affine function of them.
    fn has_binary_weights(&self) -> bool {
        false
    }

    /// Returns the pre-activations `u = Â V`, `[rows, d_out]`, at any coefficients; with binary weights, those of the binary kernel.
    fn pre_activations(&self, coefficients: &Affine, rows: Tensor<2>) -> Tensor<2> {
        let used = Affine {
            kernel: self.used_kernel(coefficients.kernel.clone()),
            bias: coefficients.bias.clone(),
        };
        used.apply(rows)
    }

    /// Returns the kernel that multiplies rows where the coefficients have the kernel `W`, `[d_in, d_out]`: `W`, or its binary kernel.
    fn used_kernel(&self, kernel: Tensor<2>) -> Tensor<2> {
        match self.has_binary_weights() {
            true => binarized(kernel),
            false => kernel,
        }
    }

    /// Maps pre-activations `u = Â V`, `[rows, d_out]`, to the stage's output.
    fn post(&self, u: Tensor<2>, input: &Tensor<2>) -> Tensor<2>;

    /// Returns the activation that [`post`](Self::post) applies to every entry of the pre-activations, before pooling or a skip connection;
    /// `None`, the default, where there is none that the library knows.
    fn entrywise_activation(&self) -> Option<Activation> {
        None
    }

    /// Pulls two cotangents back to the input, `[samples, d_in]`: that of the pre-activations, `[rows, d_out]`, through the affine
    /// map, and that of the output through a skip connection, if there is one.
    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2>;

    /// Returns the output of [`post`](Self::post), and the map that pulls a cotangent of the output back to the pre-activations.
    fn linearize_post(&self, u: Tensor<2>, input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        autodiff(u, |leaf| self.post(leaf, input))
    }

    /// Returns the shape of `weight` in the `PyTorch` module with the coefficients of this stage: `[d_out, d_in]` for `Linear`,
    /// `[c_out, c_in, k, k]` for `Conv2d`, whose entries are those of `Wᵀ`.
    ///
    /// Exports then hold `weight` and `bias`; with `None`, the default, they hold all parameters by their paths in the stage.
    fn pytorch_weight_shape(&self) -> Option<Vec<usize>> {
        None
    }
}

/// The map that pulls a cotangent of an output back to its input.
pub type PullBack = Box<dyn FnOnce(Tensor<2>) -> Tensor<2>>;

/// Linearizes any map of plain tensors by Burn's autodiff.
fn autodiff(at: Tensor<2>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> (Tensor<2>, PullBack) {
    let leaf = at.inner().autodiff().require_grad();
    let output = map(leaf.clone());
    let value = output.clone().inner();
    let pull_back = move |cotangent: Tensor<2>| {
        // The derivative of a map of integers, say, is zero; Burn refuses to differentiate an output that is not tracked.
        let gradient = output.is_tracked().then(|| {
            let gradients = (output * cotangent).sum().backward();
            leaf.grad(&gradients)
        });
        gradient
            .flatten()
            .unwrap_or_else(|| leaf.inner().zeros_like())
    };
    (value, Box::new(pull_back))
}
