//! Samples with the indices that tie them to their auxiliary variables.

use core::str::FromStr;
use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::shards::Shards;

/// Samples of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BatchSizeText", into = "BatchSizeText")]
pub enum BatchSize {
    /// The whole training split.
    #[default]
    Full,
    /// So many; the last batch of a sweep may be smaller.
    Samples(usize),
}

/// `"full"` or a number, as in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum BatchSizeText {
    Word(String),
    Number(usize),
    // Whatever else stands there is refused by its value.
    Negative(i64),
    Fraction(f64),
    Truth(bool),
}

impl TryFrom<BatchSizeText> for BatchSize {
    type Error = String;

    fn try_from(text: BatchSizeText) -> Result<Self, String> {
        match text {
            BatchSizeText::Word(word) => word.parse(),
            BatchSizeText::Number(number) => number.to_string().parse(),
            BatchSizeText::Negative(number) => number.to_string().parse(),
            BatchSizeText::Fraction(number) => number.to_string().parse(),
            BatchSizeText::Truth(truth) => truth.to_string().parse(),
        }
    }
}

impl From<BatchSize> for BatchSizeText {
    fn from(size: BatchSize) -> Self {
        match size {
            BatchSize::Full => Self::Word("full".into()),
            BatchSize::Samples(count) => Self::Number(count),
        }
    }
}

impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("full", _) => Ok(Self::Full),
            (_, Ok(count)) if count > 0 => Ok(Self::Samples(count)),
            _ => Err(format!(
                "`{text}` is neither `full` nor a number of samples from 1"
            )),
        }
    }
}

/// Which samples of a split a batch holds: auxiliary variables belong to samples, not to positions.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per batch")]
pub enum Selection {
    /// All of them, in order. Nothing is copied.
    All,
    /// The consecutive samples `start..end`.
    Range(core::ops::Range<usize>),
    /// Samples by index, `[samples]`, without repetition.
    Indices(Tensor<1, Int>),
}

/// Inputs and labels of some samples.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Number of the block that these samples make up; a block always has the same members.
    pub block: usize,
    /// Where the samples stand in their split.
    pub selection: Selection,
    /// `x`, `[samples, d_0]`, on no autodiff tape.
    pub inputs: Tensor<2>,
    /// Classes `y`, `[samples]`.
    pub labels: Tensor<1, Int>,
    identity: BatchIdentity,
    /// The devices that share the samples; `None` where they are all at home.
    shards: Option<Arc<ShardedSamples>>,
}

/// Samples on the devices that share them. What was asked for once stays where it is.
#[derive(Debug)]
struct ShardedSamples {
    shards: Shards,
    /// Chunks by their size: a sweep and a report may ask for different ones.
    chunks: Mutex<Vec<(usize, Vec<Batch>)>>,
    /// The parts of all devices.
    parts: OnceLock<Vec<Batch>>,
    blocks: Mutex<Blocks>,
}

/// The blocks that were picked last under their numbers, with their members.
type Blocks = HashMap<usize, (Vec<usize>, Arc<ShardedSamples>)>;

impl ShardedSamples {
    fn new(shards: Shards) -> Arc<Self> {
        Arc::new(Self {
            shards,
            chunks: Mutex::default(),
            parts: OnceLock::new(),
            blocks: Mutex::default(),
        })
    }

    /// Those of a block; the same as last time if its members are.
    fn block(&self, block: usize, members: &[usize]) -> Arc<Self> {
        // A panic of a device in another thread leaves no half of an entry behind.
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, own)) = blocks.get(&block).filter(|(known, _)| known == members) {
            return own.clone();
        }
        let own = Self::new(self.shards.clone());
        blocks.insert(block, (members.to_vec(), own.clone()));
        own
    }
}

/// The identity of the samples of a batch: clones share it, and no other batch has it. By it a method finds out whether what it
/// remembers of a batch is of this batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchIdentity(u64);

impl BatchIdentity {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Batch {
    /// All samples of a split as one batch. An autodiff tape that the tensors are on is left behind.
    pub fn full(inputs: Tensor<2>, labels: Tensor<1, Int>) -> Self {
        Self {
            block: 0,
            selection: Selection::All,
            inputs: inputs.inner(),
            labels: labels.inner(),
            identity: BatchIdentity::new(),
            shards: None,
        }
    }

