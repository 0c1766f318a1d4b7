//! What a disk may hold after a power cut, made from the records of `power.c`.
//!
//! What was synced is there. Of the writes to a file since its last sync each is there whole, in part
//! (a prefix of whole sectors) or not at all, whatever became of those before it. Of the changes of
//! names in a folder since its last sync those up to some one are there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

const SECTOR: usize = 512;
/// The folder of all.
const TOP: u64 = 0;

/// What a process did.
#[derive(Debug)]
enum Event {
    /// Names that changed at once: in a folder, the file that has the name then, or none.
    Names(Vec<Change>),
    Write {
        file: u64,
        offset: usize,
        data: Vec<u8>,
    },
    Length {
        file: u64,
        length: usize,
    },
    Sync {
        file: u64,
    },
    SyncFolder {
        folder: u64,
    },
}

#[derive(Debug, Clone)]
struct Change {
    folder: u64,
    name: String,
    file: u64,
    is_folder: bool,
    is_gone: bool,
}

/// A write or a new length that no sync has followed yet.
#[derive(Debug)]
enum Pending {
    Write(usize, Vec<u8>),
    Length(usize),
}

/// A disk that has taken records up to the cut.
#[derive(Debug, Default)]
pub struct Disk {
    synced: BTreeMap<u64, Vec<u8>>,
    pending: BTreeMap<u64, Vec<Pending>>,
    /// By folder and name: the file, and whether it is a folder.
    names: BTreeMap<(u64, String), (u64, bool)>,
    changes: Vec<Vec<Change>>,
    /// How many names a file has.
    links: BTreeMap<u64, usize>,
}

impl Disk {
    /// The disk of the records in a file.
    pub fn recorded(log: &Path) -> Self {
        let mut disk = Self::default();
        events(&fs::read(log).unwrap()).into_iter().for_each(|event| disk.take(event));
        disk
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Names(changes) => {
                changes.iter().for_each(|change| self.count(change));
                self.changes.push(changes);
            }
            Event::Write { file, offset, data } => {
                self.pending.entry(file).or_default().push(Pending::Write(offset, data));
            }
            Event::Length { file, length } => {
                self.pending.entry(file).or_default().push(Pending::Length(length));
            }
            Event::Sync { file } => {
                let content = self.synced.entry(file).or_default();
                for pending in self.pending.remove(&file).unwrap_or_default() {
                    match pending {
                        Pending::Write(offset, data) => put(content, offset, &data),
                        Pending::Length(length) => content.resize(length, 0),
                    }
                }
            }
            Event::SyncFolder { folder } => {
                // A rename between folders is there with either's sync.
                let (synced, rest) = std::mem::take(&mut self.changes)
                    .into_iter()
                    .partition(|group: &Vec<Change>| group.iter().any(|change| change.folder == folder));
                self.changes = rest;
                synced.iter().flatten().for_each(|change| apply(&mut self.names, change));
            }
        }
    }

    /// A file that had no name is a new one, whatever had its number before.
    fn count(&mut self, change: &Change) {
        let links = self.links.entry(change.file).or_default();
        if change.is_gone {
            *links = links.saturating_sub(1);
        } else {
            if *links == 0 {
                self.synced.remove(&change.file);
                self.pending.remove(&change.file);
            }
            *links += 1;
        }
    }

    /// Writes one of the possible contents into an empty folder.
    pub fn write(mut self, to: &Path, random: &mut ChaCha8Rng) {
        let kept = random.random_range(0..=self.changes.len());
        self.changes[..kept].iter().flatten().for_each(|change| apply(&mut self.names, change));
        for (file, pending) in std::mem::take(&mut self.pending) {
            let content = self.synced.entry(file).or_default();
            for pending in pending {
                match (pending, random.random_range(0..3)) {
                    (_, 0) => {}
                    (Pending::Length(length), _) => content.resize(length, 0),
                    (Pending::Write(offset, data), 1) => put(content, offset, &data),
                    (Pending::Write(offset, data), _) => {
                        let sectors = random.random_range(0..=data.len() / SECTOR);
                        put(content, offset, &data[..sectors * SECTOR]);
                    }
                }
            }
        }
        self.write_folder(TOP, to);
    }

    fn write_folder(&self, folder: u64, to: &Path) {
        for ((_, name), (file, is_folder)) in
            self.names.range((folder, String::new())..).take_while(|((of, _), _)| *of == folder)
        {
            let path = to.join(name);
            if *is_folder {
                fs::create_dir(&path).unwrap();
                self.write_folder(*file, &path);
            } else {
                fs::write(path, self.synced.get(file).map_or(&[][..], Vec::as_slice)).unwrap();
            }
        }
    }
}

fn apply(names: &mut BTreeMap<(u64, String), (u64, bool)>, change: &Change) {
    let key = (change.folder, change.name.clone());
    if !change.is_gone {
        names.insert(key, (change.file, change.is_folder));
    } else if names.get(&key).is_some_and(|(file, _)| *file == change.file) {
        names.remove(&key);
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    content.resize(content.len().max(offset + data.len()), 0);
    content[offset..offset + data.len()].copy_from_slice(data);
}

/// The calls of a log: the folder is listed before and after each.
pub fn calls(log: &Path) -> usize {
    records(&fs::read(log).unwrap()).iter().filter(|record| record.kind == b'G').count() / 2
}

/// A record as `power.c` writes it.
struct Record {
    kind: u8,
    file: u64,
    folder: u64,
    offset: u64,
    name: String,
    data: Vec<u8>,
}

fn records(log: &[u8]) -> Vec<Record> {
    let (mut records, mut at) = (Vec::new(), 0);
    while at < log.len() {
        let word = |i: usize| u64::from_ne_bytes(log[at + 8 * i..at + 8 * i + 8].try_into().unwrap());
        let [kind, file, folder, offset, name, data] = [0, 1, 2, 3, 4, 5].map(word);
        let (name_at, data_at) = (at + 48, at + 48 + name as usize);
        let name = String::from_utf8(log[name_at..data_at].to_vec()).unwrap();
        let data = log[data_at..data_at + data as usize].to_vec();
        at = data_at + data.len();
        records.push(Record { kind: kind as u8, file, folder, offset, name, data });
    }
    records
}

fn events(log: &[u8]) -> Vec<Event> {
    let (mut events, mut names) = (Vec::new(), Vec::new());
    for Record { kind, file, folder, offset, name, data } in records(log) {
        if let b'N' | b'D' = kind {
            names.push(Change { folder, name, file, is_folder: offset == 1, is_gone: kind == b'D' });
            continue;
        }
        if !names.is_empty() {
            events.push(Event::Names(std::mem::take(&mut names)));
        }
        events.push(match kind {
            b'G' => continue,
            b'W' => Event::Write { file, offset: offset as usize, data },
            b'T' => Event::Length { file, length: offset as usize },
            b'S' => Event::Sync { file },
            b'F' => Event::SyncFolder { folder: file },
            other => panic!("a record of kind {other}"),
        });
    }
    if !names.is_empty() {
        events.push(Event::Names(names));
    }
    events
}
