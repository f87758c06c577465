//! The options that choose the method and its settings.

use clap::{Args, ValueEnum};
use ls_core::method::{Scaling, Storage};
use ls_train::config::{
    AlternatingSettings, BackpropSettings, BlockUpdate, ExactSettings, MethodConfig, OptimizerKind,
    Schedule,
};

use super::WeightingArgs;
use super::values::{count, named, refuse, set};
use crate::failure::Failure;

/// The options that choose the method and its settings.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub(crate) struct SettingsArgs {
    /// Training method [default: exact]
    #[arg(long, value_enum, help_heading = "Method")]
    method: Option<MethodName>,
    /// With `exact`: step τ of the targets, in place of the one found in every sweep
    #[arg(long, value_name = "TAU", help_heading = "Method")]
    step: Option<f64>,
    /// With `exact`: scaling of the displacements, in place of the one found in every sweep
    #[arg(long, value_parser = named(&Scaling::ALL, Scaling::name), help_heading = "Method")]
    scaling: Option<Scaling>,
    /// Damping μ of the Gram matrices [default: found in every sweep by `exact`, 0.01 for `alternating`]
    #[arg(long, value_name = "MU", help_heading = "Method")]
    damping: Option<f64>,
    /// With `exact`: keep no activations between the passes of a sweep; slower, in less memory
    #[arg(long, help_heading = "Method")]
    recompute: bool,
    /// With `exact`: samples that are passed through the stages at once [default: by the size of the stages]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
    chunk: Option<usize>,
    /// λ of a penalty λ/2 Σ‖W‖² on the weights: with `exact` it is the loss with its penalty that never rises [default: 0 for
    /// `exact`, for `backprop` that of the optimizer]
    #[arg(long, value_name = "LAMBDA", help_heading = "Method")]
    weight_decay: Option<f64>,
    /// Passes over the auxiliary blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
    auxiliary_passes: Option<usize>,
    /// Passes over the weight blocks in a sweep of `alternating` [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Method")]
    weight_passes: Option<usize>,
    /// With `alternating`: never return samples to the feasible point
    #[arg(long, help_heading = "Method")]
    no_restart: bool,
    /// Optimizer of `backprop` [default there: adam]; with `alternating` it moves the blocks instead of line searches, without
    /// a guarantee
    #[arg(long, value_parser = named(&OptimizerKind::ALL, OptimizerKind::name), help_heading = "Method")]
    optimizer: Option<OptimizerKind>,
    /// Learning rate of the optimizer [default: one that suits it]
    #[arg(long, value_name = "RATE", help_heading = "Method")]
    learning_rate: Option<f64>,
    /// With `backprop`: course of the learning rate over the run [default: constant]
    #[arg(long, value_parser = named(&Schedule::ALL, Schedule::name), help_heading = "Method")]
    schedule: Option<Schedule>,
    /// Learning rate of the auxiliary variables, with `alternating --optimizer` [default: the learning rate]
    #[arg(long, value_name = "RATE", help_heading = "Method")]
    auxiliary_learning_rate: Option<f64>,
    #[command(flatten)]
    weighting: WeightingArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MethodName {
    /// Restarted separation with exact weight blocks; in full batch the original loss never rises
    Exact,
    /// Alternating minimization of the separated loss
    Alternating,
    /// Gradients through the whole depth: the baseline
    Backprop,
}

impl SettingsArgs {
    /// Returns the method of `base`, or another one from its defaults, with the given options in place of its own values.
    ///
    /// # Errors
    /// Exit code 2 for options that have no meaning with the method.
    pub(crate) fn config(&self, base: MethodConfig) -> Result<MethodConfig, Failure> {
        let name = self.method.unwrap_or(match base {
            MethodConfig::Exact(_) => MethodName::Exact,
            MethodConfig::Alternating(_) => MethodName::Alternating,
            MethodConfig::Backprop(_) => MethodName::Backprop,
        });
        self.refuse_options_of_other_methods(name)?;
        match name {
            MethodName::Exact => self.exact(match base {
                MethodConfig::Exact(settings) => settings,
                _ => ExactSettings::default(),
            }),
            MethodName::Backprop => Ok(self.backprop(match base {
                MethodConfig::Backprop(settings) => Some(settings),
                _ => None,
            })),
            MethodName::Alternating => self.alternating(match base {
                MethodConfig::Alternating(settings) => settings,
                _ => AlternatingSettings::default(),
            }),
        }
    }

    fn exact(&self, mut settings: ExactSettings) -> Result<MethodConfig, Failure> {
        settings.step = self.step.or(settings.step);
        settings.damping = self.damping.or(settings.damping);
        settings.scaling = self.scaling.or(settings.scaling);
        settings.chunk = self.chunk.or(settings.chunk);
        set(&mut settings.weight_decay, self.weight_decay);
        if self.recompute {
            settings.storage = Storage::Recomputed;
        }
        settings.weighting = self.weighting.config(settings.weighting)?;
        Ok(MethodConfig::Exact(settings))
    }

