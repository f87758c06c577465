//! Laws of the whole command line, on random options and damaged folders.
//!
//! Each case copies a folder with data, runs, configurations and a comparison, may damage some of its files, and runs one random
//! command. Whatever the case, the exit code is 0, 1, 2 or 130; a failure is one line that begins with `error: `; nothing panics;
//! files that the command does not replace stay as they were; memory and time stay within bounds.
//!
//! `LAYERSEP_CLI_CASES` sets the number of cases, 200 by default; `LAYERSEP_CLI_FIRST` the number of the first one, so that a
//! failing case can be run alone.
//!
//! | module | holds |
//! | --- | --- |
//! | `draw` | random numbers of a case |
//! | `damage` | damage of files |
//! | `arguments` | random commands |
//! | `run` | a command with its output, memory and time |

mod arguments;
mod damage;
mod draw;
mod run;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use self::arguments::{Arguments, Options};
use self::draw::Draw;
use self::run::Ended;
use crate::layersep;

/// Cases without `LAYERSEP_CLI_CASES`.
const CASES: u64 = 200;

/// Most memory that a case may have resident at once, in KiB: a run of a few neurons needs some 100 MiB in a debug build.
const MEMORY: u64 = 1 << 20;

/// A folder with everything that a command can name.
fn template() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let line = |i: u32| {
        format!(
            "{},{},{},{},{}\n",
            i % 3,
            i % 17,
            3 * i % 17,
            5 * i % 17,
            7 * i % 17
        )
    };
    fs::write(path.join("data.csv"), (0..30).map(line).collect::<String>()).unwrap();
    fs::write(path.join("images.csv"), "1,2,3,4\n16,0,0,5\n").unwrap();
    image::GrayImage::from_pixel(2, 2, image::Luma([9]))
        .save(path.join("a.png"))
        .unwrap();
    fs::write(
        path.join("net.toml"),
        "[[stages]]\nkind = \"dense\"\nwidth = 4\nactivation = \"tanh\"\n",
    )
    .unwrap();
    let own = [
        "--dataset",
        "csv",
        "--data-dir",
        "data.csv",
        "--hidden",
        "3",
    ];
    let done = |arguments: &[&str]| {
        let output = layersep(path, &[arguments, &own].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        output.stdout
    };
    done(&[
        "train",
        "--sweeps",
        "4",
        "--checkpoint-every",
        "1",
        "--run",
        "r",
    ]);
    done(&["train", "--sweeps", "2", "--batch-size", "8", "--run", "b"]);
    done(&[
        "compare",
        "--methods",
        "exact,lbfgs",
        "--seeds",
        "1",
        "--sweeps",
        "1",
        "--run",
        "c",
    ]);
    // Most files of a run are logs, which no command reads; those of one sweep are enough to be damaged.
    for logs in [
        "r/logs/train/epoch-2",
        "r/logs/train/epoch-3",
        "r/logs/train/epoch-4",
        "r/logs/valid",
        "b/logs",
    ] {
        fs::remove_dir_all(path.join(logs)).unwrap();
    }
    for run in ["exact_seed-1", "lbfgs_seed-1"] {
        fs::remove_dir_all(path.join("c/runs/csv").join(run).join("logs")).unwrap();
    }
    let config = done(&["config", "--sweeps", "2"]);
    fs::write(path.join("run.toml"), config).unwrap();
    folder
}

/// Every file below a folder with its contents; nothing for a pipe or a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in contents(from) {
        let file = to.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
}

/// What a broken law looks like: the case, its command, the law.
fn broken(template: &Path, options: &Options, number: u64) -> (Ended, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    copy(template, path);
    let mut draw = Draw::new(number);
    let damages = damage::damage(path, &mut draw);
    let arguments = Arguments::draw(options, &mut draw);
    let before = contents(path);
    let ended = run::run(path, &arguments.words);
    let law = ended
        .broken_law(MEMORY)
        .or_else(|| lost(&before, &contents(path), &arguments, &ended));
    let report = law.map(|law| {
        format!(
            "case {number}: {law}\n  damage: {damages:?}\n  layersep {:?}\n  exit code {:?}\n{}",
            arguments.words, ended.code, ended.error
        )
    });
    (ended, report)
}

/// Names a file that is gone, or that a command has changed which may not.
fn lost(
    before: &BTreeMap<PathBuf, Vec<u8>>,
    after: &BTreeMap<PathBuf, Vec<u8>>,
    arguments: &Arguments,
    ended: &Ended,
) -> Option<String> {
    for (name, bytes) in before {
        let is_lock = name.ends_with("lock");
        let may_change = is_lock
            || (ended.code == Some(0) || ended.code == Some(1)) && arguments.may_change(name);
        match after.get(name) {
            None if !may_change => return Some(format!("{} is gone", name.display())),
            Some(now) if now != bytes && !may_change => {
                return Some(format!("{} has changed", name.display()));
            }
            _ => {}
        }
    }
    let drafts = after.keys().filter(|name| !before.contains_key(*name));
    let mut drafts = drafts.filter(|name| name.to_string_lossy().contains("draft"));
    drafts
        .next()
        .map(|name| format!("{} stays", name.display()))
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

#[test]
#[allow(
    clippy::print_stderr,
    reason = "the figures of a long run are read from its output"
)]
fn every_command_line_ends_in_order() {
    let template = template();
    let options = Options::read();
    let (first, count) = (
        number("LAYERSEP_CLI_FIRST", 0),
        number("LAYERSEP_CLI_CASES", CASES),
    );
    let next = AtomicU64::new(first);
    let results = Mutex::new((Vec::new(), BTreeMap::<Option<i32>, u64>::new(), 0, 0.0_f64));
    let work = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= first + count {
            return;
        }
        let (ended, report) = broken(template.path(), &options, number);
        let mut results = results.lock().unwrap();
        if let Some(report) = &report {
            eprintln!("{report}");
        }
        results.0.extend(report);
        *results.1.entry(ended.code).or_default() += 1;
        results.2 = results.2.max(ended.memory);
        results.3 = results.3.max(ended.seconds);
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(work);
        }
    });
    let (failures, codes, memory, seconds) = results.into_inner().unwrap();
    eprintln!(
        "{count} cases: exit codes {codes:?}, most memory {} MiB, longest {seconds:.1} s",
        memory >> 10
    );
    assert!(
        failures.is_empty(),
        "{} of {count} cases broke a law:\n{}",
        failures.len(),
        failures.join("\n")
    );
    // A generator whose commands all fail would test little.
    let succeeded = codes.get(&Some(0)).copied().unwrap_or(0);
    assert!(
        count < 100 || (succeeded > count / 10 && succeeded < count),
        "{codes:?}"
    );
}
