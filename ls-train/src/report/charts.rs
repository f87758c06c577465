//! The charts of a run. Every column of its history names the chart that shows it, so that a new figure of a method appears as a curve
//! or as a chart of its own without a change here.

use super::columns::Column;
use super::curves::ColumnGroup;
use crate::chart::{AxisScale, COLOURS, Chart, ChartAxis, Curve};
use crate::run_dir::HistoryTable;

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
}

/// The charts with texts of their own, in their order in the page; all others follow.
const KNOWN: [KnownChart; 4] = [
    KnownChart {
        name: "losses",
        title: "Losses",
        label: "loss, mean over samples",
        about: "Means over samples, on a logarithmic scale.",
        remark: Some((
            "certificate",
            "On the training split F ≤ C holds in every sweep.",
        )),
    },
    KnownChart {
        name: "residuals",
        title: "Residuals",
        label: "mean squared residual",
        about: "Distance between the auxiliary variables of a hidden stage and the output of that stage: \
                1/N\u{a0}Σ\u{a0}‖a\u{a0}−\u{a0}f(a)‖², on a logarithmic scale.",
        remark: None,
    },
    KnownChart {
        name: "accuracy",
        title: "Accuracy",
        label: "accuracy, percent",
        about: "Share of correct predictions of the plain network, in percent.",
        remark: None,
    },
    KnownChart {
        name: "steps",
        title: "Step and damping",
        label: "step τ, damping μ",
        about: "Length of the accepted step and ridge of its least-squares problem, on a logarithmic scale.",
        remark: None,
    },
];

/// Returns the charts of a run; a chart without a curve is left out.
pub(super) fn run_charts(history: &HistoryTable, columns: &[Column]) -> Vec<ReportChart> {
    let mut groups: Vec<(String, ColumnGroup<'_>)> = Vec::new();
    for column in columns.iter().filter(|column| !column.chart.is_empty()) {
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
        .filter(|report_chart| !report_chart.chart.curves().is_empty())
        .collect()
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
    let (title, label, mut about) = match KNOWN.iter().find(|known| known.name == name) {
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
            about += &format!(" {invisible} of {all} stages have no {figure} to show.");
        }
    }
    let x = ChartAxis::new("sweep", AxisScale::Whole);
    let y = ChartAxis::new(&label, group.scale());
    ReportChart {
        name: name.into(),
        chart: Chart::new(&title, x, y, group.curves()),
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
    use super::super::columns::{self, Scale};
    use super::*;

    /// A history with a row per line after the first, which names the columns.
    fn history(text: &str) -> HistoryTable {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("history.csv"), text).unwrap();
        HistoryTable::read(run.path()).unwrap()
    }

    fn column(key: &str, chart: &str) -> Column {
        Column {
            key: key.into(),
            name: key.replace('_', " "),
            split: None,
            stage: None,
            unit: String::new(),
            scale: Scale::Log,
            chart: chart.into(),
        }
    }

    fn names(chart: &Chart) -> Vec<&str> {
        let curves = chart.curves().iter();
        curves.map(|curve| curve.name.as_str()).collect()
    }

    #[test]
    fn losses_are_told_apart_by_figure_and_split() {
        let table = history(
            "sweep,train_original_loss,separated_loss,certificate,test_original_loss\n0,2.3,9,8,2.4\n1,0.5,0.9,0.7,0.6\n",
        );
        let charts = run_charts(&table, &columns::described(&table));
        let [losses] = &charts[..] else {
            panic!("{} charts", charts.len());
        };
        assert_eq!(losses.name, "losses");
        let expected = [
            ("separated loss S", 1),
            ("certificate C", 2),
            ("original loss F, training", 0),
            ("original loss F, test", 3),
        ];
        let curves = losses.chart.curves().iter();
        let found: Vec<_> = curves.map(|c| (c.name.as_str(), c.colour)).collect();
        assert_eq!(found, expected.map(|(name, i)| (name, COLOURS[i])));
        assert!(losses.about.ends_with("F ≤ C holds in every sweep."));
    }

    #[test]
    fn a_chart_without_a_certificate_promises_no_bound() {
        let table = history("sweep,train_original_loss,certificate\n0,2.3,\n1,0.5,\n");
        let charts = run_charts(&table, &columns::described(&table));
        assert_eq!(names(&charts[0].chart), ["original loss F"]);
        assert!(!charts[0].about.contains('C'), "{}", charts[0].about);
    }

    #[test]
    fn accuracies_are_shown_in_percent_under_the_names_of_their_splits() {
        let table = history("sweep,train_accuracy,test_accuracy\n0,0.1,0.12\n1,0.9,0.8\n");
        let charts = run_charts(&table, &columns::described(&table));
        assert_eq!(names(&charts[0].chart), ["training", "test"]);
        assert_eq!(charts[0].chart.curves()[0].points[1], (1.0, 90.0));
        assert_eq!(charts[0].chart.axes().1.scale, AxisScale::Linear);
    }

    #[test]
    fn a_legend_of_many_stages_lists_three_and_stages_without_a_residual_are_counted() {
        let keys: Vec<String> = (1..=9).map(|stage| format!("residual_{stage}")).collect();
        let table = history(&format!("sweep,{}\n1,0,0,3,4,5,6,7,8,9\n", keys.join(",")));
        let charts = run_charts(&table, &columns::described(&table));
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
        let table = history(
            "sweep,step,rate,momentum,gradient_norm_1,gradient_norm_2\n1,0.5,0.1,0.9,2,1\n2,0.5,0.05,0.9,1,0.5\n",
        );
        let stage = |stage: usize| Column {
            name: "gradient norm".into(),
            stage: Some(stage),
            unit: "nats".into(),
            scale: Scale::Linear,
            ..column(&format!("gradient_norm_{stage}"), "Gradients")
        };
        let columns = [
            stage(1),
            stage(2),
            column("rate", "steps"),
            column("momentum", "./Momentum <&>"),
            column("step", "Steps"),
        ];
        let charts = run_charts(&table, &columns);
        let found: Vec<_> = charts
            .iter()
            .map(|chart| (chart.name.as_str(), names(&chart.chart)))
            .collect();
        let expected = [
            ("steps", vec!["rate", "step"]),
            ("gradients", vec!["stage 1", "stage 2"]),
            ("momentum", vec!["momentum"]),
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
