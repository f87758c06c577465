//! The logarithmic axis.

/// Share of the range that stays free at each end.
const PADDING: f64 = 0.03;

/// Allowance for the rounding of logarithms, so that a power of ten lies within the range that it ends.
const ROUNDING: f64 = 1e-9;

/// A logarithmic axis, by the decimal logarithms of its ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct LogAxis {
    low: f64,
    high: f64,
}

impl LogAxis {
    /// Spans the positive finite ones among the values, with some room, and at least two powers of ten.
    pub(super) fn around(values: impl Iterator<Item = f64>) -> Self {
        let logarithms = values
            .filter(|&value| value > 0.0 && value.is_finite())
            .map(f64::log10);
        let ends = logarithms.fold(None, |ends, own| {
            let (low, high) = ends.unwrap_or((own, own));
            Some((own.min(low), own.max(high)))
        });
        let (low, high) = ends.unwrap_or((-1.0, 0.0));
        let room = PADDING * (high - low);
        let mut axis = Self {
            low: low - room,
            high: high + room,
        };
        while axis.powers().count() < 2 {
            axis.extend();
        }
        axis
    }

    /// Takes in the nearest power of ten outside.
    fn extend(&mut self) {
        let below = (self.low - ROUNDING).ceil() - 1.0;
        let above = (self.high + ROUNDING).floor() + 1.0;
        if self.low - below <= above - self.high {
            self.low = below;
        } else {
            self.high = above;
        }
    }

    /// Returns the exponents of the powers of ten in the range.
    fn powers(&self) -> impl DoubleEndedIterator<Item = i32> + Clone + use<> {
        // Logarithms of numbers in f64 lie within ±324.
        let first = (self.low - ROUNDING).ceil() as i32;
        let last = (self.high + ROUNDING).floor() as i32;
        first..=last
    }

    /// Returns the exponents of the labels: powers of ten at equal distances, at most `most` and at least two.
    pub(super) fn ticks(&self, most: usize) -> Vec<i32> {
        let most = most.max(2);
        let step = self.powers().count().div_ceil(most);
        self.powers().step_by(step).collect()
    }

    /// Returns the place of a value: 0 at the low end, 1 at the high one. Values outside lie at the ends.
    pub(super) fn place(&self, value: f64) -> f64 {
        self.place_of_log(value.log10())
    }

    /// Returns the place of a power of ten.
    pub(super) fn place_of_power(&self, exponent: i32) -> f64 {
        self.place_of_log(f64::from(exponent))
    }

    fn place_of_log(&self, logarithm: f64) -> f64 {
        ((logarithm - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Writes a power of ten: as a short decimal from 0.01 to 1000, as `1e-4` elsewhere.
pub(super) fn power(exponent: i32) -> String {
    match exponent {
        -2..=3 => format!("{}", 10.0_f64.powi(exponent)),
        _ => format!("1e{exponent}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_axis_has_two_powers_of_ten_and_all_its_values() {
        let ranges = [
            (0.3, 0.5),
            (1.0, 1.0),
            (2.3, 2.3),
            (0.099, 0.101),
            (1e-7, 5e12),
            (f64::MIN_POSITIVE, f64::MAX),
            (5e-324, 5e-324),
        ];
        for (low, high) in ranges {
            let axis = LogAxis::around([low, high].into_iter());
            for most in 0..12 {
                let ticks = axis.ticks(most);
                assert!((2..=most.max(2)).contains(&ticks.len()), "{low} {ticks:?}");
            }
            assert!(axis.low <= low.log10() && high.log10() <= axis.high);
            assert!(axis.place(low) <= axis.place(high));
        }
    }

    #[test]
    fn decades_are_equally_long() {
        let axis = LogAxis::around([1e-4, 1.0].into_iter());
        assert_eq!(axis.ticks(9), [-4, -3, -2, -1, 0]);
        assert_eq!(axis.ticks(3), [-4, -2, 0]);
        let steps = [1e-4, 1e-3, 1e-2, 0.1, 1.0].map(|value| axis.place(value));
        for pair in steps.windows(2) {
            // Four decades and 3 % of them at each end.
            assert!((pair[1] - pair[0] - 1.0 / 4.24).abs() < 1e-12, "{steps:?}");
        }
        assert_eq!(axis.place_of_power(-3), steps[1]);
    }

    #[test]
    fn values_without_a_logarithm_do_not_break_the_axis() {
        let odd = [0.0, -1.0, f64::NAN, f64::INFINITY];
        let expected = LogAxis::around([0.02, 3.0].into_iter());
        let all = [0.02, 3.0].into_iter().chain(odd);
        assert_eq!(LogAxis::around(all), expected);
        let axis = LogAxis::around(odd.into_iter());
        assert_eq!(axis.ticks(5), [-1, 0]);
        assert_eq!(axis.place(0.0), 0.0);
    }

    #[test]
    fn powers_of_ten_have_short_names() {
        let names = [-12, -3, -2, -1, 0, 3, 4].map(power);
        assert_eq!(names, ["1e-12", "1e-3", "0.01", "0.1", "1", "1000", "1e4"]);
    }
}
