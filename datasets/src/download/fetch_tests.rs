use super::super::testing::{Answer, Server, answer, contents};
use super::*;

const FILE: KnownFile = KnownFile {
    name: "file.gz",
    size: 200_000,
    sha256: "c60ce11d1fc1869fab78a3d993dc3bdc176fa56e9db96de74fd1aa0cc2f46392",
};

struct FetchOutcome {
    folder: tempfile::TempDir,
    result: Result<Downloaded, Error>,
    events: Vec<String>,
}

impl FetchOutcome {
    fn is_complete(&self) -> bool {
        let bytes = fs::read(self.folder.path().join(FILE.name));
        bytes.is_ok_and(|bytes| bytes == contents()) && self.partial().is_none()
    }

    fn partial(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join("file.gz.part")).ok()
    }

    fn message(&self) -> String {
        let error = self.result.as_ref().unwrap_err().to_string();
        error.replace(&self.folder.path().display().to_string(), "DIR")
    }
}

/// Downloads from servers in order; `partial` are the bytes of an earlier try.
fn fetch(servers: &[&Server], partial: &[u8]) -> FetchOutcome {
    let folder = tempfile::tempdir().unwrap();
    if !partial.is_empty() {
        fs::write(folder.path().join("file.gz.part"), partial).unwrap();
    }
    let mirrors = servers.iter().map(|server| server.address()).collect();
    let mut events = Vec::new();
    let progress = |progress: DownloadProgress<'_>| match progress {
        DownloadProgress::Failed { reason, .. } => events.push(reason.to_owned()),
        DownloadProgress::Receiving { received, size, .. } => assert!(received <= size),
        DownloadProgress::Present { .. } => events.push("present".into()),
        DownloadProgress::Done { .. } => events.push("done".into()),
    };
    let result = Fetcher::new(folder.path(), mirrors, None, progress)
        .unwrap()
        .fetch(&FILE);
    FetchOutcome {
        folder,
        result,
        events,
    }
}

fn whole(_: usize, _: &str) -> Answer {
    answer(200, "", &contents())
}

/// Sends at most `most` bytes of the requested range.
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
fn a_partial_file_is_continued() {
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
fn a_partial_file_that_is_complete_needs_no_server() {
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
fn a_cut_connection_is_resumed() {
    let server = Server::start(ranged(70_000));
    assert!(fetch(&[&server], &[]).is_complete());
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_connection_that_is_cut_repeatedly_at_one_place_leaves_the_partial_file() {
    let server = Server::start(|_, _: &str| {
        let mut answer = answer(200, "", &contents());
        answer.truncate(answer.len() - 1000);
        answer
    });
    let outcome = fetch(&[&server], &[]);
    assert_eq!(outcome.partial().unwrap(), contents()[..199_000]);
    assert_eq!(server.requests().len(), 1 + TRIES);
}

/// Cuts whole answers at 70,000 bytes, and sends `ranged` for requests of a range.
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
fn a_mirror_that_refuses_ranges_and_cuts_whole_answers_is_abandoned() {
    let wrong = answer(206, "content-range: bytes 0-9/200000\r\n", &[7; 10]);
    for ranged in [answer(416, "", b""), wrong] {
        let cutting = cut_or(ranged);
        let outcome = fetch(&[&cutting, &Server::start(whole)], &[]);
        assert!(outcome.is_complete());
        assert_eq!(cutting.requests().len(), 1 + TRIES);
    }
}

#[test]
fn a_damaged_partial_file_does_not_use_up_the_tries_of_a_slow_mirror() {
    let server = Server::start(ranged(45_000));
    assert!(fetch(&[&server], &[7; 1000]).is_complete());
    assert_eq!(server.requests().len(), 10);
}

#[test]
fn a_wrong_sum_is_followed_by_the_next_mirror() {
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
fn a_wrong_sum_on_every_mirror_removes_the_partial_file() {
    let wrong = Server::start(|_, _: &str| answer(200, "", &[7; 200_000]));
    let outcome = fetch(&[&wrong], &[]);
    assert!(outcome.partial().is_none() && !outcome.is_complete());
    assert!(
        outcome.message().contains("SHA-256 is "),
        "{}",
        outcome.message()
    );
}

#[test]
fn a_damaged_partial_file_is_discarded_before_the_mirror_is_blamed() {
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
    assert!(outcome.partial().is_none());
}

#[test]
fn a_missing_server_is_reported_in_one_line() {
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
    let _partial = PartialFile::open(folder.path(), &FILE).unwrap();
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
