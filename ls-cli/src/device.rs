//! Devices by name. The only file of the product that names a backend.

use std::panic::catch_unwind;

use burn::tensor::Device;
use ls_train::config::Precision;

use crate::failure::Failure;

/// What kind of hardware a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "a build makes the kinds of the backends it holds")]
pub(crate) enum Kind {
    /// The processors of this machine.
    Cpu,
    /// Whichever adapter the driver prefers.
    Default,
    DiscreteGpu,
    IntegratedGpu,
    VirtualGpu,
    /// A driver that computes on the processors.
    SoftwareGpu,
    Other,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Default => "default GPU",
            Self::DiscreteGpu => "discrete GPU",
            Self::IntegratedGpu => "integrated GPU",
            Self::VirtualGpu => "virtual GPU",
            Self::SoftwareGpu => "software GPU",
            Self::Other => "other",
        }
    }

    /// Whether it computes in the memory of this machine's processors.
    pub(crate) fn is_host(self) -> bool {
        matches!(self, Self::Cpu | Self::SoftwareGpu)
    }
}

/// A device that this machine has.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// What selects it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) device: Device,
}

impl Present {
    fn new(name: impl Into<String>, kind: Kind, device: Device) -> Self {
        Self {
            name: name.into(),
            kind,
            device,
        }
    }
}

/// A backend that a build may hold.
pub(crate) struct Backend {
    /// Also the name of the feature that adds it.
    pub(crate) name: &'static str,
    /// How its devices may be named; `N` is an index.
    forms: &'static [&'static str],
    /// Lists its devices on this machine; `None` where the feature is off.
    enumerate: Option<fn() -> Vec<Present>>,
}

pub(crate) static BACKENDS: [Backend; 4] = [
    Backend {
        name: "flex",
        forms: &["flex"],
        enumerate: Some(|| vec![Present::new("flex", Kind::Cpu, Device::flex())]),
    },
    Backend {
        name: "ndarray",
        forms: &["ndarray"],
        #[cfg(feature = "ndarray")]
        #[allow(
            deprecated,
            reason = "kept for users of the ndarray ecosystem as long as Burn has it"
        )]
        enumerate: Some(|| vec![Present::new("ndarray", Kind::Cpu, Device::ndarray())]),
        #[cfg(not(feature = "ndarray"))]
        enumerate: None,
    },
    Backend {
        name: "wgpu",
        forms: &[
            "wgpu",
            "wgpu:discrete:N",
            "wgpu:integrated:N",
            "wgpu:virtual:N",
            "wgpu:cpu",
            "wgpu:other:N",
        ],
        #[cfg(feature = "wgpu")]
        enumerate: Some(wgpu),
        #[cfg(not(feature = "wgpu"))]
        enumerate: None,
    },
    Backend {
        name: "cuda",
        forms: &["cuda", "cuda:N"],
        #[cfg(feature = "cuda")]
        enumerate: Some(cuda),
        #[cfg(not(feature = "cuda"))]
        enumerate: None,
    },
];

impl Backend {
    pub(crate) fn is_compiled_in(&self) -> bool {
        self.enumerate.is_some()
    }

    /// Its devices on this machine, the one that its bare name selects first.
    pub(crate) fn present(&self) -> Vec<Present> {
        // A driver that is missing or broken may panic; it then has no devices.
        self.enumerate
            .and_then(|enumerate| catch_unwind(enumerate).ok())
            .unwrap_or_default()
    }

    fn allows(&self, name: &str) -> bool {
        let fits = |(form, part): (&str, &str)| match form {
            "N" => part.parse().is_ok_and(|n: usize| n.to_string() == part),
            _ => form == part,
        };
        self.forms.iter().any(|form| {
            let same_length = form.split(':').count() == name.split(':').count();
            same_length && form.split(':').zip(name.split(':')).all(fits)
        })
    }
}

/// The adapters that the graphics driver lists. An index past their end would make Burn panic or take another adapter.
#[cfg(feature = "wgpu")]
fn wgpu() -> Vec<Present> {
    use burn::tensor::{DeviceKind, DeviceType};

    let mut adapters = Device::enumerate(DeviceType::Wgpu).into_vec();
    let count = adapters.len();
    if count == 0 {
        return Vec::new();
    }
    let default = Device::wgpu(DeviceKind::DefaultDevice);
    let mut present = vec![Present::new("wgpu", Kind::Default, default)];
    let indexed = |name: &str, kind, make: fn(usize) -> DeviceKind| -> Vec<Present> {
        let device = |i| Present::new(format!("wgpu:{name}:{i}"), kind, Device::wgpu(make(i)));
        (0..count).map(device).collect()
    };
    let mut named = indexed("discrete", Kind::DiscreteGpu, DeviceKind::DiscreteGpu);
    named.extend(indexed(
        "integrated",
        Kind::IntegratedGpu,
        DeviceKind::IntegratedGpu,
    ));
    named.extend(indexed("virtual", Kind::VirtualGpu, DeviceKind::VirtualGpu));
    let software = Device::wgpu(DeviceKind::Cpu);
    named.push(Present::new("wgpu:cpu", Kind::SoftwareGpu, software));
    named.retain(|named| adapters.contains(&named.device));
    adapters.retain(|adapter| named.iter().all(|named| named.device != *adapter));
    present.extend(named);
    let others = adapters.into_iter().enumerate();
    present.extend(
        others.map(|(i, device)| Present::new(format!("wgpu:other:{i}"), Kind::Other, device)),
    );
    present
}

