//! `layersep report`.

use std::fs;
use std::path::Path;

use insta::assert_snapshot;

use crate::{layersep, transcript};

/// Trains for a moment.
fn train(folder: &Path, run: &str, arguments: &[&str]) {
    let small = ["train", "--limit", "200", "--sweeps", "2", "--run", run];
    let output = layersep(folder, &[&small[..], arguments].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Makes a report; returns the page.
fn report(folder: &Path, runs: &[&str], file: &str) -> String {
    let output = layersep(folder, &[&["report"], runs].concat());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("{file}\n")
    );
    fs::read_to_string(folder.join(file)).unwrap()
}

/// Names of the charts with their numbers of curves; both drawings of each must have as many.
fn charts(page: &str) -> Vec<(String, usize)> {
    let charts = page.split("<figure class=\"chart\" id=\"").skip(1);
    let charts = charts.map(|chart| {
        let chart = chart.split("</figure>").next().unwrap();
        let (id, rest) = chart.split_once("\" data-curves=\"").unwrap();
        let curves: usize = rest.split('"').next().unwrap().parse().unwrap();
        assert_eq!(chart.matches("class=\"curve\"").count(), 2 * curves, "{id}");
        assert_eq!(chart.matches("<svg").count(), 2, "{id}");
        (id.to_owned(), curves)
    });
    charts.collect()
}

/// A page loads nothing and runs nothing.
fn assert_self_contained(page: &str) {
    for word in [
        "http://", "https://", "<script", "<iframe", "@import", "url(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    for reference in page.split("src=\"").skip(1) {
        assert!(reference.starts_with("data:image/png;base64,"));
    }
}

/// Name of a run, options, and its charts with their numbers of curves.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, usize)],
);

#[test]
fn every_method_gets_its_charts_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [Case; 4] = [
        (
            "exact",
            &["--hidden", "16,8"],
            &[
                ("losses", 4),
                ("bound", 1),
                ("residuals", 2),
                ("accuracy", 2),
                ("steps", 3),
                ("trials", 2),
                ("condition", 3),
            ],
        ),
        (
            "alternating",
            &[
                "--method",
                "alternating",
                "--hidden",
                "16",
                "--validation",
                "50",
            ],
            &[
                ("losses", 6),
                ("bound", 1),
                ("residuals", 1),
                ("accuracy", 3),
                ("trials", 2),
            ],
        ),
        (
            "backprop",
            &["--method", "backprop", "--validation", "50"],
            &[
                ("losses", 4),
                ("accuracy", 3),
                ("learning-rate", 1),
                ("trials", 1),
            ],
        ),
        (
            "cnn",
            &["--model", "cnn"],
            &[
                ("losses", 4),
                ("bound", 1),
                ("residuals", 3),
                ("accuracy", 2),
                ("steps", 3),
                ("trials", 2),
                ("condition", 4),
            ],
        ),
    ];
    for (run, arguments, expected) in cases {
        train(folder.path(), run, arguments);
        let page = report(folder.path(), &[run], &format!("{run}/report.html"));
        let expected: Vec<(String, usize)> = expected
            .iter()
            .map(|(name, curves)| (format!("run-1-{name}"), *curves))
            .collect();
        assert_eq!(charts(&page), expected, "{run}");
        assert_self_contained(&page);
        for part in [
            "Confusion matrix",
            "Misclassified test images",
            "Weights of the first stage",
        ] {
            assert!(page.contains(part), "{run}: {part}");
        }
        let has_validation = page.contains("Validation accuracy");
        assert_eq!(has_validation, arguments.contains(&"--validation"), "{run}");
    }
}

