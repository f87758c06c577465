//! Samples that an application made: numbers are taken as they are, and checked before anything trains on them.

use burn::data::dataset::Dataset;
use burn::tensor::{DType, Device, Element, Int, Tensor, TensorData};
use ls_core::batch::{Batch, index_tensor};
use ls_core::linalg::to_f64;
use ls_core::shape::FeatureShape;

use super::{Fingerprint, Preprocessing, SplitSettings, Splits, held_out, integers};
use crate::config::Plan;
use crate::{Error, Result};

/// Samples that are read from their device at once; bounds the memory of the checks.
const CHUNK: usize = 8192;

/// What the samples of an application are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleKind {
    /// Name of the data, as run folders will show it.
    pub name: String,
    /// Shape of one sample.
    pub shape: FeatureShape,
    /// Names of the classes, in the order of their labels; two or more.
    pub classes: Vec<String>,
}

impl Splits {
    /// Splits from features `[samples, d_0]` and labels `[samples]`, which stay on their device. Of the training samples the first
    /// [`limit`](crate::config::DataConfig::limit) of the plan are used, of which its
    /// [`validation`](crate::config::DataConfig::validation), or those of its [`fold`](crate::config::DataConfig::fold), are held out by
    /// its seed; the data set that it names is not.
    ///
    /// The run folder will say that the data were made by an application and what it calls them; a run can be resumed with the
    /// same samples only.
    ///
    /// # Errors
    /// [`Error::Core`] with [`ls_core::Error::ShapeMismatch`] for sizes that do not fit each other, [`Error::InvalidSample`] for a
    /// feature that is not finite or a label without a class, [`Error::InvalidConfig`] for a split without samples, a shape without
    /// features, fewer than two classes, a validation split that leaves no sample to train with, or more folds than samples.
    pub fn from_tensors(
        plan: &Plan,
        kind: &SampleKind,
        train: (Tensor<2>, Tensor<1, Int>),
        test: (Tensor<2>, Tensor<1, Int>),
    ) -> Result<Self> {
        let config = plan.config();
        let preprocessing = Preprocessing::identity(kind);
        preprocessing
            .check()
            .map_err(|allowed| Error::InvalidConfig {
                field: "sample kind",
                value: format!("{} with {} classes", kind.shape, kind.classes.len()),
                allowed,
            })?;
        let train = Split::new("training", train, kind)?.first(config.data.limit);
        let test = Split::new("test", test, kind)?;
        let fingerprint = Fingerprint {
            name: kind.name.clone(),
            train_samples: train.samples.len(),
            train: train.checksum(kind)?,
            test_samples: test.samples.len(),
            test: test.checksum(kind)?,
        };
        let train = train.samples;
        // All labels have been checked.
        let labels = integers(train.labels.clone())?.into_iter();
        let labels: Vec<_> = labels.map(|label| label as usize).collect();
        let (train, validation) = match held_out(&labels, &config.data, config.seed)? {
            Some((rest, out)) => (select(&train, &rest), Some(select(&train, &out))),
            None => (train, None),
        };
        Ok(Self {
            name: kind.name.clone(),
            shape: kind.shape,
            classes: kind.classes.clone(),
            train,
            validation,
            test: test.samples,
            preprocessing,
            fingerprint,
            settings: SplitSettings::for_application(&config.data, config.seed),
            note: None,
        })
    }

