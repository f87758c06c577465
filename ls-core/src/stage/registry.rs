//! The kinds of stages that configuration files can name, one line each.

use core::any::Any;
use core::fmt;
use core::ops::{Deref, DerefMut};

use burn::module::{Module, ModuleDisplay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::erasure::ErasedStage;
use super::{CustomStage, Residual, Stage, StageSettings};

/// Defines [`StageConfig`] and [`AnyStage`] from lines `module: Kind(Settings => Stage);`, and re-exports the public items of each
/// module. Lines `module: Kind(Settings);` under `blocks` are of settings that stand for several stages.
///
/// `Settings` implements [`StageSettings`], serde's traits and `JsonSchema`; `Stage` is a Burn module that implements [`Stage`].
/// Files name the kind in kebab-case.
macro_rules! registry {
    (
        stages { $($(#[$doc:meta])* $module:ident: $kind:ident($settings:ty => $stage:ty);)+ }
        blocks { $($(#[$block_doc:meta])* $block_module:ident: $block:ident($block_settings:ty);)+ }
    ) => {
        $(pub use super::$module::*;)+
        $(pub use super::$block_module::*;)+

        /// Settings of a hidden stage of any kind, or of a block of stages; methods are those of [`StageSettings`].
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "kebab-case")]
        pub enum StageConfig {
            $($(#[$doc])* $kind($settings),)+
            $($(#[$block_doc])* $block($block_settings),)+
        }

        impl Deref for StageConfig {
            type Target = dyn StageSettings;

            fn deref(&self) -> &Self::Target {
                match self {
                    $(Self::$kind(settings) => settings,)+
                    $(Self::$block(settings) => settings,)+
                }
            }
        }

        /// A stage of any kind; methods are those of [`Stage`].
        #[derive(Module, Debug)]
        pub enum AnyStage {
            $($(#[$doc])* $kind($stage),)+
            /// Any other Burn module that is a stage.
            Custom(CustomStage),
        }

        impl AnyStage {
            fn erased(&self) -> &dyn ErasedStage {
                match self {
                    $(Self::$kind(stage) => stage,)+
                    Self::Custom(stage) => stage.erased(),
                }
            }

            fn erased_mut(&mut self) -> &mut dyn ErasedStage {
                match self {
                    $(Self::$kind(stage) => stage,)+
                    Self::Custom(stage) => stage.erased_mut(),
                }
            }
        }

        $(
            impl From<$settings> for StageConfig {
                fn from(settings: $settings) -> Self {
                    Self::$kind(settings)
                }
            }

            impl From<$stage> for AnyStage {
                fn from(stage: $stage) -> Self {
                    Self::$kind(stage)
                }
            }
        )+
        $(
            impl From<$block_settings> for StageConfig {
                fn from(settings: $block_settings) -> Self {
                    Self::$block(settings)
                }
            }
        )+
    };
}

registry! {
    stages {
        /// Fully connected.
        dense: Dense(DenseConfig => Dense);
        /// Convolution, with optional pooling.
        convolution: Convolution(ConvolutionConfig => Convolution);
        /// Fully connected with a skip connection, as wide as its input.
        residual_dense: ResidualDense(ResidualDenseConfig => Residual<Dense>);
        /// Convolution with a skip connection, stride 1 and padding that keeps the shape of its input.
        residual_convolution: ResidualConvolution(ResidualConvolutionConfig => Residual<Convolution>);
    }
    blocks {
        /// Several stages with one skip connection around them.
        residual_block: ResidualBlock(ResidualBlockConfig);
    }
}

impl fmt::Display for StageConfig {
    /// Prints the settings in short, such as `128 relu` or `5×5×16 relu, max 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl AnyStage {
    /// Wraps a module whose type the library does not know; see [`CustomStage::new`].
    pub fn custom<S: Stage + Module + ModuleDisplay + 'static>(stage: S) -> Self {
        Self::Custom(CustomStage::new(stage))
    }

    /// Returns the stage inside, if it is an `S`.
    pub fn downcast_ref<S: Stage + 'static>(&self) -> Option<&S> {
        let stage: &dyn Any = self.erased();
        stage.downcast_ref()
    }

    /// Returns the stage inside for changes, if it is an `S`.
    pub fn downcast_mut<S: Stage + 'static>(&mut self) -> Option<&mut S> {
        let stage: &mut dyn Any = self.erased_mut();
        stage.downcast_mut()
    }

    /// Returns whether the stage has the affine view.
    pub fn is_affine(&self) -> bool {
        self.affine().is_some()
    }

    /// Returns the name of the stage's type, without its path.
    pub fn name(&self) -> &'static str {
        self.erased().name_erased()
    }
}

impl Deref for AnyStage {
    type Target = dyn Stage;

    fn deref(&self) -> &Self::Target {
        self.erased()
    }
}

impl DerefMut for AnyStage {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.erased_mut()
    }
}
