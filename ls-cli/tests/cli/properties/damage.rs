//! Damage of files.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::contents;
use super::draw::Draw;

/// Damages up to three files in three of five cases; says what it did.
pub(super) fn damage(folder: &Path, draw: &mut Draw) -> Vec<String> {
    if !draw.percent(60) {
        return Vec::new();
    }
    let count = 1 + draw.below(3);
    (0..count).map(|_| damage_one(folder, draw)).collect()
}

fn damage_one(folder: &Path, draw: &mut Draw) -> String {
    let files = contents(folder);
    let names: Vec<_> = files.keys().collect();
    let name = *draw.pick(&names);
    let file = folder.join(name);
    let mut bytes = files[name].clone();
    let kind = draw.below(11);
    let what = match kind {
        0 => "removed",
        1 => "emptied",
        2 | 3 => {
            bytes.truncate(draw.below(bytes.len()));
            "cut"
        }
        4 | 5 => {
            for _ in 0..1 + draw.below(3) {
                let at = draw.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << draw.below(8);
                }
            }
            "bits flipped"
        }
        6 => {
            bytes.extend((0..1 + draw.below(40)).map(|_| draw.below(256) as u8));
            "extended"
        }
        7 => {
            bytes.clone_from(&files[*draw.pick(&names)]);
            "replaced by another file"
        }
        8 => {
            let from = draw.below(bytes.len());
            let to = (from + draw.below(60)).min(bytes.len());
            bytes.drain(from..to);
            "a piece removed"
        }
        9 => "a folder",
        _ => "a pipe",
    };
    fs::remove_file(&file).unwrap();
    match kind {
        0 => {}
        1 => fs::write(&file, "").unwrap(),
        9 => fs::create_dir(&file).unwrap(),
        10 => assert!(
            Command::new("mkfifo")
                .arg(&file)
                .status()
                .unwrap()
                .success()
        ),
        _ => fs::write(&file, bytes).unwrap(),
    }
    format!("{}: {what}", name.display())
}
