//! The variables of a network that is split at its pre-activations ([`split_blocks`](super::split_blocks)).

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{MethodState, Separated};
use crate::batch::Selection;
use crate::{Error, Result};

/// The variables that the network's auxiliary variables do not hold.
pub(super) struct SplitVariables {
    /// `u_1, …, u_L`.
    pub pre_activations: Vec<Tensor<2>>,
    /// One more array at the head, like `u_L`: the logits `a_L` of `bcd`, the multiplier of `admm`.
    pub head: Tensor<2>,
}

/// Numbers of the saved state.
#[derive(Serialize, Deserialize)]
struct SavedSplit {
    /// Stages with pre-activations; 0 before the first sweep.
    stages: usize,
}

impl SplitVariables {
    /// The state of a method; none of its variables exist before the first sweep.
    pub(super) fn save(own: Option<&Self>) -> Result<MethodState> {
        let mut state = MethodState::new(&SavedSplit {
            stages: own.map_or(0, |own| own.pre_activations.len()),
        })?;
        if let Some(own) = own {
            for u in &own.pre_activations {
                state.push(u.clone());
            }
            state.push(own.head.clone());
        }
        Ok(state)
    }

    /// The variables of a saved state.
    ///
    /// # Errors
    /// [`Error::MethodState`] when the state is another method's.
    pub(super) fn restored(mut state: MethodState) -> Result<Option<Self>> {
        let SavedSplit { stages } = state.read()?;
        if stages == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            pre_activations: (0..stages).map(|_| state.take()).collect::<Result<_>>()?,
            head: state.take()?,
        }))
    }
}

/// The outputs `a_1, …, a_{L-1}` of a whole split.
///
/// # Errors
/// [`Error::ShapeMismatch`] for a model without an auxiliary variable for each hidden stage.
pub(super) fn outputs(model: &Separated) -> Result<Vec<Tensor<2>>> {
    let outputs = model.auxiliary.gather(&Selection::All);
    let (expected, found) = (model.network.hidden(), outputs.len());
    if found != expected {
        return Err(Error::ShapeMismatch {
            what: "hidden stages with auxiliary variables".into(),
            expected,
            found,
        });
    }
    Ok(outputs)
}
