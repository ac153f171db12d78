use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::sqlite::schema::open_writer;
use crate::sqlite::waiting::EACH_FIRST;

/// As a batch of events or as code this is large.
const LARGE: u64 = 128 * 1024;

fn large() -> Load {
    Load::of_code(LARGE)
}

fn start(path: &Path) -> Writer {
    start_with(path, open_writer(path).unwrap())
}

fn start_with(path: &Path, connection: Connection) -> Writer {
    let file = Arc::new(File::open(path).unwrap());
    Writer::start((path, &file), connection, Arc::default()).unwrap()
}

fn insert(unit: &Unit<'_>, name: &str) -> Work<()> {
    let sql = "INSERT INTO tenants (name, record) VALUES (?, '')";
    unit.connection.execute(sql, [name])?;
    Ok(())
}

/// What was done, one after the other.
type Order = Arc<Mutex<String>>;

/// Work that notes under this name that it was done.
fn note(order: &Order, name: char) -> impl FnMut(&mut Unit<'_>) -> Work<()> + Send + use<> {
    let order = Arc::clone(order);
    move |_| {
        order.lock().push(name);
        Ok(())
    }
}

/// What is large comes one by one, between all that is not.
#[tokio::test]
async fn nobody_waits_for_more_than_one_large_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let writer = start(&path);
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let order = Order::default();
    let note = |name| note(&order, name);
    let (first, ..) = tokio::join!(
        writer.write("waiting", 0, move |_| {
            let _ = gate.recv();
            Ok(())
        }),
        writer.write_load("appending", large(), note('L')),
        writer.write_load("appending", large(), note('L')),
        writer.write_load("appending", Load::of_code(0), note('s')),
        writer.write("committing", LARGE, note('s')),
        async { drop(open) },
    );
    first.unwrap();
    assert_eq!(*order.lock(), "ssLL");
    // It ends although something large waits at the end.
    writer
        .write_load("appending", large(), note('L'))
        .await
        .unwrap();
    writer.close().await;
}

/// After a large request has taken long, others come before the next one.
#[tokio::test]
async fn what_is_large_rests_while_others_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let writer = start(&path);
    let order = Arc::new(Mutex::new(String::new()));
    let note = |name| {
        let order = Arc::clone(&order);
        move |_: &mut Unit<'_>| {
            if name == 'L' {
                std::thread::sleep(Duration::from_millis(500));
            }
            order.lock().push(name);
            Ok(())
        }
    };
    let (begun, begins) = oneshot::channel();
    let mut begun = Some(begun);
    tokio::join!(
        async {
            let first = writer.write_load("appending", large(), move |_| {
                begun.take().map(|begun| begun.send(()));
                std::thread::sleep(Duration::from_millis(500));
                Ok(())
            });
            first.await.unwrap();
        },
        async {
            begins.await.unwrap();
            writer
                .write_load("appending", large(), note('L'))
                .await
                .unwrap();
        },
        async {
            while order.lock().len() < 5 {
                writer.write("committing", 0, note('s')).await.unwrap();
            }
        },
    );
    // The first small one may have come before both.
    assert!(order.lock().starts_with("ssss"), "{}", order.lock());
    assert!(order.lock().contains('L'), "{}", order.lock());
    writer.close().await;
}

#[tokio::test]
async fn what_rests_is_done_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(&folder.path().join("db"));
    let takes_long = |_: &mut Unit<'_>| {
        std::thread::sleep(Duration::from_millis(300));
        Ok(())
    };
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let mut begun = Some(begun);
    let (first, rests, small, ()) = tokio::join!(
        writer.write_load("appending", large(), takes_long),
        writer.write_load("appending", large(), takes_long),
        async {
            // Sent when the first large one is under way.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let small = writer.write("committing", 0, move |_| {
                begun.take().map(|begun| begun.send(()));
                // Its other end is dropped when the end was asked for.
                let _ = gate.recv();
                Ok(())
            });
            small.await
        },
        async {
            begins.await.unwrap();
            tokio::join!(writer.close(), async { drop(open) });
        },
    );
    first.unwrap();
    small.unwrap();
    rests.unwrap();
}

