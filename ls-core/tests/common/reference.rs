//! Plain f64 reference without Burn: loops over samples and formulas as they stand in the documentation.

use super::geometry::{Geometry, Layout};
use ls_core::linalg::Norm;
use ls_core::objective::Weights;
use ls_core::stage::Activation;

/// Rows of a matrix.
pub(crate) type Matrix = Vec<Vec<f64>>;

/// `κ` of the documentation, stated again so that a change in the library is seen.
pub(crate) const KAPPA: f64 = 0.4513;

/// f32's `ε = 2⁻²³`, twice its unit of rounding.
pub(crate) const EPSILON: f64 = f32::EPSILON as f64;

/// What `C` may exceed `S` by, as a share of it: some ten roundings of f32 in the certificate of a sample, and as many in each sum over
/// 32 samples; a rounding is half an `ε`.
pub(crate) const ROUNDING_OF_BOUNDS: f64 = 15.0 * EPSILON;

/// One stage; dense unless its layout says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) kernel: Matrix,
    pub(crate) bias: Vec<f64>,
    pub(crate) activation: Activation,
    pub(crate) layout: Layout,
}

/// A network with its samples and one auxiliary row for each hidden stage and sample, `auxiliary[l][n]`.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) layers: Vec<Layer>,
    pub(crate) inputs: Matrix,
    pub(crate) labels: Vec<usize>,
    pub(crate) auxiliary: Vec<Matrix>,
}

impl Layer {
    pub(crate) fn pre(&self, h: &[f64]) -> Vec<f64> {
        if let Some(geometry) = &self.layout.geometry {
            return geometry.convolve(&self.kernel, &self.bias, h);
        }
        let column = |j: usize| dot(h, &self.kernel.iter().map(|row| row[j]).collect::<Vec<_>>());
        self.bias
            .iter()
            .enumerate()
            .map(|(j, b)| column(j) + b)
            .collect()
    }

    pub(crate) fn forward(&self, h: &[f64]) -> Vec<f64> {
        self.post(&self.pre(h), h)
    }

    /// The output from pre-activations `u` and the stage's input.
    pub(crate) fn post(&self, u: &[f64], h: &[f64]) -> Vec<f64> {
        let active: Vec<f64> = u.iter().map(|&u| activate(self.activation, u)).collect();
        let Layout { geometry, skip } = &self.layout;
        let mut output = geometry
            .as_ref()
            .map_or(active.clone(), |g| g.pool(&active));
        if *skip {
            output.iter_mut().zip(h).for_each(|(v, h)| *v += h);
        }
        output
    }

    /// `K_l` with the exact norm of the kernel as a matrix.
    pub(crate) fn lipschitz(&self, norm: Norm) -> f64 {
        let Layout { geometry, skip } = &self.layout;
        let layout = geometry.as_ref().map_or(1.0, Geometry::lipschitz_factor);
        f64::from(u8::from(*skip))
            + layout * slope(self.activation) * matrix_norm(&self.kernel, norm)
    }
}

impl Problem {
    pub(crate) fn hidden(&self) -> usize {
        self.layers.len() - 1
    }

    /// `h_1, …, h_{L-1}, z` of sample `n`.
    pub(crate) fn forward(&self, n: usize) -> Matrix {
        let mut outputs: Matrix = Vec::new();
        for layer in &self.layers {
            let next = layer.forward(outputs.last().unwrap_or(&self.inputs[n]));
            outputs.push(next);
        }
        outputs
    }

    pub(crate) fn original(&self, n: usize) -> f64 {
        cross_entropy(&self.forward(n)[self.hidden()], self.labels[n])
    }

    /// `F`.
    pub(crate) fn original_mean(&self) -> f64 {
        self.mean(|n| self.original(n))
    }

    /// What stage `l` (from 0) of the separated model sees, `a_{l-1,n}`.
    pub(crate) fn input(&self, l: usize, n: usize) -> &[f64] {
        if l == 0 {
            &self.inputs[n]
        } else {
            &self.auxiliary[l - 1][n]
        }
    }

    /// `r_{l,n}`.
    pub(crate) fn residual(&self, l: usize, n: usize) -> f64 {
        let output = self.layers[l].forward(self.input(l, n));
        norm(&difference(&self.auxiliary[l][n], &output))
    }

    pub(crate) fn residual_square_mean(&self, l: usize) -> f64 {
        self.mean(|n| self.residual(l, n).powi(2))
    }

    /// `ce(ẑ_n, y_n)`.
    pub(crate) fn head_loss(&self, n: usize) -> f64 {
        let head = self.hidden();
        cross_entropy(
            &self.layers[head].forward(self.input(head, n)),
            self.labels[n],
        )
    }

    /// `Π_l` and `ω_l` with exact norms.
    pub(crate) fn weights(&self, norm: Norm, eta: f64) -> Weights {
        let hidden = self.hidden();
        let constants: Vec<f64> = self.layers.iter().map(|s| s.lipschitz(norm)).collect();
        let growth: Vec<f64> = (0..hidden)
            .map(|l| constants[l + 1..].iter().product())
            .collect();
        let factor = (1.0 + 1.0 / eta) * KAPPA * KAPPA * hidden as f64;
        Weights {
            head: 1.0 + eta,
            omega: growth
                .iter()
                .map(|growth| factor * growth * growth)
                .collect(),
            growth: Ok(growth),
        }
    }

