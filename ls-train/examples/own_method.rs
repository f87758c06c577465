//! A method of an application's own: trained, killed half-way, resumed bit for bit, and reported with its own figures.
//!
//! The method is sign descent: every weight moves by a step of equal length against the sign of its gradient, and the step shrinks
//! where a sweep did not lower the loss. The library does not know it, and needs no change for it.
//!
//! ```sh
//! cargo run --release --example own_method -p ls-train
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

// ANCHOR: method
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use ls_core::batch::Batch;
use ls_core::figure::{Better, Figure, Figures};
use ls_core::method::{Method, MethodState, Objective, Separated, gradients};
use ls_core::objective::measure;
use serde::{Deserialize, Serialize};

const STEP_LENGTH: Figure = Figure::new("Step length");
const GRADIENT_NORM: Figure = Figure::new("Gradient norm").better(Better::Lower);

/// Moves every weight by a step of equal length against the sign of its gradient.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct SignDescent {
    step: f64,
    last_loss: f64,
}

impl SignDescent {
    fn new(step: f64) -> Self {
        let last_loss = f64::INFINITY;
        Self { step, last_loss }
    }
}

impl Method for SignDescent {
    fn name(&self) -> &str {
        "sign-descent"
    }

    fn objective(&self) -> Objective {
        Objective::ORIGINAL
    }

    fn figures(&self) -> Vec<Figure> {
        vec![STEP_LENGTH, GRADIENT_NORM]
    }

    fn sweep(&mut self, model: &mut Separated, batch: &Batch) -> ls_core::Result<Figures> {
        let loss = measure(&model.network, None, batch)?.original_loss_mean;
        if loss >= self.last_loss {
            self.step /= 2.0;
        }
        self.last_loss = loss;
        let mut descent = SignStep {
            step: self.step,
            gradients: gradients(&model.network.clone().train(), batch),
            square_sum: 0.0,
        };
        model.network = model.network.clone().map(&mut descent);
        Ok(Figures::default()
            .with(STEP_LENGTH, self.step)
            .with(GRADIENT_NORM, descent.square_sum.sqrt()))
    }

    fn save(&self) -> ls_core::Result<MethodState> {
        MethodState::new(self)
    }

    fn restore(&mut self, state: MethodState) -> ls_core::Result<()> {
        *self = state.read()?;
        Ok(())
    }
}

/// One step of all weights.
struct SignStep {
    step: f64,
    gradients: GradientsParams,
    square_sum: f64,
}

impl ModuleMapper for SignStep {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(parameter.id) else {
            return parameter;
        };
        let square_sum = gradient.clone().square().sum();
        self.square_sum += square_sum.into_scalar::<f64>();
        parameter.map(|weights| weights - gradient.sign() * self.step)
    }
}
// ANCHOR_END: method

// ANCHOR: training
use burn::tensor::Device;
use ls_core::fit::{Observer, SweepRecord};
use ls_core::model::{MlpConfig, ModelConfig};
use ls_core::network::Network;
use ls_core::stage::Activation;
use ls_train::config::RunConfig;
use ls_train::data::Splits;
use ls_train::observe::CheckpointRule;
use ls_train::{Outcome, Session, Start, Training};

const SWEEPS: usize = 40;
const STEP: f64 = 3e-3;

/// Trains in a run folder; `killed_after` ends the process after a sweep, as a power failure would.
fn train(
    run: &Path,
    start: Start,
    killed_after: Option<usize>,
) -> Result<Outcome, ls_train::Error> {
    let device = Device::flex();
    let mlp = MlpConfig::new(vec![32], Activation::Tanh);
    let plan = RunConfig {
        sweeps: SWEEPS,
        model: ModelConfig::Mlp(mlp).into(),
        ..RunConfig::default()
    }
    .check()?;
    let splits = Splits::load(&plan, &device)?;
    let mut session = Session {
        start,
        checkpoints: CheckpointRule::Every(1),
        ..Session::new(device, run)
    };
    if let Some(sweep) = killed_after {
        session = session.observe(Kill { sweep });
    }
    // The run folder keeps the settings, and a resumed run with other ones is refused.
    let settings = toml::Table::from_iter([("step".to_owned(), STEP.into())]);
    Training::new(&plan, splits)
        .method((SignDescent::new(STEP), settings))
        .run(session)
}
// ANCHOR_END: training

/// Ends the process once a sweep has begun, and leaves nobody time to clean up.
struct Kill {
    sweep: usize,
}

impl Observer<ls_train::Error> for Kill {
    fn sweep_ended(&mut self, record: &SweepRecord) -> Result<(), ls_train::Error> {
        if record.sweep == self.sweep {
            std::process::abort();
        }
        Ok(())
    }
}

/// The weights, bit for bit.
fn bits(network: &Network) -> Result<Vec<u64>, ls_core::Error> {
    let mut bits = Vec::new();
    for stage in network.stages() {
        if let Some(affine) = stage.affine() {
            let weights = affine.coefficients();
            for values in [
                ls_core::linalg::to_f64(weights.kernel)?,
                ls_core::linalg::to_f64(weights.bias)?,
            ] {
                bits.extend(values.iter().map(|value| value.to_bits()));
            }
        }
    }
    Ok(bits)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "runs/own-method".into()));
    let (whole, killed) = (folder.join("whole"), folder.join("killed"));
    if arguments.next().as_deref() == Some("killed") {
        train(&killed, Start::Overwrite, Some(SWEEPS / 2))?;
    }

    let uninterrupted = train(&whole, Start::Overwrite, None)?;
    println!(
        "{SWEEPS} sweeps of sign descent: original loss {:.4}, {:.2} % of the test images are right",
        uninterrupted.summary.train.original_loss(),
        100.0 * uninterrupted.summary.test_accuracy()
    );

    // ANCHOR: resume
    // A second process is killed half-way, and this one goes on from its last checkpoint.
    let status = Command::new(std::env::current_exe()?)
        .args([folder.as_os_str(), "killed".as_ref()])
        .stderr(std::process::Stdio::null())
        .status()?;
    println!(
        "a second run was killed after {} sweeps: {status}",
        SWEEPS / 2
    );
    let resumed = train(&killed, Start::Resume, None)?;
    let is_equal = bits(&resumed.network)? == bits(&uninterrupted.network)?;
    println!("resumed, its weights are equal bit for bit: {is_equal}");
    // ANCHOR_END: resume

    // ANCHOR: report
    let options = ls_train::report::ReportOptions {
        runs: &[whole, killed],
        data: None,
        device: &Device::flex(),
    };
    let report = ls_train::report::Report::gather(&options, &mut |_| {})?;
    let page = folder.join("report.html");
    report.write(&page)?;
    println!(
        "a report with the figures of the method is in {}",
        page.display()
    );
    // ANCHOR_END: report
    if is_equal && !status.success() {
        Ok(())
    } else {
        Err("the resumed run differs from the uninterrupted one".into())
    }
}
