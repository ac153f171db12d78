//! One run: a fresh server, calm, the loop, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use ringfence_engine::{Clock, EngineConfig, SystemClock};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

use super::super::DemoArgs;
use super::super::guests::Guests;
use super::super::recorder::Recorder;
use super::super::server::Server;
use super::cast::{self, LOOPING, PAIR};
use super::desk::Desk;
use super::ending;
use super::protection::Protection;
use super::report::{Moments, Run};
use super::watch::Watch;
use super::{RATE, SECONDS, memory, people, say};

/// How much more the tenant has to do that will loop.
const BUSY: u64 = 3;
/// How long its people work on after the onset.
const LINGER: Duration = Duration::from_secs(1);
/// How long it is waited for calm, at most, in seconds.
const BOUND_S: u64 = 5;

/// All that works beside the server.
struct Workers {
    desks: Vec<Arc<Desk>>,
    tasks: JoinSet<Result<()>>,
    /// Ends the calm tenants' people, and those of the one that will loop.
    calm_stop: Arc<AtomicBool>,
    looping_stop: Arc<AtomicBool>,
}

/// Lets it happen once.
pub(super) async fn run(args: &DemoArgs, protection: Protection, guests: &Guests) -> Result<Run> {
    say(format_args!(
        "protection {protection}: {}",
        protection.meaning()
    ));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let names = cast::names(args.tenants);
    let (before_s, during_s) = args.phases(SECONDS);
    let recorder = Arc::new(Recorder::new(names.iter().map(String::as_str))?);
    let settings = settings(protection);
    let server = Server::start(
        guests,
        clock.clone(),
        recorder.clone(),
        args.run_in,
        settings,
    )
    .await?;
    let server = Arc::new(server);
    let members = cast::sign_up(server.operator(), &names, guests, protection).await?;
    say(format_args!("  {} tenants have signed up", members.len()));

    let looping = members.first().context("nobody has signed up")?.clone();
    let desks = members.iter().zip(0..).map(|(member, number)| {
        let seed = args.seed.wrapping_add(number);
        let lineage = protection.passes_lineage();
        Arc::new(Desk::new(member.clone(), seed, lineage, clock.clone()))
    });
    let desks: Vec<_> = desks.collect();
    warm_up(&desks).await?;
    let mut workers = Workers::start(desks, args.rate.unwrap_or(RATE));
    let mut watch = Watch::new(
        server.clone(),
        recorder.clone(),
        clock.clone(),
        workers.desks.clone(),
        looping.clone(),
    );
    let moments = play(&mut watch, &mut workers, before_s, during_s, &clock).await?;

    let is_calm = watch.seen.calm_us.is_some();
    workers.finish(&looping.api, is_calm).await?;
    ending::settle(&workers.desks).await?;
    let memory_after = memory::resident_bytes()?;
    let ending = ending::account(&workers.desks, moments.onset_us).await?;
    let seen = std::mem::take(&mut watch.seen);
    drop(watch);
    let server = Arc::into_inner(server).context("the server is still in use")?;
    server.stop().await?;
    Ok(Run::new(
        protection,
        moments,
        seen,
        memory_after,
        &recorder,
        &names,
        ending,
    ))
}

fn settings(protection: Protection) -> impl FnOnce(&mut EngineConfig) {
    move |engine| {
        if !protection.quarantines() {
            engine.quarantine.runs = None;
        }
    }
}

/// A server that has just been started fills its caches, with a loop and
/// without. So they are filled before.
async fn warm_up(desks: &[Arc<Desk>]) -> Result<()> {
    say("  its caches are filled with records of the past");
    // One after the other: what is held for all at once would be memory that
    // the loop can use unseen.
    for desk in desks {
        desk.import().await?;
    }
    ending::settle(desks).await
}

/// Calm, the onset, and then until it is calm again or a bound.
async fn play(
    watch: &mut Watch,
    workers: &mut Workers,
    before_s: u64,
    during_s: u64,
    clock: &Arc<dyn Clock>,
) -> Result<Moments> {
    let start_us = clock.now_us();
    let until = Instant::now() + Duration::from_secs(before_s);
    while Instant::now() < until {
        watch.look().await?;
        workers.check()?;
    }
    let onset_us = watch.onset()?;
    let onset = Instant::now();
    let looping = workers
        .desks
        .first()
        .context("nobody is there")?
        .member
        .clone();
    looping.activate_pair().await?;
    say(format_args!(
        "  {LOOPING} has activated {}: the loop begins",
        PAIR.join(" and ")
    ));
    let (least, bound) = (
        Duration::from_secs(during_s),
        Duration::from_secs(during_s + BOUND_S),
    );
    while onset.elapsed() < least || (watch.seen.calm_us.is_none() && onset.elapsed() < bound) {
        watch.look().await?;
        workers.check()?;
        if onset.elapsed() >= LINGER {
            workers.looping_stop.store(true, Ordering::Relaxed);
        }
    }
    Ok(Moments {
        before_s,
        start_us,
        onset_us,
        end_us: clock.now_us(),
    })
}

impl Workers {
    fn start(desks: Vec<Arc<Desk>>, rate: u64) -> Self {
        let mut tasks = JoinSet::new();
        let (calm_stop, looping_stop) = (Arc::default(), Arc::default());
        for desk in &desks {
            let (rate, stop) = if desk.member.loops() {
                (rate * BUSY, &looping_stop)
            } else {
                (rate, &calm_stop)
            };
            tasks.spawn(desk.clone().work());
            tasks.spawn(people::edit(desk.clone(), rate, Arc::clone(stop)));
        }
        Self {
            desks,
            tasks,
            calm_stop,
            looping_stop,
        }
    }

    /// Whether none of them has failed.
    fn check(&mut self) -> Result<()> {
        while let Some(ended) = self.tasks.try_join_next() {
            ended??;
        }
        Ok(())
    }

    /// People go home; what was begun is finished. A loop that does not end is
    /// ended by hand.
    async fn finish(&mut self, looping: &super::super::api::Api, is_calm: bool) -> Result<()> {
        self.calm_stop.store(true, Ordering::Relaxed);
        self.looping_stop.store(true, Ordering::Relaxed);
        if !is_calm {
            say("  the loop does not end: the operator takes both rules out of force");
            for rule in PAIR {
                looping.deactivate(rule).await?;
            }
        }
        for desk in &self.desks {
            desk.close();
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}
