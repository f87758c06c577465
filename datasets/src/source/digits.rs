use super::{Definition, Facts, Loader, Source};
use crate::input::{BYTES_LIMIT, Input, shortened};
use crate::{Dataset, Error, ImageShape, Samples};

const NAME: &str = "digits";
const CLASSES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
const SHAPE: ImageShape = ImageShape {
    channels: 1,
    height: 8,
    width: 8,
};
const PIXEL_MAX: u8 = 16;

const TRAIN: &[u8] = include_bytes!("../../data/optdigits/optdigits.tra.gz");
const TEST: &[u8] = include_bytes!("../../data/optdigits/optdigits.tes.gz");

impl Source {
    /// Embedded 8×8 handwritten digits, pixels 0 to 16.
    pub const DIGITS: Self = Self(&DEFINITION);
}

static DEFINITION: Definition = Definition {
    name: NAME,
    about: "8×8 handwritten digits",
    facts: Some(Facts {
        shape: SHAPE,
        classes: 10,
        train_samples: 3823,
        test_samples: 1797,
    }),
    loader: Loader::Embedded(load),
    distribution: None,
};

fn load() -> Result<Dataset, Error> {
    let train = read(&mut Input::gzip("embedded optdigits.tra.gz", TRAIN))?;
    let test = read(&mut Input::gzip("embedded optdigits.tes.gz", TEST))?;
    Dataset::new(NAME, train, test)
}

fn read(input: &mut Input) -> Result<Samples, Error> {
    let text = input.read_at_most(BYTES_LIMIT)?;
    parse(input.name(), &text)
}

/// Parses one image per line: its pixels row by row, then the label, comma-separated.
pub(crate) fn parse(file: &str, text: &[u8]) -> Result<Samples, Error> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let position = LinePosition {
            file,
            line: index + 1,
        };
        labels.push(position.parse_line(line.trim_ascii_end(), &mut pixels)?);
    }
    Samples::new(
        file,
        SHAPE,
        pixels,
        PIXEL_MAX,
        labels,
        CLASSES.map(String::from).to_vec(),
    )
}

/// Position of the current line, for errors.
struct LinePosition<'a> {
    file: &'a str,
    line: usize,
}

impl LinePosition<'_> {
    /// Appends the pixels of one line and returns its label.
    fn parse_line(&self, line: &[u8], pixels: &mut Vec<u8>) -> Result<u8, Error> {
        let found = line.split(|&byte| byte == b',').count();
        let expected = SHAPE.features() + 1;
        if found != expected {
            return Err(Error::ValueCount {
                file: self.file.to_owned(),
                line: self.line,
                found,
                expected,
                separator: "commas",
            });
        }
        let mut label = 0;
        for (index, value) in line.split(|&byte| byte == b',').enumerate() {
            if index < SHAPE.features() {
                pixels.push(self.parse_value(value, index + 1, PIXEL_MAX)?);
            } else {
                label = self.parse_value(value, index + 1, CLASSES.len() as u8 - 1)?;
            }
        }
        Ok(label)
    }

    fn parse_value(&self, text: &[u8], column: usize, limit: u8) -> Result<u8, Error> {
        match str::from_utf8(text).map(str::parse) {
            Ok(Ok(value)) if value <= limit => Ok(value),
            _ => Err(Error::InvalidValue {
                file: self.file.to_owned(),
                line: self.line,
                column,
                found: shortened(text),
                allowed: format!("an integer from 0 to {limit}"),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::mutated;

    fn line(pixel: &str, label: &str) -> String {
        format!("{}{label}\n", format!("{pixel},").repeat(64))
    }

    fn error(text: &str) -> String {
        parse("digits", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_embedded_digits_have_the_published_class_counts() {
        let digits = load().unwrap();
        assert_eq!((digits.train.len(), digits.test.len()), (3823, 1797));
        assert_eq!(
            digits.train.class_counts(),
            [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]
        );
        assert_eq!(
            digits.test.class_counts(),
            [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        );
        assert_eq!(digits.train.shape().to_string(), "1×8×8");
        assert_eq!(digits.train.pixel_max(), 16);
    }

    #[test]
    fn the_embedded_pixels_have_the_known_mean_and_spread() {
        let pixels = load().unwrap().train.scaled();
        let n = pixels.len() as f64;
        let mean = pixels.iter().map(|&pixel| f64::from(pixel)).sum::<f64>() / n;
        let variance = pixels
            .iter()
            .map(|&pixel| (f64::from(pixel) - mean).powi(2))
            .sum::<f64>()
            / n;
        // The known values are rounded to four digits.
        assert!(
            (mean - 0.3077).abs() < 5e-5 && (variance.sqrt() - 0.3773).abs() < 5e-5,
            "{mean} {variance}"
        );
    }

    #[test]
    fn lines_may_end_in_either_way_and_the_last_one_in_none() {
        let lines = line("16", "9");
        let unix = parse("digits", lines.repeat(2).as_bytes()).unwrap();
        let windows = parse("digits", lines.repeat(2).replace('\n', "\r\n").as_bytes()).unwrap();
        let open = parse("digits", lines.repeat(2).trim_end().as_bytes()).unwrap();
        assert_eq!((unix.len(), unix.labels()), (2, &[9, 9][..]));
        assert_eq!((&unix, &unix), (&windows, &open));
    }

    #[test]
    fn a_wrong_value_is_named_by_line_and_position() {
        let good = line("0", "0");
        let cases = [
            (
                line("17", "0"),
                "value 1: `17` is not an integer from 0 to 16",
            ),
            (
                line("-1", "0"),
                "value 1: `-1` is not an integer from 0 to 16",
            ),
            (
                line("0", "10"),
                "value 65: `10` is not an integer from 0 to 9",
            ),
            (line("0", ""), "value 65: `` is not an integer from 0 to 9"),
            (
                line("999", "0"),
                "value 1: `999` is not an integer from 0 to 16",
            ),
            (
                line(&"\u{7}".repeat(99), "0"),
                "value 1: `\\u{7}\\u{7}\\u{7}\\u{7}` is not an integer from 0 to 16",
            ),
        ];
        for (bad, expected) in cases {
            assert_eq!(
                error(&format!("{good}{bad}")),
                format!("digits, line 2, {expected}")
            );
        }
    }

    #[test]
    fn a_short_long_or_empty_line_states_its_number_of_values() {
        let good = line("0", "0");
        assert_eq!(
            error(&format!("{good}1,2\n")),
            "digits, line 2: 2 values separated by commas, expected 65"
        );
        assert_eq!(
            error(&format!("{good}\n{good}")),
            "digits, line 2: 1 values separated by commas, expected 65"
        );
        assert_eq!(
            error(&line("0", "0,0")),
            "digits, line 1: 66 values separated by commas, expected 65"
        );
    }

    #[test]
    fn an_empty_text_holds_no_samples() {
        assert_eq!(error(""), "digits holds no samples");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_parse_and_never_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            // 300 random bytes could only by miracle hold 64 commas between valid numbers.
            prop_assert!(parse("digits", &text).is_err());
        }

        #[test]
        fn mutated_text_never_panics_and_keeps_the_ranges(text in mutated(line("7", "3").repeat(3).into_bytes())) {
            if let Ok(samples) = parse("digits", &text) {
                prop_assert!(samples.pixels().iter().all(|&pixel| pixel <= PIXEL_MAX));
                prop_assert!(samples.labels().iter().all(|&label| label < 10));
            }
        }
    }
}
