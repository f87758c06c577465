//! One file per command: its arguments, its help and its body.

pub(crate) mod train;
