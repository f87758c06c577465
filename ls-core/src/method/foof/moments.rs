//! Moments of the gradients of one stage in the joint eigenvectors of its inputs and its gradients, and the step that they give.

use burn::tensor::Tensor;

use super::FoofConfig;
use crate::Result;
use crate::linalg::Affine;
use crate::method::MethodState;

/// Added to roots of second moments: below every gradient that f32 can square.
const EPSILON: f64 = 1e-12;

/// Share of the mean second moment of an output that is added to each of its own. Along inputs that do not vary, gradients are
/// rounding, 1e-6 of the others or less, and must not give full steps.
const FLOOR: f64 = 1e-2;

/// The eigenvectors that moments are kept in.
pub(super) struct Directions {
    /// `U`, `[d_in, r]`: all eigenvectors of `Σ`, or the leading ones.
    pub input: Tensor<2>,
    /// `Q`, `[d_out, d_out]`; `None` where outputs keep their own coordinates.
    pub output: Option<Tensor<2>>,
}

impl Directions {
    /// Whether `U` has a part of space outside.
    fn leaves_rest(&self) -> bool {
        let [width, rank] = self.input.dims();
        rank < width
    }

    /// `X Q`.
    pub(super) fn rotated(&self, outputs: Tensor<2>) -> Tensor<2> {
        match &self.output {
            Some(basis) => outputs.matmul(basis.clone()),
            None => outputs,
        }
    }

    /// `X Qᵀ`.
    fn rotated_back(&self, outputs: Tensor<2>) -> Tensor<2> {
        match &self.output {
            Some(basis) => outputs.matmul(basis.clone().transpose()),
            None => outputs,
        }
    }
}

/// First moments `M` and second moments `V`, with outputs in the coordinates of `Q`.
pub(super) struct Moments {
    steps: usize,
    /// Of the kernel, `[d_in, d_out]`, and of the bias, `[1, d_out]`.
    first: [Tensor<2>; 2],
    /// Of the kernel along `U`, `[r, d_out]`; of the rest of its directions, one for each output, `[1, d_out]`; of the bias.
    second: [Tensor<2>; 3],
}

impl Moments {
    /// Moments before the first gradient.
    pub(super) fn start(directions: &Directions, kernel: &Tensor<2>) -> Self {
        let ([_, rank], [_, outputs]) = (directions.input.dims(), kernel.dims());
        let device = kernel.device();
        let zeros = |rows: usize| Tensor::zeros([rows, outputs], (&device, kernel.dtype()));
        Self {
            steps: 0,
            first: [kernel.zeros_like(), zeros(1)],
            second: [zeros(rank), zeros(1), zeros(1)],
        }
    }

    /// Number of gradients taken in.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Brings the first moments into new coordinates. Second moments stay: eigenvectors keep their order.
    pub(super) fn turn(&mut self, old: &Directions, new: &Directions) {
        let turned = |moment: &Tensor<2>| new.rotated(old.rotated_back(moment.clone()));
        self.first = [turned(&self.first[0]), turned(&self.first[1])];
    }

    /// Takes in the gradients of a kernel about the mean of its inputs, and of the bias there, with outputs in the coordinates of `Q`.
    /// Returns the direction of the step, each of its coordinates about 1 in size, in the stage's own coordinates, before the mean is
    /// taken into account.
    pub(super) fn direction(
        &mut self,
        config: &FoofConfig,
        directions: &Directions,
        kernel: &Tensor<2>,
        bias: Tensor<2>,
    ) -> [Tensor<2>; 2] {
        self.steps += 1;
        let (first, second) = (config.momentum, config.average);
        let mix =
            |old: &Tensor<2>, new: Tensor<2>, past: f64| old.clone() * past + new * (1.0 - past);
        let inside = directions.input.clone().transpose();
        let along = inside.clone().matmul(kernel.clone());
        let squares = along.clone() * along;
        if directions.leaves_rest() {
            let all = (kernel.clone() * kernel.clone()).sum_dim(0);
            let [width, rank] = directions.input.dims();
            let rest = (all - squares.clone().sum_dim(0)).clamp_min(0.0) / (width - rank) as f64;
            self.second[1] = mix(&self.second[1], rest, second);
        }
        self.first = [
            mix(&self.first[0], kernel.clone(), first),
            mix(&self.first[1], bias.clone(), first),
        ];
        self.second[0] = mix(&self.second[0], squares, second);
        self.second[2] = mix(&self.second[2], bias.clone() * bias, second);
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let correction = (1.0 - second.powi(steps)).sqrt() / (1.0 - first.powi(steps));
        let [kernel, bias] = self.normalized(directions, inside);
        [kernel, bias].map(|part| directions.rotated_back(part) * correction)
    }

    /// `M / (√V + …)`, with inputs back in their own coordinates.
    fn normalized(&self, directions: &Directions, inside: Tensor<2>) -> [Tensor<2>; 2] {
        let [kernel, bias] = &self.first;
        let [along, rest, own] = self.second.each_ref().map(Tensor::clone);
        let floor = along.clone().mean_dim(0).sqrt() * FLOOR + EPSILON;
        let inverse = |second: Tensor<2>| (second.sqrt() + floor.clone()).recip();
        let leading = inside.matmul(kernel.clone());
        let scaled = leading.clone() * inverse(along);
        let moved = match directions.leaves_rest() {
            true => {
                let rest = inverse(rest);
                let difference = scaled - leading * rest.clone();
                kernel.clone() * rest + directions.input.clone().matmul(difference)
            }
            false => directions.input.clone().matmul(scaled),
        };
        [moved, bias.clone() / (own.sqrt() + EPSILON)]
    }

    /// Adds the arrays to a saved state.
    pub(super) fn push_arrays(&self, state: &mut MethodState) {
        for array in self.first.iter().chain(&self.second) {
            state.push(array.clone());
        }
    }

    /// Takes them out again.
    ///
    /// # Errors
    /// [`crate::Error::MethodState`] when there are fewer.
    pub(super) fn restored(steps: usize, state: &mut MethodState) -> Result<Self> {
        Ok(Self {
            steps,
            first: [state.take()?, state.take()?],
            second: [state.take()?, state.take()?, state.take()?],
        })
    }
}

/// Moves `u = (a - ā) W + c` by steps of `W` and `c`, as coefficients of `u = a W + b`.
pub(super) fn about_mean([kernel, bias]: [Tensor<2>; 2], mean: Tensor<2>) -> Affine {
    Affine {
        bias: (bias - mean.matmul(kernel.clone())).squeeze_dim(0),
        kernel,
    }
}
