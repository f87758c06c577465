//! `layersep worker`: this machine's device for runs on other machines.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::support::Context;
use crate::failure::Failure;

/// Lend a device of this machine to runs elsewhere, until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "\
The first line of the output is the name for --device on the other machine. A connection is not encrypted, and a client may compute
anything on the device: listen on an address of a network that you trust, or pass the port on through ssh.

Examples:
  layersep worker
      lends the processors to this machine itself, on 127.0.0.1:3000
  layersep worker --device cuda:1 --listen 10.0.0.7:3000 --token-file token.txt
      lends a graphics card to whoever in the network has the token
  layersep train --device remote:ws://10.0.0.7:3000,remote:ws://10.0.0.8:3000 --token-file token.txt
      trains on two workers")]
pub(crate) struct WorkerArgs {
    /// Device to lend, as `layersep devices` lists them
    #[arg(long, default_value = "flex")]
    device: String,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// File with a token that clients must have; needed where --listen is not a loopback address
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

    use burn::server::{
        AuthorizationRequest, PeerAuthorizer, RemoteServer, TokenAuthorizer, WebSocketTransport,
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
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(format!("cannot listen on {}: {error}", args.listen))
        };
        let listener = TcpListener::bind(args.listen).map_err(|error| failed(&error))?;
        let address = listener.local_addr().map_err(|error| failed(&error))?;
        // Before the address is known: whoever reads it may end the worker at once. Burn's own handler is not there before it serves.
        ctrlc::set_handler(move || {
            ui.progress("the worker has ended");
            std::process::exit(0);
        })
        .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
        ui.text(&format!("remote:ws://{address}\n"))?;
        let server = RemoteServer::new([lent.device]).with_authorizer(Gate { token, ui });
        let served = server.serve(WebSocketTransport::from_listener(listener));
        served.map_err(|error| failed(&error))?;
        Ok(ExitCode::SUCCESS)
    }

    impl WorkerArgs {
        /// Reads the token that clients must have.
        fn token(&self) -> Result<Option<TokenAuthorizer>, Failure> {
            let Some(file) = &self.token_file else {
                return match self.listen.ip().is_loopback() {
                    true => Ok(None),
                    false => Err(Failure::new(format!(
                        "--listen {} lets other machines in, and so needs --token-file FILE",
                        self.listen
                    ))
                    .hint("`openssl rand -hex 32 > token.txt` makes a token")),
                };
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
