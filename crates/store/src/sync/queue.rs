//! The way to the writer: bounded, in three lanes (priorities 1 and 2, 3, 4 and 5) that are drained 8:3:1. Not strict
//! priority, so the low lane never starves; above four fifths only the first lane is admitted.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::{Error, Result};

/// Most jobs that wait.
pub(crate) const JOBS_MAX: usize = 256;
/// Most bytes of bodies that wait.
pub(crate) const BYTES_MAX: usize = 64 * 1024 * 1024;

/// Whose turn it is: eight, three, one in twelve.
const TURNS: [usize; 12] = [0, 0, 0, 1, 0, 0, 2, 0, 1, 0, 0, 1];

/// Something that waits: how heavy it is and in which lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// 0 to 2.
    pub(crate) lane: usize,
    /// Intents in it; at least 1.
    pub(crate) intents: usize,
    /// Bytes of its body.
    pub(crate) bytes: usize,
}

impl Weight {
    /// What staff and the console itself ask for: light, first lane.
    pub(crate) const COMMAND: Self = Self { lane: 0, intents: 1, bytes: 0 };
}

/// Lane of a priority.
pub(crate) const fn lane(priority: u8) -> usize {
    match priority {
        0..=2 => 0,
        3 => 1,
        _ => 2,
    }
}

#[derive(Debug)]
pub(crate) struct Queue<T> {
    lanes: Mutex<Lanes<T>>,
    arrived: Notify,
    /// Smoothed cost of an intent, microseconds: the drain estimate stands on it.
    cost_us: AtomicU64,
}

#[derive(Debug)]
struct Lanes<T> {
    jobs: [VecDeque<(Weight, T)>; 3],
    turn: usize,
    waiting: usize,
    intents: usize,
    bytes: usize,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        let lanes = Lanes { jobs: Default::default(), turn: 0, waiting: 0, intents: 0, bytes: 0, closed: false };
        Self { lanes: Mutex::new(lanes), arrived: Notify::new(), cost_us: AtomicU64::new(100) }
    }

    /// Puts a job into its lane.
    ///
    /// # Errors
    /// Busy when the queue is full, or nearly full and the job is not of the first lane; closed at shutdown.
    pub(crate) fn push(&self, weight: Weight, job: T) -> Result<()> {
        let mut lanes = self.lanes.lock().expect("no holder of this lock panics");
        if lanes.closed {
            return Err(Error::Closed);
        }
        let (jobs, bytes) = (lanes.waiting + 1, lanes.bytes + weight.bytes);
        let full = jobs > JOBS_MAX || bytes > BYTES_MAX;
        let nearly = jobs * 5 > JOBS_MAX * 4 || bytes * 5 > BYTES_MAX * 4;
        if full || nearly && weight.lane > 0 {
            return Err(Error::Busy { retry_after_ms: self.drain_ms(lanes.intents) });
        }
        lanes.waiting = jobs;
        lanes.bytes = bytes;
        lanes.intents += weight.intents;
        lanes.jobs[weight.lane].push_back((weight, job));
        drop(lanes);
        self.arrived.notify_one();
        Ok(())
    }

    /// Waits for jobs and takes up to `intents_max` intents' worth, at least one job. `None` once closed and empty.
    pub(crate) async fn take(&self, intents_max: usize) -> Option<Vec<T>> {
        loop {
            let arrived = self.arrived.notified();
            {
                let mut lanes = self.lanes.lock().expect("no holder of this lock panics");
                let taken = lanes.take(intents_max);
                if !taken.is_empty() {
                    return Some(taken);
                }
                if lanes.closed {
                    return None;
                }
            }
            arrived.await;
        }
    }

    /// Refuses new jobs; what waits is still taken.
    pub(crate) fn close(&self) {
        self.lanes.lock().expect("no holder of this lock panics").closed = true;
        self.arrived.notify_one();
    }

    /// Notes what a group cost.
    pub(crate) fn cost_note(&self, intents: usize, took_us: u64) {
        let each = took_us / intents.max(1) as u64;
        let before = self.cost_us.load(Ordering::Relaxed);
        self.cost_us.store((before * 7 + each) / 8, Ordering::Relaxed);
    }

    fn drain_ms(&self, intents: usize) -> i64 {
        let us = self.cost_us.load(Ordering::Relaxed).saturating_mul(intents as u64);
        i64::try_from(us / 1_000).unwrap_or(i64::MAX).clamp(100, 30_000)
    }
}

