//! The methods that configurations can name.

use schemars::Schema;
use serde::{Deserialize, Serialize};

use super::{
    AdmmConfig, AlternatingConfig, BackpropConfig, BcdConfig, ExactConfig, FoofConfig, LbfgsConfig,
    LocoPropConfig, Method, MethodSettings, PredictiveCodingConfig, TargetPropagationConfig, Task,
};
use crate::batch::BatchSize;
use crate::{Error, Result};

/// Makes [`MethodConfig`] from a line for each method.
macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident($settings:ty),)+) => {
        /// The configuration of a method of the library: its name with its settings.
        ///
        /// In files it is one table, `name = "exact"` with the keys of the settings.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "toml::Table", into = "toml::Table")]
        pub enum MethodConfig {
            $($(#[$doc])* $variant($settings),)+
        }

        impl MethodConfig {
            /// Facts about all methods, in the order in which help lists them.
            pub fn all() -> Vec<MethodInfo> {
                vec![$(MethodInfo::of::<$settings>(Self::$variant(Default::default())),)+]
            }

            /// Returns the name on the command line, in files and in reports.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => <$settings>::NAME,)+
                }
            }

            /// Checks every value.
            ///
            /// # Errors
            /// [`Error::InvalidConfig`], naming the value and the allowed ones.
            pub fn check(&self) -> Result<()> {
                match self {
                    $(Self::$variant(settings) => settings.check(),)+
                }
            }

            /// Checks that the method can train on batches of a size.
            ///
            /// # Errors
            /// [`Error::BatchSize`], naming the way out.
            pub fn check_batch_size(&self, size: BatchSize) -> Result<()> {
                match self {
                    $(Self::$variant(settings) => settings.check_batch_size(size),)+
                }
            }

            /// Returns the size of batches for a run that names none.
            pub fn usual_batch_size(&self) -> BatchSize {
                match self {
                    $(Self::$variant(settings) => settings.usual_batch_size(),)+
                }
            }

            /// Returns the least number of sweeps of a run.
            pub fn least_sweeps(&self) -> usize {
                match self {
                    $(Self::$variant(settings) => settings.least_sweeps(),)+
                }
            }

            /// Checks that a run of so many sweeps is long enough for the method.
            ///
            /// # Errors
            /// [`Error::InvalidConfig`], naming the least number.
            pub fn check_sweeps(&self, sweeps: usize) -> Result<()> {
                match self {
                    $(Self::$variant(settings) => settings.check_sweeps(sweeps),)+
                }
            }

            /// Returns the number of sweeps of a run that names none, where it is not that of other runs.
            pub fn usual_sweeps(&self) -> Option<usize> {
                match self {
                    $(Self::$variant(settings) => settings.usual_sweeps(),)+
                }
            }

            /// Returns whether steps or rates fall over the length of the run, so that a run of unknown length is another one.
            pub fn depends_on_length(&self) -> bool {
                match self {
                    $(Self::$variant(settings) => settings.depends_on_length(),)+
                }
            }

            /// Returns whether the method keeps auxiliary variables.
            pub fn has_auxiliary_variables(&self) -> bool {
                match self {
                    $(Self::$variant(settings) => settings.has_auxiliary_variables(),)+
                }
            }

            /// Starts the method.
            ///
            /// # Errors
            /// As [`MethodSettings::init`].
            pub fn init(&self, task: &Task<'_>) -> Result<Box<dyn Method>> {
                match self {
                    $(Self::$variant(settings) => settings.init(task),)+
                }
            }

            /// Reads the settings of a method by its name.
            fn read(name: &str, settings: toml::Table) -> Result<Self> {
                match name {
                    $(<$settings>::NAME => Ok(Self::$variant(parsed(name, settings)?)),)+
                    _ => Err(Error::UnknownName {
                        kind: "method",
                        name: name.into(),
                        known: vec![$(<$settings>::NAME,)+],
                    }),
                }
            }

            fn settings(&self) -> core::result::Result<toml::Table, toml::ser::Error> {
                match self {
                    $(Self::$variant(settings) => toml::Table::try_from(settings),)+
                }
            }
        }

        $(
            impl From<$settings> for MethodConfig {
                fn from(settings: $settings) -> Self {
                    Self::$variant(settings)
                }
            }
        )+
    };
}

methods! {
    /// Restarted separation with exact weight blocks, in full batch.
    Exact(ExactConfig),
    /// Adam in the eigenvectors of each stage's inputs and gradients, in batches.
    Foof(FoofConfig),
    /// Alternating minimization of the separated loss.
    Alternating(AlternatingConfig),
    /// Gradients through the whole depth.
    Backprop(BackpropConfig),
    /// L-BFGS with a strong Wolfe line search, in full batch.
    Lbfgs(LbfgsConfig),
    /// Proximal block coordinate descent on a penalty function, in full batch.
    Bcd(BcdConfig),
    /// The alternating direction method of multipliers, in full batch.
    Admm(AdmmConfig),
    /// Inference on an energy, then local weight steps, in batches.
    PredictiveCoding(PredictiveCodingConfig),
    /// Local steps to targets one gradient step away, in batches.
    LocoProp(LocoPropConfig),
    /// Targets through learnt inverses, then local weight steps, in batches.
    TargetPropagation(TargetPropagationConfig),
}

