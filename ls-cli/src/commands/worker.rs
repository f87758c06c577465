//! `layersep worker`: this machine's device for runs on other machines.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::support::Context;
use crate::failure::Failure;

/// Lend a device of this machine to runs elsewhere, until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "\
The first line of the output is the name for --device on the other machine. A connection is not encrypted, and a client may compute
anything on the device: listen on an address of a network that you trust, or pass the port on through ssh. Over Iroh connections are
encrypted, and the name of a worker proves its identity.

Examples:
  layersep worker
      lends the processors to this machine itself, on 127.0.0.1:3000
  layersep worker --device cuda:1 --listen 10.0.0.7:3000 --token-file token.txt
      lends a graphics card to whoever in the network has the token
  layersep worker --iroh worker.key --token-file token.txt
      lends the processors across any network, found through the public relays of n0
  layersep worker --iroh worker.key --direct 10.0.0.7:4433 --token-file token.txt
      without relays, on UDP port 4433
  layersep train --device remote:ws://10.0.0.7:3000,remote:ws://10.0.0.8:3000 --token-file token.txt
      trains on two workers")]
pub(crate) struct WorkerArgs {
    /// Device to lend, as `layersep devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Serve over Iroh: encrypted, with the identity in a file, which is made if it is not there
    #[arg(long, value_name = "KEYFILE", conflicts_with = "listen")]
    iroh: Option<PathBuf>,
    /// With --iroh: let clients dial this address of the machine, without relays; the port is open on its other addresses, too
    #[arg(long, value_name = "IP:PORT", requires = "iroh")]
    direct: Option<SocketAddrV4>,
    /// File with a token that clients must have; needed with --iroh, and where --listen is not a loopback address
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Runs the command.
#[cfg(not(feature = "remote"))]
pub(super) fn run(_args: &WorkerArgs, _context: &Context<'_>) -> Result<ExitCode, Failure> {
    Err(Failure::new("workers are not compiled in")
        .hint("build with `--features remote` to add them"))
}

/// Runs the command.
#[cfg(feature = "remote")]
pub(super) fn run(args: &WorkerArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
    serving::run(args, context)
}

#[cfg(feature = "remote")]
mod serving {
    use std::net::TcpListener;
    use std::path::Path;

    use burn::server::{
        AuthorizationRequest, IrohIdentity, IrohRelays, IrohTransport, PeerAuthorizer,
        RemoteServer, TokenAuthorizer, Transport, WebSocketTransport,
    };

    use super::*;
    use crate::device;
    use crate::ui::Ui;

    /// Opens the sessions of clients that have the token, and tells of them.
    struct Gate {
        /// None where every client may come.
        token: Option<TokenAuthorizer>,
        ui: Ui,
    }

    impl PeerAuthorizer for Gate {
        fn authorize(&self, request: AuthorizationRequest<'_>) -> Result<(), String> {
            let client = request.client;
            let answer = match &self.token {
                Some(token) => token.authorize(request),
                None => Ok(()),
            };
            match &answer {
                Ok(()) => self.ui.progress(&format!("{client} computes here")),
                Err(reason) => self.ui.note(reason),
            }
            answer
        }
    }

    pub(super) fn run(args: &WorkerArgs, context: &Context<'_>) -> Result<ExitCode, Failure> {
        let ui = *context.ui;
        let token = args.token()?;
        log_errors_alone();
        let lent = device::present(&args.device)?;
        let (name, transport) = match &args.iroh {
            Some(file) => over_iroh(file, args.direct)?,
            None => over_websocket(args.listen)?,
        };
        // Before the address is known: whoever reads it may end the worker at once. Burn's own handler is not there before it serves.
        ctrlc::set_handler(move || {
            ui.progress("the worker has ended");
            std::process::exit(0);
        })
        .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
        ui.text(&format!("{name}\n"))?;
        let server = RemoteServer::new([lent.device]).with_authorizer(Gate { token, ui });
        let served = server.serve(transport);
        served.map_err(|error| Failure::new(format!("cannot serve as {name}: {error}")))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Listens on an address. Returns the name of the worker there.
    fn over_websocket(listen: SocketAddr) -> Result<(String, Transport), Failure> {
        let failed =
            |error: std::io::Error| Failure::new(format!("cannot listen on {listen}: {error}"));
        let listener = TcpListener::bind(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let transport = WebSocketTransport::from_listener(listener);
        Ok((format!("remote:ws://{address}"), transport.into()))
    }

    /// Takes the identity in a file, which is made if it is not there. Returns the name of the worker with that identity.
    fn over_iroh(
        file: &Path,
        direct: Option<SocketAddrV4>,
    ) -> Result<(String, Transport), Failure> {
        let identity = IrohIdentity::load_or_create(file).map_err(|error| {
            let file = file.display();
            Failure::new(format!("cannot take the identity in {file}: {error}"))
        })?;
        let transport = IrohTransport::new(identity);
        let name = format!("remote:iroh:{}", transport.id());
        Ok(match direct {
            None => (name, transport.into()),
            Some(address) => {
                let transport = transport
                    .with_relays(IrohRelays::Disabled)
                    .with_port(address.port());
                (format!("{name}@{address}"), transport.into())
            }
        })
    }

    impl WorkerArgs {
        /// Reads the token that clients must have.
        fn token(&self) -> Result<Option<TokenAuthorizer>, Failure> {
            let Some(file) = &self.token_file else {
                let open = match &self.iroh {
                    Some(key) => format!("--iroh {}", key.display()),
                    None if self.listen.ip().is_loopback() => return Ok(None),
                    None => format!("--listen {}", self.listen),
                };
                return Err(Failure::new(format!(
                    "{open} lets other machines in, and so needs --token-file FILE"
                ))
                .hint("`openssl rand -hex 32 > token.txt` makes a token"));
            };
            let token = TokenAuthorizer::new(device::read_token(file)?);
            token
                .map(Some)
                .map_err(|error| Failure::new(error.to_string()))
        }
    }

    /// Keeps Burn's own lines about every connection away, unless the user asks for them by its variable.
    #[allow(unsafe_code, reason = "the environment is the only way to Burn's log")]
    fn log_errors_alone() {
        if std::env::var_os("RUST_LOG").is_none() {
            // SAFETY: no thread has been started yet, so that nobody reads the environment meanwhile.
            unsafe { std::env::set_var("RUST_LOG", "off") };
        }
    }
}
