//! Downloads one file over HTTP; resumes after failures, and tries the mirrors in order.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::partial_file::{PartialFile, write_failed};
use super::sum::sha256;
use super::{DownloadProgress, Downloaded};
use crate::input::{cleaned, read_failed};
use crate::{Error, KnownFile};

/// Consecutive tries without a new byte before the next mirror is asked.
const TRIES: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit on the silence of a server; the whole download has no limit, because some servers are slow.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Downloads files into a folder.
pub(super) struct Fetcher<'a, P> {
    agent: Agent,
    folder: &'a Path,
    mirrors: Vec<String>,
    progress: P,
}

/// Failure of one request.
pub(super) enum RequestFailure {
    /// The transfer broke; another request may continue it.
    Broken(String),
    /// Another request to this mirror would fail in the same way.
    Refused(String),
    /// The local disk failed.
    Local(Error),
}

impl From<Error> for RequestFailure {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

impl<'a, P: FnMut(DownloadProgress<'_>)> Fetcher<'a, P> {
    /// Prepares downloads, and creates the folder if it does not exist.
    pub(super) fn new(
        folder: &'a Path,
        mirrors: Vec<String>,
        proxy: Option<Proxy>,
        progress: P,
    ) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|cause| write_failed(folder, cause))?;
        // Networks that inspect traffic install their certificates in the system's store.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("layersep/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(Some(SILENCE_TIMEOUT))
            .tls_config(tls.build())
            .proxy(proxy);
        Ok(Self {
            agent: config.build().new_agent(),
            folder,
            mirrors,
            progress,
        })
    }

    /// Downloads one file unless the folder already holds it.
    pub(super) fn fetch(&mut self, file: &KnownFile) -> Result<Downloaded, Error> {
        let path = self.folder.join(file.name);
        let was_present = is_complete(&path, file)?;
        if was_present {
            (self.progress)(DownloadProgress::Present { file: file.name });
        } else {
            self.fetch_from_mirrors(&path, file)?;
            (self.progress)(DownloadProgress::Done { file: file.name });
        }
        Ok(Downloaded {
            path,
            size: file.size,
            was_present,
        })
    }

    fn fetch_from_mirrors(&mut self, path: &Path, file: &KnownFile) -> Result<(), Error> {
        let mut partial = PartialFile::open(self.folder, file)?;
        let mut failures = Vec::new();
        for mirror in self.mirrors.clone() {
            let host = host_of(&mirror);
            match self.complete(&mirror, file, &mut partial) {
                Ok(()) => return partial.finish(path),
                Err(RequestFailure::Local(error)) => return Err(error),
                Err(RequestFailure::Broken(reason) | RequestFailure::Refused(reason)) => {
                    (self.progress)(DownloadProgress::Failed {
                        file: file.name,
                        host,
                        reason: &reason,
                    });
                    failures.push(format!("{host}: {reason}"));
                }
            }
        }
        partial.leave()?;
        Err(Error::DownloadFailed {
            file: file.name.to_owned(),
            tried: failures.join("; "),
            folder: self.folder.display().to_string(),
        })
    }

    /// Sends requests to one mirror until the file is complete and has the right checksum.
    fn complete(
        &mut self,
        mirror: &str,
        file: &KnownFile,
        partial: &mut PartialFile,
    ) -> Result<(), RequestFailure> {
        let (mut tries, mut was_wrong) = (0, false);
        // A mirror that refuses ranges and cuts whole answers would send the first bytes for ever.
        let mut most = 0;
        loop {
            let before = partial.length();
            match self.receive_rest(mirror, file, partial) {
                Ok(()) => {
                    let found = partial.sum()?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    partial.clear()?;
                    // The bytes of an earlier try may be wrong, so the mirror gets one try from the start.
                    if before == 0 || was_wrong {
                        let expected = file.sha256;
                        let reason = format!("SHA-256 is {found}, expected {expected}");
                        return Err(RequestFailure::Refused(reason));
                    }
                    (was_wrong, most) = (true, 0);
                }
                Err(RequestFailure::Broken(reason)) => {
                    let is_further = partial.length() > before.max(most);
                    (tries, most) = if is_further {
                        (0, partial.length())
                    } else {
                        (tries + 1, most)
                    };
                    if tries == TRIES {
                        return Err(RequestFailure::Broken(reason));
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Appends the missing bytes in one request.
    fn receive_rest(
        &mut self,
        mirror: &str,
        file: &KnownFile,
        partial: &mut PartialFile,
    ) -> Result<(), RequestFailure> {
        if partial.length() == file.size {
            return Ok(());
        }
        let mut request = self.agent.get(format!("{mirror}{}", file.name));
        if partial.length() > 0 {
            request = request.header("range", format!("bytes={}-", partial.length()));
        }
        let mut response = request.call().map_err(|error| request_failed(&error))?;
        align(&response, partial)?;
        let rest = file.size - partial.length();
        let announced = response.body().content_length();
        if announced.is_some_and(|length| length > rest) {
            partial.clear()?;
            return Err(too_long(file));
        }
        let mut body = response.body_mut().as_reader().take(rest + 1);
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.progress)(DownloadProgress::Receiving {
                file: file.name,
                host: host_of(mirror),
                received: partial.length(),
                size: file.size,
            });
            match body.read(&mut buffer) {
                Ok(0) => return check_end(partial, file),
                Ok(count) => append(partial, &buffer[..count], file)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(RequestFailure::Broken(cleaned(&error.to_string()))),
            }
        }
    }
}

/// Makes the partial file end where the body of the response begins.
fn align(response: &Response<Body>, partial: &mut PartialFile) -> Result<(), RequestFailure> {
    match response.status().as_u16() {
        200 => Ok(partial.clear()?),
        206 => {
            let range = response.headers().get("content-range");
            let range = range
                .and_then(|range| range.to_str().ok())
                .unwrap_or_default();
            if range.starts_with(&format!("bytes {}-", partial.length())) {
                return Ok(());
            }
            partial.clear()?;
            let reason = "it sends another range than requested";
            Err(RequestFailure::Broken(reason.into()))
        }
        416 => {
            partial.clear()?;
            let reason = "it does not have the requested range";
            Err(RequestFailure::Broken(reason.into()))
        }
        status => Err(RequestFailure::Refused(format!("HTTP status {status}"))),
    }
}

fn append(partial: &mut PartialFile, bytes: &[u8], file: &KnownFile) -> Result<(), RequestFailure> {
    if partial.length() + bytes.len() as u64 > file.size {
        partial.clear()?;
        return Err(too_long(file));
    }
    Ok(partial.append(bytes)?)
}

fn check_end(partial: &PartialFile, file: &KnownFile) -> Result<(), RequestFailure> {
    let (length, size) = (partial.length(), file.size);
    if length == size {
        return Ok(());
    }
    let reason = format!("it ends after {length} of {size} bytes");
    Err(RequestFailure::Broken(reason))
}

fn request_failed(error: &ureq::Error) -> RequestFailure {
    let reason = match error {
        ureq::Error::Io(cause) => cleaned(&cause.to_string()),
        other => cleaned(&other.to_string()),
    };
    match error {
        ureq::Error::Io(cause) if cause.kind() != io::ErrorKind::ConnectionRefused => {
            RequestFailure::Broken(reason)
        }
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => RequestFailure::Broken(reason),
        _ => RequestFailure::Refused(reason),
    }
}

fn too_long(file: &KnownFile) -> RequestFailure {
    let reason = format!("it sends more than the expected {} bytes", file.size);
    RequestFailure::Refused(reason)
}

/// Returns the host of an address, without user name and password.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Returns whether the file exists and has the right checksum.
fn is_complete(path: &Path, file: &KnownFile) -> Result<bool, Error> {
    let failed = |cause| read_failed(&path.display().to_string(), cause);
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == file.size => {
            let found = File::open(path).and_then(sha256).map_err(failed)?;
            Ok(found == file.sha256)
        }
        _ => Ok(false),
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
