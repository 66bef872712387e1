//! Rollups and sketches equal the direct computation.

use proptest::prelude::*;

use super::rollup::{Rollup, Sketch};
use super::*;

fn told(n: usize, at: Millis, latency: f64) -> Report {
    let mut report = report(&format!("r{n}"), at);
    report.device.platform = Some(["ios", "android"][n % 2].to_owned());
    report.sync.latency_ms = Some(LatencySummary { count: 1, p50: latency, p95: latency, p99: latency });
    report.sync.attempts = Some(AttemptCounts { first_try_ok: 1, ok: 2, total: 3 });
    report
}

#[tokio::test]
async fn rollups_of_many_groups_equal_the_direct_computation() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    let latencies: Vec<f64> = (0..300).map(|n| 10.0 + f64::from(n * 7919 % 1_000)).collect();
    for (n, latency) in latencies.iter().enumerate() {
        let at = NOW.plus(-((n as i64 * 13 * MINUTE_MS) % (20 * HOUR_MS)));
        telemetry.reports_ingest(&client(n as u32 % 9), vec![told(n, at, *latency)], NOW).await.expect("stored");
    }
    let found = telemetry.fleet_trend(TimeRange::Day, NOW).await.expect("read");
    assert_eq!(found.whole.attempts, 900);
    assert_eq!(found.points.iter().map(|point| point.attempts).sum::<i64>(), 900);
    assert!((found.whole.success.expect("attempts") - 100.0 * 2.0 / 3.0).abs() < 1e-9);
    // A summary of one round trip is spread around its median, so the direct computation goes through the same.
    let mut direct = Sketch::default();
    for latency in &latencies {
        direct.summary_add(&LatencySummary { count: 1, p50: *latency, p95: *latency, p99: *latency });
    }
    assert_eq!((found.whole.latency_p95, found.whole.latency_p50), (direct.quantile(0.95), direct.quantile(0.5)));
    let mut sorted = latencies;
    sorted.sort_unstable_by(f64::total_cmp);
    let exact = sorted[284];
    assert!(
        (found.whole.latency_p95.expect("latency") - exact).abs() <= exact * 0.02,
        "{:?} and {exact}",
        found.whole.latency_p95
    );
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_trend_has_one_point_per_step_and_none_where_nothing_was_reported() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    store.telemetry().reports_ingest(&client(1), vec![told(0, NOW, 50.0)], NOW).await.expect("stored");
    for range in TimeRange::ALL {
        let found = store.telemetry().fleet_trend(range, NOW).await.expect("read");
        assert_eq!(found.points.len() as i64, range.span_ms() / range.step_ms(), "{range:?}");
        assert!(found.points.windows(2).all(|pair| pair[1].at.since(pair[0].at) == range.step_ms()));
        let (last, rest) = found.points.split_last().expect("points");
        assert!(last.at <= NOW && NOW.since(last.at) < range.step_ms());
        assert_eq!(last.attempts, 3, "{range:?}");
        assert!(rest.iter().all(|point| point.success.is_none() && point.latency_p95.is_none() && point.queue.is_none()));
        let device = store.telemetry().device_trend(&client(1), range, NOW).await.expect("read");
        assert_eq!(device.points.iter().map(|point| point.attempts).sum::<i64>(), 3, "{range:?}");
    }
    assert!(store.telemetry().device_trend(&client(2), TimeRange::Day, NOW).await.is_err());
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_sample_of_the_fleet_is_what_the_rows_add_up_to() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    for n in 0..10 {
        let mut report = told(n as usize, NOW, 5.0);
        report.offline_resilience.queued_operations_count = Some(i64::from(n));
        telemetry.reports_ingest(&client(n), vec![report], NOW).await.expect("stored");
    }
    telemetry.roll(NOW).await.expect("rolls");
    let hour = telemetry.fleet_trend(TimeRange::Hour, NOW).await.expect("read");
    assert_eq!(hour.points.last().expect("points").queue, Some(45.0));
    let metrics = Metric::ALL.len();
    assert_eq!(metrics, 6);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn old_buckets_and_raw_files_are_forgotten_as_wholes() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = store(dir.path()).await;
    let telemetry = store.telemetry();
    telemetry.reports_ingest(&client(1), vec![told(0, NOW, 5.0)], NOW).await.expect("stored");
    let files = || {
        let names = std::fs::read_dir(dir.path())
            .expect("readable")
            .map(|f| f.expect("an entry").file_name().into_string().expect("text"));
        names.filter(|name| name.starts_with("telemetry-") && name.ends_with(".db")).count()
    };
    assert_eq!(files(), 1);
    let later = NOW.plus(47 * HOUR_MS);
    telemetry.reports_ingest(&client(1), vec![told(1, later, 5.0)], later).await.expect("stored");
    telemetry.roll(later).await.expect("rolls");
    assert_eq!(files(), 2);
    telemetry.roll(NOW.plus(50 * HOUR_MS)).await.expect("rolls");
    assert_eq!(files(), 1);
    let minutes: i64 = sqlx::query_scalar("select count(*) from rollups where step = 1 and bucket < ?1")
        .bind(NOW.plus(47 * HOUR_MS).0 - HOUR_MS)
        .fetch_one(&telemetry.database.readers)
        .await
        .expect("read");
    assert_eq!(minutes, 0);
    let month = telemetry.fleet_trend(TimeRange::Month, NOW.plus(50 * HOUR_MS)).await.expect("read");
    assert_eq!(month.whole.attempts, 6);
    store.close().await.expect("closes");
}

proptest! {
    #[test]
    fn merging_sketches_is_the_same_as_one_sketch_of_all(values in prop::collection::vec(0.0f64..1e6, 1..200), cut in 0usize..200) {
        let cut = cut.min(values.len());
        let (mut a, mut b, mut whole) = (Rollup::default(), Rollup::default(), Rollup::default());
        values[..cut].iter().for_each(|v| a.latency.add(*v));
        values[cut..].iter().for_each(|v| b.latency.add(*v));
        values.iter().for_each(|v| whole.latency.add(*v));
        let stored = Sketch::from_bytes(&b.latency.to_bytes()).expect("what was written");
        a.latency.merge(&stored);
        let mut sorted = values;
        sorted.sort_unstable_by(f64::total_cmp);
        for share in [0.0, 0.5, 0.95, 1.0] {
            let (merged, direct) = (a.latency.quantile(share), whole.latency.quantile(share));
            prop_assert_eq!(merged, direct);
            let exact = sorted[((sorted.len() - 1) as f64 * share) as usize];
            prop_assert!((merged.expect("values") - exact).abs() <= exact * 0.0101 + 1e-3, "{:?} {}", merged, exact);
        }
    }
}
