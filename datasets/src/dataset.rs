use crate::{Error, Samples, SplitRule};

/// Training samples and test samples of one shape and one list of classes.
///
/// A program can build a data set from images in memory:
///
/// ```
/// use ls_datasets::{Dataset, ImageShape, Samples, SplitRule};
///
/// let shape = ImageShape { channels: 1, height: 1, width: 2 };
/// // Ten images of two pixels: bright on the left, or on the right.
/// let pixels = [[255, 0], [0, 255]].repeat(5).concat();
/// let labels = [0, 1].repeat(5);
/// let classes = vec!["left".into(), "right".into()];
/// let samples = Samples::new("bars", shape, pixels, 255, labels, classes)?;
///
/// let rule = SplitRule { seed: 1, test_share: 0.2 };
/// let bars = Dataset::split("bars", "bars", &samples, &rule)?;
/// assert_eq!((bars.train.len(), bars.test.len()), (8, 2));
/// # Ok::<(), ls_datasets::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Dataset {
    /// Name, for example of the [`Source`](crate::Source).
    pub name: String,
    /// Training samples.
    pub train: Samples,
    /// Test samples.
    pub test: Samples,
    /// Remark on this copy for readers of results, such as the list of files that were found.
    pub note: Option<String>,
    /// Whether a [`SplitRule`] drew the test split, because the data comes without one.
    pub test_is_drawn: bool,
}

impl Dataset {
    /// Combines two splits, without a note.
    ///
    /// # Errors
    /// [`Error::SplitMismatch`] when shape, largest pixel value or class names differ.
    pub fn new(name: impl Into<String>, train: Samples, test: Samples) -> Result<Self, Error> {
        let name = name.into();
        let compared = [
            (
                "image shape",
                train.shape().to_string(),
                test.shape().to_string(),
            ),
            (
                "largest pixel value",
                train.pixel_max().to_string(),
                test.pixel_max().to_string(),
            ),
            (
                "class names",
                train.classes().join(", "),
                test.classes().join(", "),
            ),
        ];
        for (field, train, test) in compared {
            if train != test {
                return Err(Error::SplitMismatch {
                    dataset: name,
                    field,
                    train,
                    test,
                });
            }
        }
        Ok(Self {
            name,
            train,
            test,
            note: None,
            test_is_drawn: false,
        })
    }

    /// Draws a test split from samples that come without one, and notes it; errors name `origin` as their file.
    ///
    /// # Errors
    /// [`Error::ShareOutOfRange`], or [`Error::NothingToHoldOut`] when no class has two samples.
    pub fn split(
        name: impl Into<String>,
        origin: &str,
        samples: &Samples,
        rule: &SplitRule,
    ) -> Result<Self, Error> {
        let (train, test) = rule.split(origin, samples)?;
        let note = format!(
            "the data has no test split: {} of {} samples were held out by seed {}",
            test.len(),
            samples.len(),
            rule.seed
        );
        Ok(Self {
            note: Some(note),
            test_is_drawn: true,
            ..Self::new(name, train, test)?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageShape;

    fn one_image(width: usize, pixel_max: u8, class: &str) -> Samples {
        let shape = ImageShape {
            channels: 1,
            height: 1,
            width,
        };
        Samples::new(
            "test",
            shape,
            vec![1; width],
            pixel_max,
            vec![0],
            vec![class.to_owned()],
        )
        .unwrap()
    }

    #[test]
    fn splits_of_different_kinds_are_refused_by_name_of_the_difference() {
        let others = [
            (
                one_image(3, 16, "a"),
                "image shape is 1×1×2 in the train split but 1×1×3",
            ),
            (
                one_image(2, 255, "a"),
                "largest pixel value is 16 in the train split but 255",
            ),
            (
                one_image(2, 16, "b"),
                "class names is a in the train split but b",
            ),
        ];
        for (test, expected) in others {
            let error = Dataset::new("x", one_image(2, 16, "a"), test)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn splits_of_the_same_kind_make_a_dataset_without_a_note() {
        let dataset = Dataset::new("x", one_image(2, 16, "a"), one_image(2, 16, "a")).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.note), ("x", None));
    }
}
