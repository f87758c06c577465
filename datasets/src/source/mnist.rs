use super::{Entry, Facts, Reads};
use crate::{ImageShape, idx};

const NAME: &str = "mnist";
const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    facts: Some(Facts {
        shape: ImageShape {
            channels: 1,
            height: 28,
            width: 28,
        },
        classes: 10,
        train_samples: 60_000,
        test_samples: 10_000,
    }),
    reads: Reads::Folder {
        files: super::IDX_FILES,
        load: |folder| idx::load(NAME, &CLASSES, folder),
    },
};
