//! SOAP: Adam in the slowly moving eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv 2409.11321).
//!
//! For a kernel `W` with gradient `G` of each step, Shampoo's factors are averages of the second moments of `G` along each of its axes,
//! `L ← β L + (1 - β) G Gᵀ` and `R ← β R + (1 - β) Gᵀ G`. With orthonormal bases `Q_L` and `Q_R` of their eigenvectors,
//!
//! `M ← β_1 M + (1 - β_1) G`,  `V ← β_2 V + (1 - β_2) (Q_Lᵀ G Q_R)²`,
//! `W ← W - τ √(1 - β_2ᵗ)/(1 - β_1ᵗ) Q_L ((Q_Lᵀ M Q_R) / (√V + ε)) Q_Rᵀ`.
//!
//! Every few steps the bases take one step of the orthogonal iteration, `Q ← qr(L Q)`, with columns in falling order of their
//! eigenvalues. As in the authors' program the first gradient only forms the bases, and moves nothing; vectors take Adam.

use burn::optim::{LearningRate, ModuleOptimizer, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::error::ensure;
use crate::linalg::{eigenvectors, orthonormal, to_f64};

/// Constants of [`Soap`].
///
/// | key | meaning | default |
/// | --- | --- | --- |
/// | `beta_1`, `beta_2` | weights of the past in the moments of Adam | 0.95, 0.95 |
/// | `shampoo_beta` | weight of the past in Shampoo's factors | 0.95 |
/// | `epsilon` | added to `√V` | 1e-8 |
/// | `weight_decay` | decoupled; the authors' program has 0.01 | 0 |
/// | `precondition_frequency` | steps between two updates of the bases | 10 |
/// | `max_precondition_dim` | axes that are longer keep the identity as basis | 10,000 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoapConfig {
    /// Weight of the past in the first moment.
    pub beta_1: f64,
    /// Weight of the past in the second moment.
    pub beta_2: f64,
    /// Weight of the past in Shampoo's factors.
    pub shampoo_beta: f64,
    /// Number added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Steps between two updates of the bases.
    pub precondition_frequency: usize,
    /// Longest axis that has a basis of its own.
    pub max_precondition_dim: usize,
}

impl Default for SoapConfig {
    fn default() -> Self {
        Self {
            beta_1: 0.95,
            beta_2: 0.95,
            shampoo_beta: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.0,
            precondition_frequency: 10,
            max_precondition_dim: 10_000,
        }
    }
}

impl SoapConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`crate::Error::InvalidConfig`], naming the value and the allowed ones.
    pub fn check(&self) -> Result<()> {
        let averages = [
            ("beta_1", self.beta_1),
            ("beta_2", self.beta_2),
            ("shampoo_beta", self.shampoo_beta),
        ];
        for (field, share) in averages {
            let inside = (0.0..1.0).contains(&share);
            ensure(inside, field, share, "from 0 to below 1")?;
        }
        for (field, value) in [
            ("epsilon", self.epsilon),
            ("weight_decay", self.weight_decay),
        ] {
            let inside = (0.0..=1e3).contains(&value);
            ensure(inside, field, value, "from 0 to 1000")?;
        }
        let steps = self.precondition_frequency;
        ensure(
            steps >= 1,
            "precondition_frequency",
            steps as f64,
            "1 or more",
        )
    }

    /// Makes the optimizer of a whole module.
    pub fn init(&self) -> ModuleOptimizer {
        Soap { config: *self }.into()
    }
}

/// The optimizer SOAP.
#[derive(Clone, Debug)]
pub struct Soap {
    config: SoapConfig,
}

/// State of [`Soap`] for one parameter.
#[derive(Clone, Debug)]
pub struct SoapState<const D: usize> {
    /// Number of steps that moved the parameter.
    steps: usize,
    /// `M`, in the parameter's own coordinates.
    first_moment: Tensor<D>,
    /// `V`, in the coordinates of the bases.
    second_moment: Tensor<D>,
    /// Factor and basis of each axis; `None` for an axis that keeps the identity.
    axes: Vec<Option<Axis>>,
}

/// Shampoo's factor along one axis, and the basis of its eigenvectors, both `[d, d]`.
#[derive(Clone, Debug)]
struct Axis {
    factor: Tensor<2>,
    basis: Tensor<2>,
}

