//! Options derived from two toy configurations.

use clap::Parser;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::*;

/// The settings of one toy.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Exact {
    /// Step of the targets.
    step: Option<f64>,
    /// Samples of a chunk.
    chunk: usize,
    /// Form of the displacements, found in
    /// every sweep by default.
    scaling: Option<Scaling>,
    /// Weight decay.
    weight_decay: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Scaling {
    /// By nothing.
    Plain,
    /// By the slope.
    BySlope,
}

impl Default for Exact {
    fn default() -> Self {
        Self {
            step: None,
            chunk: 8,
            scaling: None,
            weight_decay: 0.0,
        }
    }
}

/// The settings of another toy.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Foof {
    /// Step of the targets.
    step: Option<f64>,
    /// Share of the last step.
    momentum: f64,
    /// Whether to average.
    average: bool,
    /// Decay of the optimizer.
    weight_decay: Option<f64>,
    /// Any of both forms.
    optimizer: Optimizer,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    Adam,
    Sgd,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Optimizer {
    Name(Scheme),
    Rate(f64),
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Name(Scheme::Adam)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Toys;

impl Methods for Toys {
    fn list() -> Vec<MethodEntry> {
        vec![
            MethodEntry {
                name: "exact",
                about: "Exact fits",
                schema: schema_for!(Exact),
                defaults: Table::try_from(Exact::default()).unwrap(),
            },
            MethodEntry {
                name: "foof",
                about: "Fits in batches",
                schema: schema_for!(Foof),
                defaults: Table::try_from(Foof::default()).unwrap(),
            },
        ]
    }
}

#[derive(Debug, Parser)]
struct Toy {
    #[command(flatten)]
    method: MethodArgs<Toys>,
}

fn read(options: &[&str]) -> Result<MethodArgs<Toys>, String> {
    let arguments = [&["toy"], options].concat();
    let toy = Toy::try_parse_from(arguments).map_err(|error| error.to_string())?;
    Ok(toy.method)
}

/// Lays options over a configuration in TOML.
fn config(base: &str, options: &[&str]) -> Result<Table, String> {
    let method = read(options)?.table(&base.parse().unwrap());
    method.map_err(|failure| failure.to_string())
}

fn help() -> String {
    use clap::CommandFactory;
    Toy::command().render_long_help().to_string()
}

#[test]
fn the_options_are_consistent() {
    use clap::CommandFactory;
    Toy::command().debug_assert();
}

#[test]
fn without_options_the_configuration_stays() {
    let base = "name = 'exact'\nchunk = 5";
    assert_eq!(config(base, &[]).unwrap(), base.parse().unwrap());
    assert_eq!(read(&[]).unwrap(), MethodArgs::default());
}

#[test]
fn given_settings_replace_those_of_the_same_method() {
    let options = ["--step", "1", "--scaling", "by-slope"];
    let found = config("name = 'exact'\nchunk = 5\nstep = 0.1", &options).unwrap();
    let expected = "name = 'exact'\nchunk = 5\nstep = 1.0\nscaling = 'by-slope'";
    assert_eq!(found, expected.parse().unwrap());
}

#[test]
fn default_values_of_the_base_are_left_to_the_method() {
    let found = config("name = 'exact'\nchunk = 8", &["--step", "1"]).unwrap();
    assert_eq!(found, "name = 'exact'\nstep = 1.0".parse().unwrap());
}

#[test]
fn another_method_starts_from_its_defaults() {
    let options = ["--method", "foof", "--average", "true"];
    let found = config("name = 'exact'\nchunk = 5\nstep = 0.1", &options).unwrap();
    assert_eq!(found, "name = 'foof'\naverage = true".parse().unwrap());
    let mut settings = found;
    settings.remove(NAME);
    let settings: Foof = settings.try_into().unwrap();
    assert_eq!(
        settings,
        Foof {
            average: true,
            ..Foof::default()
        }
    );
}

#[test]
fn a_setting_of_another_method_is_refused_with_the_methods_that_take_it() {
    assert_eq!(
        config("name = 'exact'", &["--momentum", "0.5"]).unwrap_err(),
        "--momentum has no meaning with --method exact; methods that take it: foof"
    );
    assert!(config("name = 'foof'", &["--momentum", "0.5"]).is_ok());
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for (options, allowed) in [
        (["--chunk", "-1"], "a whole number from 0"),
        (["--step", "far"], "it must be a number"),
        (["--scaling", "up"], "[possible values: plain, by-slope]"),
        (["--average", "yes"], "[possible values: true, false]"),
        (["--method", "none"], "[possible values: exact, foof]"),
    ] {
        let text = read(&options).unwrap_err();
        assert!(text.contains(allowed), "{options:?}: {text}");
    }
}

#[test]
fn help_is_that_of_the_fields_with_the_methods_that_have_them() {
    let help = help();
    for line in [
        "- exact: Exact fits",
        "Step of the targets\n",
        "Samples of a chunk [default: 8] [exact]\n",
        "Form of the displacements, found in every sweep by default [exact]\n",
        "- by-slope: By the slope",
        "Share of the last step [default: 0.0] [foof]\n",
        "Weight decay [default: 0.0] [exact]; Decay of the optimizer [foof]\n",
    ] {
        assert!(help.contains(line), "{line}\n{help}");
    }
}
