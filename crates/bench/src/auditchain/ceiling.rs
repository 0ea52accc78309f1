//! The raw ceiling: batches of bytes to files, each flushed, and nothing else.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What stands before a frame's records, and before each entry, in bytes (audit-store, section 4).
const FRAME: usize = 52;
const RECORD: usize = 27;

/// Files that are written side by side, a thread each.
pub struct Ceiling {
    files: Vec<OneFile>,
    written: Receiver<io::Result<()>>,
}

struct OneFile {
    path: PathBuf,
    batches: Option<Sender<Arc<Vec<u8>>>>,
    thread: Option<JoinHandle<()>>,
}

impl Ceiling {
    /// Makes a file in each folder.
    pub fn new(folders: &[PathBuf]) -> io::Result<Self> {
        let (say, written) = channel();
        let files = folders
            .iter()
            .map(|folder| OneFile::new(folder, say.clone()));
        Ok(Self {
            files: files.collect::<io::Result<_>>()?,
            written,
        })
    }

    /// Writes batches of so many entries, of leaves of so many bytes, for so long; answers how many
    /// entries a second that is.
    pub fn run(&self, entries: usize, leaf: usize, time: Duration) -> io::Result<f64> {
        let batch = Arc::new(vec![7; FRAME + entries * (RECORD + leaf)]);
        let mut done = 0_usize;
        let begun = Instant::now();
        while begun.elapsed() < time {
            for file in &self.files {
                file.batches
                    .as_ref()
                    .and_then(|batches| batches.send(Arc::clone(&batch)).ok())
                    .ok_or_else(ended)?;
            }
            for _ in &self.files {
                self.written.recv().map_err(|_| ended())??;
            }
            done += entries;
        }
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }
}

/// The same with one file, by the thread that calls: nothing is faster. Each flush takes so much
/// longer than it takes here.
pub fn alone(
    folder: &Path,
    entries: usize,
    leaf: usize,
    time: Duration,
    longer: Duration,
) -> io::Result<f64> {
    let path = folder.join("ceiling");
    let mut file = File::create(&path)?;
    let batch = vec![7; FRAME + entries * (RECORD + leaf)];
    let mut done = 0_usize;
    let begun = Instant::now();
    while begun.elapsed() < time {
        file.write_all(&batch)?;
        file.sync_data()?;
        if !longer.is_zero() {
            thread::sleep(longer);
        }
        done += entries;
    }
    let rate = done as f64 / begun.elapsed().as_secs_f64();
    fs::remove_file(&path)?;
    Ok(rate)
}

impl OneFile {
    fn new(folder: &Path, say: Sender<io::Result<()>>) -> io::Result<Self> {
        let path = folder.join("ceiling");
        let mut file = File::create(&path)?;
        let (batches, given) = channel::<Arc<Vec<u8>>>();
        let thread = thread::spawn(move || {
            for batch in given {
                let done = file.write_all(&batch).and_then(|()| file.sync_data());
                if say.send(done).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            path,
            batches: Some(batches),
            thread: Some(thread),
        })
    }
}

impl Drop for OneFile {
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

fn ended() -> io::Error {
    io::Error::other("a writer ended")
}
