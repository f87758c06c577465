//! The memory of one stage: second moments of its inputs and gradients, their eigenvectors, moments of its steps.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::FoofConfig;
use super::gradient::{Gradient, Sampling, Wanted};
use super::moments::{Directions, Moments};
use crate::Result;
use crate::linalg::{Affine, Covariance, eigenvectors, leading_eigenvectors};
use crate::method::MethodState;

/// Rows of the first stage's inputs that its basis is computed from.
const FIRST_STAGE_ROWS: f64 = 2048.0;

/// Batches of which one is taken into the covariance of wide inputs: a product as large as that of their gradient.
const WIDE_INTERVAL: usize = 4;

/// Rows of a batch that second moments are computed from: at least so many where there are more, and so many for each column.
const LEAST_ROWS: usize = 1024;
const ROWS_PER_COLUMN: usize = 4;

/// Wider outputs keep their own coordinates: products with their bases would cost more than the gradient.
const WIDEST_OUTPUT: usize = 256;

/// The memory of one stage.
#[derive(Default)]
pub(super) struct Memory {
    /// `Σ_l` and the mean of the inputs.
    pub inputs: Option<Covariance>,
    /// The average of `G_lᵀ G_l / m` over batches of `m` rows; `None` for wide outputs.
    outputs: Option<Tensor<2>>,
    /// `U_l` and `Q_l`.
    pub directions: Option<Directions>,
    pub moments: Option<Moments>,
    /// Batches taken in, and those before the latest computation of the eigenvectors.
    batches: usize,
    refreshed: usize,
}

/// The numbers of the memory of one stage, which say which arrays there are.
#[derive(Serialize, Deserialize)]
pub(super) struct MemoryValues {
    batches: usize,
    refreshed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<f64>,
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    outputs: bool,
    /// Steps that the moments hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
}

impl Memory {
    /// Takes in the second moments of a batch. Returns whether directions are known; where a second moment is not finite they are not, and
    /// the memory starts anew.
    pub(super) fn take_in(&mut self, config: &FoofConfig, gradient: &Gradient) -> bool {
        let is_first = gradient.is_data;
        let wanted = self.wanted(config, gradient.dims(), is_first);
        let was_open = self.is_open();
        // Averages change much while a run is young: after as many batches again.
        let interval = config.refresh.min(self.refreshed);
        let refresh = self.batches >= self.refreshed + interval;
        if refresh {
            self.refreshed = self.batches;
        }
        let settles = self.take_in_inputs(config, gradient, wanted.inputs);
        self.take_in_outputs(config, gradient, wanted.outputs);
        self.batches += 1;
        let known = match refresh || settles {
            true => self.refresh(config.rank, is_first, !is_first || was_open),
            false => Some(()),
        };
        if known.is_none() {
            *self = Self::default();
        }
        known.is_some()
    }

    /// Computes the eigenvectors, of the inputs only where they may have changed; `None` where a second moment is not finite.
    fn refresh(&mut self, rank: usize, is_first: bool, renew_input: bool) -> Option<()> {
        let old = self.directions.take();
        let input = match &old {
            Some(old) if !renew_input => old.input.clone(),
            _ => self.input_basis(rank)?,
        };
        let output = match &self.outputs {
            Some(moment) => Some(eigenvectors(moment)?),
            None => None,
        };
        let new = Directions { input, output };
        let inputs = self.inputs.as_ref().filter(|_| is_first);
        let mean = inputs.map(|inputs| inputs.arrays().1.unsqueeze());
        if let (Some(moments), Some(old)) = (&mut self.moments, &old) {
            moments.turn(old, &new, mean.as_ref());
        }
        self.directions = Some(new);
        Some(())
    }

    /// Whether more rows of the first stage are to come.
    fn is_open(&self) -> bool {
        let seen = self.inputs.as_ref().map_or(0.0, Covariance::rows);
        seen < FIRST_STAGE_ROWS
    }

    /// Returns which second moments of a batch the next step takes in, of so many rows with inputs and outputs of given widths.
    pub(super) fn wanted(
        &self,
        config: &FoofConfig,
        [rows, width, outputs]: [usize; 3],
        is_first: bool,
    ) -> Wanted {
        let sampling = |width: usize| {
            let kept = LEAST_ROWS.max(ROWS_PER_COLUMN * width);
            Sampling::of(rows, kept, self.batches)
        };
        let is_skipped = !self.batches.is_multiple_of(WIDE_INTERVAL) && self.inputs.is_some();
        let is_known = match is_first {
            true => !self.is_open(),
            false => is_wide(config, width) && is_skipped,
        };
        Wanted {
            inputs: (!is_known).then(|| sampling(width)),
            outputs: (outputs <= WIDEST_OUTPUT).then(|| sampling(outputs)),
        }
    }

