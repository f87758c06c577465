//! The step of the stages that move along gradients after the fits of a full-batch sweep.

use super::full_batch::{FullBatch, Iterate};
use crate::Result;
use crate::method::stage_role::StageRole;
use crate::network::Network;
use crate::update::{GradientStep, SearchOutcome};

/// The stages that move along gradients, and what is remembered of their steps.
pub(super) struct GradientStages {
    /// The first of them, counted from 0.
    first: usize,
    pub step: GradientStep,
    /// Length to try first.
    pub length: f64,
}

impl GradientStages {
    pub(super) fn of(roles: &[StageRole]) -> Option<Self> {
        Some(Self {
            first: roles.iter().position(|&role| role == StageRole::Gradient)?,
            step: GradientStep::default(),
            length: GradientStep::FIRST_LENGTH,
        })
    }

    /// One gradient step of all stages that move along gradients, from a iterate at the network's weights.
    pub(super) fn descend(
        &mut self,
        samples: &FullBatch<'_>,
        iterate: &Iterate,
        network: &Network,
    ) -> Result<SearchOutcome<(Network, Iterate)>> {
        let gradients = samples.parameter_gradients(iterate)?;
        let (first, length) = (self.first, self.length);
        let loss_at = |moved: &Network| {
            let reached = samples.with(moved).forward_from(first, iterate)?;
            Ok((reached.loss, reached))
        };
        let found = self
            .step
            .update(network, &gradients, iterate.loss, length, loss_at)?;
        self.length = found.next;
        Ok(found)
    }
}
