//! `Journal`: a folder with one file for each operation that was accepted and has not ended, written ahead of its first poll.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tower_lro::{Event, Operation};

/// One process at a time uses a folder: a second one would resume what the first is still waiting for.
pub struct Journal {
    folder: PathBuf,
    entries: AtomicU64,
}

/// The place of one operation in the journal. The file is there from its acceptance to [`remove`](Self::remove).
#[derive(Clone)]
pub struct Entry {
    name: String,
    file: PathBuf,
}

/// A record. The name stands for all that a program needs in order to use the result.
#[derive(Deserialize, Serialize)]
struct Record {
    name: String,
    operation: Operation,
}

/// The records that an earlier run has left.
#[derive(Default)]
pub struct Left {
    /// Those that have not ended, in the order in which they were started.
    pub operations: Vec<(Entry, Operation)>,
    /// Files that are no records, and why. They stay where they are, for somebody to look at.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

const STORED: &str = "json";
const BEING_WRITTEN: &str = "tmp";

impl Journal {
    pub fn open(folder: PathBuf) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        // The address of a monitor may work for everybody who knows it.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.recursive(true).create(&folder)?;
        let folder = folder.canonicalize()?;
        folder.parent().map_or(Ok(()), sync_folder)?;
        Ok(Self { folder, entries: AtomicU64::new(0) })
    }

    /// A place for an operation that is going to be started.
    pub fn entry(&self, name: impl Into<String>) -> Entry {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let number = self.entries.fetch_add(1, Ordering::Relaxed);
        // Files sort by time, and none has ever had the name before.
        let file = self.folder.join(format!("{now:020}-{}-{number:06}.{STORED}", process::id()));
        Entry { name: name.into(), file }
    }

    /// Reads the folder.
    pub fn left(&self) -> io::Result<Left> {
        let mut left = Left::default();
        for file in self.files(BEING_WRITTEN)? {
            // Whole, and only its renaming is missing; or cut off, and then it is not a record.
            match read(&file) {
                Ok(_) => fs::rename(&file, file.with_extension(STORED))?,
                Err(error) => left.unreadable.push((file, error)),
            }
        }
        sync_folder(&self.folder)?;
        for file in self.files(STORED)? {
            match read(&file) {
                Ok(Record { name, operation }) => left.operations.push((Entry { name, file }, operation)),
                Err(error) => left.unreadable.push((file, error)),
            }
        }
        Ok(left)
    }

    fn files(&self, extension: &str) -> io::Result<Vec<PathBuf>> {
        let files = fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path()));
        let mut files = files.collect::<io::Result<Vec<_>>>()?;
        files.retain(|file| file.extension() == Some(OsStr::new(extension)));
        files.sort();
        Ok(files)
    }
}

impl Entry {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For `LroLayer::on_event`, in the settings of the one request that this entry is for.
    ///
    /// It keeps its thread until the disk has the record: the first poll is not to be sent before.
    pub fn write_ahead(&self) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
        let entry = self.clone();
        move |event| {
            let (Event::Accepted { operation, .. } | Event::Moved { operation, .. }) = event else { return };
            if let Err(error) = entry.write(operation) {
                // It has been started, come what may; this line may be all that is left of it.
                eprintln!("{}: {operation:?} is NOT stored in {}: {error}", entry.name, entry.file.display());
            }
        }
    }

    /// Other records are in other files, and this one is replaced as a whole: nothing that was stored is ever cut off.
    fn write(&self, operation: &Operation) -> io::Result<()> {
        let record = Record { name: self.name.clone(), operation: operation.clone() };
        let being_written = self.file.with_extension(BEING_WRITTEN);
        let mut file = File::create(&being_written)?;
        file.write_all(&serde_json::to_vec_pretty(&record)?)?;
        file.sync_all()?;
        fs::rename(&being_written, &self.file)?;
        self.file.parent().map_or(Ok(()), sync_folder)
    }

    /// To be called when the final response has been read, and all is done that is to be done with it.
    ///
    /// Not synced: of an operation that comes back, the monitor says once more how it ended.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            // It could not be stored, which has been said.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}

fn read(file: &Path) -> io::Result<Record> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Makes sure of the names in a folder, as `File::sync_all` does of the content of a file.
fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened as files.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}