    fn backprop(&self, base: Option<BackpropSettings>) -> MethodConfig {
        let adam = OptimizerKind::Adam;
        let optimizer = base.as_ref().map_or(adam, |settings| settings.optimizer);
        let optimizer = self.optimizer.unwrap_or(optimizer);
        // A rate belongs to its optimizer.
        let rate = base
            .as_ref()
            .filter(|settings| settings.optimizer == optimizer)
            .map_or(optimizer.learning_rate(), |settings| settings.learning_rate);
        let decay = base.as_ref().and_then(|settings| settings.weight_decay);
        let schedule = base.map(|settings| settings.schedule).unwrap_or_default();
        MethodConfig::Backprop(BackpropSettings {
            optimizer,
            learning_rate: self.learning_rate.unwrap_or(rate),
            schedule: self.schedule.unwrap_or(schedule),
            weight_decay: self.weight_decay.or(decay),
        })
    }

    fn alternating(&self, mut settings: AlternatingSettings) -> Result<MethodConfig, Failure> {
        settings.weighting = self.weighting.config(settings.weighting)?;
        set(&mut settings.auxiliary_passes, self.auxiliary_passes);
        set(&mut settings.weight_passes, self.weight_passes);
        settings.restart &= !self.no_restart;
        settings.update = self.block_update(settings.update)?;
        Ok(MethodConfig::Alternating(settings))
    }

    fn block_update(&self, base: BlockUpdate) -> Result<BlockUpdate, Failure> {
        let base = match (base, self.optimizer) {
            (BlockUpdate::Optimizer { optimizer, .. }, Some(given)) if optimizer != given => {
                BlockUpdate::with(given)
            }
            (BlockUpdate::LineSearch { .. }, Some(given)) => BlockUpdate::with(given),
            (base, _) => base,
        };
        match base {
            BlockUpdate::LineSearch { damping } => self.line_search(damping),
            BlockUpdate::Optimizer {
                optimizer,
                learning_rate,
                auxiliary_learning_rate,
            } => {
                refuse("--optimizer", &[("--damping", self.damping.is_some())])?;
                let both = self.learning_rate;
                Ok(BlockUpdate::Optimizer {
                    optimizer,
                    learning_rate: both.unwrap_or(learning_rate),
                    auxiliary_learning_rate: self
                        .auxiliary_learning_rate
                        .or(both)
                        .unwrap_or(auxiliary_learning_rate),
                })
            }
        }
    }

    fn line_search(&self, damping: f64) -> Result<BlockUpdate, Failure> {
        let [rate, auxiliary_rate] = [self.learning_rate, self.auxiliary_learning_rate];
        let rates = [
            ("--learning-rate", rate.is_some()),
            ("--auxiliary-learning-rate", auxiliary_rate.is_some()),
        ];
        refuse("`alternating`, which finds its own steps", &rates).map_err(|failure| {
            failure.hint(
                "add --optimizer to let an optimizer move the blocks, or use --method backprop",
            )
        })?;
        let damping = self.damping.unwrap_or(damping);
        Ok(BlockUpdate::LineSearch { damping })
    }

    /// Refuses an option that the method would ignore.
    fn refuse_options_of_other_methods(&self, chosen: MethodName) -> Result<(), Failure> {
        use MethodName::{Alternating, Backprop, Exact};
        let optimizing: &[MethodName] = &[Alternating, Backprop];
        let own = [
            ("--step", self.step.is_some(), &[Exact][..]),
            ("--scaling", self.scaling.is_some(), &[Exact]),
            ("--recompute", self.recompute, &[Exact]),
            ("--chunk", self.chunk.is_some(), &[Exact]),
            (
                "--weight-decay",
                self.weight_decay.is_some(),
                &[Exact, Backprop],
            ),
            ("--damping", self.damping.is_some(), &[Exact, Alternating]),
            (
                "--auxiliary-passes",
                self.auxiliary_passes.is_some(),
                &[Alternating],
            ),
            (
                "--weight-passes",
                self.weight_passes.is_some(),
                &[Alternating],
            ),
            ("--no-restart", self.no_restart, &[Alternating]),
            ("--optimizer", self.optimizer.is_some(), optimizing),
            ("--learning-rate", self.learning_rate.is_some(), optimizing),
            ("--schedule", self.schedule.is_some(), &[Backprop]),
            (
                "--auxiliary-learning-rate",
                self.auxiliary_learning_rate.is_some(),
                &[Alternating],
            ),
        ];
        let weighting = self.weighting.given();
        let weighting = weighting.map(|(name, given)| (name, given, &[Exact, Alternating][..]));
        let out_of_place: Vec<_> = own
            .into_iter()
            .chain(weighting)
            .map(|(name, given, methods)| (name, given && !methods.contains(&chosen)))
            .collect();
        let method = chosen.to_possible_value();
        let place = method.map_or_else(String::new, |value| {
            format!("--method {}", value.get_name())
        });
        refuse(&place, &out_of_place).map_err(|failure| {
            failure.hint("`layersep train --help` lists the options of each method")
        })
    }
}
