//! Saved states: a restored method continues bit for bit.

use ls_core::Error;
use ls_core::method::{ExactConfig, FoofConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::stage::Activation;

use crate::batches::foof;
use crate::common::Random;
use crate::common::sweeps::{Values, sweep};
use crate::networks::{BATCH, Block, CLASSES, FEATURES, WIDTH, dense, hidden, networks, split};
use crate::{alternating, exact};

/// Whether dropout makes the gradients of training random.
fn has_dropout(network: &Network) -> bool {
    let mut stages = network.stages().iter();
    stages.any(|stage| stage.downcast_ref::<Block>().is_some())
}

type Start = dyn Fn(&Network) -> (Separated, Box<dyn Method>);

/// Every way to train, with the size of its batches.
fn ways() -> [(&'static str, Box<Start>, Option<usize>); 4] {
    fn boxed<M: Method + 'static>((model, method): (Separated, M)) -> (Separated, Box<dyn Method>) {
        (model, Box::new(method))
    }
    let full = |network: &Network| boxed(exact(network, ExactConfig::default()));
    let in_batches = |network: &Network| boxed(foof(network, FoofConfig::default().step));
    [
        ("exact", Box::new(full), None),
        ("foof", Box::new(in_batches), Some(BATCH)),
        (
            "alternating",
            Box::new(|network| boxed(alternating(network))),
            None,
        ),
        (
            "alternating, mini-batches",
            Box::new(|network| boxed(alternating(network))),
            Some(BATCH),
        ),
    ]
}

/// Also behind dropout, which the gradients of guaranteed steps leave out: only `foof` draws.
#[test]
fn a_restored_method_goes_on_bit_for_bit() {
    for (way, start, size) in ways() {
        for (name, network) in networks() {
            if way == "foof" && has_dropout(&network) {
                continue;
            }
            let (mut model, mut method) = start(&network);
            for _ in 0..4 {
                sweep(&mut *method, &mut model, &split(), size);
            }
            let mut other = model.clone();
            let (_, mut restored) = start(&network);
            restored.restore(method.save().unwrap()).unwrap();
            for _ in 0..3 {
                sweep(&mut *method, &mut model, &split(), size);
                sweep(&mut *restored, &mut other, &split(), size);
            }
            assert!(
                Values::read(&model) == Values::read(&other),
                "{way}, {name}: another run"
            );
        }
    }
}

#[test]
fn a_state_without_gradient_steps_is_for_affine_networks_alone() {
    let mut random = Random::new(1);
    let affine = Network::new(vec![
        dense(&mut random, [FEATURES, WIDTH], Activation::Tanh).into(),
        dense(&mut random, [WIDTH, CLASSES], Activation::Identity).into(),
    ])
    .unwrap();
    let custom = Network::new(vec![
        hidden(&mut random, [FEATURES, WIDTH], Activation::Tanh),
        dense(&mut random, [WIDTH, CLASSES], Activation::Identity).into(),
    ])
    .unwrap();
    let state = || {
        let (mut model, mut method) = exact(&affine, ExactConfig::default());
        sweep(&mut method, &mut model, &split(), None);
        method.save().unwrap()
    };
    // No gradient steps, no start in batches, and a memory of quasi-Newton steps without pairs.
    assert_eq!(
        state().values.keys().collect::<Vec<_>>(),
        ["controller", "quasi_newton", "start", "turns"]
    );
    assert!(state().optimizers.is_empty() && state().arrays.is_empty());
    exact(&affine, ExactConfig::default())
        .1
        .restore(state())
        .unwrap();
    let refused = exact(&custom, ExactConfig::default()).1.restore(state());
    assert!(matches!(refused, Err(Error::MethodState(_))), "{refused:?}");
}
