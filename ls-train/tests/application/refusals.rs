//! Networks and settings that do not fit the samples.

use burn::module::Param;
use burn::tensor::{DType, Device, Int, Tensor};
use ls_core::shape::FeatureShape;
use ls_core::stage::AnyStage;
use ls_train::config::{Precision, RunConfig};
use ls_train::data::{SampleKind, Splits};
use ls_train::{Session, Training};

use crate::stages::Scale;
use crate::{NAME, config, exact, kind, network, points, splits, tensors};

#[test]
fn a_network_that_does_not_take_the_samples_is_refused_and_leaves_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let config = config(exact());
    let plan = config.clone().check().unwrap();
    let refusal = |kind: &SampleKind, points: (Tensor<2>, Tensor<1, Int>)| {
        let splits = Splits::from_tensors(&plan, kind, points.clone(), points).unwrap();
        let session = Session::new(Device::flex(), &run);
        let outcome = Training::new(&plan, splits)
            .network(NAME, network(1))
            .run(session);
        outcome.err().unwrap().to_string()
    };
    let (inputs, labels) = tensors(&points(9, 0.0));
    let wide = SampleKind {
        shape: FeatureShape::Flat(4),
        ..kind()
    };
    let doubled = Tensor::cat(vec![inputs.clone(), inputs.clone()], 1);
    assert_eq!(
        refusal(&wide, (doubled, labels.clone())),
        "inputs of the network: expected 4, found 2"
    );
    let mut more = kind();
    more.classes.push("outside".into());
    assert_eq!(
        refusal(&more, (inputs, labels)),
        "classes of the network: expected 4, found 3"
    );
    assert!(!run.exists());
}

#[test]
fn a_name_or_a_folder_without_its_kind_of_data_is_refused() {
    let refusal = |change: &dyn Fn(&mut RunConfig)| {
        let mut config = RunConfig::default();
        change(&mut config);
        config.check().unwrap_err().to_string()
    };
    assert!(refusal(&|c| c.data.name = Some("x".into())).starts_with("name = x"));
    let folder = refusal(&|c| {
        c.data.dataset = "application".into();
        c.data.folder = Some("data".into());
    });
    assert!(folder.starts_with("folder = data"), "{folder}");
}

#[test]
fn network_samples_and_device_that_do_not_fit_are_refused_and_leave_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = config(exact());
    config.data.validation = Some(30);
    let refusal = |config: &RunConfig, splits: Splits| {
        let session = Session::new(Device::flex(), &run);
        let plan = config.clone().check().unwrap();
        let outcome = Training::new(&plan, splits)
            .network(NAME, network(1))
            .run(session);
        assert!(!run.exists());
        outcome.err().unwrap().to_string()
    };
    let in_f64 = |change: &dyn Fn(&mut Splits) -> &mut Tensor<2>| {
        let mut splits = splits(&config).unwrap();
        let inputs = change(&mut splits);
        *inputs = inputs.clone().cast(DType::F64);
        refusal(&config, splits)
    };
    let cases = [
        ("training", in_f64(&|s| &mut s.train.inputs)),
        (
            "validation",
            in_f64(&|s| &mut s.validation.as_mut().unwrap().inputs),
        ),
        ("test", in_f64(&|s| &mut s.test.inputs)),
    ];
    for (split, found) in cases {
        let expected =
            format!("the {split} split is in f64, and the session's device computes in f32");
        assert_eq!(found, expected);
    }
    let double = RunConfig {
        precision: Precision::F64,
        ..config.clone()
    };
    assert_eq!(
        refusal(&double, splits(&config).unwrap()),
        "precision = f64 is not possible: the device computes in f32 already; plan f32, or set the device's precision before its \
         first tensor"
    );
}

#[test]
fn a_network_in_other_numbers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(exact());
    let plan = config.clone().check().unwrap();
    let mut network = network(1);
    let exponents = Tensor::zeros([12], (&Device::flex(), DType::F64));
    *network.stage_mut(2) = AnyStage::custom(Scale {
        exponents: Param::from_tensor(exponents),
    });
    let session = Session::new(Device::flex(), folder.path());
    let outcome = Training::new(&plan, splits(&config).unwrap())
        .network(NAME, network)
        .run(session);
    assert_eq!(
        outcome.err().unwrap().to_string(),
        "the network is in f64, and the session's device computes in f32"
    );
}

#[test]
fn splits_of_another_plan_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut config = config(exact());
    config.data.validation = Some(30);
    let splits = splits(&config).unwrap();
    config.data.validation = Some(20);
    let session = Session::new(Device::flex(), &run);
    let plan = config.check().unwrap();
    let outcome = Training::new(&plan, splits)
        .network(NAME, network(1))
        .run(session);
    assert_eq!(
        outcome.err().unwrap().to_string(),
        "validation was 30 when the splits were made, and is 20 in the plan that trains; make them by the same plan"
    );
    assert!(!run.exists());
}
