//! A trained network with all that it needs to be used.

use std::path::Path;

use burn::tensor::Device;
use ls_core::linalg::to_f64;
use ls_core::network::Network;
use ls_core::objective::cross_entropy;
use ls_datasets::{Images, Samples};

use crate::config::RunConfig;
use crate::data::Preprocessing;
use crate::run_dir::RunDir;
use crate::{Error, Result};

/// Images of one forward pass; bounds its memory.
const CHUNK: usize = 4096;

/// The network that a run has left behind.
///
/// ```
/// use burn::tensor::Device;
/// use ls_datasets::{Source, SplitRule};
/// use ls_train::config::RunConfig;
/// use ls_train::data::Splits;
/// use ls_train::{Session, Trained, train};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let run = folder.path().join("digits");
/// let device = Device::flex();
/// let plan = RunConfig { sweeps: 2, ..RunConfig::default() }.check()?;
/// let splits = Splits::load(&plan, &device)?;
/// let summary = train(&plan, splits, Session::new(device.clone(), &run))?.summary;
///
/// let trained = Trained::load(&run, &device)?;
/// let digits = Source::DIGITS.load(None, &SplitRule::default())?;
/// let evaluation = trained.evaluate(&digits.test, &device)?;
/// assert_eq!(evaluation.accuracy, summary.test_accuracy());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Trained {
    /// The configuration of its run.
    pub config: RunConfig,
    /// What is done to pixels before the network sees them.
    pub preprocessing: Preprocessing,
    /// The weights.
    pub network: Network,
    /// The sweep of the checkpoint that the weights are those of, where the run has not ended.
    pub checkpoint: Option<usize>,
}

/// What a network says about one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Index of the most probable class.
    pub class: usize,
    /// `z`, one per class.
    pub logits: Vec<f64>,
    /// `softmax(z)`, 0 to 1.
    pub probabilities: Vec<f64>,
}

/// How a network does on labelled samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What the network says about each sample.
    pub predictions: Vec<Prediction>,
    /// `F`, mean over samples.
    pub original_loss_mean: f64,
    /// Share of correct samples, 0 to 1.
    pub accuracy: f64,
    /// Number of samples by class (first index) and predicted class.
    pub confusion: Vec<Vec<usize>>,
}

impl Trained {
    /// Loads the network of the run in a folder, with the weights that it ended with, or those of its last checkpoint where it goes on
    /// or was stopped.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::NoWeights`], [`Error::File`] or [`Error::Checkpoint`], naming what is missing or wrong; [`Error::Core`] with
    /// [`Error::ApplicationNetwork`] for a network that an application made, which [`load_into`](Self::load_into) loads.
    pub fn load(run: &Path, device: &Device) -> Result<Self> {
        let (config, preprocessing) = Self::read(run)?;
        let network = config.model.init(
            preprocessing.feature_shape(),
            preprocessing.classes.len(),
            config.seed,
            device,
        )?;
        Self::with_weights(network, run, config, preprocessing)
    }

    /// Loads the weights of the run in a folder into a network that was made as the one of the run.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::NoWeights`], [`Error::File`] or [`Error::Checkpoint`], naming what is missing or does not fit.
    pub fn load_into(network: Network, run: &Path) -> Result<Self> {
        let (config, preprocessing) = Self::read(run)?;
        Self::with_weights(network, run, config, preprocessing)
    }

    fn with_weights(
        network: Network,
        run: &Path,
        config: RunConfig,
        preprocessing: Preprocessing,
    ) -> Result<Self> {
        let (network, checkpoint) = RunDir::read_network(run, network)?;
        Ok(Self {
            config,
            preprocessing,
            network,
            checkpoint,
        })
    }

    fn read(run: &Path) -> Result<(RunConfig, Preprocessing)> {
        let config = RunDir::read_config(run)?;
        // A run that has not read its data has no weights either; one that has weights is told what is missing.
        if !RunDir::has_weights(run)? {
            return Err(Error::NoWeights { path: run.into() });
        }
        Ok((config, RunDir::read_preprocessing(run)?))
    }

