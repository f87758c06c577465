//! A network with its auxiliary variables.

use burn::module::Module;

use super::Method;
use crate::auxiliary::AuxiliaryStore;
use crate::batch::Batch;
use crate::network::Network;

/// A network with the auxiliary variables of its training samples.
#[derive(Module, Debug)]
pub struct Separated {
    /// The weights.
    pub network: Network,
    /// The auxiliary variables; empty for methods without any.
    pub auxiliary: AuxiliaryStore,
}

/// Samples of a chunk of the forward pass that makes a feasible point; bounds its memory.
const CHUNK: usize = 8192;

impl Separated {
    /// Makes a network without auxiliary variables, for methods that need none and for runs that report no separated loss.
    pub fn new(network: Network) -> Self {
        Self {
            network,
            auxiliary: AuxiliaryStore::empty(),
        }
    }

    /// Makes a network with the feasible point `a_l = h_l` of a training split.
    pub fn feasible(network: Network, split: &Batch) -> Self {
        let auxiliary = AuxiliaryStore::feasible(&network, split, CHUNK);
        Self { network, auxiliary }
    }

    /// Makes the model that a method starts from: feasible if the method keeps auxiliary variables.
    pub fn for_method(method: &dyn Method, network: Network, split: &Batch) -> Self {
        if method.has_auxiliary_variables() {
            Self::feasible(network, split)
        } else {
            Self::new(network)
        }
    }
}
