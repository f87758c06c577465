//! The figures of a sweep as the values that tests compare.

use ls_core::figure::{FigureValue, Figures};
use ls_core::method::{
    ACCEPTED, CONDITION, Candidate, DAMPING, FORM, Form, OUTPUT_DAMPING, PENALIZED_LOSS, REJECTED,
    SCALING, STEP, Scaling,
};
use strum::VariantArray;

/// Reads the figures that several methods report.
pub(crate) trait Report {
    /// Number of steps taken; 0 where nothing was counted.
    fn accepted(&self) -> usize;
    /// Number of steps tried and not taken.
    fn rejected(&self) -> usize;
    /// The accepted step of `exact`.
    fn candidate(&self) -> Option<Candidate>;
    /// Whether the sweep took a quasi-Newton step.
    fn is_quasi_newton(&self) -> bool;
    /// Whether the sweep was an epoch in batches.
    fn is_in_batches(&self) -> bool;
    /// The condition of a stage, counted from 1.
    fn condition(&self, stage: usize) -> Option<f64>;
    /// The loss with its penalty.
    fn penalized_loss(&self) -> Option<f64>;
}

impl Report for Figures {
    fn accepted(&self) -> usize {
        self.number(&ACCEPTED).map_or(0, |count| count as usize)
    }

    fn rejected(&self) -> usize {
        self.number(&REJECTED).map_or(0, |count| count as usize)
    }

    fn candidate(&self) -> Option<Candidate> {
        let FigureValue::Word(form) = self.value(&FORM)? else {
            return None;
        };
        let FigureValue::Word(scaling) = self.value(&SCALING)? else {
            return None;
        };
        let mut forms = [Form::Corrected, Form::Descent].into_iter();
        let mut scalings = Scaling::VARIANTS.iter().copied();
        Some(Candidate {
            form: forms.find(|own| own.name() == form)?,
            scaling: scalings.find(|own| own.name() == scaling)?,
            step: self.number(&STEP)?,
            damping: self.number(&DAMPING)?,
            output_damping: self.number(&OUTPUT_DAMPING),
        })
    }

    fn is_quasi_newton(&self) -> bool {
        self.value(&FORM) == Some(FigureValue::Word("quasi-newton"))
    }

    fn is_in_batches(&self) -> bool {
        self.value(&FORM) == Some(FigureValue::Word("batches"))
    }

    fn condition(&self, stage: usize) -> Option<f64> {
        self.number(&CONDITION.at(stage))
    }

    fn penalized_loss(&self) -> Option<f64> {
        self.number(&PENALIZED_LOSS)
    }
}
