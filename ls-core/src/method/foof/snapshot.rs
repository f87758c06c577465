//! Weights to return to, among them the parameters of stages that move along gradients, as arrays.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::linalg::Affine;
use crate::method::MethodState;
use crate::method::stage_role::{MethodStage, StageRole};
use crate::network::Network;
use crate::stage::AffineStage;
use crate::{Error, Result};

/// Weights to return to; empty before the first refresh.
#[derive(Default)]
pub(super) struct SafeWeights {
    /// Of the stages that are fitted, in their order.
    pub coefficients: Vec<Affine>,
    /// Of the others.
    pub parameters: Snapshot,
}

impl SafeWeights {
    pub(super) fn of(parts: &[MethodStage<'_>]) -> Self {
        let affine = parts.iter().filter_map(MethodStage::affine);
        Self {
            coefficients: affine.map(AffineStage::coefficients).collect(),
            parameters: Snapshot::of(parts),
        }
    }

    /// Whether there are none to return to.
    pub(super) fn is_empty(&self) -> bool {
        self.coefficients.is_empty() && self.parameters.arrays.is_empty()
    }

    pub(super) fn restore(&self, network: &mut Network, roles: &[StageRole]) {
        let mut coefficients = self.coefficients.iter();
        for (l, &role) in roles.iter().enumerate() {
            if role == StageRole::Affine
                && let Some(stage) = network.stage_mut(l).affine_mut()
                && let Some(coefficients) = coefficients.next()
            {
                stage.set_coefficients(coefficients.clone());
            }
        }
        self.parameters.restore(network, roles);
    }
}

/// Values of the parameters of stages that move along gradients, in the order in which the stages and their modules have them:
/// dimensions, and entries row by row.
#[derive(Clone, Default)]
pub(super) struct Snapshot {
    arrays: Vec<(Vec<usize>, Tensor<1>)>,
}

impl Snapshot {
    /// The values that the stages have now.
    pub(super) fn of(parts: &[MethodStage<'_>]) -> Self {
        let mut found = Self::default();
        for part in parts {
            if part.role == StageRole::Gradient {
                part.stage.visit(&mut found);
            }
        }
        found
    }

    /// Gives the values back to the network that they come from.
    pub(super) fn restore(&self, network: &mut Network, roles: &[StageRole]) {
        let mut values = Values(self.arrays.iter());
        for (l, &role) in roles.iter().enumerate() {
            if role == StageRole::Gradient {
                let stage = network.stage_mut(l);
                *stage = stage.clone().map(&mut values);
            }
        }
    }

    /// `Σ |v|` over all values, `[1]`: finite only if every one is.
    pub(super) fn absolute_sum(&self) -> Option<Tensor<1>> {
        let sums = self
            .arrays
            .iter()
            .map(|(_, values)| values.clone().abs().sum());
        sums.reduce(|sum, next| sum + next)
    }

    /// Number of arrays.
    pub(super) fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Adds the arrays to a method's state.
    pub(super) fn push(&self, state: &mut MethodState) {
        state.arrays.extend(self.arrays.iter().cloned());
    }

    /// Takes so many arrays out of a method's state.
    ///
    /// # Errors
    /// [`Error::MethodState`] when there are fewer.
    pub(super) fn take(len: usize, state: &mut MethodState) -> Result<Self> {
        if state.arrays.len() < len {
            return Err(Error::MethodState("too few arrays".into()));
        }
        let arrays = state.arrays.drain(..len).collect();
        Ok(Self { arrays })
    }
}

impl ModuleVisitor for Snapshot {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val().inner();
        let dims = value.dims();
        let count = dims.iter().product::<usize>();
        self.arrays.push((dims.to_vec(), value.reshape([count])));
    }
}

struct Values<'a>(core::slice::Iter<'a, (Vec<usize>, Tensor<1>)>);

impl ModuleMapper for Values<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|value| match self.0.next() {
            Some((_, saved)) => saved.clone().reshape(value.dims()),
            None => value,
        })
    }
}
