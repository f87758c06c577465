//! Safetensors, in the layout of `PyTorch`'s modules.
//!
//! | name | shape | is |
//! | --- | --- | --- |
//! | `stages.{l}.weight` | `[d_out, d_in]` | weights of stage `l` from 0, the head last; residual stages: those of the inner stage |
//! | `stages.{l}.weight` | `[c_out, c_in, k, k]` | kernel of a convolution, to be correlated with the image |
//! | `stages.{l}.bias` | `[d_out]` or `[c_out]` | biases |
//! | `stages.{l}.{path}` | as in the stage | parameters of a stage without a counterpart in `PyTorch`, by their path in it |
//!
//! All in little-endian f32; integers and booleans of such a stage are i64 and bytes. Images are flattened channel by
//! channel, row by row. The metadata have one entry, `layersep`, a JSON object: `model` (the architecture in short), `stages` (a list
//! of the hidden stages as in configuration files), `shape` (channels, height, width), `classes` (names), `pixel_max`, `mean` and
//! `deviation` (one per channel). An input is `(pixel / pixel_max - mean) / deviation`. Of a network that an application made `stages`
//! is null, and the last three where it made the data: those are inputs as they are. The same weights always give the same file.

use std::collections::HashMap;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};
use ls_core::linalg::to_f64;
use ls_core::network::Network;
use ls_core::stage::AnyStage;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::Format;
use crate::data::integers;
use crate::run_dir::write_atomically;
use crate::{Error, Result, Trained};

pub(super) const FORMAT: Format = Format {
    name: "safetensors",
    about: "safetensors in PyTorch's layout, for programs in any language",
    extension: "safetensors",
    write,
};

/// A tensor as bytes.
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Entry {
    fn new(name: String, shape: Vec<usize>, values: impl Iterator<Item = f64>) -> Self {
        Self {
            name,
            dtype: Dtype::F32,
            shape,
            bytes: float_bytes(values),
        }
    }
}

/// The way of f32 weights through f64 changes nothing; weights in f64 are rounded.
fn float_bytes(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values
        .flat_map(|value| (value as f32).to_le_bytes())
        .collect()
}

fn write(trained: &Trained, path: &Path) -> Result<()> {
    let failed = |reason: String| Error::file("write", path, reason);
    let entries = entries(&trained.network)?;
    let views = entries.iter().map(|entry| {
        let view = TensorView::new(entry.dtype, entry.shape.clone(), &entry.bytes);
        Ok((
            entry.name.as_str(),
            view.map_err(|e| failed(e.to_string()))?,
        ))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let bytes = serialize(views, Some(metadata(trained))).map_err(|e| failed(e.to_string()))?;
    write_atomically(path, &bytes)
}

fn entries(network: &Network) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (l, stage) in network.stages().iter().enumerate() {
        let name = format!("stages.{l}");
        let layer = stage
            .affine()
            .and_then(|view| Some((view.pytorch_weight_shape()?, view.coefficients())));
        match layer {
            Some((shape, coefficients)) => {
                let weight = to_f64(coefficients.kernel.transpose())?.into_iter();
                let outputs = coefficients.bias.dims().to_vec();
                let bias = to_f64(coefficients.bias)?.into_iter();
                entries.push(Entry::new(format!("{name}.weight"), shape, weight));
                entries.push(Entry::new(format!("{name}.bias"), outputs, bias));
            }
            None => entries.extend(Parameters::collect(name, stage)?),
        }
    }
    Ok(entries)
}

/// Collects the parameters of a stage by their paths.
struct Parameters {
    stage: String,
    /// Starts with the variant of [`AnyStage`].
    path: Vec<String>,
    entries: Result<Vec<Entry>>,
}

impl Parameters {
    fn collect(name: String, stage: &AnyStage) -> Result<Vec<Entry>> {
        let mut parameters = Self {
            stage: name,
            path: Vec::new(),
            entries: Ok(Vec::new()),
        };
        stage.visit(&mut parameters);
        parameters.entries
    }

    fn name(&self) -> String {
        let inside = self.path.get(1..).unwrap_or_default();
        format!("{}.{}", self.stage, inside.join("."))
    }

    fn add(&mut self, dtype: Dtype, shape: &[usize], bytes: Result<Vec<u8>>) {
        let name = self.name();
        let Ok(entries) = &mut self.entries else {
            return;
        };
        match bytes {
            Ok(bytes) => entries.push(Entry {
                name,
                dtype,
                shape: shape.to_vec(),
                bytes,
            }),
            Err(error) => self.entries = Err(error),
        }
    }
}

impl ModuleVisitor for Parameters {
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

/// One entry: several would come in another order every time.
fn metadata(trained: &Trained) -> HashMap<String, String> {
    let own = &trained.preprocessing;
    let input = own.feature_shape();
    let model = &trained.config.model;
    let facts = serde_json::json!({
        "model": model.describe(input, own.classes.len()),
        "stages": model.hidden_stages(input).ok().map(|(stages, _)| stages),
        "shape": [own.channels, own.height, own.width],
        "classes": own.classes,
        "pixel_max": own.pixel_max,
        "mean": own.standardization.as_ref().map(|own| &own.mean),
        "deviation": own.standardization.as_ref().map(|own| &own.deviation),
    });
    HashMap::from([("layersep".to_owned(), facts.to_string())])
}

#[cfg(test)]
mod tests {
    use burn::module::ParamId;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;
    use ls_core::shape::FeatureShape;
    use ls_core::stage::{Activation, Dense, Stage};

    use super::*;

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
    fn a_module_of_the_users_own_gives_all_its_parameters_by_path() {
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
        let entries = entries(&network.unwrap()).unwrap();
        let shapes: Vec<_> = entries
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
        assert_eq!(entries[0].bytes, float_bytes(weight.into_iter()));
        assert_eq!(entries[2].bytes, [1, 0]);
        let order = [1_i64.to_le_bytes(), (-2_i64).to_le_bytes()];
        assert_eq!(entries[3].bytes, order.concat());
    }
}
