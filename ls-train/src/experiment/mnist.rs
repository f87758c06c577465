//! 784-100-100-10 on the first 10,000 images of MNIST and Fashion-MNIST.

use ls_core::stage::{Activation, Init};
use ls_datasets::Source;

use super::base::digits;
use super::{Case, Contender, Experiment};

/// Number of training samples; two cores do several sweeps over them in the time of a run.
const SAMPLES: usize = 10_000;

pub(super) const EXPERIMENT: Experiment = Experiment {
    name: "mnist",
    about: "784-100-100-10 on 10,000 images of MNIST and Fashion-MNIST; needs --data-dir with a folder for each",
    seconds: 15.0,
    cases,
};

fn cases() -> Vec<Case> {
    [Source::MNIST, Source::FASHION_MNIST]
        .into_iter()
        .map(|source| {
            let mut base = digits(&[100, 100], Activation::Relu, Init::Kaiming);
            base.data.dataset = source.name().into();
            base.data.limit = Some(SAMPLES);
            let mut contenders = vec![Contender::exact(&base), Contender::foof(&base, 250)];
            contenders.extend(Contender::full_and_batches(&base, 500));
            contenders.extend(Contender::baselines(&base, 128));
            Case::new(source.name(), contenders)
        })
        .collect()
}
