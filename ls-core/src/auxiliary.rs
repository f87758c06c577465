//! Auxiliary variables: for every hidden stage, one vector per sample.

use burn::module::{Module, Param};
use burn::tensor::{Device, IndexingUpdateOp, Tensor};

use crate::batch::{Batch, Selection};
use crate::network::Network;

/// `a_1, …, a_{L-1}`, one `[samples, features]` parameter per hidden stage, addressed by sample.
///
/// They are parameters so that a checkpoint keeps them, but no optimizer finds them by accident: updates gather the rows
/// of a batch, move them, and scatter them back.
#[derive(Module, Debug)]
pub struct AuxiliaryStore {
    values: Vec<Param<Tensor<2>>>,
}

impl AuxiliaryStore {
    /// No auxiliary variables, for methods without any.
    pub fn empty() -> Self {
        Self { values: Vec::new() }
    }

    /// One constant row of the given width per sample and stage.
    pub fn constant(samples: usize, widths: &[usize], value: f64, device: &Device) -> Self {
        let filled = |&width| Tensor::full([samples, width], value, device);
        Self::from_values(widths.iter().map(filled).collect())
    }

    /// A store that holds the given values, `[samples, d_l]` each.
    pub fn from_values(values: Vec<Tensor<2>>) -> Self {
        Self {
            values: values.into_iter().map(Param::from_tensor).collect(),
        }
    }

    /// The feasible point `a_l = h_l`, by a plain forward pass over a whole split in chunks.
    pub fn feasible(network: &Network, split: &Batch, chunk: usize) -> Self {
        let parts: Vec<Vec<Tensor<2>>> = split
            .chunks(chunk)
            .map(|batch| network.activations(batch.inputs))
            .collect();
        let stage = |l: usize| Tensor::cat(parts.iter().map(|part| part[l].clone()).collect(), 0);
        Self::from_values((0..network.hidden()).map(stage).collect())
    }

    /// Number of hidden stages.
    pub fn stages(&self) -> usize {
        self.values.len()
    }

    /// The rows of the selected samples, one tensor `[selected, d_l]` per stage.
    pub fn gather(&self, selection: &Selection) -> Vec<Tensor<2>> {
        let rows = |value: &Param<Tensor<2>>| match selection {
            Selection::All => value.val().inner(),
            Selection::Range(range) => value.val().inner().slice([range.clone()]),
            Selection::Indices(indices) => value.val().inner().select(0, indices.clone()),
        };
        self.values.iter().map(rows).collect()
    }

    /// Writes rows back to where [`gather`](Self::gather) took them from.
    pub fn scatter(&mut self, selection: &Selection, rows: Vec<Tensor<2>>) {
        let values = core::mem::take(&mut self.values);
        self.values = values
            .into_iter()
            .zip(rows)
            // The parameter is consumed, so that the assignment can happen in place.
            .map(|(value, rows)| {
                value.map(|value| match selection {
                    Selection::All => rows,
                    Selection::Range(range) => value.slice_assign([range.clone()], rows),
                    Selection::Indices(indices) => {
                        value.select_assign(0, indices.clone(), rows, IndexingUpdateOp::Assign)
                    }
                })
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::index_tensor;
    use crate::linalg::to_f64;

    #[test]
    fn scattered_rows_land_at_their_samples_and_nowhere_else() {
        let device = Device::flex();
        for selection in [
            Selection::Indices(index_tensor(&[3, 1], &device)),
            Selection::Range(1..3),
        ] {
            let mut store = AuxiliaryStore::constant(4, &[2], 0.0, &device);
            let rows = Tensor::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
            store.scatter(&selection, vec![rows.clone()]);
            let back = store.gather(&selection).remove(0);
            assert_eq!(to_f64(back).unwrap(), to_f64(rows).unwrap());
            let all = to_f64(store.gather(&Selection::All).remove(0)).unwrap();
            assert_eq!(all.iter().filter(|&&value| value == 0.0).count(), 4);
        }
    }
}
