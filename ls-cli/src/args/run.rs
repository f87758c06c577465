//! The options that decide a run: everything that a configuration file says.

use core::str::FromStr;
use core::time::Duration;
use std::path::{Path, PathBuf};

use clap::Args;
use ls_train::config::{BatchSize, ImageChange, MethodConfig, Plan, Precision, RunConfig};
use ls_train::run_dir::RunDir;

use super::method::MethodArgs;
use super::overrides::SetArgs;
use super::values::{count, finite, named, set, whole_number};
use super::{ModelArgs, SampleArgs};
use crate::failure::Failure;

/// The options that choose the device and its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct ComputeArgs {
    /// Device to compute on, as `layersep devices` lists them: flex, or ndarray, wgpu, cuda, remote where compiled in [default: flex]
    #[arg(long)]
    device: Option<String>,
    /// Numbers to compute in; f64 takes twice the memory, and a device that has them [default: f32]
    #[arg(long, value_parser = named(&Precision::ALL, Precision::name))]
    precision: Option<Precision>,
}

impl ComputeArgs {
    /// Replaces the device and the precision of a configuration by the given ones.
    pub(crate) fn apply(&self, config: &mut RunConfig) {
        set(&mut config.device, self.device.clone());
        set(&mut config.precision, self.precision);
    }
}

/// The option that opens the workers among devices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct TokenArgs {
    /// File with the token that the workers of `--device remote:…` ask for
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Returns the file.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }
}

/// The options that choose the devices of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct DeviceArgs {
    #[command(flatten)]
    compute: ComputeArgs,
    /// With a list of devices, as in `--device cuda:0,cuda:1`: their shares of the samples, as whole numbers or by their speed, which is
    /// measured once [default: equal shares]
    #[arg(long, value_name = "N,...|measured")]
    shares: Option<SharesArg>,
    #[command(flatten)]
    token: TokenArgs,
    /// Seconds for which a worker may be silent before the run ends [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = count::<u64>())]
    worker_timeout: Option<u64>,
}

impl DeviceArgs {
    /// Replaces devices, shares and precision of a configuration by the given ones.
    fn apply(&self, config: &mut RunConfig) {
        self.compute.apply(config);
        match &self.shares {
            Some(SharesArg::Given(shares)) => config.shares = Some(shares.clone()),
            Some(SharesArg::Measured) => config.shares = None,
            // Shares belong to their devices.
            None if self.compute.device.is_some() => config.shares = None,
            None => {}
        }
    }
}

/// Shares of the samples.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SharesArg {
    Given(Vec<u32>),
    /// In proportion to the speed of the devices.
    Measured,
}

impl FromStr for SharesArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "measured" {
            return Ok(Self::Measured);
        }
        let shares = text.split(',').map(|share| share.trim().parse());
        let shares = shares.collect::<Result<_, _>>();
        shares
            .map(Self::Given)
            .map_err(|_| "it must be whole numbers with commas, or `measured`")
    }
}

/// The options that decide a run.
#[derive(Clone, Debug, Default, PartialEq, Args)]
pub(crate) struct RunArgs {
    /// TOML file with a whole configuration, as `layersep config` prints it; options given here override it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    data: SampleArgs,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    method: MethodArgs,
    /// Samples of a batch: a number, for which `foof` is the default method, or `full`, for which it is `exact` [default: full; 128 for
    /// `backprop`]
    #[arg(long, value_name = "N|full", help_heading = "Run")]
    batch_size: Option<BatchSize>,
    /// With batches: random changes of their images, drawn anew in every sweep: `shift` by up to an eighth of the sides, `flip` left to
    /// right, `crop` to at least 0.8 of the sides
    #[arg(long, value_name = "CHANGE,...", value_delimiter = ',', value_parser = named(ImageChange::ALL, ImageChange::name), help_heading = "Run")]
    augment: Vec<ImageChange>,
    /// Largest number of sweeps; epochs for `backprop` [default: 30; 84 with --path]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Run")]
    sweeps: Option<usize>,
    /// Stop once the original loss of the training split is at most this
    #[arg(long, value_name = "LOSS", value_parser = finite(), help_heading = "Run")]
    target_loss: Option<f64>,
    /// Stop after the sweep in which so many seconds of training have passed
    #[arg(long, value_name = "SECONDS", value_parser = finite(), help_heading = "Run")]
    time_limit: Option<f64>,
    /// With --validation: stop after N sweeps without better figures of the samples held out
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Run")]
    patience: Option<usize>,
    /// Measure separated loss, certificate and residuals after every N sweeps only, and after the last [default: 1]
    #[arg(long, value_name = "N", value_parser = count::<usize>(), help_heading = "Run")]
    measure_every: Option<usize>,
    /// Seed of the weights and of the order of the batches [default: 1]
    #[arg(long, value_parser = whole_number::<u64>(), help_heading = "Run")]
    seed: Option<u64>,
    #[command(flatten)]
    devices: DeviceArgs,
}

