//! Lists of devices, and their shares of the samples.

use super::{MethodConfig, RunConfig};
use crate::{Error, Result};

impl RunConfig {
    /// Returns the names of the devices: one, or those of a list with commas.
    pub fn devices(&self) -> Vec<&str> {
        self.device.split(',').map(str::trim).collect()
    }

    /// Returns the shares of the devices, which are equal where none are given.
    pub fn shares(&self) -> Vec<u32> {
        let equal = || vec![1; self.devices().len()];
        self.shares.clone().unwrap_or_else(equal)
    }

    /// Checks that shares belong to a list of devices, and that the method can use several.
    pub(super) fn check_devices(&self) -> Result<()> {
        let count = self.devices().len();
        if let Some(shares) = &self.shares {
            let refused = |allowed| {
                let shares: Vec<_> = shares.iter().map(u32::to_string).collect();
                Err(Error::InvalidConfig {
                    field: "shares",
                    value: shares.join(","),
                    allowed,
                })
            };
            if count == 1 {
                return refused("`device` names a single device, which has all samples");
            }
            if shares.len() != count {
                return refused("there must be one number for each device");
            }
            if shares.contains(&0) {
                return refused("every share must be 1 or more");
            }
        }
        let shares_samples = match self.method.library() {
            Some(MethodConfig::Exact(_) | MethodConfig::Foof(_)) => true,
            Some(MethodConfig::Alternating(config)) => config.optimizer.is_none(),
            _ => false,
        };
        if count > 1 && !shares_samples {
            return Err(Error::InvalidConfig {
                field: "device",
                value: self.device.clone(),
                allowed: "only `exact`, `foof`, and `alternating` without an optimizer share samples among devices; name one device",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AlternatingConfig, OptimizerName};

    fn config(device: &str, shares: Option<&[u32]>) -> RunConfig {
        RunConfig {
            device: device.into(),
            shares: shares.map(<[u32]>::to_vec),
            ..RunConfig::default()
        }
    }

    #[test]
    fn devices_of_a_list_have_equal_shares_unless_others_are_given() {
        let list = config("cuda:0, cuda:1", None);
        assert_eq!(list.devices(), ["cuda:0", "cuda:1"]);
        assert_eq!(list.shares(), [1, 1]);
        assert_eq!(config("a,b", Some(&[2, 1])).shares(), [2, 1]);
        assert!(list.check().is_ok());
    }

    #[test]
    fn shares_without_a_meaning_and_methods_that_cannot_share_are_refused() {
        for (device, shares) in [("flex", vec![1]), ("a,b", vec![1]), ("a,b", vec![1, 0])] {
            let refused = config(device, Some(&shares)).check().unwrap_err();
            assert!(refused.to_string().starts_with("shares = "), "{refused}");
        }
        let alternating = |own: AlternatingConfig| RunConfig {
            method: MethodConfig::Alternating(own).into(),
            ..config("a,b", None)
        };
        let own = AlternatingConfig::default();
        assert!(alternating(own.clone()).check().is_ok());
        let optimizer = alternating(own.with_optimizer(OptimizerName::Adam));
        let refused = optimizer.check().unwrap_err().to_string();
        assert!(
            refused.starts_with("device = a,b is not possible"),
            "{refused}"
        );
    }
}
