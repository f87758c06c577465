//! What a network refuses of its stages.

mod common;

use burn::module::Module;
use burn::tensor::Tensor;
use common::block::{Block, network};
use common::device;
use ls_core::Error;
use ls_core::network::Network;
use ls_core::shape::FeatureShape;
use ls_core::stage::{AffineStage, AnyStage, Dense, Stage};

/// A dense stage that says other things about itself.
#[derive(Module, Debug)]
struct Liar {
    inner: Dense,
    #[module(skip)]
    lie: Lie,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// One output more than there are.
    Outputs,
    /// All samples in one.
    Merged,
    /// A view that cannot be written to.
    View,
}

impl Stage for Liar {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let output = self.inner.forward(input);
        match self.lie {
            Lie::Merged => output.mean_dim(0),
            _ => output,
        }
    }

    fn input_shape(&self) -> FeatureShape {
        self.inner.input_shape()
    }

    fn output_shape(&self) -> FeatureShape {
        let width = self.inner.output_shape().features();
        FeatureShape::Flat(width + usize::from(self.lie == Lie::Outputs))
    }

    fn affine(&self) -> Option<&dyn AffineStage> {
        match self.lie {
            Lie::View => self.inner.affine(),
            _ => None,
        }
    }
}

/// Stages of widths 6, 8, 6 and 3.
fn stages() -> Vec<AnyStage> {
    network(1).stages().to_vec()
}

/// The head, wrapped in a lie.
fn with_lie(lie: Lie) -> Error {
    let mut stages = stages();
    let inner = stages[2].downcast_ref::<Dense>().unwrap().clone();
    stages[2] = AnyStage::custom(Liar { inner, lie });
    Network::new(stages).unwrap_err()
}

#[test]
fn outputs_are_as_wide_and_as_many_as_a_stage_states() {
    let mismatch = |what: &str, expected, found| Error::ShapeMismatch {
        what: what.into(),
        expected,
        found,
    };
    assert_eq!(
        with_lie(Lie::Outputs),
        mismatch("outputs of stage 3 (Liar)", 4, 3)
    );
    assert_eq!(
        with_lie(Lie::Merged),
        mismatch("output samples of stage 3 (Liar)", 2, 1)
    );
}

#[test]
fn an_affine_view_can_be_written_to() {
    let error = with_lie(Lie::View);
    assert!(
        matches!(error, Error::Unsupported { stage: 3, .. }),
        "{error}"
    );
}

#[test]
fn clones_of_one_module_are_refused_as_several_stages() {
    let [first, second, head] = stages().try_into().unwrap();
    let block = AnyStage::custom(Block::new(6, &device()));
    let shared = |stages: &[&AnyStage]| {
        let stages = stages.iter().map(|&stage| stage.clone()).collect();
        match Network::new(stages) {
            Ok(_) => None,
            Err(Error::SharedParameter { first, second }) => Some((first, second)),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(shared(&[&first, &second, &block, &head]), None);
    assert_eq!(
        shared(&[&first, &second, &block, &block, &head]),
        Some((3, 4))
    );
    let again = AnyStage::custom(Block::new(6, &device()));
    assert_eq!(
        shared(&[&first, &second, &block, &again, &block, &head]),
        Some((3, 5))
    );
    // A clone for another device, or in training, is the same module.
    let tracked = block.clone().train();
    assert_eq!(
        shared(&[&first, &second, &block, &tracked, &head]),
        Some((3, 4))
    );
}
