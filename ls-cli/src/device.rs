//! Devices by name. The only file of the product that names a backend.

use burn::tensor::Device;

use crate::failure::Failure;

/// A backend that a build may hold.
struct Backend {
    name: &'static str,
    /// Makes its default device; `None` where the feature of the same name is off.
    make: Option<fn() -> Device>,
}

const BACKENDS: [Backend; 4] = [
    Backend {
        name: "flex",
        make: Some(Device::flex),
    },
    Backend {
        name: "ndarray",
        #[cfg(feature = "ndarray")]
        #[allow(
            deprecated,
            reason = "kept for users of the ndarray ecosystem as long as Burn has it"
        )]
        make: Some(Device::ndarray),
        #[cfg(not(feature = "ndarray"))]
        make: None,
    },
    Backend {
        name: "wgpu",
        #[cfg(feature = "wgpu")]
        make: Some(|| Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(not(feature = "wgpu"))]
        make: None,
    },
    Backend {
        name: "cuda",
        #[cfg(feature = "cuda")]
        make: Some(|| Device::cuda(0)),
        #[cfg(not(feature = "cuda"))]
        make: None,
    },
];

/// The device of a name.
///
/// # Errors
/// Exit code 2, with the devices that this build holds.
pub(crate) fn find(name: &str) -> Result<Device, Failure> {
    let compiled = || {
        let names = BACKENDS.iter().filter(|backend| backend.make.is_some());
        names
            .map(|backend| backend.name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    match BACKENDS.iter().find(|backend| backend.name == name) {
        Some(Backend {
            make: Some(make), ..
        }) => Ok(make()),
        Some(_) => Err(Failure::new(format!(
            "device `{name}` is not compiled in; this build has: {}",
            compiled()
        ))
        .hint(format!("build with `--features {name}` to add it"))),
        None => Err(Failure::new(format!(
            "unknown device `{name}`; this build has: {}",
            compiled()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_device_is_always_there_and_an_unknown_one_is_refused() {
        assert!(find("flex").is_ok());
        let failure = find("tpu").unwrap_err();
        assert!(
            failure
                .to_string()
                .starts_with("unknown device `tpu`; this build has: flex")
        );
    }
}
