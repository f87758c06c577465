//! *Residual l*: `1/N Σ_n ‖a_{l,n} - f_l(a_{l-1,n})‖²` of hidden stage `l`.

use super::Figure;

pub(super) fn figure(stage: usize) -> Figure {
    Figure::new(format!("Residual {stage}"), move |figures| {
        let separated = figures.measured.separated.as_ref()?;
        separated.residual_square_means.get(stage - 1).copied()
    })
}