impl Soap {
    /// The state that the first gradient forms.
    fn start<const D: usize>(&self, gradient: Tensor<D>) -> SoapState<D> {
        let axis = |(axis, &dim): (usize, &usize)| {
            let has_basis = D > 1 && dim <= self.config.max_precondition_dim;
            let factor =
                || second_moment(gradient.clone(), axis) * (1.0 - self.config.shampoo_beta);
            has_basis.then(|| Axis::new(factor()))
        };
        let dims = gradient.dims();
        SoapState {
            steps: 0,
            axes: dims.iter().enumerate().map(axis).collect(),
            first_moment: gradient.zeros_like(),
            second_moment: gradient.zeros_like(),
        }
    }

    /// Takes a gradient into the moments, and returns `Q_L (…) Q_Rᵀ` with its correction for the start.
    fn direction<const D: usize>(
        &self,
        gradient: &Tensor<D>,
        state: &mut SoapState<D>,
    ) -> Tensor<D> {
        let SoapConfig {
            beta_1,
            beta_2,
            epsilon,
            ..
        } = self.config;
        state.steps += 1;
        let projected = state.rotated(gradient.clone());
        let mix =
            |old: &Tensor<D>, new: Tensor<D>, beta: f64| old.clone() * beta + new * (1.0 - beta);
        state.first_moment = mix(&state.first_moment, gradient.clone(), beta_1);
        state.second_moment = mix(&state.second_moment, projected.clone() * projected, beta_2);
        let steps = i32::try_from(state.steps).unwrap_or(i32::MAX);
        let correction = (1.0 - beta_2.powi(steps)).sqrt() / (1.0 - beta_1.powi(steps));
        let normalized = state.rotated(state.first_moment.clone())
            / (state.second_moment.clone().sqrt() + epsilon);
        state.rotated_back(normalized) * correction
    }

    /// Takes a gradient into Shampoo's factors, and turns the bases where their time has come.
    fn update_bases<const D: usize>(&self, gradient: &Tensor<D>, state: &mut SoapState<D>) {
        let beta = self.config.shampoo_beta;
        let turn = state
            .steps
            .is_multiple_of(self.config.precondition_frequency);
        for (number, axis) in state.axes.iter_mut().enumerate() {
            let Some(axis) = axis else { continue };
            let own = second_moment(gradient.clone(), number);
            axis.factor = axis.factor.clone() * beta + own * (1.0 - beta);
            if turn && let Some(order) = axis.turn() {
                state.second_moment = state.second_moment.clone().select(number, order);
            }
        }
    }
}

impl Optimizer for Soap {
    type State<const D: usize> = SoapState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        let Some(mut state) = state else {
            return (tensor, Some(self.start(gradient)));
        };
        let moved = tensor - self.direction(&gradient, &mut state) * rate;
        let moved = match self.config.weight_decay {
            0.0 => moved,
            decay => moved * (1.0 - rate * decay),
        };
        self.update_bases(&gradient, &mut state);
        (moved, Some(state))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        let axis = |axis: Axis| Axis {
            factor: axis.factor.to_device(device),
            basis: axis.basis.to_device(device),
        };
        SoapState {
            steps: state.steps,
            first_moment: state.first_moment.to_device(device),
            second_moment: state.second_moment.to_device(device),
            axes: state.axes.into_iter().map(|own| own.map(axis)).collect(),
        }
    }
}

impl<const D: usize> SoapState<D> {
    /// Goes into the coordinates of the bases, `Q_Lᵀ X Q_R` for a matrix.
    fn rotated(&self, tensor: Tensor<D>) -> Tensor<D> {
        self.along_axes(tensor, Tensor::clone)
    }

    /// Comes back from them.
    fn rotated_back(&self, tensor: Tensor<D>) -> Tensor<D> {
        self.along_axes(tensor, |basis| basis.clone().transpose())
    }

    fn along_axes(&self, tensor: Tensor<D>, matrix: fn(&Tensor<2>) -> Tensor<2>) -> Tensor<D> {
        let axes = self.axes.iter().enumerate();
        axes.fold(tensor, |tensor, (number, axis)| match axis {
            Some(axis) => along(tensor, number, matrix(&axis.basis)),
            None => tensor,
        })
    }
}

