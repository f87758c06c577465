//! The settings that made the splits of a run.

use crate::config::{APPLICATION, DataConfig, RunConfig};
use crate::format::typed;
use crate::{Error, Result};

/// The settings by which splits were made. A run folder holds those of the plan that trains, and so they must be the same.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitSettings {
    dataset: String,
    limit: Option<usize>,
    validation: Option<usize>,
    folds: Option<usize>,
    fold: Option<usize>,
    test_share: Option<f64>,
    label_column: Option<String>,
    pixel_max: Option<f64>,
    /// `None` where nothing was drawn.
    seed: Option<u64>,
}

impl SplitSettings {
    /// Settings for a data set, whose test split was drawn by the seed or is its own.
    pub(super) fn new(data: &DataConfig, seed: u64, test_is_drawn: bool) -> Self {
        let is_drawn = test_is_drawn || data.validation.is_some() || data.fold.is_some();
        Self {
            dataset: data.dataset.clone(),
            limit: data.limit,
            validation: data.validation,
            folds: data.folds,
            fold: data.fold,
            test_share: data.test_share,
            label_column: data.label_column.clone(),
            pixel_max: data.pixel_max,
            seed: is_drawn.then_some(seed),
        }
    }

    /// Settings for samples of an application, to which the plan's data set means nothing.
    pub(super) fn for_application(data: &DataConfig, seed: u64) -> Self {
        Self {
            dataset: APPLICATION.into(),
            test_share: None,
            label_column: None,
            pixel_max: None,
            ..Self::new(data, seed, false)
        }
    }

    /// Checks that a configuration would make the same splits.
    ///
    /// # Errors
    /// [`Error::OtherPlan`], naming the first setting that differs.
    pub(crate) fn ensure_match(&self, config: &RunConfig) -> Result<()> {
        let number =
            |value: Option<usize>| value.map_or_else(|| "absent".into(), |v| v.to_string());
        let share = |value: Option<f64>| value.map_or_else(|| "absent".into(), typed);
        let name = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".into());
        let data = &config.data;
        let seed = self.seed.unwrap_or(config.seed);
        let own = [
            ("limit", number(self.limit), number(data.limit)),
            (
                "validation",
                number(self.validation),
                number(data.validation),
            ),
            ("folds", number(self.folds), number(data.folds)),
            ("fold", number(self.fold), number(data.fold)),
            ("seed", seed.to_string(), config.seed.to_string()),
        ];
        let of_data_sets = [
            ("dataset", self.dataset.clone(), data.dataset.clone()),
            ("test-share", share(self.test_share), share(data.test_share)),
            ("pixel-max", share(self.pixel_max), share(data.pixel_max)),
            (
                "label-column",
                name(&self.label_column),
                name(&data.label_column),
            ),
        ];
        let of_data_sets = of_data_sets
            .into_iter()
            .filter(|_| self.dataset != APPLICATION);
        let mut all = of_data_sets.chain(own);
        match all.find(|(_, found, planned)| found != planned) {
            None => Ok(()),
            Some((field, found, planned)) => Err(Error::OtherPlan {
                field,
                found,
                planned,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_decides_the_samples_must_be_the_same() {
        let mut config = RunConfig::default();
        config.data.validation = Some(5);
        let other = |change: &dyn Fn(&mut RunConfig)| {
            let mut other = config.clone();
            change(&mut other);
            other
        };
        let settings = SplitSettings::new(&config.data, config.seed, false);
        assert!(settings.ensure_match(&config).is_ok());
        let rest = other(&|c| c.sweeps = 3);
        assert!(settings.ensure_match(&rest).is_ok());
        let cases = [
            ("dataset", other(&|c| c.data.dataset = "mnist".into())),
            ("test-share", other(&|c| c.data.test_share = Some(0.5))),
            ("pixel-max", other(&|c| c.data.pixel_max = Some(16.0))),
            (
                "label-column",
                other(&|c| c.data.label_column = Some("last".into())),
            ),
            ("limit", other(&|c| c.data.limit = Some(7))),
            ("validation", other(&|c| c.data.validation = None)),
            ("folds", other(&|c| c.data.folds = Some(4))),
            ("fold", other(&|c| c.data.fold = Some(2))),
            ("seed", other(&|c| c.seed += 1)),
        ];
        for (expected, other) in &cases {
            let refused = settings.ensure_match(other).unwrap_err();
            assert!(
                matches!(refused, Error::OtherPlan { field, .. } if field == *expected),
                "{refused}"
            );
        }
        // The data set of a plan means nothing to samples of an application.
        let own = SplitSettings::for_application(&config.data, config.seed);
        for (field, other) in &cases {
            let is_refused = own.ensure_match(other).is_err();
            assert_eq!(
                is_refused,
                !["dataset", "test-share", "pixel-max", "label-column"].contains(field),
                "{field}"
            );
        }
    }

    #[test]
    fn a_seed_that_drew_no_sample_is_free() {
        let mut config = RunConfig::default();
        let undrawn = SplitSettings::new(&config.data, 1, false);
        let drawn = SplitSettings::new(&config.data, 1, true);
        config.seed = 2;
        assert!(undrawn.ensure_match(&config).is_ok());
        assert_eq!(
            drawn.ensure_match(&config).unwrap_err().to_string(),
            "seed was 1 when the splits were made, and is 2 in the plan that trains; make them by the same plan"
        );
    }
}
