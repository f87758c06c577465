//! Separated training of the last stages of a network that was trained elsewhere.
//!
//! A `PyTorch` network of three layers knows the digits 0 to 7 (`scripts/pretrained_digits.py`). It is read from safetensors into
//! plain Burn modules. Its first layer stays as it is: the images go through it once. The second layer and a new head for all ten
//! digits become stages, are trained by `exact`, and go back into the Burn module, which is written in `PyTorch`'s layout again.
//!
//! ```sh
//! cargo run --release -p ls-train --example finetune_head [RUN_FOLDER]
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor};
use ls_core::batch::index_tensor;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, Dense};
use ls_datasets::{Samples, Source, SplitRule};
use ls_train::config::{ExactConfig, MethodConfig, RunConfig};
use ls_train::data::{SampleKind, Splits};
use ls_train::{Session, Start, Training};

/// The network as a Burn application would write it, with the names of its `PyTorch` original.
#[derive(Module, Debug)]
struct Classifier {
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl Classifier {
    fn new(classes: usize, device: &Device) -> Self {
        Self {
            fc1: LinearConfig::new(64, 32).init(device),
            fc2: LinearConfig::new(32, 32).init(device),
            fc3: LinearConfig::new(32, classes).init(device),
        }
    }

    /// What stays as it is.
    fn features(&self, pixels: Tensor<2>) -> Tensor<2> {
        relu(self.fc1.forward(pixels))
    }

    fn forward(&self, pixels: Tensor<2>) -> Tensor<2> {
        let hidden = relu(self.fc2.forward(self.features(pixels)));
        self.fc3.forward(hidden)
    }

    /// Reads a file with `PyTorch`'s names and its transposed weights.
    fn read(&mut self, path: &Path) -> Result<(), Box<dyn Error>> {
        let mut file = SafetensorsStore::from_file(path).with_from_adapter(PyTorchToBurnAdapter);
        self.load_from(&mut file)?;
        Ok(())
    }

    fn write(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let mut file = SafetensorsStore::from_file(path)
            .with_to_adapter(BurnToPyTorchAdapter)
            .overwrite(true);
        self.save_into(&mut file)?;
        Ok(())
    }

    /// Share of correct samples, in percent.
    fn accuracy(&self, (pixels, labels): &(Tensor<2>, Tensor<1, Int>)) -> f32 {
        let predicted = self.forward(pixels.clone()).argmax(1).squeeze_dim::<1>(1);
        let correct = predicted.equal(labels.clone()).float();
        100.0 * correct.mean().into_scalar::<f32>()
    }
}

/// Pixels from 0 to 1, as the `PyTorch` network was trained, and labels.
fn tensors(samples: &Samples, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
    let scale = 1.0 / f32::from(samples.pixel_max());
    let pixels: Vec<f32> = samples
        .pixels()
        .iter()
        .map(|&p| scale * f32::from(p))
        .collect();
    let labels: Vec<usize> = samples.labels().iter().map(|&y| usize::from(y)).collect();
    let pixels = Tensor::<1>::from_floats(pixels.as_slice(), device);
    (
        pixels.reshape([samples.len(), 64]),
        index_tensor(&labels, device),
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let run = std::env::args().nth(1);
    let run = PathBuf::from(run.unwrap_or_else(|| "runs/finetune-head".into()));
    let device = Device::flex();
    device.seed(1);
    let digits = Source::DIGITS.load(None, &SplitRule::default())?;
    let (train, test) = (
        tensors(&digits.train, &device),
        tensors(&digits.test, &device),
    );

    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits_0_to_7.safetensors");
    let mut pretrained = Classifier::new(8, &device);
    pretrained.read(&file)?;
    let known = pretrained.accuracy(&test);
    println!(
        "as it came, the network gets {known:.2} % of the test images right: it has never seen an 8 or a 9\n"
    );

    // A head for ten digits, and the images as the frozen layer shows them to the stages behind it.
    let mut tuned = Classifier {
        fc3: LinearConfig::new(32, 10).init(&device),
        ..pretrained
    };
    let network = Network::new(vec![
        Dense::from_linear(&tuned.fc2, Activation::Relu).into(),
        Dense::from_linear(&tuned.fc3, Activation::Identity).into(),
    ])?;
    let kind = SampleKind {
        name: "digits behind fc1".into(),
        shape: FeatureShape::Flat(32),
        classes: digits.train.classes().to_vec(),
    };
    let plan = RunConfig {
        sweeps: 20,
        method: MethodConfig::Exact(ExactConfig {
            weight_decay: 1e-3,
            ..ExactConfig::default()
        })
        .into(),
        ..RunConfig::default()
    }
    .check()?;
    let behind = |(pixels, labels): (Tensor<2>, _)| (tuned.features(pixels), labels);
    let splits = Splits::from_tensors(&plan, &kind, behind(train), behind(test.clone()))?;

    let session = Session {
        start: Start::Overwrite,
        ..Session::new(device.clone(), &run).with_lines(std::io::stdout())
    };
    let outcome = Training::new(&plan, splits)
        .network("fc2 and fc3", network)
        .run(session)?;

    // Back into the Burn module, and out in PyTorch's layout.
    let trained = |l: usize| {
        let stage = outcome.network.stages()[l].downcast_ref::<Dense>();
        let stage =
            stage.ok_or_else(|| format!("stage {} is not the dense one that went in", l + 1));
        stage.map(Dense::to_linear)
    };
    (tuned.fc2, tuned.fc3) = (trained(0)?, trained(1)?);
    let file = run.join("digits_0_to_9.safetensors");
    tuned.write(&file)?;
    let mut read_back = Classifier::new(10, &device);
    read_back.read(&file)?;
    let all = read_back.accuracy(&test);
    println!("\n{}: {all:.2} % of the test images", file.display());
    Ok(())
}
