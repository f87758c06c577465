//! Samples of an application.

use burn::data::dataset::{Dataset, InMemDataset};
use burn::tensor::{Device, Tensor};
use ls_core::linalg::to_f64;
use ls_core::shape::FeatureShape;
use ls_train::config::RunConfig;
use ls_train::data::{SampleKind, Splits};

use crate::{Point, config, exact, kind, points, splits, tensors};

#[test]
fn items_of_a_data_set_are_the_same_samples_as_their_tensors() {
    let mut config = config(exact());
    config.data.limit = Some(100);
    config.data.validation = Some(20);
    let (train, test) = (points(150, 0.0), points(60, 0.5));
    let plan = config.clone().check().unwrap();
    let items = [&train, &test].map(|points| InMemDataset::new(points.clone()));
    let read = Splits::from_datasets(
        &plan,
        &kind(),
        [&items[0], &items[1]],
        |point: Point| (point.position.to_vec(), point.ring),
        &Device::flex(),
    )
    .unwrap();
    let given = splits(&config).unwrap();
    assert_eq!(read.fingerprint, given.fingerprint);
    assert_eq!(read.fingerprint.train_samples, 100);
    let held_out = read.validation.unwrap();
    assert_eq!((read.train.len(), held_out.len()), (80, 20));
    // Every sample is in one split: the sums over both are those over the first hundred.
    let sum = |inputs: Tensor<2>| to_f64(inputs).unwrap().iter().sum::<f64>();
    let expected: f64 = train[..100]
        .iter()
        .flat_map(|point| point.position)
        .map(f64::from)
        .sum();
    let found = sum(read.train.inputs) + sum(held_out.inputs);
    // f64 sums of 200 numbers of size 3.
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

#[test]
fn samples_that_cannot_be_trained_on_are_refused() {
    let plan = RunConfig::default().check().unwrap();
    let good = points(9, 0.0);
    let with = |change: &dyn Fn(&mut Vec<Point>)| {
        let mut points = good.clone();
        change(&mut points);
        points
    };
    let refusal = |kind: &SampleKind, train: &[Point], test: &[Point]| {
        let splits = Splits::from_tensors(&plan, kind, tensors(train), tensors(test));
        splits.unwrap_err().to_string()
    };
    let cases = [
        (
            refusal(&kind(), &with(&|p| p[4].position[1] = f32::NAN), &good),
            "sample 4 of the training split: feature 1 is NaN",
        ),
        (
            refusal(&kind(), &good, &with(&|p| p[2].ring = 3)),
            "sample 2 of the test split: its label is 3, and there are 3 classes",
        ),
        (
            refusal(&kind(), &good, &[]),
            "samples = 0 is not possible: the training and the test split must have at least one",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
    let wide = SampleKind {
        shape: FeatureShape::Flat(3),
        ..kind()
    };
    let refused = refusal(&wide, &good, &good);
    assert_eq!(
        refused,
        "features of the training split: expected 3, found 2"
    );
    let one = SampleKind {
        classes: vec!["all".into()],
        ..kind()
    };
    assert_eq!(
        refusal(&one, &good, &good),
        "sample kind = 2 with 1 classes is not possible: there must be two classes or more"
    );
    let none = SampleKind {
        shape: FeatureShape::Flat(0),
        ..kind()
    };
    assert!(refusal(&none, &good, &good).starts_with("sample kind = 0 with 3 classes"));
    let (inputs, _) = tensors(&good);
    let (_, labels) = tensors(&good[..5]);
    let refused = Splits::from_tensors(&plan, &kind(), (inputs, labels), tensors(&good));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "labels of the training split: expected 9, found 5"
    );
}

#[test]
fn items_that_do_not_fit_are_named() {
    let plan = RunConfig::default().check().unwrap();
    let items = InMemDataset::new(points(9, 0.0));
    let items: &dyn Dataset<Point> = &items;
    let short = |point: Point| {
        let features = if point.ring == 2 { 1 } else { 2 };
        (point.position[..features].to_vec(), point.ring)
    };
    let refused = Splits::from_datasets(&plan, &kind(), [items, items], short, &Device::flex());
    assert_eq!(
        refused.unwrap_err().to_string(),
        "sample 2 of the training split: 1 features instead of 2"
    );
}