impl<T> Lanes<T> {
    fn take(&mut self, intents_max: usize) -> Vec<T> {
        let (mut taken, mut intents) = (Vec::new(), 0);
        while let Some(lane) = self.next_lane() {
            let next = self.jobs[lane].front().map_or(0, |(weight, _)| weight.intents);
            if !taken.is_empty() && intents + next > intents_max {
                break;
            }
            let (weight, job) = self.jobs[lane].pop_front().expect("the lane of the turn holds a job");
            self.turn = (self.turn + 1) % TURNS.len();
            self.waiting -= 1;
            self.bytes -= weight.bytes;
            self.intents -= weight.intents;
            intents += weight.intents;
            taken.push(job);
        }
        taken
    }

    /// The lane whose turn it is; turns of empty lanes pass.
    fn next_lane(&mut self) -> Option<usize> {
        for step in 0..TURNS.len() {
            let turn = (self.turn + step) % TURNS.len();
            if !self.jobs[TURNS[turn]].is_empty() {
                self.turn = turn;
                return Some(TURNS[turn]);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(lane: usize) -> Weight {
        Weight { lane, intents: 1, bytes: 10 }
    }

    #[tokio::test]
    async fn lanes_are_drained_eight_to_three_to_one() {
        let queue = Queue::new();
        for lane in 0..3 {
            for _ in 0..60 {
                queue.push(weight(lane), lane).expect("room");
            }
        }
        let first = queue.take(24).await.expect("jobs");
        let count = |lane| first.iter().filter(|taken| **taken == lane).count();
        assert_eq!([count(0), count(1), count(2)], [16, 6, 2]);
    }

    #[tokio::test]
    async fn the_low_lanes_go_on_however_much_comes_into_the_first() {
        let queue = Queue::new();
        for lane in [1, 2, 1, 2] {
            queue.push(weight(lane), lane).expect("room");
        }
        let (mut taken, mut waits) = (Vec::new(), Vec::new());
        while waits.len() < 4 {
            // The first lane is never empty: before each turn of the writer more has come.
            for _ in 0..3 {
                queue.push(weight(0), 0).expect("room for the first lane");
            }
            for lane in queue.take(1).await.expect("jobs") {
                taken.push(lane);
                if lane > 0 {
                    waits.push(taken.len());
                }
            }
            assert!(taken.len() <= 2 * TURNS.len(), "a low lane starves: {taken:?}");
        }
        assert_eq!(
            waits.iter().filter(|at| **at <= TURNS.len()).count(),
            3,
            "one turn of twelve is the lowest lane's: {taken:?}"
        );
    }

    #[tokio::test]
    async fn an_empty_lane_gives_its_turns_away() {
        let queue = Queue::new();
        for job in 0..5 {
            queue.push(weight(2), job).expect("room");
        }
        assert_eq!(queue.take(100).await, Some(vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn only_the_first_lane_gets_the_last_fifth_of_the_queue() {
        let queue = Queue::new();
        let mut admitted = 0;
        while queue.push(weight(1), ()).is_ok() {
            admitted += 1;
        }
        assert_eq!(admitted, JOBS_MAX * 4 / 5);
        while queue.push(weight(0), ()).is_ok() {
            admitted += 1;
        }
        assert_eq!(admitted, JOBS_MAX);
        assert!(matches!(queue.push(weight(0), ()), Err(Error::Busy { retry_after_ms: 100.. })));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let queue = Queue::new();
        let heavy = Weight { lane: 0, intents: 1, bytes: BYTES_MAX / 2 };
        queue.push(heavy, ()).expect("room");
        queue.push(heavy, ()).expect("room for the second half");
        assert!(matches!(queue.push(Weight { bytes: 1, ..heavy }, ()), Err(Error::Busy { .. })));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_out_what_waits_and_takes_nothing_new() {
        let queue = Queue::new();
        queue.push(weight(0), 1).expect("room");
        queue.close();
        assert!(matches!(queue.push(weight(0), 2), Err(Error::Closed)));
        assert_eq!(queue.take(10).await, Some(vec![1]));
        assert_eq!(queue.take(10).await, None);
    }

    #[tokio::test]
    async fn a_group_stops_before_it_grows_past_its_bound_but_never_stays_empty() {
        let queue = Queue::new();
        let big = Weight { lane: 0, intents: 700, bytes: 1 };
        for job in 0..3 {
            queue.push(big, job).expect("room");
        }
        assert_eq!(queue.take(1_000).await, Some(vec![0]));
        assert_eq!(queue.take(500).await, Some(vec![1]));
    }
}