    /// Splits from two data sets of Burn, of whose items `sample` makes features and label. Features become numbers of the device's
    /// precision: where that is f64, `f64` keeps all their digits.
    ///
    /// # Errors
    /// [`Error::InvalidSample`] also for an item that cannot be read or has another number of features, and otherwise as
    /// [`from_tensors`](Self::from_tensors).
    pub fn from_datasets<I, E: core::error::Error + Send + Sync + 'static, F: Element>(
        plan: &Plan,
        kind: &SampleKind,
        [train, test]: [&dyn Dataset<I, E>; 2],
        sample: impl Fn(I) -> (Vec<F>, usize),
        device: &Device,
    ) -> Result<Self> {
        let read = |split: &'static str, items: &dyn Dataset<I, E>| {
            let features = kind.shape.features();
            let mut values: Vec<F> = Vec::with_capacity(items.len() * features);
            let mut labels = Vec::with_capacity(items.len());
            for index in 0..items.len() {
                let invalid = |reason: String| Error::InvalidSample {
                    split,
                    sample: index,
                    reason,
                };
                let item = items.get(index);
                let item = item.map_err(|error| invalid(format!("it cannot be read: {error}")))?;
                let (own, label) = sample(item);
                if own.len() != features {
                    let found = own.len();
                    return Err(invalid(format!("{found} features instead of {features}")));
                }
                values.extend(own);
                labels.push(label);
            }
            let data = TensorData::new(values, [labels.len(), features]);
            Ok((
                Tensor::from_data(data, device),
                index_tensor(&labels, device),
            ))
        };
        let (train, test) = (read("training", train)?, read("test", test)?);
        Self::from_tensors(plan, kind, train, test)
    }
}

/// One split and what messages call it.
struct Split {
    name: &'static str,
    samples: Batch,
}

impl Split {
    /// Checks sizes.
    fn new(
        name: &'static str,
        (inputs, labels): (Tensor<2>, Tensor<1, Int>),
        kind: &SampleKind,
    ) -> Result<Self> {
        let [samples, found] = inputs.dims();
        if samples == 0 {
            return Err(Error::InvalidConfig {
                field: "samples",
                value: "0".into(),
                allowed: "the training and the test split must have at least one",
            });
        }
        let sizes = [
            ("features", kind.shape.features(), found),
            ("labels", samples, labels.dims()[0]),
        ];
        for (what, expected, found) in sizes {
            if expected != found {
                return Err(Error::Core(ls_core::Error::ShapeMismatch {
                    what: format!("{what} of the {name} split"),
                    expected,
                    found,
                }));
            }
        }
        // Samples are constants, whatever made them.
        let samples = Batch::full(inputs.without_autodiff(), labels.without_autodiff());
        Ok(Self { name, samples })
    }

    fn first(mut self, limit: Option<usize>) -> Self {
        if let Some(limit) = limit.filter(|&limit| limit < self.samples.len()) {
            let Batch { inputs, labels, .. } = self.samples;
            self.samples = Batch::full(inputs.narrow(0, 0, limit), labels.narrow(0, 0, limit));
        }
        self
    }

    /// Checks all values, and returns the checksum of all their digits.
    fn checksum(&self, kind: &SampleKind) -> Result<u32> {
        let (features, classes) = (kind.shape.features(), kind.classes.len());
        let number = self.samples.inputs.dtype();
        let mut hasher = crc32fast::Hasher::new();
        let mut start = 0;
        for chunk in self.samples.chunks(CHUNK) {
            let invalid = |row: usize, reason: String| Error::InvalidSample {
                split: self.name,
                sample: start + row,
                reason,
            };
            // Leaves the device once per chunk.
            for (i, value) in to_f64(chunk.inputs)?.into_iter().enumerate() {
                if !value.is_finite() {
                    let (row, column) = (i / features, i % features);
                    return Err(invalid(row, format!("feature {column} is {value}")));
                }
                match number {
                    DType::F64 => hasher.update(&value.to_le_bytes()),
                    // The way of f32 through f64 changes nothing.
                    _ => hasher.update(&(value as f32).to_le_bytes()),
                }
            }
            for (row, label) in integers(chunk.labels)?.into_iter().enumerate() {
                if usize::try_from(label).is_ok_and(|label| label < classes) {
                    hasher.update(&label.to_le_bytes());
                } else {
                    let reason = format!("its label is {label}, and there are {classes} classes");
                    return Err(invalid(row, reason));
                }
            }
            start += CHUNK;
        }
        Ok(hasher.finalize())
    }
}

fn select(samples: &Batch, indices: &[usize]) -> Batch {
    let Batch { inputs, labels, .. } = samples.pick(0, indices);
    Batch::full(inputs, labels)
}
