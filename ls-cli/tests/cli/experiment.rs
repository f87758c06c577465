//! `layersep experiment`.

use std::fs;

use insta::assert_snapshot;

use crate::{layersep, transcript};

#[test]
fn without_a_name_the_experiments_are_listed_and_an_unknown_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_snapshot!("list", transcript(folder.path(), &["experiment"]));
    assert_snapshot!(
        "unknown",
        transcript(folder.path(), &["experiment", "dept"])
    );
    assert_snapshot!(
        "no_data",
        transcript(folder.path(), &["experiment", "mnist"])
    );
}

#[test]
fn an_experiment_leaves_every_run_medians_and_plots() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "experiment",
        "initialization",
        "--seeds",
        "2",
        "--seconds",
        "0.01",
        "--run",
        "e",
    ];
    assert!(layersep(folder.path(), &arguments).status.success());
    let read = |name: &str| fs::read_to_string(folder.path().join("e").join(name)).unwrap();
    // Six cases of three contenders with two seeds.
    assert_eq!(read("results.csv").lines().count(), 1 + 6 * 3 * 2);
    assert_eq!(read("results.md").lines().count(), 2 + 6 * 3);
    let svg = read("tanh-10x64.svg");
    for contender in ["kaiming", "xavier", "orthogonal"] {
        assert!(svg.contains(contender), "the legend lacks {contender}");
    }
    let png = fs::read(folder.path().join("e/tanh-10x64.png")).unwrap();
    assert_eq!(&png[1..4], b"PNG");
}
