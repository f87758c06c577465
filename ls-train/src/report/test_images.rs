//! The test images as the network classifies them: confusion matrix and misclassified images.

use burn::tensor::Device;
use ls_datasets::Samples;
use serde::Serialize;

use super::format::percent;
use super::pictures;
use crate::{Prediction, Result, Trained};

/// Number of misclassified images on the page.
const SHOWN: usize = 24;

/// The classified test split.
#[derive(Serialize)]
pub(super) struct TestImages {
    samples: usize,
    accuracy: String,
    /// Whether class names are too long for the heads of their columns.
    has_long_names: bool,
    classes: Vec<String>,
    rows: Vec<ConfusionRow>,
    wrong: usize,
    mistakes: Vec<Mistake>,
}

/// A row of the confusion matrix: the test images of one class.
#[derive(Serialize)]
struct ConfusionRow {
    class: String,
    cells: Vec<ConfusionCell>,
    correct: String,
}

/// A cell of the confusion matrix.
#[derive(Serialize)]
struct ConfusionCell {
    count: usize,
    is_correct: bool,
    /// Opacity of the background, 0 to 1.
    strength: f64,
}

/// A misclassified image.
#[derive(Serialize)]
struct Mistake {
    picture: String,
    class: String,
    predicted: String,
    probability: String,
}

impl TestImages {
    /// Classifies a test split.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`] when shape or classes differ from those of the training samples, [`crate::Error::Core`]
    /// when the device failed.
    pub(super) fn classify(trained: &Trained, samples: &Samples, device: &Device) -> Result<Self> {
        let evaluation = trained.evaluate(samples, device)?;
        let classes = samples.classes().to_vec();
        let confusion = &evaluation.confusion;
        let correct: usize = (0..classes.len())
            .map(|class| confusion[class][class])
            .sum();
        let rows = confusion.iter().enumerate();
        Ok(Self {
            samples: samples.len(),
            accuracy: percent(evaluation.accuracy),
            has_long_names: classes.iter().any(|name| name.chars().count() > 4),
            rows: rows
                .map(|(class, counts)| ConfusionRow::new(&classes[class], class, counts))
                .collect(),
            wrong: samples.len() - correct,
            mistakes: mistakes(samples, &evaluation.predictions)?,
            classes,
        })
    }
}

impl ConfusionRow {
    fn new(name: &str, class: usize, counts: &[usize]) -> Self {
        let all: usize = counts.iter().sum();
        let share = |count: usize| count as f64 / all.max(1) as f64;
        let cell = |(predicted, &count): (usize, &usize)| ConfusionCell {
            count,
            is_correct: predicted == class,
            // Mistakes are few; the square root makes them visible.
            strength: if predicted == class {
                0.6 * share(count)
            } else {
                0.8 * share(count).sqrt()
            },
        };
        Self {
            class: name.into(),
            cells: counts.iter().enumerate().map(cell).collect(),
            correct: if all == 0 {
                "–".into()
            } else {
                percent(share(counts[class]))
            },
        }
    }
}

/// Returns the misclassified images with the largest losses, the largest first.
fn mistakes(samples: &Samples, predictions: &[Prediction]) -> Result<Vec<Mistake>> {
    let label = |i: usize| usize::from(samples.labels()[i]);
    let mut wrong: Vec<(usize, f64)> = predictions
        .iter()
        .enumerate()
        .filter(|(i, prediction)| prediction.class != label(*i))
        .map(|(i, prediction)| (i, prediction.loss(label(i))))
        .collect();
    wrong.sort_by(|a, b| b.1.total_cmp(&a.1));
    let shown = wrong.iter().take(SHOWN);
    shown
        .filter_map(|&(i, _)| Some((i, samples.image(i)?)))
        .map(|(i, pixels)| {
            let prediction = &predictions[i];
            Ok(Mistake {
                picture: pictures::sample(pixels, samples.shape(), samples.pixel_max())?,
                class: samples.classes()[label(i)].clone(),
                predicted: samples.classes()[prediction.class].clone(),
                probability: percent(prediction.probabilities[prediction.class]),
            })
        })
        .collect()
}
