//! What those who wait for a row hold; and for `usage.durability = disk` one thread that makes what was appended
//! survive a loss of power, for everyone who waits at once.
//!
//! No worker thread ever waits for a disk: they await a [`Written`].

use super::turn::Turn;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::{Context, Poll, ready};
use std::{io, thread};
use tokio::sync::watch;

/// Resolves once a row is written as safely as the operator chose; until then the last bytes of its
/// answer must not go.
#[must_use = "the last bytes of an answer wait for its row"]
#[derive(Default)]
pub struct Written(Wait);

#[derive(Default)]
enum Wait {
    /// For nothing.
    #[default]
    Done,
    /// For the end of the turn that writes it.
    Turn(Rc<Turn>),
    /// For the disk.
    Disk(Pin<Box<dyn Future<Output = ()>>>),
}

impl Written {
    /// At the end of `turn`.
    pub(super) fn after(turn: Rc<Turn>) -> Written {
        Written(Wait::Turn(turn))
    }

    /// Whether there is nothing to wait for.
    pub fn is_done(&self) -> bool {
        matches!(self.0, Wait::Done)
    }

    /// Waits, within a poll.
    pub fn poll_done(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.0 {
                Wait::Done => return Poll::Ready(()),
                Wait::Turn(turn) => *self = ready!(turn.poll(context)),
                Wait::Disk(waiting) => {
                    ready!(waiting.as_mut().poll(context));
                    self.0 = Wait::Done;
                }
            }
        }
    }
}

impl Future for Written {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_done(context)
    }
}

/// The way to the thread that syncs. It ends when this is dropped.
#[derive(Debug)]
pub struct Syncing {
    wake: SyncSender<()>,
    synced: watch::Sender<u64>,
}

impl Syncing {
    /// Starts the thread; `sync` makes everything appended so far safe and says up to which place in
    /// the order of all appended bytes, or `None` when nobody is left who wants to know.
    pub fn start(sync: impl Fn() -> Option<u64> + Send + 'static) -> io::Result<Syncing> {
        let (wake, woken) = sync_channel(1);
        let synced = watch::Sender::new(0);
        let told = synced.clone();
        let name = "journal-sync".to_owned();
        thread::Builder::new().name(name).spawn(move || serve(&woken, &told, sync))?;
        Ok(Syncing { wake, synced })
    }

    /// What waits until everything up to `place` is safe. Those who come while the disk works are
    /// served together by its next turn.
    pub fn wait(&self, place: u64) -> Written {
        let mut synced = self.synced.subscribe();
        // A full channel holds a wake-up that is still to come.
        let _ = self.wake.try_send(());
        Written(Wait::Disk(Box::pin(async move {
            let _ = synced.wait_for(|reached| *reached >= place).await;
        })))
    }
}

fn serve(woken: &Receiver<()>, synced: &watch::Sender<u64>, sync: impl Fn() -> Option<u64>) {
    while woken.recv().is_ok() {
        let Some(place) = sync() else { return };
        synced.send_replace(place);
    }
}
