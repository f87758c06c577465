//! The page: the values of its templates. The engine escapes every text that comes from a file; charts and pictures, which are drawn
//! here, are markup already.

use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::charts::ReportChart;
use super::format;
use super::section::RunSection;
use crate::chart::{AxisScale, Chart, ChartLayout, Curve};
use crate::format::number;
use crate::{Error, Result};

const PAGE: &str = "report.html";
const CHART: &str = "chart.html";

/// Renders the page of some runs, with the chart of their original losses where there are several.
///
/// # Errors
/// [`Error::File`] when a chart cannot be drawn.
pub(super) fn html(runs: &[RunSection], overlay: Option<&Chart>) -> Result<String> {
    let mut templates = Environment::new();
    templates.set_trim_blocks(true);
    templates.set_lstrip_blocks(true);
    let added = templates.add_template(PAGE, include_str!("report.html"));
    added.map_err(failed)?;
    let added = templates.add_template(CHART, include_str!("chart.html"));
    added.map_err(failed)?;
    let numbered = runs.iter().enumerate();
    let sections = numbered.map(|(i, run)| run_values(&templates, i + 1, run));
    let overlay = overlay.map(|chart| {
        let about =
            "Original loss of the training split on a logarithmic scale, over the seconds spent in sweeps.";
        chart_markup(&templates, "overlay", chart, about)
    });
    let values = context! {
        title => title(runs),
        has_several => runs.len() > 1,
        overlay => overlay.transpose()?,
        comparison => runs.iter().map(comparison).collect::<Vec<_>>(),
        runs => sections.collect::<Result<Vec<_>>>()?,
        version => env!("CARGO_PKG_VERSION"),
    };
    let page = templates.get_template(PAGE).map_err(failed)?;
    page.render(values).map_err(failed)
}

fn failed(error: minijinja::Error) -> Error {
    Error::file("lay out", PAGE, error)
}

fn title(runs: &[RunSection]) -> String {
    match runs {
        [run] => run_title(run),
        runs => format!("{} runs", runs.len()),
    }
}

fn run_title(run: &RunSection) -> String {
    format!(
        "{} on {}",
        run.config.method.name(),
        run.config.data.title()
    )
}

fn run_values(templates: &Environment<'_>, number: usize, run: &RunSection) -> Result<Value> {
    let charts = run.charts.iter().map(|ReportChart { name, chart, about }| {
        let id = format!("run-{number}-{name}");
        chart_markup(templates, &id, chart, about)
    });
    Ok(context! {
        number,
        title => run_title(run),
        folder => run.folder,
        model => run.model,
        ending => run.ending(),
        has_ended => run.summary.is_some(),
        cards => run.key_figures.cards(&run.config),
        notes => run.notes,
        charts => charts.collect::<Result<Vec<_>>>()?,
        choice => choice(run),
        test_images => run.test_images,
        weights => run.weights,
        config => run.config_text,
        facts => facts(run),
    })
}

/// Rows of the table of weight decays that folds chose from, each with whether it was chosen; none for other runs.
fn choice(run: &RunSection) -> Vec<(Vec<String>, bool)> {
    let choice = run
        .summary
        .as_ref()
        .and_then(|own| own.facts.cross_validation.as_ref());
    let Some(choice) = choice else {
        return Vec::new();
    };
    let rows = choice.decays.iter().map(|own| {
        let losses = [own.mean_calibrated_loss, own.calibrated_loss_deviation].map(number);
        let shares = [own.mean_accuracy, own.accuracy_deviation].map(format::percent);
        let cells = [
            number(own.weight_decay),
            losses.join(" ± "),
            shares.join(" ± "),
        ];
        (cells.to_vec(), own.weight_decay == choice.weight_decay)
    });
    rows.collect()
}

/// A row of the comparison of several runs.
#[derive(Serialize)]
struct ComparisonRow {
    folder: String,
    title: String,
    model: String,
    cells: Vec<String>,
}

fn comparison(run: &RunSection) -> ComparisonRow {
    let figures = &run.key_figures;
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let accuracies = figures
        .accuracies
        .map(|share| or_dash(share.map(format::percent)));
    let cells = [
        or_dash(figures.sweeps.map(|sweeps| sweeps.to_string())),
        or_dash(figures.seconds.map(format::seconds)),
        or_dash(figures.original_loss.map(number)),
        or_dash(figures.certificate.map(number)),
    ];
    ComparisonRow {
        folder: run.folder.clone(),
        title: run_title(run),
        model: run.model.clone().unwrap_or_default(),
        cells: cells
            .into_iter()
            .chain(accuracies)
            .chain([run.ending().into()])
            .collect(),
    }
}

