//! Networks with a stage that states no Lipschitz constant.

mod common;

use burn::tensor::Device;
use common::block::{Block, batch, network, with_block};
use ls_core::linalg::Norm;
use ls_core::method::{
    Alternating, AlternatingConfig, Exact, ExactConfig, Method, OptimizerName, Separated,
};
use ls_core::network::Network;
use ls_core::objective::Weighting;
use ls_core::stage::AnyStage;
use ls_core::{Error, NoLipschitzConstant};

fn exact(network: &Network) -> Exact {
    Exact::new(ExactConfig::default(), network).unwrap()
}

fn alternating(network: &Network, weighting: Weighting) -> ls_core::Result<Alternating> {
    let config = AlternatingConfig {
        weighting,
        learning_rate: Some(0.01),
        ..AlternatingConfig::default().with_optimizer(OptimizerName::Adam)
    };
    Alternating::new(config, network, &batch())
}

const ADAPTIVE: Weighting = Weighting::SelfAdaptive {
    norm: Norm::Spectral,
    eta: 1.0,
};

#[test]
fn without_a_lipschitz_constant_reports_say_why_there_is_no_certificate() {
    let network = with_block(1);
    let reason = NoLipschitzConstant {
        stage: 3,
        name: "Block",
    };
    assert_eq!(network.without_bound(), core::slice::from_ref(&reason));
    assert_eq!(
        reason.to_string(),
        "stage 3 (Block) states no Lipschitz constant"
    );
    let constants = network.lipschitz(Norm::Spectral).unwrap();
    assert_eq!(constants[2], Err(reason.clone()));
    assert!(
        constants
            .iter()
            .enumerate()
            .all(|(l, k)| l == 2 || k.is_ok())
    );

    let mut model = Separated::feasible(network.clone(), &batch());
    let measured = exact(&network).measure(&mut model, &batch()).unwrap();
    let figures = measured.separated.unwrap();
    assert_eq!(figures.certificate_mean, None);
    assert_eq!(figures.no_certificate, Some(reason.clone()));
    // With fixed weights S = F at the feasible point, and the pass from there lowers it: it is no bound.
    let (original, separated) = (measured.original_loss_mean, figures.separated_loss_mean);
    assert!(0.0 < separated && separated < original);
    let weights = exact(&network).weights(&network).unwrap().unwrap();
    assert_eq!((weights.head, weights.omega), (1.0, vec![1.0; 3]));

    let refused = alternating(&network, ADAPTIVE).err().unwrap();
    assert_eq!(refused, Error::NoSelfAdaptiveWeights(reason));
    assert_eq!(
        refused.to_string(),
        "stage 3 (Block) states no Lipschitz constant, which self-adaptive weights need of every stage behind the first; \
         fixed weights (`Weighting::Fixed`) need none"
    );
    let mut method = alternating(&network, Weighting::Fixed { omega: 1.0 }).unwrap();
    for _ in 0..3 {
        method.sweep(&mut model, &batch()).unwrap();
    }
    let after = method.measure(&mut model, &batch()).unwrap();
    assert!(after.separated.unwrap().separated_loss_mean < original);
}

#[test]
fn the_first_stage_needs_no_lipschitz_constant() {
    let stages = network(1).stages().to_vec();
    let block = AnyStage::custom(Block::new(6, &Device::flex()));
    let network = Network::new([vec![block], stages].concat()).unwrap();
    assert_eq!(network.without_bound().len(), 1);
    let mut method = alternating(&network, ADAPTIVE).unwrap();
    let mut model = Separated::feasible(network, &batch());
    for _ in 0..5 {
        method.sweep(&mut model, &batch()).unwrap();
        let measured = method.measure(&mut model, &batch()).unwrap();
        let figures = measured.separated.unwrap();
        let certificate = figures.certificate_mean.unwrap();
        assert_eq!(figures.no_certificate, None);
        // The residuals are no longer zero, and C exceeds F by far more than rounding.
        assert!(measured.original_loss_mean < certificate);
        assert!(certificate <= figures.separated_loss_mean);
    }
}

#[test]
fn a_model_without_auxiliary_variables_is_measured_and_refused_where_they_are_needed() {
    let network = network(1);
    let mut method = alternating(&network, ADAPTIVE).unwrap();
    let mut model = Separated::new(network);
    let measured = exact(&model.network).measure(&mut model, &batch()).unwrap();
    assert_eq!(measured.separated, None);
    let refused = method.sweep(&mut model, &batch()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "hidden stages with auxiliary variables: expected 2, found 0"
    );
}
