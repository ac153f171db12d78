//! `wasi:filesystem`: the tenant's data folder, to be read, as `/data`; or
//! nothing. Nothing can be changed; there are no times.

mod types;

use std::sync::Arc;

use wasmtime::component::{Resource, WasmList, WasmStr};

use self::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, MetadataHash,
    NewTimestamp, OpenFlags, PathFlags,
};
use super::folder::{
    ENTRIES_MAX, Entries, ErrorCode, Identity, Kind, Open, PATH_BYTES_MAX, Refusal,
};
use super::interface::{Caller, Interface, charge_list, wasi};
use super::output::Output;
use super::streams::{CHUNK_BYTES, Input, IoError};
use crate::fuel::charge_bytes;

/// Where rules find the data folder.
const DATA: &str = "/data";

/// What asking the host's filesystem costs, in bytes handed over.
pub(super) const FILE_BYTES: usize = 2_000;
/// What opening something costs besides, and beginning to list a folder.
const OPEN_BYTES: usize = 3_000;
/// What is added for each entry of a folder that is listed.
const ENTRY_BYTES: usize = 500;

/// Files whose identity one run may ask for.
const IDENTITIES_MAX: usize = 4096;

/// `types.descriptor`.
type Descriptor = Arc<Open>;

/// What a function of the interface answers.
type Answered<T> = wasmtime::Result<(Result<T, ErrorCode>,)>;

pub(super) fn preopens(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func("get-directories", |caller, ()| {
        charge_list(caller, 0)?;
        let Some(data) = caller.data().data.clone() else {
            return Ok((Vec::new(),));
        };
        charge_bytes(caller, FILE_BYTES)?;
        let wasi = wasi(caller);
        let mut preopens = Vec::new();
        if let Some(folder) = data.open(&wasi.open)? {
            let descriptor: Descriptor = Arc::new(folder);
            preopens.push((wasi.table.push(descriptor)?, DATA.to_owned()));
        }
        Ok((preopens,))
    })
}

pub(super) fn types(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.resource::<Descriptor>("descriptor")?;
    interface.resource::<Entries>("directory-entry-stream")?;
    interface.func(
        "filesystem-error-code",
        |caller, (error,): (Resource<IoError>,)| Ok((Some(wasi(caller).table.get(&error)?.0),)),
    )?;
    reading(interface)?;
    looking(interface)?;
    paths(interface)?;
    changing(interface)?;
    changing_paths(interface)
}

/// Content.
fn reading(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func(
        "[method]descriptor.read-via-stream",
        |caller, (this, offset): (Resource<Descriptor>, u64)| {
            let file = Arc::clone(wasi(caller).table.get(&this)?);
            if let Err(refusal) = file.file() {
                return Ok((Err(refusal.code()?),));
            }
            let stream = Input::File { file, offset };
            Ok((Ok(wasi(caller).table.push(stream)?),))
        },
    )?;
    interface.func(
        "[method]descriptor.read",
        |caller, (this, len, offset): (Resource<Descriptor>, u64, u64)| {
            let len = len.min(CHUNK_BYTES);
            let read = asked(caller, &this, |open| open.read(offset, len))?;
            let read = read.map(|bytes| {
                let ended = (bytes.len() as u64) < len;
                (bytes, ended)
            });
            if let Ok((bytes, _)) = &read {
                charge_list(caller, bytes.len())?;
            }
            Ok((read,))
        },
    )?;
    interface.func(
        "[method]descriptor.read-directory",
        |caller, (this,): (Resource<Descriptor>,)| {
            let permits = Arc::clone(&wasi(caller).open);
            let listed = asked(caller, &this, |open| open.entries(&permits))?;
            let looked_at = match &listed {
                Ok(entries) => entries.len(),
                Err(ErrorCode::Overflow) => ENTRIES_MAX,
                Err(_) => 0,
            };
            charge_bytes(caller, OPEN_BYTES + looked_at * ENTRY_BYTES)?;
            Ok((match listed {
                Ok(entries) => Ok(wasi(caller).table.push(entries)?),
                Err(code) => Err(code),
            },))
        },
    )?;
    interface.func(
        "[method]directory-entry-stream.read-directory-entry",
        |caller, (this,): (Resource<Entries>,)| -> Answered<Option<DirectoryEntry>> {
            let entry = match wasi(caller).table.get_mut(&this)?.next() {
                None => return Ok((Ok(None),)),
                Some(Err(code)) => return Ok((Err(code),)),
                Some(Ok((kind, name))) => DirectoryEntry::new(kind, name),
            };
            charge_list(caller, entry.name.len())?;
            Ok((Ok(Some(entry)),))
        },
    )
}

