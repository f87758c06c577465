//! Moments of the gradients of one stage in the joint eigenvectors of its inputs and its gradients, and the step that they give.

use burn::tensor::Tensor;

use super::FoofConfig;
use crate::Result;
use crate::linalg::Affine;
use crate::method::MethodState;

/// Added to roots of second moments, so that what vanishes stays where it is. It is below the gradients of sigmoid networks whose signal
/// vanishes.
const EPSILON: f64 = 1e-12;

/// Share of the root mean second moment of an output that is added to the root of each of its own. Inputs vary little along some
/// directions, and mostly by noise: full steps there lower the training loss as fast, and the test accuracy as well.
const FLOOR: f64 = 0.1;

/// Share of the root mean second moment of all outputs, which is added too. Along some eigenvectors of the outputs all gradients are
/// rounding: those of the logits sum to zero over the classes.
const LEAST: f64 = 1e-5;

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

    /// `Uᵀ (X - āᵀ s)` for a kernel `X` and a bias `s`, `[r, d_out]`; `Uᵀ X` without a mean.
    fn along(&self, kernel: &Tensor<2>, bias: &Tensor<2>, mean: Option<&Tensor<2>>) -> Tensor<2> {
        let inside = self.input.clone().transpose();
        let along = inside.clone().matmul(kernel.clone());
        match mean {
            Some(mean) => along - inside.matmul(mean.clone().transpose()).matmul(bias.clone()),
            None => along,
        }
    }

    /// `U D - āᵀ s`, `[d_in, d_out]`; `U D` without a mean.
    fn spread(
        &self,
        difference: Tensor<2>,
        bias: Tensor<2>,
        mean: Option<&Tensor<2>>,
    ) -> Tensor<2> {
        match mean {
            Some(mean) => {
                let left = Tensor::cat(vec![self.input.clone(), mean.clone().transpose()], 1);
                left.matmul(Tensor::cat(vec![difference, -bias], 0))
            }
            None => self.input.clone().matmul(difference),
        }
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

/// First moments `M`, as sums that weight a gradient of `k` steps ago by `βᵏ`, and second moments `V`, with outputs in the coordinates of
/// `Q`.
pub(super) struct Moments {
    steps: usize,
    /// Of the kernel, `[d_in, d_out]`, of the bias, `[1, d_out]`, and `Uᵀ M` about the mean of the inputs, `[r, d_out]`.
    first: [Tensor<2>; 3],
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
            first: [kernel.zeros_like(), zeros(1), zeros(rank)],
            second: [zeros(rank), zeros(1), zeros(1)],
        }
    }

    /// Number of gradients taken in.
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Brings the first moments into new coordinates. Second moments stay: eigenvectors keep their order.
    pub(super) fn turn(&mut self, old: &Directions, new: &Directions, mean: Option<&Tensor<2>>) {
        let turned = |moment: &Tensor<2>| new.rotated(old.rotated_back(moment.clone()));
        let [kernel, bias] = [turned(&self.first[0]), turned(&self.first[1])];
        let leading = new.along(&kernel, &bias, mean);
        self.first = [kernel, bias, leading];
    }

    /// Takes in the gradients of a kernel and a bias, with outputs in the coordinates of `Q`. That of the kernel is `Aᵀ G` for a given
    /// mean of the inputs, which is then taken off the small arrays only, and `(A - ā)ᵀ G` without one. Returns the step for a rate,
    /// in the stage's own coordinates but about the mean.
    pub(super) fn step(
        &mut self,
        config: &FoofConfig,
        directions: &Directions,
        [kernel, bias]: [Tensor<2>; 2],
        mean: Option<&Tensor<2>>,
        rate: f64,
    ) -> Step {
        self.steps += 1;
        let (first, second) = (config.momentum, config.average);
        let along = directions.along(&kernel, &bias, mean);
        let squares = along.clone() * along.clone();
        if directions.leaves_rest() {
            let [width, rank] = directions.input.dims();
            let all = centred_squares(&kernel, &bias, mean);
            let rest = (all - squares.clone().sum_dim(0)).clamp_min(0.0) / (width - rank) as f64;
            self.second[1] = self.second[1].clone() * second + rest * (1.0 - second);
        }
        self.first[0] = self.first[0].clone() * first + kernel;
        self.first[1] = self.first[1].clone() * first + bias.clone();
        self.first[2] = self.first[2].clone() * first + along;
        self.second[0] = self.second[0].clone() * second + squares * (1.0 - second);
        self.second[2] = self.second[2].clone() * second + bias.clone() * bias * (1.0 - second);
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        let share = (1.0 - first) / (1.0 - first.powi(steps));
        let t = rate * share * (1.0 - second.powi(steps)).sqrt();
        self.normalized(directions, mean, t)
    }

    /// `t (1 + δ) M / (√V + δ √V̄ + …)`, with inputs and outputs back in their own coordinates. `t` multiplies small arrays, since passes over a wide
    /// kernel cost as much as its products.
    fn normalized(&self, directions: &Directions, mean: Option<&Tensor<2>>, t: f64) -> Step {
        let [kernel, bias, leading] = &self.first;
        let [along, rest, own] = self.second.each_ref().map(Tensor::clone);
        let floor = along.clone().mean_dim(0).sqrt() * FLOOR + least(&along);
        // A direction of the mean second moment has a step of length `t`, whatever the share.
        let whole = t * (1.0 + FLOOR);
        let factor = |second: Tensor<2>| (second.sqrt() + floor.clone()).recip() * whole;
        let scaled = leading.clone() * factor(along);
        let moved_bias = bias.clone() / (own.clone().sqrt() + least(&own)) * t;
        let check = scaled.clone().sum() + moved_bias.clone().sum();
        let kernel = match directions.leaves_rest() {
            true => {
                let rest = factor(rest);
                let difference = scaled - leading.clone() * rest.clone();
                let shift = bias.clone() * rest.clone();
                kernel.clone() * rest + directions.spread(difference, shift, mean)
            }
            false => directions.input.clone().matmul(scaled),
        };
        Step {
            kernel: directions.rotated_back(kernel),
            bias: directions.rotated_back(moved_bias),
            check,
        }
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
            first: [state.take()?, state.take()?, state.take()?],
            second: [state.take()?, state.take()?, state.take()?],
        })
    }
}

