//! Tokio as a [`Runtime`].

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::Arc;

use pin_project_lite::pin_project;
use sweet_async_api::{LocalSpawn, Moment, Refused, Root, Runtime};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet, try_id};

use crate::clock;

/// The Tokio runtime that is current, or a chosen one.
#[derive(Clone, Debug, Default)]
pub struct Tokio {
    chosen: Option<Arc<Chosen>>,
}

#[derive(Debug)]
struct Chosen {
    handle: Handle,
    root: Root,
}

/// The tasks that run on whatever runtime is current.
static CURRENT: Root = Root::new();

impl Tokio {
    /// The runtime that is current where a task is started.
    #[must_use]
    pub const fn current() -> Self {
        Self { chosen: None }
    }

    /// The runtime behind `handle`, from wherever a task is started. Its tasks are counted apart from all others.
    #[must_use]
    pub fn on(handle: Handle) -> Self {
        Self {
            chosen: Some(Arc::new(Chosen {
                handle,
                root: Root::new(),
            })),
        }
    }
}

impl Runtime for Tokio {
    type Sleep = Sleep;
    type Spawned = JoinHandle<()>;

    #[inline]
    fn root(&self) -> &Root {
        self.chosen.as_ref().map_or(&CURRENT, |chosen| &chosen.root)
    }

    #[inline]
    fn now(&self) -> Moment {
        clock::now()
    }

    fn sleep_until(&self, at: Moment) -> Sleep {
        Sleep {
            timer: tokio::time::sleep_until(clock::instant(at)),
        }
    }

    #[inline]
    fn spawn<F>(&self, future: F) -> Result<JoinHandle<()>, Refused<F>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Inside a task a runtime is current for certain, and `tokio::spawn` finds it without cloning its handle.
        Ok(match &self.chosen {
            Some(chosen) => chosen.handle.spawn(future),
            None if try_id().is_some() => tokio::spawn(future),
            None => match Handle::try_current() {
                Ok(handle) => handle.spawn(future),
                Err(_) => return Err(Refused(future)),
            },
        })
    }

    fn spawn_blocking<F>(&self, work: F) -> Result<(), Refused<F>>
    where
        F: FnOnce() + Send + 'static,
    {
        let handle = match &self.chosen {
            Some(chosen) => Ok(chosen.handle.clone()),
            None => Handle::try_current(),
        };
        match handle {
            Ok(handle) => {
                let _detached = handle.spawn_blocking(work);
                Ok(())
            }
            Err(_) => Err(Refused(work)),
        }
    }
}

impl LocalSpawn<Tokio> for LocalSet {
    fn spawn_local<F>(&self, future: F) -> Result<JoinHandle<()>, Refused<F>>
    where
        F: Future<Output = ()> + 'static,
    {
        Ok(Self::spawn_local(self, future))
    }
}

pin_project! {
    /// A timer of Tokio.
    #[derive(Debug)]
    pub struct Sleep {
        #[pin]
        timer: tokio::time::Sleep,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().timer.poll(cx)
    }
}

impl sweet_async_api::Sleep for Sleep {
    fn reset(self: Pin<&mut Self>, at: Moment) {
        self.project().timer.reset(clock::instant(at));
    }
}
