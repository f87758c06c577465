//! Measurements of speed: seconds of passes and sweeps, their share of the machine's rate, and their growth with the problem.
//!
//! [`run()`] measures a network on a training split and returns a [`BenchReport`], which is a JSON file too; a [`BenchComparison`] sets a
//! report against an older one. [`growth()`] measures sweeps on random data of growing size and fits exponents.
//!
//! | file | holds |
//! | --- | --- |
//! | `operations` | operations and bytes of a pass, by formula |
//! | `timer` | repeated measurements of one piece of work |
//! | `machine` | the machine, and its rate of matrix products |
//! | `passes` | forward, backward, Gram matrices, factors |
//! | `sweeps` | sweeps of the methods |
//! | `report` | results as JSON |
//! | `against` | ratios of two reports |
//! | `run` | all measurements of one network |
//! | `exponent`, `gaussian`, `growth`, `growth_files` | the growth of seconds and memory |

mod against;
mod exponent;
mod gaussian;
mod growth;
mod growth_files;
mod machine;
mod operations;
mod passes;
mod report;
mod run;
mod sweeps;
mod timer;

pub use against::{BenchComparison, TimingRatio};
pub use exponent::Exponent;
pub use growth::{
    Growth, GrowthExponents, GrowthOptions, GrowthRow, GrowthSeries, Quantity, growth,
};
pub use machine::Machine;
pub use operations::{Operations, StageSize};
pub use report::{BenchReport, Skipped, Timing};
pub use run::{BenchOptions, BenchProgress, run};
