//! Devices that workers lend, through Burn's remote engine over WebSocket or Iroh.

use super::backend::Backend;

pub(super) const BACKEND: Backend = Backend {
    name: "remote",
    forms: &[
        "remote:ws://HOST:PORT",
        "remote:iroh:ID",
        "remote:iroh:ID@IP:PORT",
    ],
    compiles_kernels: false,
    // Nobody knows the workers of a network before they are named.
    #[cfg(feature = "remote")]
    enumerate: Some(Vec::new),
    #[cfg(not(feature = "remote"))]
    enumerate: None,
    #[cfg(feature = "remote")]
    connect: Some(client::connect),
    #[cfg(not(feature = "remote"))]
    connect: Some(|name, _| Err(super::not_compiled_in(name, "remote"))),
};

/// Beginning of the names of workers over Iroh.
const IROH: &str = "remote:iroh:";

/// Tells whether a worker is reached over Iroh.
pub(super) fn is_iroh(name: &str) -> bool {
    name.starts_with(IROH)
}

#[cfg(feature = "remote")]
mod client {
    use burn::remote::{ConnectError, EndpointId, IrohHost, IrohRelays, RemoteHost};
    use burn::tensor::Device;

    use super::super::backend::{Kind, Present};
    use super::IROH;
    use crate::failure::Failure;

    /// Opens the first device of a worker. A worker that was started a moment ago may not listen yet: Burn tries again for 16 seconds.
    pub(super) fn connect(name: &str, token: Option<&str>) -> Result<Present, Failure> {
        let mut host = match name.strip_prefix(IROH) {
            Some(own) => RemoteHost::iroh(iroh_host(name, own)?),
            None => RemoteHost::websocket(name.trim_start_matches("remote:")),
        };
        if let Some(token) = token {
            host = host.with_credential(token);
        }
        let device = Device::remote_options(&host).init();
        let device = device.map_err(|error| refused(name, token.is_some(), &error))?;
        Ok(Present::new(name, Kind::Other, device))
    }

    /// Reads `ID`, which is looked up through public relays, or `ID@IP:PORT`, which is dialled directly.
    fn iroh_host(name: &str, text: &str) -> Result<IrohHost, Failure> {
        let (id, address) = match text.split_once('@') {
            Some((id, address)) => (id, Some(address)),
            None => (text, None),
        };
        let malformed = |reason: &dyn std::fmt::Display| {
            Failure::new(format!("malformed device `{name}`: {reason}"))
                .hint("the first line of `layersep worker` is its name")
        };
        let id: EndpointId = id
            .parse()
            .map_err(|_| malformed(&format!("`{id}` is no identity of a worker")))?;
        let host = IrohHost::new(id);
        Ok(match address {
            Some(address) => {
                let address = address.parse().map_err(|error| malformed(&error))?;
                host.with_relays(IrohRelays::Disabled).with_address(address)
            }
            None => host,
        })
    }

    fn refused(name: &str, has_token: bool, error: &ConnectError) -> Failure {
        let failure = |reason: String| Failure::new(format!("worker `{name}` {reason}"));
        match error {
            ConnectError::Unauthorized if has_token => {
                failure("refuses the token of --token-file".into())
            }
            ConnectError::Unauthorized => failure("asks for a token".into())
                .hint("name the file that its --token-file names with --token-file"),
            ConnectError::Unreachable { reason } => {
                let reason = reason.split("; is the server").next().unwrap_or(reason);
                failure(format!("cannot be reached: {reason}"))
                    .hint("`layersep worker` lends a device; its output says how to name it")
            }
            ConnectError::IncompatibleProtocol { .. } | ConnectError::Handshake { .. } => {
                failure(format!("is of another version: {error}"))
                    .hint("install the same version of layersep on all machines")
            }
            error => failure(format!("lends no device: {error}")),
        }
    }
}