    /// Returns whether the inputs of the first stage are known from now on: they are the samples.
    fn take_in_inputs(
        &mut self,
        config: &FoofConfig,
        gradient: &Gradient,
        wanted: Option<Sampling>,
    ) -> bool {
        let Some(own) = wanted.and_then(|sampling| gradient.covariance(sampling)) else {
            return false;
        };
        let (is_first, [_, width, _]) = (gradient.is_data, gradient.dims());
        let past = match (is_first, is_wide(config, width)) {
            (true, _) => 1.0,
            (false, false) => config.average,
            (false, true) => config.average.powi(WIDE_INTERVAL as i32),
        };
        self.inputs = Some(match self.inputs.take() {
            Some(average) => average.scaled(past).plus(own),
            None => own,
        });
        is_first && !self.is_open()
    }

    fn take_in_outputs(
        &mut self,
        config: &FoofConfig,
        gradient: &Gradient,
        wanted: Option<Sampling>,
    ) {
        let Some(own) = wanted.and_then(|sampling| gradient.output_moment(sampling)) else {
            return;
        };
        self.outputs = Some(match self.outputs.take() {
            Some(average) => average * config.average + own * (1.0 - config.average),
            None => own,
        });
    }

    /// `U_l`: all eigenvectors, or the leading ones of wide inputs.
    fn input_basis(&self, rank: usize) -> Option<Tensor<2>> {
        let (scatter, _) = self.inputs.as_ref()?.arrays();
        let [width, _] = scatter.dims();
        match width > 2 * rank {
            true => leading_eigenvectors(&scatter, rank),
            false => eigenvectors(&scatter),
        }
    }

    /// The numbers, which say which arrays there are.
    pub(super) fn values(&self) -> MemoryValues {
        MemoryValues {
            batches: self.batches,
            refreshed: self.refreshed,
            rows: self.inputs.as_ref().map(Covariance::rows),
            outputs: self.outputs.is_some(),
            steps: self.moments.as_ref().map(Moments::steps),
        }
    }

    /// Adds the arrays to a saved state, in the order in which [`restored`](Self::restored) takes them.
    pub(super) fn push_arrays(&self, state: &mut MethodState) {
        if let (Some(inputs), Some(directions)) = (&self.inputs, &self.directions) {
            let (scatter, mean) = inputs.arrays();
            state.push(scatter);
            state.push(mean);
            state.push(directions.input.clone());
        }
        let basis = self.directions.as_ref().and_then(|own| own.output.clone());
        if let (Some(outputs), Some(basis)) = (&self.outputs, basis) {
            state.push(outputs.clone());
            state.push(basis);
        }
        if let Some(moments) = &self.moments {
            moments.push_arrays(state);
        }
    }

    /// Takes the arrays out of a saved state.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when there are fewer.
    pub(super) fn restored(values: &MemoryValues, state: &mut MethodState) -> Result<Self> {
        let mut memory = Self {
            batches: values.batches,
            refreshed: values.refreshed,
            ..Self::default()
        };
        if let Some(rows) = values.rows {
            memory.inputs = Some(Covariance::from_arrays(state.take()?, state.take()?, rows));
            let input = state.take()?;
            let mut output = None;
            if values.outputs {
                memory.outputs = Some(state.take()?);
                output = Some(state.take()?);
            }
            memory.directions = Some(Directions { input, output });
        }
        if let Some(steps) = values.steps {
            memory.moments = Some(Moments::restored(steps, state)?);
        }
        Ok(memory)
    }
}

/// Whether inputs have a basis of low rank.
fn is_wide(config: &FoofConfig, width: usize) -> bool {
    width > 2 * config.rank
}

/// Adds coefficients to a saved state.
pub(super) fn push_affine(state: &mut MethodState, affine: &Affine) {
    state.push(affine.kernel.clone());
    state.push(affine.bias.clone());
}

/// Takes coefficients out of a saved state.
pub(super) fn take_affine(state: &mut MethodState) -> Result<Affine> {
    Ok(Affine {
        kernel: state.take()?,
        bias: state.take()?,
    })
}
