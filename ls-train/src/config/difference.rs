//! The setting by which two configurations differ.

use super::RunConfig;

/// The first key whose value differs, in words; how long a run may go on, and where, is no difference.
pub(crate) fn difference(saved: &RunConfig, given: &RunConfig) -> Option<String> {
    let table = |config: &RunConfig| {
        let ends = RunConfig {
            sweeps: 1,
            target_loss: None,
            time_limit: None,
            patience: None,
            // Chunks and the order of sums are the same wherever they are.
            device: String::new(),
            shares: None,
            ..config.clone()
        };
        toml::Table::try_from(ends).unwrap_or_default()
    };
    differing_key("", &table(saved), &table(given))
}

fn differing_key(prefix: &str, saved: &toml::Table, given: &toml::Table) -> Option<String> {
    let keys = saved.keys().chain(given.keys());
    for key in keys {
        match (saved.get(key), given.get(key)) {
            (a, b) if a == b => {}
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                return differing_key(&format!("{prefix}{key}."), a, b);
            }
            (a, b) => {
                let text = |value: Option<&toml::Value>| {
                    value.map_or_else(|| "absent".into(), ToString::to_string)
                };
                let (a, b) = (text(a), text(b));
                return Some(format!(
                    "{prefix}{key} was {a} when it was written, and is {b} now"
                ));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_setting_is_named_and_a_later_end_is_none() {
        let config = RunConfig::default();
        let longer = RunConfig {
            sweeps: 99,
            time_limit: Some(1.0),
            device: "cuda:1".into(),
            ..config.clone()
        };
        assert_eq!(difference(&config, &longer), None);
        let mut other = config.clone();
        other.data.dataset = "mnist".into();
        let found = difference(&config, &other).unwrap();
        assert_eq!(
            found,
            "data.dataset was \"digits\" when it was written, and is \"mnist\" now"
        );
    }
}
