//! What server and worker say to each other. The first byte of a frame tells
//! what it is; what stands on the way of every event is not JSON.

use std::io::{self, ErrorKind};

use ringfence_model::{Json, Limits, Manifest};
use ringfence_sandbox::{Layout, Slot, UploadError};
use serde::{Deserialize, Serialize};

use crate::confine::Layers;

/// The largest message: an event as large as any plan allows, its rule's
/// configuration, and some room.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The largest answer that is not a run's report.
pub(super) const DESCRIBED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// From the server: how to be set up. With it comes the folder of tenants'
/// data, if there is one.
pub(super) const SETUP: u8 = 1;
/// Code. With it comes a descriptor.
pub(super) const LOAD: u8 = 2;
/// Code is not needed any more.
pub(super) const FORGET: u8 = 3;
/// A run: its code, its batch and its place in it, and what it is given.
pub(super) const RUN: u8 = 4;
/// What a run asked for.
pub(super) const VALUE: u8 = 5;
/// Code is to be asked for its manifest.
pub(super) const DESCRIBE: u8 = 6;
/// After the first: with it comes the memory in which stands which runs are to
/// end.
pub(super) const WORD: u8 = 7;

/// From the worker: it is set up.
pub(super) const READY: u8 = 65;
/// A run asks for a remembered value.
pub(super) const ASK: u8 = 66;
/// What a run left.
pub(super) const REPORT: u8 = 67;
/// What code is, or why it is refused.
pub(super) const DESCRIBED: u8 = 68;

/// How a worker is set up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The greatest `Limits::memory_bytes` of any plan.
    pub(super) memory_bytes_max: u64,
    /// Address space beyond what it has once it is set up, in bytes.
    pub(super) headroom_bytes: u64,
    /// Whether growth is rewritten, which code that is loaded depends on.
    pub(super) reserve_growth: bool,
    /// Whether a folder of tenants' data comes with it.
    pub(super) tenant_data: bool,
}

/// That a worker is set up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ready {
    /// What holds it.
    pub(super) layers: Layers,
}

/// Code, whose descriptor comes beside.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Load {
    /// What it is called from now on.
    pub(super) slot: Slot,
    /// What must be known of the code besides.
    pub(super) layout: Layout,
}

/// Code is to be asked for its manifest.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Describe {
    /// Which code.
    pub(super) slot: Slot,
    /// Within which limits.
    pub(super) limits: Limits,
}

/// What code answered.
pub(super) type Described = Result<Manifest, UploadError>;

/// Appends a message in JSON.
pub(super) fn json(kind: u8, value: &impl Serialize) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        out.push(kind);
        serde_json::to_writer(out, value).expect("plain data is written into memory");
    }
}

/// Reads one.
pub(super) fn read_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(bytes)?)
}

/// Appends what a run asked for: a value, nothing, or that it cannot be read.
pub(super) fn write_value(value: Option<Option<&Json>>, out: &mut Vec<u8>) {
    out.push(VALUE);
    match value {
        None => out.push(0),
        Some(None) => out.push(1),
        Some(Some(value)) => {
            out.push(2);
            out.extend_from_slice(value.as_str().as_bytes());
        }
    }
}

/// Reads it; none if it cannot be read.
pub(super) fn read_value(bytes: &[u8]) -> io::Result<Option<Option<Json>>> {
    match bytes.split_first() {
        Some((0, _)) => Ok(None),
        Some((1, _)) => Ok(Some(None)),
        Some((2, text)) => {
            let text = std::str::from_utf8(text).map_err(|_| broken("a value is not text"))?;
            Ok(Some(Some(Json::trusted(text))))
        }
        _ => Err(broken("a value is not understood")),
    }
}

/// Splits a frame into what it is and what it says.
pub(super) fn kind(frame: &[u8]) -> io::Result<(u8, &[u8])> {
    let (&kind, rest) = frame
        .split_first()
        .ok_or_else(|| broken("an empty message"))?;
    Ok((kind, rest))
}

/// Splits a slot off.
pub(super) fn slot(bytes: &[u8]) -> io::Result<(Slot, &[u8])> {
    let (slot, rest) = bytes
        .split_first_chunk()
        .ok_or_else(|| broken("a message is too short"))?;
    Ok((Slot::from_le_bytes(*slot), rest))
}

/// Appends a run's place: its batch, and which of it.
pub(super) fn write_place(batch: u32, index: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&batch.to_le_bytes());
    // Beyond what can be told apart, which is far less.
    out.push(u8::try_from(index).unwrap_or(u8::MAX));
}

/// Splits it off.
pub(super) fn place(bytes: &[u8]) -> io::Result<((u32, usize), &[u8])> {
    let short = || broken("a message is too short");
    let (batch, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let (&index, rest) = rest.split_first().ok_or_else(short)?;
    Ok(((u32::from_le_bytes(*batch), usize::from(index)), rest))
}

/// The other side does not keep to what is said here.
pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
