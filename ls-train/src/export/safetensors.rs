//! Safetensors, in the layout of `PyTorch`'s modules.
//!
//! | name | shape | tensor |
//! | --- | --- | --- |
//! | `stages.{l}.weight` | `[d_out, d_in]` | weights of stage `l`, counted from 0, the head last; for a residual stage those of its inner stage |
//! | `stages.{l}.weight` | `[c_out, c_in, k, k]` | kernel of a convolution, to be correlated with the image |
//! | `stages.{l}.weight_bits` | `[d_out, ⌈d_in/8⌉]` | signs of binary weights, in bytes: bit `i` of byte `b` is set where input `8b + i` has no negative weight; `d_in = c_in k²` for a convolution |
//! | `stages.{l}.weight_scale` | `[d_out]` | the size of all binary weights of an output |
//! | `stages.{l}.bias` | `[d_out]` or `[c_out]` | biases |
//! | `stages.{l}.{path}` | as in the stage | parameters of a stage without a counterpart in `PyTorch`, by their path in it |
//!
//! All numbers are little-endian f32; integers and booleans of such a stage are i64 and bytes. Images are flattened channel by
//! channel, row by row. The metadata have one entry, `layersep`, a JSON object: `model` (summary of the architecture), `stages` (the
//! hidden stages as in configuration files), `shape` (channels, height, width), `classes` (names), `pixel_max`, `mean` and
//! `deviation` (one per channel). An input is `(pixel / pixel_max - mean) / deviation`. `stages` is null for a network that an
//! application made; `pixel_max`, `mean` and `deviation` are null for data that an application made, which are inputs already. Equal
//! weights always give equal files.

use std::path::Path;

use super::ExportFormat;
use super::tensors::{BinaryWeights, model_facts, parameters, write_tensors};
use crate::run_dir::SAFETENSORS_FILE;
use crate::{Result, Trained};

pub(super) const FORMAT: ExportFormat = ExportFormat {
    name: "safetensors",
    about: "PyTorch's layout, for programs in any language: stages.0.weight [d_out, d_in] (convolutions [c_out, c_in, k, k]), \
            stages.0.bias, and so on, the head last, in f32; the metadata hold the stages, the classes and the standardisation of \
            the pixels",
    file_name: SAFETENSORS_FILE,
    write,
};

fn write(trained: &Trained, path: &Path) -> Result<()> {
    let facts = model_facts(&trained.config.model, &trained.preprocessing);
    write_tensors(
        &parameters(&trained.network, BinaryWeights::Packed)?,
        facts,
        path,
    )
}
