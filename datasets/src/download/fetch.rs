//! One file over HTTP: part by part, from one mirror after the other.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::Response;
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use super::sum::sha256;
use super::{Downloaded, Progress};
use crate::input::{cleaned, read_failed};
use crate::{Error, KnownFile};

/// Tries in a row after which there is no more of the file than ever before, before the next mirror is asked.
const TRIES: usize = 3;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that is silent for so long has gone. There is no limit on the whole: some are slow.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Downloads files into a folder.
pub(super) struct Fetcher<'a, P> {
    agent: Agent,
    folder: &'a Path,
    mirrors: Vec<String>,
    progress: P,
}

/// Why a mirror did not give the file.
enum Trouble {
    /// Another try could go on from here.
    Broken(String),
    /// Another try would end in the same way.
    Refused(String),
    /// It is the disk's fault.
    Local(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

impl<'a, P: FnMut(Progress<'_>)> Fetcher<'a, P> {
    /// Makes the folder where there is none.
    pub(super) fn new(
        folder: &'a Path,
        mirrors: Vec<String>,
        proxy: Option<Proxy>,
        progress: P,
    ) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(|cause| write_failed(folder, cause))?;
        // The certificates of the system: networks that inspect traffic bring their own.
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

    /// Downloads one file unless it is there already.
    pub(super) fn fetch(&mut self, file: &KnownFile) -> Result<Downloaded, Error> {
        let path = self.folder.join(file.name);
        let downloaded = |was_present| Downloaded {
            path: path.clone(),
            size: file.size,
            was_present,
        };
        if is_complete(&path, file)? {
            (self.progress)(Progress::Present { file: file.name });
            return Ok(downloaded(true));
        }
        let mut part = Part::open(self.folder, file)?;
        let mut tried = Vec::new();
        for mirror in self.mirrors.clone() {
            let host = host_of(&mirror);
            match self.ask(&mirror, file, &mut part) {
                Ok(()) => {
                    part.finish(&path)?;
                    (self.progress)(Progress::Done { file: file.name });
                    return Ok(downloaded(false));
                }
                Err(Trouble::Local(error)) => return Err(error),
                Err(Trouble::Broken(reason) | Trouble::Refused(reason)) => {
                    (self.progress)(Progress::Failed {
                        file: file.name,
                        host,
                        reason: &reason,
                    });
                    tried.push(format!("{host}: {reason}"));
                }
            }
        }
        part.leave()?;
        Err(Error::DownloadFailed {
            file: file.name.to_owned(),
            tried: tried.join("; "),
            folder: self.folder.display().to_string(),
        })
    }

