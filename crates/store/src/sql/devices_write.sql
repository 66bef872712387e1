insert into devices (
    id, client_id, name, platform, os_key, app_key, app_version, labels, battery, storage, skew_ms, queue_depth, poisoned,
    waiting, oldest_pending_ms, conflicts, behind, error_code, last_contact_ms, interval_ms, condition, contact, drift_since_ms,
    drift_known, drift_cause, due_ms, score, score_connect, score_offline, score_battery, score_user, pull_pos, sort_worst,
    sort_queue, sort_drift, sort_contact, sort_name, sort_score, enrolled_ms)