#[cfg(feature = "cuda")]
fn cuda() -> Vec<Present> {
    use burn::tensor::DeviceType;

    let cards = Device::enumerate(DeviceType::Cuda).into_vec();
    let numbered = cards.iter().enumerate();
    let numbered = numbered.map(|(i, card)| (format!("cuda:{i}"), card));
    let first = cards.iter().take(1).map(|card| ("cuda".to_owned(), card));
    first
        .chain(numbered)
        .map(|(name, card)| Present::new(name, Kind::DiscreteGpu, card.clone()))
        .collect()
}

/// Makes the backend of a device Burn's default. Burn loads the states of optimizers to its default device, which would be a GPU where one
/// is compiled in, absent or not, and would round f64 to what that GPU computes in.
#[allow(
    unsafe_code,
    reason = "the environment is the only way to Burn's default device"
)]
pub(crate) fn make_default(name: &str) {
    let backend = name.split(':').next().unwrap_or(name);
    // SAFETY: commands find their device before they start a thread, so that nobody reads the environment meanwhile.
    unsafe { std::env::set_var("BURN_DEVICE", backend) };
}

/// Whether the backend compiles its kernels when they are first needed.
pub(crate) fn compiles_kernels(name: &str) -> bool {
    ["wgpu", "cuda"]
        .iter()
        .any(|backend| name.starts_with(backend))
}

/// Names of the backends that this build holds.
fn compiled() -> String {
    let compiled = BACKENDS.iter().filter(|backend| backend.is_compiled_in());
    let names: Vec<_> = compiled.map(|backend| backend.name).collect();
    names.join(", ")
}

/// The backend of a device's name, whether this build holds it or not.
///
/// # Errors
/// Exit code 2, with what is allowed, for a name that says nothing.
pub(crate) fn backend(name: &str) -> Result<&'static Backend, Failure> {
    let first = name.split(':').next();
    let backend = BACKENDS.iter().find(|backend| Some(backend.name) == first);
    let backend = backend.ok_or_else(|| {
        Failure::new(format!(
            "unknown device `{name}`; this build has: {}",
            compiled()
        ))
    })?;
    if backend.allows(name) {
        Ok(backend)
    } else {
        Err(Failure::new(format!(
            "malformed device `{name}`; allowed: {}",
            backend.forms.join(", ")
        )))
    }
}

/// The device of a name, computing in a precision. To be called once in a process, before anything is computed.
///
/// # Errors
/// Exit code 2, with what is allowed, for a name that says nothing, a backend that is not compiled in, a device that is not on this
/// machine, and a precision that it does not have.
pub(crate) fn find(name: &str, precision: Precision) -> Result<Present, Failure> {
    let backend = backend(name)?;
    if !backend.is_compiled_in() {
        return Err(Failure::new(format!(
            "device `{name}` is not compiled in; this build has: {}",
            compiled()
        ))
        .hint(format!(
            "build with `--features {}` to add it",
            backend.name
        )));
    }
    let present = backend.present();
    let found = present.iter().find(|present| present.name == name);
    let Some(mut found) = found.cloned() else {
        let there: Vec<_> = present
            .iter()
            .map(|present| present.name.as_str())
            .collect();
        let there = match there.is_empty() {
            true => format!("`{}` finds no device and no driver", backend.name),
            false => format!("there are: {}", there.join(", ")),
        };
        return Err(
            Failure::new(format!("device `{name}` is not on this machine; {there}"))
                .hint("`layersep devices` lists what is there"),
        );
    };
    precision.set(&mut found.device).map_err(|error| {
        Failure::from(error).hint(format!(
            "`layersep devices` lists what `{name}` computes in"
        ))
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str) -> String {
        find(name, Precision::F32).unwrap_err().to_string()
    }

    #[test]
    fn the_default_device_is_always_there_and_an_unknown_one_is_refused() {
        assert!(find("flex", Precision::F32).is_ok());
        assert!(refused("tpu").starts_with("unknown device `tpu`; this build has: flex"));
        for name in ["", "Flex", "gpu:0"] {
            assert!(refused(name).starts_with("unknown device"), "{name}");
        }
    }

    #[test]
    fn names_are_read_strictly() {
        let allowed = [
            "flex",
            "ndarray",
            "wgpu",
            "wgpu:discrete:1",
            "wgpu:integrated:0",
            "wgpu:virtual:10",
            "wgpu:cpu",
            "cuda",
            "cuda:0",
        ];
        let backend = |name: &str| {
            let first = name.split(':').next();
            BACKENDS
                .iter()
                .find(|backend| Some(backend.name) == first)
                .unwrap()
        };
        for name in allowed {
            assert!(backend(name).allows(name), "{name}");
        }
        for name in [
            "flex:1",
            "flex:",
            "wgpu:foo",
            "wgpu:discrete",
            "wgpu:discrete:",
            "wgpu:discrete:01",
            "wgpu:discrete:-1",
            "wgpu:discrete:1:2",
            "wgpu:cpu:0",
            "cuda:x",
            "cuda:99999999999999999999999",
        ] {
            let text = refused(name);
            assert!(
                text.starts_with(&format!("malformed device `{name}`; allowed: ")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_device_that_this_machine_does_not_have_is_refused() {
        for backend in BACKENDS.iter().filter(|backend| backend.is_compiled_in()) {
            let names: Vec<_> = backend
                .present()
                .into_iter()
                .map(|present| present.name)
                .collect();
            assert!(
                names.first().is_none_or(|first| first == backend.name),
                "{names:?}"
            );
            for form in backend.forms.iter().filter(|form| form.ends_with(":N")) {
                let name = form.replace('N', "4321");
                assert!(refused(&name).contains("is not on this machine"), "{name}");
            }
        }
    }
}
