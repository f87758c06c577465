//! One layer of a separated network.
//!
//! A [`Stage`] maps `[samples, d_in]` to `[samples, d_out]`. What more it can do is offered as data, never found by a
//! downcast: a Lipschitz constant, and for stages that are affine before their activation the [`AffineStage`] view that
//! preconditioned and exact weight updates work on. [`AnyStage`] holds the stages that configurations can name, and any Burn
//! module of the user's own that implements [`Stage`].
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
//! // The module is there to be taken out again, for instance when it is trained.
//! assert!(network.stages()[0].downcast_ref::<Gated>().is_some());
//! # Ok(())
//! # }
//! ```
//!
//! All else is optional. [`Stage::lipschitz`] keeps the certificate, where a bound is known. [`Stage::affine`], for a stage that is
//! affine before its activation, lets methods fit it; without, they move it along gradients. [`Stage::linearize`] can be faster
//! than the derivative that autodiff gives.

mod activation;
mod config;
mod conversion;
mod convolution;
mod custom;
mod dense;
mod erased;
mod init;
mod pooling;
mod residual;

use core::any::Any;

use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

pub use activation::Activation;
pub use config::StageConfig;
pub use convolution::{Convolution, ConvolutionConfig};
pub use custom::CustomStage;
pub use dense::Dense;
pub use init::Init;
pub use pooling::Pooling;
pub use residual::Residual;

use crate::linalg::{Affine, Norm, Operator};
use crate::shape::FeatureShape;

/// One layer `h_l = f_l(h_{l-1})`.
///
/// Activations are always rank 2, `[samples, features]`; [`FeatureShape`] remembers what the features mean.
///
/// The output of a sample must depend on that sample alone, and be the same each time outside of training: methods evaluate samples
/// in other chunks than they train them in, and running statistics are not kept. So there is no batch normalization; layer and group
/// normalization do. Dropout is on where batches or optimizers train the stage: in mini-batches of `exact`, under the optimizers of
/// `alternating`, in `backprop`. Full-batch sweeps of `exact` and line searches, whose losses never rise, leave it off.
pub trait Stage: Sync {
    /// Applies the stage: `[samples, d_in]` to `[samples, d_out]`.
    fn forward(&self, input: Tensor<2>) -> Tensor<2>;

    /// Shape of one input sample.
    fn input_shape(&self) -> FeatureShape;

    /// Shape of one output sample; its length is `d_out`.
    fn output_shape(&self) -> FeatureShape;

    /// A true upper bound `K_l` of the stage's Lipschitz constant in the 2-norm, or `None` when no bound is known: unless
    /// this is the first stage, neither a certificate nor self-adaptive weights exist for the network then.
    fn lipschitz(&self) -> Option<Lipschitz> {
        None
    }

    /// The output at `input`, and the map that pulls a cotangent `[samples, d_out]` of it back to the input,
    /// `[samples, d_in]`.
    fn linearize(&self, input: Tensor<2>) -> (Tensor<2>, PullBack) {
        autodiff(input, |leaf| self.forward(leaf))
    }

    /// The affine view, for a stage that is affine before its activation and has no other parameters: methods `exact` and
    /// `alternating` move its coefficients alone, in steps that are made for them. A stage without the view still trains under
    /// every method, by gradients of all its parameters, and so does one of which a part is frozen; a stage that is frozen as a
    /// whole ([`Module::no_grad`]) stands still.
    fn affine(&self) -> Option<&dyn AffineStage> {
        None
    }

    /// The affine view, to write new coefficients; for the stages that have one.
    fn affine_mut(&mut self) -> Option<&mut dyn AffineStage> {
        None
    }
}

/// `K(W) = offset + factor · ‖T_W‖₂` for the linear map `T_W` that the stage makes of its kernel `W`.
#[derive(Clone, Debug)]
pub struct Lipschitz {
    /// 0, or 1 for a stage with a skip connection.
    pub offset: f64,
    /// Slope of the activation, and of pooling.
    pub factor: f64,
    /// `W`, `[d_in, d_out]`; tracked where the stage is, so that the constant can be differentiated.
    pub kernel: Tensor<2>,
    /// How `T_W` comes from `W`.
    pub operator: Operator,
}

impl Lipschitz {
    /// The constant, with `‖T_W‖₂` bounded in the given norm.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the device failed.
    pub fn value(&self, norm: Norm) -> crate::Result<f64> {
        let bound = self.operator.value(norm, self.kernel.clone().inner())?;
        Ok(self.offset + self.factor * bound)
    }

    /// The constant and its derivative in `W`.
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
    /// The coefficients `V`.
    fn coefficients(&self) -> Affine;

    /// Replaces the coefficients.
    fn set_coefficients(&mut self, coefficients: Affine);

    /// The rows that the kernel multiplies, `[rows, d_in]`.
    fn rows(&self, input: Tensor<2>) -> Tensor<2>;

