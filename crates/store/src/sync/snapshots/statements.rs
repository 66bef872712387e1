//! Statements of prebuilt snapshots.

use crate::sync::statements::statements;

statements! {
    SNAPSHOT_LIST = "select id, epoch, scope, collections, at_seq, steps_rev, rows, bytes, sha256, created_ms from snapshots";
    SNAPSHOT_PART_LIST = "select snapshot, n, rows, bytes, raw_bytes, sha256 from snapshot_parts order by snapshot, n";
    SNAPSHOT_ADD = r"
        insert into snapshots (id, epoch, scope, collections, at_seq, rows, bytes, sha256, created_ms, steps_rev)
        values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict (id) do nothing";
    /// `[[rows, bytes, raw_bytes, sha256 in hex], …]`, in order.
    SNAPSHOT_PARTS_ADD = r"
        insert into snapshot_parts (snapshot, n, rows, bytes, raw_bytes, sha256)
        select ?1, j.key + 1, j.value ->> 0, j.value ->> 1, j.value ->> 2, unhex(j.value ->> 3) from json_each(?2) j where true
        on conflict (snapshot, n) do nothing";
    /// `[id, …]`.
    SNAPSHOT_DROP = "delete from snapshots where id in (select value from json_each(?1))";
    SNAPSHOT_PARTS_DROP = "delete from snapshot_parts where snapshot in (select value from json_each(?1))";
    /// The position that a read transaction sees; what begins it.
    SNAPSHOT_HEAD = "select max(seq) from changes";
}