    /// Returns the same samples on several devices in full-batch passes of method `exact`, in steps of `foof`, in auxiliary passes of
    /// `alternating` with line searches, and in measurements. They stay at home as well. Parts go to their devices when they are first
    /// needed, and stay there; blocks that are picked of the samples are in shards, too.
    #[must_use]
    pub fn sharded(self, shards: Shards) -> Self {
        Self {
            shards: Some(ShardedSamples::new(shards)),
            ..self
        }
    }

    /// Returns the same samples at home alone.
    pub(crate) fn at_home(&self) -> Self {
        Self {
            shards: None,
            ..self.clone()
        }
    }

    /// Tells whether the samples are on several devices.
    pub fn is_sharded(&self) -> bool {
        self.shards.is_some()
    }

    /// Returns the identity of these samples.
    pub fn identity(&self) -> BatchIdentity {
        self.identity
    }

    /// Returns the same samples on another device.
    pub fn to_device(&self, device: &Device) -> Self {
        Self {
            inputs: self.inputs.clone().to_device(device),
            labels: labels_on(&self.labels, device),
            identity: BatchIdentity::new(),
            shards: None,
            ..self.clone()
        }
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.inputs.dims()[0]
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members of one block, picked from a whole split.
    pub fn pick(&self, block: usize, indices: &[usize]) -> Self {
        let shards = self.shards.as_ref();
        let shards = shards.map(|own| own.block(block, indices));
        let indices = index_tensor(indices, &self.inputs.device());
        Self {
            block,
            inputs: self.inputs.clone().select(0, indices.clone()),
            labels: self.labels.clone().select(0, indices.clone()),
            selection: Selection::Indices(indices),
            identity: BatchIdentity::new(),
            shards,
        }
    }

    /// Returns the samples with other inputs, such as changed images.
    pub(crate) fn with_inputs(&self, inputs: Tensor<2>) -> Self {
        let shards = self.shards.as_ref();
        Self {
            inputs: inputs.inner(),
            identity: BatchIdentity::new(),
            shards: shards.map(|own| ShardedSamples::new(own.shards.clone())),
            ..self.clone()
        }
    }

    /// Consecutive parts of at most `size` samples, in order; of a whole split only.
    pub fn chunks(&self, size: usize) -> impl Iterator<Item = Self> + '_ {
        let (total, size) = (self.len(), size.max(1));
        (0..total)
            .step_by(size)
            .enumerate()
            .map(move |(block, start)| {
                let range = start..(start + size).min(total);
                if range.len() == total {
                    return self.clone();
                }
                Self {
                    block,
                    inputs: self.inputs.clone().slice([range.clone()]),
                    labels: self.labels.clone().slice([range.clone()]),
                    selection: Selection::Range(range),
                    identity: BatchIdentity::new(),
                    shards: None,
                }
            })
    }

    /// Returns the same parts, each on the device that has it where the samples are in shards.
    pub(crate) fn chunks_on_shards(&self, size: usize) -> Vec<Self> {
        let Some(own) = &self.shards else {
            return self.chunks(size).collect();
        };
        // A panic of a device in another thread leaves no half of an entry behind.
        let mut kept = own.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, chunks)) = kept.iter().find(|(known, _)| *known == size) {
            return chunks.clone();
        }
        let chunks: Vec<_> = self.chunks(size).collect();
        let count = chunks.len();
        let place = |(c, chunk): (usize, Self)| chunk.to_device(own.shards.device_of(c, count));
        let placed: Vec<_> = chunks.into_iter().enumerate().map(place).collect();
        kept.push((size, placed.clone()));
        placed
    }

    /// Returns the part of each device that shares the samples, in order; `None` where they are all at home.
    pub(crate) fn parts_on_shards(&self) -> Option<&[Self]> {
        let own = self.shards.as_ref()?;
        let place = |(device, range): (&Device, core::ops::Range<usize>)| {
            let part = Self {
                inputs: self.inputs.clone().slice([range.clone()]),
                labels: self.labels.clone().slice([range]),
                ..self.at_home()
            };
            part.to_device(device)
        };
        let parts = || {
            own.shards
                .parts(self.len())
                .into_iter()
                .map(place)
                .collect()
        };
        Some(own.parts.get_or_init(parts))
    }
}

/// Sample indices as a tensor on `device`.
pub fn index_tensor(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    let count = indices.len();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}

/// Labels on a device, in the integers of its backend: a tensor that moves keeps those of the backend that it came from, and backends
/// refuse to compare integers of two sizes.
fn labels_on(labels: &Tensor<1, Int>, device: &Device) -> Tensor<1, Int> {
    let own = Tensor::<1, Int>::zeros([1], device).dtype();
    labels.clone().to_device(device).cast(own)
}
