//! What any implementation of [`Store`] must pass: one function per promise,
//! each on an empty store. They panic where a promise is broken.

mod anomalies;
mod cascades;
mod catalog;
mod commits;
mod events;
mod journal;
mod lineage;
mod make;
mod parked;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{Accepted, Store};

/// Where stores to test come from.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens the store at this place: empty the first time, and later with
    /// what it had. The one opened before is closed or dropped.
    async fn open(&self) -> Arc<dyn Store>;
}

/// Runs all cases, each at a place of its own.
///
/// # Panics
/// If a promise is broken; the message says which.
pub async fn run<P: Place>(make: impl Fn() -> P) {
    catalog::tenants(&make()).await;
    catalog::tokens(&make()).await;
    catalog::versions(&make()).await;
    catalog::version_limits(&make()).await;
    catalog::activations(&make()).await;
    catalog::pauses(&make()).await;
    catalog::rules_in_force(&make()).await;
    lineage::keys_are_numbered_and_the_newest_stays(&make()).await;
    lineage::keys_are_bounded(&make()).await;
    lineage::an_execution_knows_what_led_to_it(&make()).await;
    lineage::events_know_their_place(&make()).await;
    lineage::who_arrives_in_a_cascade_is_told_its_ledger(&make()).await;
    events::duplicates_change_nothing(&make()).await;
    events::a_batch_is_all_or_nothing(&make()).await;
    events::the_feed_is_the_log(&make()).await;
    events::what_waits_can_be_read_in_pages(&make()).await;
    events::tenants_do_not_see_each_other(&make()).await;
    events::a_deleted_tenant_leaves_nothing(&make()).await;
    events::a_closed_store_refuses(&make()).await;
    commits::a_commit_has_all_its_effects(&make()).await;
    commits::a_repetition_changes_nothing(&make()).await;
    commits::decisions_add_up(&make()).await;
    commits::conflicts_are_found(&make()).await;
    commits::remembered_state_is_bounded(&make()).await;
    commits::one_refused_commit_leaves_the_others(&make()).await;
    cascades::follow_ups_wait_or_are_given_up(&make()).await;
    cascades::ledgers_add_up(&make()).await;
    cascades::cascades_are_told_in_order(&make()).await;
    cascades::the_tree_is_told_up_and_down(&make()).await;
    parked::events_sleep_and_wake(&make()).await;
    parked::sleepers_are_given_up(&make()).await;
    parked::sleepers_are_kept(&make()).await;
    journal::executions_are_found(&make()).await;
    journal::dead_letters_are_found(&make()).await;
    journal::the_outbox_is_read_and_emptied(&make()).await;
    journal::pruning_keeps_what_is_young_or_waits(&make()).await;
    anomalies::they_begin_end_and_are_listed(&make()).await;
    anomalies::they_are_bounded_and_pruned(&make()).await;
}

/// What a feed was told.
type Fed = Arc<Mutex<Vec<Accepted>>>;

/// Opens a store with a feed that notes what it is told.
async fn open_with_feed(place: &dyn Place) -> (Arc<dyn Store>, Fed) {
    let store = place.open().await;
    let fed = Fed::default();
    let notes = fed.clone();
    store.attach(Box::new(move |accepted| notes.lock().extend(accepted)));
    (store, fed)
}

/// What a call gave that must not fail.
#[track_caller]
fn ok<T>(result: crate::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("a call failed: {error}"),
    }
}

/// What there must be.
#[track_caller]
fn some<T>(found: Option<T>) -> T {
    match found {
        Some(value) => value,
        None => panic!("something is missing"),
    }
}
