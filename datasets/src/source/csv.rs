//! Tables of the user, with a label and the pixels of one image in each line.

use std::path::Path;

use super::{Definition, Loader, Source};
use crate::input::{BYTES_LIMIT, Input, check_folder, cleaned, listed, shortened};
use crate::samples::CLASSES_LIMIT;
use crate::scale::ScaleFinder;
use crate::table::{Lines, TableLayout};
use crate::{Dataset, Error, ImageShape, PixelScale, Samples, SplitRule, TableRule};

const NAME: &str = "csv";

impl Source {
    /// A table of the user, with a label and the pixels of one image per line.
    pub const CSV: Self = Self(&DEFINITION);
}

static DEFINITION: Definition = Definition {
    name: NAME,
    about: "a table of your own, with one image per line",
    facts: None,
    loader: Loader::Tables {
        files: "train.csv and perhaps test.csv, plain or .gz, or is itself such a file",
        load,
    },
    distribution: None,
};

/// Loads one file, or `train.csv` and perhaps `test.csv` from a folder.
fn load(path: &Path, split: &SplitRule, rule: &TableRule) -> Result<Dataset, Error> {
    let open: Vec<Box<dyn Fn() -> Result<Input<'static>, Error> + '_>> = if path.is_file() {
        vec![Box::new(|| Input::open(path))]
    } else {
        check_folder(path)?;
        let find = |name| move || Input::find(path, &file_names(name));
        match find("test")() {
            Err(Error::FileMissing { .. }) => vec![Box::new(find("train"))],
            _ => vec![Box::new(find("train")), Box::new(find("test"))],
        }
    };
    // The files are read twice, so that one text at a time is in memory: the scale needs the numbers of both.
    let mut finder = ScaleFinder::new(rule.pixel_max)?;
    for open in &open {
        find_scale(open()?, rule, &mut finder)?;
    }
    let scale = finder.scale();
    let mut tables = Vec::new();
    for open in &open {
        tables.push(read(open()?, rule, scale)?);
    }
    into_dataset(tables, split, scale)
}

fn file_names(split: &str) -> [String; 2] {
    [format!("{split}.csv"), format!("{split}.csv.gz")]
}

/// Joins the table of the training split and perhaps that of the test split, and notes what was found in the first.
fn into_dataset(
    tables: Vec<LabelledTable>,
    split: &SplitRule,
    scale: PixelScale,
) -> Result<Dataset, Error> {
    let mut tables = tables.into_iter();
    let Some(train) = tables.next() else {
        return Err(Error::NoSamples { file: NAME.into() });
    };
    let classes = train.sorted_classes();
    if let [class] = &classes[..] {
        return Err(Error::OneClass {
            file: train.file.clone(),
            column: train.label_column,
            class: shortened(class.as_bytes()),
        });
    }
    let (origin, found) = (train.file.clone(), train.found(scale));
    let train = train.into_samples(&classes, scale)?;
    let mut dataset = match tables.next() {
        Some(test) => Dataset::new(NAME, train, test.into_samples(&classes, scale)?)?,
        None => Dataset::split(NAME, &origin, &train, split)?,
    };
    let notes = [Some(found), dataset.note.take()];
    dataset.note = Some(notes.into_iter().flatten().collect::<Vec<_>>().join("; "));
    Ok(dataset)
}

fn find_scale(mut input: Input, rule: &TableRule, finder: &mut ScaleFinder) -> Result<(), Error> {
    let text = input.read_within(BYTES_LIMIT)?;
    let layout = TableLayout::Labelled(rule.label_column.as_ref());
    let mut lines = Lines::new(input.name(), &text, layout)?;
    while lines.advance()? {
        lines.find_scale(finder)?;
    }
    Ok(())
}

fn read(mut input: Input, rule: &TableRule, scale: PixelScale) -> Result<LabelledTable, Error> {
    let text = input.read_within(BYTES_LIMIT)?;
    LabelledTable::parse(input.name(), &text, rule, scale)
}

