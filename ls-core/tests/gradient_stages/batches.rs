//! Batches of `foof`: they learn, and survive steps that are far too long.

use ls_core::method::{Foof, FoofConfig, Method, Separated};
use ls_core::network::Network;

use crate::common::report::Report;
use crate::common::sweeps::{Values, sweep};
use crate::networks::{BATCH, SAMPLES, networks, split};
use crate::{moves_by_gradients, original_loss};

pub(crate) fn foof(network: &Network, step: f64) -> (Separated, Foof) {
    let config = FoofConfig {
        step,
        ..FoofConfig::default()
    };
    let method = Foof::new(config, network, None).unwrap();
    (Separated::new(network.clone()), method)
}

#[test]
fn batches_learn() {
    let step = FoofConfig::default().step;
    for (name, network) in networks() {
        let (mut model, mut method) = foof(&network, step);
        let first = original_loss(&network);
        for _ in 0..60 {
            let report = sweep(&mut method, &mut model, &split(), Some(BATCH));
            assert_eq!(report.accepted(), SAMPLES / BATCH, "{name}");
        }
        let last = original_loss(&model.network);
        assert!(last < 0.8 * first, "{name}: {first} to {last}");
        let stages = network.stages().iter().zip(model.network.stages());
        for (old, new) in stages.filter(|(old, _)| moves_by_gradients(old)) {
            assert_ne!(Values::read(old), Values::read(new), "{name}");
        }
    }
}

#[test]
fn weights_of_all_stages_return_when_a_run_blows_up() {
    for (name, network) in networks() {
        if moves_by_gradients(&network.stages()[network.hidden()]) {
            // Behind bounded activations only a head that takes such steps makes the loss so large.
            continue;
        }
        let (mut model, mut method) = foof(&network, 1e4);
        let (split, members) = (split(), (0..SAMPLES).collect::<Vec<_>>());
        let (mut seen, mut refused, mut unseen) = (Vec::new(), 0, 0);
        for step in 0..90 {
            let members = &members[step % 3 * BATCH..][..BATCH];
            let report = method.sweep(&mut model, &split.pick(step % 3, members));
            let now = Values::read(&model.network);
            assert!(now.are_finite(), "{name}, step {step}");
            if report.unwrap().rejected() > 0 {
                refused += 1;
                unseen += usize::from(!seen.contains(&now));
            }
            seen.push(now);
        }
        assert!(refused > 1, "{name}");
        // All but the weights of the sweep that starts the run have been seen.
        assert!(
            unseen <= 1,
            "{name}: {unseen} of {refused} returns led elsewhere"
        );
    }
}
