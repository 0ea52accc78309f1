//! A terminal to watch from.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, spawn};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

/// Erases the rest of a terminal's line.
pub(crate) const ERASE: &str = "\x1b[K";

/// A pseudo terminal, and what was shown on it.
pub(crate) struct Terminal {
    peer: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let peer = ioctl_tiocgptpeer(&master, flags).unwrap();
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let screen = Arc::clone(&shown);
        let reader = spawn(move || {
            let mut master = File::from(master);
            let mut bytes = [0; 4096];
            // The read fails once nobody has the terminal open any more.
            while let Ok(count @ 1..) = master.read(&mut bytes) {
                screen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            peer,
            shown,
            reader,
        }
    }

    pub(crate) fn stdio(&self) -> Stdio {
        self.peer.try_clone().unwrap().into()
    }

    pub(crate) fn shown(&self) -> String {
        String::from_utf8(self.shown.lock().unwrap().clone()).unwrap()
    }

    /// All that was shown, once nobody writes any more.
    pub(crate) fn close(self) -> String {
        drop(self.peer);
        self.reader.join().unwrap();
        let shown = self.shown.lock().unwrap().clone();
        String::from_utf8(shown).unwrap()
    }
}
