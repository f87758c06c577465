//! Named tensors in the safetensors format: the parameters of a network, and the files that hold them.

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};
use ls_core::linalg::{Affine, binarized, to_f64};
use ls_core::network::Network;
use ls_core::stage::AnyStage;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::config::RunNetwork;
use crate::data::{Preprocessing, integers};
use crate::{Error, Result, files};

/// A tensor as bytes, under its name.
pub(super) struct NamedTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl NamedTensor {
    fn new(name: String, shape: Vec<usize>, values: impl Iterator<Item = f64>) -> Self {
        Self {
            name,
            dtype: Dtype::F32,
            shape,
            bytes: float_bytes(values),
        }
    }

    /// Reads numbers from their device, and rounds them to f32 where they are f64.
    ///
    /// # Errors
    /// [`Error::Core`] when the device failed.
    pub(super) fn floats<const D: usize>(name: String, tensor: Tensor<D>) -> Result<Self> {
        let shape = tensor.dims().to_vec();
        Ok(Self::new(name, shape, to_f64(tensor)?.into_iter()))
    }

    /// Makes a tensor of integers.
    pub(super) fn integers(
        name: String,
        shape: Vec<usize>,
        values: impl Iterator<Item = i64>,
    ) -> Self {
        Self {
            name,
            dtype: Dtype::I64,
            shape,
            bytes: values.flat_map(i64::to_le_bytes).collect(),
        }
    }
}

/// Encodes numbers in f32. Weights in f32 come back unchanged from f64; weights in f64 are rounded.
fn float_bytes(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values
        .flat_map(|value| (value as f32).to_le_bytes())
        .collect()
}

/// How weights of one bit are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryWeights {
    /// As bits and scales, which are all that a forward pass needs.
    Packed,
    /// As the numbers behind them, which training moves.
    Numbers,
}

/// Reads the parameters of all stages from the device, under the names of the format safetensors.
///
/// # Errors
/// [`Error::Core`] when the device failed.
pub(super) fn parameters(network: &Network, binary: BinaryWeights) -> Result<Vec<NamedTensor>> {
    let mut tensors = Vec::new();
    for (l, stage) in network.stages().iter().enumerate() {
        let name = format!("stages.{l}");
        let layer = stage
            .affine()
            .and_then(|view| Some((view, view.pytorch_weight_shape()?)));
        let Some((view, shape)) = layer else {
            tensors.extend(ParameterCollector::collect(name, stage)?);
            continue;
        };
        let Affine { kernel, bias } = view.coefficients();
        if view.has_binary_weights() && binary == BinaryWeights::Packed {
            tensors.extend(packed(&name, kernel)?);
        } else {
            let weight = to_f64(kernel.transpose())?.into_iter();
            tensors.push(NamedTensor::new(format!("{name}.weight"), shape, weight));
        }
        let outputs = bias.dims().to_vec();
        let bias = to_f64(bias)?.into_iter();
        tensors.push(NamedTensor::new(format!("{name}.bias"), outputs, bias));
    }
    Ok(tensors)
}

/// The binary kernel of `W`, `[d_in, d_out]`: its signs, `[d_out, ⌈d_in/8⌉]`, a byte for eight inputs of one output, the first in the lowest
/// bit, set where `W` is not negative; and its scales `α`, `[d_out]`.
fn packed(name: &str, kernel: Tensor<2>) -> Result<[NamedTensor; 2]> {
    let [d_in, d_out] = kernel.dims();
    let weights = to_f64(kernel.clone().transpose())?;
    let scales = to_f64(binarized(kernel).abs().narrow(0, 0, 1))?;
    let byte = |weights: &[f64]| {
        let bits = weights.iter().enumerate();
        bits.fold(0_u8, |byte, (i, weight)| {
            byte | u8::from(*weight >= 0.0) << i
        })
    };
    let rows = weights.chunks(d_in);
    let bits = NamedTensor {
        name: format!("{name}.weight_bits"),
        dtype: Dtype::U8,
        shape: vec![d_out, d_in.div_ceil(8)],
        bytes: rows.flat_map(|row| row.chunks(8).map(byte)).collect(),
    };
    let scale = NamedTensor::new(
        format!("{name}.weight_scale"),
        vec![d_out],
        scales.into_iter(),
    );
    Ok([bits, scale])
}

/// Collects the parameters of a stage under their paths.
struct ParameterCollector {
    stage: String,
    /// Starts with the variant of [`AnyStage`].
    path: Vec<String>,
    tensors: Result<Vec<NamedTensor>>,
}

impl ParameterCollector {
    fn collect(stage: String, module: &AnyStage) -> Result<Vec<NamedTensor>> {
        let mut collector = Self {
            stage,
            path: Vec::new(),
            tensors: Ok(Vec::new()),
        };
        module.visit(&mut collector);
        collector.tensors
    }

    fn name(&self) -> String {
        let inside = self.path.get(1..).unwrap_or_default();
        format!("{}.{}", self.stage, inside.join("."))
    }

    fn add(&mut self, dtype: Dtype, shape: &[usize], bytes: Result<Vec<u8>>) {
        let name = self.name();
        let Ok(tensors) = &mut self.tensors else {
            return;
        };
        match bytes {
            Ok(bytes) => tensors.push(NamedTensor {
                name,
                dtype,
                shape: shape.to_vec(),
                bytes,
            }),
            Err(error) => self.tensors = Err(error),
        }
    }
}

