//! Safetensors, in the layout of `PyTorch`'s modules.
//!
//! | name | shape | is |
//! | --- | --- | --- |
//! | `stages.{l}.weight` | `[d_out, d_in]` | weights of stage `l` from 0, the head last; residual stages: those of the inner stage |
//! | `stages.{l}.weight` | `[c_out, c_in, k, k]` | kernel of a convolution, to be correlated with the image |
//! | `stages.{l}.bias` | `[d_out]` or `[c_out]` | biases |
//!
//! All in little-endian f32. Images are flattened channel by channel, row by row. The metadata have one entry, `layersep`, a JSON object:
//! `model` (the architecture in short), `stages` (a list of the hidden stages as in configuration files), `shape` (channels, height,
//! width), `classes` (names), `pixel_max`, `mean` and `deviation` (one per channel). An input is
//! `(pixel / pixel_max - mean) / deviation`. The same weights always give the same file.

use std::collections::HashMap;
use std::path::Path;

use ls_core::linalg::to_f64;
use ls_core::shape::FeatureShape;
use ls_core::stage::AnyStage;
use safetensors::tensor::{Dtype, TensorView, serialize};

use super::Format;
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
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Entry {
    fn new(name: String, shape: Vec<usize>, values: impl Iterator<Item = f64>) -> Self {
        // The way of f32 weights through f64 changes nothing; weights in f64 are rounded.
        let bytes = values.flat_map(|value| (value as f32).to_le_bytes());
        Self {
            name,
            shape,
            bytes: bytes.collect(),
        }
    }
}

fn write(trained: &Trained, path: &Path) -> Result<()> {
    let failed = |reason: String| Error::file("write", path, reason);
    let entries = entries(trained)?;
    let views = entries.iter().map(|entry| {
        let view = TensorView::new(Dtype::F32, entry.shape.clone(), &entry.bytes);
        Ok((
            entry.name.as_str(),
            view.map_err(|e| failed(e.to_string()))?,
        ))
    });
    let views = views.collect::<Result<Vec<_>>>()?;
    let bytes = serialize(views, Some(metadata(trained))).map_err(|e| failed(e.to_string()))?;
    write_atomically(path, &bytes)
}

fn entries(trained: &Trained) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (l, stage) in trained.network.stages().iter().enumerate() {
        let affine = stage.affine().ok_or(ls_core::Error::Unsupported {
            update: "export",
            stage: l + 1,
            needs: "affine form",
        })?;
        let coefficients = affine.coefficients();
        let [d_in, d_out] = coefficients.kernel.dims();
        let kernel = to_f64(coefficients.kernel.transpose())?;
        let bias = to_f64(coefficients.bias)?;
        let shape = weight_shape(stage, d_in, d_out);
        entries.push(Entry::new(
            format!("stages.{l}.weight"),
            shape,
            kernel.into_iter(),
        ));
        entries.push(Entry::new(
            format!("stages.{l}.bias"),
            vec![d_out],
            bias.into_iter(),
        ));
    }
    Ok(entries)
}

/// `[d_out, d_in]`, or `[c_out, c_in, k, k]` with `d_in = c_in k²`.
pub(crate) fn weight_shape(stage: &AnyStage, d_in: usize, d_out: usize) -> Vec<usize> {
    match (stage, stage.input_shape()) {
        (
            AnyStage::Convolution(_) | AnyStage::ResidualConvolution(_),
            FeatureShape::Image { channels, .. },
        ) => {
            let side = (d_in / channels).isqrt();
            vec![d_out, channels, side, side]
        }
        _ => vec![d_out, d_in],
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
