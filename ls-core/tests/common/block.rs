//! A module of a user's own, and networks with and without it.

use burn::module::{Module, Param, ParamId};
use burn::nn::{Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use ls_core::batch::Batch;
use ls_core::model::MlpConfig;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, Stage};

/// Normalization, an affine map with a mask and dropout, around a skip connection: every kind of parameter.
#[derive(Module, Debug)]
pub(crate) struct Block {
    norm: LayerNorm,
    pub(crate) maps: Vec<Linear>,
    pub(crate) dropout: Dropout,
    mask: Param<Tensor<1, Bool>>,
    permutation: Param<Tensor<1, Int>>,
}

impl Block {
    pub(crate) fn new(width: usize, device: &Device) -> Self {
        let reversed: Vec<i64> = (0..width as i64).rev().collect();
        let mask: Vec<bool> = (0..width).map(|i| i % 3 != 0).collect();
        Self {
            norm: LayerNormConfig::new(width).init(device),
            maps: [(); 2]
                .map(|()| LinearConfig::new(width, width).init(device))
                .into(),
            dropout: DropoutConfig::new(0.5).init(),
            mask: Param::initialized(
                ParamId::new(),
                Tensor::from_data(TensorData::new(mask, [width]), device),
            ),
            permutation: Param::initialized(
                ParamId::new(),
                Tensor::from_data(TensorData::new(reversed, [width]), device),
            ),
        }
    }
}

impl Stage for Block {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let mut h = self.norm.forward(input.clone());
        for map in &self.maps {
            h = map.forward(h).tanh();
        }
        let h = self.dropout.forward(h).select(1, self.permutation.val());
        let mask = self.mask.val().unsqueeze::<2>().expand(h.dims());
        input + h.mask_fill(mask.bool_not(), 0.0)
    }

    fn input_shape(&self) -> FeatureShape {
        FeatureShape::Flat(self.mask.val().dims()[0])
    }

    fn output_shape(&self) -> FeatureShape {
        self.input_shape()
    }
}

pub(crate) fn points() -> Tensor<2> {
    let values = (0..60).map(|i| (0.37 * f64::from(i * i)).sin() as f32);
    let data = TensorData::new(values.collect::<Vec<_>>(), [10, 6]);
    Tensor::from_data(data, &Device::flex())
}

pub(crate) fn batch() -> Batch {
    let labels: Vec<i64> = (0..10).map(|i| i % 3).collect();
    let labels = Tensor::from_data(TensorData::new(labels, [10]), &Device::flex());
    Batch::full(points(), labels)
}

pub(crate) fn network(seed: u64) -> Network {
    let mlp = MlpConfig::new(vec![8, 6], Activation::Tanh);
    mlp.init(FeatureShape::Flat(6), 3, seed, &Device::flex())
        .unwrap()
}

/// With a block behind the hidden stages.
pub(crate) fn with_block(seed: u64) -> Network {
    let mut stages = network(seed).stages().to_vec();
    stages.insert(2, AnyStage::custom(Block::new(6, &Device::flex())));
    Network::new(stages).unwrap()
}
