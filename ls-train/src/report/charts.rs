//! The charts of a run: which curves its history gives.

use super::section::Section;
use crate::chart::{Axis, COLOURS, Chart, Colour, Curve, Scale};
use crate::run_dir::HistoryTable;

/// A chart with its place in the page.
pub(super) struct Named {
    /// Part of the name of its files.
    pub(super) name: &'static str,
    pub(super) chart: Chart,
    /// What a reader should know, in a sentence.
    pub(super) about: String,
}

/// Stages that a legend names one by one; of more it names the first, the middle and the last.
const NAMED_STAGES: usize = 6;

/// Colours from the first stage to the last.
const RAMP: [Colour; 3] = [COLOURS[0], COLOURS[3], COLOURS[1]];

/// The charts that a history gives; none of figures that the method does not have.
pub(super) fn of(history: &HistoryTable) -> Vec<Named> {
    let all = [
        losses(history),
        residuals(history),
        accuracies(history),
        steps(history),
    ];
    let drawn = all
        .into_iter()
        .filter(|named| !named.chart.curves().is_empty());
    drawn.collect()
}

/// Original losses of the training splits of several runs, over seconds, which all methods share.
pub(super) fn overlay(runs: &[Section]) -> Chart {
    let colours = COLOURS.into_iter().cycle();
    let curves = runs.iter().zip(colours).map(|(run, colour)| {
        let points = run.history.points("seconds", "train_original_loss");
        Curve::new(&run.folder, colour, points)
    });
    let x = Axis::new("seconds of training", Scale::Linear);
    let y = Axis::new("original loss of the training split", Scale::Log);
    Chart::new("Original loss of all runs", x, y, curves.collect())
}

fn losses(history: &HistoryTable) -> Named {
    let curve = |name: &str, column: &str, colour: usize| {
        Curve::new(name, COLOURS[colour], history.points("sweep", column))
    };
    let curves = vec![
        curve("separated loss S", "separated_loss", 1),
        curve("certificate C", "certificate", 2),
        curve("original loss F, training", "train_original_loss", 0),
        curve("F, validation", "validation_original_loss", 4),
        curve("F, test", "test_original_loss", 3),
    ];
    let bound = match history.last("certificate") {
        Some(_) => " On the training split F ≤ C holds in every sweep.",
        None => "",
    };
    Named {
        name: "losses",
        chart: over_sweeps("Losses", "loss, mean over samples", Scale::Log, curves),
        about: format!("Means over samples, on a logarithmic scale.{bound}"),
    }
}

fn residuals(history: &HistoryTable) -> Named {
    // Early stages of a deep network can be without a residual from beginning to end.
    let is_shown = |column: &&str| history.points("sweep", column).iter().any(|p| p.1 > 0.0);
    let all: Vec<&str> = history.columns("residual_").collect();
    let columns: Vec<&str> = all.iter().copied().filter(is_shown).collect();
    let count = columns.len();
    let curve = |(i, column): (usize, &&str)| Curve {
        in_legend: count <= NAMED_STAGES || [0, count / 2, count - 1].contains(&i),
        ..Curve::new(
            column.replacen("residual_", "stage ", 1),
            ramp(i, count),
            history.points("sweep", column),
        )
    };
    let curves = columns.iter().enumerate().map(curve).collect();
    Named {
        name: "residuals",
        chart: over_sweeps("Residuals", "mean squared residual", Scale::Log, curves),
        about: format!(
            "How far the auxiliary variables of a hidden stage are from what the stage computes: \
             1/N\u{a0}Σ\u{a0}‖a\u{a0}−\u{a0}f(a)‖², on a logarithmic scale.{}",
            match all.len() - count {
                0 => String::new(),
                hidden => format!(" {hidden} of {} stages have none at all.", all.len()),
            }
        ),
    }
}

fn accuracies(history: &HistoryTable) -> Named {
    let curve = |name: &str, colour: usize| {
        let mut points = history.points("sweep", &format!("{name}_accuracy"));
        for (_, share) in &mut points {
            *share *= 100.0;
        }
        let name = if name == "train" { "training" } else { name };
        Curve::new(name, COLOURS[colour], points)
    };
    let curves = vec![curve("train", 0), curve("validation", 4), curve("test", 3)];
    Named {
        name: "accuracy",
        chart: over_sweeps("Accuracy", "accuracy, percent", Scale::Linear, curves),
        about: "Share of correct predictions of the plain network, in percent.".into(),
    }
}

fn steps(history: &HistoryTable) -> Named {
    let curve = |name: &str, column: &str, colour: usize| {
        Curve::new(name, COLOURS[colour], history.points("sweep", column))
    };
    let curves = vec![curve("step τ", "step", 0), curve("damping μ", "damping", 1)];
    Named {
        name: "steps",
        chart: over_sweeps("Step and damping", "step τ, damping μ", Scale::Log, curves),
        about: "The length of the accepted step and the ridge of its least squares, on a logarithmic scale.".into(),
    }
}

fn over_sweeps(title: &str, label: &str, scale: Scale, curves: Vec<Curve>) -> Chart {
    let x = Axis::new("sweep", Scale::Whole);
    Chart::new(title, x, Axis::new(label, scale), curves)
}

/// The colour of stage `i` of `count`.
fn ramp(i: usize, count: usize) -> Colour {
    let place = 2.0 * i as f64 / count.saturating_sub(1).max(1) as f64;
    let half = usize::from(place >= 1.0);
    let (from, to, share) = (RAMP[half], RAMP[half + 1], place - half as f64);
    let mix = |from: u8, to: u8| {
        let mixed = f64::from(from) + share * (f64::from(to) - f64::from(from));
        mixed.round() as u8
    };
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ramp_begins_and_ends_with_its_colours() {
        assert_eq!(ramp(0, 1), RAMP[0]);
        assert_eq!(ramp(0, 30), RAMP[0]);
        assert_eq!(ramp(15, 31), RAMP[1]);
        assert_eq!(ramp(29, 30), RAMP[2]);
    }
}
