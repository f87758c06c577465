//! Readers of configurations, weights and checkpoints on arbitrary and on damaged files: an error at worst, never a panic, and no
//! more memory than a small multiple of the file.
//!
//! `LAYERSEP_FUZZ_CASES` sets the number of cases of each reader; 256 by default.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::Device;
use ls_core::method::Task;
use ls_datasets::Images;
use ls_train::config::{BatchSize, MethodConfig, RunConfig};
use ls_train::data::Splits;
use ls_train::run_dir::RunDir;
use ls_train::{Session, Trained, train};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

/// Bytes in use, and the most there were: of all threads, as tensors are made on several.
static IN_USE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// One test at a time, so that the counters are its own.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "there is no other way to watch allocations")]
// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Most bytes of a reader: so many for each of the file, and so many beside, for the network and the reader's own tables.
const FACTOR: usize = 64;
const CONSTANT: usize = 1 << 20;

/// Hands many variants of a file to a reader, which may refuse them.
fn fuzz(valid: &[u8], place: &Path, read: impl Fn()) {
    let cases = std::env::var("LAYERSEP_FUZZ_CASES");
    let cases = cases
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(256);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let arbitrary = prop::collection::vec(any::<u8>(), 0..300);
    let files = prop_oneof![1 => arbitrary, 3 => mutated(valid.to_vec())];
    // A panic of Burn that the reader turns into an error would print a backtrace, whose symbols take tens of megabytes.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = TestRunner::new(config).run(&files, |bytes| {
        fs::write(place, &bytes).expect("a file");
        let before = IN_USE.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        read();
        let peak = PEAK.load(Ordering::Relaxed) - before;
        let most = FACTOR * bytes.len() + CONSTANT;
        prop_assert!(peak <= most as isize, "{peak} bytes for {}", bytes.len());
        Ok(())
    });
    std::panic::set_hook(hook);
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Variants with up to four bytes replaced, up to two stretches copied elsewhere, possibly cut.
fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let replaced = prop::collection::vec(any::<(Index, u8)>(), 0..=4);
    let copied = prop::collection::vec(any::<(Index, Index, u8)>(), 0..=2);
    let cut = prop::option::weighted(0.2, any::<Index>());
    (replaced, copied, cut).prop_map(move |(replaced, copied, cut)| {
        let mut bytes = valid.clone();
        for (at, value) in replaced {
            *at.get_mut(&mut bytes) = value;
        }
        for (from, to, length) in copied {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let end = bytes.len().min(from + usize::from(length));
            let stretch = bytes[from..end].to_vec();
            bytes.splice(to..to, stretch);
        }
        let length = bytes.len();
        bytes.truncate(cut.map_or(length, |at| at.index(length)));
        bytes
    })
}

/// A finished run of `foof`, which has arrays in its checkpoint.
fn run_folder(folder: &Path) -> PathBuf {
    let mut config = RunConfig {
        sweeps: 1,
        batch_size: BatchSize::Samples(20),
        method: MethodConfig::suited_to(BatchSize::Samples(20)).into(),
        ..RunConfig::default()
    };
    config.data.limit = Some(40);
    config.model =
        toml::from_str("kind = \"mlp\"\nhidden = [4]\nactivation = \"relu\"\ninit = \"kaiming\"")
            .expect("a model");
    let (plan, device, run) = (config.check().unwrap(), Device::flex(), folder.join("run"));
    let splits = Splits::load(&plan, &device).unwrap();
    train(&plan, splits, Session::new(device, &run)).unwrap();
    run
}

/// Loads a network and classifies one image with it, as far as its files allow.
fn use_network(run: &Path) {
    let device = Device::flex();
    let Ok(trained) = Trained::load(run, &device) else {
        return;
    };
    let features = trained.preprocessing.shape().features();
    let images = Images {
        pixels: vec![1; features],
        pixel_max: trained.preprocessing.pixel_max.unwrap_or(1),
    };
    if let Ok(predictions) = trained.predict(&images, &device) {
        assert_eq!(predictions.len(), 1);
    }
}

#[test]
fn configurations() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("config.toml");
    let valid = toml::to_string_pretty(&RunConfig::default()).unwrap();
    fuzz(valid.as_bytes(), &place, || {
        if let Ok(config) = RunConfig::read(&place) {
            let _ = config.check();
        }
    });
}

#[test]
fn preprocessing() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let run = run_folder(folder.path());
    let place = run.join("preprocessing.toml");
    let valid = fs::read(&place).unwrap();
    fuzz(&valid, &place, || {
        use_network(&run);
    });
}

#[test]
fn weights() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let run = run_folder(folder.path());
    let place = run.join("model.bpk");
    let valid = fs::read(&place).unwrap();
    let summary_path = run.join("summary.json");
    let summary = fs::read_to_string(&summary_path).unwrap();
    fuzz(&valid, &place, || {
        // The summary vouches for them.
        let found = fs::read(&place).unwrap();
        fs::write(&summary_path, summary.replace(&sum(&valid), &sum(&found))).unwrap();
        use_network(&run);
    });
}

#[test]
fn checkpoint_headers() {
    checkpoint_file("checkpoint.toml");
}

#[test]
fn checkpoint_weights() {
    checkpoint_file("model.bpk");
}

#[test]
fn checkpoint_arrays() {
    checkpoint_file("arrays.bpk");
}

fn sum(bytes: &[u8]) -> String {
    crc32fast::hash(bytes).to_string()
}

/// A file of a checkpoint with any contents, and checksums that vouch for them.
fn checkpoint_file(name: &str) {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let run = run_folder(folder.path());
    let checkpoint = run.join("checkpoints/00000001");
    let place = checkpoint.join(name);
    let valid = fs::read(&place).unwrap();
    let sums_path = checkpoint.join("checksums.toml");
    let sums = fs::read_to_string(&sums_path).unwrap();
    let device = Device::flex();
    let config = RunDir::read_config(&run).unwrap();
    let network = Trained::load(&run, &device).unwrap().network;
    let other = network.clone();
    let split = Splits::load(&config.clone().check().unwrap(), &device).unwrap();
    let opened = RunDir::open(&run).unwrap();
    fuzz(&valid, &place, || {
        let found = fs::read(&place).unwrap();
        fs::write(&sums_path, sums.replace(&sum(&valid), &sum(&found))).unwrap();
        let Ok(Some(checkpoint)) = opened.checkpoints(1).latest() else {
            return;
        };
        let _ = checkpoint.load_best(&network);
        let _ = checkpoint.load_model(ls_core::method::Separated::new(network.clone()));
        if let Ok(state) = checkpoint.load_method(&device) {
            let task = Task {
                network: &other,
                split: &split.train,
                total_steps: Some(1),
                seed: 1,
            };
            let method = config.method.library().unwrap().init(&task);
            let _ = method.unwrap().restore(state);
        }
    });
}