/// What an open descriptor is.
fn looking(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func(
        "[method]descriptor.get-flags",
        |_, (_,): (Resource<Descriptor>,)| -> Answered<DescriptorFlags> {
            Ok((Ok(DescriptorFlags::READ),))
        },
    )?;
    interface.func(
        "[method]descriptor.get-type",
        |caller, (this,): (Resource<Descriptor>,)| -> Answered<DescriptorType> {
            let kind = wasi(caller).table.get(&this)?.kind();
            Ok((Ok(kind.into()),))
        },
    )?;
    interface.func(
        "[method]descriptor.stat",
        |caller, (this,): (Resource<Descriptor>,)| {
            let stat = asked(caller, &this, Open::stat)?;
            Ok((stat.map(DescriptorStat::from),))
        },
    )?;
    interface.func(
        "[method]descriptor.metadata-hash",
        |caller, (this,): (Resource<Descriptor>,)| -> Answered<MetadataHash> {
            let stat = asked(caller, &this, Open::stat)?;
            Ok((stat.and_then(|stat| identify(caller, stat.identity)),))
        },
    )?;
    interface.func(
        "[method]descriptor.is-same-object",
        |caller, (this, other): (Resource<Descriptor>, Resource<Descriptor>)| {
            let this = asked(caller, &this, Open::stat)?;
            let other = asked(caller, &other, Open::stat)?;
            let same = matches!((this, other), (Ok(a), Ok(b)) if a.identity == b.identity);
            Ok((same,))
        },
    )?;
    interface.func(
        "[method]descriptor.advise",
        |_, _: (Resource<Descriptor>, u64, u64, Advice)| -> Answered<()> { Ok((Ok(()),)) },
    )?;
    // There is nothing to write back.
    for name in ["sync", "sync-data"] {
        interface.func(
            &format!("[method]descriptor.{name}"),
            |_, (_,): (Resource<Descriptor>,)| -> Answered<()> { Ok((Ok(()),)) },
        )?;
    }
    Ok(())
}

/// What is at a path.
fn paths(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func(
        "[method]descriptor.stat-at",
        |caller, (this, flags, path): (Resource<Descriptor>, PathFlags, WasmStr)| {
            let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
            let stat = asked_at(caller, &this, &path, |open, path| {
                open.stat_at(path, follow)
            })?;
            Ok((stat.map(DescriptorStat::from),))
        },
    )?;
    interface.func(
        "[method]descriptor.metadata-hash-at",
        |caller, (this, flags, path): (Resource<Descriptor>, PathFlags, WasmStr)| {
            let follow = flags.contains(PathFlags::SYMLINK_FOLLOW);
            let stat = asked_at(caller, &this, &path, |open, path| {
                open.stat_at(path, follow)
            })?;
            Ok((stat.and_then(|stat| identify(caller, stat.identity)),))
        },
    )?;
    interface.func(
        "[method]descriptor.readlink-at",
        |caller, (this, path): (Resource<Descriptor>, WasmStr)| {
            let target = asked_at(caller, &this, &path, Open::read_link)?;
            if let Ok(target) = &target {
                charge_list(caller, target.len())?;
            }
            Ok((target,))
        },
    )?;
    interface.func("[method]descriptor.open-at", open_at)
}

type OpenAt = (
    Resource<Descriptor>,
    PathFlags,
    WasmStr,
    OpenFlags,
    DescriptorFlags,
);

fn open_at(
    caller: &mut Caller<'_>,
    (this, path_flags, path, open_flags, flags): OpenAt,
) -> Answered<Resource<Descriptor>> {
    let creates = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
    let writes = DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY;
    if open_flags.intersects(creates) || flags.intersects(writes) {
        return Ok((Err(ErrorCode::ReadOnly),));
    }
    let follow = path_flags.contains(PathFlags::SYMLINK_FOLLOW);
    charge_bytes(caller, OPEN_BYTES)?;
    let permits = Arc::clone(&wasi(caller).open);
    let opened = asked_at(caller, &this, &path, |open, path| {
        let opened = open.open(path, follow, &permits)?;
        if open_flags.contains(OpenFlags::DIRECTORY) && opened.kind() == Kind::File {
            return Err(ErrorCode::NotDirectory.into());
        }
        Ok(Arc::new(opened))
    })?;
    Ok((match opened {
        Ok(opened) => Ok(wasi(caller).table.push(opened)?),
        Err(code) => Err(code),
    },))
}

