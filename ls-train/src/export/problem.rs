//! Everything that a run starts from, for programs that train in another way.

use std::path::Path;

use burn::tensor::Device;
use ls_core::batch::Batch;
use ls_core::fit::Batches;
use ls_core::network::Network;

use super::tensors::{BinaryWeights, NamedTensor, model_facts, parameters, write_tensors};
use crate::config::{Plan, RunConfig};
use crate::data::{Splits, integers};
use crate::{Error, Result};

/// Largest number of entries of `batches.order`: 1 GiB of them.
const ORDER_LIMIT: usize = 1 << 27;

/// The data, the initial weights and the batches of a run, as a file in safetensors.
///
/// | name | shape | type | tensor |
/// | --- | --- | --- | --- |
/// | `train.inputs` | `[samples, features]` | f32 | training samples as the network sees them |
/// | `train.labels` | `[samples]` | i64 | their classes |
/// | `validation.inputs`, `validation.labels` | | | the samples held out, if there are any |
/// | `test.inputs`, `test.labels` | | | test samples |
/// | `stages.{l}.…` | as in an export | f32 | initial parameters, under the names of `layersep export --format safetensors` |
/// | `batches.members` | `[samples]` | i64 | samples of all batches one after the other, by their positions in the training split |
/// | `batches.starts` | `[batches + 1]` | i64 | position in `batches.members` at which each batch begins, and at last its length |
/// | `batches.order` | `[epochs, batches]` | i64 | the batches in the order of each epoch |
///
/// In full batch there is one batch. The metadata have one entry, `layersep`, a JSON object: the keys of an export, and `dataset`,
/// `seed`, `batch_size` (a number or `"full"`) and `version` (of this crate). Equal plans give equal files.
///
/// ```
/// use burn::tensor::Device;
/// use ls_train::config::{BatchSize, RunConfig};
/// use ls_train::data::Splits;
/// use ls_train::export::Problem;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("problem.safetensors");
/// let device = Device::flex();
/// let plan = RunConfig { batch_size: BatchSize::Samples(128), ..RunConfig::default() };
/// let plan = RunConfig { method: ls_core::method::MethodConfig::named("foof")?.into(), ..plan }.check()?;
/// let splits = Splits::load(&plan, &device)?;
/// Problem::new(&plan, splits, &device)?.write(10, &path)?;
/// # Ok(())
/// # }
/// ```
pub struct Problem<'p> {
    config: &'p RunConfig,
    splits: Splits,
    network: Network,
    batches: Batches,
}

impl<'p> Problem<'p> {
    /// Draws the initial weights and the batches that a run of the plan starts from.
    ///
    /// # Errors
    /// [`Error::Core`] for a network that does not suit the samples,
    /// [`Error::ApplicationNetwork`] for one that an application made.
    pub fn new(plan: &'p Plan, splits: Splits, device: &Device) -> Result<Self> {
        let config = plan.config();
        let classes = splits.classes.len();
        let network = config
            .model
            .init(splits.shape, classes, config.seed, device)?;
        let batches = Batches::new(splits.train.len(), config.batch_size, config.seed);
        Ok(Self {
            config,
            splits,
            network,
            batches,
        })
    }

    /// Writes the file, with the order of the batches in so many epochs. A draft takes its place, so that nobody ever reads half of
    /// it.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written, [`Error::Core`] when the device failed, [`Error::InvalidConfig`] for more epochs
    /// than a file can reasonably hold.
    pub fn write(&self, epochs: usize, path: &Path) -> Result<()> {
        if epochs.saturating_mul(self.batches.len()) > ORDER_LIMIT {
            return Err(Error::InvalidConfig {
                field: "epochs",
                value: epochs.to_string(),
                allowed: "the order of their batches must take at most 1 GiB",
            });
        }
        let held_out = self.splits.validation.as_ref();
        let splits = [
            ("train", Some(&self.splits.train)),
            ("validation", held_out),
            ("test", Some(&self.splits.test)),
        ];
        let mut tensors = parameters(&self.network, BinaryWeights::Numbers)?;
        for (name, split) in splits {
            if let Some(split) = split {
                tensors.extend(samples(name, split)?);
            }
        }
        tensors.extend(batch_tensors(&self.batches, epochs));
        write_tensors(&tensors, self.facts(), path)
    }

    fn facts(&self) -> serde_json::Value {
        let mut facts = model_facts(&self.config.model, &self.splits.preprocessing);
        facts["dataset"] = self.splits.name.as_str().into();
        facts["seed"] = self.config.seed.into();
        facts["batch_size"] = serde_json::json!(self.config.batch_size);
        facts["version"] = env!("CARGO_PKG_VERSION").into();
        facts
    }
}

/// Reads the samples of a split from their device.
fn samples(name: &str, split: &Batch) -> Result<[NamedTensor; 2]> {
    let labels = integers(split.labels.clone())?;
    Ok([
        NamedTensor::floats(format!("{name}.inputs"), split.inputs.clone())?,
        NamedTensor::integers(
            format!("{name}.labels"),
            vec![labels.len()],
            labels.into_iter(),
        ),
    ])
}

fn batch_tensors(batches: &Batches, epochs: usize) -> [NamedTensor; 3] {
    let count = batches.len();
    let members: Vec<usize> = (0..count)
        .flat_map(|batch| batches.members(batch).iter().copied())
        .collect();
    let mut starts = vec![0];
    for batch in 0..count {
        starts.push(starts[batch] + batches.members(batch).len());
    }
    // A run counts its sweeps from 1.
    let order = (1..=epochs).flat_map(|sweep| batches.order(sweep));
    let tensor = |name: &str, shape: Vec<usize>, values: Vec<usize>| {
        let values = values.into_iter().map(|value| value as i64);
        NamedTensor::integers(format!("batches.{name}"), shape, values)
    };
    [
        tensor("members", vec![members.len()], members),
        tensor("starts", vec![count + 1], starts),
        tensor("order", vec![epochs, count], order.collect()),
    ]
}
