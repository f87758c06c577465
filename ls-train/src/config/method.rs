//! The method of a run: one of the library, or one of an application.

use ls_core::method::MethodConfig;
use serde::{Deserialize, Serialize};

/// The method of a run, as its configuration file holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "toml::Table", into = "toml::Table")]
pub enum RunMethod {
    /// A method of the library, with its settings.
    Library(MethodConfig),
    /// A method of an application, which alone can make it again.
    Application(ApplicationMethod),
}

/// A method that an application made: its name and settings, by which a resumed run is told from another.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationMethod {
    /// Name of the method.
    pub name: String,
    /// Settings that the application wants to see unchanged when the run resumes.
    pub settings: toml::Table,
}

/// Key that marks the method of an application.
const APPLICATION: &str = "application";

impl RunMethod {
    /// Returns the name of the method.
    pub fn name(&self) -> &str {
        match self {
            Self::Library(config) => config.name(),
            Self::Application(own) => &own.name,
        }
    }

    /// Returns the configuration, if the method is one of the library.
    pub fn library(&self) -> Option<&MethodConfig> {
        match self {
            Self::Library(config) => Some(config),
            Self::Application(_) => None,
        }
    }
}

impl Default for RunMethod {
    fn default() -> Self {
        Self::Library(MethodConfig::default())
    }
}

impl From<MethodConfig> for RunMethod {
    fn from(config: MethodConfig) -> Self {
        Self::Library(config)
    }
}

impl TryFrom<toml::Table> for RunMethod {
    type Error = String;

    fn try_from(mut table: toml::Table) -> Result<Self, String> {
        if table.remove(APPLICATION) != Some(toml::Value::Boolean(true)) {
            let config = MethodConfig::try_from(table).map_err(|error| error.to_string())?;
            return Ok(Self::Library(config));
        }
        let Some(toml::Value::String(name)) = table.remove("name") else {
            return Err("method: there must be a `name`".into());
        };
        Ok(Self::Application(ApplicationMethod {
            name,
            settings: table,
        }))
    }
}

impl From<RunMethod> for toml::Table {
    fn from(method: RunMethod) -> Self {
        match method {
            RunMethod::Library(config) => config.into(),
            RunMethod::Application(own) => {
                let mut table = own.settings;
                table.insert("name".into(), own.name.into());
                table.insert(APPLICATION.into(), true.into());
                table
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_of_an_application_keeps_its_name_and_settings() {
        let mut settings = toml::Table::new();
        settings.insert("rate".into(), 0.5.into());
        let own = RunMethod::Application(ApplicationMethod {
            name: "momentum-free".into(),
            settings,
        });
        let text = toml::to_string(&own).unwrap();
        assert_eq!(toml::from_str::<RunMethod>(&text).unwrap(), own);
        let library = toml::from_str::<RunMethod>("name = \"foof\"\nmomentum = 0.5").unwrap();
        assert_eq!(library.name(), "foof");
        assert!(toml::from_str::<RunMethod>("name = \"momentum-free\"").is_err());
    }
}
