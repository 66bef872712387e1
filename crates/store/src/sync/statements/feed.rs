//! The statements of the change feed. Those that give the rows of a page are stepped through one by one, on a connection that hands
//! over places in SQLite's memory (ADR 21); the others give one text, see [`packed`](crate::sync::packed).

statements! {
    /// Rows of one scope.
    FEED_ROWS = r"
        select c.seq, c.op, c.client, c.collection, c.version, c.prev_seq, c.hlc, c.schema_version, c.committed_ms, c.record_id, c.hlc_node,
            c.operation_id, iif(c.op = 5, c.detail, c.changed), c.fields
        from changes c where c.scope = ?1 and c.op <= 5 and c.seq > ?2 and c.seq <= ?3 order by c.seq";
    /// The same, of some collections only (`[id, …]`).
    FEED_ROWS_SOME = r"
        select c.seq, c.op, c.client, c.collection, c.version, c.prev_seq, c.hlc, c.schema_version, c.committed_ms, c.record_id, c.hlc_node,
            c.operation_id, iif(c.op = 5, c.detail, c.changed), c.fields
        from changes c where c.scope = ?1 and c.op <= 5 and c.seq > ?2 and c.seq <= ?3
            and c.collection in (select value from json_each(?4))
        order by c.seq";
    /// What the rows at the positions `[seq, …]` say of vector clocks.
    FEED_VECTORS = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, ifnull(json_extract(c.detail, '$.vector'), '')) as line
            from json_each(?1) j cross join changes c on c.seq = j.value
        )";
    /// The vector clocks of the records whose last change is at the positions `[seq, …]`; of a record that has changed since, what that row says.
    SCAN_VECTORS = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, coalesce(json_extract(r.meta, '$.vector'), json_extract(c.detail, '$.vector'), '')) as line
            from json_each(?1) j cross join changes c on c.seq = j.value
                left join records r on r.collection = c.collection and r.record_id = c.record_id and r.last_seq = c.seq
        )";
    /// The rows of a scope that change no record.
    FEED_CONTROLS = r"
        select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, c.op, c.collection, c.record_id, c.version, c.client, c.operation_id, c.committed_ms, c.detail)
                as line
            from changes c indexed by changes_ctl
            where c.scope = ?1 and c.op > 5 and c.seq > ?2 and c.seq <= ?3 order by c.seq limit ?4
        )";
    /// The lowest of the positions of the n-th rows of the scopes `[id, …]` after another.
    FEED_BOUND = r"
        select min((
            select c.seq from changes c where c.scope = j.value and c.seq > ?2 and c.seq <= ?3 order by c.seq limit 1 offset ?4
        )) from json_each(?1) j";
    /// Whether the scopes `[id, …]` have a row above a position.
    FEED_ABOVE = r"
        select exists (select 1 from json_each(?1) j cross join changes c where c.scope = j.value and c.seq > ?2)";
    /// Records of one scope in the order of their last change.
    SCAN_ROWS = r"
        select c.seq, c.op, c.client, c.collection, c.version, c.prev_seq, c.hlc, c.schema_version, c.committed_ms, c.record_id, c.hlc_node,
            c.operation_id, null, c.fields
        from records r cross join changes c on c.seq = r.last_seq
        where r.scope = ?1 and r.last_seq > ?2 and r.last_seq <= ?3 order by r.last_seq";
    /// The same, of some collections only (`[id, …]`).
    SCAN_ROWS_SOME = r"
        select c.seq, c.op, c.client, c.collection, c.version, c.prev_seq, c.hlc, c.schema_version, c.committed_ms, c.record_id, c.hlc_node,
            c.operation_id, null, c.fields
        from records r cross join changes c on c.seq = r.last_seq
        where r.scope = ?1 and r.last_seq > ?2 and r.last_seq <= ?3 and r.collection in (select value from json_each(?4))
        order by r.last_seq";
    /// The lowest of the positions of the n-th records of the scopes `[id, …]` after another.
    SCAN_BOUND = r"
        select min((
            select r.last_seq from records r where r.scope = j.value and r.last_seq > ?2 and r.last_seq <= ?3
            order by r.last_seq limit 1 offset ?4
        )) from json_each(?1) j";
}
