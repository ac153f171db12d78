//! The worker's side: code that was handed over, and runs of it.

use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;

use cap_std::fs::Dir;
use ringfence_model::{Limits, Manifest};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::instance::Compiled;
use crate::interrupt::{Signal, Word};
use crate::state::RunState;
use crate::ticker::{Pause, Ticker, Ticks};
use crate::wire::{Received, WireError, write_raw};
use crate::{
    Layout, Recall, SandboxConfig, SandboxError, UploadError, engine_config, host, raw, sandbox,
};

/// A number that the server has given to code that it handed over.
pub type Slot = u32;

/// Runs code that another process compiled and authenticated.
pub struct Site {
    engine: Engine,
    linker: Linker<RunState>,
    loaded: HashMap<Slot, Compiled>,
    tenant_data: Option<Arc<Dir>>,
    ticks: Ticks,
    ticker: Option<Ticker>,
    /// Where the server says which runs are to end.
    said: Option<Arc<dyn Word>>,
    received: Option<Received>,
}

impl Site {
    /// Reserves what runs need. Deadlines are kept from [`Site::start`] on.
    ///
    /// # Errors
    /// When the host does not offer what the engine needs.
    pub fn new(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError(format!("{error:#}"));
        let engine = Engine::new(&engine_config(config)).map_err(failed)?;
        let linker = host::linker(&engine).map_err(failed)?;
        Ok(Self {
            engine,
            linker,
            loaded: HashMap::new(),
            tenant_data: config.tenant_data.clone(),
            ticks: Ticks::default(),
            ticker: None,
            said: None,
            received: None,
        })
    }

    /// Starts the thread that keeps deadlines, and looks at what the server
    /// says about runs that are to end. Answers what stops the deadlines' clock
    /// while a run waits for the server, which is not the run's time.
    ///
    /// # Errors
    /// When there is no thread left.
    pub fn start(&mut self, said: Arc<dyn Word>) -> std::io::Result<Pause> {
        let watched = Some(Arc::clone(&said));
        let ticker = Ticker::start(self.engine.clone(), self.ticks.clone(), watched)?;
        let pause = ticker.pause();
        self.said = Some(said);
        self.ticker = Some(ticker);
        Ok(pause)
    }

    /// Maps code that the server handed over.
    ///
    /// # Errors
    /// When there is no room for it, or it is not code of this binary.
    pub fn load(&mut self, slot: Slot, file: &OwnedFd, layout: Layout) -> Result<(), UploadError> {
        let component = map(&self.engine, file).map_err(|error| UploadError::of_load(&error))?;
        // Its weight is kept by the server.
        let compiled = Compiled::link(&self.linker, &component, layout, self.ticks.clone(), 0)?;
        self.loaded.insert(slot, compiled);
        Ok(())
    }

    /// Unmaps it.
    pub fn forget(&mut self, slot: Slot) {
        self.loaded.remove(&slot);
    }

    /// Takes a run that arrived, for [`Site::run`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        match &mut self.received {
            Some(received) => received.read_again(bytes),
            None => Received::read(bytes).map(|received| self.received = Some(received)),
        }
    }

    /// Makes the run that was received, the one at this place of a batch, and
    /// appends what it left to a message. Answers how long it took, in microseconds.
    ///
    /// # Errors
    /// When nothing was received, or not the code for it.
    pub fn run(
        &self,
        slot: Slot,
        (batch, index): (u32, usize),
        recall: &Arc<dyn Recall>,
        out: &mut Vec<u8>,
    ) -> Result<u64, WireError> {
        let received = self
            .received
            .as_ref()
            .ok_or_else(|| WireError::new("no run"))?;
        let compiled = self.compiled(slot)?;
        let said = self.said.as_ref();
        let signal = said.map(|said| Signal::new(Arc::clone(said), batch, index));
        let data = self.tenant_data.as_ref();
        let raw = raw::run(compiled, &received.run(recall), data, signal.as_ref());
        write_raw(raw, out)
    }

    /// Asks code for its manifest.
    ///
    /// # Errors
    /// When the code is not there; within it, what is wrong with the upload.
    pub fn describe(
        &self,
        slot: Slot,
        limits: &Limits,
    ) -> Result<Result<Manifest, UploadError>, WireError> {
        Ok(sandbox::describe(self.compiled(slot)?, limits))
    }

    fn compiled(&self, slot: Slot) -> Result<&Compiled, WireError> {
        let compiled = self.loaded.get(&slot);
        compiled.ok_or_else(|| WireError::new("code that was not handed over"))
    }
}

#[allow(unsafe_code, reason = "see the argument inside")]
fn map(engine: &Engine, file: &OwnedFd) -> wasmtime::Result<Component> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: `deserialize_file` trusts the file to be what wasmtime's
    // compiler wrote, and not to change while it is mapped. A worker gets
    // descriptors over the channel that its server made before it started it,
    // and that nobody else has; the server hands over `Sealed` files only,
    // which are made of artifacts that it compiled or authenticated (see
    // `Artifact::component`), and are sealed against every change before they
    // are handed over. Were the server not honest, it could do as it likes
    // anyway: it started this process.
    unsafe { Component::deserialize_file(engine, path) }
}
