//! Renderers for burn-train where its dashboard does not fit.

mod line;

pub use line::LineRenderer;
