//! A wrapped stage is the stage itself, for methods, records, optimizers and devices.

mod common;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::{Bool, Device, Int, Tensor};
use common::block::{Block, batch, network, points, with_block};
use common::sweeps::Values;
use ls_core::linalg::{Norm, to_f64};
use ls_core::method::{Backprop, BackpropConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{AnyStage, CustomStage, Dense, Stage};

/// What a traversal meets: paths with kinds, ranks and identities of parameters.
#[derive(Default, PartialEq, Debug)]
struct Met {
    path: Vec<String>,
    parameters: Vec<(String, &'static str, usize, ParamId)>,
    containers: Vec<String>,
}

impl Met {
    fn of(module: &impl Module) -> Self {
        let mut met = Self::default();
        module.visit(&mut met);
        assert!(met.path.is_empty(), "every module entered is left");
        met
    }

    fn parameter(&mut self, kind: &'static str, rank: usize, id: ParamId) {
        let path = self.path.join(".");
        self.parameters.push((path, kind, rank, id));
    }
}

impl ModuleVisitor for Met {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.parameter("float", D, parameter.id);
    }

    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        self.parameter("int", D, parameter.id);
    }

    fn visit_bool<const D: usize>(&mut self, parameter: &Param<Tensor<D, Bool>>) {
        self.parameter("bool", D, parameter.id);
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        self.parameter(if flag.is_enabled() { "on" } else { "off" }, 0, flag.id);
    }

    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, name: &str, _container: &str) {
        assert_eq!(self.path.pop().as_deref(), Some(name));
    }
}

/// Changes every parameter, each kind in its own way.
struct Change;

impl ModuleMapper for Change {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|value| value + 0.25)
    }

    fn map_int<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        parameter.map(|value| value.flip([0]))
    }

    fn map_bool<const D: usize>(
        &mut self,
        parameter: Param<Tensor<D, Bool>>,
    ) -> Param<Tensor<D, Bool>> {
        parameter.map(Tensor::bool_not)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let other = !flag.is_enabled();
        flag.with_value(other)
    }
}

/// A network, and the same one with its second hidden stage wrapped.
fn pair() -> (Network, Network) {
    let plain = network(5);
    let mut stages = plain.stages().to_vec();
    let inner = stages[1].downcast_ref::<Dense>().unwrap().clone();
    stages[1] = AnyStage::custom(inner);
    (plain, Network::new(stages).unwrap())
}

fn bits(network: &Network) -> Vec<f64> {
    to_f64(network.forward(points())).unwrap()
}

#[test]
fn a_wrapped_dense_stage_computes_counts_and_views_the_same() {
    let (plain, wrapped) = pair();
    assert_eq!(bits(&wrapped), bits(&plain));
    assert_eq!(wrapped.num_params(), plain.num_params());
    assert_eq!(
        wrapped.lipschitz(Norm::Spectral).unwrap(),
        plain.lipschitz(Norm::Spectral).unwrap()
    );
    assert_eq!(wrapped.devices(), plain.devices());
    let stage = &wrapped.stages()[1];
    assert_eq!(stage.name(), "Dense");
    assert_eq!(stage.input_shape(), FeatureShape::Flat(8));
    assert_eq!(stage.output_shape(), FeatureShape::Flat(6));
    let coefficients = |network: &Network| {
        let view = network.stages()[1].affine().expect("dense is affine");
        to_f64(view.coefficients().kernel).unwrap()
    };
    assert_eq!(coefficients(&wrapped), coefficients(&plain));
    let pulled = |network: &Network| {
        let (output, pull_back) = network.stages()[1].linearize(points().matmul(ones(6, 8)));
        to_f64(pull_back(output)).unwrap()
    };
    assert_eq!(pulled(&wrapped), pulled(&plain));
    // Burn prints the module itself.
    assert!(wrapped.to_string().contains("Dense {"), "{wrapped}");
}

fn ones(rows: usize, columns: usize) -> Tensor<2> {
    Tensor::ones([rows, columns], &Device::flex())
}

#[test]
fn new_coefficients_reach_the_module_inside() {
    let (_, mut wrapped) = pair();
    let before = bits(&wrapped);
    let stage = wrapped.stage_mut(1).affine_mut().unwrap();
    let mut coefficients = stage.coefficients();
    coefficients.bias = coefficients.bias + 1.0;
    stage.set_coefficients(coefficients);
    let dense = wrapped.stages()[1].downcast_ref::<Dense>().unwrap();
    // Biases start at zero.
    assert_eq!(to_f64(dense.bias.val()).unwrap(), [1.0; 6]);
    assert_ne!(bits(&wrapped), before);
}

#[test]
fn paths_are_those_of_the_module_inside() {
    let (plain, wrapped) = pair();
    let (plain, wrapped) = (Met::of(&plain), Met::of(&wrapped));
    for (one, other) in plain.parameters.iter().zip(&wrapped.parameters) {
        assert_eq!(other.0, one.0.replace("stages.1.Dense", "stages.1.Custom"));
        assert_eq!((other.1, other.2, other.3), (one.1, one.2, one.3));
    }
    assert_eq!(wrapped.containers, plain.containers);

    let block = Block::new(6, &Device::flex());
    let custom = CustomStage::new(block.clone());
    assert_eq!(Met::of(&custom), Met::of(&block.valid()));
}

