//! Pictures of the user, PNG or JPEG, in one folder per class.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Definition, Loader, Source};
use crate::input::{BYTES_LIMIT, Input, check_folder, cleaned, listed, read_failed, shortened};
use crate::samples::{CLASSES_LIMIT, check_size};
use crate::{Dataset, Error, ImageShape, Samples, SplitRule, picture};

const NAME: &str = "folder";
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

impl Source {
    /// Pictures of the user, in one folder per class; needs the feature `pictures`.
    pub const FOLDER: Self = Self(&DEFINITION);
}

static DEFINITION: Definition = Definition {
    name: NAME,
    about: "pictures of your own, in one folder per class",
    facts: None,
    loader: Loader::Samples {
        files: "a folder of .png or .jpg images for each class, perhaps below train and test",
        load,
    },
    distribution: None,
};

/// Loads the classes below `train` and `test`.
///
/// Without both, loads those below `train` or the folder itself, and the rule draws the test split.
fn load(folder: &Path, rule: &SplitRule) -> Result<Dataset, Error> {
    check_folder(folder)?;
    let (train, test) = (folder.join("train"), folder.join("test"));
    let root = if train.is_dir() { &train } else { folder };
    let classes = class_folders(root)?;
    let names: Vec<String> = classes.iter().map(|class| name_of(class)).collect();
    let mut files = image_files(&classes, 0..=u8::MAX)?;
    let train_count = files.len();
    let has_test = root == train && test.is_dir();
    if has_test {
        let classes = class_folders(&test)?;
        let labels = train_labels(&classes, &names)?;
        files.extend(image_files(&classes, labels)?);
    }
    let all = read(&root.display().to_string(), &files, names)?;
    if !has_test {
        return Dataset::split(NAME, &root.display().to_string(), &all, rule);
    }
    let indices: Vec<usize> = (0..files.len()).collect();
    let (train, test) = indices.split_at(train_count);
    Dataset::new(NAME, all.select(train)?, all.select(test)?)
}

/// Returns the sub-folders, sorted by name.
fn class_folders(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let folders: Vec<PathBuf> = visible(root)?
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    let place = root.display().to_string();
    match folders.len() {
        0 => Err(Error::NoClassFolders { folder: place }),
        1..=CLASSES_LIMIT => Ok(folders),
        _ => Err(Error::TooManyClasses {
            place,
            limit: CLASSES_LIMIT,
        }),
    }
}

