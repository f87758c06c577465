//! Devices by name: the registry of backends, and the search among them.
//!
//! This folder is the only place of the product that names a backend. A new one is a file with a constant `BACKEND`, its line in
//! [`BACKENDS`], and a feature in `Cargo.toml` that enables it in Burn.

mod backend;
mod cuda;
mod flex;
mod ndarray;
mod rate;
mod remote;
mod set;
mod watch;
mod wgpu;

use std::path::Path;

use ls_train::config::Precision;

pub(crate) use backend::{Backend, Identity, Present};
pub(crate) use rate::rate;
pub(crate) use set::DeviceSet;
#[cfg(feature = "remote")]
pub(crate) use set::read_token;
use set::token;
pub(crate) use watch::watch;

use crate::failure::Failure;

/// All backends, in the order in which `layersep devices` lists them.
pub(crate) static BACKENDS: &[Backend] = &[
    flex::BACKEND,
    ndarray::BACKEND,
    wgpu::BACKEND,
    cuda::BACKEND,
    remote::BACKEND,
];

/// Makes the backend of a device Burn's default. Burn loads the states of optimizers to its default device, which would be a GPU where
/// one is compiled in, absent or not, and would round f64 to the GPU's numbers. For workers it is flex: their backend has no default.
#[allow(
    unsafe_code,
    reason = "the environment is the only way to Burn's default device"
)]
pub(crate) fn make_default(name: &str) {
    let local = BACKENDS.iter().filter(|backend| !backend.is_remote());
    let named = name.split(':').next().unwrap_or(name);
    let mut named = local.filter(|backend| backend.name == named);
    let backend = named.next().map_or("flex", |backend| backend.name);
    // SAFETY: commands find their device before they start a thread, so that nobody reads the environment meanwhile.
    unsafe { std::env::set_var("BURN_DEVICE", backend) };
}

/// Joins the names of the backends that this build holds.
fn compiled() -> String {
    let compiled = BACKENDS.iter().filter(|backend| backend.is_compiled_in());
    let names: Vec<_> = compiled.map(|backend| backend.name).collect();
    names.join(", ")
}

/// Returns the backend of a device's name, whether this build holds it or not.
///
/// # Errors
/// Exit code 2, with the allowed names, for an unknown or malformed name.
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

/// Returns the device of a name, computing in a precision. It must be called once for a device, before anything is computed.
///
/// # Errors
/// Exit code 2, with the alternatives, for an unknown or malformed name, a backend that is not compiled in, a device that is not on
/// this machine, a worker that cannot be reached, and a precision that the device does not have.
pub(crate) fn find(name: &str, precision: Precision) -> Result<Present, Failure> {
    find_with_token(name, precision, None)
}

/// The same with a file that holds the token of a worker.
///
/// # Errors
/// As [`find`], and exit code 2 for a token that cannot be read or that no worker asks for.
pub(crate) fn find_with_token(
    name: &str,
    precision: Precision,
    token_file: Option<&Path>,
) -> Result<Present, Failure> {
    if name.contains(',') {
        return Err(Failure::new(format!(
            "device = `{name}` is not possible here: only `layersep train` takes a list of devices"
        )));
    }
    let token = token(name, &[backend(name)?], token_file)?;
    open(name, precision, token.as_deref())
}

/// Opens a device with the token of its owner.
fn open(name: &str, precision: Precision, token: Option<&str>) -> Result<Present, Failure> {
    let backend = backend(name)?;
    let mut found = match backend.connect {
        Some(connect) => connect(name, token)?,
        None => find_here(name, backend)?,
    };
    precision.set(&mut found.device).map_err(|error| {
        let failure = Failure::from(error);
        match backend.is_remote() {
            true => failure.hint(format!("`layersep devices` on the machine of `{name}` lists the numbers that it computes in")),
            false => failure.hint(format!(
                "`layersep devices` lists the numbers that `{name}` computes in"
            )),
        }
    })?;
    Ok(found)
}

/// Returns a device of this machine to lend, in the numbers that its users will ask for.
///
/// # Errors
/// As [`find`], and for a worker's.
#[cfg(feature = "remote")]
pub(crate) fn present(name: &str) -> Result<Present, Failure> {
    let backend = backend(name)?;
    if backend.is_remote() {
        return Err(Failure::new(format!(
            "device `{name}` is that of another worker; lend a device of this machine"
        )));
    }
    find_here(name, backend)
}

/// Returns a device of this machine.
fn find_here(name: &str, backend: &Backend) -> Result<Present, Failure> {
    if !backend.is_compiled_in() {
        return Err(not_compiled_in(name, backend.name));
    }
    let mut present = backend.present();
    match present.iter().position(|present| present.name == name) {
        Some(place) => Ok(present.swap_remove(place)),
        None => Err(absent(name, backend, &present)),
    }
}

/// Returns the failure for a device whose backend this build lacks.
fn not_compiled_in(name: &str, feature: &str) -> Failure {
    Failure::new(format!(
        "device `{name}` is not compiled in; this build has: {}",
        compiled()
    ))
    .hint(format!("build with `--features {feature}` to add it"))
}

/// Returns the failure for a device that is not among those of its backend.
fn absent(name: &str, backend: &Backend, present: &[Present]) -> Failure {
    let names: Vec<_> = present.iter().map(|own| own.name.as_str()).collect();
    let alternatives = match names.is_empty() {
        true => format!("`{}` finds no device and no driver", backend.name),
        false => format!("there are: {}", names.join(", ")),
    };
    Failure::new(format!(
        "device `{name}` is not on this machine; {alternatives}"
    ))
    .hint("`layersep devices` lists the devices of this machine")
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