#[test]
fn several_runs_are_compared_and_their_charts_can_be_written_to_files() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "a", &["--hidden", "16"]);
    train(folder.path(), "b", &["--method", "backprop"]);
    let arguments = [
        "report",
        "a",
        "b",
        "--output",
        "both.html",
        "--plots",
        "plots",
        "--json",
    ];
    let output = layersep(folder.path(), &arguments);
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(written["report"], "both.html");
    let plots = written["plots"].as_array().unwrap();
    // The overlay, seven charts of `exact` and four of `backprop`.
    assert_eq!(plots.len(), 2 * (1 + 7 + 4));
    for plot in plots {
        let bytes = fs::read(folder.path().join(plot.as_str().unwrap())).unwrap();
        assert!(
            bytes.starts_with(b"<svg") || bytes.starts_with(b"\x89PNG"),
            "{plot}"
        );
    }
    // A chart would replace any file of its name.
    let again = layersep(folder.path(), &arguments);
    assert_eq!(again.status.code(), Some(2));
    let error = String::from_utf8(again.stderr).unwrap();
    assert!(error.contains("plots holds files already"), "{error}");
    let replaced = layersep(folder.path(), &[&arguments[..], &["--overwrite"]].concat());
    assert!(replaced.status.success());
    let page = fs::read_to_string(folder.path().join("both.html")).unwrap();
    assert_eq!(charts(&page)[0], ("overlay".into(), 2));
    assert_eq!(charts(&page).len(), 1 + 7 + 4);
    assert!(page.contains("<a href=\"#run-2\">b</a>"), "{page}");
    assert_self_contained(&page);
}

#[test]
fn a_run_that_has_not_ended_shows_its_history_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "r", &["--hidden", "16"]);
    let run = folder.path().join("r");
    for file in ["summary.json", "model.bpk"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let history = fs::read_to_string(run.join("history.csv")).unwrap();
    fs::write(run.join("history.csv"), format!("{history}3,0.1,0.")).unwrap();
    let page = report(folder.path(), &["r"], "r/report.html");
    assert_eq!(charts(&page).len(), 7);
    assert!(page.contains("the run has not ended;"), "{page}");
    assert!(
        page.contains("mlp 64-16-10 relu") && !page.contains("<img"),
        "{page}"
    );
    fs::remove_file(run.join("history.csv")).unwrap();
    fs::remove_file(run.join("preprocessing.toml")).unwrap();
    let page = report(folder.path(), &["r"], "r/report.html");
    assert!(charts(&page).is_empty());
    assert!(page.contains("has not ended its first sweep"), "{page}");
}

#[test]
fn data_that_cannot_be_found_are_left_out_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "r", &["--hidden", "16"]);
    let config = folder.path().join("r/config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace(
        "dataset = \"digits\"",
        "dataset = \"mnist\"\nfolder = \"gone\"",
    );
    fs::write(&config, text).unwrap();
    assert_snapshot!(transcript(folder.path(), &["report", "r"]));
    let page = fs::read_to_string(folder.path().join("r/report.html")).unwrap();
    assert!(page.contains("--data-dir DIR"), "{page}");
    assert!(!page.contains("Confusion") && page.contains("Weights of the first stage"));
}

#[test]
fn a_folder_without_a_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    assert_snapshot!(transcript(folder.path(), &["report", "empty"]));
    assert!(!folder.path().join("empty/report.html").exists());
}

#[cfg(unix)]
#[test]
fn a_folder_with_a_hostile_name_is_only_text() {
    let folder = tempfile::tempdir().unwrap();
    let run = "<script>alert('1')<&\"";
    train(folder.path(), run, &["--hidden", "16"]);
    let page = report(folder.path(), &[run, run], "report.html");
    assert_self_contained(&page);
    assert!(page.contains("&lt;script&gt;alert("), "{page}");
    let plots = ["report", run, "--plots", "plots"];
    assert!(layersep(folder.path(), &plots).status.success());
    let svg = fs::read_to_string(folder.path().join("plots/losses.svg")).unwrap();
    assert!(
        svg.contains("&lt;script&gt;") && !svg.contains("<script"),
        "{svg}"
    );
}
