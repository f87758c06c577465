//! Stages without the affine view train under every method, by gradients, and no guarantee is lost.

mod batches;
#[path = "../common/mod.rs"]
mod common;
mod full_batch;
mod networks;
mod resume;

use common::differences::line_search;
use ls_core::method::{Alternating, Exact, ExactConfig, Separated};
use ls_core::network::Network;
use ls_core::objective::{Weighting, measure};
use ls_core::stage::AnyStage;
use networks::split;

/// Whether a stage moves along gradients, because it has no affine view.
fn moves_by_gradients(stage: &AnyStage) -> bool {
    stage.affine().is_none()
}

fn exact(network: &Network, config: ExactConfig) -> (Separated, Exact) {
    let method = Exact::new(config, network).unwrap();
    (Separated::feasible(network.clone(), &split()), method)
}

fn alternating(network: &Network) -> (Separated, Alternating) {
    let config = line_search(Weighting::Fixed { omega: 0.7 }, 2, true);
    let method = Alternating::new(config, network, &split()).unwrap();
    (Separated::feasible(network.clone(), &split()), method)
}

fn original_loss(network: &Network) -> f64 {
    measure(network, None, &split()).unwrap().original_loss_mean
}
