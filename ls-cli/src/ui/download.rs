//! The progress of a download.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};
use ls_datasets::download::DownloadProgress;

use super::format::bytes;
use super::printer::Ui;

/// The display of a download: a bar on a terminal, a line for each quarter of a file elsewhere.
pub(crate) struct DownloadView<'a> {
    ui: &'a Ui,
    stderr_is_terminal: bool,
    bar: Option<ProgressBar>,
    /// Host and number of quarters of the present file in the last line.
    shown: Option<(String, u64)>,
}

impl<'a> DownloadView<'a> {
    /// Starts a display without a file.
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            stderr_is_terminal: io::stderr().is_terminal(),
            bar: None,
            shown: None,
        }
    }

    /// Shows an event of the download.
    pub(crate) fn show(&mut self, progress: DownloadProgress<'_>) {
        match progress {
            DownloadProgress::Receiving {
                file,
                host,
                received,
                size,
            } if self.stderr_is_terminal => {
                let title = || format!("{file} from {host}");
                let bar = self.bar.get_or_insert_with(|| bar(title(), size));
                bar.set_position(received);
            }
            DownloadProgress::Receiving {
                file,
                host,
                received,
                size,
            } => self.quarter(file, host, received, size),
            DownloadProgress::Present { file } => self.end(&format!("{file} is there already")),
            DownloadProgress::Failed { file, host, reason } => {
                self.end(&format!("{file} from {host} failed: {reason}"));
            }
            DownloadProgress::Done { file } => self.end(&format!("{file} is complete")),
            _ => {}
        }
    }

    /// Writes a line when another quarter has arrived.
    fn quarter(&mut self, file: &str, host: &str, received: u64, size: u64) {
        let now = Some((host.to_owned(), 4 * received / size.max(1)));
        // The last line follows once the sum has been checked.
        if self.shown != now && received < size {
            let (received, size) = (bytes(received), bytes(size));
            self.ui
                .progress(&format!("{file} from {host}: {received} of {size}"));
            self.shown = now;
        }
    }

    /// Removes the bar and writes the last line about a file.
    fn end(&mut self, line: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.shown = None;
        self.ui.progress(line);
    }
}

fn bar(title: String, size: u64) -> ProgressBar {
    let template = "{msg}  {bar:24}  {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(size).with_message(title);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