impl RunArgs {
    /// Returns the file with the token of the workers.
    pub(crate) fn token_file(&self) -> Option<&Path> {
        self.devices.token.file()
    }

    /// Returns whether shares are to be measured.
    pub(crate) fn measures_shares(&self) -> bool {
        self.devices.shares == Some(SharesArg::Measured)
    }

    /// Returns the time for which a worker may be silent.
    pub(crate) fn worker_timeout(&self) -> Duration {
        Duration::from_secs(self.devices.worker_timeout.unwrap_or(60))
    }

    /// Returns the checked configuration of a new run, or of a run that resumes in a folder.
    ///
    /// # Errors
    /// Exit code 2, with the value and what is allowed.
    pub(crate) fn plan(&self, resume: Option<&Path>) -> Result<Plan, Failure> {
        let config = match resume {
            Some(run) => self.resumed(run)?,
            None => self.config()?,
        };
        Ok(config.check()?)
    }

    fn config(&self) -> Result<RunConfig, Failure> {
        let mut config = match &self.config {
            Some(file) => RunConfig::read(file)?,
            None => RunConfig::default(),
        };
        set(&mut config.seed, self.seed);
        set(&mut config.batch_size, self.batch_size);
        set(&mut config.measure_every, self.measure_every);
        if !self.augment.is_empty() {
            config.augment.clone_from(&self.augment);
        }
        if self.config.is_none() {
            config.method = MethodConfig::suited_to(config.batch_size).into();
        }
        self.devices.apply(&mut config);
        self.end(&mut config);
        config.data = self.data.config(config.data);
        config.model = self.model.config(config.model)?;
        config.method = self.method.config(config.method)?;
        let is_open = self.config.is_none() && self.batch_size.is_none();
        if let (true, Some(method)) = (is_open, config.method.library()) {
            config.batch_size = method.usual_batch_size();
        }
        let mut config = self.set.apply(config)?;
        let is_open = self.config.is_none() && self.sweeps.is_none() && !self.set.names("sweeps");
        let usual = config.method.library().and_then(MethodConfig::usual_sweeps);
        set(&mut config.sweeps, usual.filter(|_| is_open));
        Ok(config)
    }

    /// Replaces the conditions that end a run by the given ones.
    fn end(&self, config: &mut RunConfig) {
        set(&mut config.sweeps, self.sweeps);
        config.patience = self.patience.or(config.patience);
        config.target_loss = self.target_loss.or(config.target_loss);
        config.time_limit = self.time_limit.or(config.time_limit);
    }

    /// Returns the configuration of a run that resumes: its own, but for the conditions that end it.
    fn resumed(&self, run: &Path) -> Result<RunConfig, Failure> {
        let mut config = RunDir::read_config(run)?;
        let allowed = Self {
            sweeps: self.sweeps,
            target_loss: self.target_loss,
            time_limit: self.time_limit,
            patience: self.patience,
            devices: DeviceArgs {
                compute: ComputeArgs {
                    precision: None,
                    ..self.devices.compute.clone()
                },
                ..self.devices.clone()
            },
            ..Self::default()
        };
        if *self != allowed {
            return Err(Failure::new(
                "with --resume only --sweeps, --target-loss, --time-limit, --patience, --device and options of checkpoints and the \
                 display may be given",
            )
            .hint(format!(
                "the run continues with the settings in {}; start another run for other settings",
                run.join("config.toml").display()
            )));
        }
        self.devices.apply(&mut config);
        self.end(&mut config);
        Ok(config)
    }
}