    /// Rows of one sample: 1, or the positions of a convolution.
    fn rows_per_sample(&self) -> usize {
        1
    }

    /// From pre-activations `u = Â V`, `[rows, d_out]`, to the stage's output.
    fn post(&self, u: Tensor<2>, input: &Tensor<2>) -> Tensor<2>;

    /// Pulls cotangents back to the input, `[samples, d_in]`: of the pre-activations, `[rows, d_out]`, through the affine map,
    /// and of the output where a skip connection leads around it.
    fn pull_to_input(&self, u_cotangent: Tensor<2>, output_cotangent: Tensor<2>) -> Tensor<2>;

    /// As [`post`](Self::post), with the map that pulls a cotangent of the output back to the pre-activations.
    fn linearize_post(&self, u: Tensor<2>, input: &Tensor<2>) -> (Tensor<2>, PullBack) {
        autodiff(u, |leaf| self.post(leaf, input))
    }
}

/// Pulls a cotangent of an output back to the input that it was computed from.
pub type PullBack = Box<dyn FnOnce(Tensor<2>) -> Tensor<2>>;

/// Linearizes any map of plain tensors by Burn's autodiff.
fn autodiff(at: Tensor<2>, map: impl FnOnce(Tensor<2>) -> Tensor<2>) -> (Tensor<2>, PullBack) {
    let leaf = at.inner().autodiff().require_grad();
    let output = map(leaf.clone());
    let value = output.clone().inner();
    let pull_back = move |cotangent: Tensor<2>| {
        // A map of integers, say, has no derivative, and Burn refuses to go back from what is not tracked.
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

/// Some stage: those that configurations can name, and the user's own.
#[derive(Module, Debug)]
pub enum AnyStage {
    /// Fully connected.
    Dense(Dense),
    /// Convolution, with optional pooling.
    Convolution(Convolution),
    /// Fully connected, with a skip connection.
    ResidualDense(Residual<Dense>),
    /// Convolution, with a skip connection.
    ResidualConvolution(Residual<Convolution>),
    /// Any Burn module that is a stage.
    Custom(CustomStage),
}

impl AnyStage {
    /// A module of the user's own; see [`CustomStage::new`].
    pub fn custom<S: Stage + Module + ModuleDisplay + 'static>(stage: S) -> Self {
        Self::Custom(CustomStage::new(stage))
    }

    /// The stage itself, if it is an `S`.
    pub fn downcast_ref<S: Stage + 'static>(&self) -> Option<&S> {
        let stage: &dyn Any = match self {
            Self::Dense(stage) => stage,
            Self::Convolution(stage) => stage,
            Self::ResidualDense(stage) => stage,
            Self::ResidualConvolution(stage) => stage,
            Self::Custom(stage) => stage.as_any(),
        };
        stage.downcast_ref()
    }

    /// The stage itself, if it is an `S`, to change it.
    pub fn downcast_mut<S: Stage + 'static>(&mut self) -> Option<&mut S> {
        let stage: &mut dyn Any = match self {
            Self::Dense(stage) => stage,
            Self::Convolution(stage) => stage,
            Self::ResidualDense(stage) => stage,
            Self::ResidualConvolution(stage) => stage,
            Self::Custom(stage) => stage.as_any_mut(),
        };
        stage.downcast_mut()
    }

    /// Whether the stage has the affine view.
    pub fn is_affine(&self) -> bool {
        self.affine().is_some()
    }

    /// Name of the stage's type, without its path.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dense(_) => "Dense",
            Self::Convolution(_) => "Convolution",
            Self::ResidualDense(_) | Self::ResidualConvolution(_) => "Residual",
            Self::Custom(stage) => stage.name(),
        }
    }
}

impl From<Dense> for AnyStage {
    fn from(stage: Dense) -> Self {
        Self::Dense(stage)
    }
}

impl From<Convolution> for AnyStage {
    fn from(stage: Convolution) -> Self {
        Self::Convolution(stage)
    }
}

impl From<Residual<Dense>> for AnyStage {
    fn from(stage: Residual<Dense>) -> Self {
        Self::ResidualDense(stage)
    }
}

impl From<Residual<Convolution>> for AnyStage {
    fn from(stage: Residual<Convolution>) -> Self {
        Self::ResidualConvolution(stage)
    }
}

impl core::ops::Deref for AnyStage {
    type Target = dyn Stage;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Dense(stage) => stage,
            Self::Convolution(stage) => stage,
            Self::ResidualDense(stage) => stage,
            Self::ResidualConvolution(stage) => stage,
            Self::Custom(stage) => stage,
        }
    }
}

impl core::ops::DerefMut for AnyStage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Dense(stage) => stage,
            Self::Convolution(stage) => stage,
            Self::ResidualDense(stage) => stage,
            Self::ResidualConvolution(stage) => stage,
            Self::Custom(stage) => stage,
        }
    }
}
