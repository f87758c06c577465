//! `layersep devices`: the devices of this machine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use burn::tensor::{Device, FloatDType};
use clap::Args;
use ls_train::config::computes_in;
use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use super::support::Context;
use crate::device::{BACKENDS, Identity, Present};
use crate::failure::Failure;
use crate::ui::format::bytes;

/// List the devices that --device can name on this machine, and the backends that this build lacks
#[derive(Debug, Args)]
#[command(after_help = "\
A device that is listed without f32 cannot be trained on; `train --precision f64` needs one that is listed with f64.

Examples:
  layersep devices
  layersep devices --json
  layersep train --device wgpu:integrated:0        the second graphics card of many laptops")]
pub(crate) struct DevicesArgs {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

/// The devices of this machine, as a program reads them.
#[derive(Serialize)]
struct Listing {
    devices: Vec<DeviceRow>,
    /// Features of the build that would add backends.
    not_compiled_in: Vec<&'static str>,
    /// Backends of the build that find no hardware or no driver.
    without_device: Vec<&'static str>,
}

/// A device, as a row of the list.
#[derive(Serialize)]
struct DeviceRow {
    /// Name for `--device`.
    name: String,
    kind: &'static str,
    /// Name that the hardware gives itself.
    hardware: Option<String>,
    /// Names of the floating-point types that it computes in.
    precisions: Vec<&'static str>,
    /// Bytes in total: of the card, or of the machine for a device that uses the machine's memory.
    memory: Option<u64>,
    /// Reason why it cannot be used.
    error: Option<String>,
}

/// Runs the command.
pub(super) fn run(args: &DevicesArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    let ui = context.ui;
    let listing = Listing::gather();
    if args.json {
        ui.json(&listing)?;
    } else {
        ui.text(&listing.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Listing {
    /// Asks every backend of the build for its devices.
    fn gather() -> Self {
        let host = Host::read();
        let mut listing = Self {
            devices: Vec::new(),
            not_compiled_in: Vec::new(),
            without_device: Vec::new(),
        };
        for backend in BACKENDS {
            if !backend.is_compiled_in() {
                listing.not_compiled_in.push(backend.name);
                continue;
            }
            let present = backend.present();
            if present.is_empty() && !backend.is_remote() {
                listing.without_device.push(backend.name);
            }
            let entries = present.iter().map(|present| DeviceRow::new(present, &host));
            listing.devices.extend(entries);
        }
        listing
    }

    fn table(&self) -> String {
        let heads = ["device", "kind", "hardware", "computes in", "memory"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(self.devices.iter().map(DeviceRow::cells));
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths = [0, 1, 2, 3, 4].map(width);
        let mut text = String::new();
        for row in &rows {
            let cells = row.iter().zip(widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            text += cells.join("  ").trim_end();
            text.push('\n');
        }
        if !self.without_device.is_empty() {
            let names = self.without_device.join(", ");
            text += &format!("\nwithout a device or a driver on this machine: {names}\n");
        }
        if !self.not_compiled_in.is_empty() {
            let names = self.not_compiled_in.join(", ");
            text +=
                &format!("\nnot compiled in: {names}; `--features NAME` of the build adds one\n");
        }
        text
    }
}

impl DeviceRow {
    fn new(present: &Present, host: &Host) -> Self {
        let is_host = present.kind.is_host();
        // The questions open the device, and a driver may panic when that happens.
        let asked = catch_unwind(AssertUnwindSafe(|| {
            (
                precisions(&present.device),
                (present.identify)(&present.device),
            )
        }));
        let (precisions, identity, error) = match asked {
            Ok((precisions, identity)) => (precisions, identity, None),
            Err(cause) => {
                let error = Failure::from_panic(cause.as_ref()).to_string();
                (Vec::new(), Identity::default(), Some(error))
            }
        };
        Self {
            name: present.name.clone(),
            kind: present.kind.name(),
            hardware: identity
                .name
                .or_else(|| host.processor.clone().filter(|_| is_host)),
            precisions,
            memory: match is_host {
                true => host.memory,
                false => identity.memory,
            },
            error,
        }
    }

    fn cells(&self) -> [String; 5] {
        let or_unknown = |text: Option<String>| text.unwrap_or_else(|| "unknown".into());
        let numbers = match (&self.error, &self.precisions[..]) {
            (Some(error), _) => error.clone(),
            (None, []) => "unknown".into(),
            (None, precisions) if !precisions.contains(&"f32") => {
                format!("{} (too little to train)", precisions.join(", "))
            }
            (None, precisions) => precisions.join(", "),
        };
        [
            self.name.clone(),
            self.kind.into(),
            or_unknown(self.hardware.clone()),
            numbers,
            or_unknown(self.memory.map(bytes)),
        ]
    }
}

/// Lists the floating-point types that a device computes in.
fn precisions(device: &Device) -> Vec<&'static str> {
    let all = [
        ("f64", FloatDType::F64),
        ("f32", FloatDType::F32),
        ("f16", FloatDType::F16),
        ("bf16", FloatDType::BF16),
    ];
    let supported = all
        .into_iter()
        .filter(|&(_, number)| computes_in(device, number));
    supported.map(|(name, _)| name).collect()
}

/// The machine itself.
struct Host {
    processor: Option<String>,
    memory: Option<u64>,
}

impl Host {
    /// Asks the operating system.
    fn read() -> Self {
        let wanted = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(wanted);
        let processor = system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned());
        Self {
            processor: processor.filter(|name| !name.is_empty()),
            // Zero means that the platform does not state it.
            memory: Some(system.total_memory()).filter(|&bytes| bytes > 0),
        }
    }
}
