//! The facts that a backend states about itself, and the devices that it finds.

use std::net::Ipv4Addr;
use std::panic::catch_unwind;

use burn::tensor::Device;

use crate::failure::Failure;

/// The kind of hardware that a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    dead_code,
    reason = "each backend constructs its own kinds, and a build may lack backends"
)]
pub(crate) enum Kind {
    /// The processors of this machine.
    Cpu,
    /// The adapter that the driver prefers.
    Default,
    DiscreteGpu,
    IntegratedGpu,
    VirtualGpu,
    /// A driver that computes on the processors.
    SoftwareGpu,
    Other,
}

impl Kind {
    /// Returns the name for people.
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

    /// Returns whether it computes in the memory of this machine's processors.
    pub(crate) fn is_host(self) -> bool {
        matches!(self, Self::Cpu | Self::SoftwareGpu)
    }
}

/// A device that this machine has.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// The name that selects it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) device: Device,
    /// Asks the device for its identity, which opens it.
    pub(crate) identify: fn(&Device) -> Identity,
}

impl Present {
    /// Makes a device that has no identity of its own.
    pub(super) fn new(name: impl Into<String>, kind: Kind, device: Device) -> Self {
        Self {
            name: name.into(),
            kind,
            device,
            identify: |_| Identity::default(),
        }
    }

    /// Makes a device that states its identity.
    #[allow(dead_code, reason = "for the backends of graphics cards")]
    pub(super) fn with_identity(self, identify: fn(&Device) -> Identity) -> Self {
        Self { identify, ..self }
    }
}

/// The identity that a graphics card states.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) name: Option<String>,
    /// Bytes of its memory.
    pub(crate) memory: Option<u64>,
}

impl Identity {
    /// Makes the identity of a card, with its memory where the kernel's driver states it for the PCI address.
    #[allow(dead_code, reason = "for the backends of graphics cards")]
    pub(super) fn card(name: String, address: Option<String>) -> Self {
        let memory = |address| {
            let file = format!("/sys/bus/pci/devices/{address}/mem_info_vram_total");
            std::fs::read_to_string(file).ok()?.trim().parse().ok()
        };
        Self {
            name: Some(name),
            memory: address.and_then(memory),
        }
    }
}

/// A backend that a build may hold.
pub(crate) struct Backend {
    /// Name, and the feature of the build that adds it.
    pub(crate) name: &'static str,
    /// Forms of the names of its devices; `N` is an index, `HOST` a name or an IPv4 address, `IP` such an address.
    pub(super) forms: &'static [&'static str],
    /// Whether it compiles its kernels when they are first needed.
    pub(crate) compiles_kernels: bool,
    /// Lists its devices on this machine; `None` where the feature is off.
    pub(super) enumerate: Option<fn() -> Vec<Present>>,
    /// Opens a device by its name, with the token of its owner; `None` where all devices are on this machine.
    pub(super) connect: Option<Connect>,
}

/// Opens a device by its name, with the token of its owner.
pub(super) type Connect = fn(&str, Option<&str>) -> Result<Present, Failure>;

impl Backend {
    /// Returns whether the build holds the backend.
    pub(crate) fn is_compiled_in(&self) -> bool {
        self.enumerate.is_some()
    }

    /// Returns whether its devices are those of other machines, which are named and not found.
    pub(crate) fn is_remote(&self) -> bool {
        self.connect.is_some()
    }

    /// Lists its devices on this machine, the one that its bare name selects first.
    pub(crate) fn present(&self) -> Vec<Present> {
        // A driver that is missing or broken may panic; it then has no devices.
        self.enumerate
            .and_then(|enumerate| catch_unwind(enumerate).ok())
            .unwrap_or_default()
    }

    /// Returns whether a device's name has one of the backend's forms.
    pub(super) fn allows(&self, name: &str) -> bool {
        let fits = |(form, given): (&str, &str)| match form {
            "N" => given.parse().is_ok_and(|n: usize| n.to_string() == given),
            "PORT" => given.parse().is_ok_and(|n: u16| n.to_string() == given),
            "ID" => !given.is_empty() && !given.contains('@'),
            "ID@IP" => given
                .split_once('@')
                .is_some_and(|(id, ip)| !id.is_empty() && ip.parse::<Ipv4Addr>().is_ok()),
            "//HOST" => given.len() > 2 && given.starts_with("//"),
            _ => form == given,
        };
        self.forms.iter().any(|form| {
            let same_length = form.split(':').count() == name.split(':').count();
            same_length && form.split(':').zip(name.split(':')).all(fits)
        })
    }
}
