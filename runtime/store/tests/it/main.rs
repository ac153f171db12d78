//! What the SQLite store promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod concurrency;
mod crash;
mod model;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use ringfence_store::conformance::{self, Place};
use ringfence_store::{Sqlite, Store};

/// A temporary folder for one store.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for Folder {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(self.0.path().join("db")).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    conformance::run(Folder::new).await;
}
