//! What the network makes of the test images: confusion matrix and misclassified images.

use ls_datasets::Samples;
use serde::Serialize;

use super::figures::percent;
use super::pictures;
use crate::{Prediction, Result, Trained};
use burn::tensor::Device;

/// Misclassified images that are shown.
const SHOWN: usize = 24;

/// The test split, classified.
#[derive(Serialize)]
pub(super) struct TestImages {
    samples: usize,
    accuracy: String,
    /// Class names are too long to stand above their columns.
    has_long_names: bool,
    classes: Vec<String>,
    rows: Vec<Row>,
    wrong: usize,
    mistakes: Vec<Mistake>,
}

/// The test images of one class.
#[derive(Serialize)]
struct Row {
    class: String,
    cells: Vec<Cell>,
    correct: String,
}

#[derive(Serialize)]
struct Cell {
    count: usize,
    is_correct: bool,
    /// How strong its ground is, 0 to 1.
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
    /// [`crate::Error::InvalidConfig`] when it is of another kind than the network was trained on, [`crate::Error::Core`] when
    /// the device failed.
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
                .map(|(class, counts)| Row::new(&classes[class], class, counts))
                .collect(),
            wrong: samples.len() - correct,
            mistakes: mistakes(samples, &evaluation.predictions)?,
            classes,
        })
    }
}

impl Row {
    fn new(name: &str, class: usize, counts: &[usize]) -> Self {
        let all: usize = counts.iter().sum();
        let share = |count: usize| count as f64 / all.max(1) as f64;
        let cell = |(predicted, &count): (usize, &usize)| Cell {
            count,
            is_correct: predicted == class,
            // Mistakes are few: a root makes them visible.
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

/// The misclassified images with the largest loss.
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
