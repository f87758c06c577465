use std::io;

/// Why data could not be loaded or downloaded; each message is one line that names the file and what was expected of it.
///
/// Causes are part of the message and therefore not repeated through [`std::error::Error::source`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No source has this name.
    #[error("unknown data set `{found}`, expected one of: {allowed}")]
    UnknownSource {
        /// The name that was asked for.
        found: String,
        /// All names, comma-separated.
        allowed: String,
    },
    /// The source reads files, but no folder was given.
    #[error("data set {dataset} needs a folder that holds {files}")]
    FolderNeeded {
        /// Name of the source.
        dataset: &'static str,
        /// What the folder has to hold.
        files: &'static str,
    },
    /// The source is embedded, so the given folder would have been ignored.
    #[error("data set {dataset} is embedded and reads no folder, but {folder} was given")]
    FolderNotUsed {
        /// Name of the source.
        dataset: &'static str,
        /// The folder that was given.
        folder: String,
    },
    /// The folder does not exist, or is not a folder.
    #[error("{folder} is not a folder")]
    NotAFolder {
        /// The path that was given.
        folder: String,
    },
    /// A file that belongs to the data set is missing.
    #[error("{place} holds none of: {looked_for}")]
    FileMissing {
        /// Folder or archive that was searched.
        place: String,
        /// Names that would have been accepted, comma-separated.
        looked_for: String,
    },
    /// The operating system could not read the file.
    #[error("{file} cannot be read: {cause}")]
    Io {
        /// File that was read.
        file: String,
        /// What the operating system reported.
        cause: io::Error,
    },
    /// The compressed file is not gzip, is cut off, or does not match its checksum; or the archive in it is damaged.
    #[error("{file} is not a valid compressed file, or is damaged: {reason}")]
    Corrupt {
        /// File that was read.
        file: String,
        /// What the decoder reported, without control characters.
        reason: String,
    },
    /// The file is larger than any data set of its kind, or unpacks to more.
    #[error("{file} holds more than the {limit} bytes that are allowed")]
    TooLarge {
        /// File that was read.
        file: String,
        /// Largest accepted size in bytes.
        limit: u64,
    },
    /// The file is of another kind.
    #[error("{file} starts with magic number {found}, expected {expected}")]
    WrongMagic {
        /// File that was read.
        file: String,
        /// First four bytes, big-endian.
        found: u32,
        /// Magic number of the format.
        expected: u32,
    },
    /// The file ends too early.
    #[error("{file} ends after {found} bytes, expected {expected}")]
    Truncated {
        /// File that was read.
        file: String,
        /// Bytes in the file, after decompression.
        found: u64,
        /// Bytes its header or format asks for.
        expected: u64,
    },
    /// The file goes on after its data.
    #[error("{file} goes on after the expected {expected} bytes")]
    TrailingBytes {
        /// File that was read.
        file: String,
        /// Bytes its header asks for.
        expected: u64,
    },
    /// A size is zero or too large.
    #[error("{file}: {field} = {found} is outside 1 to {limit}")]
    SizeOutOfRange {
        /// File that was read.
        file: String,
        /// Name of the size.
        field: &'static str,
        /// Value of the size.
        found: u64,
        /// Largest accepted value.
        limit: u64,
    },
    /// There is not a single sample.
    #[error("{file} holds no samples")]
    NoSamples {
        /// File, or origin of the samples.
        file: String,
    },
    /// The name of the file does not tell a format that can be read.
    #[error("{file} is of an unknown format, expected {allowed}")]
    UnknownFormat {
        /// File that was to be read.
        file: String,
        /// What can be read.
        allowed: &'static str,
    },
    /// The file is no PNG or JPEG, is damaged or cut off, or claims more pixels than it can hold.
    #[error("{file} is not a picture that can be read: {reason}")]
    NotAPicture {
        /// File that was read.
        file: String,
        /// What the decoder reported, without control characters.
        reason: String,
    },
    /// An image has another shape.
    #[error("{file} is {found}, expected {expected} (channels × height × width)")]
    ShapeMismatch {
        /// File that was read.
        file: String,
        /// Shape of the image.
        found: crate::ImageShape,
        /// Shape that was asked for.
        expected: crate::ImageShape,
    },
    /// Two files of one split do not belong together.
    #[error("{images_file} holds {images} images, but {labels_file} holds {labels} labels")]
    CountMismatch {
        /// File with the images.
        images_file: String,
        /// Number of images.
        images: usize,
        /// File with the labels.
        labels_file: String,
        /// Number of labels.
        labels: usize,
    },
    /// The number of pixels is not the number of labels times the number of features.
    #[error("{file}: {found} pixels for {samples} samples of shape {shape}")]
    PixelCount {
        /// Origin of the samples.
        file: String,
        /// Number of pixels.
        found: usize,
        /// Number of labels.
        samples: usize,
        /// Shape of one image.
        shape: crate::ImageShape,
    },
    /// A pixel is larger than the largest value of its data set.
    #[error("{file}: pixel {found} in sample {sample} (from 0) is above {limit}")]
    PixelOutOfRange {
        /// Origin of the samples.
        file: String,
        /// Index of the sample, from 0.
        sample: usize,
        /// Value of the pixel.
        found: u8,
        /// Largest accepted value.
        limit: u8,
    },
    /// A label does not belong to any class.
    #[error(
        "{file}: label {found} of sample {sample} (from 0) is not below the number of classes, {classes}"
    )]
    LabelOutOfRange {
        /// File that was read.
        file: String,
        /// Index of the sample in the file, from 0.
        sample: usize,
        /// Value of the label.
        found: u8,
        /// Number of classes.
        classes: usize,
    },
    /// A line of text has too few or too many values.
    #[error("{file}, line {line}: {found} values, expected {expected}")]
    ValueCount {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Number of values in the line.
        found: usize,
        /// Number of values the format asks for.
        expected: usize,
    },
    /// A value in a line of text is not a number, or too large.
    #[error("{file}, line {line}, value {column}: `{found}` is not an integer from 0 to {limit}")]
    InvalidValue {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Position in the line, from 1.
        column: usize,
        /// The text found there, shortened.
        found: String,
        /// Largest accepted value.
        limit: u8,
    },
    /// The file with the class names does not name all classes.
    #[error("{file} names {found} classes, expected {expected}")]
    ClassCount {
        /// File that was read.
        file: String,
        /// Number of names.
        found: usize,
        /// Number of classes.
        expected: usize,
    },
    /// Train and test split are not of the same kind.
    #[error(
        "data set {dataset}: {field} is {train} in the train split but {test} in the test split"
    )]
    SplitMismatch {
        /// Name of the data set.
        dataset: String,
        /// What differs.
        field: &'static str,
        /// Value in the train split.
        train: String,
        /// Value in the test split.
        test: String,
    },
    /// The part to hold out as a test split is none.
    #[error("test share {found} is not between 0 and 1, both excluded")]
    ShareOutOfRange {
        /// The part that was asked for.
        found: f64,
    },
    /// Every class has but one sample, so there is none for a test split.
    #[error("{file}: no class has two samples, so none can be held out as a test split")]
    NothingToHoldOut {
        /// File or folder that was read.
        file: String,
    },
    /// There are more classes than labels.
    #[error("{place} has more than {limit} classes")]
    TooManyClasses {
        /// Folder, or file and line, where the limit is passed.
        place: String,
        /// Largest accepted number.
        limit: usize,
    },
    /// A folder has no sub-folder that could be a class.
    #[error("{folder} holds no folders, expected one for each class")]
    NoClassFolders {
        /// Folder that was searched.
        folder: String,
    },
    /// The folder of a class has no image.
    #[error("{folder} holds no image, expected files that end in .png, .jpg or .jpeg")]
    NoImages {
        /// Folder that was searched.
        folder: String,
    },
    /// An image is of another size than the first one.
    #[error("{file} has the shape {found}, expected {expected} as in {first}")]
    ImageShape {
        /// File that was read.
        file: String,
        /// Its shape.
        found: crate::ImageShape,
        /// Shape of the first image.
        expected: crate::ImageShape,
        /// File of the first image.
        first: String,
    },
    /// The test split has a class of which there is nothing to train with.
    #[error("{file}: class `{class}` is not among the classes of the train split: {allowed}")]
    UnknownClass {
        /// Folder, or file and line.
        file: String,
        /// Name of the class, shortened.
        class: String,
        /// Names of the classes of the train split, shortened.
        allowed: String,
    },
    /// A line of text has no class.
    #[error("{file}, line {line}: the label is empty")]
    EmptyLabel {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// The data set is embedded or the user's own.
    #[error("data set {dataset} has nothing to download, expected one of: {allowed}")]
    NoDownload {
        /// Name of the source.
        dataset: &'static str,
        /// Names of the data sets that have, comma-separated.
        allowed: String,
    },
    /// The address of a mirror is of no kind that can be asked.
    #[error("mirror `{found}` is no address, expected one that starts with http:// or https://")]
    InvalidMirror {
        /// The address that was given.
        found: String,
    },
    /// No mirror gave the file.
    #[error("{file} cannot be downloaded ({tried}); it can be put into {folder} by hand")]
    DownloadFailed {
        /// Name of the file.
        file: String,
        /// What went wrong at each host.
        tried: String,
        /// Folder that the file belongs into.
        folder: String,
    },
    /// Another process downloads the same file.
    #[error("{file} is being downloaded by another process")]
    Busy {
        /// The unfinished file.
        file: String,
    },
    /// The operating system could not write the file.
    #[error("{file} cannot be written: {cause}")]
    Write {
        /// File or folder that was to be written.
        file: String,
        /// What the operating system reported.
        cause: io::Error,
    },
}
