use std::fmt;

/// Shape of one image; its pixels lie channel by channel, each channel row by row (CHW).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Number of colour channels.
    pub channels: usize,
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
}

impl ImageShape {
    /// Returns the number of values per image, `channels · height · width`, or `usize::MAX` if the product does not fit.
    pub fn features(&self) -> usize {
        self.channels
            .saturating_mul(self.height)
            .saturating_mul(self.width)
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}×{}", self.channels, self.height, self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_displays_as_channels_height_width() {
        let shape = ImageShape {
            channels: 3,
            height: 32,
            width: 16,
        };
        assert_eq!(
            (shape.to_string().as_str(), shape.features()),
            ("3×32×16", 1536)
        );
    }
}