/// Parses the samples of one file, for tests of the reader alone.
pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Samples, Error> {
    let rule = TableRule::default();
    let mut finder = ScaleFinder::new(None)?;
    find_scale(Input::plain(file, text), &rule, &mut finder)?;
    let scale = finder.scale();
    let table = LabelledTable::parse(file, text, &rule, scale)?;
    let classes = table.sorted_classes();
    table.into_samples(&classes, scale)
}

/// Samples of one file; the classes are in the order of their first lines.
struct LabelledTable {
    file: String,
    features: usize,
    separator: &'static str,
    /// Column of the labels, from 1.
    label_column: usize,
    pixels: Vec<u8>,
    labels: Vec<u8>,
    classes: Vec<Class>,
}

/// A class and its first line.
struct Class {
    name: String,
    line: usize,
}

impl LabelledTable {
    fn parse(file: &str, text: &[u8], rule: &TableRule, scale: PixelScale) -> Result<Self, Error> {
        let layout = TableLayout::Labelled(rule.label_column.as_ref());
        let mut lines = Lines::new(file, text, layout)?;
        let (separator, label_column) = lines.found();
        let mut table = Self {
            file: file.to_owned(),
            features: lines.features(),
            separator,
            label_column: label_column.unwrap_or(1),
            pixels: Vec::new(),
            labels: Vec::new(),
            classes: Vec::new(),
        };
        while lines.advance()? {
            let label = table.label(lines.label().unwrap_or_default(), lines.number())?;
            table.labels.push(label);
            lines.add_pixels(scale, &mut table.pixels)?;
        }
        Ok(table)
    }

    /// Says in words what was found, which may be another thing than the user meant.
    fn found(&self, scale: PixelScale) -> String {
        let steps = if scale.is_of_integers() {
            ""
        } else {
            ", in 255 steps"
        };
        format!(
            "{}: values separated by {}, {} classes in column {}, full intensity {}{steps}",
            self.file,
            self.separator,
            self.classes.len(),
            self.label_column,
            scale.full()
        )
    }

    /// Returns the position of a class among those read so far, to which a new class is added.
    fn label(&mut self, value: &[u8], line: usize) -> Result<u8, Error> {
        let name = cleaned(&String::from_utf8_lossy(value));
        if name.is_empty() {
            return Err(Error::EmptyLabel {
                file: self.file.clone(),
                line,
            });
        }
        if let Some(at) = self.classes.iter().position(|class| class.name == name) {
            return Ok(at as u8);
        }
        if self.classes.len() == CLASSES_LIMIT {
            return Err(Error::TooManyClasses {
                place: format!("{}, line {line}: the file", self.file),
                limit: CLASSES_LIMIT,
            });
        }
        let label = self.classes.len() as u8;
        self.classes.push(Class { name, line });
        Ok(label)
    }

    /// Returns the names of the classes, sorted by value if all are integers, else alphabetically.
    fn sorted_classes(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .classes
            .iter()
            .map(|class| class.name.clone())
            .collect();
        names.sort_unstable();
        let numbers: Option<Vec<i64>> = names.iter().map(|name| name.parse().ok()).collect();
        if numbers.is_some() {
            // The sort is stable, so `01` and `1` keep their alphabetical order.
            names.sort_by_key(|name| name.parse().unwrap_or(0_i64));
        }
        names
    }

    /// Returns the samples; a label is a position in `classes`.
    fn into_samples(self, classes: &[String], scale: PixelScale) -> Result<Samples, Error> {
        let place = |class: &Class| {
            let at = classes.iter().position(|name| *name == class.name);
            at.map(|at| at as u8).ok_or_else(|| Error::UnknownClass {
                file: format!("{}, line {}", self.file, class.line),
                class: shortened(class.name.as_bytes()),
                allowed: listed(classes),
            })
        };
        let places: Vec<u8> = self.classes.iter().map(place).collect::<Result<_, _>>()?;
        let labels = self.labels.iter().map(|&label| places[usize::from(label)]);
        let samples = Samples::new(
            &self.file,
            shape(self.features),
            self.pixels,
            scale.pixel_max(),
            labels.collect(),
            classes.to_vec(),
        );
        Ok(samples?.with_scale(scale))
    }
}

