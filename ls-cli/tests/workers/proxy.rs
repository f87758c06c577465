//! A station between client and worker that counts what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::worker::Worker;

/// Passes everything on to a worker and back, and counts it.
pub(crate) struct Proxy {
    /// Its name for `--device`.
    pub(crate) name: String,
    /// Bytes towards the client, and towards the worker.
    counts: Arc<[AtomicU64; 2]>,
}

impl Proxy {
    /// Opens a station before a worker. Its threads live as long as the test.
    pub(crate) fn new(worker: &Worker) -> Self {
        let target = worker.name.trim_start_matches("remote:ws://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("remote:ws://{}", listener.local_addr().unwrap());
        let counts = Arc::<[AtomicU64; 2]>::default();
        let shared = counts.clone();
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let worker = TcpStream::connect(&target).unwrap();
                let ends = [client.try_clone().unwrap(), worker.try_clone().unwrap()];
                pass(worker, client, shared.clone(), 0);
                let [client, worker] = ends;
                pass(client, worker, shared.clone(), 1);
            }
        });
        Self { name, counts }
    }

    /// Bytes that have passed towards the client, and towards the worker, since the last question.
    pub(crate) fn take(&self) -> [u64; 2] {
        [0, 1].map(|i| self.counts[i].swap(0, Ordering::SeqCst))
    }
}

/// Passes one direction on until its end.
fn pass(mut from: TcpStream, mut to: TcpStream, counts: Arc<[AtomicU64; 2]>, direction: usize) {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count) = from.read(&mut buffer) {
            if count == 0 || to.write_all(&buffer[..count]).is_err() {
                break;
            }
            counts[direction].fetch_add(count as u64, Ordering::SeqCst);
        }
        // The other side may be gone.
        let _ = to.shutdown(Shutdown::Both);
    });
}