impl ModuleVisitor for ParameterCollector {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let values = to_f64(parameter.val()).map_err(Error::from);
        let bytes = values.map(|values| float_bytes(values.into_iter()));
        self.add(Dtype::F32, &parameter.dims(), bytes);
    }

    fn visit_int<const D: usize>(&mut self, parameter: &Param<Tensor<D, Int>>) {
        let values = integers(parameter.val());
        let bytes = values.map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect());
        self.add(Dtype::I64, &parameter.dims(), bytes);
    }

    fn visit_bool<const D: usize>(&mut self, parameter: &Param<Tensor<D, Bool>>) {
        let values = integers(parameter.val().int());
        let bytes = values.map(|values| values.iter().map(|&v| u8::from(v != 0)).collect());
        self.add(Dtype::BOOL, &parameter.dims(), bytes);
    }

    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
}

/// Describes a network and its inputs for other programs, as the documentation of the format safetensors says.
pub(super) fn model_facts(model: &RunNetwork, own: &Preprocessing) -> serde_json::Value {
    let input = own.feature_shape();
    serde_json::json!({
        "model": model.describe(input, own.classes.len()),
        "stages": model.library().ok().map(|model| model.hidden_stages(input).0),
        "shape": [own.channels, own.height, own.width],
        "classes": own.classes,
        "pixel_max": own.pixel_max,
        "mean": own.standardization.as_ref().map(|own| &own.mean),
        "deviation": own.standardization.as_ref().map(|own| &own.deviation),
    })
}

/// Writes tensors and facts to a file. The facts are one entry of its metadata, since several entries would change their order from
/// file to file.
///
/// # Errors
/// [`Error::File`] when the file cannot be written.
pub(super) fn write_tensors(
    tensors: &[NamedTensor],
    facts: serde_json::Value,
    path: &Path,
) -> Result<()> {
    let failed = |reason: String| Error::file("write", path, reason);
    let views = tensors.iter().map(|tensor| {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), &tensor.bytes);
        Ok((
            tensor.name.as_str(),
            view.map_err(|e| failed(e.to_string()))?,
        ))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let metadata = HashMap::from([("layersep".to_owned(), facts.to_string())]);
    let bytes = serialize(views, Some(metadata)).map_err(|e| failed(e.to_string()))?;
    files::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use ls_core::stage::{Activation, Dense, Stage};

    use super::*;
    use ls_core::shape::FeatureShape;

    #[derive(Module, Debug)]
    struct Masked {
        linear: Linear,
        mask: Param<Tensor<1, Bool>>,
        order: Param<Tensor<1, Int>>,
    }

    impl Stage for Masked {
        fn forward(&self, input: Tensor<2>) -> Tensor<2> {
            self.linear.forward(input)
        }

        fn input_shape(&self) -> FeatureShape {
            FeatureShape::Flat(3)
        }

        fn output_shape(&self) -> FeatureShape {
            FeatureShape::Flat(2)
        }
    }

    #[test]
    fn bits_and_scales_give_the_binary_kernel_back() {
        let device = Device::flex();
        // Ten inputs take two bytes, the second of them with two bits.
        let kernel = LinearConfig::new(10, 3).init(&device).weight.val();
        let [bits, scale] = packed("stages.0", kernel.clone()).unwrap();
        assert_eq!(bits.shape, [3, 2]);
        assert_eq!(bits.name, "stages.0.weight_bits");
        let scales = scale.bytes.chunks(4);
        let scales: Vec<_> = scales
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        let entry = |i: usize, j: usize| match bits.bytes[2 * j + i / 8] >> (i % 8) & 1 {
            1 => f64::from(scales[j]),
            _ => -f64::from(scales[j]),
        };
        let unpacked: Vec<_> = (0..10)
            .flat_map(|i| (0..3).map(move |j| (i, j)))
            .map(|(i, j)| entry(i, j))
            .collect();
        assert_eq!(unpacked, to_f64(binarized(kernel)).unwrap());
    }

    #[test]
    fn a_custom_module_gives_all_its_parameters_by_path() {
        let device = Device::flex();
        let masked = Masked {
            linear: LinearConfig::new(3, 2).init(&device),
            mask: Param::initialized(ParamId::new(), Tensor::from_data([true, false], &device)),
            order: Param::initialized(ParamId::new(), Tensor::from_data([1, -2], &device)),
        };
        let head = LinearConfig::new(2, 2).init(&device);
        let network = Network::new(vec![
            AnyStage::custom(masked.clone()),
            Dense::from_linear(&head, Activation::Identity).into(),
        ]);
        let tensors = parameters(&network.unwrap(), BinaryWeights::Packed).unwrap();
        let shapes: Vec<_> = tensors
            .iter()
            .map(|e| (e.name.as_str(), e.dtype, e.shape.as_slice()))
            .collect();
        let expected: [(&str, Dtype, &[usize]); 6] = [
            ("stages.0.linear.weight", Dtype::F32, &[3, 2]),
            ("stages.0.linear.bias", Dtype::F32, &[2]),
            ("stages.0.mask", Dtype::BOOL, &[2]),
            ("stages.0.order", Dtype::I64, &[2]),
            ("stages.1.weight", Dtype::F32, &[2, 2]),
            ("stages.1.bias", Dtype::F32, &[2]),
        ];
        assert_eq!(shapes, expected);
        let weight = to_f64(masked.linear.weight.val()).unwrap();
        assert_eq!(tensors[0].bytes, float_bytes(weight.into_iter()));
        assert_eq!(tensors[2].bytes, [1, 0]);
        let order = [1_i64.to_le_bytes(), (-2_i64).to_le_bytes()];
        assert_eq!(tensors[3].bytes, order.concat());
    }
}