/// What would change a file, and is refused whatever it is asked of.
fn changing(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func(
        "[method]descriptor.write-via-stream",
        |_, _: (Resource<Descriptor>, u64)| -> Answered<Resource<Output>> { read_only() },
    )?;
    interface.func(
        "[method]descriptor.append-via-stream",
        |_, _: (Resource<Descriptor>,)| -> Answered<Resource<Output>> { read_only() },
    )?;
    interface.func(
        "[method]descriptor.set-size",
        |_, _: (Resource<Descriptor>, u64)| read_only::<()>(),
    )?;
    interface.func(
        "[method]descriptor.set-times",
        |_, _: (Resource<Descriptor>, NewTimestamp, NewTimestamp)| read_only::<()>(),
    )?;
    interface.func(
        "[method]descriptor.write",
        |_, _: (Resource<Descriptor>, WasmList<u8>, u64)| read_only::<u64>(),
    )
}

/// The same, of paths.
fn changing_paths(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    for name in [
        "create-directory-at",
        "remove-directory-at",
        "unlink-file-at",
    ] {
        interface.func(
            &format!("[method]descriptor.{name}"),
            |_, _: (Resource<Descriptor>, WasmStr)| read_only::<()>(),
        )?;
    }
    interface.func(
        "[method]descriptor.symlink-at",
        |_, _: (Resource<Descriptor>, WasmStr, WasmStr)| read_only::<()>(),
    )?;
    interface.func(
        "[method]descriptor.rename-at",
        |_, _: (Resource<Descriptor>, WasmStr, Resource<Descriptor>, WasmStr)| read_only::<()>(),
    )?;
    type LinkAt = (
        Resource<Descriptor>,
        PathFlags,
        WasmStr,
        Resource<Descriptor>,
        WasmStr,
    );
    interface.func("[method]descriptor.link-at", |_, _: LinkAt| {
        read_only::<()>()
    })?;
    type SetTimesAt = (
        Resource<Descriptor>,
        PathFlags,
        WasmStr,
        NewTimestamp,
        NewTimestamp,
    );
    interface.func("[method]descriptor.set-times-at", |_, _: SetTimesAt| {
        read_only::<()>()
    })
}

fn read_only<T>() -> Answered<T> {
    Ok((Err(ErrorCode::ReadOnly),))
}

/// Asks the host's filesystem something about an open descriptor.
fn asked<T>(
    caller: &mut Caller<'_>,
    descriptor: &Resource<Descriptor>,
    question: impl FnOnce(&Open) -> Result<T, Refusal>,
) -> wasmtime::Result<Result<T, ErrorCode>> {
    charge_bytes(caller, FILE_BYTES)?;
    let open = Arc::clone(wasi(caller).table.get(descriptor)?);
    match question(&open) {
        Ok(answer) => Ok(Ok(answer)),
        Err(refusal) => refusal.code().map(Err),
    }
}

/// The same about a path beneath it.
fn asked_at<T>(
    caller: &mut Caller<'_>,
    descriptor: &Resource<Descriptor>,
    path: &WasmStr,
    question: impl FnOnce(&Open, &str) -> Result<T, Refusal>,
) -> wasmtime::Result<Result<T, ErrorCode>> {
    let text = path.to_str(&*caller)?;
    if text.len() > PATH_BYTES_MAX {
        return Ok(Err(ErrorCode::NameTooLong));
    }
    let path = text.into_owned();
    charge_bytes(caller, path.len())?;
    asked(caller, descriptor, |open| question(open, &path))
}

/// Numbers what a run asks about in the order in which it asks: who knows
/// the numbers can tell things apart, and learns nothing about the host.
fn identify(caller: &mut Caller<'_>, identity: Identity) -> Result<MetadataHash, ErrorCode> {
    let identities = &mut wasi(caller).identities;
    let next = identities.len() as u64 + 1;
    if let Some(number) = identities.get(&identity) {
        return Ok(MetadataHash::new(*number));
    }
    if identities.len() == IDENTITIES_MAX {
        return Err(ErrorCode::InsufficientMemory);
    }
    identities.insert(identity, next);
    Ok(MetadataHash::new(next))
}
