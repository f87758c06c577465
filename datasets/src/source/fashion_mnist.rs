use super::{Entry, Reads};
use crate::idx;

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
    reads: Reads::Folder {
        files: super::IDX_FILES,
        load: |folder| idx::load(NAME, &CLASSES, folder),
    },
};
