//! What a method does with a stage.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::linalg::Affine;
use crate::network::Network;
use crate::stage::{AffineStage, AnyStage};
use crate::{Error, Result};

/// How the weights of a stage move under methods that make use of the affine view. Methods find it out once, when they start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StageRole {
    /// By its coefficients: the stage has the affine view, and no parameter of it is frozen.
    Affine,
    /// Along the gradients of its trainable parameters.
    Gradient,
    /// Not at all: no parameter of it is trainable.
    Frozen,
}

impl StageRole {
    /// Of all stages in order.
    pub(super) fn all(network: &Network) -> Vec<Self> {
        network.stages().iter().map(Self::of).collect()
    }

    /// Of all stages in order, for methods whose steps need stages that are affine in their coefficients: binary weights move along
    /// gradients, which pass straight through.
    pub(super) fn all_affine(network: &Network) -> Vec<Self> {
        let roles = network.stages().iter().zip(Self::all(network));
        let role = |(stage, role)| match role {
            Self::Affine if has_binary_weights(stage) => Self::Gradient,
            role => role,
        };
        roles.map(role).collect()
    }

    fn of(stage: &AnyStage) -> Self {
        let mut count = Count::default();
        stage.visit(&mut count);
        match count {
            Count { frozen: 0, .. } if stage.is_affine() => Self::Affine,
            Count { trainable: 0, .. } => Self::Frozen,
            _ => Self::Gradient,
        }
    }
}

/// Whether a stage with the affine view has weights of one bit.
pub(super) fn has_binary_weights(stage: &AnyStage) -> bool {
    let view = stage.affine();
    view.is_some_and(AffineStage::has_binary_weights)
}

/// A stage with its role.
#[derive(Clone, Copy)]
pub(super) struct MethodStage<'a> {
    pub stage: &'a AnyStage,
    pub role: StageRole,
}

impl<'a> MethodStage<'a> {
    /// All stages in order.
    pub(super) fn all(network: &'a Network, roles: &[StageRole]) -> Vec<Self> {
        let pairs = network.stages().iter().zip(roles);
        pairs.map(|(stage, &role)| Self { stage, role }).collect()
    }

    /// Whether its coefficients are what moves.
    pub(super) fn is_fitted(&self) -> bool {
        self.affine().is_some()
    }

    /// The affine view of a stage that moves by it.
    pub(super) fn affine(&self) -> Option<&'a dyn AffineStage> {
        match self.role {
            StageRole::Affine => self.stage.affine(),
            StageRole::Gradient | StageRole::Frozen => None,
        }
    }
}

/// Numbers of parameter tensors.
#[derive(Default)]
struct Count {
    trainable: usize,
    frozen: usize,
}

impl ModuleVisitor for Count {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        // In validation mode no tensor requires a gradient; what a parameter is configured to do shows in training. This leaves a
        // node behind in Burn's graph, so that it is not done again and again.
        if parameter.clone().train().is_require_grad() {
            self.trainable += 1;
        } else {
            self.frozen += 1;
        }
    }
}

/// Writes the coefficients of all stages that have new ones.
pub(super) fn set_all_coefficients(
    network: &mut Network,
    coefficients: &[Option<Affine>],
) -> Result<()> {
    for (l, coefficients) in coefficients.iter().enumerate() {
        if let Some(coefficients) = coefficients {
            set_coefficients(network, l, coefficients.clone())?;
        }
    }
    Ok(())
}

/// Writes new coefficients of stage `l`, counted from 0.
pub(super) fn set_coefficients(
    network: &mut Network,
    l: usize,
    coefficients: Affine,
) -> Result<()> {
    let stage = network.stage_mut(l).affine_mut();
    stage
        .ok_or(Error::Unsupported {
            update: "a least-squares fit",
            stage: l + 1,
            needs: "affine view to write to, though one to read",
        })?
        .set_coefficients(coefficients);
    Ok(())
}