#[test]
fn a_record_of_one_network_fills_another() {
    let (source, target) = (with_block(1), with_block(2));
    assert_ne!(bits(&source), bits(&target));
    let loaded = target.load_record(source.clone().into_record());
    assert_eq!(bits(&loaded), bits(&source));

    let changed = source.clone().map(&mut Change);
    assert_ne!(bits(&changed), bits(&source));
    let bytes = source.clone().into_record().into_bytes().unwrap();
    let record = burn::store::ModuleRecord::from_bytes(bytes).unwrap();
    assert_eq!(bits(&changed.load_record(record)), bits(&source));
}

fn adam(network: &Network) -> Backprop {
    let config = BackpropConfig {
        learning_rate: Some(0.01),
        ..BackpropConfig::default()
    };
    Backprop::new(&config, network, None).unwrap()
}

#[test]
fn optimizer_steps_move_a_wrapped_stage_as_the_plain_one() {
    let (plain, wrapped) = pair();
    let start = bits(&plain);
    let [plain, wrapped] = [plain, wrapped].map(|network| {
        let mut method = adam(&network);
        let mut model = Separated::new(network);
        for _ in 0..5 {
            method.sweep(&mut model, &batch()).unwrap();
        }
        model.network
    });
    assert_ne!(bits(&plain), start);
    assert_eq!(bits(&wrapped), bits(&plain));
}

#[test]
fn every_parameter_of_a_block_moves_in_one_step() {
    let before = with_block(1);
    let mut model = Separated::new(before.clone());
    adam(&model.network).sweep(&mut model, &batch()).unwrap();
    let (before, after) = (Values::read(&before), Values::read(&model.network));
    assert_eq!(before.0.len(), 3 * 2 + 2 + 2 * 2);
    for (before, after) in before.0.iter().zip(&after.0) {
        assert_ne!(before, after);
    }
}

#[test]
fn a_map_changes_every_kind_of_parameter_and_nothing_else() {
    let block = Block::new(6, &Device::flex()).valid();
    let custom = CustomStage::new(block.clone()).map(&mut Change);
    let mapped = AnyStage::Custom(custom);
    let found = mapped.downcast_ref::<Block>().unwrap();
    let expected = block.map(&mut Change);
    let read = |block: &Block| to_f64(block.forward(points())).unwrap();
    assert_eq!(read(found), read(&expected));
    assert_eq!(Met::of(found), Met::of(&expected));
}

#[test]
fn training_and_validation_reach_tensors_and_flags() {
    let device = Device::flex();
    let given = Block::new(6, &device.clone().autodiff());
    let state = |stage: &CustomStage| {
        let any = AnyStage::Custom(stage.clone());
        let block = any.downcast_ref::<Block>().unwrap();
        (
            block.maps[0].weight.val().is_require_grad(),
            block.dropout.training.is_enabled(),
        )
    };
    let stage = CustomStage::new(given);
    assert_eq!(state(&stage), (false, false), "taken in for validation");
    let training = stage.clone().train();
    assert_eq!(state(&training), (true, true));
    assert_eq!(state(&training.valid()), (false, false));
    assert_eq!(state(&stage), (false, false), "clones are independent");
    let frozen = stage
        .clone()
        .freeze_group(ParamGroup::from_path("maps.0.weight"));
    assert_eq!(state(&frozen.train()), (false, true));

    let moved = training.fork(&device.clone().autodiff());
    assert_eq!(state(&moved), (true, true));
    let moved = stage.clone().to_device(&device);
    assert_eq!(moved.devices(), [device]);
    let read = |stage: &CustomStage| to_f64(stage.forward(points())).unwrap();
    assert_eq!(read(&moved), read(&stage));
    assert_eq!(read(&stage.clone().materialize()), read(&stage));
}

#[test]
fn a_stage_is_found_by_its_own_type_only() {
    let (plain, mut wrapped) = pair();
    for network in [&plain, &wrapped] {
        for stage in network.stages() {
            assert!(stage.downcast_ref::<Dense>().is_some());
            assert!(stage.downcast_ref::<Block>().is_none());
        }
    }
    let device = Device::flex();
    let before = bits(&wrapped);
    let stage = wrapped.stage_mut(1);
    assert!(stage.downcast_mut::<Block>().is_none());
    let dense = stage.downcast_mut::<Dense>().unwrap();
    dense.bias = Param::from_tensor(Tensor::ones([6], &device));
    assert_ne!(bits(&wrapped), before);
}

#[test]
fn a_network_prints_the_module_inside() {
    let text = with_block(1).to_string();
    for line in ["Block {", "norm: LayerNorm {", "dropout: Dropout {"] {
        assert!(text.contains(line), "{text}");
    }
}
