//! Stand-ins that refuse every picture, without the feature `pictures`.

use crate::input::Input;
use crate::{Error, ImageShape};

/// Returns [`Error::PicturesDisabled`].
pub(crate) fn read(input: &mut Input) -> Result<(ImageShape, Vec<u8>), Error> {
    Err(refused(input))
}

/// Returns [`Error::PicturesDisabled`].
pub(crate) fn read_as(
    input: &mut Input,
    _shape: ImageShape,
    _resize: bool,
) -> Result<Vec<u8>, Error> {
    Err(refused(input))
}

fn refused(input: &Input) -> Error {
    Error::PicturesDisabled {
        file: input.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_refused_with_the_name_of_the_feature() {
        let mut input = Input::plain("a.png", &b"any bytes"[..]);
        let expected = "a.png cannot be read: build `ls-datasets` with the feature `pictures` for PNG and JPEG";
        assert_eq!(read(&mut input).unwrap_err().to_string(), expected);
        let shape = ImageShape {
            channels: 1,
            height: 1,
            width: 1,
        };
        let error = read_as(&mut input, shape, true).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
