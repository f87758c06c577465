//! Pictures: PNG and JPEG files, with the feature `pictures`.

#[cfg(feature = "pictures")]
mod decode;
#[cfg(not(feature = "pictures"))]
mod disabled;
#[cfg(all(test, feature = "pictures"))]
pub(crate) mod testing;

#[cfg(feature = "pictures")]
pub(crate) use decode::{read, read_as};
#[cfg(not(feature = "pictures"))]
pub(crate) use disabled::{read, read_as};
