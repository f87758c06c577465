//! One file per command: its arguments, its help and its body.

pub(crate) mod info;
pub(crate) mod train;
