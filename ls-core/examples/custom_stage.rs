//! A Burn module of one's own as a stage: self-attention, with layer norm and a skip connection, between the library's stages.
//!
//! A sequence is a list of keys with values, in random order, and one more key: the class is the value of that key. A network
//! that looks at positions has to learn every place where the key can stand; attention finds it by its content. Method `exact`
//! trains the network with the block and the same one without it, and each sweep prints the loss `F` of both.
//!
//! The block states no Lipschitz constant: that of self-attention alone is infinite. So the network with the block has no
//! certificate, a bound of `F` from the separated layers, and the report says which stage is the reason. The other network has
//! one, which is loose as long as a sweep still moves the layers far apart.
//!
//! ```text
//! cargo run --release -p ls-core --example custom_stage
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use burn::module::Module;
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use ls_core::batch::Batch;
use ls_core::method::{Exact, ExactConfig, Method, Separated};
use ls_core::network::Network;
use ls_core::objective::measure;
use ls_core::shape::FeatureShape;
use ls_core::stage::{Activation, AnyStage, ConvolutionConfig, Dense, Init, Stage, StageSettings};
use rand::rngs::ChaCha12Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

const KEYS: usize = 4;
const VALUES: usize = 3;
/// A key with its value each, and the question.
const TOKENS: usize = KEYS + 1;
/// A token is a key, and a value unless it is the question, one of `KEYS` and one of `VALUES`.
const FEATURES: usize = KEYS + VALUES;
/// Features of a token inside the network.
const EMBEDDING: usize = 8;

/// `h + attention(norm(h))` on a sequence of tokens.
#[derive(Module, Debug)]
struct AttentionBlock {
    norm: LayerNorm,
    attention: MultiHeadAttention,
}

impl AttentionBlock {
    fn init(device: &Device) -> Self {
        let attention = MultiHeadAttentionConfig::new(EMBEDDING, 1).with_dropout(0.0);
        Self {
            norm: LayerNormConfig::new(EMBEDDING).init(device),
            attention: attention.init(device),
        }
    }
}

impl Stage for AttentionBlock {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [samples, width] = input.dims();
        // Stages see flat features, feature by feature; attention wants token by token.
        let tokens = input.reshape([samples, EMBEDDING, TOKENS]).swap_dims(1, 2);
        let normal = self.norm.forward(tokens.clone());
        let attended = self.attention.forward(MhaInput::self_attn(normal));
        (tokens + attended.context)
            .swap_dims(1, 2)
            .reshape([samples, width])
    }

    fn input_shape(&self) -> FeatureShape {
        sequence_of(EMBEDDING)
    }

    fn output_shape(&self) -> FeatureShape {
        sequence_of(EMBEDDING)
    }
}

/// A sequence is an image of one row, its features the channels.
fn sequence_of(features: usize) -> FeatureShape {
    FeatureShape::Image {
        channels: features,
        height: 1,
        width: TOKENS,
    }
}

/// Random sequences with their classes.
fn sequences(count: usize, random: &mut ChaCha12Rng, device: &Device) -> Batch {
    let mut inputs = vec![0.0_f32; count * FEATURES * TOKENS];
    let mut labels = Vec::with_capacity(count);
    for sequence in inputs.chunks_mut(FEATURES * TOKENS) {
        let mut set = |feature: usize, token: usize| sequence[feature * TOKENS + token] = 1.0;
        let mut keys: Vec<usize> = (0..KEYS).collect();
        keys.shuffle(random);
        let values = [(); KEYS].map(|()| random.random_range(0..VALUES));
        for (token, (key, value)) in keys.iter().zip(values).enumerate() {
            set(*key, token);
            set(KEYS + value, token);
        }
        let asked = random.random_range(0..KEYS);
        set(keys[asked], KEYS);
        labels.push(values[asked] as i64);
    }
    Batch::full(
        Tensor::from_data(TensorData::new(inputs, [count, FEATURES * TOKENS]), device),
        Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), device),
    )
}

/// An embedding of each token, the block if there is one, a hidden stage and the head.
fn network(block: Option<AttentionBlock>, device: &Device) -> ls_core::Result<Network> {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    // A 1×1 convolution is one affine map for all tokens.
    let embedding = ConvolutionConfig::new(EMBEDDING, 1, Activation::Identity);
    let input = sequence_of(FEATURES);
    let mut stages = embedding.init(input, Init::Orthogonal, &mut random, device)?;
    let mut dense = |sizes, activation| {
        AnyStage::from(Dense::init(
            sizes,
            activation,
            Init::Orthogonal,
            &mut random,
            device,
        ))
    };
    stages.extend(block.map(AnyStage::custom));
    stages.push(dense([EMBEDDING * TOKENS, 32], Activation::Tanh));
    stages.push(dense([32, VALUES], Activation::Identity));
    Network::new(stages)
}

fn main() -> ls_core::Result<()> {
    let device = Device::flex();
    device.seed(1);
    let mut random = ChaCha12Rng::seed_from_u64(2);
    let train = sequences(1500, &mut random, &device);
    let test = sequences(1000, &mut random, &device);

    let start = |block| -> ls_core::Result<(Exact, Separated)> {
        let network = network(block, &device)?;
        let method = Exact::new(ExactConfig::default(), &network)?;
        Ok((method, Separated::feasible(network, &train)))
    };
    let mut runs = [start(Some(AttentionBlock::init(&device)))?, start(None)?];

    println!("loss F after each sweep\n\nsweep  with attention  without");
    for sweep in 1..=30 {
        let mut losses = [0.0; 2];
        for ((method, model), loss) in runs.iter_mut().zip(&mut losses) {
            method.sweep(model, &train)?;
            *loss = measure(&model.network, None, &train)?.original_loss_mean;
        }
        println!("{sweep:>5}  {:>14.4}  {:>7.4}", losses[0], losses[1]);
    }

    for ((method, model), name) in runs.iter_mut().zip(["with attention", "without"]) {
        let accuracy = measure(&model.network, None, &test)?.accuracy;
        println!(
            "\n{name}: {:.1} % of {} new sequences",
            100.0 * accuracy,
            test.len()
        );
        let measured = method.measure(model, &train)?;
        if let Some(figures) = measured.separated {
            match (figures.certificate_mean, figures.no_certificate) {
                (Some(certificate), _) => println!("certificate: F ≤ {certificate:.4}"),
                (None, Some(reason)) => println!("no certificate: {reason}"),
                (None, None) => {}
            }
        }
    }

    // The trained module is a plain Burn module again.
    if let Some(block) = runs[0].1.network.stages()[1].downcast_ref::<AttentionBlock>() {
        println!(
            "\nthe trained block has {} parameters:\n{block}",
            block.num_params()
        );
    }
    Ok(())
}
