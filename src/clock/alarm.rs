//! Waking at a moment, to the microsecond. The runtime's timers are good to a millisecond counted from when they were
//! set: what was done before shows in when they wake, which is the one thing that a wait over a fixed step must hide.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Alarms that are set at a time: each is an open file. A step is a few milliseconds, so they come free quickly.
const ALARMS_MAX: usize = 256;
static FREE: Semaphore = Semaphore::const_new(ALARMS_MAX);

/// Waits until an alarm is free. How long that takes must count as time that is waited out: it is taken before the
/// rest of the step is known.
pub(super) async fn free() -> Option<SemaphorePermit<'static>> {
    // Nobody closes it.
    FREE.acquire().await.ok()
}

/// Waits for `rest`.
pub(super) async fn wait(rest: Duration) {
    // Without a timer of the system's, as when no file may be opened any more, the runtime's must do.
    if exactly(rest).await.is_err() {
        tokio::time::sleep(rest).await;
    }
}

#[cfg(target_os = "linux")]
async fn exactly(rest: Duration) -> std::io::Result<()> {
    use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
    use rustix::time::{timerfd_create, timerfd_settime};
    use tokio::net::unix::pipe::Receiver;

    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let once = Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        // All zero would disarm it.
        it_value: Timespec::try_from(rest.max(Duration::from_nanos(1)))
            .map_err(|_| std::io::ErrorKind::InvalidInput)?,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
    // Like the reading end of a pipe it becomes readable, and that is all that is asked of it.
    Receiver::from_owned_fd_unchecked(timer)?.readable().await
}

#[cfg(not(target_os = "linux"))]
async fn exactly(_: Duration) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
