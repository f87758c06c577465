//! The variables of `admm`, and how each block of them moves.

use burn::tensor::Tensor;

use super::UPDATE;
use crate::Result;
use crate::batch::Batch;
use crate::linalg::{Affine, mean_f64, scalar_f64};
use crate::method::split_blocks::{OutputBlock, PreActivationBlock, affine, pre_activation};
use crate::method::stage_role::set_coefficients;
use crate::network::Network;
use crate::objective::{cross_entropy, square_norms};
use crate::stage::AffineStage;

/// A network with all variables, between the blocks of a sweep.
pub(super) struct Point<'a> {
    pub(super) network: &'a mut Network,
    pub(super) batch: &'a Batch,
    /// `a_1, …, a_{L-1}`.
    pub(super) outputs: Vec<Tensor<2>>,
    pub(super) pre_activations: Vec<Tensor<2>>,
    pub(super) multiplier: Tensor<2>,
    pub(super) penalty: f64,
}

impl Point<'_> {
    pub(super) fn head(&self) -> usize {
        self.network.hidden()
    }

    fn affine(&self, l: usize) -> Result<&dyn AffineStage> {
        affine(self.network, l, UPDATE)
    }

    /// `a_{l-1}`, with `l` counted from 0.
    fn input(&self, l: usize) -> &Tensor<2> {
        match l {
            0 => &self.batch.inputs,
            _ => &self.outputs[l - 1],
        }
    }

    /// `Â_l V_l`.
    pub(super) fn fitted(&self, l: usize) -> Result<Tensor<2>> {
        Ok(pre_activation(self.affine(l)?, self.input(l)))
    }

    /// What `Â_l V_l` is fitted to: `u_l`, at the head `u_L + w`.
    fn fit_target(&self, l: usize) -> Tensor<2> {
        let u = self.pre_activations[l].clone();
        if l == self.head() {
            u + self.multiplier.clone()
        } else {
            u
        }
    }

    /// What the output of stage `l` is compared with: `a_l`; nothing at the head, whose own output takes its place.
    fn compared(&self, l: usize) -> Result<Tensor<2>> {
        match self.outputs.get(l) {
            Some(output) => Ok(output.clone()),
            None => {
                let u = self.pre_activations[l].clone();
                Ok(self.affine(l)?.post(u, self.input(l)))
            }
        }
    }

    pub(super) fn move_output(&mut self, l: usize) -> Result<()> {
        let (next, target) = (self.affine(l + 1)?, self.fit_target(l + 1));
        let own = self.affine(l)?;
        let compared = self.compared(l + 1)?;
        let block = OutputBlock {
            target: own.post(self.pre_activations[l].clone(), self.input(l)),
            next: &self.network.stages()[l + 1],
            next_affine: next,
            next_pre_activation: &target,
            next_output: &compared,
        };
        let value = self.outputs[l].clone();
        let gradient = block.gradient(value.clone());
        let curvature = block.curvature_along(gradient.clone(), &value);
        let divisor = self.divisor(gradient.clone(), curvature)?;
        self.outputs[l] = value - gradient * (self.penalty / divisor);
        Ok(())
    }

    /// The first of `1, 2, 4, …` that is no less than `ρ` times the curvature along a gradient `g`, `‖A g‖² / ‖g‖²`.
    fn divisor<const D: usize>(&self, gradient: Tensor<D>, curved: Tensor<1>) -> Result<f64> {
        let square = (gradient.clone() * gradient).sum();
        let curvature = self.penalty * scalar_f64(curved / square)?;
        // Without a gradient there is no step, and its length does not matter.
        let doublings = curvature.max(1.0).log2().ceil();
        Ok(if doublings.is_finite() {
            doublings.exp2()
        } else {
            1.0
        })
    }

    pub(super) fn move_pre_activation(&mut self, l: usize) -> Result<()> {
        let fitted = self.fitted(l)?;
        let start = self.pre_activations[l].clone();
        self.pre_activations[l] = if l == self.head() {
            let point = fitted - self.multiplier.clone();
            cross_entropy::proximal(&point, &self.batch.labels, self.penalty, start)
        } else {
            let block = PreActivationBlock {
                stage: &self.network.stages()[l],
                affine: self.affine(l)?,
                input: self.input(l),
                output: &self.outputs[l],
                fitted,
                proximity: 0.0,
            };
            block.lowered(start)
        };
        Ok(())
    }

    /// `b_l` minimizes the squared distance of `Â_l V_l` from its target.
    pub(super) fn move_bias(&mut self, l: usize) -> Result<()> {
        let misfit = self.fit_target(l) - self.fitted(l)?;
        let coefficients = self.affine(l)?.coefficients();
        let bias = coefficients.bias + misfit.mean_dim(0).squeeze_dim(0);
        set_coefficients(
            self.network,
            l,
            Affine {
                bias,
                ..coefficients
            },
        )
    }

    pub(super) fn move_kernel(&mut self, l: usize) -> Result<()> {
        let stage = self.affine(l)?;
        let (coefficients, rows) = (stage.coefficients(), stage.rows(self.input(l).clone()));
        let misfit = coefficients.apply(rows.clone()) - self.fit_target(l);
        let gradient = rows.clone().transpose().matmul(misfit);
        let along = rows.matmul(gradient.clone());
        let divisor = self.divisor(gradient.clone(), (along.clone() * along).sum())?;
        let kernel = coefficients.kernel - gradient * (self.penalty / divisor);
        set_coefficients(
            self.network,
            l,
            Affine {
                kernel,
                ..coefficients
            },
        )
    }

    /// `ℒ / N` and `‖u_L - Â_L V_L‖² / N`.
    pub(super) fn values(&self) -> Result<[f64; 2]> {
        let (head, samples) = (self.head(), self.batch.len());
        let last = self.pre_activations[head].clone();
        let mut terms: Option<Tensor<1>> = None;
        for l in 0..=head {
            let misfit = self.fit_target(l) - self.fitted(l)?;
            let [rows, columns] = misfit.dims();
            let mut own = square_norms(misfit.reshape([samples, rows * columns / samples]));
            if l < head {
                let u = self.pre_activations[l].clone();
                let output = self.affine(l)?.post(u, self.input(l));
                own = own + square_norms(self.outputs[l].clone() - output);
            }
            terms = Some(match terms {
                Some(sum) => sum + own,
                None => own,
            });
        }
        let gap = square_norms(last.clone() - self.fitted(head)?);
        let loss = cross_entropy::per_sample(last, &self.batch.labels);
        let terms = terms.map(mean_f64).transpose()?.unwrap_or(0.0);
        let multiplier = mean_f64(square_norms(self.multiplier.clone()))?;
        let value = mean_f64(loss)? + self.penalty / 2.0 * (terms - multiplier);
        Ok([value, mean_f64(gap)?])
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::auxiliary::AuxiliaryStore;
    use crate::batch::Selection;
    use crate::model::{MlpConfig, ModelConfig};
    use crate::shape::FeatureShape;
    use crate::stage::Activation;

    /// Moves a block and checks that the Lagrangian does not rise by more than the rounding of its sums in f32.
    fn lowers(point: &mut Point<'_>, what: &str, block: impl FnOnce(&mut Point<'_>) -> Result<()>) {
        let [before, _] = point.values().unwrap();
        block(point).unwrap();
        let [after, _] = point.values().unwrap();
        let allowance = 1e-5 * before.abs().max(1.0);
        assert!(after <= before + allowance, "{what}: {before} to {after}");
    }

    #[test]
    fn every_block_lowers_the_lagrangian_and_the_multiplier_raises_it_as_stated() {
        let device = Device::flex();
        for (activation, penalty) in [
            (Activation::Relu, 1e-3),
            (Activation::LeakyRelu, 1.0),
            (Activation::Tanh, 0.1),
            (Activation::Sigmoid, 10.0),
        ] {
            let config = MlpConfig::new(vec![7, 6], activation);
            let shape = FeatureShape::Flat(5);
            let config = ModelConfig::Mlp(config);
            let mut network = config.init(shape, 3, 1, &device).unwrap();
            let inputs = Tensor::random([12, 5], Distribution::Normal(0.0, 1.0), &device);
            let labels = Tensor::from_data([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], &device);
            let batch = Batch::full(inputs, labels);
            let outputs = AuxiliaryStore::feasible(&network, &batch, 100).gather(&Selection::All);
            let mut point = Point {
                network: &mut network,
                batch: &batch,
                outputs,
                pre_activations: Vec::new(),
                multiplier: Tensor::zeros([12, 3], &device),
                penalty,
            };
            point.pre_activations = (0..3).map(|l| point.fitted(l).unwrap()).collect();
            for sweep in 0..8 {
                let what = |block: &str, l: usize| format!("{activation}, {sweep}, {block} {l}");
                for l in (0..3).rev() {
                    if l < 2 {
                        lowers(&mut point, &what("output", l), |point| point.move_output(l));
                    }
                    lowers(&mut point, &what("pre-activation", l), |point| {
                        point.move_pre_activation(l)
                    });
                    lowers(&mut point, &what("bias", l), |point| point.move_bias(l));
                    lowers(&mut point, &what("kernel", l), |point| point.move_kernel(l));
                }
                let [before, gap] = point.values().unwrap();
                let residual = point.pre_activations[2].clone() - point.fitted(2).unwrap();
                point.multiplier = point.multiplier.clone() + residual;
                let [after, _] = point.values().unwrap();
                // f32 sums of some numbers of that size.
                let error = (after - before - penalty * gap).abs();
                let scale = before.abs().max(penalty * gap).max(1.0);
                assert!(error < 1e-5 * scale, "{activation}: {before} {after} {gap}");
            }
        }
    }
}
