//! Compiling an upload in a child.
//!
//! The compiler's maintainers do not promise that a hostile module compiles
//! quickly or in little memory, so the child has limits on CPU time, address
//! space and wall-clock time, and its end is the upload's alone.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::time::Duration;

use ringfence_model::Limits;
use ringfence_sandbox::{Built, CompileHere, Compiler, SandboxConfig, UploadError};
use serde::{Deserialize, Serialize};

use crate::child::{Child, ChildKind, Death, Program, own_channel};
use crate::confine::{self, Bounds, Layers, STATUS};
use crate::timer::Timer;

/// The largest compiled artifact, in bytes.
const CODE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The largest upload that any plan may allow, in bytes, and some room.
const UPLOAD_BYTES_MAX: usize = 33 * 1024 * 1024;

/// Wall-clock time beyond the limit on compiling, for starting the child and
/// handing the results over.
const GRACE: Duration = Duration::from_secs(2);

/// A component that holds nothing.
const NOTHING: &[u8] = b"\0asm\x0d\0\x01\0";

/// Compiles each upload in a child of its own.
#[derive(Debug, Clone)]
pub struct ChildCompiler {
    program: Program,
}

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    compile_ms: u64,
    compile_memory_bytes: u64,
}

/// Followed by the code, if it went well.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    result: Result<Built, UploadError>,
    layers: Layers,
    /// The most memory that the child held, in bytes; none if the kernel does
    /// not tell.
    peak_bytes: Option<u64>,
}

impl ChildCompiler {
    /// With this program as the child.
    pub fn new(program: Program) -> Self {
        Self { program }
    }

    /// As [`Compiler::build`], and the most memory that the child held, in
    /// bytes, where it lived to tell.
    ///
    /// # Errors
    /// As [`Compiler::build`].
    pub fn build_measured(
        &self,
        upload: &[u8],
        limits: &Limits,
    ) -> (Result<Built, UploadError>, Option<u64>) {
        let failed = |error: io::Error| UploadError::Unavailable(error.to_string());
        let child = Child::start(&self.program, ChildKind::Compile, CODE_BYTES_MAX);
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return (Err(failed(error)), None),
        };
        child.give_way();
        match Self::ask(&mut child, upload, limits) {
            Ok(Some(answered)) => (answered.result, answered.peak_bytes),
            Err(error) if is_timeout(&error) => (Err(too_slow(limits)), None),
            // The channel ended or broke: how the child did tells why.
            Ok(None) | Err(_) => {
                let error = match child.wait() {
                    Ok(death) => blame(&death, limits),
                    Err(error) => failed(error),
                };
                (Err(error), None)
            }
        }
    }

    /// What holds a child on this host. Starts one, so it also tells whether
    /// uploads can be compiled at all. Blocks for some milliseconds.
    ///
    /// # Errors
    /// When a child cannot be run or cannot confine itself.
    pub fn layers(&self) -> io::Result<Layers> {
        let mut child = Child::start(&self.program, ChildKind::Compile, CODE_BYTES_MAX)?;
        if let Ok(Some(answered)) = Self::ask(&mut child, NOTHING, &Limits::default()) {
            return Ok(answered.layers);
        }
        Err(io::Error::other(child.wait()?.to_string()))
    }

    /// Talks to a child until the answer is there.
    fn ask(child: &mut Child, upload: &[u8], limits: &Limits) -> io::Result<Option<Answer>> {
        let timer = Timer::after(Duration::from_millis(limits.compile_ms) + GRACE);
        let channel = &mut child.channel;
        channel.set_timer(timer);
        let request = Request {
            compile_ms: limits.compile_ms,
            compile_memory_bytes: limits.compile_memory_bytes,
        };
        channel.push(|out| json(out, &request))?;
        channel.push(|out| out.extend_from_slice(upload))?;
        channel.flush()?;
        let Some(answer) = channel.next()?.map(<[u8]>::to_vec) else {
            return Ok(None);
        };
        let mut answer: Answer = serde_json::from_slice(&answer)?;
        tracing::debug!(peak_bytes = answer.peak_bytes, layers = %answer.layers, "compiled in a child");
        if let Ok(built) = &mut answer.result {
            let Some(code) = channel.next()?.map(<[u8]>::to_vec) else {
                return Ok(None);
            };
            built.code = code;
        }
        Ok(Some(answer))
    }
}

impl Compiler for ChildCompiler {
    fn build(&self, upload: &[u8], limits: &Limits) -> Result<Built, UploadError> {
        self.build_measured(upload, limits).0
    }
}

fn is_timeout(error: &io::Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("plain data is written into memory");
}

fn too_slow(limits: &Limits) -> UploadError {
    UploadError::CompileLimit {
        limit: limits.compile_ms,
        unit: "milliseconds".into(),
    }
}

fn blame(death: &Death, limits: &Limits) -> UploadError {
    match death.signal() {
        Some(libc::SIGXCPU) => too_slow(limits),
        // Its own bounds end it otherwise: somebody, or a host without memory.
        Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP) => {
            UploadError::Unavailable(
                "its process was killed, by somebody or because the host is short of memory".into(),
            )
        }
        Some(libc::SIGABRT) if death.is_out_of_memory() => too_hungry(limits),
        Some(_) => UploadError::CompileFailed(format!("the compiler ended with {death}")),
        None => UploadError::Unavailable(format!("the compiler ended with {death}")),
    }
}

fn too_hungry(limits: &Limits) -> UploadError {
    UploadError::CompileLimit {
        limit: limits.compile_memory_bytes,
        unit: "bytes of memory".into(),
    }
}

/// The child's side: answers one request and ends.
///
/// # Errors
/// When it cannot confine itself, or the channel breaks.
pub fn compile_main() -> io::Result<()> {
    let mut channel = own_channel(UPLOAD_BYTES_MAX)?;
    let Some(request) = channel.next()? else {
        return Ok(());
    };
    let request: Request = serde_json::from_slice(request)?;
    let compiler = CompileHere::new(&SandboxConfig::to_compile()).map_err(io::Error::other)?;
    let status = File::open(STATUS)?;
    let bounds = Bounds {
        memory_bytes: request.compile_memory_bytes,
        cpu_s: Some(request.compile_ms.div_ceil(1_000)),
    };
    confine::bound(bounds, &status)?;
    let layers = confine::confine()?;
    let Some(upload) = channel.next()? else {
        return Ok(());
    };
    // The limits are on this process, not on the call.
    let result = compiler.build(upload, &Limits::default());
    let mut code = Vec::new();
    let result = result.map(|mut built| {
        code = std::mem::take(&mut built.code);
        built
    });
    let built = result.is_ok();
    let answer = Answer {
        result,
        layers,
        peak_bytes: peak_bytes(status),
    };
    channel.push(|out| json(out, &answer))?;
    if built {
        channel.push(|out| out.extend_from_slice(&code))?;
    }
    channel.flush()
}

/// The most memory that this process held.
fn peak_bytes(mut status: File) -> Option<u64> {
    let mut text = String::new();
    status.rewind().ok()?;
    status.read_to_string(&mut text).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