impl Axis {
    /// A factor with the basis of its eigenvectors, in falling order of the eigenvalues.
    fn new(factor: Tensor<2>) -> Self {
        let identity = || Tensor::eye(factor.dims()[0], &factor.device());
        let basis = eigenvectors(&factor).unwrap_or_else(identity);
        Self { factor, basis }
    }

    /// One step of the orthogonal iteration. Returns the order of the old columns in the new basis; `None` when the factor is not
    /// finite and nothing changes.
    fn turn(&mut self) -> Option<Tensor<1, Int>> {
        let product = self.factor.clone().matmul(self.basis.clone());
        let d = product.dims()[0];
        let device = product.device();
        let eigenvalues = to_f64((self.basis.clone() * product.clone()).sum_dim(0)).ok()?;
        let mut order: Vec<usize> = (0..d).collect();
        order.sort_by(|&i, &j| eigenvalues[j].total_cmp(&eigenvalues[i]));
        let order: Vec<i64> = order.into_iter().map(|i| i as i64).collect();
        let order = Tensor::from_data(TensorData::new(order, [d]), &device);
        // Single precision, as in the authors' program: a basis need not be more exact than the factor.
        self.basis = orthonormal::<f32>(product.select(1, order.clone()))?;
        Some(order)
    }
}

/// `X_(i) X_(i)ᵀ` of the unfolding along an axis, `[d, d]`: the second moment along it, summed over all other axes.
fn second_moment<const D: usize>(tensor: Tensor<D>, axis: usize) -> Tensor<2> {
    let unfolded = unfolded(tensor, axis);
    unfolded.clone().matmul(unfolded.transpose())
}

/// The tensor as a matrix with the given axis as rows.
fn unfolded<const D: usize>(tensor: Tensor<D>, axis: usize) -> Tensor<2> {
    let dims = tensor.dims();
    let d = dims[axis];
    match axis {
        0 => tensor.reshape([d, dims[1..].iter().product()]),
        _ if axis == D - 1 => {
            let rows = dims[..axis].iter().product::<usize>();
            tensor.reshape([rows, d]).transpose()
        }
        _ => unfolded(tensor.swap_dims(0, axis), 0),
    }
}

/// `Σ_i X[…, i, …] B[i, j]` along an axis.
fn along<const D: usize>(tensor: Tensor<D>, axis: usize, matrix: Tensor<2>) -> Tensor<D> {
    let dims = tensor.dims();
    let d = dims[axis];
    let count = dims.iter().product::<usize>() / d;
    match axis {
        _ if axis == D - 1 => tensor.reshape([count, d]).matmul(matrix).reshape(dims),
        0 => {
            let rows = tensor.reshape([d, count]);
            matrix.transpose().matmul(rows).reshape(dims)
        }
        _ => along(tensor.swap_dims(0, axis), 0, matrix).swap_dims(0, axis),
    }
}

