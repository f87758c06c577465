//! Devices that workers lend, through Burn's remote engine over WebSocket.

use super::backend::Backend;

pub(super) const BACKEND: Backend = Backend {
    name: "remote",
    forms: &["remote:ws://HOST:PORT"],
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

#[cfg(feature = "remote")]
mod client {
    use burn::remote::{ConnectError, RemoteHost};
    use burn::tensor::Device;

    use super::super::backend::{Kind, Present};
    use crate::failure::Failure;

    /// Opens the first device of a worker. A worker that was started a moment ago may not listen yet: Burn tries again for 16 seconds.
    pub(super) fn connect(name: &str, token: Option<&str>) -> Result<Present, Failure> {
        let address = name.trim_start_matches("remote:");
        let mut host = RemoteHost::websocket(address);
        if let Some(token) = token {
            host = host.with_credential(token);
        }
        let device = Device::remote_options(&host).init();
        let device = device.map_err(|error| refused(name, token.is_some(), &error))?;
        Ok(Present::new(name, Kind::Other, device))
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
