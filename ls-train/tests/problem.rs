//! The data, initial weights and batches of a run as a file, against what a run hands to its method.

use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::Device;
use ls_core::batch::Batch;
use ls_core::figure::Figures;
use ls_core::fit::Batches;
use ls_core::linalg::to_f64;
use ls_core::method::{Method, MethodConfig, MethodState, Objective, Separated};
use ls_core::network::Network;
use ls_train::config::{BatchSize, Plan, RunConfig};
use ls_train::data::Splits;
use ls_train::export::Problem;
use ls_train::{Session, Training};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

const SWEEPS: usize = 3;

fn plan(batch_size: BatchSize) -> Plan {
    let mut config = RunConfig {
        batch_size,
        seed: 5,
        sweeps: SWEEPS,
        method: MethodConfig::suited_to(batch_size).into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(300);
    config.data.validation = Some(50);
    config.check().unwrap()
}

fn write(plan: &Plan, epochs: usize, path: &Path) -> Vec<u8> {
    let device = Device::flex();
    let splits = Splits::load(plan, &device).unwrap();
    let problem = Problem::new(plan, splits, &device).unwrap();
    problem.write(epochs, path).unwrap();
    std::fs::read(path).unwrap()
}

fn floats(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Vec<f64> {
    let view = file.tensor(name).unwrap();
    assert_eq!((view.dtype(), view.shape()), (Dtype::F32, shape), "{name}");
    let values = view.data().chunks_exact(4);
    values
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into())
        .collect()
}

fn integers(file: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Vec<usize> {
    let view = file.tensor(name).unwrap();
    assert_eq!((view.dtype(), view.shape()), (Dtype::I64, shape), "{name}");
    let values = view.data().chunks_exact(8);
    values
        .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as usize)
        .collect()
}

/// What a run hands to its method: the network at first, then the inputs of one batch after the other.
#[derive(Default)]
struct Seen {
    network: Option<Network>,
    inputs: Vec<Vec<f64>>,
}

/// A method that moves nothing and remembers everything.
#[derive(Clone, Default)]
struct Watch(Arc<Mutex<Seen>>);

impl Method for Watch {
    fn name(&self) -> &str {
        "watch"
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> ls_core::Result<Figures> {
        let mut seen = self.0.lock().unwrap();
        seen.network.get_or_insert_with(|| model.network.clone());
        seen.inputs.push(to_f64(batch.inputs.clone())?);
        Ok(Figures::default())
    }

    fn save(&self) -> ls_core::Result<MethodState> {
        Ok(MethodState::default())
    }

    fn restore(&mut self, _state: MethodState) -> ls_core::Result<()> {
        Ok(())
    }
}

fn seen_by_a_run(plan: &Plan, run: &Path) -> Seen {
    let device = Device::flex();
    let splits = Splits::load(plan, &device).unwrap();
    let watch = Watch::default();
    let method: Box<dyn Method> = Box::new(watch.clone());
    let training = Training::new(plan, splits).method(method);
    training.run(Session::new(device, run)).unwrap();
    std::mem::take(&mut watch.0.lock().unwrap())
}

/// The inputs of all batches in the order of the file.
fn batches_of(file: &SafeTensors<'_>, epochs: usize, batches: usize) -> Vec<Vec<f64>> {
    let inputs = floats(file, "train.inputs", &[250, 64]);
    let members = integers(file, "batches.members", &[250]);
    let starts = integers(file, "batches.starts", &[batches + 1]);
    let order = integers(file, "batches.order", &[epochs, batches]);
    let batch = |&index: &usize| {
        let members = &members[starts[index]..starts[index + 1]];
        let row = |&member: &usize| inputs[member * 64..(member + 1) * 64].to_vec();
        members.iter().flat_map(row).collect()
    };
    order.iter().map(batch).collect()
}

#[test]
fn a_run_starts_from_the_weights_and_meets_the_batches_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (size, batches) in [(BatchSize::Samples(60), 5), (BatchSize::Full, 1)] {
        let plan = plan(size);
        let bytes = write(&plan, SWEEPS, &folder.path().join("problem"));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let seen = seen_by_a_run(&plan, &folder.path().join(format!("{size:?}")));
        let network = seen.network.unwrap();
        for (l, stage) in network.stages().iter().enumerate() {
            let own = stage.affine().unwrap().coefficients();
            let [inputs, outputs] = own.kernel.dims();
            let weight = floats(&file, &format!("stages.{l}.weight"), &[outputs, inputs]);
            assert_eq!(weight, to_f64(own.kernel.transpose()).unwrap());
            let bias = floats(&file, &format!("stages.{l}.bias"), &[outputs]);
            assert_eq!(bias, to_f64(own.bias).unwrap());
        }
        assert_eq!(seen.inputs, batches_of(&file, SWEEPS, batches));
    }
}

#[test]
fn the_file_holds_all_splits_and_the_order_of_as_many_epochs_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("problem.safetensors");
    let plan = plan(BatchSize::Samples(60));
    let bytes = write(&plan, 7, &path);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (split, samples) in [("train", 250), ("validation", 50), ("test", 1797)] {
        floats(&file, &format!("{split}.inputs"), &[samples, 64]);
        let labels = integers(&file, &format!("{split}.labels"), &[samples]);
        assert!(labels.iter().all(|&label| label < 10));
    }
    let batches = Batches::new(250, BatchSize::Samples(60), 5);
    let order: Vec<usize> = (1..=7).flat_map(|sweep| batches.order(sweep)).collect();
    assert_eq!(integers(&file, "batches.order", &[7, 5]), order);
    assert!(bytes == write(&plan, 7, &path), "equal plans, equal files");
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let facts = &header.metadata().as_ref().unwrap()["layersep"];
    let facts: Value = serde_json::from_str(facts).unwrap();
    assert_eq!(facts["model"], "mlp 64-128x2-10 relu");
    assert_eq!(facts["stages"].as_array().unwrap().len(), 2);
    assert_eq!(facts["seed"], 5);
    assert_eq!(facts["batch_size"], 60);
}

#[test]
fn more_epochs_than_a_file_can_hold_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let plan = plan(BatchSize::Full);
    let splits = Splits::load(&plan, &device).unwrap();
    let problem = Problem::new(&plan, splits, &device).unwrap();
    let error = problem.write(usize::MAX, &folder.path().join("problem"));
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("epochs = 18446744073709551615 is not possible: "));
}