/// Returns names and values of the environment: of the run, and of the program that writes the report.
fn facts(run: &RunSection) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Folder", run.folder.clone())];
    match &run.summary {
        Some(summary) => facts.extend([
            ("Device of the run", summary.facts.device.clone()),
            ("Seed", summary.facts.seed.to_string()),
            ("Version of the run's files", summary.schema.to_string()),
        ]),
        None => facts.extend([
            ("Device of the run", run.config.device.clone()),
            ("Seed", run.config.seed.to_string()),
            ("Version of the run's files", run.config.schema.to_string()),
        ]),
    }
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let system = format!("{} on {}", std::env::consts::OS, std::env::consts::ARCH);
    facts.extend([
        (
            "Program of this report",
            format!("layersep {}", env!("CARGO_PKG_VERSION")),
        ),
        (
            "Machine of this report",
            format!("{system}, {processors} processors"),
        ),
    ]);
    facts
}

/// An entry of a legend.
#[derive(Serialize)]
struct LegendEntry<'a> {
    name: &'a str,
    colour: String,
}

/// Renders a chart in both layouts, with its legend.
fn chart_markup(
    templates: &Environment<'_>,
    id: &str,
    chart: &Chart,
    about: &str,
) -> Result<Value> {
    let keys = || chart.curves().iter().filter(|curve| curve.in_legend);
    let legend = keys().map(|curve| LegendEntry {
        name: &curve.name,
        colour: format!("rgb{:?}", curve.colour),
    });
    let spoken = keys().map(spoken).collect::<Vec<_>>().join("; ");
    let (x, y) = chart.axes();
    let scale = if y.scale == AxisScale::Log {
        ", logarithmic"
    } else {
        ""
    };
    let values = context! {
        id,
        title => chart.title(),
        about,
        label => format!("Line chart of {}{scale}, over {}. {spoken}.", y.label, x.label),
        curves => chart.curves().len(),
        has_gaps_in_legend => keys().count() < chart.curves().len(),
        legend => legend.collect::<Vec<_>>(),
        wide => Value::from_safe_string(chart.svg(ChartLayout::Wide)?),
        narrow => Value::from_safe_string(chart.svg(ChartLayout::Narrow)?),
    };
    let template = templates.get_template(CHART).map_err(failed)?;
    let text = template.render(values).map_err(failed)?;
    Ok(Value::from_safe_string(text))
}

/// Describes a curve for screen readers.
fn spoken(curve: &Curve) -> String {
    match (&curve.points.first(), &curve.points.last()) {
        (Some(first), Some(last)) => {
            format!(
                "{}: from {} to {}",
                curve.name,
                number(first.1),
                number(last.1)
            )
        }
        _ => curve.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trained;
    use crate::config::RunConfig;
    use crate::data::Preprocessing;
    use crate::report::ReportOptions;
    use crate::report::test_images::TestImages;
    use crate::report::weights::WeightPictures;
    use crate::run_dir::RunDir;
    use burn::tensor::Device;
    use ls_datasets::{ImageShape, Samples};

    const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&";

    /// Images of two classes with hostile names.
    fn samples() -> Samples {
        let shape = ImageShape {
            channels: 1,
            height: 2,
            width: 2,
        };
        let pixels = (0..40).map(|i| (i * 37 % 256) as u8).collect();
        let labels = (0..10).map(|i| i % 2).collect();
        let classes = vec![HOSTILE.into(), "</table><script>".into()];
        Samples::new("test", shape, pixels, 255, labels, classes).unwrap()
    }

    #[test]
    fn names_of_classes_and_folders_and_the_configuration_are_escaped() {
        let (device, samples) = (Device::flex(), samples());
        let config = RunConfig::default();
        let preprocessing = Preprocessing::fit(&samples);
        let shape = preprocessing.feature_shape();
        let network = config.model.init(shape, 2, 1, &device).unwrap();
        let trained = Trained {
            config: config.clone(),
            preprocessing,
            network,
            checkpoint: None,
        };
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join(HOSTILE.replace('/', ""));
        drop(RunDir::create(&run, &config, false).unwrap());
        let options = ReportOptions {
            runs: &[],
            data: None,
            device: &device,
        };
        let mut section = RunSection::gather(&run, &options).unwrap();
        section.config_text = format!("# {HOSTILE}");
        section.notes.push(HOSTILE.into());
        section.test_images = Some(TestImages::classify(&trained, &samples, &device).unwrap());
        section.weights = WeightPictures::draw(&trained).unwrap();
        let page = html(&[section], None).unwrap();
        assert!(
            !page.contains("<img src=x") && !page.contains("<script"),
            "{page}"
        );
        assert!(
            !page.contains("\"'&") && page.contains("&lt;img src=x"),
            "{page}"
        );
        // An untrained network gets some wrong; 64 units of its first stage are shown.
        let pictures = page.matches("<img src=\"data:image/png;base64,").count();
        assert!((65..=74).contains(&pictures), "{pictures}");
    }
}
