use std::io;

/// A failure to load or download data; each message is one line that names the file, the value found and the value expected.
///
/// A message includes its cause, so [`std::error::Error::source`] returns `None`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No data set has this name.
    #[error("unknown data set `{found}`, expected one of: {allowed}")]
    UnknownSource {
        /// The unknown name.
        found: String,
        /// All names, comma-separated.
        allowed: String,
    },
    /// The data set is read from files, but no folder was given.
    #[error("data set {dataset} needs a folder that holds {files}")]
    FolderNeeded {
        /// Name of the data set.
        dataset: &'static str,
        /// Files that the folder must hold.
        files: &'static str,
    },
    /// The data set is embedded, so the given folder would have been ignored.
    #[error("data set {dataset} is embedded and reads no folder, but {folder} was given")]
    FolderNotUsed {
        /// Name of the data set.
        dataset: &'static str,
        /// The folder that was given.
        folder: String,
    },
    /// Nothing has this path.
    #[error("{path} does not exist")]
    PathMissing {
        /// The path that was given.
        path: String,
    },
    /// The path names something else than a folder.
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
        /// Accepted names, comma-separated.
        looked_for: String,
    },
    /// The operating system could not read the file.
    #[error("{file} cannot be read: {cause}")]
    Io {
        /// File that was read.
        file: String,
        /// Error of the operating system.
        cause: io::Error,
    },
    /// The compressed file is not gzip, is cut off, or does not match its checksum, or the archive in it is damaged.
    #[error("{file} is not a valid compressed file, or is damaged: {reason}")]
    Corrupt {
        /// File that was read.
        file: String,
        /// Message of the decoder, without control characters.
        reason: String,
    },
    /// The file, or its unpacked contents, is larger than any data set of its kind.
    #[error("{file} holds more than the {limit} bytes that are allowed")]
    TooLarge {
        /// File that was read.
        file: String,
        /// Largest accepted size in bytes.
        limit: u64,
    },
    /// The file has another format.
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
        /// Bytes that its header or format requires.
        expected: u64,
    },
    /// The file continues after its data.
    #[error("{file} continues after the expected {expected} bytes")]
    TrailingBytes {
        /// File that was read.
        file: String,
        /// Bytes that its header requires.
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
    /// There is no sample.
    #[error("{file} holds no samples")]
    NoSamples {
        /// File, or origin of the samples.
        file: String,
    },
    /// The name of the file does not indicate a supported format.
    #[error("{file} has an unknown format, expected {allowed}")]
    UnknownFormat {
        /// File that should have been read.
        file: String,
        /// Supported formats.
        allowed: &'static str,
    },
    /// The file is neither PNG nor JPEG, is damaged or cut off, or claims more pixels than it can hold.
    #[error("{file} is not a readable picture: {reason}")]
    NotAPicture {
        /// File that was read.
        file: String,
        /// Message of the decoder, without control characters.
        reason: String,
    },
    /// The file is a picture, but the crate was built without its feature `pictures`.
    #[error(
        "{file} cannot be read: build `ls-datasets` with the feature `pictures` for PNG and JPEG"
    )]
    PicturesDisabled {
        /// Picture that should have been read.
        file: String,
    },
    /// An image has another shape.
    #[error("{file} is {found}, expected {expected} (channels × height × width)")]
    ShapeMismatch {
        /// File that was read.
        file: String,
        /// Shape of the image.
        found: crate::ImageShape,
        /// Required shape.
        expected: crate::ImageShape,
    },
    /// The two files of one split hold different numbers of samples.
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
    /// A label is not the index of a class.
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
    #[error("{file}, line {line}: {found} values separated by {separator}, expected {expected}")]
    ValueCount {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Number of values in the line.
        found: usize,
        /// Number of values that the format requires.
        expected: usize,
        /// Name of the character between the values.
        separator: &'static str,
    },
    /// A value in a line of text is not a number, or outside its range.
    #[error("{file}, line {line}, value {column}: `{found}` is not {allowed}")]
    InvalidValue {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Position in the line, from 1.
        column: usize,
        /// The invalid text, shortened.
        found: String,
        /// The values that are allowed, in words.
        allowed: String,
    },
    /// The largest number of pixels that a caller names is not possible.
    #[error("pixel-max = {found:?} is not possible: it must be a finite number above 0")]
    PixelMax {
        /// The number.
        found: f64,
    },
    /// The column of labels that a caller names is not in the table.
    #[error("{file}: label-column = {found} is not possible: {reason}")]
    LabelColumn {
        /// File that was read.
        file: String,
        /// The column that was named, shortened.
        found: String,
        /// Columns that are there, in words.
        reason: String,
    },
    /// All samples of a table have the same label, as happens where the labels are in another column.
    #[error(
        "{file}: every label in column {column} is `{class}`; if the labels are in another column, name it by label-column"
    )]
    OneClass {
        /// File that was read.
        file: String,
        /// Column that was read as labels, from 1.
        column: usize,
        /// The only class, shortened.
        class: String,
    },
    /// The file of class names has too few or too many names.
    #[error("{file} names {found} classes, expected {expected}")]
    ClassCount {
        /// File that was read.
        file: String,
        /// Number of names.
        found: usize,
        /// Number of classes.
        expected: usize,
    },
    /// Train and test split differ in a property that they must share.
    #[error(
        "data set {dataset}: {field} is {train} in the train split but {test} in the test split"
    )]
    SplitMismatch {
        /// Name of the data set.
        dataset: String,
        /// Name of the property.
        field: &'static str,
        /// Value in the train split.
        train: String,
        /// Value in the test split.
        test: String,
    },
    /// The share of test samples is not between 0 and 1.
    #[error("test share {found} is not between 0 and 1, both excluded")]
    ShareOutOfRange {
        /// Value of the share.
        found: f64,
    },
    /// No class has more than one sample, so none can become a test sample.
    #[error("{file}: no class has two samples, so none can be held out as a test split")]
    NothingToHoldOut {
        /// File or folder that was read.
        file: String,
    },
    /// There are more classes than labels.
    #[error("{place} has more than {limit} classes")]
    TooManyClasses {
        /// Folder, or file and line, that exceeds the limit.
        place: String,
        /// Largest accepted number.
        limit: usize,
    },
    /// A folder has no sub-folder to serve as a class.
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
    /// An image and the first one differ in size.
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
    /// A class of the test split has no training samples.
    #[error("{file}: class `{class}` is not among the classes of the train split: {allowed}")]
    UnknownClass {
        /// Folder, or file and line.
        file: String,
        /// Name of the class, shortened.
        class: String,
        /// Names of the classes of the train split, shortened.
        allowed: String,
    },
    /// A line of text has no label.
    #[error("{file}, line {line}: the label is empty")]
    EmptyLabel {
        /// File that was read.
        file: String,
        /// Line, from 1.
        line: usize,
    },
    /// The data set is not published as files.
    #[error("data set {dataset} has nothing to download, expected one of: {allowed}")]
    NoDownload {
        /// Name of the data set.
        dataset: &'static str,
        /// Names of the published data sets, comma-separated.
        allowed: String,
    },
    /// The address of a mirror is not an HTTP address.
    #[error(
        "mirror `{found}` is not an address, expected one that starts with http:// or https://"
    )]
    InvalidMirror {
        /// The address that was given.
        found: String,
    },
    /// No mirror sent the file.
    #[error("{file} cannot be downloaded ({tried}); it can be put into {folder} by hand")]
    DownloadFailed {
        /// Name of the file.
        file: String,
        /// Failure of each host.
        tried: String,
        /// Folder for the file.
        folder: String,
    },
    /// Another process is downloading the file.
    #[error("{file} is being downloaded by another process")]
    Busy {
        /// The unfinished file.
        file: String,
    },
    /// The operating system could not write the file.
    #[error("{file} cannot be written: {cause}")]
    Write {
        /// File or folder that should have been written.
        file: String,
        /// Error of the operating system.
        cause: io::Error,
    },
}
