//! Random commands.

use std::collections::BTreeMap;
use std::path::Path;

use super::draw::Draw;
use crate::layersep;

/// The options of each command, as its help lists them.
pub(super) struct Options(BTreeMap<&'static str, Vec<CommandOption>>);

/// An option with the values that its help names.
struct CommandOption {
    name: String,
    takes_value: bool,
    values: Vec<String>,
}

/// Commands with the words that every case begins with; more often named, more often drawn. `bench` and the running of an experiment
/// take too long.
const COMMANDS: &[&[&str]] = &[
    &[
        "train",
        "--dataset",
        "csv",
        "--data-dir",
        "data.csv",
        "--hidden",
        "3",
    ],
    &[
        "train",
        "--dataset",
        "csv",
        "--data-dir",
        "data.csv",
        "--sweeps",
        "2",
    ],
    &["train", "--limit", "20", "--hidden", "3", "--sweeps", "2"],
    &["train", "--config", "run.toml"],
    &[
        "train", "--model", "net.toml", "--limit", "20", "--sweeps", "2",
    ],
    &["train", "--resume", "r"],
    &["train", "--resume", "r", "--sweeps", "6"],
    &["train", "--resume", "b", "--sweeps", "4"],
    &["eval", "--run", "r"],
    &["eval", "--run", "b"],
    &["eval", "--run", "c"],
    &["predict", "--run", "r", "images.csv"],
    &["predict", "--run", "r", "a.png"],
    &["predict", "--run", "b", "-"],
    &["predict", "--run", "r", "data.csv", "gone.csv"],
    &["export", "--run", "r"],
    &["export", "--run", "b", "-o", "-"],
    &["export", "--run", "r", "-o", "images.csv"],
    &["report", "r"],
    &["report", "r", "b"],
    &["report", "c"],
    &["report", "r", "-o", "r/model.bpk"],
    &["config"],
    &["config", "--config", "run.toml"],
    &["info", "--model", "net.toml"],
    &["info", "--dataset", "mnist"],
    &["problem", "--dataset", "csv", "--data-dir", "data.csv"],
    &[
        "compare",
        "--methods",
        "exact,foof@8",
        "--seeds",
        "1",
        "--sweeps",
        "1",
        "--config",
        "run.toml",
    ],
    &["experiment"],
    &["data", "verify", "csv", "--data-dir", "data.csv"],
    &["data", "list"],
    &["devices"],
];

/// Values for any option. Every path lies within the folder of the case: a value may become the name of an output.
const VALUES: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "0.5",
    "1e-9",
    "1e300",
    "1e400",
    "nan",
    "-inf",
    "true",
    "false",
    "none",
    "full",
    "",
    " ",
    "ü",
    "a,b",
    "4x3",
    "3,2",
    "0x0",
    "r",
    "gone",
    "data.csv",
    "run.toml",
    "net.toml",
    "seed=3",
    "method.damping=0.1",
    "method.name=foof",
    "model.hidden=[2]",
    "data.limit=-1",
    "sweeps=\"x\"",
    "last",
    "-",
    "--",
    ".",
    "18446744073709551616",
];

/// Whole numbers far above any sensible one, for options that may not make a run long.
const HUGE: &[&str] = &["99999999", "18446744073709551615"];

/// Options whose number is a number of passes over the data, so that a large one asks for a long run.
const LONG: &[&str] = &[
    "--sweeps",
    "--weight-passes",
    "--auxiliary-passes",
    "--batch-sweeps",
    "--epochs",
    "--seeds",
    "--seconds",
];

impl Options {
    /// Reads the help of every command.
    pub(super) fn read() -> Self {
        let names = COMMANDS.iter().map(|words| words[0]);
        let options = names.map(|name| (name, options(name)));
        Self(options.collect())
    }
}

fn options(command: &str) -> Vec<CommandOption> {
    let folder = tempfile::tempdir().unwrap();
    let help = layersep(folder.path(), &[command, "-h"]).stdout;
    let help = String::from_utf8(help).unwrap();
    let mut options: Vec<CommandOption> = Vec::new();
    for line in help.lines() {
        let start = line.trim_start();
        let start = start
            .split_once(", --")
            .map_or(start, |(_, long)| &line[line.len() - long.len() - 2..]);
        if let Some(long) = start.strip_prefix("--").filter(|_| line.starts_with("  ")) {
            let name = long.split([' ', '=', '\t']).next().unwrap();
            if name.is_empty() || name == "help" || name == "version" {
                continue;
            }
            options.push(CommandOption {
                name: format!("--{name}"),
                takes_value: long[name.len()..].starts_with([' ', '='])
                    && long[name.len()..].trim_start().starts_with(['<', '[']),
                values: Vec::new(),
            });
        }
        let named = line
            .split_once("[possible values: ")
            .and_then(|(_, rest)| rest.split_once(']'));
        if let (Some((values, _)), Some(last)) = (named, options.last_mut()) {
            last.values = values.split(", ").map(String::from).collect();
        }
    }
    options
}

/// A command line of a case.
pub(super) struct Arguments {
    pub(super) words: Vec<String>,
}

impl Arguments {
    pub(super) fn draw(options: &Options, draw: &mut Draw) -> Self {
        let base = *draw.pick(COMMANDS);
        let mut words: Vec<String> = base.iter().map(|&word| word.into()).collect();
        let known = &options.0[base[0]];
        for _ in 0..draw.below(5) {
            let option = draw.pick(known);
            // clap refuses a second one, which is tested enough.
            if words.contains(&option.name) {
                continue;
            }
            words.push(option.name.clone());
            if option.takes_value {
                words.push(value(option, draw));
            }
        }
        if base[0] == "train"
            && !words
                .iter()
                .any(|word| word == "--run" || word == "--resume")
        {
            words.extend([
                "--run".into(),
                draw.pick(&["new", "r", "images.csv"]).to_string(),
            ]);
        }
        // Nothing outside the folder of the case may be named: it could be replaced.
        assert!(
            words
                .iter()
                .all(|word| !word.starts_with(['/', '~']) && !word.contains(".."))
        );
        Self { words }
    }

    /// Returns whether the command may replace a file: one of the run that it trains, or one that it names as its output.
    pub(super) fn may_change(&self, name: &Path) -> bool {
        let after = |option: &str| {
            let at = self.words.iter().position(|word| word == option)?;
            self.words.get(at + 1)
        };
        let is_given = |option: &str| self.words.iter().any(|word| word == option);
        let outputs = ["-o", "--output", "--plots"];
        let is_output = outputs.iter().filter_map(|option| after(option));
        let mut is_output = is_output.map(|output| name.starts_with(output));
        let trains = match self.words[0].as_str() {
            "train" => after("--resume").or(after("--run").filter(|_| is_given("--overwrite"))),
            _ => None,
        };
        trains.is_some_and(|run| name.starts_with(run))
            || (is_given("--overwrite") && is_output.any(|is_own| is_own))
            || name.ends_with("report.html")
    }
}

fn value(option: &CommandOption, draw: &mut Draw) -> String {
    if !option.values.is_empty() && draw.percent(70) {
        return draw.pick(&option.values).clone();
    }
    if !LONG.contains(&option.name.as_str()) && draw.percent(5) {
        return (*draw.pick(HUGE)).into();
    }
    (*draw.pick(VALUES)).into()
}
