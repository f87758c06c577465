//! The registry of commands. Each is a file with its arguments, their help, and a function `run`.
//!
//! A new command is such a file, its `mod` line, and its line in the list at the end of this file. The commands do not import from each
//! other; the folder `support` holds the work that several of them share.

mod bench;
mod compare;
mod completions;
mod config;
mod data;
mod devices;
mod eval;
mod experiment;
mod export;
mod info;
mod man;
mod predict;
mod problem;
mod registry;
mod report;
mod support;
mod train;
mod worker;

use registry::subcommands;
pub(crate) use support::Context;

subcommands! {
    /// A command with its arguments. Help lists the commands in this order.
    pub(crate) enum Command {
        Train(train::TrainArgs),
        Eval(eval::EvalArgs),
        Predict(predict::PredictArgs),
        Export(export::ExportArgs),
        Problem(problem::ProblemArgs),
        Report(report::ReportArgs),
        Info(info::InfoArgs),
        Config(config::ConfigArgs),
        Data(data::DataArgs),
        Devices(devices::DevicesArgs),
        Worker(worker::WorkerArgs),
        Compare(compare::CompareArgs),
        Experiment(experiment::ExperimentArgs),
        Bench(bench::BenchArgs),
        Completions(completions::CompletionsArgs),
        Man(man::ManArgs),
    }
}
