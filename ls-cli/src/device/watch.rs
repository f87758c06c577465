//! Watch over workers: one that hangs keeps its connection open, and a run would wait for it without end.

use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::Instant;

/// Time between two questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Time that a worker has to answer one question.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks workers by name again and again whether they are there, in a thread of its own, and calls `lost` with the name of the first that
/// has not answered for `limit`. A busy worker answers: connections have threads of their own.
pub(crate) fn watch(workers: Vec<String>, limit: Duration, lost: impl Fn(&str) + Send + 'static) {
    if workers.is_empty() {
        return;
    }
    thread::spawn(move || {
        let now = Instant::now();
        let mut heard: Vec<_> = workers.into_iter().map(|worker| (worker, now)).collect();
        loop {
            for (worker, last) in &mut heard {
                match answers(worker) {
                    true => *last = Instant::now(),
                    false if last.elapsed() >= limit => return lost(worker),
                    false => {}
                }
            }
            thread::sleep(PAUSE.min(limit));
        }
    });
}

/// Whether something at the address of a worker speaks, whatever it says.
fn answers(worker: &str) -> bool {
    let address = worker.rsplit("//").next().unwrap_or(worker);
    let ask = || -> io::Result<()> {
        let address = address.to_socket_addrs()?.next();
        let address = address.ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        stream.read_exact(&mut [0])
    };
    ask().is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_worker_that_accepts_and_never_speaks_is_lost() {
        // The system accepts for the listener, as it does for a process that is stopped.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("remote:ws://{}", silent.local_addr().unwrap());
        let (sender, receiver) = mpsc::channel();
        let lost = move |name: &str| sender.send(name.to_owned()).unwrap();
        watch(vec![name.clone()], Duration::from_millis(100), lost);
        let found = receiver.recv_timeout(Duration::from_secs(30));
        assert_eq!(found.unwrap(), name);
    }
}
