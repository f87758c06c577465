//! The step of the stages that move along gradients after the fits of a full-batch sweep.

use super::full_batch::{FullBatch, Point};
use crate::Result;
use crate::method::role::Role;
use crate::network::Network;
use crate::update::{GradientStep, SearchOutcome};

/// The stages that move along gradients, and what is remembered of their steps.
pub(super) struct Opaque {
    /// The first of them, counted from 0.
    first: usize,
    pub step: GradientStep,
    /// Length to try first.
    pub length: f64,
}

impl Opaque {
    pub(super) fn of(roles: &[Role]) -> Option<Self> {
        Some(Self {
            first: roles.iter().position(|&role| role == Role::Gradient)?,
            step: GradientStep::default(),
            length: GradientStep::FIRST_LENGTH,
        })
    }

    /// One gradient step of all stages that move along gradients, from a point at the network's weights.
    pub(super) fn descend(
        &mut self,
        samples: &FullBatch<'_>,
        point: &Point,
        network: &Network,
    ) -> Result<SearchOutcome<(Network, Point)>> {
        let gradients = samples.parameter_gradients(point)?;
        let (first, length) = (self.first, self.length);
        let loss_at = |moved: &Network| {
            let reached = samples.with(moved).forward_from(first, point)?;
            Ok((reached.loss, reached))
        };
        let found = self
            .step
            .update(network, &gradients, point.loss, length, loss_at)?;
        self.length = found.next;
        Ok(found)
    }
}
