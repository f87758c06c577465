use super::*;
use crate::batch::index_tensor;
use crate::linalg::to_f64;
use crate::method::dropout::Dropout;
use crate::network::Network;
use crate::shape::FeatureShape;
use crate::stage::{Activation, Dense, Init, Stage};
use burn::module::Module;
use burn::tensor::{Device, TensorData};
use rand::SeedableRng;
use rand::rngs::ChaCha12Rng;
use rand_distr::{Distribution, StandardNormal};

/// A dense stage that shows its forward pass alone.
#[derive(Module, Debug)]
struct Hidden {
    inner: Dense,
}

impl Stage for Hidden {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.inner.forward(input)
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        self.inner.output_shape()
    }
}

fn batch(random: &mut ChaCha12Rng, device: &Device) -> Batch {
    let values: Vec<f32> = (0..60).map(|_| StandardNormal.sample(random)).collect();
    let labels: Vec<usize> = (0..12).map(|n| n % 3).collect();
    Batch::full(
        Tensor::from_data(TensorData::new(values, [12, 5]), device),
        index_tensor(&labels, device),
    )
}

#[track_caller]
fn assert_same<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    let (found, expected) = (to_f64(found).unwrap(), to_f64(expected).unwrap());
    let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    assert!(largest > 1e-3, "{what}: nothing to compare");
    for (found, expected) in found.iter().zip(&expected) {
        // Sums of a dozen f32 products in another order, through four stages: some 1e-6 of the largest.
        assert!(
            (found - expected).abs() < 1e-5 * largest,
            "{what}: {found}, not {expected}"
        );
    }
}

/// Every stage of a dense network in turn, and all of them, without the affine view.
#[test]
fn a_dense_stage_has_the_same_gradients_with_and_without_the_affine_view() {
    let device = Device::flex();
    let mut random = ChaCha12Rng::seed_from_u64(4);
    let batch = batch(&mut random, &device);
    let widths = [5, 6, 7, 6, 3];
    let dense: Vec<Dense> = widths
        .windows(2)
        .map(|size| {
            let size = [size[0], size[1]];
            Dense::init(size, Activation::Tanh, Init::Kaiming, &mut random, &device)
        })
        .collect();
    let count = dense.len();
    let pass = |is_hidden: &dyn Fn(usize) -> bool, parameters: Parameters| {
        let stages = dense.iter().enumerate().map(|(l, dense)| {
            let inner = dense.clone();
            match is_hidden(l) {
                true => AnyStage::custom(Hidden { inner }),
                false => AnyStage::Dense(inner),
            }
        });
        let network = Network::new(stages.collect()).unwrap();
        let parts = MethodStage::all(&network, &StageRole::all(&network));
        let mut inputs = Vec::new();
        let found = backward(
            &parts,
            &batch,
            parameters,
            Regularization::default(),
            |l, input| {
                let coefficients = parts[l].affine().map(AffineStage::coefficients);
                response(&parts[l], coefficients.as_ref(), input)
            },
            |input, _| inputs.push(input.clone()),
        );
        (found, inputs)
    };
    let (plain, inputs) = pass(&|_| false, Parameters::Measured);
    for hidden in 0..=count {
        let is_hidden = |l: usize| l == hidden || hidden == count;
        for parameters in [Parameters::None, Parameters::Measured, Parameters::Training] {
            let what = format!("stage {hidden}, {parameters:?}");
            let (mut found, _) = pass(&is_hidden, parameters);
            assert_same(found.logits, plain.logits.clone(), &what);
            for l in 0..count {
                let own = &mut found.parameters[l];
                if !is_hidden(l) {
                    assert_same(
                        found.gradients[l].clone(),
                        plain.gradients[l].clone(),
                        &what,
                    );
                    assert!(own.is_empty(), "{what}");
                    continue;
                }
                // `∂ce/∂h_l`, pulled back through the activation, is `∂ce/∂u_l`.
                let u = dense[l].coefficients().apply(inputs[l].clone());
                let (_, pull_back) = dense[l].linearize_post(u, &inputs[l]);
                let pulled = pull_back(found.gradients[l].clone());
                assert_same(pulled, plain.gradients[l].clone(), &what);
                if parameters == Parameters::None {
                    assert!(own.is_empty(), "{what}");
                    continue;
                }
                let expected = Affine::pull_back(inputs[l].clone(), plain.gradients[l].clone());
                let kernel = own.remove::<2>(dense[l].weight.id).unwrap();
                assert_same(kernel, expected.kernel, &what);
                let bias = own.remove::<1>(dense[l].bias.id).unwrap();
                assert_same(bias, expected.bias, &what);
            }
        }
    }
}

#[test]
fn gradients_under_dropout_are_those_of_the_network_with_its_factors() {
    let device = Device::flex();
    let mut random = ChaCha12Rng::seed_from_u64(5);
    let batch = batch(&mut random, &device);
    let mut dense = |size| {
        let dense = Dense::init(size, Activation::Tanh, Init::Kaiming, &mut random, &device);
        AnyStage::Dense(dense)
    };
    let network = Network::new(vec![dense([5, 8]), dense([8, 7]), dense([7, 3])]).unwrap();
    let dropout = Dropout::at(3, 0.4, 9).unwrap();
    let parts = MethodStage::all(&network, &StageRole::all(&network));
    let mut inputs = Vec::new();
    let found = backward(
        &parts,
        &batch,
        Parameters::None,
        Regularization {
            dropout: Some(dropout),
            ..Regularization::default()
        },
        |l, input| {
            let coefficients = parts[l].affine().map(AffineStage::coefficients);
            response(&parts[l], coefficients.as_ref(), input)
        },
        |input, _| inputs.push(input.clone()),
    );
    let tracked = network.clone().train();
    let mut h = batch.inputs.clone();
    for (l, stage) in tracked.stages().iter().enumerate() {
        h = stage.forward(h);
        if l < 2 {
            let factors = dropout.factors(l, stage, &h).unwrap();
            h = h * Tensor::from_inner(factors);
        }
    }
    assert_same(found.logits, h.clone().inner(), "logits");
    let loss = cross_entropy::per_sample(h, &batch.labels).sum();
    let gradients = loss.backward();
    for (l, stage) in tracked.stages().iter().enumerate() {
        let stage: &Dense = stage.downcast_ref().unwrap();
        let expected = stage.weight.grad(&gradients).unwrap();
        let kernel = inputs[l]
            .clone()
            .transpose()
            .matmul(found.gradients[l].clone());
        assert_same(kernel, expected, &format!("stage {l}"));
    }
}
