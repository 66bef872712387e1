//! The statements of the change feed. Those that read rows give one text a scope, see [`packed`](crate::sync::packed). What is bound in
//! numbers of its own (operation below 2^4, collection below 2^20, device) is one number there: to print and to read a number is most of
//! what a row costs.

statements! {
    /// Rows of one scope, and the position of the last one that was looked at when there may be more. Where so many end is looked up in the
    /// index beforehand: a `limit` of rows would need a query within the query, which copies every row.
    FEED_SCOPE = r"
        with bounds as materialized (select (
            select p.seq from changes p where p.scope = ?1 and p.seq > ?2 and p.seq <= ?3 order by p.seq limit 1 offset ?4
        ) as bound)
        select group_concat(concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc,
            c.hlc_node, c.operation_id, c.schema_version, c.committed_ms, iif(c.op = 5, c.detail, ifnull(c.changed, '')),
            ifnull(c.fields, '')), char(30)), (select bound from bounds)
        from bounds cross join changes c where c.scope = ?1 and c.op <= 5 and c.seq > ?2 and c.seq <= ifnull(bounds.bound, ?3)";
    /// Rows of the scopes `[id, …]`, one text a scope, in the order of the list.
    FEED_SCOPES = r"
        select (select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc, c.hlc_node,
                c.operation_id, c.schema_version, c.committed_ms, iif(c.op = 5, c.detail, ifnull(c.changed, '')), ifnull(c.fields, '')) as line
            from changes c where c.scope = j.value and c.op <= 5 and c.seq > ?2 and c.seq <= ?3 order by c.seq limit ?4
        )) from json_each(?1) j";
    /// The same, of some collections only (`[id, …]`).
    FEED_SCOPES_SOME = r"
        select (select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc, c.hlc_node,
                c.operation_id, c.schema_version, c.committed_ms, iif(c.op = 5, c.detail, ifnull(c.changed, '')), ifnull(c.fields, '')) as line
            from changes c where c.scope = j.value and c.op <= 5 and c.seq > ?2 and c.seq <= ?3
                and c.collection in (select value from json_each(?5))
            order by c.seq limit ?4
        )) from json_each(?1) j";
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
    /// Positions of rows of the scopes `[id, …]`, so many of each, one list a scope.
    FEED_POSITIONS = r"
        select (select group_concat(seq) from (
            select c.seq from changes c where c.scope = j.value and c.seq > ?2 and c.seq <= ?3 order by c.seq limit ?4
        )) from json_each(?1) j";
    /// Records of one scope in the order of their last change, and the position of the last one that was looked at when there may be more.
    SCAN_SCOPE = r"
        with bounds as materialized (select (
            select p.last_seq from records p where p.scope = ?1 and p.last_seq > ?2 and p.last_seq <= ?3
            order by p.last_seq limit 1 offset ?4
        ) as bound)
        select group_concat(concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc,
            c.hlc_node, c.operation_id, c.schema_version, c.committed_ms, '', ifnull(c.fields, '')), char(30)),
            (select bound from bounds)
        from bounds cross join records r cross join changes c on c.seq = r.last_seq
        where r.scope = ?1 and r.last_seq > ?2 and r.last_seq <= ifnull(bounds.bound, ?3)";
    /// Records of the scopes `[id, …]` in the order of their last change, one text a scope, in the order of the list.
    SCAN_SCOPES = r"
        select (select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc, c.hlc_node,
                c.operation_id, c.schema_version, c.committed_ms, '', ifnull(c.fields, '')) as line
            from records r cross join changes c on c.seq = r.last_seq
            where r.scope = j.value and r.last_seq > ?2 and r.last_seq <= ?3 order by r.last_seq limit ?4
        )) from json_each(?1) j";
    /// The same, of some collections only (`[id, …]`).
    SCAN_SCOPES_SOME = r"
        select (select group_concat(line, char(30)) from (
            select concat_ws(char(31), c.seq, (c.client << 24) | (c.collection << 4) | c.op, c.record_id, c.version, c.prev_seq, c.hlc, c.hlc_node,
                c.operation_id, c.schema_version, c.committed_ms, '', ifnull(c.fields, '')) as line
            from records r cross join changes c on c.seq = r.last_seq
            where r.scope = j.value and r.last_seq > ?2 and r.last_seq <= ?3 and r.collection in (select value from json_each(?5))
            order by r.last_seq limit ?4
        )) from json_each(?1) j";
    /// The lowest of the positions of the n-th records of the scopes `[id, …]` after another.
    SCAN_BOUND = r"
        select min((
            select r.last_seq from records r where r.scope = j.value and r.last_seq > ?2 and r.last_seq <= ?3
            order by r.last_seq limit 1 offset ?4
        )) from json_each(?1) j";
    /// Positions of records of the scopes `[id, …]`, so many of each, one list a scope.
    SCAN_POSITIONS = r"
        select (select group_concat(last_seq) from (
            select r.last_seq from records r where r.scope = j.value and r.last_seq > ?2 and r.last_seq <= ?3
            order by r.last_seq limit ?4
        )) from json_each(?1) j";
}
