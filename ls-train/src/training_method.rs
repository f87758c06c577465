//! The method of a run: one of the library, or an application's own.

use ls_core::method::{Method, MethodConfig};

/// The method of a [`Training`](crate::Training).
pub enum TrainingMethod {
    /// A method of the library.
    Library(MethodConfig),
    /// A method of an application.
    Application {
        /// The method, made for the network of the training.
        method: Box<dyn Method>,
        /// Settings that must be the same when the run resumes; the run folder keeps them.
        settings: toml::Table,
    },
}

impl From<Box<dyn Method>> for TrainingMethod {
    fn from(method: Box<dyn Method>) -> Self {
        Self::Application {
            method,
            settings: toml::Table::new(),
        }
    }
}

impl<M: Method + 'static> From<(M, toml::Table)> for TrainingMethod {
    fn from((method, settings): (M, toml::Table)) -> Self {
        Self::Application {
            method: Box::new(method),
            settings,
        }
    }
}

impl From<MethodConfig> for TrainingMethod {
    fn from(config: MethodConfig) -> Self {
        Self::Library(config)
    }
}
