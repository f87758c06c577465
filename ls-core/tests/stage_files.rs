//! Files that name stages keep their format, and give the same networks from version to version.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use ls_core::linalg::to_f64;
use ls_core::model::{ModelConfig, StagesConfig};
use ls_core::network::Network;
use ls_core::shape::FeatureShape;

/// Every kind of stage, with defaults and without.
const FILE: &str = r#"init = "xavier"

[[stages]]
kind = "convolution"
channels = 3
kernel = 3
stride = 1
padding = 1
activation = "gelu"

[stages.pooling]
kind = "average"
size = 2

[[stages]]
kind = "convolution"
channels = 4
kernel = 2
stride = 2
padding = 0
activation = "leaky-relu"

[[stages]]
kind = "residual-convolution"
kernel = 3
activation = "silu"

[[stages]]
kind = "dense"
width = 6
activation = "sigmoid"

[[stages]]
kind = "residual-dense"
activation = "tanh"

[[stages]]
kind = "residual-block"

[[stages.stages]]
kind = "dense"
width = 8
activation = "relu"

[stages.stages.normalization]
kind = "group"
groups = 4

[[stages.stages]]
kind = "dense"
width = 6
activation = "identity"
"#;

const INPUT: FeatureShape = FeatureShape::Image {
    channels: 2,
    height: 8,
    width: 8,
};

const CLASSES: usize = 3;

fn stages() -> StagesConfig {
    toml::from_str(FILE).unwrap()
}

fn network() -> Network {
    let model = ModelConfig::Stages(stages());
    model.init(INPUT, CLASSES, 7, &Device::flex()).unwrap()
}

#[test]
fn a_file_is_written_as_it_was_read() {
    assert_eq!(toml::to_string(&stages()).unwrap(), FILE);
    let text = serde_json::to_string(&stages().stages[4]).unwrap();
    assert_eq!(text, r#"{"kind":"residual-dense","activation":"tanh"}"#);
}

#[test]
fn settings_with_defaults_may_be_left_out() {
    let short = FILE
        .replace("stride = 1\n", "")
        .replace("padding = 0\n", "")
        .replace("\n[stages.pooling]\n", "pooling = { ")
        .replace(
            "kind = \"average\"\nsize = 2\n",
            "kind = \"average\", size = 2 }\n",
        );
    assert_ne!(short, FILE);
    assert_eq!(toml::from_str::<StagesConfig>(&short).unwrap(), stages());
}

#[test]
fn a_setting_that_a_kind_does_not_have_is_refused_by_name() {
    let own = [
        (
            "residual-dense",
            "activation = \"tanh\"",
            "expected `activation`",
        ),
        (
            "residual-convolution",
            "kernel = 3\nactivation = \"tanh\"",
            "expected `kernel` or `activation`",
        ),
        (
            "dense",
            "width = 3\nactivation = \"tanh\"",
            "expected one of `width`, `activation`, `normalization`",
        ),
        (
            "convolution",
            "channels = 2\nkernel = 3\nactivation = \"tanh\"",
            "expected one of `channels`, `kernel`, `stride`, `padding`, `normalization`, `activation`, `pooling`",
        ),
    ];
    for (kind, settings, expected) in own {
        let text = format!("[[stages]]\nkind = \"{kind}\"\n{settings}\n");
        toml::from_str::<StagesConfig>(&text).unwrap();
        let error = toml::from_str::<StagesConfig>(&format!("{text}colour = 1\n")).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("unknown field `colour`"), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let error = toml::from_str::<StagesConfig>("[[stages]]\nkind = \"dens\"").unwrap_err();
    let kinds = "expected one of `dense`, `convolution`, `residual-dense`, `residual-convolution`, `residual-block`";
    assert!(error.to_string().contains(kinds), "{error}");
}

#[test]
fn shapes_and_sizes_are_known_before_the_network_is() {
    let model = ModelConfig::Stages(stages());
    let layout = model.layout(INPUT, CLASSES).unwrap();
    let found: Vec<_> = layout
        .iter()
        .map(|stage| {
            let output = stage.output.to_string();
            (stage.name.as_str(), output, stage.parameters, stage.patches)
        })
        .collect();
    let expected = [
        (
            "3×3×3 gelu, padding 1, average 2",
            "3×4×4",
            3 * (2 * 9 + 1),
            64 * 2 * 9,
        ),
        (
            "2×2×4 leaky-relu, stride 2",
            "4×2×2",
            4 * (3 * 4 + 1),
            4 * 3 * 4,
        ),
        ("residual 3×3 silu", "4×2×2", 4 * (4 * 9 + 1), 4 * 4 * 9),
        ("6 sigmoid", "6", 6 * (16 + 1), 0),
        ("residual tanh", "6", 6 * (6 + 1), 0),
        ("residual 8 group 4 relu", "14", 8 * (6 + 1), 0),
        ("residual 6 identity", "6", 6 * (8 + 1), 0),
        ("affine head", "3", 3 * (6 + 1), 0),
    ];
    let expected = expected
        .map(|(name, output, parameters, patches)| (name, output.to_owned(), parameters, patches));
    assert_eq!(found, expected);
    let parameters: usize = layout.iter().map(|stage| stage.parameters).sum();
    assert_eq!(network().num_params(), parameters);
}

#[test]
fn a_seed_gives_the_network_that_it_always_gave() {
    let features = INPUT.features();
    let pixels: Vec<f32> = (0..features).map(|i| (i * 37 % 64) as f32 / 64.0).collect();
    let images = TensorData::new(pixels, [1, features]);
    let logits = network().forward(Tensor::from_data(images, &Device::flex()));
    let expected = [1.285710, 1.252474, -0.636909];
    // Sums of at most 36 products in f32, whose order may differ between processors.
    for (found, expected) in to_f64(logits).unwrap().into_iter().zip(expected) {
        assert!(
            (found - expected).abs() < 1e-5,
            "{found} instead of {expected}"
        );
    }
}

/// The example in the guide.
#[test]
fn the_stage_file_in_the_guide_is_a_network() {
    let page = include_str!("../../docs/guide/stage-files.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let stages: StagesConfig = toml::from_str(example).unwrap();
    assert_eq!(stages.stages.len(), 4);
    ModelConfig::Stages(stages).layout(INPUT, CLASSES).unwrap();
}