/// Returns everything in a folder that is not hidden, sorted by name.
fn visible(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |cause| read_failed(&folder.display().to_string(), cause);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

fn name_of(class: &Path) -> String {
    let name = class.file_name().unwrap_or_default();
    cleaned(&name.to_string_lossy())
}

/// Returns the labels that classes of the test split have in the train split.
fn train_labels(classes: &[PathBuf], names: &[String]) -> Result<Vec<u8>, Error> {
    let label = |class: &PathBuf| {
        let name = name_of(class);
        let at = names.iter().position(|other| *other == name);
        at.map(|at| at as u8).ok_or_else(|| Error::UnknownClass {
            file: class.display().to_string(),
            class: shortened(name.as_bytes()),
            allowed: listed(names),
        })
    };
    classes.iter().map(label).collect()
}

/// Returns the images of all classes with their labels.
///
/// The first image of every class comes before any second one, so that the first samples mix all classes.
fn image_files(
    classes: &[PathBuf],
    labels: impl IntoIterator<Item = u8>,
) -> Result<Vec<(PathBuf, u8)>, Error> {
    let mut files = Vec::new();
    for (class, label) in classes.iter().zip(labels) {
        let images = visible(class)?.into_iter().filter(|path| is_image(path));
        let before = files.len();
        files.extend(images.enumerate().map(|(at, path)| (at, label, path)));
        if files.len() == before {
            return Err(Error::NoImages {
                folder: class.display().to_string(),
            });
        }
    }
    files.sort_unstable();
    Ok(files
        .into_iter()
        .map(|(_, label, path)| (path, label))
        .collect())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    EXTENSIONS
        .iter()
        .any(|known| extension.eq_ignore_ascii_case(known))
        && path.is_file()
}

fn read(place: &str, files: &[(PathBuf, u8)], classes: Vec<String>) -> Result<Samples, Error> {
    let mut images = ImageStack::default();
    for (path, _) in files {
        let mut input = Input::open(path)?;
        let (shape, pixels) = picture::read(&mut input)?;
        images.add(input.name(), shape, &pixels)?;
    }
    let labels = files.iter().map(|(_, label)| *label).collect();
    let shape = images.shape();
    Samples::new(place, shape, images.pixels, u8::MAX, labels, classes)
}

/// Images of one size; all are grey until a coloured one is added.
#[derive(Default)]
struct ImageStack {
    first: Option<(String, ImageShape)>,
    is_coloured: bool,
    pixels: Vec<u8>,
}

impl ImageStack {
    fn add(&mut self, file: &str, found: ImageShape, pixels: &[u8]) -> Result<(), Error> {
        let (first, expected) = self.first.get_or_insert_with(|| (file.to_owned(), found));
        if (found.height, found.width) != (expected.height, expected.width) {
            return Err(Error::ImageShape {
                file: file.to_owned(),
                found,
                expected: *expected,
                first: first.clone(),
            });
        }
        if found.channels == 3 && !self.is_coloured {
            self.pixels = coloured(&self.pixels, found.height * found.width);
            self.is_coloured = true;
        }
        let is_grey_among_coloured = self.is_coloured && found.channels == 1;
        for _ in 0..if is_grey_among_coloured { 3 } else { 1 } {
            self.pixels.extend_from_slice(pixels);
        }
        let size = self.pixels.len() as u64;
        check_size(file, "size of all images in bytes", size, BYTES_LIMIT)
    }

    fn shape(&self) -> ImageShape {
        let first = self.first.as_ref().map(|(_, shape)| *shape);
        let (height, width) = first.map_or((0, 0), |shape| (shape.height, shape.width));
        ImageShape {
            channels: if self.is_coloured { 3 } else { 1 },
            height,
            width,
        }
    }
}

/// Converts grey images to coloured ones by repeating the channel of each three times.
fn coloured(grey: &[u8], size: usize) -> Vec<u8> {
    grey.chunks_exact(size)
        .flat_map(|image| image.repeat(3))
        .collect()
}

#[cfg(all(test, feature = "pictures"))]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::picture::testing::{colour, encoded, grey};

    fn folder_with(files: &[(&str, DynamicImage)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, image) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, encoded(image, ImageFormat::Png)).unwrap();
        }
        folder
    }

    fn message(folder: &tempfile::TempDir) -> String {
        let error = load(folder.path(), &SplitRule::default()).unwrap_err();
        let folder = folder.path().display().to_string();
        error.to_string().replace(&folder, "DIR").replace('\\', "/")
    }

    #[test]
    fn sub_folders_are_classes_and_the_rule_splits_their_images() {
        let folder = folder_with(&[
            ("b/2.png", grey(3, 4)),
            ("b/1.PNG", grey(3, 2)),
            ("a/2.jpeg", grey(3, 3)),
            ("a/1.jpg", grey(3, 1)),
            ("a/.hidden.png", grey(9, 0)),
            (".git/x.png", grey(9, 0)),
        ]);
        fs::write(folder.path().join("a/notes.txt"), "no image").unwrap();
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.classes(), ["a", "b"]);
        assert_eq!(dataset.train.shape().to_string(), "1×2×3");
        assert_eq!(dataset.train.class_counts(), [1, 1]);
        assert_eq!(dataset.test.class_counts(), [1, 1]);
        assert!(dataset.test_is_drawn);
    }

    #[test]
    fn a_test_folder_is_used_and_the_classes_take_turns() {
        let folder = folder_with(&[
            ("train/a/1.png", grey(2, 1)),
            ("train/a/2.png", grey(2, 2)),
            ("train/b/1.png", grey(2, 3)),
            ("train/b/2.png", grey(2, 4)),
            ("test/b/1.png", grey(2, 5)),
        ]);
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.labels(), [0, 1, 0, 1]);
        let firsts: Vec<u8> = dataset.train.pixels().iter().step_by(4).copied().collect();
        assert_eq!(firsts, [1, 3, 2, 4]);
        assert_eq!(
            (dataset.test.labels(), dataset.test.pixels()),
            (&[1][..], &[5; 4][..])
        );
        assert!(!dataset.test_is_drawn && dataset.note.is_none());
    }

    #[test]
    fn one_coloured_image_makes_all_of_them_coloured() {
        let folder = folder_with(&[
            ("train/a/1.png", grey(2, 7)),
            ("train/a/2.png", colour([1, 2, 3])),
            ("test/a/1.png", grey(2, 9)),
        ]);
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.shape().to_string(), "3×2×2");
        assert_eq!(dataset.train.image(0), Some(&[7; 12][..]));
        assert_eq!(
            dataset.train.image(1),
            Some(&[1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3][..])
        );
        assert_eq!(dataset.test.pixels(), [9; 12]);
    }

    #[test]
    fn every_defect_of_a_folder_has_its_own_message() {
        let other_size = [("a/1.png", grey(2, 0)), ("a/2.png", grey(3, 0))];
        assert_eq!(
            message(&folder_with(&other_size)),
            "DIR/a/2.png has the shape 1×2×3, expected 1×2×2 as in DIR/a/1.png"
        );
        assert_eq!(
            message(&folder_with(&[])),
            "DIR holds no folders, expected one for each class"
        );
        let empty = folder_with(&[("a/1.png", grey(2, 0))]);
        fs::create_dir(empty.path().join("b")).unwrap();
        fs::write(empty.path().join("b/1.gif"), "").unwrap();
        assert_eq!(
            message(&empty),
            "DIR/b holds no image, expected files that end in .png, .jpg or .jpeg"
        );
        let strange = [("train/a/1.png", grey(2, 0)), ("test/c/1.png", grey(2, 0))];
        assert_eq!(
            message(&folder_with(&strange)),
            "DIR/test/c: class `c` is not among the classes of the train split: a"
        );
        let broken = folder_with(&[("a/1.png", grey(2, 0))]);
        fs::write(broken.path().join("a/2.png"), "GIF89a").unwrap();
        assert_eq!(
            message(&broken),
            "DIR/a/2.png is not a readable picture: it is neither PNG nor JPEG"
        );
    }

    #[test]
    fn as_many_classes_as_labels_are_read_and_more_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = encoded(&grey(1, 0), ImageFormat::Png);
        for class in 0..256 {
            let class = folder.path().join(format!("{class:03}"));
            fs::create_dir(&class).unwrap();
            fs::write(class.join("1.png"), &image).unwrap();
        }
        fs::write(folder.path().join("000/2.png"), &image).unwrap();
        let dataset = load(folder.path(), &SplitRule::default()).unwrap();
        assert_eq!(dataset.train.classes().len(), 256);
        assert!(dataset.train.labels().contains(&255));
        fs::create_dir(folder.path().join("256")).unwrap();
        assert_eq!(message(&folder), "DIR has more than 256 classes");
    }
}