    /// Asks one mirror until the part is the whole file with the right sum.
    fn ask(&mut self, mirror: &str, file: &KnownFile, part: &mut Part) -> Result<(), Trouble> {
        let (mut tries, mut was_wrong) = (0, false);
        // A mirror that refuses ranges and cuts whole answers brings the same bytes for ever.
        let mut most = 0;
        loop {
            let before = part.length;
            match self.go_on(mirror, file, part) {
                Ok(()) => {
                    let found = part.sum()?;
                    if found == file.sha256 {
                        return Ok(());
                    }
                    part.clear()?;
                    // What lay there before may be at fault: once more from the start.
                    if before == 0 || was_wrong {
                        let expected = file.sha256;
                        let reason = format!("SHA-256 is {found}, expected {expected}");
                        return Err(Trouble::Refused(reason));
                    }
                    (was_wrong, most) = (true, 0);
                }
                Err(Trouble::Broken(reason)) => {
                    let is_further = part.length > before.max(most);
                    (tries, most) = if is_further {
                        (0, part.length)
                    } else {
                        (tries + 1, most)
                    };
                    if tries == TRIES {
                        return Err(Trouble::Broken(reason));
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Adds what is missing to the part, in one request.
    fn go_on(&mut self, mirror: &str, file: &KnownFile, part: &mut Part) -> Result<(), Trouble> {
        if part.length == file.size {
            return Ok(());
        }
        let mut request = self.agent.get(format!("{mirror}{}", file.name));
        if part.length > 0 {
            request = request.header("range", format!("bytes={}-", part.length));
        }
        let mut response = request.call().map_err(|error| request_failed(&error))?;
        place(&response, part)?;
        let rest = file.size - part.length;
        if response
            .body()
            .content_length()
            .is_some_and(|length| length > rest)
        {
            part.clear()?;
            return Err(too_long(file));
        }
        let mut body = response.body_mut().as_reader().take(rest + 1);
        let mut buffer = vec![0; 1 << 16];
        loop {
            (self.progress)(Progress::Receiving {
                file: file.name,
                host: host_of(mirror),
                received: part.length,
                size: file.size,
            });
            match body.read(&mut buffer) {
                Ok(0) => return part.check_end(file),
                Ok(count) => part.append(&buffer[..count], file)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Trouble::Broken(cleaned(&error.to_string()))),
            }
        }
    }
}

/// Makes the part end where the body of the answer begins.
fn place(response: &Response<Body>, part: &mut Part) -> Result<(), Trouble> {
    match response.status().as_u16() {
        200 => Ok(part.clear()?),
        206 => {
            let range = response.headers().get("content-range");
            let range = range
                .and_then(|range| range.to_str().ok())
                .unwrap_or_default();
            if range.starts_with(&format!("bytes {}-", part.length)) {
                return Ok(());
            }
            part.clear()?;
            Err(Trouble::Broken(
                "it sends another part than it was asked for".into(),
            ))
        }
        416 => {
            part.clear()?;
            Err(Trouble::Broken("it has no such part".into()))
        }
        status => Err(Trouble::Refused(format!("HTTP status {status}"))),
    }
}

fn request_failed(error: &ureq::Error) -> Trouble {
    let reason = match error {
        ureq::Error::Io(cause) => cleaned(&cause.to_string()),
        other => cleaned(&other.to_string()),
    };
    match error {
        ureq::Error::Io(cause) if cause.kind() != io::ErrorKind::ConnectionRefused => {
            Trouble::Broken(reason)
        }
        ureq::Error::Timeout(_) | ureq::Error::Protocol(_) => Trouble::Broken(reason),
        _ => Trouble::Refused(reason),
    }
}

fn too_long(file: &KnownFile) -> Trouble {
    Trouble::Refused(format!(
        "it sends more than the expected {} bytes",
        file.size
    ))
}

/// The host of an address, without a password that may stand before it.
fn host_of(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

/// Whether the file is there, with the right sum.
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

fn write_failed(path: &Path, cause: io::Error) -> Error {
    Error::Write {
        file: path.display().to_string(),
        cause,
    }
}

/// The beginning of a file, as far as it has arrived.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Part {
    /// Opens what an earlier try left, or a new one; nobody else may write it meanwhile.
    fn open(folder: &Path, known: &KnownFile) -> Result<Self, Error> {
        let path = folder.join(format!("{}.part", known.name));
        let failed = |cause| write_failed(&path, cause);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let file = path.display().to_string();
                return Err(Error::Busy { file });
            }
            // Some network disks have no locks, which is no reason not to download.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut part = Self { path, file, length };
        if length > known.size {
            part.clear()?;
        }
        Ok(part)
    }

    fn clear(&mut self) -> Result<(), Error> {
        self.length = 0;
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(|cause| write_failed(&self.path, cause))
    }

    fn append(&mut self, bytes: &[u8], known: &KnownFile) -> Result<(), Trouble> {
        if self.length + bytes.len() as u64 > known.size {
            self.clear()?;
            return Err(too_long(known));
        }
        let written = self.file.write_all(bytes);
        written.map_err(|cause| write_failed(&self.path, cause))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn check_end(&self, known: &KnownFile) -> Result<(), Trouble> {
        if self.length == known.size {
            return Ok(());
        }
        let (length, size) = (self.length, known.size);
        Err(Trouble::Broken(format!(
            "it ends after {length} of {size} bytes"
        )))
    }

    fn sum(&mut self) -> Result<String, Error> {
        let sum = self.file.rewind().and_then(|()| sha256(&self.file));
        sum.map_err(|cause| read_failed(&self.path.display().to_string(), cause))
    }

    /// Gives the part its name, which only complete files have.
    fn finish(self, path: &Path) -> Result<(), Error> {
        let Self {
            path: part, file, ..
        } = self;
        file.sync_all()
            .map_err(|cause| write_failed(&part, cause))?;
        drop(file);
        fs::rename(&part, path).map_err(|cause| write_failed(path, cause))
    }

    /// Keeps what another try could go on from.
    fn leave(self) -> Result<(), Error> {
        let Self { path, file, length } = self;
        drop(file);
        if length > 0 {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|cause| write_failed(&path, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Answer, Server, answer, contents};
    use super::*;

    const FILE: KnownFile = KnownFile {
        name: "file.gz",
        size: 200_000,
        sha256: "c60ce11d1fc1869fab78a3d993dc3bdc176fa56e9db96de74fd1aa0cc2f46392",
    };

    struct Outcome {
        folder: tempfile::TempDir,
        result: Result<Downloaded, Error>,
        events: Vec<String>,
    }

    impl Outcome {
        fn is_complete(&self) -> bool {
            let bytes = fs::read(self.folder.path().join(FILE.name));
            bytes.is_ok_and(|bytes| bytes == contents()) && self.part().is_none()
        }

        fn part(&self) -> Option<Vec<u8>> {
            fs::read(self.folder.path().join("file.gz.part")).ok()
        }

        fn message(&self) -> String {
            let error = self.result.as_ref().unwrap_err().to_string();
            error.replace(&self.folder.path().display().to_string(), "DIR")
        }
    }

    /// Downloads from servers in turn, with `part` left by an earlier try.
    fn fetch(servers: &[&Server], part: &[u8]) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        if !part.is_empty() {
            fs::write(folder.path().join("file.gz.part"), part).unwrap();
        }
        let mirrors = servers.iter().map(|server| server.address()).collect();
        let mut events = Vec::new();
        let progress = |progress: Progress<'_>| match progress {
            Progress::Failed { reason, .. } => events.push(reason.to_owned()),
            Progress::Receiving { received, size, .. } => assert!(received <= size),
            Progress::Present { .. } => events.push("present".into()),
            Progress::Done { .. } => events.push("done".into()),
        };
        let result = Fetcher::new(folder.path(), mirrors, None, progress)
            .unwrap()
            .fetch(&FILE);
        Outcome {
            folder,
            result,
            events,
        }
    }

    fn whole(_: usize, _: &str) -> Answer {
        answer(200, "", &contents())
    }

    /// Sends the part that is asked for, as far as `most` bytes.
    fn ranged(most: usize) -> impl Fn(usize, &str) -> Answer {
        move |_, request| {
            let from = request
                .split_once("bytes=")
                .map(|(_, range)| range.split('-').next());
            let from: usize = from.flatten().map_or(0, |from| from.parse().unwrap());
            let bytes = contents();
            let (status, range) = match from {
                0 => (200, String::new()),
                _ => (
                    206,
                    format!("content-range: bytes {from}-199999/200000\r\n"),
                ),
            };
            let mut answer = answer(status, &range, &bytes[from..]);
            let head = answer.len() - (bytes.len() - from);
            answer.truncate(head.saturating_add(most));
            answer
        }
    }

    #[test]
    fn a_file_arrives_whole_and_is_not_downloaded_again() {
        let server = Server::start(whole);
        let outcome = fetch(&[&server], &[]);
        assert!(outcome.is_complete());
        assert_eq!(outcome.events, ["done"]);
        assert!(!outcome.result.unwrap().was_present);

        let mut events = 0;
        let mirrors = vec![server.address()];
        let folder = outcome.folder.path();
        let mut fetcher = Fetcher::new(folder, mirrors, None, |_| events += 1).unwrap();
        assert!(fetcher.fetch(&FILE).unwrap().was_present);
        assert_eq!((events, server.requests().len()), (1, 1));
    }

    #[test]
    fn a_partial_file_is_gone_on_with() {
        let server = Server::start(ranged(usize::MAX));
        let outcome = fetch(&[&server], &contents()[..150_000]);
        assert!(outcome.is_complete());
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert!(
            requests[0].to_lowercase().contains("range: bytes=150000-"),
            "{requests:?}"
        );
    }

    #[test]
    fn a_part_that_is_whole_already_needs_no_server() {
        let outcome = fetch(&[&Server::start(whole)], &contents());
        assert!(outcome.is_complete());
    }

    #[test]
    fn a_server_without_ranges_starts_over() {
        let outcome = fetch(&[&Server::start(whole)], &[7; 1000]);
        assert!(outcome.is_complete());
    }

    #[test]
    fn a_server_that_sends_another_range_starts_over() {
        let server = Server::start(|number, _: &str| match number {
            0 => answer(206, "content-range: bytes 0-199999/200000\r\n", &contents()),
            _ => answer(200, "", &contents()),
        });
        assert!(fetch(&[&server], &contents()[..10]).is_complete());
    }

    #[test]
    fn a_range_beyond_the_file_starts_over() {
        let server = Server::start(|number, _: &str| match number {
            0 => answer(416, "", b""),
            _ => answer(200, "", &contents()),
        });
        assert!(fetch(&[&server], &contents()[..10]).is_complete());
    }

    #[test]
    fn a_cut_connection_is_taken_up_again() {
        let server = Server::start(ranged(70_000));
        assert!(fetch(&[&server], &[]).is_complete());
        assert_eq!(server.requests().len(), 3);
    }

    #[test]
    fn a_connection_that_is_cut_at_the_same_place_again_and_again_leaves_the_part() {
        let server = Server::start(|_, _: &str| {
            let mut answer = answer(200, "", &contents());
            answer.truncate(answer.len() - 1000);
            answer
        });
        let outcome = fetch(&[&server], &[]);
        assert_eq!(outcome.part().unwrap(), contents()[..199_000]);
        assert_eq!(server.requests().len(), 1 + TRIES);
    }

    /// Cuts whole answers at 70,000 bytes, and gives another answer to requests for a part.
    fn cut_or(ranged: Answer) -> Server {
        Server::start(move |_, request: &str| {
            if request.contains("bytes=") {
                return ranged.clone();
            }
            let mut answer = answer(200, "", &contents());
            answer.truncate(answer.len() - 130_000);
            answer
        })
    }

    #[test]
    fn a_mirror_that_refuses_ranges_and_cuts_whole_answers_is_left() {
        let wrong = answer(206, "content-range: bytes 0-9/200000\r\n", &[7; 10]);
        for ranged in [answer(416, "", b""), wrong] {
            let cutting = cut_or(ranged);
            let outcome = fetch(&[&cutting, &Server::start(whole)], &[]);
            assert!(outcome.is_complete());
            assert_eq!(cutting.requests().len(), 1 + TRIES);
        }
    }

    #[test]
    fn a_damaged_part_does_not_use_up_the_tries_of_a_slow_mirror() {
        let server = Server::start(ranged(45_000));
        assert!(fetch(&[&server], &[7; 1000]).is_complete());
        assert_eq!(server.requests().len(), 10);
    }

    #[test]
    fn a_wrong_sum_goes_on_to_a_good_mirror() {
        let wrong = Server::start(|_, _: &str| answer(200, "", &[7; 200_000]));
        let outcome = fetch(&[&wrong, &Server::start(whole)], &[]);
        assert!(outcome.is_complete());
        assert!(
            outcome.events[0].starts_with("SHA-256 is "),
            "{:?}",
            outcome.events
        );
        assert!(outcome.events[0].ends_with(&format!(", expected {}", FILE.sha256)));
        assert_eq!(wrong.requests().len(), 1);
    }

    #[test]
    fn a_wrong_sum_everywhere_removes_the_part() {
        let wrong = Server::start(|_, _: &str| answer(200, "", &[7; 200_000]));
        let outcome = fetch(&[&wrong], &[]);
        assert!(outcome.part().is_none() && !outcome.is_complete());
        assert!(
            outcome.message().contains("SHA-256 is "),
            "{}",
            outcome.message()
        );
    }

    #[test]
    fn a_damaged_part_is_thrown_away_before_the_mirror_is_blamed() {
        let server = Server::start(ranged(usize::MAX));
        assert!(fetch(&[&server], &[7; 1000]).is_complete());
        assert_eq!(server.requests().len(), 2);
    }

    #[test]
    fn without_the_file_on_any_mirror_every_host_is_named() {
        let missing = || Server::start(|_, _: &str| answer(404, "", b"not here"));
        let (one, two) = (missing(), missing());
        let outcome = fetch(&[&one, &two], &[]);
        let expected = format!(
            "file.gz cannot be downloaded ({}: HTTP status 404; {}: HTTP status 404); it can be put into DIR by hand",
            one.host(),
            two.host()
        );
        assert_eq!(outcome.message(), expected);
        assert!(outcome.part().is_none());
    }

    #[test]
    fn a_server_that_is_not_there_is_told_in_one_line() {
        // A port that was free a moment ago.
        let gone = Server::start(whole).address();
        let folder = tempfile::tempdir().unwrap();
        let mut fetcher = Fetcher::new(folder.path(), vec![gone], None, |_| ()).unwrap();
        let error = fetcher.fetch(&FILE).unwrap_err().to_string();
        assert!(
            error.contains("127.0.0.1:") && error.ends_with("by hand"),
            "{error}"
        );
        assert!(!error.contains('\n'));
    }

    #[test]
    fn more_bytes_than_expected_are_not_read() {
        let announced = Server::start(|_, _: &str| answer(200, "", &[7; 200_001]));
        let endless = Server::start(|_, _: &str| {
            // Without a length, the body ends with the connection.
            [
                b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(),
                vec![7; 5_000_000],
            ]
            .concat()
        });
        let outcome = fetch(&[&announced, &endless, &Server::start(whole)], &[]);
        assert!(outcome.is_complete());
        let reason = "it sends more than the expected 200000 bytes";
        assert_eq!(outcome.events, [reason, reason, "done"]);
    }

    #[test]
    fn two_downloads_of_one_file_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let _part = Part::open(folder.path(), &FILE).unwrap();
        let mut fetcher = Fetcher::new(folder.path(), Vec::new(), None, |_| ()).unwrap();
        let error = fetcher.fetch(&FILE).unwrap_err().to_string();
        assert!(
            error.ends_with("file.gz.part is being downloaded by another process"),
            "{error}"
        );
    }

    #[test]
    fn a_host_is_shown_without_its_password() {
        assert_eq!(host_of("https://me:secret@host:80/path/"), "host:80");
    }
}
