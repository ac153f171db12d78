//! `wasi:io/error` and `wasi:io/streams`. A stream is always ready, and a
//! call takes or gives a bounded number of bytes.

use std::sync::Arc;

use wasmtime::component::{ComponentType, Lower, Resource, WasmList};

use super::filesystem::FILE_BYTES;
use super::folder::{ErrorCode, Open};
use super::interface::{Caller, Interface, charge_list, misuse, wasi};
use super::output::Output;
use super::poll::Pollable;
use crate::fuel::charge_bytes;

/// What one call reads or may write, in bytes; a pipe's usual capacity.
pub(super) const CHUNK_BYTES: u64 = 65_536;

/// What a line for the log costs, in bytes handed over.
const LINE_BYTES: usize = 100;

/// `streams.input-stream`.
pub(super) enum Input {
    /// Ended from the beginning.
    Empty,
    /// A file's, from here on.
    File { file: Arc<Open>, offset: u64 },
}

/// `error.error`: why reading a file failed.
pub(super) struct IoError(pub(super) ErrorCode);

/// `streams.stream-error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
pub(super) enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = wasmtime::Result<(Result<T, StreamError>,)>;

pub(super) fn error(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.resource::<IoError>("error")?;
    interface.func(
        "[method]error.to-debug-string",
        |caller, (error,): (Resource<IoError>,)| {
            Ok((format!("{:?}", wasi(caller).table.get(&error)?.0),))
        },
    )
}

pub(super) fn streams(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.resource::<Input>("input-stream")?;
    for name in ["read", "blocking-read"] {
        interface.func(
            &format!("[method]input-stream.{name}"),
            |caller, (stream, len): (Resource<Input>, u64)| Ok((read(caller, &stream, len)?,)),
        )?;
    }
    for name in ["skip", "blocking-skip"] {
        interface.func(
            &format!("[method]input-stream.{name}"),
            |caller, (stream, len): (Resource<Input>, u64)| {
                let skipped = read(caller, &stream, len)?;
                Ok((skipped.map(|bytes| bytes.len() as u64),))
            },
        )?;
    }
    interface.func(
        "[method]input-stream.subscribe",
        |caller, (_,): (Resource<Input>,)| Ok((wasi(caller).table.push(Pollable::READY)?,)),
    )?;
    output_streams(interface)
}

fn output_streams(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.resource::<Output>("output-stream")?;
    interface.func(
        "[method]output-stream.check-write",
        |_, (_,): (Resource<Output>,)| -> Streamed<u64> { Ok((Ok(CHUNK_BYTES),)) },
    )?;
    for name in ["write", "blocking-write-and-flush"] {
        interface.func(
            &format!("[method]output-stream.{name}"),
            |caller, (stream, bytes): (Resource<Output>, WasmList<u8>)| -> Streamed<()> {
                write(caller, &stream, &bytes)?;
                Ok((Ok(()),))
            },
        )?;
    }
    for name in ["flush", "blocking-flush"] {
        interface.func(
            &format!("[method]output-stream.{name}"),
            |_, (_,): (Resource<Output>,)| -> Streamed<()> { Ok((Ok(()),)) },
        )?;
    }
    interface.func(
        "[method]output-stream.subscribe",
        |caller, (_,): (Resource<Output>,)| Ok((wasi(caller).table.push(Pollable::READY)?,)),
    )?;
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        interface.func(
            &format!("[method]output-stream.{name}"),
            |caller, (stream, len): (Resource<Output>, u64)| -> Streamed<()> {
                let zeroes = vec![0; permitted(len)?];
                print(caller, &stream, &zeroes)?;
                Ok((Ok(()),))
            },
        )?;
    }
    for name in ["splice", "blocking-splice"] {
        interface.func(
            &format!("[method]output-stream.{name}"),
            |caller, (to, from, len): (Resource<Output>, Resource<Input>, u64)| {
                let bytes = read(caller, &from, len)?;
                if let Ok(bytes) = &bytes {
                    print(caller, &to, bytes)?;
                }
                Ok((bytes.map(|bytes| bytes.len() as u64),))
            },
        )?;
    }
    Ok(())
}

/// The next bytes; at a stream's end it is closed.
fn read(
    caller: &mut Caller<'_>,
    stream: &Resource<Input>,
    len: u64,
) -> wasmtime::Result<Result<Vec<u8>, StreamError>> {
    let (file, from) = match wasi(caller).table.get(stream)? {
        Input::Empty => return Ok(Err(StreamError::Closed)),
        Input::File { file, offset } => (Arc::clone(file), *offset),
    };
    if len == 0 {
        return Ok(Ok(Vec::new()));
    }
    charge_bytes(caller, FILE_BYTES)?;
    let bytes = match file.read(from, len.min(CHUNK_BYTES)) {
        Ok(bytes) => bytes,
        Err(refusal) => {
            let error = IoError(refusal.code()?);
            let error = wasi(caller).table.push(error)?;
            return Ok(Err(StreamError::LastOperationFailed(error)));
        }
    };
    if bytes.is_empty() {
        return Ok(Err(StreamError::Closed));
    }
    charge_list(caller, bytes.len())?;
    if let Input::File { offset, .. } = wasi(caller).table.get_mut(stream)? {
        *offset += bytes.len() as u64;
    }
    Ok(Ok(bytes))
}

/// Prints what lies in the guest's memory.
fn write(
    caller: &mut Caller<'_>,
    stream: &Resource<Output>,
    bytes: &WasmList<u8>,
) -> wasmtime::Result<()> {
    permitted(bytes.len() as u64)?;
    let bytes = bytes.as_le_slice(&*caller).to_vec();
    print(caller, stream, &bytes)
}

fn print(caller: &mut Caller<'_>, stream: &Resource<Output>, bytes: &[u8]) -> wasmtime::Result<()> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    charge_bytes(caller, bytes.len() + lines * LINE_BYTES)?;
    let output = *wasi(caller).table.get(stream)?;
    output.write(caller.data_mut(), bytes);
    Ok(())
}

/// A write beyond what `check-write` permits ends the run, as WASI says.
fn permitted(len: u64) -> wasmtime::Result<usize> {
    if len > CHUNK_BYTES {
        return Err(misuse(format!(
            "it wrote {len} bytes at once; `check-write` permits {CHUNK_BYTES}"
        )));
    }
    Ok(len as usize)
}
