//! The charts of a run. Every column of its history names the chart that shows it, so that a new figure of a method appears as a curve
//! or as a chart of its own without a change here.

use super::curves::ColumnGroup;
use crate::chart::{AxisScale, Band, COLOURS, Chart, ChartAxis, Curve};
use crate::run_dir::{CrossValidation, HistoryTable, PathPoint, SECONDS, SWEEP, penalty_path};

/// A chart with its place in the page.
pub(super) struct ReportChart {
    /// Identifier in the page, and part of the names of the chart's files: letters of ASCII, digits and hyphens.
    pub(super) name: String,
    pub(super) chart: Chart,
    /// Explanation in a sentence.
    pub(super) about: String,
}

/// Texts for a chart that several methods share.
struct KnownChart {
    name: &'static str,
    title: &'static str,
    /// Label of the vertical axis.
    label: &'static str,
    about: &'static str,
    /// Key of a column, and a sentence to add where the chart shows that column.
    remark: Option<(&'static str, &'static str)>,
    /// Keys of two columns with a band between them, in every sweep that has both, if the second one is never the smaller one.
    band: Option<[&'static str; 2]>,
}

/// The charts with texts of their own, in their order in the page; all others follow.
const KNOWN: [KnownChart; 5] = [
    KnownChart {
        name: "losses",
        title: "Losses",
        label: "loss, mean over samples",
        about: "Means over samples, on a logarithmic scale.",
        remark: Some((
            "train_certificate",
            "On the training split the original loss is at most the certificate, F ≤ C, and with self-adaptive weights of the \
             residuals the certificate is at most the separated loss: F ≤ C ≤ S in every sweep.",
        )),
        band: Some(["train_original_loss", "train_separated_loss"]),
    },
    KnownChart {
        name: "bound",
        title: "Separated over original loss",
        label: "S/F",
        about: "How far the separated loss lies above the original loss of the training split; under exact and foof at most 1 + η.",
        remark: None,
        band: None,
    },
    KnownChart {
        name: "residuals",
        title: "Residuals",
        label: "mean squared residual",
        about: "Distance between the auxiliary variables of a hidden stage and the output of that stage: \
                1/N\u{a0}Σ\u{a0}‖a\u{a0}−\u{a0}f(a)‖², on a logarithmic scale.",
        remark: None,
        band: None,
    },
    KnownChart {
        name: "accuracy",
        title: "Accuracy",
        label: "accuracy, percent",
        about: "Share of correct predictions of the plain network, in percent.",
        remark: None,
        band: None,
    },
    KnownChart {
        name: "steps",
        title: "Step and damping",
        label: "step τ, damping μ",
        about: "Length of the accepted step and ridge of its least-squares problem, on a logarithmic scale.",
        remark: None,
        band: None,
    },
];

/// Returns the charts of a run, whose weight decay folds may have chosen; a chart without a curve is left out.
pub(super) fn run_charts(
    history: &HistoryTable,
    choice: Option<&CrossValidation>,
) -> Vec<ReportChart> {
    let mut groups: Vec<(String, ColumnGroup<'_>)> = Vec::new();
    let counters = [SWEEP, SECONDS];
    let figures = history.columns().iter();
    for column in figures.filter(|column| !counters.contains(&column.key.as_str())) {
        let name = chart_name(&column.chart);
        let found = groups.iter().position(|(own, _)| *own == name);
        let place = found.unwrap_or(groups.len());
        if found.is_none() {
            groups.push((name, ColumnGroup::new(&column.chart)));
        }
        groups[place].1.add(column, history);
    }
    let rank = |name: &str| KNOWN.iter().position(|known| known.name == name);
    groups.sort_by_key(|(name, _)| rank(name).unwrap_or(KNOWN.len()));
    let charts = groups.iter().map(|(name, group)| chart(name, group));
    charts
        .chain(path_chart(history, choice))
        .filter(|report_chart| !report_chart.chart.curves().is_empty())
        .collect()
}

/// Accuracies over the weight decays of a path; `None` for a run of one decay.
fn path_chart(history: &HistoryTable, choice: Option<&CrossValidation>) -> Option<ReportChart> {
    let mut points = penalty_path(history);
    if points.len() < 2 && choice.is_none() {
        return None;
    }
    points.reverse();
    let curve = |name, colour, pick: fn(&PathPoint) -> Option<f64>| {
        let values = points.iter();
        let values = values.filter_map(|point| Some((point.decay, 100.0 * pick(point)?)));
        Curve::new(name, colour, values.collect())
    };
    let first = match choice {
        Some(choice) => Curve::new("mean over folds", COLOURS[0], fold_means(choice)),
        None => curve("validation", COLOURS[0], |point| point.validation_accuracy),
    };
    let curves = vec![
        first,
        curve("test", COLOURS[1], |point| point.test_accuracy),
    ];
    let x = ChartAxis::new("weight decay λ", AxisScale::Log);
    let y = ChartAxis::new("accuracy, percent", AxisScale::Linear);
    let mut chart = Chart::new("Path of weight decays", x, y, curves);
    let mut about = "Accuracy after the last sweep of every weight decay. ".to_owned();
    match choice {
        Some(choice) => {
            chart = chart.with_band(fold_band(choice));
            about += "The mean over the folds has a band of one standard deviation to each side; the decay with the lowest mean of \
                      calibrated losses was chosen. The test curve is that of the last run, which ended there.";
        }
        None => {
            about += "The weights that were kept are those with the lowest calibrated loss of the validation split in any sweep.";
        }
    }
    Some(ReportChart {
        name: "path".into(),
        chart,
        about,
    })
}

/// Mean accuracies over folds, in percent, over the weight decays.
fn fold_means(choice: &CrossValidation) -> Vec<(f64, f64)> {
    let decays = choice.decays.iter().rev();
    decays
        .map(|own| (own.weight_decay, 100.0 * own.mean_accuracy))
        .collect()
}

/// One standard deviation to each side of the mean over folds.
fn fold_band(choice: &CrossValidation) -> Band {
    let decays = choice.decays.iter().rev();
    let points = decays.map(|own| {
        let ends = [-1.0, 1.0].map(|side| own.mean_accuracy + side * own.accuracy_deviation);
        (own.weight_decay, 100.0 * ends[0], 100.0 * ends[1])
    });
    Band {
        colour: COLOURS[0],
        points: points.collect(),
    }
}

/// Returns the original losses of the training splits of several runs over the seconds spent in sweeps, which all methods have. Each
/// history comes with the name of its curve.
pub(super) fn overlay<'a>(histories: impl Iterator<Item = (&'a str, &'a HistoryTable)>) -> Chart {
    let curves = histories
        .zip(COLOURS.into_iter().cycle())
        .map(|((name, history), colour)| Curve::new(name, colour, history.original_losses()));
    let x = ChartAxis::new("seconds of training", AxisScale::Linear);
    let y = ChartAxis::new("original loss of the training split", AxisScale::Log);
    Chart::new("Original loss of all runs", x, y, curves.collect())
}

fn chart(name: &str, group: &ColumnGroup<'_>) -> ReportChart {
    let known = KNOWN.iter().find(|known| known.name == name);
    let (title, label, mut about) = match known {
        Some(known) => (
            known.title.into(),
            known.label.into(),
            known_about(known, group),
        ),
        None => (capitalized(group.title), label(group), about(group)),
    };
    for figure in group.figures() {
        let (invisible, all) = group.invisible_stages(figure);
        if invisible > 0 {
            let figure = figure.to_lowercase();
            about += &format!(" {invisible} of {all} stages have no {figure} to show.");
        }
    }
    let x = ChartAxis::new("sweep", AxisScale::Whole);
    let y = ChartAxis::new(&label, group.scale());
    let mut chart = Chart::new(&title, x, y, group.curves());
    if let Some(band) = known.and_then(|known| group.band(known.band?)) {
        chart = chart.with_band(band);
    }
    ReportChart {
        name: name.into(),
        chart,
        about,
    }
}

fn known_about(known: &KnownChart, group: &ColumnGroup<'_>) -> String {
    match known.remark.filter(|(key, _)| group.shows(key)) {
        Some((_, remark)) => format!("{} {remark}", known.about),
        None => known.about.into(),
    }
}

/// Returns the label of the vertical axis of a chart without texts of its own.
fn label(group: &ColumnGroup<'_>) -> String {
    match group.unit() {
        Some(unit) => format!("{}, {unit}", group.title.to_lowercase()),
        None => group.title.to_lowercase(),
    }
}

/// Returns the explanation of a chart without texts of its own.
fn about(group: &ColumnGroup<'_>) -> String {
    let unit = group.unit().map(|unit| format!(", in {unit}"));
    let scale = match group.scale() {
        AxisScale::Log => ", on a logarithmic scale",
        _ => "",
    };
    let figures = capitalized(&group.figures().join(", "));
    format!(
        "{figures} after every sweep{}{scale}.",
        unit.unwrap_or_default()
    )
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}

/// Returns the identifier of a chart: the words of its title in lower case, joined by hyphens.
fn chart_name(title: &str) -> String {
    let words = title.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    match words.is_empty() {
        true => "chart".into(),
        false => words.join("-").to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::Column;
    use ls_core::figure::{Better, Figure, FigureScale, SplitName};
    use ls_core::fit::{ACCURACY, CERTIFICATE, ORIGINAL_LOSS, RESIDUAL, SEPARATED_LOSS};
    use ls_core::method::STEP;

    /// A history of figures, with a line per sweep of their values.
    fn history(figures: &[Figure], rows: &[&str]) -> HistoryTable {
        let run = tempfile::tempdir().unwrap();
        let columns = Column::all(figures);
        let mut text: String = columns.iter().map(|c| c.header_line() + "\n").collect();
        let names: Vec<_> = columns.iter().map(|c| c.key.clone()).collect();
        text += &(names.join(",") + "\n");
        for (sweep, row) in rows.iter().enumerate() {
            text += &format!("{sweep},0,{row}\n");
        }
        std::fs::write(run.path().join("history.csv"), text).unwrap();
        HistoryTable::read(run.path()).unwrap()
    }

    fn names(chart: &Chart) -> Vec<&str> {
        let curves = chart.curves().iter();
        curves.map(|curve| curve.name.as_str()).collect()
    }

    #[test]
    fn losses_are_told_apart_by_figure_and_split() {
        let figures = [
            ORIGINAL_LOSS.on(SplitName::Train),
            SEPARATED_LOSS,
            CERTIFICATE,
            ORIGINAL_LOSS.on(SplitName::Test),
        ];
        let charts = run_charts(
            &history(&figures, &["2.3,9,8,2.4", "0.5,0.9,0.7,0.6"]),
            None,
        );
        let [losses] = &charts[..] else {
            panic!("{} charts", charts.len());
        };
        assert_eq!(losses.name, "losses");
        let expected = [
            ("Separated loss", 1),
            ("Certificate", 2),
            ("Original loss, training", 0),
            ("Original loss, test", 3),
        ];
        let curves = losses.chart.curves().iter();
        let found: Vec<_> = curves.map(|c| (c.name.as_str(), c.colour)).collect();
        assert_eq!(found, expected.map(|(name, i)| (name, COLOURS[i])));
        assert!(losses.about.contains("F ≤ C ≤ S in every sweep"));
        let band = losses.chart.band().expect("S is above F");
        assert_eq!(band.points, [(0.0, 2.3, 9.0), (1.0, 0.5, 0.9)]);
    }

    #[test]
    fn there_is_no_band_where_the_separated_loss_falls_below_the_original_one() {
        let figures = [ORIGINAL_LOSS.on(SplitName::Train), SEPARATED_LOSS];
        let charts = run_charts(&history(&figures, &["2.3,2.3", "0.5,0.1"]), None);
        assert_eq!(charts[0].chart.band(), None);
    }

    #[test]
    fn a_chart_without_a_certificate_promises_no_bound() {
        let figures = [ORIGINAL_LOSS.on(SplitName::Train), CERTIFICATE];
        let charts = run_charts(&history(&figures, &["2.3,", "0.5,"]), None);
        assert_eq!(names(&charts[0].chart), ["Original loss"]);
        assert!(!charts[0].about.contains('C'), "{}", charts[0].about);
    }

    #[test]
    fn accuracies_are_shown_in_percent_under_the_names_of_their_splits() {
        let figures = [SplitName::Train, SplitName::Test].map(|split| ACCURACY.on(split));
        let charts = run_charts(&history(&figures, &["0.1,0.12", "0.9,0.8"]), None);
        assert_eq!(names(&charts[0].chart), ["training", "test"]);
        assert_eq!(charts[0].chart.curves()[0].points[1], (1.0, 90.0));
        assert_eq!(charts[0].chart.axes().1.scale, AxisScale::Linear);
    }

    #[test]
    fn a_legend_of_many_stages_lists_three_and_stages_without_a_residual_are_counted() {
        let figures: Vec<_> = (1..=9).map(|stage| RESIDUAL.at(stage)).collect();
        let charts = run_charts(&history(&figures, &["0,0,3,4,5,6,7,8,9"]), None);
        let curves = charts[0].chart.curves();
        assert_eq!(curves.len(), 7);
        let listed = curves.iter().filter(|curve| curve.in_legend);
        let listed: Vec<_> = listed.map(|curve| curve.name.as_str()).collect();
        assert_eq!(listed, ["stage 3", "stage 6", "stage 9"]);
        let about = &charts[0].about;
        assert!(
            about.ends_with("2 of 9 stages have no residual to show."),
            "{about}"
        );
    }

    #[test]
    fn figures_of_a_new_method_get_curves_and_charts_of_their_own() {
        let norm = Figure::new("Gradient norm")
            .unit("nats")
            .better(Better::Lower)
            .scale(FigureScale::Linear)
            .chart("Gradients");
        let figures = [
            norm.at(1),
            norm.at(2),
            Figure::new("Rate").chart("steps"),
            Figure::new("Momentum").chart("./Momentum <&>"),
            STEP,
        ];
        let rows = ["2,1,0.1,0.9,0.5", "1,0.5,0.05,0.9,0.5"];
        let charts = run_charts(&history(&figures, &rows), None);
        let found: Vec<_> = charts
            .iter()
            .map(|chart| (chart.name.as_str(), names(&chart.chart)))
            .collect();
        let expected = [
            ("steps", vec!["Rate", "Step"]),
            ("gradients", vec!["stage 1", "stage 2"]),
            ("momentum", vec!["Momentum"]),
        ];
        assert_eq!(found, expected);
        let gradients = &charts[1];
        assert_eq!(gradients.chart.axes().1.label, "gradients, nats");
        assert_eq!(gradients.about, "Gradient norm after every sweep, in nats.");
        assert_eq!(
            charts[2].about,
            "Momentum after every sweep, on a logarithmic scale."
        );
    }
}
