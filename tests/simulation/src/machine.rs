//! The clock and the randomness of the simulated machine, in place of the real ones.
//!
//! Production code asks the C library for the time and for random bytes, as do the standard library (`Instant`,
//! `SystemTime`, the keys of a `HashMap`), tokio, `uuid` and `rand`. The two functions here take the place of the C
//! library's in every program that links this crate, and answer for the simulation on its own thread; on all others
//! they ask the kernel. So no code has to be told that it is simulated.
#![expect(unsafe_code, reason = "functions of the C library are replaced")]

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::random::Random;

/// The monotonic clock at the beginning of a simulation.
const MONOTONIC_BEGIN: Duration = Duration::from_secs(1_000_000);
/// The wall clock at the beginning of a simulation: 2026-02-02T02:40:00Z.
const WALL_BEGIN: Duration = Duration::from_secs(1_770_000_000);

thread_local! {
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    static RANDOM: Cell<Random> = const { Cell::new(Random::of(0)) };
    /// Since the beginning; what counts while no runtime is entered.
    static TIME: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    /// How far the wall clock of the machine whose code runs is ahead.
    static SKEW_MS: Cell<i64> = const { Cell::new(0) };
    /// Set while a runtime is entered, whose clock counts, and not at the moment asked for it.
    static ASKS_RUNTIME: Cell<bool> = const { Cell::new(false) };
}

/// From here on this thread lives in the simulation. It never leaves it.
pub(crate) fn simulate(seed: u64) {
    RANDOM.set(Random::of(seed));
    IS_SIMULATED.set(true);
}

/// The beginning of the simulation by the monotonic clock.
pub(crate) fn beginning() -> Instant {
    let now = TIME.replace(Duration::ZERO);
    let beginning = Instant::now();
    TIME.set(now);
    beginning
}

/// Runs code of one machine: `time` since the beginning, and its wall clock ahead by `skew_ms`. The clock of a runtime
/// that is entered meanwhile counts instead of `time`.
pub(crate) fn on<T>(
    time: Duration,
    skew_ms: i64,
    has_runtime: bool,
    work: impl FnOnce() -> T,
) -> T {
    TIME.set(time);
    SKEW_MS.set(skew_ms);
    ASKS_RUNTIME.set(has_runtime);
    let done = work();
    ASKS_RUNTIME.set(false);
    SKEW_MS.set(0);
    done
}

fn monotonic() -> Duration {
    if !ASKS_RUNTIME.replace(false) {
        return MONOTONIC_BEGIN + TIME.get();
    }
    // The runtime's clock stands still, so it does not ask us in turn; if it ever did, it would get `TIME`.
    let now = tokio::time::Instant::now().into_std();
    let time = now.saturating_duration_since(beginning());
    ASKS_RUNTIME.set(true);
    MONOTONIC_BEGIN + time
}

fn wall() -> Duration {
    let time = WALL_BEGIN + (monotonic() - MONOTONIC_BEGIN);
    let skew = Duration::from_millis(SKEW_MS.get().unsigned_abs());
    if SKEW_MS.get() < 0 { time - skew } else { time + skew }
}

/// The time of a clock, in place of the C library's.
///
/// # Safety
/// `time` points to a `timespec`, as for the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(
    clock: libc::clockid_t,
    time: *mut libc::timespec,
) -> libc::c_int {
    let is_simulated = IS_SIMULATED.try_with(Cell::get).unwrap_or(false);
    let simulated = match clock {
        _ if !is_simulated => None,
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => Some(wall()),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_BOOTTIME => Some(monotonic()),
        _ => None,
    };
    let Some(now) = simulated else {
        // SAFETY: the caller's promise about `time` is the kernel's condition too.
        let done = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return if done == 0 { 0 } else { -1 };
    };
    let tv_sec = libc::time_t::try_from(now.as_secs()).unwrap_or(libc::time_t::MAX);
    // SAFETY: the caller promises that `time` points to a `timespec`.
    unsafe {
        *time =
            libc::timespec { tv_sec, tv_nsec: libc::c_long::from(now.subsec_nanos().cast_signed()) }
    };
    0
}

/// Random bytes, in place of the C library's.
///
/// # Safety
/// `buffer` points to `length` bytes, as for the C library's.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(
    buffer: *mut libc::c_void,
    length: libc::size_t,
    flags: libc::c_uint,
) -> libc::ssize_t {
    if !IS_SIMULATED.try_with(Cell::get).unwrap_or(false) {
        // SAFETY: the caller's promise about `buffer` is the kernel's condition too.
        let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
        return libc::ssize_t::try_from(got).unwrap_or(-1);
    }
    // SAFETY: the caller promises that `buffer` points to `length` bytes that may be written; a byte may have any value.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    let mut random = RANDOM.get();
    for byte in bytes {
        *byte = random.next().to_le_bytes()[0];
    }
    RANDOM.set(random);
    libc::ssize_t::try_from(length).unwrap_or(libc::ssize_t::MAX)
}