/// Returns the shape of a square image if the number of pixels is a square, else of a single row.
fn shape(features: usize) -> ImageShape {
    let side = features.isqrt();
    let (height, width) = if side * side == features {
        (side, side)
    } else {
        (1, features)
    };
    ImageShape {
        channels: 1,
        height,
        width,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::gzipped;

    fn error(text: &str) -> String {
        parse("table", text.as_bytes()).unwrap_err().to_string()
    }

    fn classes(text: &str) -> Vec<String> {
        parse("table", text.as_bytes()).unwrap().classes().to_vec()
    }

    #[test]
    fn a_line_is_a_label_and_the_pixels_of_a_square_image() {
        let samples = parse("table", b"cat,1,2,3,4\ndog,5,6,7,255\ncat,0,0,0,0\n").unwrap();
        assert_eq!(samples.shape().to_string(), "1×2×2");
        assert_eq!(samples.labels(), [0, 1, 0]);
        assert_eq!(samples.classes(), ["cat", "dog"]);
        assert_eq!(samples.image(1), Some(&[5, 6, 7, 255][..]));
    }

    #[test]
    fn pixels_that_make_no_square_are_one_row() {
        let samples = parse("table", b"0,1,2,3\n").unwrap();
        assert_eq!(samples.shape().to_string(), "1×1×3");
    }

    #[test]
    fn a_header_may_put_the_label_anywhere() {
        let expected = parse("table", b"a,1,2\nb,3,4\n").unwrap();
        for text in [
            "label,p0,p1\na,1,2\nb,3,4\n",
            "p0,p1,Target\n1,2,a\n3,4,b\n",
            "p0,class,p1\n1,a,2\n3,b,4\n",
            "name,p0,p1\na,1,2\nb,3,4\n",
            "label,0,1\na,1,2\nb,3,4\n",
            "1,2,label\n1,2,a\n3,4,b\n",
        ] {
            assert_eq!(parse("table", text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_first_line_with_one_wrong_pixel_is_a_mistake_instead_of_a_header() {
        assert_eq!(
            error("a,1,x,3\n"),
            "table, line 1, value 3: `x` is not a number from 0 to 255 (pixel-max can name another end)"
        );
        assert_eq!(classes("target,0,255\nother,1,2\n"), ["other", "target"]);
    }

    #[test]
    fn integers_are_sorted_by_value_and_other_labels_by_name() {
        assert_eq!(classes("10,0\n9,0\n-1,0\n"), ["-1", "9", "10"]);
        assert_eq!(classes("10,0\n9,0\nb,0\n"), ["10", "9", "b"]);
    }

    #[test]
    fn values_come_without_quotes_spaces_line_ends_and_a_byte_order_mark() {
        let text = "\u{feff}\"T-shirt, top\", 1 ,2\r\n\r\nBag,3,4";
        let samples = parse("table", text.as_bytes()).unwrap();
        assert_eq!(samples.classes(), ["Bag", "T-shirt, top"]);
        assert_eq!(samples.pixels(), [1, 2, 3, 4]);
    }

    #[test]
    fn every_mistake_is_named_with_its_line() {
        let cases = [
            (
                "a,1,2\nb,1\n",
                "table, line 2: 2 values separated by commas, expected 3",
            ),
            (
                "a\n",
                "table, line 1: 1 values separated by commas, expected 2",
            ),
            ("a,1\n,2\n", "table, line 2: the label is empty"),
            (
                "a,1\nb,256\n",
                "table, line 2, value 2: `256` is not a number from 0 to 255 (pixel-max can name another end)",
            ),
            (
                "a,1\nb,-1\n",
                "table, line 2, value 2: `-1` is not a number from 0 to 255 (pixel-max can name another end)",
            ),
            (
                "a,1\nb,inf\n",
                "table, line 2, value 2: `inf` is not a number from 0 to 255 (pixel-max can name another end)",
            ),
            (
                "a,1\nb,\n",
                "table, line 2, value 2: `` is not a number from 0 to 255 (pixel-max can name another end)",
            ),
            ("", "table holds no samples"),
            ("label,p0\n", "table holds no samples"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }

    #[test]
    fn more_classes_than_labels_are_refused() {
        let lines = |count| (0..count).map(|label| format!("{label},0\n"));
        assert_eq!(classes(&lines(256).collect::<String>()).len(), 256);
        assert_eq!(
            error(&lines(257).collect::<String>()),
            "table, line 257: the file has more than 256 classes"
        );
    }

    #[test]
    fn too_many_pixels_for_a_row_are_refused() {
        let text = format!("a{}\n", ",0".repeat(4098));
        assert_eq!(error(&text), "table: width = 4098 is outside 1 to 4096");
        let text = ",".repeat((1 << 24) + 1);
        let expected = "table: pixels in a line = 16777217 is outside 1 to 16777216";
        assert_eq!(error(&text), expected);
    }

    #[test]
    fn a_file_is_split_and_a_folder_with_a_test_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        write("train.csv.gz", &gzipped(b"a,1\na,2\nb,3\nb,4\n"));
        let rule = SplitRule::default();
        let split = load(folder.path(), &rule, &TableRule::default()).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (2, 2));
        let note = split.note.clone().unwrap();
        assert!(
            note.ends_with(
                "train.csv.gz: values separated by commas, 2 classes in column 1, full intensity 16; \
                 the data has no test split: 2 of 4 samples were held out by seed 1"
            ),
            "{note}"
        );
        assert_eq!(
            load(
                &folder.path().join("train.csv.gz"),
                &rule,
                &TableRule::default()
            )
            .unwrap(),
            split
        );

        write("test.csv", b"b,9\n");
        let own = load(folder.path(), &rule, &TableRule::default()).unwrap();
        assert_eq!((own.train.len(), own.test.labels()), (4, &[1][..]));
        assert!(split.test_is_drawn && !own.test_is_drawn);
    }

    #[test]
    fn a_class_of_the_test_file_alone_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.csv"), "a,1\nb,2\n").unwrap();
        fs::write(folder.path().join("test.csv"), "a,1\nc,2\n").unwrap();
        let error = load(folder.path(), &SplitRule::default(), &TableRule::default()).unwrap_err();
        let expected =
            "test.csv, line 2: class `c` is not among the classes of the train split: a, b";
        assert!(error.to_string().ends_with(expected), "{error}");
    }

    #[test]
    fn a_folder_without_the_file_says_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let error = load(folder.path(), &SplitRule::default(), &TableRule::default()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("holds none of: train.csv, train.csv.gz"),
            "{error}"
        );
    }

    /// Loads one file by a rule.
    fn loaded(text: &str, rule: &TableRule) -> Result<Dataset, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let split = SplitRule::default();
        load(file.path(), &split, rule).map_err(|error| error.to_string())
    }

    fn label_in(column: &str) -> TableRule {
        TableRule {
            label_column: column.parse().ok(),
            ..TableRule::default()
        }
    }

    #[test]
    fn semicolons_and_tabs_separate_as_commas_do() {
        let expected = parse("table", b"a,1,2\nb,3,4\n").unwrap();
        for separator in [";", "\t"] {
            let text = "a,1,2\nb,3,4\n".replace(',', separator);
            assert_eq!(parse("table", text.as_bytes()).unwrap(), expected);
        }
        assert_eq!(
            error("a;1;2\nb;1\n"),
            "table, line 2: 2 values separated by semicolons, expected 3"
        );
    }

    #[test]
    fn labels_are_in_the_column_that_the_caller_names() {
        let first = "a,1,2\na,1,2\nb,3,4\nb,3,4\n";
        let last = "1,2,a\n1,2,a\n3,4,b\n3,4,b\n";
        let named = format!("x,y,Sort\n{last}");
        let expected = loaded(first, &TableRule::default()).unwrap();
        for (text, column) in [
            (first, "1"),
            (first, "first"),
            (last, "3"),
            (last, "last"),
            (&named, "sort"),
        ] {
            let found = loaded(text, &label_in(column)).unwrap();
            assert_eq!(found.train, expected.train, "{column}");
            assert_eq!(found.test, expected.test, "{column}");
        }
        for (column, reason) in [
            (
                "4",
                "label-column = 4 is not possible: columns are numbered from 1 to 3",
            ),
            (
                "0",
                "label-column = 0 is not possible: columns are numbered from 1 to 3",
            ),
            (
                "kind",
                "label-column = kind is not possible: no column of the first line has this name",
            ),
        ] {
            let error = loaded(last, &label_in(column)).unwrap_err();
            assert!(error.ends_with(reason), "{error}");
        }
    }

    #[test]
    fn a_column_of_one_value_is_hardly_that_of_the_labels() {
        let error = loaded("0,1,a\n0,2,b\n0,3,a\n", &TableRule::default());
        let error = error.err().unwrap();
        // The first column is read as labels, and the letters are no header of it.
        assert!(error.contains("`a` is not a number"), "{error}");
        let error = loaded("0,1,5\n0,2,6\n0,3,5\n", &TableRule::default()).unwrap_err();
        assert!(
            error.ends_with("every label in column 1 is `0`; if the labels are in another column, name it by label-column"),
            "{error}"
        );
    }

    #[test]
    fn full_intensity_is_found_or_named_and_noted() {
        let shades = "a,0,16\na,3,4\nb,5,6\nb,7,8\n";
        let found = loaded(shades, &TableRule::default()).unwrap();
        assert_eq!(found.train.pixel_max(), 16);
        assert!(found.note.unwrap().contains("full intensity 16;"));
        let named = TableRule {
            pixel_max: Some(255.0),
            ..TableRule::default()
        };
        assert_eq!(loaded(shades, &named).unwrap().train.pixel_max(), 255);
        let small = TableRule {
            pixel_max: Some(15.0),
            ..TableRule::default()
        };
        let error = loaded(shades, &small).unwrap_err();
        assert!(
            error.ends_with("line 1, value 3: `16` is not a number from 0 to 15"),
            "{error}"
        );

        let unit = "a,0,1\na,0.5,1e-3\nb,0.25,0.75\nb,1,0\n";
        let found = loaded(unit, &TableRule::default()).unwrap();
        assert_eq!(found.train.scale(), PixelScale::steps(1.0));
        assert!(
            found
                .note
                .unwrap()
                .contains("full intensity 1, in 255 steps;")
        );
        let deep = TableRule {
            pixel_max: Some(65535.0),
            ..TableRule::default()
        };
        let found = loaded("a,65535\na,0\nb,257\nb,514\n", &deep).unwrap();
        let mut pixels = [found.train.pixels(), found.test.pixels()].concat();
        pixels.sort_unstable();
        assert_eq!(pixels, [0, 1, 2, 255]);
    }

    #[test]
    fn the_numbers_of_both_files_decide_on_full_intensity() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.csv"), "a,1\nb,2\n").unwrap();
        fs::write(folder.path().join("test.csv"), "a,1\nb,200\n").unwrap();
        let found = load(folder.path(), &SplitRule::default(), &TableRule::default()).unwrap();
        assert_eq!(found.train.pixel_max(), 255);
        assert_eq!(found.test.pixel_max(), 255);
    }

    #[test]
    fn a_path_that_is_gone_does_not_exist() {
        let gone = tempfile::tempdir().unwrap().path().join("gone.csv");
        let error = load(&gone, &SplitRule::default(), &TableRule::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} does not exist", gone.display())
        );
    }
}
