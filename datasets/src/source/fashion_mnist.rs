use super::{Entry, Facts, Reads};
use crate::{ImageShape, idx};

const NAME: &str = "fashion-mnist";
const CLASSES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

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