    /// Classifies images, by a plain forward pass.
    ///
    /// # Errors
    /// [`Error::Core`] when the device failed, [`Error::NoPixels`] for a network that was trained on numbers of an application:
    /// those go through [`Network::forward`].
    pub fn predict(&self, images: &Images, device: &Device) -> Result<Vec<Prediction>> {
        self.classify(&images.pixels, images.pixel_max, device)
    }

    fn classify(&self, pixels: &[u8], pixel_max: u8, device: &Device) -> Result<Vec<Prediction>> {
        let features = self.preprocessing.shape().features();
        let classes = self.preprocessing.classes.len();
        let mut predictions = Vec::with_capacity(pixels.len() / features);
        for chunk in pixels.chunks(CHUNK * features) {
            let inputs = self.preprocessing.inputs(chunk, pixel_max, device)?;
            // Leaves the device once per chunk.
            let logits = to_f64(self.network.forward(inputs)).map_err(Error::Core)?;
            let rows = logits.chunks(classes);
            predictions.extend(rows.map(|logits| Prediction::new(logits.to_vec())));
        }
        Ok(predictions)
    }

    /// Measures the network on labelled samples, by a plain forward pass.
    ///
    /// # Errors
    /// [`Error::InvalidConfig`] when they are of another kind than those it was trained on, [`Error::Core`] when the device failed.
    pub fn evaluate(&self, samples: &Samples, device: &Device) -> Result<Evaluation> {
        self.ensure_same_kind(samples)?;
        let predictions = self.classify(samples.pixels(), samples.pixel_max(), device)?;
        let classes = self.preprocessing.classes.len();
        let mut confusion = vec![vec![0; classes]; classes];
        let mut loss_sum = 0.0;
        for (prediction, &label) in predictions.iter().zip(samples.labels()) {
            let label = usize::from(label);
            confusion[label][prediction.class] += 1;
            loss_sum += prediction.loss(label);
        }
        let correct: usize = (0..classes).map(|class| confusion[class][class]).sum();
        let count = samples.len() as f64;
        Ok(Evaluation {
            original_loss_mean: loss_sum / count,
            accuracy: correct as f64 / count,
            confusion,
            predictions,
        })
    }

    fn ensure_same_kind(&self, samples: &Samples) -> Result<()> {
        let own = &self.preprocessing;
        if samples.shape() != own.shape() {
            return Err(Error::InvalidConfig {
                field: "image shape",
                value: samples.shape().to_string(),
                allowed: "it must be that of the images that the network was trained on",
            });
        }
        if samples.classes() != own.classes {
            return Err(Error::InvalidConfig {
                field: "classes",
                value: samples.classes().join(", "),
                allowed: "they must be those that the network was trained on",
            });
        }
        Ok(())
    }
}

impl Prediction {
    /// Returns `ce(z, y)`, the loss of the image if its class is `y`.
    pub fn loss(&self, y: usize) -> f64 {
        cross_entropy::sample_loss(&self.logits, y)
    }

    fn new(logits: Vec<f64>) -> Self {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let class = logits.iter().position(|&z| z == most).unwrap_or(0);
        let exponentials: Vec<f64> = logits.iter().map(|z| (z - most).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        Self {
            class,
            probabilities: exponentials.iter().map(|e| e / sum).collect(),
            logits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_below_the_rounding_of_one_keep_their_digits() {
        let prediction = Prediction::new(vec![40.0, 0.0]);
        // log(1 + e^-40); the rounding of the argument makes a relative error of 40 units.
        let expected = (-40.0_f64).exp().ln_1p();
        assert!((prediction.loss(0) / expected - 1.0).abs() < 1e-14);
    }

    #[test]
    fn probabilities_are_the_softmax_even_of_huge_logits() {
        let prediction = Prediction::new(vec![1000.0, 1000.0 + 3.0_f64.ln(), -1000.0]);
        assert_eq!(prediction.class, 1);
        let expected = [0.25, 0.75, 0.0];
        for (found, expected) in prediction.probabilities.iter().zip(expected) {
            // Logits near 1000 keep 1e-13.
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
    }
}