/// `LEAST √V̄ + EPSILON` over a whole array, `[1, 1]`.
fn least(second: &Tensor<2>) -> Tensor<2> {
    second.clone().mean().sqrt().unsqueeze::<2>() * LEAST + EPSILON
}

/// The sums of squares of `X - āᵀ s` over inputs, `[1, d_out]`.
fn centred_squares(kernel: &Tensor<2>, bias: &Tensor<2>, mean: Option<&Tensor<2>>) -> Tensor<2> {
    let squares = (kernel.clone() * kernel.clone()).sum_dim(0);
    match mean {
        Some(mean) => {
            let product = mean.clone().matmul(kernel.clone());
            let square = mean.clone().matmul(mean.clone().transpose());
            let own = square.matmul(bias.clone() * bias.clone());
            squares - bias.clone() * product * 2.0 + own
        }
        None => squares,
    }
}

/// A step of `W` and `c` in `u = (a - ā) W + c`.
pub(super) struct Step {
    kernel: Tensor<2>,
    bias: Tensor<2>,
    /// A number that is finite only if the step is, `[1]`: every gradient has a part in it.
    pub(super) check: Tensor<1>,
}

impl Step {
    /// The step of the coefficients of `u = a W + b`.
    pub(super) fn coefficients(self, mean: Tensor<2>) -> Affine {
        Affine {
            bias: (self.bias - mean.matmul(self.kernel.clone())).squeeze_dim(0),
            kernel: self.kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::linalg::orthonormal;

    const INPUTS: usize = 7;
    const OUTPUTS: usize = 4;

    fn random(dims: [usize; 2]) -> Tensor<2> {
        Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex())
    }

    fn directions(rank: usize) -> Directions {
        let basis = |size| orthonormal::<f64>(random([size, size])).unwrap();
        Directions {
            input: basis(INPUTS).narrow(1, 0, rank),
            output: Some(basis(OUTPUTS)),
        }
    }

    fn largest(tensor: Tensor<2>) -> f64 {
        tensor.abs().max().into_scalar()
    }

    /// Gradients of a few batches, `Aᵀ G` and `1ᵀ G` with outputs in the coordinates of `Q`.
    fn gradients(directions: &Directions) -> Vec<[Tensor<2>; 2]> {
        let one = |_| {
            let outputs = directions.rotated(random([20, OUTPUTS]));
            let kernel = (random([20, INPUTS]) + 1.0)
                .transpose()
                .matmul(outputs.clone());
            [kernel, outputs.sum_dim(0)]
        };
        (0..5).map(one).collect()
    }

    fn centred([kernel, bias]: [Tensor<2>; 2], mean: &Tensor<2>) -> [Tensor<2>; 2] {
        let shift = mean.clone().transpose().matmul(bias.clone());
        [kernel - shift, bias]
    }

    #[test]
    fn a_mean_taken_off_small_arrays_gives_the_step_of_centred_gradients() {
        Device::flex().seed(8);
        let config = FoofConfig::default();
        for rank in [3, INPUTS] {
            let directions = directions(rank);
            let mean = random([1, INPUTS]);
            let start = || {
                Moments::start(
                    &directions,
                    &Tensor::zeros([INPUTS, OUTPUTS], &Device::flex()),
                )
            };
            let (mut taken_off, mut plain) = (start(), start());
            for gradient in gradients(&directions) {
                let own = centred(gradient.clone(), &mean);
                let found = taken_off.step(&config, &directions, gradient, Some(&mean), 0.1);
                let expected = plain.step(&config, &directions, own, None, 0.1);
                // A complete basis adds nothing outside of itself, so the mean has no part in the step either.
                let difference = largest(found.kernel - expected.kernel);
                // Steps of 0.1 per entry in f32, whose sums of squares cancel to some digits.
                assert!(difference < 1e-5, "rank {rank}: {difference:e}");
                assert!(largest(found.bias - expected.bias) < 1e-6);
            }
        }
    }

    #[test]
    fn moments_turn_with_their_coordinates() {
        Device::flex().seed(9);
        let config = FoofConfig::default();
        let (old, new) = (directions(3), directions(3));
        let mean = random([1, INPUTS]);
        let mut moments = Moments::start(&old, &Tensor::zeros([INPUTS, OUTPUTS], &Device::flex()));
        for gradient in gradients(&old) {
            moments.step(&config, &old, gradient, Some(&mean), 0.1);
        }
        let own = old.rotated_back(moments.first[0].clone());
        let bias = old.rotated_back(moments.first[1].clone());
        moments.turn(&old, &new, Some(&mean));
        let [kernel, _] = centred([own, bias], &mean);
        let expected = new.rotated(new.input.clone().transpose().matmul(kernel));
        // f32 products of some entries of size 20.
        assert!(largest(moments.first[2].clone() - expected) < 1e-3);
    }

    #[test]
    fn a_complete_basis_takes_the_step_of_adam_in_its_coordinates() {
        Device::flex().seed(10);
        let config = FoofConfig::default();
        let directions = directions(INPUTS);
        let mut moments = Moments::start(
            &directions,
            &Tensor::zeros([INPUTS, OUTPUTS], &Device::flex()),
        );
        let (mut m, mut v) = ([0.0; INPUTS * OUTPUTS], [0.0; INPUTS * OUTPUTS]);
        let entries = |tensor: Tensor<2>| crate::linalg::to_f64(tensor).unwrap();
        for (k, gradient) in gradients(&directions).into_iter().enumerate() {
            let rotated = entries(
                directions
                    .input
                    .clone()
                    .transpose()
                    .matmul(gradient[0].clone()),
            );
            let step = moments.step(&config, &directions, gradient, None, 0.1);
            let inside = directions
                .input
                .clone()
                .transpose()
                .matmul(directions.rotated(step.kernel));
            let k = k as i32 + 1;
            let correction =
                (1.0 - config.average.powi(k)).sqrt() / (1.0 - config.momentum.powi(k));
            for (i, g) in rotated.into_iter().enumerate() {
                m[i] = config.momentum * m[i] + (1.0 - config.momentum) * g;
                v[i] = config.average * v[i] + (1.0 - config.average) * g * g;
            }
            let mean_of_output = |j: usize| {
                let own = v.iter().skip(j).step_by(OUTPUTS);
                own.sum::<f64>() / INPUTS as f64
            };
            let least = LEAST * (v.iter().sum::<f64>() / v.len() as f64).sqrt();
            for (i, found) in entries(inside).into_iter().enumerate() {
                let root = v[i].sqrt() + FLOOR * mean_of_output(i % OUTPUTS).sqrt() + least;
                let expected = 0.1 * (1.0 + FLOOR) * correction * m[i] / root;
                // Products of f32 with sums of unit rows; steps are 0.1 long.
                assert!((found - expected).abs() < 1e-5, "{found} and {expected}");
            }
        }
    }

    #[test]
    fn outputs_without_a_gradient_stand_still() {
        Device::flex().seed(11);
        let config = FoofConfig::default();
        let directions = Directions {
            output: None,
            ..directions(3)
        };
        let mut moments = Moments::start(
            &directions,
            &Tensor::zeros([INPUTS, OUTPUTS], &Device::flex()),
        );
        // The last output has rounding for a gradient.
        let size = Tensor::<2>::from_data([[1.0, 1.0, 1.0, 1e-8]], &Device::flex());
        for gradient in gradients(&directions) {
            let gradient = gradient.map(|part| part * size.clone());
            let step = moments.step(&config, &directions, gradient, None, 0.1);
            // 1e-8 against the 1e-5 that are added, of steps of 0.1.
            assert!(largest(step.kernel.narrow(1, OUTPUTS - 1, 1)) < 2e-3);
            assert!(largest(step.bias.narrow(1, OUTPUTS - 1, 1)) < 2e-3);
        }
    }
}