/// Facts about a method, for help and for options.
#[derive(Clone, Debug)]
pub struct MethodInfo {
    /// Its name.
    pub name: &'static str,
    /// The method in one line.
    pub about: &'static str,
    /// Its settings, with the documentation of every key.
    pub schema: Schema,
    /// Its configuration with default settings.
    pub default: MethodConfig,
}

impl MethodInfo {
    fn of<S: MethodSettings>(default: MethodConfig) -> Self {
        Self {
            name: S::NAME,
            about: S::ABOUT,
            schema: schemars::schema_for!(S),
            default,
        }
    }
}

/// Key of the name in a table.
const NAME: &str = "name";

impl MethodConfig {
    /// Returns the method that suits batches of a size: [`exact`](ExactConfig) for the whole split, [`foof`](FoofConfig) for
    /// smaller ones.
    pub fn suited_to(size: BatchSize) -> Self {
        match size {
            BatchSize::Full => Self::Exact(ExactConfig::default()),
            BatchSize::Samples(_) => Self::Foof(FoofConfig::default()),
        }
    }

    /// Returns the default settings of the method of a name.
    ///
    /// # Errors
    /// [`Error::UnknownName`], naming the methods that there are.
    pub fn named(name: &str) -> Result<Self> {
        Self::read(name, toml::Table::new())
    }
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::suited_to(BatchSize::Full)
    }
}

impl TryFrom<toml::Table> for MethodConfig {
    type Error = Error;

    fn try_from(mut table: toml::Table) -> Result<Self> {
        match table.remove(NAME) {
            Some(toml::Value::String(name)) => Self::read(&name, table),
            _ => Err(Error::Settings {
                of: "method".into(),
                reason: "there must be a `name`".into(),
            }),
        }
    }
}

impl From<MethodConfig> for toml::Table {
    fn from(config: MethodConfig) -> Self {
        let mut table = Self::new();
        table.insert(NAME.into(), config.name().into());
        // Settings are numbers, words and tables of them, which TOML holds: a test converts every method there and back.
        table.extend(config.settings().unwrap_or_default());
        table
    }
}

/// Reads settings, with the reason in one line where they are wrong.
fn parsed<S: MethodSettings>(name: &str, table: toml::Table) -> Result<S> {
    table
        .try_into()
        .map_err(|error: toml::de::Error| Error::Settings {
            of: format!("method `{name}`"),
            reason: with_known_keys::<S>(error.message().trim().replace('\n', " ")),
        })
}

/// Adds the known keys to the message about an unknown one, which lacks them where settings hold others.
fn with_known_keys<S: MethodSettings>(message: String) -> String {
    let schema = schemars::schema_for!(S);
    let keys = schema.get("properties").and_then(|keys| keys.as_object());
    match keys {
        Some(keys) if message.starts_with("unknown field") && !message.contains("expected") => {
            let keys: Vec<_> = keys.keys().map(|key| format!("`{key}`")).collect();
            format!("{message}, expected one of {}", keys.join(", "))
        }
        _ => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_survives_its_file_form_and_knows_all_of_its_keys() {
        for info in MethodConfig::all() {
            assert_eq!(info.default.name(), info.name);
            info.default.check().unwrap();
            let text = toml::to_string(&info.default).unwrap();
            let read: MethodConfig = toml::from_str(&text).unwrap();
            assert_eq!(read, info.default, "{text}");
            let table: toml::Table = text.parse().unwrap();
            let known = info.schema.get("properties").unwrap().as_object().unwrap();
            for key in table.keys().filter(|key| *key != NAME) {
                assert!(known.contains_key(key), "{}: {key}", info.name);
            }
            for (key, value) in known {
                assert!(value.get("description").is_some(), "{}: {key}", info.name);
            }
        }
    }

    #[test]
    fn unknown_names_and_keys_are_refused_in_one_line() {
        let read = |text: &str| toml::from_str::<MethodConfig>(text).unwrap_err();
        let unknown = read("name = \"newton\"").to_string();
        assert!(
            unknown.contains(
                "unknown method `newton`; there are: exact, foof, alternating, backprop, lbfgs, bcd, admm, predictive-coding, locoprop, target-propagation"
            ),
            "{unknown}"
        );
        let key = read("name = \"exact\"\nmomentum = 0.9").to_string();
        assert!(
            key.contains("unknown field `momentum`") && key.contains("exact"),
            "{key}"
        );
        assert!(
            read("step = 1.0")
                .to_string()
                .contains("there must be a `name`")
        );
    }
}