impl<const D: usize> RecordState for SoapState<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_scalar(prefix, "steps", self.steps.into());
        out.push_tensor(prefix, "first_moment", self.first_moment.to_data());
        out.push_tensor(prefix, "second_moment", self.second_moment.to_data());
        for (number, axis) in self.axes.iter().enumerate() {
            if let Some(axis) = axis {
                out.push_tensor(prefix, &format!("factor_{number}"), axis.factor.to_data());
                out.push_tensor(prefix, &format!("basis_{number}"), axis.basis.to_data());
            }
        }
    }

    fn state_unflatten(prefix: &str, source: &mut StateSource, device: &Device) -> Option<Self> {
        let steps = usize::try_from(source.take_scalar(prefix, "steps")?).ok()?;
        let first = source.take_tensor(prefix, "first_moment")?;
        let second = source.take_tensor(prefix, "second_moment")?;
        let mut axis = |number: usize| {
            let factor = source.take_tensor(prefix, &format!("factor_{number}"))?;
            let basis = source.take_tensor(prefix, &format!("basis_{number}"))?;
            Some(Axis {
                factor: Tensor::from_data(factor, device),
                basis: Tensor::from_data(basis, device),
            })
        };
        Some(Self {
            steps,
            axes: (0..D).map(&mut axis).collect(),
            first_moment: Tensor::from_data(first, device),
            second_moment: Tensor::from_data(second, device),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        settings: Settings,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Settings {
        lr: f64,
        weight_decay: f64,
        precondition_frequency: usize,
    }

    #[derive(Deserialize)]
    struct Case {
        shape: Vec<usize>,
        start: Vec<f32>,
        gradients: Vec<Vec<f32>>,
        values: Vec<Vec<f32>>,
    }

    fn fixture() -> Fixture {
        let text = include_str!("../../../tests/fixtures/soap.json");
        serde_json::from_str(text).unwrap()
    }

    /// Takes all steps, through the saved form of the state at every step, and returns the largest difference.
    fn largest_difference<const D: usize>(settings: &Settings, case: &Case) -> f64 {
        let device = Device::flex();
        let tensor = |values: &[f32]| {
            Tensor::<D>::from_data(
                TensorData::new(values.to_vec(), case.shape.clone()),
                &device,
            )
        };
        let soap = Soap {
            config: SoapConfig {
                weight_decay: settings.weight_decay,
                precondition_frequency: settings.precondition_frequency,
                ..SoapConfig::default()
            },
        };
        let (mut parameter, mut state) = (tensor(&case.start), None);
        let mut largest: f64 = 0.0;
        for (gradient, expected) in case.gradients.iter().zip(&case.values) {
            let restored = state.as_ref().and_then(reread::<D>);
            assert_eq!(restored.is_some(), state.is_some());
            (parameter, state) = soap.step(settings.lr, parameter, tensor(gradient), restored);
            let difference = (parameter.clone() - tensor(expected)).abs().max();
            largest = largest.max(difference.into_scalar::<f64>());
        }
        largest
    }

    /// Writes a state and reads it again.
    fn reread<const D: usize>(state: &SoapState<D>) -> Option<SoapState<D>> {
        let mut sink = StateSink::default();
        state.state_flatten("p", &mut sink);
        let mut source = StateSource::new(sink.scalars.into_iter().collect());
        for (name, data) in sink.tensors {
            source.insert_tensor(name, data);
        }
        SoapState::state_unflatten("p", &mut source, &Device::flex())
    }

    #[test]
    fn twenty_steps_agree_with_an_independent_program() {
        let Fixture { settings, cases } = fixture();
        for case in &cases {
            let largest = match case.shape.len() {
                1 => largest_difference::<1>(&settings, case),
                2 => largest_difference::<2>(&settings, case),
                _ => largest_difference::<4>(&settings, case),
            };
            // Twenty steps of 0.01 in f32, in bases that agree to the rounding of two decompositions, 1e-5 of a step.
            assert!(largest < 2e-6, "{:?}: {largest:e}", case.shape);
        }
    }

    #[test]
    fn a_step_does_not_depend_on_the_coordinates_that_a_kernel_is_given_in() {
        let device = Device::flex();
        device.seed(2);
        let soap = Soap {
            config: SoapConfig::default(),
        };
        let normal = burn::tensor::Distribution::Normal(0.0, 1.0);
        let random = || Tensor::<2>::random([6, 6], normal, &device);
        let rotation = eigenvectors(&second_moment(random(), 0)).unwrap();
        let rotated = |tensor: Tensor<2>| rotation.clone().matmul(tensor);
        let start = random();
        let (mut plain, mut turned) = (start.clone(), rotated(start));
        let (mut plain_state, mut turned_state) = (None, None);
        for _ in 0..8 {
            let gradient = random();
            (plain, plain_state) = soap.step(0.1, plain, gradient.clone(), plain_state);
            (turned, turned_state) = soap.step(0.1, turned, rotated(gradient), turned_state);
        }
        let difference = (rotated(plain) - turned).abs().max().into_scalar::<f64>();
        // Eight steps of length 0.1 per entry, in f32 and in bases of 1e-5.
        assert!(difference < 1e-3, "{difference:e}");
    }

    #[test]
    fn a_gradient_that_is_not_finite_does_not_stop_the_program() {
        let device = Device::flex();
        let soap = Soap {
            config: SoapConfig {
                precondition_frequency: 1,
                ..SoapConfig::default()
            },
        };
        let broken = Tensor::<2>::full([3, 2], f32::NAN, &device);
        let mut state = None;
        let mut parameter = Tensor::<2>::ones([3, 2], &device);
        for _ in 0..3 {
            (parameter, state) = soap.step(0.1, parameter, broken.clone(), state);
        }
        assert!(parameter.sum().into_scalar::<f64>().is_nan());
    }
}