    /// `S_n`.
    pub(crate) fn separated(&self, n: usize, weights: &Weights) -> f64 {
        let penalty = |l: usize| weights.omega[l] * self.residual(l, n).powi(2);
        weights.head * self.head_loss(n) + (0..self.hidden()).map(penalty).sum::<f64>()
    }

    /// `S`.
    pub(crate) fn separated_mean(&self, weights: &Weights) -> f64 {
        self.mean(|n| self.separated(n, weights))
    }

    /// `d_n`.
    pub(crate) fn distance(&self, n: usize, growth: &[f64]) -> f64 {
        (0..self.hidden())
            .map(|l| growth[l] * self.residual(l, n))
            .sum()
    }

    /// `C`.
    pub(crate) fn certificate_mean(&self, growth: &[f64]) -> f64 {
        self.mean(|n| reach(self.head_loss(n), self.distance(n, growth)))
    }

    pub(crate) fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        (0..self.inputs.len()).map(of).sum::<f64>() / self.inputs.len() as f64
    }
}

/// `min(ce + √2 d, (√ce + κ d)²)`: how large a cross-entropy can be at a distance `d`; below, how small, for `d < 0`.
pub(crate) fn reach(ce: f64, d: f64) -> f64 {
    let linear = ce + core::f64::consts::SQRT_2 * d;
    let quadratic = (ce.sqrt() + KAPPA * d).max(0.0).powi(2);
    linear.min(quadratic)
}

/// `ce(z, y) = softplus(log Σ_{j≠y} exp(z_j - z_y))`.
pub(crate) fn cross_entropy(z: &[f64], y: usize) -> f64 {
    let others = || {
        z.iter()
            .enumerate()
            .filter(|&(j, _)| j != y)
            .map(|(_, z)| z)
    };
    let largest = others().copied().fold(f64::NEG_INFINITY, f64::max);
    let t = largest - z[y] + others().map(|v| (v - largest).exp()).sum::<f64>().ln();
    t.max(0.0) + (-t.abs()).exp().ln_1p()
}

pub(crate) fn activate(activation: Activation, u: f64) -> f64 {
    match activation {
        Activation::Relu => u.max(0.0),
        Activation::LeakyRelu => u.max(0.01 * u),
        Activation::Tanh => u.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-u).exp()),
        Activation::Gelu => 0.5 * u * (1.0 + erf(u / core::f64::consts::SQRT_2)),
        Activation::Silu => u / (1.0 + (-u).exp()),
        Activation::Identity => u,
        Activation::Sign | Activation::Step => unreachable!("the reference has slopes"),
    }
}

/// The largest slopes of the documentation.
pub(crate) fn slope(activation: Activation) -> f64 {
    match activation {
        Activation::Sigmoid => 0.25,
        Activation::Gelu => 1.1290,
        Activation::Silu => 1.0999,
        _ => 1.0,
    }
}

/// `erf(x) = 2/√π e^{-x²} Σ_k 2^k x^{2k+1} / (2k+1)!!`: all terms of one sign, so no digits cancel.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut sum, mut term) = (0.0, x);
    for k in 0..200 {
        sum += term;
        term *= 2.0 * x * x / f64::from(2 * k + 3);
    }
    2.0 / core::f64::consts::PI.sqrt() * (-x * x).exp() * sum
}

pub(crate) fn matrix_norm(matrix: &Matrix, kind: Norm) -> f64 {
    match kind {
        Norm::Frobenius => norm(&matrix.concat()),
        Norm::Spectral | Norm::Frequency => singular_values(matrix).into_iter().fold(0.0, f64::max),
    }
}

/// Singular values by one-sided Jacobi rotations, to nearly the last digit, in no order.
pub(crate) fn singular_values(matrix: &Matrix) -> Vec<f64> {
    let mut columns = if matrix.len() < matrix[0].len() {
        matrix.clone()
    } else {
        transpose(matrix)
    };
    for _ in 0..60 {
        let mut largest = 0.0_f64;
        for p in 0..columns.len() {
            for q in p + 1..columns.len() {
                let (a, b) = (norm(&columns[p]), norm(&columns[q]));
                let c = dot(&columns[p], &columns[q]);
                if c.abs() <= 1e-15 * a * b {
                    continue;
                }
                largest = largest.max(c.abs() / (a * b));
                let zeta = (b - a) * (b + a) / (2.0 * c);
                let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
                let (cosine, sine) = (1.0 / t.hypot(1.0), t / t.hypot(1.0));
                for i in 0..columns[p].len() {
                    let (x, y) = (columns[p][i], columns[q][i]);
                    columns[p][i] = cosine * x - sine * y;
                    columns[q][i] = sine * x + cosine * y;
                }
            }
        }
        if largest < 1e-14 {
            break;
        }
    }
    columns.iter().map(|column| norm(column)).collect()
}

pub(crate) fn transpose(matrix: &Matrix) -> Matrix {
    (0..matrix[0].len())
        .map(|j| matrix.iter().map(|row| row[j]).collect())
        .collect()
}

pub(crate) fn map(matrix: &Matrix, f: impl Fn(f64) -> f64) -> Matrix {
    matrix
        .iter()
        .map(|row| row.iter().map(|&value| f(value)).collect())
        .collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

pub(crate) fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
