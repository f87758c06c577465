//! `model.bpk`: what it may hold, and when it is read.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use ls_datasets::Images;
use ls_train::config::RunConfig;
use ls_train::data::Splits;
use ls_train::{Result, Session, Trained, train};

fn run(folder: &Path) -> PathBuf {
    let mut config = RunConfig {
        sweeps: 1,
        ..RunConfig::default()
    };
    config.data.limit = Some(30);
    let (plan, device, run) = (config.check().unwrap(), Device::flex(), folder.join("run"));
    let splits = Splits::load(&plan, &device).unwrap();
    train(&plan, splits, Session::new(device, &run)).unwrap();
    run
}

fn load(run: &Path) -> Result<Trained> {
    Trained::load(run, &Device::flex())
}

#[test]
fn weights_that_are_not_finite_are_refused_even_with_a_checksum() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let (model, summary) = (run.join("model.bpk"), run.join("summary.json"));
    let whole = fs::read(&model).unwrap();
    let vouching = fs::read_to_string(&summary).unwrap();
    let sum = |bytes: &[u8]| crc32fast::hash(bytes).to_string();
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bytes = whole.clone();
        // The last tensor ends with the file.
        let last = bytes.len() - size_of::<f32>();
        bytes[last..].copy_from_slice(&number.to_le_bytes());
        fs::write(&model, &bytes).unwrap();
        assert!(
            load(&run)
                .unwrap_err()
                .to_string()
                .contains("its checksum is not the one")
        );
        fs::write(&summary, vouching.replace(&sum(&whole), &sum(&bytes))).unwrap();
        let refused = load(&run).unwrap_err().to_string();
        assert!(
            refused.ends_with("holds numbers that are not finite"),
            "{refused}"
        );
        fs::write(&summary, &vouching).unwrap();
    }
    fs::write(&model, &whole).unwrap();
    load(&run).unwrap();
}

#[test]
fn a_network_does_not_need_its_files_once_it_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path());
    let images = Images {
        pixels: (0..64).map(|i| i % 17).collect(),
        pixel_max: 16,
    };
    let predict = |trained: &Trained| trained.predict(&images, &Device::flex()).unwrap();
    let expected = predict(&load(&run).unwrap());
    // Both the weights of the end and those of the checkpoint.
    for file in ["model.bpk", "checkpoints"] {
        let trained = load(&run).unwrap();
        assert_eq!(trained.checkpoint.is_some(), file == "checkpoints");
        match file {
            "checkpoints" => fs::remove_dir_all(run.join(file)).unwrap(),
            file => fs::remove_file(run.join(file)).unwrap(),
        }
        assert_eq!(predict(&trained), expected);
    }
    assert!(
        load(&run)
            .unwrap_err()
            .to_string()
            .contains("holds no weights yet")
    );
}
