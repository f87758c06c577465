use crate::Error;

/// Assigns pixels to the numbers of a table: `full` is full intensity, and becomes the pixel [`pixel_max`](Self::pixel_max).
///
/// Integers up to 255 are their own pixels. Fractions, and integers of a larger range, are rounded to 255 equal steps:
/// `round(255 · number / full)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelScale {
    full: f64,
    pixel_max: u8,
}

/// Full intensities that are assumed without being named: of fractions and masks, of digits with 17 shades, of bytes.
const USUAL: [f64; 3] = [1.0, 16.0, 255.0];

impl PixelScale {
    /// Returns the scale of integers from 0 to `pixel_max`, which are their own pixels.
    pub fn integers(pixel_max: u8) -> Self {
        Self {
            full: pixel_max.into(),
            pixel_max,
        }
    }

    /// Returns the scale of fractions, or of integers of a larger range, from 0 to `full`.
    pub fn steps(full: f64) -> Self {
        Self {
            full,
            pixel_max: u8::MAX,
        }
    }

    /// Returns the number of full intensity.
    pub fn full(self) -> f64 {
        self.full
    }

    /// Returns the pixel of full intensity.
    pub fn pixel_max(self) -> u8 {
        self.pixel_max
    }

    /// Returns whether numbers are their own pixels, so that fractions have none.
    pub fn is_of_integers(self) -> bool {
        self.full == f64::from(self.pixel_max)
    }

    /// Returns the pixel of a number; `None` for one without a pixel.
    pub(crate) fn pixel(self, number: f64) -> Option<u8> {
        let is_in_range = (0.0..=self.full).contains(&number);
        if !is_in_range || (self.is_of_integers() && number.fract() != 0.0) {
            return None;
        }
        Some((number / self.full * f64::from(self.pixel_max)).round() as u8)
    }

    /// Returns in words which numbers have a pixel.
    pub(crate) fn allowed(self) -> String {
        match self.is_of_integers() {
            true => format!("an integer from 0 to {}", self.full),
            false => format!("a number from 0 to {}", self.full),
        }
    }
}

/// Looks through the numbers of a data set for their scale.
pub(crate) struct ScaleFinder {
    /// Full intensity, if the caller has named it.
    asked: Option<f64>,
    largest: f64,
    has_fractions: bool,
}

impl ScaleFinder {
    /// Starts with the full intensity that the caller names, if any.
    ///
    /// # Errors
    /// [`Error::PixelMax`] unless it is a finite number above 0.
    pub(crate) fn new(asked: Option<f64>) -> Result<Self, Error> {
        match asked {
            Some(found) if !(found > 0.0 && found.is_finite()) => Err(Error::PixelMax { found }),
            _ => Ok(Self {
                asked,
                largest: 0.0,
                has_fractions: false,
            }),
        }
    }

    /// Takes a number in; returns `false` for one that no scale has.
    pub(crate) fn add(&mut self, number: f64) -> bool {
        let full = self.asked.unwrap_or(u8::MAX.into());
        if !(0.0..=full).contains(&number) {
            return false;
        }
        self.largest = self.largest.max(number);
        self.has_fractions |= number.fract() != 0.0;
        true
    }

    /// Returns in words which numbers are taken in.
    pub(crate) fn allowed(&self) -> String {
        match self.asked {
            Some(full) => format!("a number from 0 to {full}"),
            None => "a number from 0 to 255 (pixel-max can name another end)".into(),
        }
    }

    /// Returns the scale: the named full intensity, or the least usual one that no number exceeds.
    pub(crate) fn scale(&self) -> PixelScale {
        let usual = USUAL.into_iter().find(|&full| self.largest <= full);
        let full = self.asked.or(usual).unwrap_or(u8::MAX.into());
        let is_byte = full.fract() == 0.0 && full <= u8::MAX.into();
        match is_byte && !self.has_fractions {
            true => PixelScale::integers(full as u8),
            false => PixelScale::steps(full),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: Option<f64>, numbers: &[f64]) -> PixelScale {
        let mut finder = ScaleFinder::new(asked).unwrap();
        assert!(numbers.iter().all(|&number| finder.add(number)));
        finder.scale()
    }

    #[test]
    fn without_a_named_end_it_is_the_least_usual_one_above_all_numbers() {
        assert_eq!(found(None, &[0.0, 1.0]), PixelScale::integers(1));
        assert_eq!(found(None, &[2.0, 16.0]), PixelScale::integers(16));
        assert_eq!(found(None, &[17.0]), PixelScale::integers(255));
        assert_eq!(found(None, &[0.25]), PixelScale::steps(1.0));
        assert_eq!(found(None, &[0.25, 100.0]), PixelScale::steps(255.0));
        assert_eq!(found(Some(64.0), &[3.0]), PixelScale::integers(64));
        assert_eq!(found(Some(65535.0), &[3.0]), PixelScale::steps(65535.0));
        assert_eq!(found(Some(0.5), &[0.0]), PixelScale::steps(0.5));
    }

    #[test]
    fn fractions_are_rounded_to_the_nearest_step_and_integers_stay() {
        let unit = PixelScale::steps(1.0);
        for level in 0..=u8::MAX {
            assert_eq!(unit.pixel(f64::from(level) / 255.0), Some(level));
            assert_eq!(PixelScale::integers(255).pixel(level.into()), Some(level));
        }
        assert_eq!(unit.pixel(0.5), Some(128));
        assert_eq!(PixelScale::steps(65535.0).pixel(257.0), Some(1));
    }

    #[test]
    fn numbers_outside_the_scale_have_no_pixel() {
        for number in [-1.0, 1.5, f64::NAN, f64::INFINITY] {
            assert_eq!(PixelScale::steps(1.0).pixel(number), None, "{number}");
        }
        assert_eq!(PixelScale::integers(16).pixel(0.5), None);
        assert_eq!(PixelScale::integers(16).pixel(17.0), None);
        let mut finder = ScaleFinder::new(None).unwrap();
        assert!(!finder.add(256.0) && !finder.add(f64::NAN) && !finder.add(-0.1));
    }

    #[test]
    fn a_named_end_is_finite_and_positive() {
        for asked in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(ScaleFinder::new(Some(asked)).is_err(), "{asked}");
        }
    }
}