#[tokio::test]
async fn a_request_that_fails_half_way_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let writer = start(&path);
    // The first request holds the writer until the others wait for it.
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (_, first, failing, last, ()) = tokio::join!(
        writer.write("waiting", 0, move |_| {
            // Its other end is dropped when it is time.
            let _ = gate.recv();
            Ok(())
        }),
        writer.write("inserting", 0, |unit| insert(unit, "a")),
        writer.write("failing", 0, |unit| {
            insert(unit, "b")?;
            Err::<(), _>(StoreError::NoTenant.into())
        }),
        writer.write("inserting", 0, |unit| insert(unit, "c")),
        async { drop(open) },
    );
    assert!(matches!(failing, Err(StoreError::NoTenant)), "{failing:?}");
    first.unwrap();
    last.unwrap();
    let names = Connection::open(&path).unwrap().query_row(
        "SELECT group_concat(name) FROM tenants",
        [],
        |row| row.get::<_, String>(0),
    );
    assert_eq!(names.unwrap(), "a,c");
}

/// Sends forty batches of ten events of one tenant, and then one event of
/// another, while the writer is held; answers in which transaction each was
/// done, in that order, and how many there were.
async fn a_flood_and_one(is_closed_at_once: bool) -> (Vec<u32>, u32, u32) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let mut connection = open_writer(&path).unwrap();
    let commits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&commits);
    let count = move || counted.fetch_add(1, Ordering::Relaxed) == u32::MAX;
    connection.commit_hook(Some(count)).unwrap();
    let writer = Arc::new(start_with(&path, connection));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let mut begun = Some(begun);
    let held = writer.write("waiting", 0, move |_| {
        begun.take().map(|begun| begun.send(()));
        // Its other end is dropped when it is time.
        let _ = gate.recv();
        Ok(())
    });
    let send = |tenant: &str, events: usize| {
        let load = Load::of_events(&tenant.parse().unwrap(), events, 300 * events as u64);
        let (writer, commits) = (Arc::clone(&writer), Arc::clone(&commits));
        tokio::spawn(async move {
            let work = move |_: &mut Unit<'_>| Ok(commits.load(Ordering::Relaxed));
            writer.write_load("appending", load, work).await
        })
    };
    let sent = async {
        begins.await.unwrap();
        let flood: Vec<_> = (0..40).map(|_| send("flood", 10)).collect();
        let one = send("calm", 1);
        // All of them are sent before this goes on.
        tokio::task::yield_now().await;
        let close = async {
            if is_closed_at_once {
                writer.close().await;
            }
        };
        tokio::join!(close, async { drop(open) });
        let mut groups = Vec::new();
        for answer in flood {
            groups.push(answer.await.unwrap().unwrap());
        }
        (groups, one.await.unwrap().unwrap())
    };
    let all = async { tokio::join!(held, sent) };
    let all = tokio::time::timeout(Duration::from_secs(60), all);
    let (held, (flood, one)) = all.await.expect("the writer does not stop");
    held.unwrap();
    writer.close().await;
    (flood, one, commits.load(Ordering::Relaxed))
}

/// Who sends one event is in the next transaction, which has few of another's
/// many; those are in the ones after it, although nothing else comes.
#[tokio::test]
async fn who_sends_little_does_not_wait_for_those_who_send_much() {
    let (flood, one, commits) = a_flood_and_one(false).await;
    assert_eq!(one, 1);
    assert!(flood.is_sorted() && flood[39] > one, "{flood:?}");
    for group in 1..commits {
        let batches = flood.iter().filter(|of| **of == group).count();
        let events = 10 * batches + usize::from(group == one);
        assert!(events <= 2 * EACH_FIRST as usize, "{flood:?}");
    }
}

#[tokio::test]
async fn what_waits_for_its_turn_is_done_before_the_end() {
    let (flood, one, commits) = a_flood_and_one(true).await;
    assert_eq!((flood.len(), one), (40, 1));
    // The last of it was not in the transaction that was next when it ended.
    assert!(flood[39] > 1 && flood[39] + 1 == commits, "{flood:?}");
}

/// Others have a part of each transaction, and what costs more than a
/// transaction's part of events has one all the same.
#[tokio::test]
async fn many_events_and_others_share_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let writer = start(&folder.path().join("db"));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let order = Order::default();
    let note = |name| note(&order, name);
    let many = |tenant: &str| Load::of_events(&tenant.parse().unwrap(), 1_000, 0);
    let (first, ..) = tokio::join!(
        writer.write("waiting", 0, move |_| {
            let _ = gate.recv();
            Ok(())
        }),
        writer.write_load("appending", many("a"), note('a')),
        writer.write_load("appending", many("b"), note('b')),
        writer.write("committing", 0, note('c')),
        writer.write("committing", 0, note('c')),
        async { drop(open) },
    );
    first.unwrap();
    assert_eq!(*order.lock(), "accb");
    writer.close().await;
}
