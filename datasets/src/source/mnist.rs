use super::{Entry, Reads};
use crate::idx;

const NAME: &str = "mnist";
const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    reads: Reads::Folder {
        files: super::IDX_FILES,
        load: |folder| idx::load(NAME, &CLASSES, folder),
    },
};
