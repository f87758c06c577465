//! Axes: the places and the labels of their ticks.

use core::ops::Range;

use plotters::coord::ranged1d::{
    KeyPointHint, NoDefaultFormatting, Ranged as Coordinate, ValueFormatter,
};

/// Share of the range that stays free at each end of a vertical axis.
const PADDING: f64 = 0.04;

/// Maps values to distances along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AxisScale {
    /// Distances in proportion to the values.
    Linear,
    /// Distances in proportion to the values, with ticks at whole numbers only.
    Whole,
    /// Distances in proportion to the logarithms; only positive values can be shown.
    Log,
}

impl AxisScale {
    /// Returns whether an axis of this scale can show a value.
    pub fn shows(self, value: f64) -> bool {
        value.is_finite() && (self != Self::Log || value > 0.0)
    }
}

/// An axis of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartAxis {
    /// Name of the quantity, with its unit.
    pub label: String,
    /// Map from values to distances.
    pub scale: AxisScale,
}

impl ChartAxis {
    /// Makes an axis with a label.
    pub fn new(label: &str, scale: AxisScale) -> Self {
        Self {
            label: label.into(),
            scale,
        }
    }
}

/// The range of an axis, with its scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct AxisRange {
    scale: AxisScale,
    low: f64,
    high: f64,
}

impl AxisRange {
    /// Spans the range from the smallest to the largest value; a single value comes to lie in the middle.
    pub(super) fn around(scale: AxisScale, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = match (scale, low <= high) {
            (AxisScale::Log, false) => (1.0, 10.0),
            (_, false) => (0.0, 1.0),
            (AxisScale::Log, true) if high / low < 1.1 => (low / 2.0, high * 2.0),
            (AxisScale::Whole, true) if low == high => (low, high + 1.0),
            (AxisScale::Linear, true) if high - low < 1e-9 * high.abs().max(1e-9) => {
                let reach = 0.5 * high.abs().max(1e-3);
                (low - reach, high + reach)
            }
            (_, true) => (low, high),
        };
        Self { scale, low, high }
    }

    /// Adds some room at both ends.
    pub(super) fn padded(self) -> Self {
        if self.scale == AxisScale::Log {
            let room = (self.high / self.low).powf(PADDING);
            return Self {
                low: self.low / room,
                high: self.high * room,
                ..self
            };
        }
        let room = PADDING * (self.high - self.low);
        Self {
            low: self.low - room,
            high: self.high + room,
            ..self
        }
    }

    /// Returns the values of the ticks, about `most` at most.
    fn ticks(&self, most: usize) -> Vec<f64> {
        match self.scale {
            AxisScale::Log => self.log_ticks(most),
            AxisScale::Linear => self.even_ticks(most, 0.0),
            AxisScale::Whole => self.even_ticks(most, 1.0),
        }
    }

    /// Returns multiples of 1, 2 or 5 times a power of ten, at least `least` apart.
    fn even_ticks(&self, most: usize, least: f64) -> Vec<f64> {
        let step = ((self.high - self.low) / most.max(1) as f64).max(least);
        let power = 10.0_f64.powf(step.log10().floor());
        let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| {
            // Rounding may lift a step that is a power of ten a little above it.
            factor * power >= step * (1.0 - 1e-9)
        });
        let step = factor.unwrap_or(10.0) * power;
        // Rounding must not lose an end of the range that is a tick itself.
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect()
    }

    /// Returns powers of ten, thinned out until they fit; in short ranges also 2 and 5 times the powers, or evenly spaced numbers.
    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let (first, last) = (self.low.log10().ceil(), self.high.log10().floor());
        let (first, last) = (first as i32, last as i32);
        let decades = usize::try_from(last - first + 1).unwrap_or(0);
        if decades > 2 {
            let stride = i32::try_from(decades.div_ceil(most.max(1))).unwrap_or(1);
            let powers = (first..=last).filter(|power| power.rem_euclid(stride) == 0);
            return powers.map(|power| 10.0_f64.powi(power)).collect();
        }
        let powers = first - 1..=last;
        let all = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10.0_f64.powi(power)));
        let ticks: Vec<f64> = all.filter(|t| (self.low..=self.high).contains(t)).collect();
        match ticks.len() {
            0..=2 => self.even_ticks(most, 0.0),
            _ => ticks,
        }
    }
}

impl Coordinate for AxisRange {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = match self.scale {
            AxisScale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
            _ => (value - self.low) / (self.high - self.low),
        };
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Minor grid lines would be noise.
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks(hint.max_num_points())
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for AxisRange {
    fn format_ext(&self, value: &f64) -> String {
        let exponent = value.abs().log10();
        let is_power = *value > 0.0 && (exponent - exponent.round()).abs() < 1e-9;
        // Near 1 plain numbers read better than powers; an axis mixes the two only at 1 and its neighbours.
        let is_wide = self.low < 1e-4 || self.high >= 1e5;
        let is_far = !(-1.5..1.5).contains(&exponent);
        if self.scale == AxisScale::Log && is_wide && is_power && is_far {
            return format!("10{}", superscript(exponent.round() as i32));
        }
        plain(*value)
    }
}

/// Formats the value of a tick without the digits that rounding adds.
fn plain(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:e}").replace('-', "−");
    }
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.replace('-', "−")
}

/// Writes a whole number in superscript digits.
fn superscript(number: i32) -> String {
    let digits = number.to_string();
    let raised = digits.chars().map(|digit| match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' | '4'..='9' => {
            char::from_u32(0x2070 + digit.to_digit(10).unwrap_or(0)).unwrap_or(digit)
        }
        _ => digit,
    });
    raised.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: AxisScale, low: f64, high: f64) -> Vec<String> {
        let axis = AxisRange::around(scale, [low, high].into_iter());
        let ticks = axis.ticks(6);
        ticks.iter().map(|tick| axis.format_ext(tick)).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            labels(AxisScale::Linear, 0.0, 1.0),
            ["0", "0.2", "0.4", "0.6", "0.8", "1"]
        );
        assert_eq!(labels(AxisScale::Linear, 96.1, 99.9), ["97", "98", "99"]);
        assert_eq!(labels(AxisScale::Whole, 0.0, 2.0), ["0", "1", "2"]);
        assert_eq!(labels(AxisScale::Whole, 0.0, 0.0), ["0", "1"]);
        assert_eq!(labels(AxisScale::Log, 1e-5, 20.0), ["10⁻⁴", "10⁻²", "1"]);
        assert_eq!(
            labels(AxisScale::Log, 5e-3, 2e3),
            ["0.01", "0.1", "1", "10", "100", "1000"]
        );
        assert_eq!(labels(AxisScale::Log, 0.3, 3.0), ["0.5", "1", "2"]);
        assert_eq!(
            labels(AxisScale::Log, 2.1, 2.4),
            ["2.1", "2.15", "2.2", "2.25", "2.3", "2.35", "2.4"]
        );
    }

    #[test]
    fn every_range_can_be_shown() {
        for scale in [AxisScale::Linear, AxisScale::Whole, AxisScale::Log] {
            for values in [vec![], vec![3.0], vec![1e-30, 1e30], vec![5.0, 5.0]] {
                let axis = AxisRange::around(scale, values.into_iter()).padded();
                assert!(axis.low < axis.high, "{axis:?}");
                assert!(axis.ticks(6).len() < 20, "{axis:?}");
                assert_eq!(axis.map(&axis.high, (0, 100)), 100);
            }
        }
    }
}
